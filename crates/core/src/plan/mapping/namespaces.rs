//! Where the name of a namespace is a typed reference.
//!
//! A map with `namespace` is a reference when it also says a `kind`, or when its key says so (`…Ref`, `…Refs`), or where
//! Kubernetes defines it so (subjects, a webhook's service). Anything else that names a namespace is left to `remain`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::hosts::fields;
use super::words::mapped_service;
use crate::inventory::FLUX_KINDS;
use crate::planted::{self, Bug};

/// The label that every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Annotations that name an object as `namespace/name`.
const ANNOTATIONS: &[&str] = &[
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "nginx.ingress.kubernetes.io/auth-secret",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret",
];
/// Annotation of Helm: the namespace of the release that an object belongs to.
const HELM: &str = "meta.helm.sh/release-namespace";
/// Groups whose `service` is a Service by namespace and name.
const SERVED_BY: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
];
const RBAC: &str = "rbac.authorization.k8s.io";

/// What to follow, and whom to tell.
pub(super) struct Follower<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) map: &'a BTreeMap<String, String>,
    pub(super) services: &'a BTreeSet<(String, String)>,
    pub(super) hit: &'a mut dyn FnMut(&str),
}

impl Follower<'_> {
    /// Maps all typed references of an object.
    pub(super) fn follow(mut self, object: &mut Value) {
        self.metadata(object);
        if let Some(annotation) = object.pointer_mut("/spec/externalName")
            && self.group.is_empty()
            && self.kind == "Service"
        {
            self.host(annotation);
        }
        if self.group == "cert-manager.io" && self.kind == "Certificate" {
            let (map, services) = (self.map, self.services);
            let hit = &mut *self.hit;
            if let Some(spec) = object.get_mut("spec") {
                fields(spec, &["dnsNames", "commonName"], &mut |text| {
                    let (old, new) = mapped_service(text, map, services)?;
                    hit(old);
                    Some(new)
                });
            }
        }
        let Some(map) = object.as_object_mut() else {
            return;
        };
        if self.group == "apiextensions.k8s.io" {
            // The rest of a definition is a schema: words there are field names.
            if let Some(conversion) = map
                .get_mut("spec")
                .and_then(|spec| spec.get_mut("conversion"))
            {
                self.walk(conversion, "conversion");
            }
            return;
        }
        if self.group.is_empty() && matches!(self.kind, "ConfigMap" | "Secret") {
            return;
        }
        for (key, inner) in map {
            if !matches!(key.as_str(), "metadata" | "status") {
                self.walk(inner, key);
            }
        }
    }

    fn text(&mut self, value: &mut Value) {
        if let Value::String(text) = value
            && let Some(new) = self.map.get(text.as_str())
        {
            (self.hit)(text);
            text.clone_from(new);
        }
    }

    fn texts(&mut self, value: Option<&mut Value>) {
        for one in value.and_then(Value::as_array_mut).into_iter().flatten() {
            self.text(one);
        }
    }

    fn host(&mut self, value: &mut Value) {
        if let Value::String(text) = value
            && let Some((old, new)) = mapped_service(text, self.map, self.services)
        {
            (self.hit)(old);
            *text = new;
        }
    }

    fn metadata(&mut self, object: &mut Value) {
        let is_namespace = self.group.is_empty() && self.kind == "Namespace";
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        if let Some(namespace) = metadata.get_mut("namespace") {
            self.text(namespace);
        }
        if is_namespace {
            if let Some(name) = metadata.get_mut("name") {
                self.text(name);
            }
            if let Some(name) = metadata
                .get_mut("labels")
                .and_then(|all| all.get_mut(NAME_LABEL))
            {
                self.text(name);
            }
        }
        if let Some(namespace) = metadata
            .get_mut("annotations")
            .and_then(|all| all.get_mut(HELM))
        {
            self.text(namespace);
        }
        for key in FLUX_KINDS.iter().map(|of| of.namespace_label) {
            if let Some(namespace) = metadata.get_mut("labels").and_then(|all| all.get_mut(key)) {
                self.text(namespace);
            }
        }
        for key in ANNOTATIONS {
            let annotation = metadata
                .get_mut("annotations")
                .and_then(|all| all.get_mut(key));
            if let Some(Value::String(text)) = annotation
                && let Some((old, name)) = text.split_once('/')
                && let Some(new) = self.map.get(old)
            {
                (self.hit)(old);
                *text = format!("{new}/{name}");
            }
        }
    }

    /// A value and the key that it, or the list that holds it, stands under.
    fn walk(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::Object(map) => {
                self.references(map, key);
                self.selectors(map, key);
                if self.group == RBAC {
                    self.rights(map, key);
                }
                for (key, inner) in map {
                    self.walk(inner, key);
                }
            }
            Value::Array(list) => {
                for inner in list {
                    self.walk(inner, key);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn references(&mut self, map: &mut Map<String, Value>, key: &str) {
        let by_key = key.ends_with("Ref") || key.ends_with("Refs");
        let served = key == "service" && SERVED_BY.contains(&self.group);
        let flux = key == "dependsOn" && FLUX_KINDS.iter().any(|of| of.group == self.group);
        let typed = map.get("kind").is_some_and(Value::is_string) || by_key || served || flux;
        let typed = typed && !planted::is(Bug::ReferenceNotMapped);
        if let (true, Some(namespace)) = (typed, map.get_mut("namespace")) {
            self.text(namespace);
        }
    }

    fn selectors(&mut self, map: &mut Map<String, Value>, key: &str) {
        if let Some(name) = map
            .get_mut("matchLabels")
            .and_then(|all| all.get_mut(NAME_LABEL))
        {
            self.text(name);
        }
        if map.get("key").and_then(Value::as_str) == Some(NAME_LABEL) {
            self.texts(map.get_mut("values"));
        }
        if key == "namespaceSelector" {
            self.texts(map.get_mut("matchNames"));
        }
        // A term of a pod's affinity.
        if map.contains_key("topologyKey") {
            self.texts(map.get_mut("namespaces"));
        }
    }

    /// Accounts as users and groups, and rights to one namespace.
    fn rights(&mut self, map: &mut Map<String, Value>, key: &str) {
        if key == "subjects"
            && let Some(Value::String(name)) = map.get_mut("name")
        {
            let user = name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'))
                .map(|(old, account)| (old, "system:serviceaccount:", format!(":{account}")));
            let group = name
                .strip_prefix("system:serviceaccounts:")
                .map(|old| (old, "system:serviceaccounts:", String::new()));
            if let Some((old, start, end)) = user.or(group)
                && let Some(new) = self.map.get(old)
            {
                (self.hit)(old);
                *name = format!("{start}{new}{end}");
            }
        }
        let of_namespaces = map
            .get("resources")
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|one| one == "namespaces"));
        if of_namespaces {
            self.texts(map.get_mut("resourceNames"));
        }
    }
}

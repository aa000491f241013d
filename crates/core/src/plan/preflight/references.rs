//! Secrets, ConfigMaps, accounts and claims that pods name and that nobody will have made.

use std::collections::BTreeSet;

use crate::json::Json;

use super::finding::{Raised, Weight};
use super::scene::{Scene, elements};
use crate::inventory::{ThingId, made_everywhere};

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    for (id, thing) in scene.written() {
        let Some(spec) = thing.pod_spec() else {
            continue;
        };
        let namespace = thing.namespace().unwrap_or_default();
        let mut named = BTreeSet::new();
        names(spec, &mut named);
        for (kind, name) in named {
            let wanted = ThingId::namespaced("", kind, namespace, &name);
            if is_missing(scene, &wanted) {
                raised.about(
                    Weight::Warning,
                    "reference-missing",
                    id,
                    format!("it names {wanted}, which neither comes back nor is at the target"),
                    "create it at the target before or while the recovery runs: the pods wait for it",
                );
            }
        }
    }
}

/// It was at the source, does not come back, and is not there. What was missing at the source as well is as it was; what another thing
/// owned is made anew, and so is what is made in every namespace.
fn is_missing(scene: &Scene<'_>, id: &ThingId) -> bool {
    let Some(source) = scene.objects.get(id) else {
        return false;
    };
    let part = format!(
        "{}/{}",
        id.namespace.as_deref().unwrap_or_default(),
        id.name
    );
    let filled =
        id.kind == "PersistentVolumeClaim" && scene.point.parts.iter().any(|one| one.id == part);
    let owned = !source.list("/metadata/ownerReferences").is_empty();
    let made = made_everywhere(id).is_some();
    !filled && !owned && !made && !scene.context.has(id) && scene.there(id).is_none()
}

/// Kind and name of everything that a pod cannot start without.
fn names(spec: &Json, named: &mut BTreeSet<(&'static str, String)>) {
    let mut add = |kind: &'static str, reference: Option<&Json>, key: &str| {
        let Some(reference) = reference else { return };
        let optional = reference.get("optional") == Some(&Json::Bool(true));
        if let (false, Some(name)) = (optional, reference.get(key).and_then(Json::as_str))
            && !name.is_empty()
        {
            named.insert((kind, name.to_owned()));
        }
    };
    add("ServiceAccount", Some(spec), "serviceAccountName");
    for pull in elements(spec, "/imagePullSecrets") {
        add("Secret", Some(pull), "name");
    }
    let containers = elements(spec, "/containers")
        .iter()
        .chain(elements(spec, "/initContainers"));
    for container in containers {
        for variable in elements(container, "/env") {
            add(
                "Secret",
                variable.pointer("/valueFrom/secretKeyRef"),
                "name",
            );
            add(
                "ConfigMap",
                variable.pointer("/valueFrom/configMapKeyRef"),
                "name",
            );
        }
        for all in elements(container, "/envFrom") {
            add("Secret", all.get("secretRef"), "name");
            add("ConfigMap", all.get("configMapRef"), "name");
        }
    }
    for volume in elements(spec, "/volumes") {
        add("Secret", volume.get("secret"), "secretName");
        add("ConfigMap", volume.get("configMap"), "name");
        add(
            "PersistentVolumeClaim",
            volume.get("persistentVolumeClaim"),
            "claimName",
        );
        for source in elements(volume, "/projected/sources") {
            add("Secret", source.get("secret"), "name");
            add("ConfigMap", source.get("configMap"), "name");
        }
    }
}

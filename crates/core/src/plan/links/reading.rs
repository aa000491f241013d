//! What a workload reads: its variables, commands, probes, and the keys of the ConfigMaps and Secrets that it is given.
//!
//! Finds the places, searches no text itself. Called by `links`.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::json::Json;

use super::How;
use super::texts::Texts;
use super::words::{Kind, connects, hosts};
use crate::inventory::{Thing, ThingId};

/// Host names that stand in one place.
pub(super) struct Read {
    pub(super) how: How,
    /// Object and field, never the value.
    pub(super) place: String,
    pub(super) hosts: Rc<BTreeSet<String>>,
}

struct Reader<'r, 'c, 'a> {
    texts: &'r mut Texts<'c, 'a>,
    thing: &'r Thing,
    namespace: &'r str,
    found: Vec<Read>,
}

/// Where a pod's spec stands in a thing.
pub(in crate::plan) fn spec_path(thing: &Thing) -> &'static str {
    match thing.resource.kind.as_str() {
        "Pod" => "spec",
        "CronJob" => "spec.jobTemplate.spec.template.spec",
        _ => "spec.template.spec",
    }
}

pub(super) fn reads(texts: &mut Texts<'_, '_>, thing: &Thing, spec: &Json) -> Vec<Read> {
    let mut reader = Reader {
        texts,
        thing,
        namespace: thing.namespace().unwrap_or_default(),
        found: Vec::new(),
    };
    let mut mounted: BTreeSet<&str> = BTreeSet::new();
    for (list, starts_first) in [("initContainers", true), ("containers", false)] {
        for (index, container) in items(spec, list).enumerate() {
            let path = format!("{}.{list}[{index}]", spec_path(thing));
            reader.container(container, &path, starts_first);
            let mounts = items(container, "volumeMounts");
            mounted.extend(mounts.filter_map(|mount| text(mount, "name")));
        }
    }
    for (index, volume) in items(spec, "volumes").enumerate() {
        if text(volume, "name").is_some_and(|name| mounted.contains(name)) {
            let path = format!("{}.volumes[{index}]", spec_path(thing));
            reader.volume(volume, &path);
        }
    }
    reader.found
}

fn text<'v>(value: &'v Json, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn items<'v>(value: &'v Json, key: &str) -> impl Iterator<Item = &'v Json> {
    value
        .get(key)
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

/// Command and arguments as one text.
fn script(container: &Json) -> String {
    let words: Vec<&str> = items(container, "command")
        .chain(items(container, "args"))
        .filter_map(Json::as_str)
        .collect();
    words.join(" ")
}

/// A script that uses a variable: `$NAME`, `${NAME}`, `$(NAME)`.
fn uses(script: &str, name: &str) -> bool {
    script.match_indices('$').any(|(at, _)| {
        let rest = script[at + 1..].trim_start_matches(['{', '(']);
        rest.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

impl Reader<'_, '_, '_> {
    fn push(&mut self, how: How, place: String, hosts: Rc<BTreeSet<String>>) {
        if !hosts.is_empty() {
            self.found.push(Read { how, place, hosts });
        }
    }

    fn own(&mut self, how: How, path: &str, key: &str, value: &str, kind: Kind) {
        let place = format!("{}: {path}", self.thing.id());
        self.push(how, place, Rc::new(hosts(key, value, kind)));
    }

    /// `only` are the keys that are read, all if it is empty.
    fn map(&mut self, how: How, kind: &str, name: &str, only: &[&str], path: &str) {
        let id = ThingId::namespaced("", kind, self.namespace, name);
        let all = self.texts.of(&id);
        for (key, hosts) in all.iter() {
            if only.is_empty() || only.contains(&key.as_str()) {
                let place = format!("{id}: data[{key}], read by {path},");
                self.push(how, place, hosts.clone());
            }
        }
    }

    fn container(&mut self, container: &Json, path: &str, starts_first: bool) {
        let command = script(container);
        let waits = starts_first && connects(&command);
        let how = |waits: bool| if waits { How::Wait } else { How::Text };
        self.own(
            how(waits),
            &format!("{path}.command"),
            "",
            &command,
            Kind::Script,
        );
        for variable in items(container, "env") {
            let Some(name) = text(variable, "name") else {
                continue;
            };
            let path = format!("{path}.env[{name}]");
            let how = how(waits && uses(&command, name));
            if let Some(value) = text(variable, "value") {
                self.own(how, &path, name, value, Kind::Json);
            }
            for (key, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                let from = variable
                    .pointer("/valueFrom")
                    .and_then(|from| from.get(key));
                if let Some((map, key)) =
                    from.and_then(|from| Some((text(from, "name")?, text(from, "key")?)))
                {
                    self.map(how, kind, map, &[key], &path);
                }
            }
        }
        for (index, from) in items(container, "envFrom").enumerate() {
            let path = format!("{path}.envFrom[{index}]");
            for (key, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                if let Some(map) = from.get(key).and_then(|from| text(from, "name")) {
                    self.map(How::Text, kind, map, &[], &path);
                }
            }
        }
        for probe in ["startupProbe", "readinessProbe"] {
            if let Some(asked) = container.get(probe) {
                self.probe(asked, &format!("{path}.{probe}"));
            }
        }
        if let Some(hook) = container.pointer("/lifecycle/postStart/exec") {
            let path = format!("{path}.lifecycle.postStart");
            self.own(How::Text, &path, "", &script(hook), Kind::Script);
        }
    }

    /// A pod is not ready before what its probe asks is.
    fn probe(&mut self, probe: &Json, path: &str) {
        if let Some(exec) = probe.get("exec") {
            self.own(How::Wait, path, "", &script(exec), Kind::Script);
        }
        for way in ["httpGet", "tcpSocket"] {
            if let Some(host) = probe.get(way).and_then(|way| text(way, "host")) {
                self.own(How::Wait, path, "host", host, Kind::Json);
            }
        }
    }

    fn volume(&mut self, volume: &Json, path: &str) {
        let sources = items(volume.get("projected").unwrap_or(&Json::Null), "sources");
        for source in std::iter::once(volume).chain(sources) {
            for (key, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
                let Some(from) = source.get(key) else {
                    continue;
                };
                let only: Vec<&str> = items(from, "items")
                    .filter_map(|item| text(item, "key"))
                    .collect();
                if let Some(name) = text(from, "name").or(text(from, "secretName")) {
                    self.map(How::Text, kind, name, &only, path);
                }
            }
        }
    }
}

//! Old names that still stand in configuration after everything typed has followed: found, never changed, values never told.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{mapped_host, namespace_of, words};
use super::{MappedKind, MappedPoint, Maps, Remain};
use crate::inventory::{Thing, ThingId};
use crate::json::Json;

/// Parts of `metadata` that nobody configures.
const METADATA: &[&str] = &["annotations"];
/// Keys whose text is an API group: it looks like a host name and is none.
const GROUPS: &[&str] = &["apiGroup", "apiGroups", "apiVersion", "group"];
/// Keys whose text is an image: `shop/web` is its repository there.
const IMAGES: &[&str] = &["image", "images", "repository", "newname"];
/// kubectl's copy of what was applied: what it says stands in the object itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Type of the Secrets in which Helm keeps releases, packed: each names its namespace, in itself and in its manifests.
const HELM_RELEASE: &str = "helm.sh/release.v1";

/// What was found.
#[derive(Default)]
pub(super) struct Remains(Vec<Found>);

struct Found {
    kind: MappedKind,
    from: String,
    thing: ThingId,
    field: String,
    /// The field's whole text, to see whether a patch has changed it.
    text: String,
}

impl Remains {
    /// Looks through an object that was mapped. A text that has changed has followed.
    pub(super) fn note(&mut self, before: &Thing, after: &Thing, maps: &Maps) {
        if before.resource.group == "apiextensions.k8s.io" {
            return;
        }
        let id = after.id();
        let mut walk = Walk {
            maps,
            thing: &id,
            is_secret: id.is("", "Secret"),
            found: &mut self.0,
        };
        if before.text("/type") == Some(HELM_RELEASE)
            && let Some(release) = before.text("/data/release")
        {
            walk.release(before.namespace().unwrap_or_default(), release);
        }
        let keys = before.object.as_object().into_iter().flatten();
        for (key, inner) in keys {
            let same = &after.object[key];
            match key {
                "apiVersion" | "kind" | "status" => {}
                "metadata" => {
                    for key in METADATA {
                        walk.value(&inner[*key], &same[*key], key, &format!("metadata.{key}"));
                    }
                }
                _ => walk.value(inner, same, key, key),
            }
        }
    }

    /// What a patch has changed no longer stands there.
    pub(super) fn forget_patched(&mut self, done: &MappedPoint<'_>) {
        self.0.retain(|found| {
            let patched = done.written.get(&found.thing);
            patched.is_none_or(|object| holds(object, &found.text))
        });
    }

    /// Where one mapping's old name stands.
    pub(super) fn of(&self, kind: MappedKind, from: &str) -> Vec<Remain> {
        let all: BTreeSet<Remain> = self
            .0
            .iter()
            .filter(|found| found.kind == kind && found.from == from)
            .map(|found| Remain {
                thing: found.thing.clone(),
                field: found.field.clone(),
            })
            .collect();
        all.into_iter().collect()
    }
}

fn holds(value: &Json, text: &str) -> bool {
    match value {
        Json::String(one) => one == text,
        Json::Array(list) => list.iter().any(|one| holds(one, text)),
        Json::Object(map) => map.values().any(|one| holds(one, text)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

struct Walk<'a> {
    maps: &'a Maps,
    thing: &'a ThingId,
    is_secret: bool,
    found: &'a mut Vec<Found>,
}

impl Walk<'_> {
    fn value(&mut self, before: &Json, after: &Json, key: &str, path: &str) {
        match before {
            Json::String(text) => {
                if before == after {
                    self.text(text, key, path);
                }
            }
            Json::Object(map) => {
                let name = map.get("name").and_then(Json::as_str);
                for (key, inner) in map {
                    if key == LAST_APPLIED || GROUPS.contains(&key) {
                        continue;
                    }
                    // A variable's name says what its value is.
                    let means = match (key, name) {
                        ("value", Some(name)) => name,
                        _ => key,
                    };
                    self.value(inner, &after[key], means, &format!("{path}.{key}"));
                }
            }
            Json::Array(list) => {
                let mut before_it = "";
                for (index, inner) in list.iter().enumerate() {
                    let name = inner.get("name").and_then(Json::as_str);
                    let here = name.map_or_else(
                        || format!("{path}[{index}]"),
                        |name| format!("{path}[{name}]"),
                    );
                    // `["--namespace", "shop"]`.
                    let key = if is_flag(before_it) { "namespace" } else { key };
                    self.value(inner, &after[index], key, &here);
                    before_it = inner.as_str().unwrap_or_default();
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, key: &str, path: &str) {
        let mut found = BTreeSet::new();
        if self.is_secret && path.starts_with("data.") {
            for plain in decoded(text) {
                self.look(&plain, key, &mut found);
            }
        } else {
            self.look(text, key, &mut found);
        }
        for (kind, from) in found {
            self.push(kind, from, path, text);
        }
    }

    fn release(&mut self, namespace: &str, text: &str) {
        if self.maps.mappings.namespaces.contains_key(namespace) {
            let kind = MappedKind::Namespace;
            self.push(kind, namespace.to_owned(), "data.release", text);
        }
    }

    fn push(&mut self, kind: MappedKind, from: String, path: &str, text: &str) {
        self.found.push(Found {
            kind,
            from,
            thing: self.thing.clone(),
            field: path.to_owned(),
            text: text.to_owned(),
        });
    }

    fn look(&self, text: &str, key: &str, found: &mut BTreeSet<(MappedKind, String)>) {
        let mappings = &self.maps.mappings;
        for old in mappings.namespaces.keys() {
            if text.contains(old.as_str()) && self.names_namespace(text, key, old) {
                found.insert((MappedKind::Namespace, old.clone()));
            }
        }
        if !mappings.hosts.is_empty() {
            for (old, _) in words(text).filter_map(|word| mapped_host(word, &mappings.hosts)) {
                found.insert((MappedKind::Host, old.to_owned()));
            }
        }
        for old in mappings.registries.keys() {
            if text.contains(old.as_str()) && names_image(text, old) {
                found.insert((MappedKind::Registry, old.clone()));
            }
        }
    }

    fn names_namespace(&self, text: &str, key: &str, old: &str) -> bool {
        let key = key.to_ascii_lowercase();
        let by_key = says_namespace(&key) && listed(text).any(|one| one == old);
        let by_host = words(text).any(|word| {
            namespace_of(word, &self.maps.services).is_some_and(|(_, namespace)| namespace == old)
        });
        let tokens: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''))
            .filter(|token| !token.is_empty())
            .collect();
        let by_flag = tokens
            .windows(2)
            .any(|pair| is_flag(pair[0]) && listed(pair[1]).any(|one| one == old));
        let is_image = IMAGES.iter().any(|image| key.ends_with(image));
        let mut pieces = tokens.iter().flat_map(|token| listed(token));
        let by_place = !is_image && pieces.any(|piece| is_place(piece, old));
        // Of a SPIFFE identity.
        let by_identity = text.contains(&format!("/ns/{old}/sa/"));
        let by_account = text.split("system:serviceaccount").skip(1).any(|rest| {
            rest.trim_start_matches('s')
                .strip_prefix(':')
                .is_some_and(|rest| starts_with_word(rest, old))
        });
        by_key || by_host || by_flag || by_account || by_place || by_identity
    }
}

/// `--namespace`, `--watch-namespaces`, `-n`.
fn is_flag(word: &str) -> bool {
    word == "-n" || word.starts_with('-') && says_namespace(&word.to_ascii_lowercase())
}

fn says_namespace(key: &str) -> bool {
    key.ends_with("namespace") || key.ends_with("namespaces")
}

/// The names of a list like `shop,bank`.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// An object by its place: `shop/web`, and Traefik's `shop-web@kubernetescrd`.
fn is_place(text: &str, namespace: &str) -> bool {
    let Some(rest) = text.strip_prefix(namespace) else {
        return false;
    };
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    match (rest.strip_prefix('/'), rest.strip_prefix('-')) {
        (Some(name), _) => !name.is_empty() && name.chars().all(inner),
        (None, Some(name)) => name.ends_with("@kubernetescrd"),
        (None, None) => false,
    }
}

/// A text begins with this word, and the word ends there.
fn starts_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| {
        !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    })
}

fn names_image(text: &str, old: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | ',' | '(' | ')'))
        .any(|token| starts_with_word(token, old))
}

/// The text of a Secret's field; of a certificate, the names that are in it.
fn decoded(field: &str) -> Vec<String> {
    let Some(text) = STANDARD
        .decode(field)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return Vec::new();
    };
    let mut texts: Vec<String> = text
        .split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .filter_map(|rest| rest.split("-----END").next())
        .flat_map(|body| {
            let body: String = body.split_whitespace().collect();
            names_in(&STANDARD.decode(body).unwrap_or_default())
        })
        .collect();
    if texts.is_empty() {
        texts.push(text);
    }
    texts
}

/// Runs of printable bytes in DER. A name's length stands before it and may look like a letter: both readings are given.
fn names_in(der: &[u8]) -> Vec<String> {
    der.split(|byte| !byte.is_ascii_graphic())
        .filter(|run| run.len() > 3)
        .flat_map(|run| [run, &run[1..]])
        .map(|run| String::from_utf8_lossy(run).into_owned())
        .collect()
}

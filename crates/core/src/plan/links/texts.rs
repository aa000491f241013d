//! The texts of ConfigMaps and Secrets, each searched once however many read it.
//!
//! A Secret's text leaves this module as host names only. Called by `reading`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::json::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{Kind, TEXT_BYTES_MAX, hosts};
use crate::inventory::{Thing, ThingId};
use crate::plan::context::Context;

/// Host names by key.
pub(super) type Found = Rc<BTreeMap<String, Rc<BTreeSet<String>>>>;

pub(super) struct Texts<'c, 'a> {
    context: &'c Context<'a>,
    searched: BTreeMap<ThingId, Found>,
}

/// Secrets that hold no configuration.
const NO_TEXT: &[&str] = &[
    "kubernetes.io/tls",
    "kubernetes.io/service-account-token",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/dockercfg",
    "kubernetes.io/ssh-auth",
    "helm.sh/release.v1",
];

impl<'c, 'a> Texts<'c, 'a> {
    pub(super) fn new(context: &'c Context<'a>) -> Self {
        Self {
            context,
            searched: BTreeMap::new(),
        }
    }

    /// What the keys of a ConfigMap or Secret name; nothing if it is not in the point.
    pub(super) fn of(&mut self, id: &ThingId) -> Found {
        if let Some(found) = self.searched.get(id) {
            return found.clone();
        }
        let found = Rc::new(self.context.objects.get(id).map(search).unwrap_or_default());
        self.searched.insert(id.clone(), found.clone());
        found
    }
}

fn search(thing: &Thing) -> BTreeMap<String, Rc<BTreeSet<String>>> {
    let is_secret = thing.resource.kind == "Secret";
    if is_secret
        && thing
            .text("/type")
            .is_some_and(|kind| NO_TEXT.contains(&kind))
    {
        return BTreeMap::new();
    }
    let mut found = BTreeMap::new();
    let data = thing.object.get("data").and_then(Json::as_object);
    for (key, value) in data.into_iter().flatten() {
        let Some(value) = value.as_str() else {
            continue;
        };
        let named = if is_secret {
            decoded(value).map(|text| hosts(key, &text, Kind::Json))
        } else {
            Some(hosts(key, value, Kind::Json))
        };
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            found.insert(key.to_owned(), Rc::new(named));
        }
    }
    found
}

/// The beginning of a Secret's value, if it is a text.
fn decoded(value: &str) -> Option<String> {
    let length = value.len().min(TEXT_BYTES_MAX / 3 * 4) / 4 * 4;
    let bytes = STANDARD.decode(value.get(..length)?).ok()?;
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        // A character may be cut at the end; a text that breaks before is none.
        Err(broken) => {
            let valid = broken.utf8_error().valid_up_to();
            let mut bytes = broken.into_bytes();
            if bytes.len() - valid > 3 {
                return None;
            }
            bytes.truncate(valid);
            String::from_utf8(bytes).ok()
        }
    }
}

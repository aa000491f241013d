//! Who owns what: owner references followed through an inventory. Called by `scope` and, for what a recovery links again, by
//! `plan`.

use crate::json::Json;

use super::{Inventory, Thing};
use crate::lookup::Lookup;

/// Owners of owners are followed so far.
const OWNERS_MAX: usize = 8;

/// The things of an inventory by uid.
pub(super) struct Owners<'a> {
    by_uid: Lookup<&'a str, &'a Thing>,
}

impl<'a> Owners<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let all = inventory.iter().map(|thing| (thing.uid(), thing));
        Self {
            by_uid: all.filter(|(uid, _)| !uid.is_empty()).collect(),
        }
    }

    /// The thing that manages another.
    pub(super) fn owner(&self, thing: &Thing) -> Option<&'a Thing> {
        let uid = managed_by(thing)?.get("uid").and_then(Json::as_str)?;
        self.by_uid.get(uid).copied()
    }

    /// The owner, its owner and so on, nearest first.
    pub(super) fn above(&self, thing: &Thing) -> Vec<&'a Thing> {
        let mut found = Vec::new();
        let mut at = self.owner(thing);
        while let Some(owner) = at.filter(|_| found.len() < OWNERS_MAX) {
            found.push(owner);
            at = self.owner(owner);
        }
        found
    }
}

/// The owner reference that counts: the controller's, else the first.
pub(super) fn managed_by(thing: &Thing) -> Option<&Json> {
    let all = thing.list("/metadata/ownerReferences");
    let controls = |owner: &&Json| owner.get("controller").and_then(Json::as_bool) == Some(true);
    all.iter().find(controls).or_else(|| all.first())
}

//! The ways in which an application is recovered: into an empty site or beside a little that is kept, as it always was; or over objects
//! that differ from the point's, updated or replaced, or under other names, beside the application itself.
//!
//! Drawn apart from the application and from what goes wrong, so that what else a seed means stays. Called by `prepared` and `run`.

pub(super) mod names;
mod there;

use std::collections::BTreeSet;

use refloat_core::inventory::Resource;
use refloat_core::recovery::Existing;
use serde_json::{Value, json};

use names::Names;

use super::application::Application;
use super::lots::Lots;
use crate::sim::resource;

/// Which runs go another way: with it the seeds that are kept go the first one.
const CHOICE: u64 = 0x6f76_6572_0000_0000;
/// What the other way is.
const OTHER: u64 = 0x7761_7973_0000_0000;

/// One way.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// What becomes of what is there.
    pub(super) existing: Existing,
    /// Objects at the second site beforehand.
    pub(super) there: Vec<(Resource, Value)>,
    /// Namespaces that have another name at the second site.
    pub(super) names: Names,
    /// For how many steps the controllers of the second site work on them first.
    pub(super) settles: usize,
    /// What it is, a line each.
    pub(super) lines: Vec<String>,
}

/// Whether the recovery of this seed goes the other way of its application.
pub(super) fn is_other(seed: u64) -> bool {
    Lots::new(seed ^ CHOICE).chance(50)
}

impl Way {
    /// How it is asked for.
    pub(super) fn title(&self) -> String {
        let names = self.names.iter();
        let names = names.map(|(old, new)| format!(" --map-namespace {old}={new}"));
        format!(
            "--existing {}{}",
            word(self.existing),
            names.collect::<String>()
        )
    }

    /// Into an empty site, or beside what the application has there, which is kept.
    pub(super) fn first(application: &Application) -> Self {
        let existing = if application.existing.is_empty() {
            Existing::Fail
        } else {
            Existing::Skip
        };
        Self {
            existing,
            there: application.existing.clone(),
            names: Names::new(),
            settles: 5,
            lines: Vec::new(),
        }
    }

    /// Draws the other way of an application.
    pub(super) fn other(seed: u64, application: &Application) -> Self {
        let mut lots = Lots::new(seed ^ OTHER);
        let existing = *lots.pick(&[
            Existing::Skip,
            Existing::Update,
            Existing::Update,
            Existing::Replace,
            Existing::Replace,
        ]);
        let mut there = there::draw(&mut lots, application);
        let mut names = Names::new();
        let mut existing = existing;
        if lots.chance(50) {
            names = names::draw(&mut lots, application);
            let is_free = names.values().all(|new| !names.contains_key(new));
            if is_free && lots.chance(50) {
                existing = Existing::Fail;
                there.retain(|(resource, object)| is_beside(resource, object, &names));
            } else {
                for (_, object) in &mut there {
                    names::rename(object, &names);
                }
            }
        }
        let homes: BTreeSet<String> = there
            .iter()
            .filter_map(|(_, object)| Some(object["metadata"]["namespace"].as_str()?.to_owned()))
            .collect();
        for home in homes {
            there.insert(0, namespace(&mut lots, &home));
        }
        let mut way = Self {
            existing,
            there,
            names,
            settles: 60,
            lines: Vec::new(),
        };
        way.lines.push(format!("the other way: {}", way.title()));
        for (resource, object) in &way.there {
            let place = object["metadata"]["namespace"].as_str().unwrap_or("");
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            way.lines
                .push(format!("there already: {} {place}/{name}", resource.kind));
        }
        way
    }
}

/// What may stand under the old name: nothing of it is in a place of the recovery, or has a node port that it would get.
fn is_beside(resource: &Resource, object: &Value, names: &Names) -> bool {
    let namespace = object["metadata"]["namespace"].as_str();
    namespace.is_some_and(|namespace| names.contains_key(namespace)) && resource.kind != "Service"
}

fn word(existing: Existing) -> &'static str {
    match existing {
        Existing::Fail => "fail",
        Existing::Skip => "skip",
        Existing::Update => "update",
        Existing::Replace => "replace",
    }
}

fn namespace(lots: &mut Lots, name: &str) -> (Resource, Value) {
    let mut object =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    if lots.chance(40) {
        object["metadata"]["labels"] = json!({ "mine": "yes" });
    }
    (resource("Namespace"), object)
}

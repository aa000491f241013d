//! One thing under another name: `--only pvc/data-0 --as data-0-yesterday`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use super::Selection;
use crate::driver::{FieldOwner, Op, Problem};
use crate::inventory::{Inventory, Thing, ThingId};
use crate::plan::context::{Context, hand_over_step, write_step};
use crate::run::{Step, Work};

/// What ties an object to whoever deploys it. A copy is nobody's: an Argo CD that found its own mark on it would delete it.
const MARKS: &[(&str, &str)] = &[
    ("/metadata/annotations", "argocd.argoproj.io/tracking-id"),
    (
        "/metadata/annotations",
        "kubectl.kubernetes.io/last-applied-configuration",
    ),
    ("/metadata/annotations", "meta.helm.sh/release-name"),
    ("/metadata/annotations", "meta.helm.sh/release-namespace"),
    ("/metadata/labels", "app.kubernetes.io/instance"),
    ("/metadata/labels", "app.kubernetes.io/managed-by"),
    ("/metadata/labels", "argocd.argoproj.io/instance"),
    ("/metadata/labels", "kustomize.toolkit.fluxcd.io/name"),
    ("/metadata/labels", "kustomize.toolkit.fluxcd.io/namespace"),
    ("/metadata/labels", "helm.toolkit.fluxcd.io/name"),
    ("/metadata/labels", "helm.toolkit.fluxcd.io/namespace"),
];

/// A name that the API server takes for a new object: a DNS subdomain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName(String);

/// Not such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be the name of an object: small letters, digits, `-` and `.`, at most 253")]
pub struct NewNameError(String);

impl NewName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NewName {
    type Err = NewNameError;

    fn from_str(text: &str) -> Result<Self, NewNameError> {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let label = |label: &str| {
            label.starts_with(edge)
                && label.ends_with(edge)
                && label.chars().all(|c| edge(c) || c == '-')
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NewNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for NewName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The one thing that gets another name, if that can be.
pub(super) fn which(
    selection: &Selection,
    chosen: &BTreeSet<ThingId>,
    context: &Context<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(ThingId, NewName)> {
    let name = selection.renamed.as_ref()?;
    let id = match chosen.first() {
        Some(id) if chosen.len() == 1 => id,
        Some(_) | None => {
            problems.push(Problem::stuck(
                "as-needs-one",
                format!(
                    "`--as {name}` is for one thing, and {} are selected",
                    chosen.len()
                ),
                "select exactly one: `--only pvc/NAME --as NEWNAME`",
            ));
            return None;
        }
    };
    let runs = context
        .things
        .get(id)
        .is_some_and(|thing| thing.pod_spec().is_some());
    let why = if runs {
        "its selector would be the same, and the two would take each other's pods"
    } else if id.namespace.is_none() {
        "things of the whole cluster are known by their names"
    } else {
        return Some((id.clone(), name.clone()));
    };
    problems.push(Problem::stuck(
        "as-not-possible",
        format!("{id} cannot come back as `{name}`: {why}"),
        "`--as` is for volumes, ConfigMaps, Secrets and the like",
    ));
    None
}

fn unmark(object: &mut Value) {
    for (pointer, key) in MARKS {
        if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
            map.remove(*key);
        }
    }
}

/// Gives the one thing its other name.
pub(super) fn rename(id: &ThingId, name: &NewName, steps: &mut BTreeMap<String, Step>) {
    if let Some(step) = steps.get_mut(&write_step(id))
        && let Work::Write(writing) = &mut step.work
    {
        writing.object.edit(|object| {
            object["metadata"]["name"] = json!(name.as_str());
            unmark(object);
        });
        // Nobody has ever applied an object of this name.
        writing.owner = FieldOwner::refloat();
        writing.managers = Vec::new();
        step.title = format!("{} as {name}", step.title);
    }
    let part = format!(
        "{}/{}",
        id.namespace.as_deref().unwrap_or_default(),
        id.name
    );
    for step_id in [hand_over_step(&part), format!("reap {part}")] {
        let Some(step) = steps.get_mut(&step_id) else {
            continue;
        };
        let Work::Driver { op, claim, inputs } = &mut step.work else {
            continue;
        };
        name.as_str().clone_into(&mut claim.thing.name);
        // What was made on the way is called after the part.
        inputs.insert("part".to_owned(), json!(part));
        if let Some(object) = inputs.get_mut("claim") {
            object["metadata"]["name"] = json!(name.as_str());
            unmark(object);
        }
        if *op == Op::Restore {
            let namespace = claim.thing.namespace.as_deref().unwrap_or_default();
            step.title = format!("hand the volume of {part} over as {namespace}/{name}");
        }
    }
}

/// True when a workload makes claims of this name by itself: `data-db-3` of StatefulSet `db`.
pub(super) fn is_claim_of(thing: &Thing, claim: &str) -> bool {
    thing
        .list("/spec/volumeClaimTemplates")
        .iter()
        .filter_map(|template| template.pointer("/metadata/name")?.as_str())
        .filter_map(|template| claim.strip_prefix(&format!("{template}-{}-", thing.name())))
        .any(|ordinal| !ordinal.is_empty() && ordinal.chars().all(|c| c.is_ascii_digit()))
}

/// A warning when a workload at the target would take the claim for its own.
pub(super) fn fits_a_workload(id: &ThingId, name: &NewName, target: &Inventory) -> Vec<String> {
    if !id.is("", "PersistentVolumeClaim") {
        return Vec::new();
    }
    target
        .iter()
        .filter(|thing| thing.namespace() == id.namespace.as_deref())
        .filter(|thing| is_claim_of(thing, name.as_str()))
        .map(|thing| {
            format!(
                "a claim of the name `{name}` belongs to {}: it takes it for its own as soon as it has so many replicas",
                thing.id()
            )
        })
        .collect()
}

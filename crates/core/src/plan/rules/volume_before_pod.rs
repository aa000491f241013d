//! A workload waits until every volume that it mounts is handed over.

use std::collections::BTreeMap;

use crate::json::Json;

use super::super::context::{Context, hand_over_step, write_step};
use super::super::links::spec_path;
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::Thing;

pub(super) const RULE: Rule = Rule {
    name: "VOLUME_BEFORE_POD",
    reason: "a StatefulSet whose claim is not there makes an empty one, and its database starts anew",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let parts = Parts::of(context);
    let mut drawn = Vec::new();
    for (thing, spec) in context.workloads() {
        for (part, field) in mounts(thing, spec, &parts) {
            drawn.push(Drawn::new(
                write_step(&thing.id()),
                hand_over_step(part),
                format!("{}: {field}", thing.id()),
            ));
        }
    }
    drawn
}

/// Volumes that are filled, by namespace and claim.
pub(super) struct Parts<'a>(BTreeMap<(&'a str, &'a str), &'a str>);

impl<'a> Parts<'a> {
    pub(super) fn of(context: &Context<'a>) -> Self {
        let all = context.parts.iter();
        Self(
            all.filter_map(|part| Some((part.id.split_once('/')?, part.id.as_str())))
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The part of one claim.
    pub(super) fn of_claim(&self, namespace: &str, claim: &str) -> Option<&'a str> {
        self.0.get(&(namespace, claim)).copied()
    }

    /// Namespace, claim and part of each.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let all = self.0.iter();
        all.map(|((namespace, claim), part)| (*namespace, *claim, *part))
    }
}

/// The parts that a workload's pods mount, with the field that says so.
pub(super) fn mounts<'a>(
    thing: &Thing,
    spec: &Json,
    Parts(parts): &Parts<'a>,
) -> Vec<(&'a str, String)> {
    let mut found = Vec::new();
    let Some(namespace) = thing.namespace() else {
        return found;
    };
    let volumes = spec.get("volumes").and_then(Json::as_array);
    for (place, volume) in volumes.into_iter().flatten().enumerate() {
        let claim = volume
            .pointer("/persistentVolumeClaim/claimName")
            .and_then(Json::as_str);
        if let Some(part) = claim.and_then(|claim| parts.get(&(namespace, claim))) {
            let field = "persistentVolumeClaim.claimName";
            let path = format!("{}.volumes[{place}].{field}", spec_path(thing));
            found.push((*part, path));
        }
    }
    for template in thing.list("/spec/volumeClaimTemplates") {
        let Some(name) = template.pointer("/metadata/name").and_then(Json::as_str) else {
            continue;
        };
        let prefix = format!("{name}-{}-", thing.name());
        let claims = parts.range((namespace, prefix.as_str())..);
        for ((_, claim), part) in
            claims.take_while(|((of, claim), _)| *of == namespace && claim.starts_with(&prefix))
        {
            let ordinal = claim.strip_prefix(&prefix).unwrap_or_default();
            if ordinal.parse::<u32>().is_ok() {
                found.push((*part, format!("spec.volumeClaimTemplates[{name}]")));
            }
        }
    }
    found
}

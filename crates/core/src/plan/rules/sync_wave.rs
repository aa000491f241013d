//! Argo CD's sync waves and hook phases: an author's word about order.

use std::collections::BTreeMap;

use super::super::context::Context;
use super::waves::{self, Wave, Waves};
use super::{Drawn, HIGH, Rule};
use crate::inventory::Thing;

pub(super) const RULE: Rule = Rule {
    name: "ARGO_SYNC_WAVE",
    reason: "the author has numbered the objects, and Argo CD waits for each wave before the next",
    confidence: HIGH,
    draw,
};

const WAVE: &str = "argocd.argoproj.io/sync-wave";
const HOOK: &str = "argocd.argoproj.io/hook";
const TRACKING: &str = "argocd.argoproj.io/tracking-id";
const INSTANCE: &str = "argocd.argoproj.io/instance";
/// Hooks and their stages; the others (`SyncFail`, `PreDelete`, …) have no place in a recovery.
const STAGES: &[(&str, u8)] = &[("PreSync", 0), ("Sync", 1), ("PostSync", 2)];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    if !context.is_marked(&[WAVE, HOOK]) {
        return Vec::new();
    }
    let mut applications: BTreeMap<String, Waves<'_>> = BTreeMap::new();
    for thing in context.things.values() {
        if let (Some(application), Some(wave)) = (application(thing), wave(thing)) {
            let waves = applications.entry(application).or_default();
            waves.entry(wave).or_default().push(thing);
        }
    }
    let mut drawn = Vec::new();
    for (application, waves) in applications {
        let told = |(stage, number): Wave| {
            let stage = STAGES.iter().find(|(_, one)| *one == stage);
            let stage = stage.map_or("", |(name, _)| name);
            format!("metadata.annotations[{WAVE}] {number} ({stage}) of {application}")
        };
        drawn.extend(waves::draw(context, &waves, &told));
    }
    drawn
}

/// The Application that tracks a thing; of one that is only annotated, its namespace.
fn application(thing: &Thing) -> Option<String> {
    if let Some((name, _)) = thing.annotation(TRACKING).and_then(|id| id.split_once(':')) {
        return Some(name.to_owned());
    }
    let label = thing.label(INSTANCE);
    if let Some(name) = label {
        return Some(name.to_owned());
    }
    let near = thing.namespace()?;
    let by_label = thing.label("app.kubernetes.io/instance");
    if let Some(name) = by_label {
        return Some(format!("{near}/{name}"));
    }
    let annotated = thing.annotation(WAVE).is_some() || thing.annotation(HOOK).is_some();
    annotated.then(|| format!("namespace {near}"))
}

fn wave(thing: &Thing) -> Option<Wave> {
    let number = match thing.annotation(WAVE) {
        Some(text) => text.trim().parse().ok()?,
        None => 0,
    };
    let Some(hooks) = thing.annotation(HOOK) else {
        return Some((1, number));
    };
    let stage = hooks
        .split(',')
        .find_map(|hook| STAGES.iter().find(|(name, _)| *name == hook.trim()));
    stage.map(|(_, stage)| (*stage, number))
}

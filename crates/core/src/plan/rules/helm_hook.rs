//! Helm's hooks: what is to run before a release's objects, and what after. Dependencies of a chart say what is installed, not in which order: Helm
//! renders them into one release, and applies it at once. Source: Helm's proposal 0025, which would change that.

use std::collections::BTreeMap;

use super::super::context::Context;
use super::super::operators::release;
use super::waves::{self, Wave, Waves};
use super::{Drawn, HIGH, Rule};
use crate::inventory::Thing;

pub(super) const RULE: Rule = Rule {
    name: "HELM_HOOK",
    reason: "the chart's author has said what comes before the release's objects and what after; its dependencies give no order: Helm \
             applies the objects of all of a release's charts together",
    confidence: HIGH,
    draw,
};

const HOOK: &str = "helm.sh/hook";
const WEIGHT: &str = "helm.sh/hook-weight";
/// Hooks and their stages; the release's own objects are stage 1. Others (`test`, `pre-delete`, …) have no place in a recovery.
const STAGES: &[(&str, u8)] = &[
    ("pre-install", 0),
    ("pre-upgrade", 0),
    ("post-install", 2),
    ("post-upgrade", 2),
];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    if !context.is_marked(&[HOOK]) {
        return Vec::new();
    }
    let mut releases: BTreeMap<(String, String), Waves<'_>> = BTreeMap::new();
    for thing in context.things.values() {
        if let (Some(release), Some(wave)) = (release_of(thing), wave(thing)) {
            let waves = releases.entry(release).or_default();
            waves.entry(wave).or_default().push(thing);
        }
    }
    let mut drawn = Vec::new();
    for ((_, name), waves) in releases {
        let told = |(stage, weight): Wave| {
            let hook = STAGES.iter().find(|(_, one)| *one == stage);
            match hook {
                Some((hook, _)) => {
                    format!("metadata.annotations[{HOOK}] {hook} (weight {weight}) of {name}")
                }
                None => format!("what release {name} consists of"),
            }
        };
        drawn.extend(waves::draw(context, &waves, &told));
    }
    drawn
}

/// Helm does not annotate hooks with their release: its charts label them.
fn release_of(thing: &Thing) -> Option<(String, String)> {
    release(thing).or_else(|| {
        let name = thing
            .label("app.kubernetes.io/instance")
            .or(thing.label("release"))?;
        Some((thing.namespace()?.to_owned(), name.to_owned()))
    })
}

fn wave(thing: &Thing) -> Option<Wave> {
    let Some(hooks) = thing.annotation(HOOK) else {
        return Some((1, 0));
    };
    let stage = hooks
        .split(',')
        .find_map(|hook| STAGES.iter().find(|(name, _)| *name == hook.trim()));
    let weight = thing.annotation(WEIGHT).unwrap_or("0");
    stage.and_then(|(_, stage)| Some((*stage, weight.trim().parse().ok()?)))
}

//! What the user says: `refloat.io/after` makes a thing wait, `refloat.io/not-after` takes away what other rules concluded.

use std::collections::{BTreeMap, BTreeSet};

use super::super::context::{Context, hand_over_step, write_step};
use super::{CERTAIN, Drawn, Rule};
use crate::driver::Problem;
use crate::inventory::Thing;
use crate::names::{ANNOTATION_AFTER, ANNOTATION_NOT_AFTER};
use crate::run::{Confidence, Step};

pub(super) const RULE: Rule = Rule {
    name: "USERS_WORD",
    reason: "the user knows the application, and has said so in `refloat.io/after`",
    confidence: CERTAIN,
    draw,
};

/// Words of one annotation that are looked at.
const WORDS_MAX: usize = 100;

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    if !context.is_marked(&[ANNOTATION_AFTER]) {
        return Vec::new();
    }
    let mut drawn = Vec::new();
    for thing in context.things.values() {
        for word in words(thing, ANNOTATION_AFTER) {
            for one in meant(context, thing, word) {
                let evidence = format!(
                    "{}: metadata.annotations[{ANNOTATION_AFTER}] says {word}",
                    thing.id()
                );
                drawn.push(Drawn::new(write_step(&thing.id()), one.works, evidence));
            }
        }
    }
    drawn
}

fn words<'t>(thing: &'t Thing, annotation: &str) -> impl Iterator<Item = &'t str> {
    thing
        .annotation(annotation)
        .unwrap_or_default()
        .split([',', '\n'])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
}

/// The thing that a word names has two steps: it is written, and it works.
struct Meant {
    written: String,
    works: String,
}

/// What a word names: `StatefulSet/db`, `Cluster.postgresql.cnpg.io/db`, `Deployment/other-namespace/api`.
fn meant(context: &Context<'_>, by: &Thing, word: &str) -> Vec<Meant> {
    let parts: Vec<&str> = word.split('/').map(str::trim).collect();
    let (kind, namespace, name) = match *parts.as_slice() {
        [kind, name] => (kind, by.namespace(), name),
        [kind, namespace, name] => (kind, Some(namespace), name),
        _ => return Vec::new(),
    };
    let (kind, group) = match kind.split_once('.') {
        Some((kind, group)) => (kind, Some(group)),
        None => (kind, None),
    };
    if kind == "PersistentVolumeClaim" {
        let id = format!("{}/{name}", namespace.unwrap_or_default());
        let parts = context.parts.iter().filter(|part| part.id == id);
        let step = |id: &str| Meant {
            written: hand_over_step(id),
            works: hand_over_step(id),
        };
        return parts.map(|part| step(&part.id)).collect();
    }
    context
        .meant(group, kind, namespace, name)
        .iter()
        .map(|id| Meant {
            written: write_step(id),
            works: context.works_step(id),
        })
        .collect()
}

/// Takes away what the user does not want, and says which words mean nothing.
pub(in crate::plan) fn take_away(
    context: &Context<'_>,
    steps: &mut BTreeMap<String, Step>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) {
    if !context.is_marked(&[ANNOTATION_AFTER, ANNOTATION_NOT_AFTER]) {
        return;
    }
    for (id, thing) in &context.things {
        for word in words(thing, ANNOTATION_AFTER) {
            problems.extend(means_nothing(context, thing, word));
        }
        let mut refused: Vec<&str> = words(thing, ANNOTATION_NOT_AFTER).collect();
        refused.retain(|word| {
            let known = !meant(context, thing, word).is_empty();
            if !known {
                warnings.push(format!(
                    "{id}: {ANNOTATION_NOT_AFTER} names `{word}`, which the recovery does not bring back"
                ));
            }
            known
        });
        let Some(step) = steps
            .get_mut(&write_step(id))
            .filter(|_| !refused.is_empty())
        else {
            continue;
        };
        for word in refused {
            let on: BTreeSet<String> = meant(context, thing, word)
                .into_iter()
                .flat_map(|one| [one.written, one.works])
                .collect();
            step.needs.retain(|edge| {
                let is_refused = on.contains(edge.on.as_str());
                if is_refused && edge.confidence == Confidence::Certain {
                    warnings.push(format!(
                        "{id} waits for {} all the same: {} is certain ({})",
                        edge.on, edge.rule, edge.evidence
                    ));
                }
                !is_refused || edge.confidence == Confidence::Certain
            });
        }
    }
}

fn means_nothing(context: &Context<'_>, thing: &Thing, word: &str) -> Option<Problem> {
    let own = write_step(&thing.id());
    let found = meant(context, thing, word);
    let message = if found.is_empty() {
        format!(
            "{} is to come after `{word}` ({ANNOTATION_AFTER}), which the recovery does not bring back",
            thing.id()
        )
    } else if found.iter().any(|one| one.written == own) {
        format!(
            "{} is to come after itself ({ANNOTATION_AFTER})",
            thing.id()
        )
    } else {
        return None;
    };
    Some(Problem::stuck(
        "after-unknown",
        message,
        "name things as `Kind/name` or `Kind/namespace/name`, as they are in the point, and take another point",
    ))
}

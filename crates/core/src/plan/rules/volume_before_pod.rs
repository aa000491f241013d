//! A workload waits until every volume that it mounts is handed over.

use serde_json::Value;

use super::super::context::{Context, hand_over_step, write_step};
use super::{Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "VOLUME_BEFORE_POD",
    reason: "a StatefulSet whose claim is not there makes an empty one, and its database starts anew",
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for part in context.parts {
        let Some((namespace, claim)) = part.id.split_once('/') else {
            continue;
        };
        for (thing, spec) in context.workloads() {
            if thing.namespace() != Some(namespace) {
                continue;
            }
            let named = spec
                .get("volumes")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|volume| {
                    volume
                        .pointer("/persistentVolumeClaim/claimName")
                        .and_then(Value::as_str)
                        == Some(claim)
                });
            let templated = thing
                .list("/spec/volumeClaimTemplates")
                .iter()
                .any(|template| {
                    template
                        .pointer("/metadata/name")
                        .and_then(Value::as_str)
                        .and_then(|name| claim.strip_prefix(&format!("{name}-{}-", thing.name())))
                        .is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
                });
            if named || templated {
                let field = if named {
                    "volumes"
                } else {
                    "volumeClaimTemplates"
                };
                drawn.push(Drawn::new(
                    write_step(&thing.id()),
                    hand_over_step(&part.id),
                    format!("{} mounts it by {field}", thing.id()),
                ));
            }
        }
    }
    drawn
}

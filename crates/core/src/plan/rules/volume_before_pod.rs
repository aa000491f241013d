//! A workload waits until every volume that it mounts is handed over.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::context::{Context, hand_over_step, write_step};
use super::super::links::spec_path;
use super::{CERTAIN, Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "VOLUME_BEFORE_POD",
    reason: "a StatefulSet whose claim is not there makes an empty one, and its database starts anew",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let parts: BTreeMap<(&str, &str), &str> = context
        .parts
        .iter()
        .filter_map(|part| Some((part.id.split_once('/')?, part.id.as_str())))
        .collect();
    let mut drawn = Vec::new();
    for (thing, spec) in context.workloads() {
        let Some(namespace) = thing.namespace() else {
            continue;
        };
        let mut waits = |part: &str, field: String| {
            drawn.push(Drawn::new(
                write_step(&thing.id()),
                hand_over_step(part),
                format!("{}: {field}", thing.id()),
            ));
        };
        let volumes = spec.get("volumes").and_then(Value::as_array);
        for (place, volume) in volumes.into_iter().flatten().enumerate() {
            let claim = volume
                .pointer("/persistentVolumeClaim/claimName")
                .and_then(Value::as_str);
            if let Some(part) = claim.and_then(|claim| parts.get(&(namespace, claim))) {
                let field = "persistentVolumeClaim.claimName";
                waits(
                    part,
                    format!("{}.volumes[{place}].{field}", spec_path(thing)),
                );
            }
        }
        for template in thing.list("/spec/volumeClaimTemplates") {
            let Some(name) = template.pointer("/metadata/name").and_then(Value::as_str) else {
                continue;
            };
            let prefix = format!("{name}-{}-", thing.name());
            let claims = parts.range((namespace, prefix.as_str())..);
            for ((_, claim), part) in
                claims.take_while(|((of, claim), _)| *of == namespace && claim.starts_with(&prefix))
            {
                let ordinal = claim.strip_prefix(&prefix).unwrap_or_default();
                if ordinal.parse::<u32>().is_ok() {
                    waits(part, format!("spec.volumeClaimTemplates[{name}]"));
                }
            }
        }
    }
    drawn
}

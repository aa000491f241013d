//! Webhooks and API services wait for what answers them.

use serde_json::Value;

use super::super::context::{Context, write_step};
use super::{Drawn, Rule};
use crate::inventory::ThingId;

pub(super) const RULE: Rule = Rule {
    name: "WEBHOOK_AFTER_BACKEND",
    reason: "a webhook whose Service has no pods refuses the very objects that would bring them",
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (id, thing) in &context.things {
        let services: Vec<&Value> = match id.group.as_str() {
            "admissionregistration.k8s.io" => thing
                .list("/webhooks")
                .iter()
                .filter_map(|hook| hook.pointer("/clientConfig/service"))
                .collect(),
            "apiregistration.k8s.io" => thing.object.pointer("/spec/service").into_iter().collect(),
            _ => continue,
        };
        for service in services {
            let text = |key: &str| service.get(key).and_then(Value::as_str).unwrap_or_default();
            let service = ThingId::namespaced("", "Service", text("namespace"), text("name"));
            let Some(found) = context.things.get(&service) else {
                continue;
            };
            let evidence = format!("{service} answers for it");
            drawn.push(Drawn::new(
                write_step(id),
                write_step(&service),
                evidence.clone(),
            ));
            for workload in context.behind(found) {
                drawn.push(Drawn::new(
                    write_step(id),
                    write_step(&workload),
                    evidence.clone(),
                ));
            }
        }
    }
    drawn
}

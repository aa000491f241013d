//! Pods wait for the policies that select them, and for the limits of their namespace.

use crate::json::Json;

use super::super::context::{Context, write_step};
use super::{CERTAIN, Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "POLICY_BEFORE_PODS",
    reason: "a pod that runs before its NetworkPolicy is open to all, one before its disruption budget may be evicted, and one before its LimitRange has no limits",
    confidence: CERTAIN,
    draw,
};

/// Group, kind, field of the selector.
const POLICIES: &[(&str, &str, &str)] = &[
    ("networking.k8s.io", "NetworkPolicy", "podSelector"),
    ("policy", "PodDisruptionBudget", "selector"),
];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (group, kind, field) in POLICIES {
        for policy in context.of_kind(group, kind) {
            let selector = policy.object.get("spec").and_then(|spec| spec.get(field));
            let (Some(namespace), Some(selector)) = (policy.namespace(), selector) else {
                continue;
            };
            let selector: &Json = selector;
            for thing in context.pods.selected(namespace, selector) {
                let evidence = format!("{}: spec.{field} selects its pods", policy.id());
                drawn.push(Drawn::new(
                    write_step(&thing.id()),
                    write_step(&policy.id()),
                    evidence,
                ));
            }
        }
    }
    for limits in context.of_kind("", "LimitRange") {
        let evidence = format!("{}: it is for every pod of its namespace", limits.id());
        let on = write_step(&limits.id());
        for thing in context.pods.all(limits.namespace().unwrap_or_default()) {
            drawn.push(Drawn::new(write_step(&thing.id()), &on, &evidence));
        }
    }
    drawn
}

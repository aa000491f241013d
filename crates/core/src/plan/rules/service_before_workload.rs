//! A workload waits for the Services in front of it.

use super::super::context::{Context, write_step};
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::{Thing, ThingId};

pub(super) const RULE: Rule = Rule {
    name: "SERVICE_BEFORE_WORKLOAD",
    reason: "members of a StatefulSet find each other by its Service, and environment variables of Services are fixed at a pod's start",
    confidence: CERTAIN,
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for service in context.of_kind("", "Service") {
        if is_traffic(service) {
            continue;
        }
        for workload in context.behind(service) {
            let evidence = format!("{}: spec.selector selects its pods", service.id());
            drawn.push(Drawn::new(
                write_step(&workload),
                write_step(&service.id()),
                evidence,
            ));
        }
    }
    for set in context.of_kind("apps", "StatefulSet") {
        let (Some(namespace), Some(name)) = (set.namespace(), set.text("/spec/serviceName")) else {
            continue;
        };
        let id = ThingId::namespaced("", "Service", namespace, name);
        if context.things.get(&id).is_some_and(|one| !is_traffic(one)) {
            let evidence = format!("{}: spec.serviceName", set.id());
            drawn.push(Drawn::new(write_step(&set.id()), write_step(&id), evidence));
        }
    }
    drawn
}

/// It brings users in: it is the last, not the first.
fn is_traffic(service: &Thing) -> bool {
    service.text("/spec/type") == Some("LoadBalancer")
}

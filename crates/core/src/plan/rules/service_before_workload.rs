//! A workload waits for the Services in front of it.

use super::super::context::{Context, write_step};
use super::{Drawn, Rule};

pub(super) const RULE: Rule = Rule {
    name: "SERVICE_BEFORE_WORKLOAD",
    reason: "members of a StatefulSet find each other by its Service, and environment variables of Services are fixed at a pod's start",
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for service in context.of_kind("", "Service") {
        if service.text("/spec/type") == Some("LoadBalancer") {
            continue;
        }
        for workload in context.behind(service) {
            let evidence = format!("{} selects its pods", service.id());
            drawn.push(Drawn::new(
                write_step(&workload),
                write_step(&service.id()),
                evidence,
            ));
        }
    }
    drawn
}

//! The kinds of operators whose status is known: one table a family. Where a fact comes from stands beside it; to be
//! read as "what this operator writes when it is ready, and when it has given up".

mod argo_workflows;
mod ceph;
mod cert_manager;
mod cloudnative_pg;
mod external_secrets;
mod gateway;
mod k8up;
mod longhorn;
mod mongodb;
mod percona;
mod rabbitmq;
mod ramen;
mod snapshots;
mod stork;
mod strimzi;
mod tekton;
mod velero;
mod zalando;

use super::rule::Rule;
use crate::inventory::Resource;

/// All tables.
pub(super) const FAMILIES: &[(&str, &[Rule])] = &[
    ("CloudNativePG", cloudnative_pg::RULES),
    ("Zalando", zalando::RULES),
    ("Percona", percona::RULES),
    ("MongoDB", mongodb::RULES),
    ("Strimzi", strimzi::RULES),
    ("RabbitMQ", rabbitmq::RULES),
    ("Longhorn", longhorn::RULES),
    ("Rook and csi-addons", ceph::RULES),
    ("Ramen", ramen::RULES),
    ("Stork", stork::RULES),
    ("CSI snapshots", snapshots::RULES),
    ("Gateway API", gateway::RULES),
    ("cert-manager", cert_manager::RULES),
    ("External Secrets", external_secrets::RULES),
    ("Velero", velero::RULES),
    ("K8up", k8up::RULES),
    ("Tekton", tekton::RULES),
    ("Argo Workflows", argo_workflows::RULES),
];

/// The rule of a kind that is known.
pub(super) fn rule(resource: &Resource) -> Option<&'static Rule> {
    FAMILIES
        .iter()
        .flat_map(|(_, rules)| rules.iter())
        .find(|rule| rule.group == resource.group && rule.kinds.contains(&resource.kind.as_str()))
}

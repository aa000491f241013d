//! What the simulated API server serves before any definition is written: built-in kinds, and the snapshot kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use refloat_core::inventory::Resource;

const NAMESPACED: &[(&str, &str, &str)] = &[
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Event", "events"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "Pod", "pods"),
    ("v1", "Secret", "secrets"),
    ("v1", "Service", "services"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("batch/v1", "Job", "jobs"),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("rbac.authorization.k8s.io/v1", "Role", "roles"),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
    ),
    (
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshot",
        "volumesnapshots",
    ),
];

const OF_THE_CLUSTER: &[(&str, &str, &str)] = &[
    ("v1", "Namespace", "namespaces"),
    ("v1", "PersistentVolume", "persistentvolumes"),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    ),
    ("networking.k8s.io/v1", "IngressClass", "ingressclasses"),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "clusterroles",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
    ),
    (
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshotClass",
        "volumesnapshotclasses",
    ),
    (
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshotContent",
        "volumesnapshotcontents",
    ),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses"),
];

pub(super) fn built_in() -> BTreeSet<Resource> {
    let namespaced = NAMESPACED
        .iter()
        .map(|(version, kind, plural)| Resource::namespaced(version, kind, plural));
    let of_the_cluster = OF_THE_CLUSTER
        .iter()
        .map(|(version, kind, plural)| Resource::cluster(version, kind, plural));
    namespaced.chain(of_the_cluster).collect()
}

/// The resource of this kind, as the simulated server serves it.
pub fn resource(kind: &str) -> Resource {
    // Controllers ask for it at every step.
    static BY_KIND: LazyLock<BTreeMap<String, Resource>> = LazyLock::new(|| {
        let all = built_in().into_iter();
        all.map(|one| (one.kind.clone(), one)).collect()
    });
    let found = BY_KIND.get(kind).cloned();
    found.expect("the kind is in the lists above")
}

//! Which kinds an inventory reads: all that live in a namespace but a few, and a named few that belong to the cluster.
//!
//! Two lists, each entry with its reason. Holds no code that calls anything.

use serde_json::Value;

/// Group and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// `StatefulSet`.
    pub kind: &'static str,
}

/// Whether all objects of a kind are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// All of them.
    All,
    /// Those that a controller keeps; what a person wrote is read.
    Kept,
}

/// A kind that is left out of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Which kind.
    pub kind: Kind,
    /// All of it or a part.
    pub skip: Skip,
    /// Why it is of no use.
    pub reason: &'static str,
}

const fn skipped(
    group: &'static str,
    kind: &'static str,
    skip: Skip,
    reason: &'static str,
) -> Skipped {
    Skipped {
        kind: Kind { group, kind },
        skip,
        reason,
    }
}

/// Kinds in namespaces that are of no use after the moment they were read at.
pub const SKIPPED_KINDS: &[Skipped] = &[
    skipped("", "Event", Skip::All, "news, gone within the hour"),
    skipped(
        "events.k8s.io",
        "Event",
        Skip::All,
        "the same news by its other name",
    ),
    skipped(
        "",
        "Endpoints",
        Skip::Kept,
        "addresses of pods, kept by the endpoint controller",
    ),
    skipped(
        "discovery.k8s.io",
        "EndpointSlice",
        Skip::Kept,
        "addresses of pods, kept by the endpoint slice controllers",
    ),
    skipped(
        "coordination.k8s.io",
        "Lease",
        Skip::All,
        "who leads at this moment",
    ),
    skipped(
        "metrics.k8s.io",
        "PodMetrics",
        Skip::All,
        "what a pod uses at this moment",
    ),
    skipped(
        "apps",
        "ControllerRevision",
        Skip::All,
        "history that its controller writes anew",
    ),
    skipped(
        "authorization.openshift.io",
        "Role",
        Skip::All,
        "OpenShift's view of the Role of the same name",
    ),
    skipped(
        "authorization.openshift.io",
        "RoleBinding",
        Skip::All,
        "OpenShift's view of the RoleBinding of the same name",
    ),
];

/// The skip rule of a kind, if it has one.
pub(crate) fn skip(group: &str, kind: &str) -> Option<Skip> {
    SKIPPED_KINDS
        .iter()
        .find(|skipped| skipped.kind.group == group && skipped.kind.kind == kind)
        .map(|skipped| skipped.skip)
}

/// True for an object of a `Skip::Kept` kind that a controller of Kubernetes keeps.
pub(crate) fn kept(object: &Value) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let label = |key: &str| object.pointer("/metadata/labels")?.get(key)?.as_str();
    let annotation = |key: &str| object.pointer("/metadata/annotations")?.get(key)?.as_str();
    // The API server's own entry for itself.
    let own = text("/metadata/namespace") == Some("default")
        && text("/metadata/name") == Some("kubernetes");
    let by_controller = label("endpointslice.kubernetes.io/managed-by").is_some_and(|by| {
        matches!(
            by,
            "endpointslice-controller.k8s.io" | "endpointslicemirroring-controller.k8s.io"
        )
    }) || label("endpoints.kubernetes.io/managed-by")
        == Some("endpoint-controller")
        || annotation("endpoints.kubernetes.io/last-change-trigger-time").is_some();
    let elects = annotation("control-plane.alpha.kubernetes.io/leader").is_some();
    own || by_controller || elects
}

const fn kind(group: &'static str, kind: &'static str) -> Kind {
    Kind { group, kind }
}

/// Cluster-scoped kinds that an inventory reads, where they are served.
pub const CLUSTER_KINDS: &[Kind] = &[
    kind("", "Namespace"),
    kind("", "Node"),
    kind("", "PersistentVolume"),
    kind(
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
    ),
    kind(
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ),
    kind("apiextensions.k8s.io", "CustomResourceDefinition"),
    kind("apiregistration.k8s.io", "APIService"),
    kind("networking.k8s.io", "IngressClass"),
    kind("node.k8s.io", "RuntimeClass"),
    kind("rbac.authorization.k8s.io", "ClusterRole"),
    kind("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    kind("scheduling.k8s.io", "PriorityClass"),
    kind("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
    kind("storage.k8s.io", "CSIDriver"),
    kind("storage.k8s.io", "StorageClass"),
];

/// Kinds in namespaces of which an inventory reads those of the whole cluster, where it may: by bindings it is seen whether a thing of the
/// cluster is used elsewhere, too; Flux's resources say what comes first, and mostly live in a namespace of Flux's own.
pub const EVERYWHERE_KINDS: &[Kind] = &[
    kind("helm.toolkit.fluxcd.io", "HelmRelease"),
    kind("kustomize.toolkit.fluxcd.io", "Kustomization"),
    kind("rbac.authorization.k8s.io", "RoleBinding"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_person_wrote_is_not_taken_for_a_controllers() {
        let by_hand = json!({"metadata": {"name": "ledger", "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "ledger", "endpointslice.kubernetes.io/managed-by": "ops"}}});
        assert!(!kept(&by_hand));
        let by_controller = json!({"metadata": {"name": "web-x1", "namespace": "shop",
            "labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}});
        assert!(kept(&by_controller));
        let endpoints = json!({"metadata": {"name": "web", "namespace": "shop",
            "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}});
        assert!(kept(&endpoints));
        assert!(kept(
            &json!({"metadata": {"name": "kubernetes", "namespace": "default"}})
        ));
        assert!(!kept(
            &json!({"metadata": {"name": "kubernetes", "namespace": "shop"}})
        ));
    }
}

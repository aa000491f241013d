//! Which kinds are served: the built-in ones, the snapshot kinds, and what definitions add. Called for every request.

use std::collections::BTreeMap;

use refloat_core::inventory::Resource;
use serde_json::Value;

use super::Reply;
use super::status;

/// Where a kind comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    BuiltIn,
    Definition,
    /// Its definition is going: nothing new.
    GoingDefinition,
}

/// A kind that is served.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Served {
    /// In the version that is stored.
    pub(in crate::sim) resource: Resource,
    /// All versions that are served.
    pub(super) versions: Vec<String>,
    /// Whether `status` is a subresource.
    pub(in crate::sim) status: bool,
    /// Whether `metadata.generation` is kept.
    pub(super) generation: bool,
    /// Where it comes from.
    pub(super) origin: Origin,
    /// Schemas by version, as far as definitions give one.
    pub(super) schemas: BTreeMap<String, Value>,
}

/// `(apiVersion, kind, plural, status, generation)`.
type Row = (&'static str, &'static str, &'static str, bool, bool);

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const SNAPSHOTS: &str = "snapshot.storage.k8s.io/v1";

const NAMESPACED: &[Row] = &[
    ("v1", "ConfigMap", "configmaps", false, false),
    ("v1", "Event", "events", false, false),
    (
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
        false,
    ),
    ("v1", "Pod", "pods", true, true),
    ("v1", "Secret", "secrets", false, false),
    ("v1", "Service", "services", true, false),
    ("v1", "ServiceAccount", "serviceaccounts", false, false),
    ("v1", "ResourceQuota", "resourcequotas", true, false),
    ("v1", "LimitRange", "limitranges", false, false),
    ("apps/v1", "Deployment", "deployments", true, true),
    ("apps/v1", "ReplicaSet", "replicasets", true, true),
    ("apps/v1", "StatefulSet", "statefulsets", true, true),
    ("apps/v1", "DaemonSet", "daemonsets", true, true),
    ("batch/v1", "CronJob", "cronjobs", true, true),
    ("batch/v1", "Job", "jobs", true, true),
    ("coordination.k8s.io/v1", "Lease", "leases", false, false),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "endpointslices",
        false,
        true,
    ),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true, true),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
        false,
        true,
    ),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
        true,
    ),
    (RBAC, "Role", "roles", false, false),
    (RBAC, "RoleBinding", "rolebindings", false, false),
];

const OF_THE_CLUSTER: &[Row] = &[
    ("v1", "Namespace", "namespaces", true, false),
    ("v1", "Node", "nodes", true, false),
    ("v1", "PersistentVolume", "persistentvolumes", true, false),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        true,
        true,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        true,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
        true,
    ),
    (
        "networking.k8s.io/v1",
        "IngressClass",
        "ingressclasses",
        false,
        true,
    ),
    (RBAC, "ClusterRole", "clusterroles", false, false),
    (
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
        false,
    ),
    (
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        false,
        true,
    ),
    (
        "storage.k8s.io/v1",
        "StorageClass",
        "storageclasses",
        false,
        false,
    ),
];

/// Custom resources too, but no test writes their definitions: they are there from the start.
const SNAPSHOT_KINDS: &[(&str, &str, bool, bool)] = &[
    ("VolumeSnapshot", "volumesnapshots", true, true),
    ("VolumeSnapshotClass", "volumesnapshotclasses", false, false),
    (
        "VolumeSnapshotContent",
        "volumesnapshotcontents",
        false,
        true,
    ),
];

impl Served {
    fn built_in(resource: Resource, status: bool, generation: bool) -> Self {
        Self {
            versions: vec![resource.version.clone()],
            resource,
            status,
            generation,
            origin: Origin::BuiltIn,
            schemas: BTreeMap::new(),
        }
    }

    /// Whether a definition brought it.
    pub(super) fn is_custom(&self) -> bool {
        self.origin != Origin::BuiltIn
    }

    pub(super) fn is_going(&self) -> bool {
        self.origin == Origin::GoingDefinition
    }

    /// A custom kind without schema.
    pub(super) fn custom(resource: Resource, status: bool) -> Self {
        Self {
            origin: Origin::Definition,
            ..Self::built_in(resource, status, true)
        }
    }
}

/// All kinds that are served, by group and plural.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Catalogue {
    kinds: BTreeMap<(String, String), Served>,
}

impl Catalogue {
    pub(super) fn built_in() -> Self {
        let mut catalogue = Self {
            kinds: BTreeMap::new(),
        };
        for (version, kind, plural, status, generation) in NAMESPACED {
            let resource = Resource::namespaced(version, kind, plural);
            catalogue.insert(Served::built_in(resource, *status, *generation));
        }
        for (version, kind, plural, status, generation) in OF_THE_CLUSTER {
            let resource = Resource::cluster(version, kind, plural);
            catalogue.insert(Served::built_in(resource, *status, *generation));
        }
        for (kind, plural, namespaced, status) in SNAPSHOT_KINDS {
            let resource = if *namespaced {
                Resource::namespaced(SNAPSHOTS, kind, plural)
            } else {
                Resource::cluster(SNAPSHOTS, kind, plural)
            };
            catalogue.insert(Served::custom(resource, *status));
        }
        catalogue
    }

    fn key(resource: &Resource) -> (String, String) {
        (resource.group.clone(), resource.plural.clone())
    }

    pub(super) fn insert(&mut self, served: Served) {
        self.kinds.insert(Self::key(&served.resource), served);
    }

    /// Serves a kind as its name says: a built-in one again, any other as a custom one.
    pub(in crate::sim) fn serve(&mut self, resource: &Resource) {
        if self.find(resource).is_some() {
            return;
        }
        let built_in = Self::built_in();
        let served = built_in.find(resource).cloned();
        self.insert(served.unwrap_or_else(|| Served::custom(resource.clone(), true)));
    }

    pub(in crate::sim) fn remove(&mut self, resource: &Resource) {
        self.kinds.remove(&Self::key(resource));
    }

    pub(super) fn find_mut(&mut self, resource: &Resource) -> Option<&mut Served> {
        self.kinds.get_mut(&Self::key(resource))
    }

    /// The kind, if it is served in this version.
    pub(in crate::sim) fn find(&self, resource: &Resource) -> Option<&Served> {
        self.kinds
            .get(&Self::key(resource))
            .filter(|served| served.versions.contains(&resource.version))
    }

    /// The kind, or the refusal of a path that nobody serves.
    pub(super) fn served(&self, resource: &Resource) -> Result<Served, Reply> {
        let served = self.find(resource).ok_or_else(status::not_served)?;
        if served.resource.namespaced == resource.namespaced {
            Ok(served.clone())
        } else {
            Err(status::not_served())
        }
    }

    pub(in crate::sim) fn iter(&self) -> impl Iterator<Item = &Served> {
        self.kinds.values()
    }
}

/// The resource of this kind, as the simulated server serves it from the start.
pub fn resource(kind: &str) -> Resource {
    let row = |rows: &[Row]| rows.iter().find(|row| row.1 == kind).copied();
    if let Some((version, kind, plural, ..)) = row(NAMESPACED) {
        return Resource::namespaced(version, kind, plural);
    }
    if let Some((version, kind, plural, ..)) = row(OF_THE_CLUSTER) {
        return Resource::cluster(version, kind, plural);
    }
    let (kind, plural, namespaced, _) = SNAPSHOT_KINDS
        .iter()
        .find(|row| row.0 == kind)
        .copied()
        .expect("the kind is in the lists above");
    if namespaced {
        Resource::namespaced(SNAPSHOTS, kind, plural)
    } else {
        Resource::cluster(SNAPSHOTS, kind, plural)
    }
}

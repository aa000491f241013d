//! What the API server serves: one aggregated document each for the core group and for all others.

use std::time::Duration;

use kube::Client;
use kube::client::{APIGroupDiscovery, APIResourceDiscovery};
use refloat_core::driver::Problem;
use refloat_core::inventory::{Resource, ResourceNames, Unread};

use crate::failure::Failure;
use crate::problem::problem;
use crate::transport::{CALL_SECONDS_MAX, Call, Verb, again};

/// Groups of which it does not matter that their server is away.
const FLEETING_GROUPS: &[&str] = &[
    "metrics.k8s.io",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
];

/// A served resource, and whether its objects can be listed and written.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) resource: Resource,
    pub(crate) listable: bool,
    /// What cannot be created is computed from something else (OLM's PackageManifests): it is of no use to a recovery.
    pub(crate) creatable: bool,
}

/// All that is served, each resource in the version that the server prefers.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    pub(crate) served: Vec<Served>,
    /// Groups whose own server does not answer.
    pub(crate) unread: Vec<Unread>,
}

/// Asks as any read is asked: with a limit, and a few times.
async fn tried<T, F>(ask: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = kube::Result<T>>,
{
    let limit = Duration::from_secs(CALL_SECONDS_MAX);
    again(true, || {
        let asked = tokio::time::timeout(limit, ask());
        async move {
            let answer = asked.await.map_err(|_| Failure::Late(limit))?;
            answer.map_err(|error| Failure::of_client(&error))
        }
    })
    .await
}

/// Asks the API server what it serves.
pub(crate) async fn discover(client: &Client) -> Result<Discovered, Problem> {
    let call = Call::on_kind(
        Verb::List,
        &Resource::cluster("v1", "APIGroup", "API groups"),
        None,
    );
    let failed = |failure| problem(&call, failure);
    let core = tried(|| client.list_core_api_versions_aggregated()).await;
    let core = core.map_err(failed)?;
    let groups = tried(|| client.list_api_groups_aggregated()).await;
    let groups = groups.map_err(failed)?;
    if core.items.is_empty() {
        return Err(Problem::stuck(
            "discovery-unsupported",
            "the API server does not say in one document what it serves",
            "Refloat needs Kubernetes 1.30 or newer, and no proxy that rewrites the Accept header",
        ));
    }
    let mut discovered = Discovered::default();
    for group in core.items.iter().chain(&groups.items) {
        discovered.add(group);
    }
    Ok(discovered)
}

impl Discovered {
    /// Versions come in the server's order of preference: the first that has a resource counts.
    fn add(&mut self, group: &APIGroupDiscovery) {
        let name = group
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.name.clone())
            .unwrap_or_default();
        for version in &group.versions {
            let number = version.version.as_deref().unwrap_or_default();
            if version.freshness.as_deref() == Some("Stale") {
                self.stale(&name, number);
            }
            for found in &version.resources {
                if let Some(served) = served(&name, number, found)
                    && !self.has(&served.resource)
                {
                    self.served.push(served);
                }
            }
        }
    }

    fn stale(&mut self, group: &str, version: &str) {
        if FLEETING_GROUPS.contains(&group) {
            return;
        }
        self.unread.push(Unread::of_api(group, version));
    }

    fn has(&self, resource: &Resource) -> bool {
        self.served.iter().any(|served| {
            served.resource.group == resource.group && served.resource.plural == resource.plural
        })
    }
}

fn served(group: &str, version: &str, found: &APIResourceDiscovery) -> Option<Served> {
    let plural = found.resource.clone()?;
    // A resource that only takes subresources has no kind of its own.
    let kind = found.response_kind.as_ref()?.kind.clone()?;
    let has = |wanted: &str| found.verbs.iter().any(|verb| verb == wanted);
    Some(Served {
        resource: Resource::from(ResourceNames {
            group: group.to_owned(),
            version: version.to_owned(),
            kind,
            plural,
            namespaced: found.scope.as_deref() == Some("Namespaced"),
        }),
        listable: has("list"),
        creatable: has("create"),
    })
}

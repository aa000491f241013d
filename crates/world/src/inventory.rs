//! Reads what is in a cluster, as far as it concerns some namespaces. Judges nothing; drops nothing without a word.

use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use refloat_core::driver::{Class, ListRequest, ObjectRef, Problem};
use refloat_core::inventory::{Inventory, Resource, Thing, Unread};
use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::CALLS_MAX;
use crate::discovery::{Served, discover};
use crate::kinds::{CLUSTER_KINDS, EVERYWHERE_KINDS, Kind, Skip, kept, skip};
use crate::{Cluster, read};

/// Names of other namespaces that an error message offers.
const NAMES_OFFERED_MAX: usize = 8;

/// For how long a server behind an APIService may be away before that is the answer. The API server asks it again by itself, each
/// minute at the latest (`discoveryManager.Run` of kube-aggregator).
pub const AWAY_MAX: Duration = Duration::from_secs(75);
/// For how long anything else may be unread that may be read a moment later.
pub const PASSING_MAX: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// What an inventory covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InventoryScope {
    /// Namespaces whose contents are read. Cluster-scoped kinds are always read.
    pub namespaces: Vec<String>,
}

impl Cluster {
    /// Reads everything in the given namespaces, the cluster-scoped kinds of [`crate::CLUSTER_KINDS`], and those of
    /// [`crate::EVERYWHERE_KINDS`] in all namespaces.
    ///
    /// # Expected flow
    /// What is served; whether the namespaces exist; then all lists, some at a time.
    ///
    /// # Guarantees
    /// A resource that could not be listed is in `unread` with what the server said. Objects are as read, with
    /// `apiVersion` and `kind`.
    ///
    /// # Assumptions
    /// The server serves aggregated discovery (Kubernetes 1.30 or newer).
    ///
    /// # Caveats
    /// The lists are not of one moment. Without the right to list a kind everywhere, it is read in the given namespaces.
    pub async fn inventory(&self, scope: &InventoryScope) -> Result<Inventory, Problem> {
        let discovered = discover(&self.client).await?;
        self.namespaces_exist(&scope.namespaces).await?;
        let requests = requests(&discovered.served, scope);
        let answers: Vec<Vec<Answered>> = futures::stream::iter(requests)
            .map(|request| self.answers(request, scope))
            .buffer_unordered(CALLS_MAX)
            .collect()
            .await;
        let mut inventory = Inventory::default();
        inventory.kubernetes_version.clone_from(&self.version);
        inventory.unread = discovered.unread;
        let mut things = Vec::new();
        for (request, answer) in answers.into_iter().flatten() {
            match answer {
                Ok(objects) => {
                    let (found, nameless) = sorted_out(&request.resource, objects);
                    things.extend(found);
                    inventory.unread.extend(nameless);
                }
                Err(problem) => inventory.unread.push(Unread {
                    resource: request.resource,
                    namespace: request.namespace,
                    message: format!("{} ({})", problem.message, problem.code),
                    passing: problem.class == Class::Retry,
                }),
            }
        }
        inventory.extend(things);
        inventory.served = discovered
            .served
            .into_iter()
            .map(|served| served.resource)
            .collect();
        inventory.served.sort();
        inventory
            .unread
            .sort_by(|a, b| (&a.resource, &a.namespace).cmp(&(&b.resource, &b.namespace)));
        Ok(inventory)
    }

    /// [`Self::inventory`], where nothing may be missing that can be had: while the API server does not answer or something is unread that
    /// may be read a moment later, it is looked again, ever more rarely, for `longest`. Only what `matters` says yes to counts; while
    /// something of that will not pass, nothing is waited for. `told` hears once that it is waited, and for what.
    pub async fn patient_inventory(
        &self,
        scope: &InventoryScope,
        longest: Duration,
        matters: impl Fn(&Unread) -> bool,
        told: impl FnOnce(&str),
    ) -> Result<Inventory, Problem> {
        let mut start = None;
        let mut told = Some(told);
        let mut pause = PAUSE_MIN;
        loop {
            let answer = self.inventory(scope).await;
            let why = match &answer {
                Ok(inventory) => {
                    let unread = || inventory.unread.iter().filter(|one| matters(one));
                    let passes = unread().all(|one| one.passing);
                    let first = unread().next().filter(|_| passes);
                    first.map(Unread::to_string)
                }
                Err(problem) if problem.class == Class::Retry => Some(problem.message.clone()),
                Err(_) => None,
            };
            // A look may take long itself: what counts begins with the end of the first.
            let since = *start.get_or_insert_with(Instant::now);
            let left = longest.saturating_sub(since.elapsed());
            let Some(why) = why.filter(|_| !left.is_zero()) else {
                return answer;
            };
            if let Some(told) = told.take() {
                let seconds = longest.as_secs();
                told(&format!("{why}; waiting, {seconds} s at most"));
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// A list; of a kind that may not be read everywhere, a list of each namespace.
    async fn answers(&self, request: ListRequest, scope: &InventoryScope) -> Vec<Answered> {
        let answer = list(&self.client, &request).await;
        let narrower = request.resource.namespaced && request.namespace.is_none();
        match answer {
            Err(problem) if narrower && problem.code == "forbidden" => {
                let mut answers = Vec::new();
                for namespace in own_namespaces(scope) {
                    let one = ListRequest {
                        namespace: Some(namespace),
                        ..request.clone()
                    };
                    let answer = list(&self.client, &one).await;
                    answers.push((one, answer));
                }
                answers
            }
            answer => vec![(request, answer)],
        }
    }

    async fn namespaces_exist(&self, namespaces: &[String]) -> Result<(), Problem> {
        for namespace in namespaces {
            let object = ObjectRef::cluster(namespace_resource(), namespace);
            if self.object(&object).await?.is_none() {
                return Err(self.namespace_missing(namespace).await);
            }
        }
        Ok(())
    }

    async fn namespace_missing(&self, namespace: &str) -> Problem {
        let request = ListRequest {
            resource: namespace_resource(),
            namespace: None,
            labels: std::collections::BTreeMap::new(),
        };
        // Only for the message: without the right to list, the names stay out of it.
        let all = self.list(&request).await.unwrap_or_default();
        let names: Vec<&str> = all
            .iter()
            .filter_map(|object| object.pointer("/metadata/name")?.as_str())
            .filter(|name| !name.starts_with("kube-"))
            .collect();
        let hint = match names.len() {
            0 => "see `kubectl get namespaces`".to_owned(),
            count if count <= NAMES_OFFERED_MAX => format!("there are: {}", names.join(", ")),
            count => format!(
                "there are: {} and {} more",
                names[..NAMES_OFFERED_MAX].join(", "),
                count - NAMES_OFFERED_MAX
            ),
        };
        Problem::stuck(
            "namespace-missing",
            format!("there is no namespace {namespace}"),
            hint,
        )
    }
}

fn namespace_resource() -> Resource {
    Resource::cluster("v1", "Namespace", "namespaces")
}

type Answered = (ListRequest, Result<Vec<Listed>, Problem>);

/// An object of a list.
enum Listed {
    Thing(Box<Thing>),
    /// Of a kind of which only some are read.
    Passed,
    Nameless,
}

fn own_namespaces(scope: &InventoryScope) -> Vec<String> {
    let mut namespaces = scope.namespaces.clone();
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

fn is_among(kinds: &[Kind], resource: &Resource) -> bool {
    kinds
        .iter()
        .any(|kind| kind.group == resource.group && kind.kind == resource.kind)
}

fn requests(served: &[Served], scope: &InventoryScope) -> Vec<ListRequest> {
    let namespaces = own_namespaces(scope);
    let request = |resource: &Resource, namespace: Option<String>| ListRequest {
        resource: resource.clone(),
        namespace,
        labels: std::collections::BTreeMap::new(),
    };
    let mut requests = Vec::new();
    for one in served.iter().filter(|one| one.listable) {
        let resource = &one.resource;
        if !resource.namespaced {
            if is_among(CLUSTER_KINDS, resource) {
                requests.push(request(resource, None));
            }
        } else if is_among(EVERYWHERE_KINDS, resource) {
            if !namespaces.is_empty() {
                requests.push(request(resource, None));
            }
        } else if one.creatable && skip(&resource.group, &resource.kind) != Some(Skip::All) {
            for namespace in &namespaces {
                requests.push(request(resource, Some(namespace.clone())));
            }
        }
    }
    requests
}

async fn list(client: &Client, request: &ListRequest) -> Result<Vec<Listed>, Problem> {
    let resource = &request.resource;
    let partly = skip(&resource.group, &resource.kind) == Some(Skip::Kept);
    let take = |object: Value| {
        if partly && kept(&object) {
            return Listed::Passed;
        }
        match Thing::new(resource.clone(), object) {
            Some(thing) => Listed::Thing(Box::new(thing)),
            None => Listed::Nameless,
        }
    };
    read::list_as(client, request, &take).await
}

/// The things of a list, and that some of it had no name.
fn sorted_out(resource: &Resource, objects: Vec<Listed>) -> (Vec<Thing>, Vec<Unread>) {
    let (mut things, mut nameless) = (Vec::new(), Vec::new());
    for object in objects {
        match object {
            Listed::Thing(thing) => things.push(*thing),
            Listed::Passed => {}
            Listed::Nameless => nameless.push(Unread {
                resource: resource.clone(),
                namespace: None,
                message: "the server listed an object without a name".to_owned(),
                passing: false,
            }),
        }
    }
    (things, nameless)
}

//! The cluster as a World: performs queries and effects with a bound on how many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use refloat_core::capture::{SessionEvent, SessionOrder, Sessions, Until};
use refloat_core::driver::{
    Answer, Class, Effect, Effected, ExecAnswer, ExecRequest, ListRequest, ObjectRef, Problem,
    Query, RehearsalRequest, Seen,
};
use refloat_core::world::{Batches, Changed, Results, World};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::pages::Pages;
use crate::running::Running;
use crate::session::HeldSessions;
use crate::watch::Watches;
use crate::{exec, read, rehearse, write};

/// Calls at once, of those that may each take long or bring much: lists, commands, logs.
pub(crate) const CALLS_MAX: usize = 16;

/// Objects read at once by a look, and effects at once. A bare loop of creations was a seventh faster with 64 in flight than with 16, on two cores with all of a cluster
/// (`cargo xtask bench recover`).
const OBJECTS_MAX: usize = 64;

/// A cluster that answered.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) sessions: Arc<HeldSessions>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) commands: Arc<Running<ExecRequest, ExecAnswer>>,
    pub(crate) rehearsals: Arc<Running<RehearsalRequest, ()>>,
    pub(crate) pages: Arc<Pages>,
    pub(crate) connected: Instant,
    pub(crate) server: String,
    pub(crate) uid: String,
    pub(crate) version: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Cluster")
            .field("server", &self.server)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// The uid of its kube-system namespace: who it is, whatever it is called.
    pub fn cluster_uid(&self) -> &str {
        &self.uid
    }

    /// `v1.34.4`.
    pub fn kubernetes_version(&self) -> &str {
        &self.version
    }

    /// Address of its API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// One object, `None` when there is none.
    pub async fn object(&self, object: &ObjectRef) -> Result<Option<Value>, Problem> {
        read::object(&self.client, object).await
    }

    /// Objects of one kind.
    pub async fn list(&self, request: &ListRequest) -> Result<Vec<Value>, Problem> {
        read::list(&self.client, request).await
    }

    /// Runs a command in a container.
    pub async fn exec(&self, request: &ExecRequest) -> Result<ExecAnswer, Problem> {
        exec::exec(&self.client, request).await
    }

    /// Performs one effect.
    pub async fn perform(&self, effect: &Effect) -> Result<Effected, Problem> {
        let result = self.call(effect).await;
        self.pages.wrote(effect);
        result
    }

    async fn call(&self, effect: &Effect) -> Result<Effected, Problem> {
        match effect {
            Effect::Create {
                resource,
                object,
                owner,
            } => write::create(&self.client, resource, object, owner).await,
            Effect::Patch {
                object,
                patch,
                precondition,
                subresource,
            } => {
                let subresource = subresource.as_deref();
                write::patch(&self.client, object, patch, precondition, subresource).await
            }
            Effect::Delete {
                object,
                precondition,
                propagation,
            } => write::delete(&self.client, object, precondition, *propagation).await,
            Effect::Exec { request, .. } => self.exec(request).await.map(Effected::Ran),
            Effect::Keep(outcome) => Ok(Effected::Kept(outcome.clone())),
            Effect::GrantVault { .. }
            | Effect::Capture(_)
            | Effect::StoreObjects
            | Effect::Seal(_) => Err(Problem::of(
                Class::Bug,
                "effect-not-mine",
                format!("{}: a cluster alone cannot do this", effect.describe()),
                "this is a defect of Refloat: please report it with the journal of the run",
            )),
        }
    }

    async fn answer(&self, query: &Query) -> Answer {
        let answer = match query {
            Query::Object(object) => self.object(object).await.map(Answer::Object),
            Query::List(request) => self.list(request).await.map(Answer::List),
            Query::Exec(request) => {
                let ask = |request: ExecRequest| {
                    let client = self.client.clone();
                    async move { exec::exec(&client, &request).await }
                };
                self.commands.ask(request, ask).await.map(Answer::Exec)
            }
            Query::Log(request) => read::log(&self.client, request).await.map(Answer::Log),
            Query::Served(resource) => {
                let served = read::served(&self.client, resource).await;
                served.map(|()| Answer::Yes)
            }
            Query::Rehearsal(request) => {
                let ask = |request: RehearsalRequest| {
                    let client = self.client.clone();
                    async move { rehearse::creation(&client, &request).await }
                };
                let answer = self.rehearsals.ask(request, ask).await;
                answer.map(|()| Answer::Yes)
            }
        };
        answer.map_or_else(Answer::Refused, Answer::folded)
    }

    pub(crate) async fn look(&self, queries: Vec<Query>) -> Seen {
        let (objects, others): (Vec<Query>, Vec<Query>) = queries
            .into_iter()
            .partition(|query| matches!(query, Query::Object(_)));
        let (objects, others) = futures::join!(
            self.calls(objects, OBJECTS_MAX),
            self.calls(others, CALLS_MAX)
        );
        let mut seen = Seen::default();
        for (query, answer) in objects.into_iter().chain(others) {
            seen.insert(query, answer);
        }
        seen
    }

    async fn calls(&self, queries: Vec<Query>, calls_max: usize) -> Vec<(Query, Answer)> {
        futures::stream::iter(queries)
            .map(|query| async move {
                let answer = self.answer(&query).await;
                (query, answer)
            })
            .buffer_unordered(calls_max)
            .collect()
            .await
    }

    async fn batch(&self, effects: &[Effect]) -> Vec<Result<Effected, Problem>> {
        let mut answers = Vec::with_capacity(effects.len());
        for effect in effects {
            let answer = self.perform(effect).await.map(Effected::folded);
            let failed = answer.is_err();
            answers.push(answer);
            if failed {
                break;
            }
        }
        answers
    }
}

impl Sessions for Cluster {
    fn open(&self, name: &str, order: &SessionOrder) {
        self.sessions.open(name, order);
    }

    fn send(&self, name: &str, text: &str, until: &Until) {
        self.sessions.send(name, text, until);
    }

    fn close(&self, name: &str) {
        self.sessions.close(name);
    }

    async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)> {
        self.sessions.next(at_most).await
    }
}

impl World for Cluster {
    async fn see(&self, queries: &[Query]) -> Seen {
        let (cluster, wanted) = (self.clone(), each_once(queries));
        apart(async move { cluster.look(wanted).await }).await
    }

    async fn see_first(&self, queries: &[Query]) -> Seen {
        let (cluster, wanted) = (self.clone(), each_once(queries));
        apart(async move { cluster.first_look(wanted).await }).await
    }

    async fn act(&self, batches: Batches) -> Results {
        let cluster = self.clone();
        apart(async move {
            let mut done: Vec<(usize, Vec<Result<Effected, Problem>>)> =
                futures::stream::iter(0..batches.len())
                    .map(|place| {
                        let (cluster, effects) = (&cluster, &batches[place]);
                        async move { (place, cluster.batch(effects).await) }
                    })
                    .buffer_unordered(OBJECTS_MAX)
                    .collect()
                    .await;
            done.sort_by_key(|(place, _)| *place);
            done.into_iter().map(|(_, results)| results).collect()
        })
        .await
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.connected.elapsed()
    }

    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed {
        self.watches.pause(&self.client, at_most, on).await
    }
}

fn each_once(queries: &[Query]) -> Vec<Query> {
    let mut wanted = queries.to_vec();
    wanted.sort();
    wanted.dedup();
    wanted
}

/// Runs something on a thread of its own: the engine decides meanwhile, and the API server does not wait for that. Ends with its future.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    match tasks.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Its runtime is going down.
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

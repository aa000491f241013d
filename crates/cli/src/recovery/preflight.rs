//! Gathers what a preflight judges by: nodes' drivers, room, pods, webhooks' addresses, classes that are named, the clock, and what the
//! API server says to writes that it only tries. Judges nothing and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use refloat_core::driver::{ListRequest, ObjectRef, Problem};
use refloat_core::inventory::{Resource, ThingId};
use refloat_core::json::Json;
use refloat_core::plan::{Facts, Findings, Judging, Preflight, Rehearsal, Rehearsals, Rehearsed};
use refloat_world::Cluster;
use serde::Serialize;
use serde_json::Value;

use super::trials::{Answers, Limits, Trials};
use crate::printer::Printer;

/// Webhooks' Services that are looked at at once.
const SERVICES_AT_ONCE_MAX: usize = 16;
/// Named things of the cluster that are asked for at once.
const CLASSES_AT_ONCE_MAX: usize = 16;
/// Objects that are tried; beyond that some of each kind and shape.
const OBJECTS_MAX: usize = 5_000;
/// All trying ends this long after its begin.
const SECONDS_MAX: u64 = 60;
/// So long a webhook is waited for that does not answer and may be back in a moment.
const WEBHOOK_SECONDS_MAX: u64 = 15;
/// Who did not answer is asked again after this time.
const PAUSE: Duration = Duration::from_secs(1);
/// From this number on it is said that something goes on.
const SILENT_MAX: usize = 200;

/// How thorough the preflight is.
#[derive(Debug, Args)]
pub(super) struct PreflightOptions {
    /// How much is tried at the target before anything is changed
    #[arg(long, value_enum, default_value = "full", value_name = "HOW")]
    preflight: Thoroughness,
}

/// Values of `--preflight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Thoroughness {
    /// Have the API server try each write without doing it; stop at what it refuses
    Full,
    /// The same, but what it finds are warnings and stop nothing
    Warn,
    /// Try no writes
    Quick,
}

/// What the preflight did and found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Preflighted {
    mode: &'static str,
    /// Writes that the API server has tried.
    tried: usize,
    seconds: f64,
    /// Stopped nothing.
    warnings: Vec<Problem>,
    /// What was not looked at, and why.
    notes: Vec<String>,
    #[serde(skip)]
    pub(super) problems: Vec<Problem>,
}

impl Preflighted {
    pub(super) fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    fn tell(&self, printer: Printer) {
        let notes: Vec<String> = self.notes.iter().map(|note| format!("; {note}")).collect();
        printer.note(&format!(
            "preflight: {} writes tried in {:.1} s{}",
            self.tried,
            self.seconds,
            notes.concat()
        ));
    }
}

/// A preflight of which only the API server's answers to tried writes are still to come.
pub(super) struct Begun {
    start: Instant,
    /// From then on others may work.
    free_since: Instant,
    thoroughness: Thoroughness,
    judging: Judging,
    notes: Vec<String>,
    /// How many alike objects are not tried because there are so many.
    left_out: usize,
    /// `None` when no write is tried.
    trials: Option<Trials>,
}

/// Has the API server begin to try writes, and meanwhile looks at all else and has it judged.
pub(super) async fn begin(
    cluster: &Cluster,
    options: &PreflightOptions,
    asked: &Preflight<'_>,
    printer: Printer,
) -> Begun {
    let start = Instant::now();
    let survey = asked.survey();
    // Before the API server is busy.
    let clock = cluster.clock_ahead_milliseconds().await;
    let (rehearsals, trials) = if options.preflight == Thoroughness::Quick {
        (Rehearsals::default(), None)
    } else {
        let mut rehearsals = survey.rehearsals(OBJECTS_MAX);
        let tried = std::mem::take(&mut rehearsals.tried);
        (rehearsals, Some(try_out(cluster, tried, printer)))
    };
    let patience = match trials {
        Some(_) => Duration::from_secs(WEBHOOK_SECONDS_MAX),
        None => Duration::ZERO,
    };
    let mut notes = Vec::new();
    let (missing, looked) = futures::join!(
        missing(cluster, survey.named_classes()),
        look(cluster, survey.webhook_services(), patience, &mut notes)
    );
    let facts = Facts {
        clock_ahead_milliseconds: clock.unwrap_or_default(),
        missing,
        ..looked
    };
    notes.extend(rehearsals.notes);
    Begun {
        start,
        judging: survey.judge(&facts),
        free_since: Instant::now(),
        thoroughness: options.preflight,
        notes,
        left_out: rehearsals.left_out,
        trials,
    }
}

fn try_out(cluster: &Cluster, tried: Vec<Rehearsal>, printer: Printer) -> Trials {
    if tried.len() > SILENT_MAX {
        printer.note(&format!(
            "preflight: the API server tries {} writes without doing them",
            tried.len()
        ));
    }
    let cluster = cluster.clone();
    let limits = Limits {
        all: Duration::from_secs(SECONDS_MAX),
        others: Duration::from_secs(WEBHOOK_SECONDS_MAX),
        pause: PAUSE,
    };
    Trials::begin(tried, limits, move |one| {
        let cluster = cluster.clone();
        async move { cluster.rehearse(&one).await }
    })
}

impl Begun {
    /// Waits for the answers that are still to come, and has them judged.
    pub(super) async fn end(self, printer: Printer) -> Preflighted {
        let waited_from = Instant::now();
        let (rehearsed, tried, last, own) = match self.trials {
            None => (Vec::new(), 0, self.free_since, Some(quick())),
            Some(trials) => {
                let count = trials.count;
                let Answers { rehearsed, at } = trials.answers().await;
                let tried = answered(&rehearsed);
                let own = untried(tried, self.left_out + count - tried);
                (rehearsed, tried, at.max(self.free_since), own)
            }
        };
        let mut found = self.judging.answered(&rehearsed);
        found.warnings.extend(own);
        if self.thoroughness == Thoroughness::Warn {
            found = found.stopping_for_nothing();
        }
        let Findings {
            problems,
            warnings,
            notes: judged,
        } = found;
        // In which nothing but the plan was made.
        let planning = waited_from.saturating_duration_since(last);
        let done = Preflighted {
            mode: match self.thoroughness {
                Thoroughness::Full => "full",
                Thoroughness::Warn => "warn",
                Thoroughness::Quick => "quick",
            },
            tried,
            seconds: self.start.elapsed().saturating_sub(planning).as_secs_f64(),
            warnings,
            notes: self.notes.into_iter().chain(judged).collect(),
            problems,
        };
        done.tell(printer);
        done
    }
}

/// Those of which the API server has said something.
fn answered(rehearsed: &[Rehearsed]) -> usize {
    let answers = rehearsed.iter().filter(|one| one.said.is_answer());
    answers.count()
}

fn all(resource: Resource) -> ListRequest {
    ListRequest {
        resource,
        namespace: None,
        labels: BTreeMap::new(),
    }
}

async fn look(
    cluster: &Cluster,
    webhook_services: BTreeSet<(String, String)>,
    patience: Duration,
    notes: &mut Vec<String>,
) -> Facts {
    let list = |api: &str, kind: &str, plural: &str, namespaced: bool| {
        let resource = if namespaced {
            Resource::namespaced(api, kind, plural)
        } else {
            Resource::cluster(api, kind, plural)
        };
        async move { cluster.list(&all(resource)).await }
    };
    let (csi_nodes, capacities, pods, silent_services) = futures::join!(
        list("storage.k8s.io/v1", "CSINode", "csinodes", false),
        list(
            "storage.k8s.io/v1",
            "CSIStorageCapacity",
            "csistoragecapacities",
            true
        ),
        list("v1", "Pod", "pods", true),
        silent(cluster, webhook_services, patience),
    );
    let mut known = |what: &str, answer: Result<Vec<Value>, Problem>| match answer {
        Ok(found) => Some(found.into_iter().map(Json::from).collect()),
        Err(problem) => {
            notes.push(format!("{what} not known: {}", problem.message));
            None
        }
    };
    Facts {
        csi_nodes: known("drivers of nodes", csi_nodes),
        capacities: known("room for volumes", capacities),
        pods: known("room for pods", pods),
        silent_services,
        missing: BTreeSet::new(),
        clock_ahead_milliseconds: None,
    }
}

/// Those that are not there. One that may not be read is not taken for missing.
async fn missing(
    cluster: &Cluster,
    named: BTreeMap<ThingId, Option<ObjectRef>>,
) -> BTreeSet<ThingId> {
    let missing = futures::stream::iter(named)
        .map(|(thing, object)| async move {
            let Some(object) = object else {
                return Some(thing);
            };
            let found = cluster.object(&object).await;
            matches!(found, Ok(None)).then_some(thing)
        })
        .buffer_unordered(CLASSES_AT_ONCE_MAX);
    missing.filter_map(std::future::ready).collect().await
}

/// Of the Services behind webhooks those without a ready address. One that cannot be read is not taken for silent, and one that is there, so that it
/// has a list of addresses, may have one in a moment.
async fn silent(
    cluster: &Cluster,
    services: BTreeSet<(String, String)>,
    patience: Duration,
) -> BTreeSet<(String, String)> {
    let until = Instant::now() + patience;
    let services = futures::stream::iter(services)
        .map(|service| async move {
            let request = addresses(&service);
            loop {
                let slices = cluster.list(&request).await.ok()?;
                if slices.iter().any(has_ready_address) {
                    return None;
                }
                if slices.is_empty() || Instant::now() + PAUSE > until {
                    return Some(service);
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .buffer_unordered(SERVICES_AT_ONCE_MAX);
    services.filter_map(std::future::ready).collect().await
}

fn addresses((namespace, name): &(String, String)) -> ListRequest {
    let label = ("kubernetes.io/service-name".to_owned(), name.clone());
    ListRequest {
        resource: Resource::namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        namespace: Some(namespace.clone()),
        labels: BTreeMap::from([label]),
    }
}

fn has_ready_address(slice: &Value) -> bool {
    let endpoints = slice.get("endpoints").and_then(Value::as_array);
    endpoints
        .into_iter()
        .flatten()
        .any(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)))
}

fn quick() -> Problem {
    Problem::stuck(
        "preflight-quick",
        "no write was tried at the target: what it would refuse is not known",
        "leave `--preflight quick` out",
    )
}

fn untried(tried: usize, untried: usize) -> Option<Problem> {
    (untried > 0).then(|| {
        Problem::stuck(
            "preflight-sample",
            format!(
                "{tried} writes were tried, {untried} were not: there are more than {OBJECTS_MAX}, it took longer than {SECONDS_MAX} s, or nobody answered"
            ),
            "nothing, if the rest is like those that were tried: some of each kind and shape were",
        )
    })
}

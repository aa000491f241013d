//! Gathers what a preflight judges by: nodes' drivers, room, pods, webhooks' addresses, the clock, and what the API server says to
//! writes that it only tries. Judges nothing and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use refloat_core::driver::{ListRequest, Problem};
use refloat_core::inventory::Resource;
use refloat_core::json::Json;
use refloat_core::plan::{Facts, Findings, Preflight, Rehearsed};
use refloat_world::Cluster;
use serde::Serialize;
use serde_json::Value;

use crate::printer::Printer;

/// Writes that are tried at once: as many as are done at once later. To try one costs the API server what a creation does, without the
/// disk, and a loop of creations was a seventh faster with 64 in flight than with 16 (`cargo xtask bench recover`).
const TRIALS_AT_ONCE_MAX: usize = 64;
/// Webhooks' Services that are looked at at once.
const SERVICES_AT_ONCE_MAX: usize = 16;
/// Objects that are tried; beyond that some of each kind and shape.
const OBJECTS_MAX: usize = 5_000;
/// All trying ends after this time.
const SECONDS_MAX: u64 = 60;
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

/// Looks, has writes tried, and has all of it judged.
pub(super) async fn preflight(
    cluster: &Cluster,
    options: &PreflightOptions,
    asked: &Preflight<'_>,
    printer: Printer,
) -> Preflighted {
    let start = Instant::now();
    let mut notes = Vec::new();
    let mut own = Vec::new();
    let mut facts = look(cluster, asked, &mut notes).await;
    if options.preflight == Thoroughness::Quick {
        own.push(Problem::stuck(
            "preflight-quick",
            "no write was tried at the target: what it would refuse is not known",
            "leave `--preflight quick` out",
        ));
    } else {
        facts.rehearsed = rehearse(cluster, asked, printer, &mut notes, &mut own).await;
    }
    let mut found = asked.judge(&facts);
    found.warnings.extend(own);
    if options.preflight == Thoroughness::Warn {
        found = found.stopping_for_nothing();
    }
    let Findings {
        problems,
        warnings,
        notes: judged,
    } = found;
    notes.extend(judged);
    let done = Preflighted {
        mode: match options.preflight {
            Thoroughness::Full => "full",
            Thoroughness::Warn => "warn",
            Thoroughness::Quick => "quick",
        },
        tried: facts.rehearsed.len(),
        seconds: start.elapsed().as_secs_f64(),
        warnings,
        notes,
        problems,
    };
    done.tell(printer);
    done
}

fn all(resource: Resource) -> ListRequest {
    ListRequest {
        resource,
        namespace: None,
        labels: BTreeMap::new(),
    }
}

async fn look(cluster: &Cluster, asked: &Preflight<'_>, notes: &mut Vec<String>) -> Facts {
    let list = |api: &str, kind: &str, plural: &str, namespaced: bool| {
        let resource = if namespaced {
            Resource::namespaced(api, kind, plural)
        } else {
            Resource::cluster(api, kind, plural)
        };
        async move { cluster.list(&all(resource)).await }
    };
    let (csi_nodes, capacities, pods, silent_services, clock) = futures::join!(
        list("storage.k8s.io/v1", "CSINode", "csinodes", false),
        list(
            "storage.k8s.io/v1",
            "CSIStorageCapacity",
            "csistoragecapacities",
            true
        ),
        list("v1", "Pod", "pods", true),
        silent(cluster, asked),
        cluster.clock_ahead_milliseconds(),
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
        clock_ahead_milliseconds: clock.unwrap_or_default(),
        rehearsed: Vec::new(),
    }
}

/// Services behind webhooks without a ready address. One that cannot be read is not taken for silent.
async fn silent(cluster: &Cluster, asked: &Preflight<'_>) -> BTreeSet<(String, String)> {
    let services = futures::stream::iter(asked.webhook_services())
        .map(|service| async move {
            let label = ("kubernetes.io/service-name".to_owned(), service.1.clone());
            let request = ListRequest {
                resource: Resource::namespaced(
                    "discovery.k8s.io/v1",
                    "EndpointSlice",
                    "endpointslices",
                ),
                namespace: Some(service.0.clone()),
                labels: BTreeMap::from([label]),
            };
            let slices = cluster.list(&request).await.ok()?;
            (!slices.iter().any(has_ready_address)).then_some(service)
        })
        .buffer_unordered(SERVICES_AT_ONCE_MAX);
    services.filter_map(std::future::ready).collect().await
}

fn has_ready_address(slice: &Value) -> bool {
    let endpoints = slice.get("endpoints").and_then(Value::as_array);
    endpoints
        .into_iter()
        .flatten()
        .any(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)))
}

async fn rehearse(
    cluster: &Cluster,
    asked: &Preflight<'_>,
    printer: Printer,
    notes: &mut Vec<String>,
    own: &mut Vec<Problem>,
) -> Vec<Rehearsed> {
    let rehearsals = asked.rehearsals(OBJECTS_MAX);
    notes.extend(rehearsals.notes);
    let count = rehearsals.tried.len();
    if count > SILENT_MAX {
        printer.note(&format!(
            "preflight: the API server tries {count} writes without doing them"
        ));
    }
    let limit = Box::pin(tokio::time::sleep(Duration::from_secs(SECONDS_MAX)));
    let rehearsed: Vec<Rehearsed> = futures::stream::iter(&rehearsals.tried)
        .map(|one| async move {
            Rehearsed {
                thing: one.thing.clone(),
                trial: one.trial,
                said: cluster.rehearse(one).await,
            }
        })
        .buffer_unordered(TRIALS_AT_ONCE_MAX)
        .take_until(limit)
        .collect()
        .await;
    let untried = rehearsals.left_out + count - rehearsed.len();
    if untried > 0 {
        own.push(Problem::stuck(
            "preflight-sample",
            format!(
                "{} writes were tried, {untried} were not: there are more than {OBJECTS_MAX}, or it took longer than {SECONDS_MAX} s",
                rehearsed.len()
            ),
            "nothing, if the rest is like those that were tried: some of each kind and shape were",
        ));
    }
    rehearsed
}

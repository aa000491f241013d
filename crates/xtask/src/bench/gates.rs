//! `cargo xtask bench gates`: how soon a recovery notices that what it waits for is ready.
//!
//! An observer beside Refloat watches the same workloads; both are read by one clock, here.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::limits;
use crate::ground::Ground;
use crate::printer::{print, say};
use crate::refloat::{Refloat, build_release};
use crate::shop::Shop;
use crate::testbed::{Site, Testbed};

const TESTBED: &str = "bench";
/// Where the result is kept.
const PAGE: &str = "docs/src/reference/detection.md";
/// What is waited for, and the fields of its status that are as many as its pods when it is rolled out.
const KINDS: [(&str, &str, &[&str]); 3] = [
    (
        "Deployment",
        "deployments",
        &["updatedReplicas", "availableReplicas", "replicas"],
    ),
    (
        "StatefulSet",
        "statefulsets",
        &["updatedReplicas", "availableReplicas", "replicas"],
    ),
    (
        "DaemonSet",
        "daemonsets",
        &["updatedNumberScheduled", "numberAvailable"],
    ),
];
/// What the names of the workloads begin with that stand beside the shop's.
const OWN: &str = "gate-";
/// So long a server may take to refuse the observer's first watches.
const BEFORE: Duration = Duration::from_secs(8);
/// The lag of 95 of 100 gates may be this long.
const LAG_MILLISECONDS: f64 = 500.0;

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Workloads beside the shop's
    #[arg(long, default_value_t = 40)]
    workloads: u32,
    /// Write the result into the documentation
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.workloads > 0, "`--workloads` is at least 1");
    let binary = build_release()?;
    Testbed::down(TESTBED)?;
    let outcome = on_testbed(arguments, binary);
    Testbed::down(TESTBED)?;
    let (lags, kubernetes) = outcome?;
    let page = page(arguments, &lags, &kubernetes);
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    let unit = "ms from a gate's opening until it is seen, p95";
    Ok(limits::judge_number(
        unit,
        part_of(&lags, 95),
        LAG_MILLISECONDS,
    ))
}

/// Lags by workload (`Deployment.apps shop/web`), and the version of Kubernetes.
fn on_testbed(
    arguments: &Arguments,
    binary: std::path::PathBuf,
) -> Result<(BTreeMap<String, f64>, String)> {
    let testbed = Testbed::up(TESTBED)?;
    testbed.load_refloat(&binary)?;
    let ground = Ground::of_testbed(&testbed)?;
    let refloat = Refloat::prepare(&ground, binary, "gates")?;
    refloat.make_vault()?;
    let shop = Shop::new(&ground, Site::Primary);
    shop.open(8)?;
    let items: Vec<Value> = (0..arguments.workloads).map(workload).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    shop.kubectl(&["create", "-f", "-"], &list.to_string())?;
    refloat.backup(Site::Primary, "atomic-volume")?;
    testbed.kill(Site::Primary)?;
    let lags = lags(&ground, &refloat)?;
    let own = lags.keys().filter(|name| name.contains(OWN)).count();
    ensure!(
        own == arguments.workloads as usize,
        "only {own} of the gates were seen by both"
    );
    let version = ground.kubernetes_version(Site::Recovery)?;
    Ok((lags, version))
}

/// One that is ready after some seconds, no two at once; each kind in turn.
fn workload(number: u32) -> Value {
    let (kind, ..) = KINDS[number as usize % KINDS.len()];
    let name = format!("{OWN}{number:02}");
    let seconds = f64::from(1 + number * 7 % 20) + f64::from(number * 37 % 100) / 100.0;
    let labels = json!({ "app": name });
    let mut workload = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "one", "image": "refloat.local/client:1", "imagePullPolicy": "Never",
                    "command": ["sh", "-c", format!("sleep {seconds}; touch /tmp/ready; exec sleep 100000")],
                    "readinessProbe": { "exec": { "command": ["test", "-f", "/tmp/ready"] }, "periodSeconds": 1 },
                }],
            } },
        },
    });
    if kind == "StatefulSet" {
        workload["spec"]["serviceName"] = json!(name);
    }
    workload
}

/// Watches until it is dropped; what it has open then ends with the server.
#[derive(Default)]
struct Watching {
    over: Arc<AtomicBool>,
    /// Watches that ended after they had shown something: what is ready until the next one is seen too late.
    broken: Arc<AtomicUsize>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Whom the observer saw ready, and when.
type Seen = mpsc::Receiver<(String, Instant)>;

/// When the observer first saw each workload ready.
fn observe(ground: &Ground) -> (Watching, Seen) {
    let (tell, told) = mpsc::channel();
    let watching = Watching::default();
    for (kind, plural, fields) in KINDS {
        let mut kubectl = ground.kubectl(Site::Recovery);
        let path = format!("/apis/apps/v1/{plural}?watch=true");
        kubectl.args(["get", "--raw", &path]).stdout(Stdio::piped());
        let tell = tell.clone();
        let (over, broken) = (Arc::clone(&watching.over), Arc::clone(&watching.broken));
        thread::spawn(move || {
            // A server that has none of a kind ends a watch at once, until it has one: "Too large resource version".
            while !over.load(Ordering::Relaxed) {
                let Ok(mut child) = kubectl.spawn() else {
                    return;
                };
                let lines = child.stdout.take().map(|read| BufReader::new(read).lines());
                let mut showed = false;
                for line in lines.into_iter().flatten().map_while(Result::ok) {
                    let at = Instant::now();
                    showed |= !line.starts_with(r#"{"type":"ERROR""#);
                    if let Some(name) = ready(&line, fields) {
                        // Nobody listens any more when it is over.
                        drop(tell.send((format!("{kind}.apps {name}"), at)));
                    }
                }
                drop(child.wait());
                broken.fetch_add(usize::from(showed), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
    }
    (watching, told)
}

/// Namespace and name of the workload that an event shows ready for its newest generation.
fn ready(line: &str, fields: &[&str]) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let object = event.get("object")?;
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let observed = number("/status/observedGeneration")? >= number("/metadata/generation")?;
    let of_nodes = number("/status/desiredNumberScheduled");
    let wanted = number("/spec/replicas").or(of_nodes)?;
    let all = fields
        .iter()
        .all(|field| number(&format!("/status/{field}")) == Some(wanted));
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = format!(
        "{}/{}",
        text("/metadata/namespace")?,
        text("/metadata/name")?
    );
    (observed && all && wanted > 0).then_some(name)
}

/// From the observer's first sight until Refloat says that the step is done, in milliseconds, by workload.
fn lags(ground: &Ground, refloat: &Refloat<'_>) -> Result<BTreeMap<String, f64>> {
    let (watching, seen) = observe(ground);
    thread::sleep(BEFORE);
    let arguments = [
        "recover",
        "--protection",
        "shop",
        "--source-dead",
        "a measurement",
        "--yes",
    ];
    let mut child = refloat
        .command(Some(Site::Recovery), &arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut done = BTreeMap::new();
    for line in BufReader::new(child.stderr.take().context("no stderr")?).lines() {
        let line = line?;
        let at = Instant::now();
        if let Some((_, rest)) = line.split_once(": write ")
            && line.contains('[')
            && let Some((name, _)) = rest.split_once(" (")
        {
            done.insert(name.to_owned(), at);
        }
    }
    ensure!(child.wait()?.success(), "the recovery failed");
    thread::sleep(Duration::from_secs(1));
    ensure!(
        watching.broken.load(Ordering::Relaxed) == 0,
        "a watch of the observer broke while it mattered"
    );
    let mut lags = BTreeMap::new();
    for (name, at) in seen.try_iter() {
        if let Some(done) = done.get(&name) {
            let late = done.saturating_duration_since(at).as_secs_f64();
            let early = at.saturating_duration_since(*done).as_secs_f64();
            lags.entry(name).or_insert((late - early) * 1000.0);
        }
    }
    Ok(lags)
}

/// The lag that so many of a hundred gates do not exceed.
fn part_of(lags: &BTreeMap<String, f64>, percent: usize) -> f64 {
    let mut sorted: Vec<f64> = lags.values().copied().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}

fn page(arguments: &Arguments, lags: &BTreeMap<String, f64>, kubernetes: &str) -> String {
    let mut rows = String::new();
    for (kind, ..) in KINDS {
        let of_kind: BTreeMap<String, f64> = lags
            .iter()
            .filter(|(name, _)| name.starts_with(&format!("{kind}.")))
            .map(|(name, lag)| (name.clone(), *lag))
            .collect();
        if !of_kind.is_empty() {
            rows += &row(&format!("{kind}s"), &of_kind);
        }
    }
    rows += &row("all", lags);
    let verdict = limits::verdict(part_of(lags, 95), LAG_MILLISECONDS);
    let workloads = arguments.workloads;
    format!(
        "# How soon a gate is seen to open

Written by `cargo xtask bench gates --workloads {workloads} --write`; times are of that one run.

Kubernetes {kubernetes}, two cores for both sites. A recovery of the shop with {workloads} more workloads of one pod each, a Deployment, a StatefulSet and a
DaemonSet in turn, whose readiness probes succeed 1 to 21 s after their start. An observer beside Refloat watches these kinds; both are
read by one clock. The lag is the time from the observer's first sight of a workload that is rolled out until Refloat has written that
its step is done.

| of what | gates | p50 | p95 | longest |
|---|---|---|---|---|
{rows}
p95 of all is {verdict} the limit of {LAG_MILLISECONDS:.0} ms. That is for what Refloat watches. [Gates of your own](protection.md#gates) by `exec`, `http`, `sql`,
`redis`, `tcp`, `grpc` and `dns` are asked once a second, so they are seen to open up to a second and the question's own time later. A
[probe](probes.md) by a pod starts one for each try and rests 3 s between two: up to these 3 s and the start of a pod later.
"
    )
}

fn row(what: &str, lags: &BTreeMap<String, f64>) -> String {
    let part = |percent| part_of(lags, percent);
    format!(
        "| {what} | {} | {:.0} ms | {:.0} ms | {:.0} ms |\n",
        lags.len(),
        part(50),
        part(95),
        part(100)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lags(longest: f64) -> BTreeMap<String, f64> {
        let lags = (1..=100usize).map(|number| {
            let lag = if number < 95 { 100.0 } else { longest };
            let (kind, ..) = KINDS[number % 2];
            (format!("{kind}.apps shop/gate-{number:03}"), lag)
        });
        lags.collect()
    }

    #[test]
    fn the_page_tells_what_the_limit_is_about() {
        let arguments = Arguments {
            workloads: 98,
            write: false,
        };
        let page = |longest| page(&arguments, &lags(longest), "v1");
        assert!(page(500.0).contains("| all | 100 | 100 ms | 500 ms | 500 ms |"));
        assert!(page(500.0).contains("| StatefulSets | 50 | 100 ms |"));
        assert!(!page(500.0).contains("| DaemonSets |"));
        assert!(page(500.0).contains("p95 of all is within the limit of 500 ms."));
        assert!(page(501.0).contains("p95 of all is beyond the limit of 500 ms."));
        assert!(page(500.0).contains("are asked once a second"));
    }
}

//! `cargo xtask bench gates`: how soon a recovery notices that what it waits for is ready.
//!
//! An observer beside Refloat watches the same workloads; both are read by one clock, here.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ExitCode, Stdio};
use std::sync::mpsc;
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

/// Lags by workload, and the version of Kubernetes.
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
    ensure!(
        lags.len() >= arguments.workloads as usize,
        "only {} gates were seen by both",
        lags.len()
    );
    let version = ground.kubernetes_version(Site::Recovery)?;
    Ok((lags, version))
}

/// One that is ready after some seconds, no two at once.
fn workload(number: u32) -> Value {
    let name = format!("gate-{number:02}");
    let seconds = f64::from(1 + number * 7 % 20) + f64::from(number * 37 % 100) / 100.0;
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "one", "image": "refloat.local/client:1", "imagePullPolicy": "Never",
                    "command": ["sh", "-c", format!("sleep {seconds}; touch /tmp/ready; exec sleep 100000")],
                    "readinessProbe": { "exec": { "command": ["test", "-f", "/tmp/ready"] }, "periodSeconds": 1 },
                }],
            } },
        },
    })
}

/// Ends with its owner.
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// When the observer first saw each Deployment ready.
fn observe(ground: &Ground) -> Result<(Watcher, mpsc::Receiver<(String, Instant)>)> {
    let mut child = ground
        .kubectl(Site::Recovery)
        .args(["get", "--raw", "/apis/apps/v1/deployments?watch=true"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start kubectl")?;
    let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let at = Instant::now();
            if let Some(name) = ready(&line)
                && tell.send((name, at)).is_err()
            {
                return;
            }
        }
    });
    Ok((Watcher(child), told))
}

/// The Deployment that an event shows ready for its newest generation.
fn ready(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let object = event.get("object")?;
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let observed = number("/status/observedGeneration")? >= number("/metadata/generation")?;
    let wanted = number("/spec/replicas")?;
    let all = ["updatedReplicas", "availableReplicas", "replicas"]
        .iter()
        .all(|field| number(&format!("/status/{field}")) == Some(wanted));
    let name = object.pointer("/metadata/name")?.as_str()?;
    (observed && all && wanted > 0).then(|| name.to_owned())
}

/// From the observer's first sight until Refloat says that the step is done, in milliseconds, by workload.
fn lags(ground: &Ground, refloat: &Refloat<'_>) -> Result<BTreeMap<String, f64>> {
    let (_watcher, seen) = observe(ground)?;
    thread::sleep(Duration::from_secs(1));
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
        if let Some((_, rest)) = line.split_once("write Deployment.apps shop/")
            && line.contains('[')
            && let Some(name) = rest.split(' ').next()
        {
            done.insert(name.to_owned(), at);
        }
    }
    ensure!(child.wait()?.success(), "the recovery failed");
    thread::sleep(Duration::from_secs(1));
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
    let part = |percent| part_of(lags, percent);
    let verdict = limits::verdict(part(95), LAG_MILLISECONDS);
    format!(
        "# How soon a gate is seen to open

Written by `cargo xtask bench gates --workloads {} --write`; times are of that one run.

Kubernetes {kubernetes}, two cores for both sites. A recovery of the shop with {} more Deployments of one pod each, whose readiness probes succeed 1 to 21 s
after their start. An observer beside Refloat watches Deployments; both are read by one clock. The lag is the time from the observer's first sight of a
Deployment that is rolled out until Refloat has written that its step is done.

| gates | p50 | p95 | longest |
|---|---|---|---|
| {} | {:.0} ms | {:.0} ms | {:.0} ms |

p95 is {verdict} the limit of {LAG_MILLISECONDS:.0} ms. That is for what Refloat watches. [Gates of your own](protection.md#gates) by `exec`, `http`, `sql`,
`redis`, `tcp`, `grpc` and `dns` are asked once a second, so they are seen to open up to a second and the question's own time later. A
[probe](probes.md) by a pod starts one for each try and rests 3 s between two: up to these 3 s and the start of a pod later.
",
        arguments.workloads,
        arguments.workloads,
        lags.len(),
        part(50),
        part(95),
        part(100),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lags(longest: f64) -> BTreeMap<String, f64> {
        let lags = (1..=100).map(|number| {
            let lag = if number < 95 { 100.0 } else { longest };
            (format!("gate-{number:03}"), lag)
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
        assert!(page(500.0).contains("| 100 | 100 ms | 500 ms | 500 ms |"));
        assert!(page(500.0).contains("p95 is within the limit of 500 ms."));
        assert!(page(501.0).contains("p95 is beyond the limit of 500 ms."));
        assert!(page(500.0).contains("are asked once a second"));
    }
}

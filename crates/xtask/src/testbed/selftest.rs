//! The testbed's own scenarios: that it works, survives, and leaves nothing.
//!
//! Holds what is done and checked, on a testbed of its own name. Called by `cargo xtask test`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::census::Census;
use super::command;
use super::lifecycle::Testbed;
use super::place::{Place, Site, StateDirectory};
use super::supervisor::{self, Condition, Report};
use super::{processes, readiness, requirements, site, snapshot_scenario};
use crate::printer::say;

/// Run all scenarios on the testbed `name`, which must not exist; it does not exist afterwards.
pub(crate) fn run(name: &str) -> Result<()> {
    requirements::check()?;
    let state = StateDirectory::of(name)?;
    ensure!(
        !state.path().exists(),
        "there is a testbed {name} already; the self-test needs a name of its own"
    );
    let before = Census::take(&state)?;
    let result = scenarios(name, &state, &before);
    Testbed::down(name)?;
    result?;
    nothing_left(&state, &before, "after the self-test")
}

fn scenarios(name: &str, state: &StateDirectory, before: &Census) -> Result<()> {
    step("up, from nothing");
    let testbed = Testbed::up(name)?;
    for place in Place::ALL {
        let megabytes = memory_bytes(state, place)? >> 20;
        say(format_args!(
            "  {} holds {megabytes} MiB of memory",
            place.name()
        ));
    }
    step("up again changes nothing");
    up_again_changes_nothing(name, state)?;
    step("a database on a volume, its snapshot cut");
    snapshot_scenario::run(&testbed, Site::Primary)?;
    step("a killed CSI driver comes back, and a snapshot is cut");
    driver_comes_back(&testbed)?;
    step("a killed supervisor: up repairs");
    kill_supervisor(state)?;
    Testbed::up(name)?;
    pods_still_run(&testbed)?;
    step("a killed supervisor: down leaves nothing");
    grew(state, before)?;
    kill_supervisor(state)?;
    Testbed::down(name)?;
    nothing_left(state, before, "after down without a supervisor")?;
    step("up killed in the middle, twice; then up, then down in the middle of up");
    interrupted_up(name, state, Duration::from_millis(1500))?;
    interrupted_up(name, state, Duration::from_secs(5))?;
    let testbed = Testbed::up(name)?;
    step("a destroyed site");
    kill_site(name, &testbed)?;
    Testbed::down(name)?;
    nothing_left(state, before, "after down with a destroyed site")?;
    interrupted_up(name, state, Duration::from_secs(4))?;
    Testbed::down(name)?;
    nothing_left(state, before, "after down in the middle of up")
}

fn step(what: &str) {
    say(format_args!("self-test: {what}"));
}

/// Fail unless the machine is as it was, at the latest a moment after.
fn nothing_left(state: &StateDirectory, before: &Census, when: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let differences = Census::take(state)?.differences(before);
        if differences.is_empty() {
            return Ok(());
        }
        // The kernel ends a namespace a little after its last process, and others' commands come and go.
        ensure!(
            Instant::now() < deadline,
            "{when} the machine is not as it was:\n  {}",
            differences.join("\n  ")
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Fail unless the census sees what a running testbed adds; else it would prove nothing.
fn grew(state: &StateDirectory, before: &Census) -> Result<()> {
    let running = Census::take(state)?;
    let mut blind = running.kinds_without_growth(before);
    // The host's own rules are the one thing that a running testbed does not touch either.
    blind.retain(|kind| *kind != "firewall rules");
    ensure!(
        blind.is_empty(),
        "the census does not see the running testbed's {}",
        blind.join(", ")
    );
    say(format_args!(
        "  a running testbed adds: {}",
        running.growth(before)
    ));
    Ok(())
}

fn up_again_changes_nothing(name: &str, state: &StateDirectory) -> Result<()> {
    let reports = supervisor::read_status(state)?;
    Testbed::up(name)?;
    ensure!(
        supervisor::read_status(state)? == reports,
        "a second `up` started programs anew"
    );
    Ok(())
}

fn marked(state: &StateDirectory, place: &str) -> Result<Vec<i32>> {
    let own = state.path().to_string_lossy().into_owned();
    let all = processes::all()?;
    Ok(all
        .into_iter()
        .filter(|process| {
            process.marks.state.as_ref() == Some(&own)
                && process.marks.place.as_deref() == Some(place)
        })
        .map(|process| process.id)
        .collect())
}

fn kill_supervisor(state: &StateDirectory) -> Result<()> {
    let found = marked(state, "supervisor")?;
    ensure!(
        found.len() == 1,
        "there should be one supervisor, not {found:?}"
    );
    for id in found {
        processes::send(id, nix::sys::signal::Signal::SIGKILL)?;
    }
    site::wait(
        Instant::now() + Duration::from_mins(1),
        "the supervisor's end",
        || Ok((!supervisor::is_running(state)?).then_some(())),
    )
}

/// Kill the CSI driver; the sidecars end when they next call it, and a snapshot is cut all the same.
fn driver_comes_back(testbed: &Testbed) -> Result<()> {
    let state = testbed.state();
    let report = |unit: &str| -> Result<Report> {
        let reports = supervisor::read_status(state)?;
        reports
            .get(unit)
            .cloned()
            .with_context(|| format!("there is no unit {unit}"))
    };
    let before = report("primary/csi-driver")?;
    let Condition::Running { process } = before.condition else {
        bail!("the CSI driver does not run");
    };
    processes::send(process.cast_signed(), nix::sys::signal::Signal::SIGKILL)?;
    let deadline = Instant::now() + Duration::from_mins(2);
    site::wait(deadline, "the CSI driver", || {
        let now = report("primary/csi-driver")?;
        let again =
            now.restarts > before.restarts && matches!(now.condition, Condition::Running { .. });
        Ok(again.then_some(()))
    })?;
    snapshot_scenario::snapshot_again(testbed, Site::Primary, "cut-after-driver-was-killed")
}

/// Start `up` as a process of its own and kill it after a while.
fn interrupted_up(name: &str, state: &StateDirectory, after: Duration) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut up = Command::new(program)
        .args(["testbed", "up", "--name", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start `up`")?;
    let deadline = Instant::now() + Duration::from_mins(3);
    site::wait(deadline, "the state directory", || {
        Ok(state.path().exists().then_some(()))
    })?;
    std::thread::sleep(after);
    up.kill().context("cannot kill `up`")?;
    up.wait().context("cannot wait for `up`")?;
    Ok(())
}

/// Fail unless the database of the scenario before lived through the supervisor's death.
fn pods_still_run(testbed: &Testbed) -> Result<()> {
    let mut kubectl = testbed.kubectl(Site::Primary);
    kubectl.args(["get", "pods", "--all-namespaces", "-o", "json"]);
    let pods: Value = serde_json::from_str(&command::output(kubectl)?)?;
    let items = pods["items"].as_array().context("a list of pods")?;
    ensure!(!items.is_empty(), "the pod of the scenario before is gone");
    for pod in items {
        let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
        ensure!(
            restarts == 0,
            "{} was restarted with the supervisor",
            pod["metadata"]["name"]
        );
    }
    Ok(())
}

/// A killed site is silent and its disks are gone; the other one and S3 live; `up` makes a new one.
fn kill_site(name: &str, testbed: &Testbed) -> Result<()> {
    let state = testbed.state();
    let others_before = reports_elsewhere(state)?;
    testbed.kill(Site::Primary)?;
    ensure!(
        marked(state, "primary")?.is_empty(),
        "processes of a killed site run on"
    );
    ensure!(
        reports_elsewhere(state)? == others_before,
        "`kill` reached another place"
    );
    let directory = state.site(Site::Primary);
    let gone = [
        directory.disks(),
        directory.pool(),
        directory.containerd(),
        directory.kubelet(),
    ];
    for path in &gone {
        ensure!(
            !path.exists(),
            "{} of a killed site is still there",
            path.display()
        );
    }
    ensure!(
        testbed.kubeconfig(Site::Primary).exists(),
        "the administrator's kubeconfig went with the site"
    );
    ensure!(
        !answers(testbed, Site::Primary),
        "the API server of a killed site answers"
    );
    until("an answer of the other site", || {
        answers(testbed, Site::Recovery)
    })?;
    let store = testbed.record().addresses.object_store();
    until("an answer of the S3 server", || {
        readiness::http_status(store, "/").is_ok()
    })?;
    if testbed.command_in(Site::Primary, "true").is_ok() {
        bail!("one can run commands at a killed site");
    }
    Testbed::up(name)?;
    until("a killed site, by `up`,", || {
        answers(testbed, Site::Primary)
    })?;
    ensure!(
        reports_elsewhere(state)? == others_before,
        "`up` disturbed the living site"
    );
    testbed.kill(Site::Primary)
}

/// Waits for what must be so in the end.
fn until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    site::wait(deadline, what, || Ok(is_so().then_some(())))
}

/// The units of all places but the primary site, with their processes.
fn reports_elsewhere(state: &StateDirectory) -> Result<BTreeMap<String, Report>> {
    let mut reports = supervisor::read_status(state)?;
    reports.retain(|unit, _| !unit.starts_with("primary/"));
    Ok(reports)
}

fn answers(testbed: &Testbed, site: Site) -> bool {
    let mut kubectl = testbed.kubectl(site);
    kubectl.args(["--request-timeout=2s", "get", "--raw=/readyz"]);
    command::output(kubectl).is_ok()
}

/// How much memory the processes of a place hold, for the record.
fn memory_bytes(state: &StateDirectory, place: Place) -> Result<u64> {
    let mut total = 0;
    for id in marked(state, place.name())? {
        let text =
            std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("smaps_rollup"));
        let kilobytes = text.unwrap_or_default().lines().find_map(|line| {
            line.strip_prefix("Pss:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        });
        total += kilobytes.unwrap_or(0) * 1024;
    }
    Ok(total)
}

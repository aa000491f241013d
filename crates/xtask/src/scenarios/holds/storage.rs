//! Storage that does not cut while databases are held, or whose clock is wrong.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::super::Stage;
use super::super::bad_input::refused;
use super::Scene;
use crate::ledger::now;
use crate::testbed::Site;

/// Writers may wait for as long as the protection allows, and a second.
const HOLD_SECONDS_MAX: f64 = 9.0;

/// The snapshot sidecar is dead: no cut ever comes.
pub(in crate::scenarios) fn sidecar(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    let points = scene.points()?;
    let signal = |signal| {
        stage
            .testbed
            .signal(Site::Primary, "csi-snapshotter", signal)
    };
    signal(Signal::SIGSTOP)?;
    let mut running = scene.begin()?;
    let begun = scene.until_cutting(&mut running).and_then(|()| {
        let moment = now();
        running.until_said("giving up")?;
        Ok(moment)
    });
    thread::sleep(Duration::from_millis(500));
    signal(Signal::SIGCONT)?;
    let moment = begun?;
    let answer = running.finish()?;
    refused(
        "a dead sidecar",
        &answer,
        "hold-too-long",
        &["ledger/maria", "8 s", "capture.holdSecondsMax"],
    )?;
    scene.writers_back("a dead sidecar", moment, HOLD_SECONDS_MAX)?;
    scene.sound("a dead sidecar", points)
}

/// One of three cuts fails, in either wave.
pub(in crate::scenarios) fn cuts(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    for claim in ["data-maria-0", "wal-pg-0"] {
        let points = scene.points()?;
        let volume = scene.ledger.volume(claim)?;
        let faults = json!({ "fail_snapshot": "the array is full", "only_volume": volume });
        scene.faults(&faults)?;
        let moment = now();
        let answer = scene.begin()?.finish()?;
        // MariaDB is let go long before the WAL is cut: only the wait for a cut ends that one.
        let code = if claim == "wal-pg-0" {
            "waiting-for-cut-timeout"
        } else {
            "hold-too-long"
        };
        refused(claim, &answer, code, &["the array is full", claim])?;
        scene.writers_back(claim, moment, HOLD_SECONDS_MAX + 15.0)?;
        scene.sound(claim, points)?;
    }
    Ok(())
}

/// The storage's clock is an hour slow: the point counts from when the cut was asked for, and says so.
pub(in crate::scenarios) fn clock(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    scene.faults(&json!({ "clock_skew_seconds": -3600 }))?;
    let before = Timestamp::now();
    let answer = scene.captured("a wrong clock")?;
    ensure!(
        answer.code == Some(0),
        "a wrong clock: {} {}",
        answer.value,
        answer.said
    );
    let cut: Timestamp = answer
        .value
        .get("earliest_cut")
        .and_then(Value::as_str)
        .context("no cut")?
        .parse()?;
    ensure!(
        cut >= before,
        "the point is said to be of {cut}, and its backup began at {before}"
    );
    let findings = answer.value.get("findings").cloned().unwrap_or_default();
    ensure!(
        findings.to_string().contains("clock-skew"),
        "nothing is said of the clock: {findings}"
    );
    let points = scene.points()?;
    scene.sound("a wrong clock", points)
}

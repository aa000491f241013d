//! `kill -9` of the engine at random moments; then it is started again.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::bad_input::refused;
use super::heard::Heard;
use super::{Stage, state};
use crate::captured::points;
use crate::printer::say;
use crate::testbed::Site;

/// Moments of a backup at which its engine is killed.
const BACKUP_KILLS: u32 = 6;
/// How often it is killed at so many moments, each time in half of the time before, until enough of them were in its middle.
const ROUNDS_MAX: u32 = 4;
/// How often two backups are started until the second one begins before the first has ended.
const PLAYS_MAX: u32 = 3;
/// Moments of a recovery at which its engine is killed.
const RECOVERY_KILLS: u32 = 10;

/// Runs refloat and kills it after a while; true when it was still running, and what it said.
fn killed_after(
    stage: &Stage<'_>,
    site: Site,
    arguments: &[&str],
    after: Duration,
) -> Result<(bool, String)> {
    let mut child = stage
        .refloat
        .command(Some(site), arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    thread::sleep(after);
    let running = child.try_wait()?.is_none();
    if running {
        child.kill()?;
    }
    let ended = child.wait_with_output()?;
    Ok((running, String::from_utf8_lossy(&ended.stderr).into_owned()))
}

/// Evenly spread moments with a fixed jitter: the same each time, none at a round number.
fn moment(whole: Duration, of: u32, count: u32) -> Duration {
    let jitter = f64::from(of * 7919 % 97) / 97.0;
    whole.mul_f64((f64::from(of) + jitter) / f64::from(count + 1))
}

/// Runs that have no end, as `refloat status` tells.
fn unfinished(stage: &Stage<'_>, site: Site) -> Result<Vec<Value>> {
    let status = stage.refloat.answer(Some(site), &["status"], &[])?;
    let runs = status.value.get("unfinished_runs");
    let runs = runs.and_then(Value::as_array).cloned();
    runs.with_context(|| format!("status: {} {}", status.value, status.said))
}

/// Whether a recovery of the shop has begun and has no end. An engine that ended its run still prints its report and writes it down:
/// killed then, it leaves nothing to go on with.
pub(super) fn is_recovery_open(stage: &Stage<'_>) -> Result<bool> {
    let unfinished = unfinished(stage, Site::Recovery)?;
    Ok(unfinished
        .iter()
        .any(|run| run["kind"] == "restore" && run["protection"] == "shop"))
}

pub(super) fn backup(stage: &Stage<'_>) -> Result<()> {
    let arguments = ["backup", "--protection", "shop", "-n", "shop", "-o", "json"];
    let start = Instant::now();
    let whole = stage.backup(&["-n", "shop"], &[])?;
    ensure!(
        whole.code == Some(0),
        "undisturbed: {} {}",
        whole.value,
        whole.said
    );
    let length = start.elapsed();
    let (mut killed, mut all_said) = (0, String::new());
    for number in 0..BACKUP_KILLS * ROUNDS_MAX {
        let round = number / BACKUP_KILLS;
        if round > 0 && killed >= BACKUP_KILLS - 1 {
            break;
        }
        // The undisturbed one may have been slow: those that ended before their moment are followed by earlier ones.
        let part = length / 2_u32.pow(round);
        let after = moment(part, number % BACKUP_KILLS, BACKUP_KILLS);
        let (running, said) = killed_after(stage, Site::Primary, &arguments, after)?;
        killed += u32::from(running);
        all_said.push_str(&said);
    }
    ensure!(
        killed >= BACKUP_KILLS - 1,
        "only {killed} backups were killed while they ran"
    );
    let after = stage.backup(&["-n", "shop"], &[])?;
    ensure!(
        after.code == Some(0),
        "after the kills: {} {}",
        after.value,
        after.said
    );
    // One that was to be killed may have completed, and have taken the ones before it over.
    all_said.push_str(&after.said);
    ensure!(
        all_said.contains("giving it up"),
        "the dead runs were not taken over: {all_said}"
    );
    stage.nothing_left(Site::Primary)?;
    let unfinished = unfinished(stage, Site::Primary)?;
    ensure!(
        unfinished.is_empty(),
        "unfinished runs are left: {unfinished:?}"
    );
    say(format_args!(
        "  {killed} backups killed within {:.1} s each",
        length.as_secs_f64()
    ));
    Ok(())
}

/// A second backup of the same protection does not disturb the first: it says who is at work.
pub(super) fn two_at_once(stage: &Stage<'_>) -> Result<()> {
    let arguments = ["backup", "--protection", "shop", "-n", "shop", "-o", "json"];
    for _ in 0..PLAYS_MAX {
        let before = points(&stage.refloat, "shop")?.len();
        let mut first = Heard::start(stage, Site::Primary, &arguments)?;
        // A mover may be gone between two looks at its pods: the first step's line says as surely that its engine works.
        let works = |line: &str| line.contains("[1/");
        first.says(works);
        let second = stage.backup(&["-n", "shop"], &[])?;
        let first = first.succeeds();
        if second.code == Some(0) {
            first.context("the first backup was disturbed")?;
            one_after_the_other(&points(&stage.refloat, "shop")?, before, &second.value)?;
            say("  the first backup had ended before the second began: once more");
            continue;
        }
        refused(
            "the second backup",
            &second,
            "backup-running",
            &["last sign", "backup-"],
        )?;
        first.context("the first backup was disturbed")?;
        return stage.nothing_left(Site::Primary);
    }
    bail!("two backups have not met, {PLAYS_MAX} times")
}

/// Of the two points that were added, the one of the second backup began when the other one was sealed.
fn one_after_the_other(points: &[Value], before: usize, second: &Value) -> Result<()> {
    let [first, last] = points.get(before..).unwrap_or_default() else {
        bail!("two backups, and no two points: {before} before, now {points:?}");
    };
    let moment = |point: &Value, key: &str| -> Result<Timestamp> {
        let text = point.get(key).and_then(Value::as_str);
        Ok(text
            .with_context(|| format!("no {key}: {point}"))?
            .parse()?)
    };
    let (sealed, cut) = (moment(first, "sealed")?, moment(last, "earliest_cut")?);
    ensure!(
        last["point"] == second["point"] && sealed <= cut,
        "two backups ran side by side: {first} and {last}"
    );
    Ok(())
}

const RECOVER: [&str; 6] = [
    "recover",
    "--protection",
    "shop",
    "--source-dead",
    "a scenario",
    "--yes",
];

/// Starts the recovery, waits until its engine works, and kills it a moment later; false when it was done before, whether or not its
/// process had ended.
fn recovery_killed(stage: &Stage<'_>, after: Duration) -> Result<bool> {
    let mut recovery = Heard::start(stage, Site::Recovery, &RECOVER)?;
    // The first step line, or the word that it goes on: from then on there is a journal.
    let works = |line: &str| line.contains("going on with recovery") || line.contains("[1/");
    recovery.says(works);
    thread::sleep(after);
    let running = recovery.child.try_wait()?.is_none();
    if running {
        recovery.child.kill()?;
    }
    let ended = recovery.child.wait()?;
    ensure!(running || ended.success(), "a recovery failed: {ended}");
    Ok(running && is_recovery_open(stage)?)
}

/// The recovery is run to its end, and what came back is what came back undisturbed.
fn finish(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    let last = stage.refloat.answer(Some(Site::Recovery), &RECOVER, &[])?;
    ensure!(
        last.code == Some(0),
        "after the kills: {} {}",
        last.value,
        last.said
    );
    ensure!(
        last.said.contains("going on with recovery"),
        "it did not go on: {}",
        last.said
    );
    compare(stage, expected)
}

fn compare(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    let found = state::of(stage.ground, Site::Recovery)?;
    let differences = state::differences(expected, &found);
    ensure!(
        differences.is_empty(),
        "the end states differ: {differences:?}"
    );
    stage.nothing_left(Site::Recovery)?;
    stage.clear(Site::Recovery)
}

pub(super) fn recovery(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    let start = Instant::now();
    let whole = stage.refloat.answer(Some(Site::Recovery), &RECOVER, &[])?;
    ensure!(
        whole.code == Some(0),
        "undisturbed: {} {}",
        whole.value,
        whole.said
    );
    let length = start.elapsed();
    let expected = state::of(stage.ground, Site::Recovery)?;
    ensure!(expected.len() > 20, "the state is empty: {expected:?}");
    stage.clear(Site::Recovery)?;

    let (mut killed, mut whole, mut number) = (0, 0, 0);
    let mut unfinished = false;
    while killed < RECOVERY_KILLS {
        let after = moment(Duration::from_millis(1200), number % 7, 6);
        number += 1;
        unfinished = recovery_killed(stage, after)?;
        if unfinished {
            killed += 1;
        } else {
            // It was done before it could be killed again: compared, and begun anew.
            whole += 1;
            compare(stage, &expected)?;
            ensure!(
                whole < RECOVERY_KILLS,
                "recoveries end faster than they can be killed"
            );
        }
    }
    if unfinished {
        finish(stage, &expected)?;
        whole += 1;
    }
    say(format_args!(
        "  {killed} kills in {whole} recoveries, each {:.1} s undisturbed",
        length.as_secs_f64()
    ));
    Ok(())
}

//! `kill -9` of the engine at random moments; then it is started again.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Stage, state};
use crate::printer::say;
use crate::testbed::Site;

/// Moments of a backup at which its engine is killed.
const BACKUP_KILLS: u32 = 6;
/// Moments of a recovery at which its engine is killed.
const RECOVERY_KILLS: u32 = 10;

/// Runs refloat and kills it after a while; true when it was still running.
fn killed_after(
    stage: &Stage<'_>,
    site: Site,
    arguments: &[&str],
    after: Duration,
) -> Result<bool> {
    let mut child = stage
        .refloat
        .command(Some(site), arguments)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    thread::sleep(after);
    let running = child.try_wait()?.is_none();
    if running {
        child.kill()?;
    }
    child.wait()?;
    Ok(running)
}

/// Evenly spread moments with a fixed jitter: the same each time, none at a round number.
fn moment(whole: Duration, of: u32, count: u32) -> Duration {
    let jitter = f64::from(of * 7919 % 97) / 97.0;
    whole.mul_f64((f64::from(of) + jitter) / f64::from(count + 1))
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
    let mut killed = 0;
    for number in 0..BACKUP_KILLS {
        let after = moment(length, number, BACKUP_KILLS);
        killed += u32::from(killed_after(stage, Site::Primary, &arguments, after)?);
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
    ensure!(
        after.said.contains("giving it up"),
        "the dead runs were not taken over: {}",
        after.said
    );
    stage.nothing_left(Site::Primary)?;
    let status = stage
        .refloat
        .answer(Some(Site::Primary), &["status"], &[])?;
    let unfinished = status
        .value
        .get("unfinished_runs")
        .and_then(|runs| runs.as_array())
        .map(Vec::len);
    ensure!(
        unfinished == Some(0),
        "unfinished runs are left: {}",
        status.value
    );
    say(format_args!(
        "  {killed} backups killed within {:.1} s each",
        length.as_secs_f64()
    ));
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

pub(super) fn recovery(stage: &Stage<'_>) -> Result<()> {
    let start = Instant::now();
    let whole = stage.refloat.answer(Some(Site::Recovery), &RECOVER, &[])?;
    ensure!(
        whole.code == Some(0),
        "undisturbed: {} {}",
        whole.value,
        whole.said
    );
    let length = start.elapsed();
    let expected = state::of(stage.testbed, Site::Recovery)?;
    ensure!(expected.len() > 20, "the state is empty: {expected:?}");
    stage.clear(Site::Recovery)?;

    let mut killed = 0;
    for number in 0..RECOVERY_KILLS {
        let left = length.mul_f64(1.0 / f64::from(RECOVERY_KILLS));
        let after = moment(left, number % 3, 2) + Duration::from_millis(250);
        killed += u32::from(killed_after(stage, Site::Recovery, &RECOVER, after)?);
    }
    ensure!(
        killed == RECOVERY_KILLS,
        "only {killed} recoveries were killed while they ran"
    );
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
    let found = state::of(stage.testbed, Site::Recovery)?;
    let differences = state::differences(&expected, &found);
    ensure!(
        differences.is_empty(),
        "the end states differ: {differences:?}"
    );
    stage.nothing_left(Site::Recovery)?;
    say(format_args!(
        "  {killed} kills in a recovery of {:.1} s",
        length.as_secs_f64()
    ));
    stage.clear(Site::Recovery)
}

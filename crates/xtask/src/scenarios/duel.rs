//! Two engines on one recovery, started so on purpose: one acts, the other says who does; and one that was frozen and taken over
//! stops when it wakes.

use std::collections::BTreeMap;
use std::fs::FileTimes;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::disasters::{RECOVER, Recovery, same_end};
use super::{Stage, store};
use crate::testbed::{Site, send_signal};

fn started(stage: &Stage<'_>) -> Result<Child> {
    stage
        .refloat
        .command(Some(Site::Recovery), &RECOVER)
        .args(["--output", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start refloat")
}

/// The one problem that a refused engine printed.
fn problem(output: &Output) -> Result<(String, String)> {
    let said = String::from_utf8_lossy(&output.stderr);
    let value: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no JSON from the refused engine; it said {said}"))?;
    let text = |pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    Ok((text("/problems/0/code"), text("/problems/0/message")))
}

/// Started at the same moment, and a third one in the middle.
pub(super) fn at_once(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    let children = [started(stage)?, started(stage)?];
    let processes = children.each_ref().map(Child::id);
    let mut ended = Vec::new();
    for child in children {
        ended.push(child.wait_with_output()?);
    }
    let winners: Vec<usize> = (0..2).filter(|one| ended[*one].status.success()).collect();
    ensure!(
        winners.len() == 1,
        "{} of two completed the recovery",
        winners.len()
    );
    let (winner, loser) = (winners[0], 1 - winners[0]);
    ensure!(
        ended[loser].status.code() == Some(1),
        "the other ended with {}",
        ended[loser].status
    );
    let (code, message) = problem(&ended[loser])?;
    ensure!(code == "run-alive", "the other says `{code}`: {message}");
    let who = format!("process {} ", processes[winner]);
    ensure!(
        message.contains(&who),
        "the other does not name `{who}`: {message}"
    );
    same_end(stage, expected)
}

/// The first engine is frozen in the middle of its work and gives no sign any more; a second one takes over and completes. When the
/// first wakes it may do nothing.
pub(super) fn frozen(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    let mut first = Recovery::start(stage)?;
    ensure!(first.until(30), "it ended early: {}", first.said);
    let process = first.process()?;
    send_signal(process, Signal::SIGSTOP)?;
    let refused = Recovery::start(stage)?.finish()?;
    ensure!(
        !refused.success && refused.said.contains("is being driven by"),
        "an engine whose mark is young was not spared: {}",
        refused.said
    );
    forget_signs(stage)?;
    let second = Recovery::start(stage)?.finish()?;
    ensure!(
        second.success && second.said.contains("going on with recovery"),
        "the second engine: {}",
        second.said
    );
    send_signal(process, Signal::SIGCONT)?;
    // What the others took meanwhile is no time of its own.
    first.begun = Instant::now();
    let woken = first.finish()?;
    ensure!(
        !woken.success && woken.said.contains("another engine took this run over"),
        "the engine that was taken over: {}",
        woken.said
    );
    same_end(stage, expected)
}

/// Makes the marks of runs in the vault look as old as those of dead engines.
fn forget_signs(stage: &Stage<'_>) -> Result<()> {
    let marks = store::bucket(stage)?.join("disasters/open-runs");
    let old = SystemTime::now() - Duration::from_mins(5);
    let mut count = 0;
    for mark in std::fs::read_dir(&marks).with_context(|| marks.display().to_string())? {
        let file = std::fs::File::options().write(true).open(mark?.path())?;
        file.set_times(FileTimes::new().set_modified(old))?;
        count += 1;
    }
    ensure!(count == 1, "{count} runs are open instead of one");
    Ok(())
}

//! Two engines on one recovery, started so on purpose: one acts, the other says who does; and one that was frozen and taken over
//! stops when it wakes.

use std::collections::BTreeMap;
use std::fs::FileTimes;
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::disasters::{RECOVER, Recovery, same_end};
use super::{Stage, store};
use crate::printer::say;
use crate::testbed::{Site, send_signal};

/// How often two engines are started at once until they meet.
const PLAYS_MAX: u32 = 3;

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

/// Started at the same moment, until they met: an engine that is slow may begin when the other has ended.
pub(super) fn at_once(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    for _ in 0..PLAYS_MAX {
        let met = have_met(stage)?;
        same_end(stage, expected)?;
        if met {
            return Ok(());
        }
        say("  one engine had ended before the other began: once more");
    }
    bail!("the engines have not met, {PLAYS_MAX} times")
}

/// Two engines, of which one completes and one is refused; false when it was refused because the other had ended.
fn have_met(stage: &Stage<'_>) -> Result<bool> {
    let children = [started(stage)?, started(stage)?];
    let processes = children.each_ref().map(Child::id);
    let waiting = children.map(|child| {
        thread::spawn(move || -> Result<(Output, Instant)> {
            let output = child.wait_with_output()?;
            Ok((output, Instant::now()))
        })
    });
    let (mut ended, mut at) = (Vec::new(), Vec::new());
    for one in waiting {
        let (output, moment) = one.join().map_err(|_| anyhow!("a wait panicked"))??;
        ended.push(output);
        at.push(moment);
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
    let came_late = ["point-newer", "namespace-in-use"].contains(&code.as_str());
    if came_late && at[loser] > at[winner] {
        return Ok(false);
    }
    ensure!(code == "run-alive", "the other says `{code}`: {message}");
    let who = format!("process {} ", processes[winner]);
    ensure!(
        message.contains(&who),
        "the other does not name `{who}`: {message}"
    );
    Ok(true)
}

/// The first engine is frozen in the middle of its work and gives no sign any more; a second one takes over and completes. When the
/// first wakes it may do nothing.
pub(super) fn frozen(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    let mut first = Recovery::start(stage)?;
    ensure!(
        first.until(30),
        "{} before 30 %: {}",
        first.why_no_further(),
        first.said
    );
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

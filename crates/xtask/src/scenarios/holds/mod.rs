//! Everything that can go wrong while databases are held, on real clusters: after each fault writers go on in time, nothing
//! of ours is left, nothing half is sealed, and the next capture works.
//!
//! Holds what these scenarios share: the ledger with a writer beside it, and a capture that is watched while it runs.

mod cut_off;
mod database;
mod hook;
mod killed;
mod spaces;
mod standby;
mod storage;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

pub(super) use cut_off::{links, restarts, site};
pub(super) use database::{broken_sessions, databases, no_connections};
pub(super) use hook::hook;
pub(super) use killed::{engine, two_at_once};
pub(super) use spaces::tablespaces;
pub(super) use standby::standby;
pub(super) use storage::{clock, cuts, sidecar};

use super::Stage;
use crate::captured::{self, Captured};
use crate::ledger::{Ledger, Load, Waited, now};
use crate::printer::say;
use crate::refloat::Answer;
use crate::testbed::{Site, output};

/// Writers wait no longer than this after the death of an engine.
const AFTER_DEATH_SECONDS_MAX: f64 = 2.0;
/// Writers wait no longer than this after a link was cut: the server's deadline and a second.
const AFTER_CUT_SECONDS_MAX: f64 = 6.0;

/// A short torture: held copies under full load are sound, and copies without holds are caught.
pub(super) fn judged(stage: &Stage<'_>) -> Result<()> {
    let binary = stage.refloat.binary();
    let (held, unheld) = crate::torture::torture(stage.testbed, stage.ground, binary, 3, 2)?;
    say(format_args!(
        "  held: {} of {} copies sound; without holds: {} of {} caught",
        held.sound,
        held.rounds,
        unheld.rounds - unheld.sound,
        unheld.rounds
    ));
    Ok(())
}

/// The ledger on the stage.
pub(super) struct Scene<'a> {
    stage: &'a Stage<'a>,
    ledger: Ledger<'a>,
}

impl<'a> Scene<'a> {
    /// Opens the ledger when it is not there yet, and has it written into.
    fn open(stage: &'a Stage<'a>) -> Result<Self> {
        let ledger = Ledger::new(stage.ground);
        // What a scenario that failed may have left: faults, and a writer beside which all connections are held.
        fs::write(stage.testbed.control_file(Site::Primary), "{}")?;
        ledger.quiet()?;
        ledger.open_once()?;
        ledger.write(Load {
            engines: "pg,maria",
            workers: 2,
            pause: Duration::from_millis(10),
        })?;
        Ok(Self { stage, ledger })
    }

    /// A protection of the ledger that must be held, and lets its writers wait no longer than 8 s.
    fn protection(&self, name: &str) -> Result<String> {
        let path = self.stage.testbed.scratch().join(format!("{name}.yaml"));
        let file = json!({
            "apiVersion": "refloat.io/v1alpha1", "kind": "Protection",
            "metadata": { "name": name },
            "spec": {
                "namespaces": ["ledger"], "minimumMode": "held",
                "capture": { "holdSecondsMax": 8 }, "snapshot": { "cutSecondsMax": 20 },
            },
        });
        fs::write(&path, file.to_string())?;
        Ok(path.display().to_string())
    }

    fn faults(&self, faults: &Value) -> Result<()> {
        let control = self.stage.testbed.control_file(Site::Primary);
        Ok(fs::write(control, faults.to_string())?)
    }

    fn begin(&self) -> Result<Running> {
        self.begin_as("ledger")
    }

    fn begin_as(&self, protection: &str) -> Result<Running> {
        let file = self.protection(protection)?;
        let mut child = self
            .stage
            .refloat
            .command(Some(Site::Primary), &["backup", "-f", &file, "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stderr.take().context("no stderr")?);
        let (sink, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if sink.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Running {
            child,
            lines,
            said: String::new(),
        })
    }

    /// Waits until both databases are held: the first volumes are being cut.
    fn until_cutting(&self, running: &mut Running) -> Result<()> {
        self.until_cutting_beside(running, &BTreeSet::new())
    }

    /// The same, where other cuts are left.
    fn until_cutting_beside(&self, running: &mut Running, left: &BTreeSet<String>) -> Result<()> {
        let begun = Instant::now();
        loop {
            if !self.snapshots()?.is_subset(left) {
                return Ok(());
            }
            if running.child.try_wait()?.is_some() {
                bail!("it ended before it cut: {}", running.all_said());
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "nothing is cut: {}",
                running.all_said()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Names of the snapshots that there are, cut or not.
    fn snapshots(&self) -> Result<BTreeSet<String>> {
        let mut command = self.stage.testbed.kubectl(Site::Primary);
        command.args(["-n", "ledger", "get", "volumesnapshots", "-o", "name"]);
        Ok(output(command)?.lines().map(str::to_owned).collect())
    }

    /// The points there are, the newest last.
    fn listed(&self) -> Result<Vec<Value>> {
        captured::points(&self.stage.refloat, "ledger")
    }

    /// How many points there are.
    fn points(&self) -> Result<usize> {
        Ok(self.listed()?.len())
    }

    /// True when both databases of the newest point were held, and neither before this moment.
    fn newest_held_since(&self, moment: f64) -> Result<bool> {
        let points = self.listed()?;
        let members = points.last().and_then(|point| point.get("members"));
        let members = members.and_then(Value::as_array).into_iter().flatten();
        let mut since = Vec::new();
        for member in members {
            let held = member.pointer("/held/since").and_then(Value::as_str);
            let held: Timestamp = held
                .with_context(|| format!("a member of the newest point was not held: {member}"))?
                .parse()?;
            since.push(held.as_duration().as_secs_f64());
        }
        ensure!(since.len() == 2, "{} members were held", since.len());
        Ok(since.iter().all(|since| *since >= moment))
    }

    /// Waits a little past the bound, then tells how long writers were made to wait after this moment.
    fn writers_back(&self, what: &str, moment: f64, bound: f64) -> Result<Waited> {
        let until = moment + bound + 1.5;
        let left = until + 1.0 - now();
        if left > 0.0 {
            thread::sleep(Duration::from_secs_f64(left));
        }
        let waited = self.ledger.back_after(moment, until)?;
        say(format_args!(
            "  {what}: writers {} go on after {:.1} s",
            if waited.frozen {
                "were held and"
            } else {
                "were not held and"
            },
            waited.seconds
        ));
        ensure!(
            waited.seconds <= bound,
            "{what}: writers waited {:.1} s, from {:.1} s to {:.1} s, and {bound} s are allowed",
            waited.seconds,
            waited.from_to.0,
            waited.from_to.1
        );
        Ok(waited)
    }

    /// No session of ours in a database, and nothing that it left.
    fn let_go(&self, what: &str) -> Result<()> {
        self.ledger.let_go().with_context(|| what.to_owned())
    }

    /// A capture that must succeed; again when only a deadline ran out.
    fn captured(&self, what: &str) -> Result<Answer> {
        let runs = self.ledger.runs()?;
        let captured = Captured {
            testbed: self.stage.testbed,
            refloat: &self.stage.refloat,
            protection: "ledger",
        };
        let let_go = || self.ledger.let_go_in(&runs);
        let taken = captured.take(&|| self.begin()?.finish(), &let_go);
        taken.with_context(|| what.to_owned())
    }

    /// Nothing is held, nothing of ours is left, nothing was sealed, and the next capture works.
    fn sound(&self, what: &str, points_before: usize) -> Result<()> {
        self.faults(&json!({}))?;
        self.let_go(what)?;
        let points = self.points()?;
        ensure!(
            points == points_before,
            "{what}: a point was sealed all the same"
        );
        let next = self.captured(what)?;
        ensure!(
            next.code == Some(0),
            "{what}: the next capture: {} {}",
            next.value,
            next.said
        );
        ensure!(self.points()? == points_before + 1, "{what}: no new point");
        self.let_go(what)?;
        self.stage.nothing_left(Site::Primary)
    }
}

/// What became of a backup that was to be killed.
enum Kill {
    /// The moment at which it was killed.
    Killed(f64),
    EndedBefore(Answer),
}

/// A backup that runs.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Drop for Running {
    /// A scenario that failed leaves no engine behind.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

impl Running {
    /// Waits for a line of its progress.
    fn until_said(&mut self, word: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    self.said.push_str(&line);
                    self.said.push('\n');
                    if line.contains(word) {
                        return Ok(());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("it never said `{word}`: {}", self.said)
                }
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(2),
                "it did not say `{word}`: {}",
                self.said
            );
        }
    }

    fn all_said(&mut self) -> &str {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(50)) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        &self.said
    }

    /// Kills it, unless it had ended before.
    fn kill(mut self) -> Result<Kill> {
        if self.child.try_wait()?.is_none() {
            self.child.kill()?;
            let moment = now();
            // It may have ended by itself a moment ago.
            if self.child.wait()?.signal() == Some(Signal::SIGKILL as i32) {
                return Ok(Kill::Killed(moment));
            }
        }
        self.finish().map(Kill::EndedBefore)
    }

    /// Waits for its end.
    fn finish(mut self) -> Result<Answer> {
        // Its messages are read beside, so that it cannot block on them.
        let done = {
            let stdout = self.child.stdout.take().context("no stdout")?;
            let value = std::io::read_to_string(stdout)?;
            (self.child.wait()?.code(), value)
        };
        Ok(Answer {
            code: done.0,
            value: serde_json::from_str(&done.1).unwrap_or_default(),
            said: self.all_said().to_owned(),
        })
    }
}

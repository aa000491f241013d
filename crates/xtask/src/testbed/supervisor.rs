//! Keeps the units of one testbed running.
//!
//! A process of its own, started by `up`, that reads the units again and again: it starts those whose needs are met, starts those
//! that ended once more after a pause, and ends those that are no longer wanted. It makes no decision about the testbed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::command::{Commands, MARKER_PLACE, MARKER_UNIT};
use super::place::StateDirectory;
use super::unit::{self, Unit};
use super::{files, lock, processes};

const TURN: Duration = Duration::from_millis(50);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// A unit that ran this long starts anew with the shortest pause.
const STEADY: Duration = Duration::from_secs(20);
const LOG_BYTES_MAX: u64 = 64 << 20;

/// How a unit is, as told in the status file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum Condition {
    /// Its needs are not met.
    Waiting,
    /// It runs.
    Running {
        /// Its process.
        process: u32,
    },
    /// It ended and will be started again.
    Ended {
        /// How it ended.
        how: String,
    },
}

/// A unit in the status file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// How it is.
    pub(crate) condition: Condition,
    /// How often it was started again.
    pub(crate) restarts: u32,
}

struct Kept {
    unit: Unit,
    phase: Phase,
    pause: Duration,
    restarts: u32,
}

enum Phase {
    Waiting,
    Running { child: Child, since: Instant },
    Ended { how: String, until: Instant },
}

impl Kept {
    fn new(unit: Unit) -> Self {
        Self {
            unit,
            phase: Phase::Waiting,
            pause: PAUSE_MIN,
            restarts: 0,
        }
    }

    fn report(&self) -> Report {
        let condition = match &self.phase {
            Phase::Waiting => Condition::Waiting,
            Phase::Running { child, .. } => Condition::Running {
                process: child.id(),
            },
            Phase::Ended { how, .. } => Condition::Ended { how: how.clone() },
        };
        Report {
            condition,
            restarts: self.restarts,
        }
    }

    /// Note that the process ended, and for how long to leave it so.
    fn ended(&mut self, how: String, since: Instant, now: Instant) {
        if now.duration_since(since) > STEADY {
            self.pause = PAUSE_MIN;
        }
        self.phase = Phase::Ended {
            how,
            until: now + self.pause,
        };
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn turn(&mut self, commands: &Commands, now: Instant) -> Result<()> {
        match &mut self.phase {
            Phase::Running { child, since } => {
                let since = *since;
                if let Some(status) = child.try_wait().context("cannot ask for a child's end")? {
                    self.ended(told(status), since, now);
                }
            }
            Phase::Waiting if self.unit.needs.iter().all(unit::Need::is_met) => {
                self.start(commands, now);
            }
            Phase::Ended { until, .. }
                if *until <= now && self.unit.needs.iter().all(unit::Need::is_met) =>
            {
                self.restarts += 1;
                self.start(commands, now);
            }
            Phase::Waiting | Phase::Ended { .. } => {}
        }
        Ok(())
    }

    fn start(&mut self, commands: &Commands, now: Instant) {
        match spawn(&self.unit, commands) {
            Ok(child) => self.phase = Phase::Running { child, since: now },
            Err(error) => self.ended(format!("cannot be started: {error:#}"), now, now),
        }
    }

    /// Ask the process to end, then make it; it is reaped here.
    fn stop(self) -> Result<()> {
        let Phase::Running { mut child, .. } = self.phase else {
            return Ok(());
        };
        processes::send(child.id().cast_signed(), Signal::SIGTERM)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while child
            .try_wait()
            .context("cannot ask for a child's end")?
            .is_none()
        {
            if Instant::now() > deadline {
                child.kill().context("cannot kill a child")?;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}

fn spawn(unit: &Unit, commands: &Commands) -> Result<Child> {
    if let Some(directory) = unit.log.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    let log = open_log(&unit.log)?;
    let mut command = commands.command_in(&unit.network, &unit.program);
    command
        .args(&unit.arguments)
        .envs(&unit.environment)
        .env(MARKER_PLACE, &unit.place)
        .env(MARKER_UNIT, unit.full_name())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .with_context(|| format!("cannot start {}", unit.program.display()))
}

fn open_log(path: &Path) -> Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Be the supervisor until the testbed is gone.
///
/// # Expected flow
/// `up` starts it detached; it ends when the directory of units is gone, or by a signal.
///
/// # Guarantees
/// At most one per testbed. No unit is started that was not wanted while the lock on units was held.
///
/// # Assumptions
/// Nobody else starts units. Who removes units kills their processes.
pub(crate) fn supervise(state: &StateDirectory) -> Result<()> {
    let _only = only_one(state)?;
    nix::unistd::setsid().context("cannot leave the session")?;
    end_leftovers(state)?;
    let commands = Commands::new(state.path());
    let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
    let mut told = None;
    while state.units().exists() {
        let lock = lock::file(&state.units_lock())?;
        let wanted = unit::read_all(state)?;
        let unwanted: Vec<String> = kept
            .iter()
            .filter(|(name, kept)| wanted.get(*name) != Some(&kept.unit))
            .map(|(name, _)| name.clone())
            .collect();
        for name in unwanted {
            if let Some(kept) = kept.remove(&name) {
                kept.stop()?;
            }
        }
        for (name, unit) in wanted {
            kept.entry(name)
                .or_insert_with(|| Kept::new(unit))
                .turn(&commands, Instant::now())?;
        }
        let report: BTreeMap<&String, Report> = kept
            .iter()
            .map(|(name, kept)| (name, kept.report()))
            .collect();
        let report = serde_json::to_vec_pretty(&report)?;
        if told.as_ref() != Some(&report) {
            files::write(&state.status(), &report)?;
            told = Some(report);
        }
        drop(lock);
        thread::sleep(TURN);
    }
    Ok(())
}

/// Become the only supervisor; one who asks whether it runs holds the same lock for a moment.
fn only_one(state: &StateDirectory) -> Result<lock::Lock> {
    for _ in 0..100 {
        if let Some(lock) = lock::file_if_free(&state.supervisor_lock())? {
            return Ok(lock);
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("another supervisor keeps this testbed")
}

/// End what an earlier supervisor left behind when it was killed.
///
/// The shims stay: a new containerd takes them over with their containers.
fn end_leftovers(state: &StateDirectory) -> Result<()> {
    let own = state.path().to_string_lossy().into_owned();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left: Vec<i32> = processes::all()?
            .into_iter()
            .filter(|process| {
                process.marks.state.as_ref() == Some(&own) && process.marks.unit.is_some()
            })
            .filter(|process| !process.program.starts_with("containerd-shim"))
            .map(|process| process.id)
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("what an earlier supervisor started does not end: {left:?}");
        }
        for id in left {
            processes::send(id, Signal::SIGKILL)?;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the supervisor told last.
pub(crate) fn read_status(state: &StateDirectory) -> Result<BTreeMap<String, Report>> {
    match fs::read(state.status()) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("the supervisor's status is damaged"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).context("cannot read the supervisor's status"),
    }
}

/// Whether a supervisor keeps the testbed.
pub(crate) fn is_running(state: &StateDirectory) -> Result<bool> {
    Ok(state.path().exists() && lock::file_if_free(&state.supervisor_lock())?.is_none())
}

/// Start the supervisor, unless it runs.
pub(crate) fn ensure(state: &StateDirectory, commands: &Commands) -> Result<()> {
    if is_running(state)? {
        return Ok(());
    }
    let log = open_log(&state.path().join("supervisor.log"))?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut child = commands
        .command(program)
        .args(["testbed", "supervise"])
        .arg(state.path())
        .env(MARKER_PLACE, "supervisor")
        .current_dir("/")
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the supervisor")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_running(state)? {
        if let Some(status) = child.try_wait()? {
            bail!(
                "the supervisor ended at once ({}); see supervisor.log in {}",
                told(status),
                state.path().display()
            );
        }
        if Instant::now() > deadline {
            bail!(
                "the supervisor does not start; see supervisor.log in {}",
                state.path().display()
            );
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

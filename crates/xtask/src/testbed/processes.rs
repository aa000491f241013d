//! Finding and ending the processes of a testbed, whoever their parent is now.
//!
//! A process is ours if it carries the marker, lives in one of our network namespaces or cgroups, or descends from such
//! a process. Holds the reading of `/proc`; called by `kill`, `down` and the supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{MARKER, MARKER_PLACE, MARKER_UNIT};

/// What `/proc` tells of one process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) id: i32,
    /// Its parent's number.
    pub(crate) parent: i32,
    /// The kernel's short name for its program.
    pub(crate) program: String,
    /// Its markers.
    pub(crate) marks: Marks,
    /// The target of its link to its network namespace.
    pub(crate) network: PathBuf,
    /// The text of its cgroup file.
    pub(crate) cgroups: String,
}

/// The marker variables of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// The state directory.
    pub(crate) state: Option<String>,
    /// The place.
    pub(crate) place: Option<String>,
    /// The unit.
    pub(crate) unit: Option<String>,
}

impl Marks {
    /// Read the markers from the bytes of `/proc/<id>/environ`.
    pub(crate) fn parse(environment: &[u8]) -> Self {
        let value = |name: &str| {
            environment
                .split(|&byte| byte == 0)
                .filter_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .next()
        };
        Self {
            state: value(MARKER),
            place: value(MARKER_PLACE),
            unit: value(MARKER_UNIT),
        }
    }
}

/// Name, parent and state letter from the text of `/proc/<id>/stat`; the name may hold any character.
pub(crate) fn parse_stat(stat: &str) -> Option<(String, i32, char)> {
    let open = stat.find('(')?;
    let close = stat.rfind(')')?;
    let name = stat.get(open + 1..close)?.to_owned();
    let mut rest = stat.get(close + 1..)?.split_whitespace();
    let state = rest.next()?.chars().next()?;
    let parent = rest.next()?.parse().ok()?;
    Some((name, parent, state))
}

/// Every process that runs; those that ended while we looked, or wait for their parent, are left out.
pub(crate) fn all() -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("cannot read /proc")?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(ids.filter_map(look).collect())
}

fn look(id: i32) -> Option<Process> {
    let directory = PathBuf::from(format!("/proc/{id}"));
    let (program, parent, state) = parse_stat(&fs::read_to_string(directory.join("stat")).ok()?)?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    Some(Process {
        id,
        parent,
        program,
        marks: Marks::parse(&fs::read(directory.join("environ")).unwrap_or_default()),
        network: fs::read_link(directory.join("ns/net")).unwrap_or_default(),
        cgroups: fs::read_to_string(directory.join("cgroup")).unwrap_or_default(),
    })
}

/// What makes a process ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ours {
    /// The state directory in its marker.
    pub(crate) state: String,
    /// The place in its marker; any, if none.
    pub(crate) place: Option<String>,
    /// The network namespaces, as in `Process::network`.
    pub(crate) networks: BTreeSet<PathBuf>,
    /// The cgroup that it is in or below, relative to a hierarchy's root.
    pub(crate) cgroup: String,
}

impl Ours {
    fn claims(&self, process: &Process) -> bool {
        let marked = process.marks.state.as_deref() == Some(self.state.as_str())
            && (self.place.is_none() || process.marks.place == self.place);
        marked
            || self.networks.contains(&process.network)
            || in_cgroup(&process.cgroups, &self.cgroup)
    }

    /// Ours among these, and all that descend from them.
    ///
    /// Neither this process nor its ancestors are ever chosen: one of them may carry a marker of an outer testbed's `exec`.
    pub(crate) fn among(&self, processes: &[Process], own: i32) -> Vec<i32> {
        let parents: BTreeMap<i32, i32> = processes
            .iter()
            .map(|process| (process.id, process.parent))
            .collect();
        let mut spared = BTreeSet::from([1]);
        let mut current = own;
        while current > 1 && spared.insert(current) {
            current = parents.get(&current).copied().unwrap_or(0);
        }
        let mut chosen: BTreeSet<i32> = processes
            .iter()
            .filter(|process| self.claims(process) && !spared.contains(&process.id))
            .map(|process| process.id)
            .collect();
        loop {
            let before = chosen.len();
            for process in processes {
                if chosen.contains(&process.parent) && !spared.contains(&process.id) {
                    chosen.insert(process.id);
                }
            }
            if chosen.len() == before {
                return chosen.into_iter().collect();
            }
        }
    }
}

fn in_cgroup(cgroups: &str, ours: &str) -> bool {
    !ours.is_empty()
        && cgroups
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .filter_map(|path| path.strip_prefix('/')?.strip_prefix(ours))
            .any(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Kill all that is ours until nothing of it is left.
pub(crate) fn kill_all(ours: &Ours) -> Result<usize> {
    let own = std::process::id().cast_signed();
    let mut killed = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = ours.among(&all()?, own);
        if found.is_empty() {
            return Ok(killed.len());
        }
        if Instant::now() > deadline {
            bail!("these processes do not end, though killed: {found:?}");
        }
        for id in found {
            send(id, Signal::SIGKILL)?;
            killed.insert(id);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Send a signal; a process that has ended is none.
pub(crate) fn send(id: i32, signal: Signal) -> Result<()> {
    match kill(Pid::from_raw(id), signal) {
        Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {id}")),
    }
}

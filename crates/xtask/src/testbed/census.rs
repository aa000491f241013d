//! All that a testbed could leave on a machine, counted.
//!
//! Holds the looking and the comparing; it uses none of the code by which `down` finds things, so that both cannot be
//! blind to the same thing. Called by the self-test, before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::command::SEARCH_PATH;
use super::leftovers::entries;
use super::place::StateDirectory;

/// Programs that a testbed runs; one that appears and stays was left behind.
const PROGRAMS: [&str; 18] = [
    "etcd",
    "kube-apiserver",
    "kube-controller",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "containerd",
    "containerd-shim",
    "runc",
    "coredns",
    "snapshot-contro",
    "csi-snapshotter",
    "csi-provisioner",
    "csi-driver",
    "versitygw",
    "pause",
    "postgres",
    "nsenter",
];

/// Directories outside a testbed's own in which its programs are known to leave files.
const SHARED_DIRECTORIES: [&str; 12] = [
    "/run/containerd",
    "/run/netns",
    "/run/runc",
    "/run/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/opt/containerd",
    "/opt/cni",
];

/// What is on the machine, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    found: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Census {
    /// Count all but what other testbeds own.
    pub(crate) fn take(state: &StateDirectory) -> Result<Self> {
        let others = Others::look(state)?;
        let found = BTreeMap::from([
            ("processes", processes(&others)?),
            ("mounts", mounts()?),
            ("loop devices", loop_devices()?),
            ("network namespaces", network_namespaces(&others)?),
            ("links", names_in("/sys/class/net")?),
            ("cgroups", cgroups()?),
            ("firewall rules", firewall_rules()?),
            ("files", files(state)?),
        ]);
        let found = found
            .into_iter()
            .map(|(kind, names)| {
                (
                    kind,
                    names.into_iter().filter(|name| !others.own(name)).collect(),
                )
            })
            .collect();
        Ok(Self { found })
    }

    /// What is here now and was not before, or the other way round, one line each.
    pub(crate) fn differences(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (kind, now) in &self.found {
            let then = before.found.get(kind).cloned().unwrap_or_default();
            lines.extend(
                now.difference(&then)
                    .map(|name| format!("{kind}: {name} was left")),
            );
            // Programs that have nothing to do with us end at any time, and take what they hold along.
            if ["links", "mounts", "loop devices", "firewall rules"].contains(kind) {
                lines.extend(
                    then.difference(now)
                        .map(|name| format!("{kind}: {name} is gone")),
                );
            }
        }
        lines
    }

    /// The kinds of which there is no more than before.
    pub(crate) fn kinds_without_growth(&self, before: &Self) -> Vec<&'static str> {
        self.found
            .iter()
            .filter(|(kind, now)| {
                before
                    .found
                    .get(*kind)
                    .is_some_and(|then| now.is_subset(then))
            })
            .map(|(kind, _)| *kind)
            .collect()
    }

    /// How many of each kind there are more than before.
    pub(crate) fn growth(&self, before: &Self) -> String {
        let counts = self.found.iter().map(|(kind, now)| {
            let empty = BTreeSet::new();
            let then = before.found.get(kind).unwrap_or(&empty);
            format!("{kind} {}", now.difference(then).count())
        });
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// What belongs to other testbeds, which may come and go while a test runs.
struct Others {
    own_path: String,
    own_names: [String; 2],
    networks: BTreeSet<String>,
    marks: BTreeSet<String>,
}

impl Others {
    fn look(state: &StateDirectory) -> Result<Self> {
        let mut others = Self {
            own_path: state.path().to_string_lossy().into_owned(),
            own_names: [state.host_link(), state.cgroup()],
            networks: BTreeSet::new(),
            marks: marks_of_others(state)?,
        };
        for line in mount_table()?
            .lines()
            .filter(|line| line.contains(" - nsfs "))
        {
            if let Some(point) = line.split(' ').nth(4)
                && others.own(point)
            {
                others.networks.extend(namespace_on(point));
            }
        }
        Ok(others)
    }

    /// Whether a name is of a testbed that is not ours.
    fn own(&self, name: &str) -> bool {
        let is_a_testbeds = name.contains("/refloat-testbed") || name.starts_with("rft-");
        let is_ours = name.contains(&format!("{}/", self.own_path))
            || name.ends_with(&self.own_path)
            || self.own_names.iter().any(|own| name.contains(own.as_str()));
        (is_a_testbeds && !is_ours) || self.marks.iter().any(|mark| name.contains(mark.as_str()))
    }
}

/// Words in the names of files that other testbeds have in shared directories.
fn marks_of_others(state: &StateDirectory) -> Result<BTreeSet<String>> {
    let mut marks = BTreeSet::new();
    let all = state
        .path()
        .parent()
        .context("the state directory has a parent")?;
    for testbed in entries(all)?
        .into_iter()
        .filter(|path| path != state.path())
    {
        // Every kubelet makes this one anew.
        marks.insert("/var/lib/kubelet".to_owned());
        for site in ["primary", "recovery"] {
            let containerd = testbed.join(site).join("containerd");
            for kind in ["sandboxes", "containers"] {
                let ids = entries(&containerd.join("root/io.containerd.grpc.v1.cri").join(kind))?;
                marks.extend(
                    ids.iter()
                        .filter_map(|id| Some(id.file_name()?.to_str()?.to_owned())),
                );
            }
            for bundle in entries(&containerd.join("state/io.containerd.runtime.v2.task/k8s.io"))? {
                let address = fs::read_to_string(bundle.join("address")).unwrap_or_default();
                marks.extend(
                    address
                        .trim()
                        .rsplit_once('/')
                        .map(|(_, socket)| socket.to_owned()),
                );
            }
        }
    }
    marks.remove("");
    Ok(marks)
}

fn mount_table() -> Result<String> {
    fs::read_to_string("/proc/self/mountinfo").context("cannot read the mount table")
}

fn namespace_on(path: &str) -> Option<String> {
    Some(format!("net:[{}]", fs::metadata(path).ok()?.ino()))
}

fn process_ids() -> Result<Vec<String>> {
    let names = names_in("/proc")?;
    Ok(names
        .into_iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect())
}

fn processes(others: &Others) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for id in process_ids()? {
        let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let program = String::from_utf8_lossy(&read("comm")).trim().to_owned();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let ended = stat
            .rsplit(") ")
            .next()
            .is_none_or(|rest| rest.starts_with(['Z', 'X']) || rest.is_empty());
        let environment = String::from_utf8_lossy(&read("environ")).replace('\0', "\n");
        let mark = environment
            .lines()
            .find_map(|line| line.strip_prefix("REFLOAT_TESTBED="));
        let of_another = mark.is_some_and(|mark| mark != others.own_path);
        let network = fs::read_link(format!("/proc/{id}/ns/net")).unwrap_or_default();
        let in_another = others.networks.contains(network.to_string_lossy().as_ref());
        if !ended
            && !of_another
            && !in_another
            && (mark.is_some() || PROGRAMS.contains(&program.as_str()))
        {
            found.insert(format!("{id} {program}"));
        }
    }
    Ok(found)
}

fn mounts() -> Result<BTreeSet<String>> {
    Ok(mount_table()?
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(str::to_owned)
        .collect())
}

fn loop_devices() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for name in names_in("/sys/block")? {
        if let Ok(file) = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")) {
            found.insert(format!("{name} on {}", file.trim()));
        }
    }
    Ok(found)
}

fn network_namespaces(others: &Others) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for id in process_ids()? {
        if let Ok(network) = fs::read_link(format!("/proc/{id}/ns/net")) {
            found.insert(network.to_string_lossy().into_owned());
        }
    }
    for line in mount_table()?
        .lines()
        .filter(|line| line.contains(" - nsfs "))
    {
        found.extend(line.split(' ').nth(4).and_then(namespace_on));
    }
    Ok(found.difference(&others.networks).cloned().collect())
}

fn cgroups() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for line in mount_table()?
        .lines()
        .filter(|line| line.contains(" - cgroup"))
    {
        if let Some(root) = line.split(' ').nth(4) {
            walk(Path::new(root), true, &mut found)?;
        }
    }
    Ok(found)
}

fn files(state: &StateDirectory) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for directory in SHARED_DIRECTORIES {
        walk(Path::new(directory), false, &mut found)?;
    }
    let own = state.path();
    found.extend(
        [own, own.parent().unwrap_or(own)]
            .iter()
            .filter(|path| path.exists())
            .map(|path| path.display().to_string()),
    );
    Ok(found)
}

fn walk(path: &Path, directories_only: bool, found: &mut BTreeSet<String>) -> Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if metadata.is_dir() {
        found.insert(path.display().to_string());
        // What disappears while we look was somebody else's.
        for entry in fs::read_dir(path).into_iter().flatten() {
            walk(&entry?.path(), directories_only, found)?;
        }
    } else if !directories_only {
        found.insert(path.display().to_string());
    }
    Ok(())
}

fn names_in(directory: &str) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {directory}"))?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// The rules of the host's own network namespace, without counters.
fn firewall_rules() -> Result<BTreeSet<String>> {
    let output = Command::new("nft")
        .args(["--stateless", "list", "ruleset"])
        .env("PATH", SEARCH_PATH)
        .output()
        .context("cannot run nft")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect())
}

//! The cgroups of a testbed, in every hierarchy that is mounted.
//!
//! Holds making and removing them; the kubelet fills them. Called by `up`, `kill` and `down`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub(crate) root: PathBuf,
    /// Whether it is the unified one.
    pub(crate) unified: bool,
}

/// The cgroup hierarchies in the text of `/proc/self/mountinfo`.
pub(crate) fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let unified = match after.split(' ').next()? {
                "cgroup" => false,
                "cgroup2" => true,
                _ => return None,
            };
            let root = PathBuf::from(before.split(' ').nth(4)?);
            Some(Hierarchy { root, unified })
        })
        .collect()
}

fn mounted() -> Result<Vec<Hierarchy>> {
    let path = "/proc/self/mountinfo";
    Ok(hierarchies(
        &fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
    ))
}

/// Whether containers can be given memory here.
pub(crate) fn has_memory_controller() -> bool {
    let unified = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    unified
        .split_whitespace()
        .any(|controller| controller == "memory")
        || mounted().is_ok_and(|all| {
            all.iter()
                .any(|hierarchy| hierarchy.root.join("memory.limit_in_bytes").exists())
        })
}

/// Make a cgroup in every hierarchy; in the unified one with all controllers on the way.
pub(crate) fn ensure(cgroup: &str) -> Result<()> {
    for hierarchy in mounted()? {
        let mut path = hierarchy.root.clone();
        for component in Path::new(cgroup) {
            if hierarchy.unified {
                pass_controllers(&path)?;
            }
            path.push(component);
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        if hierarchy.unified {
            pass_controllers(&path)?;
        }
    }
    Ok(())
}

fn pass_controllers(path: &Path) -> Result<()> {
    let controllers = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
    let passed = fs::read_to_string(path.join("cgroup.subtree_control")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        if passed
            .split_whitespace()
            .all(|present| present != controller)
        {
            fs::write(
                path.join("cgroup.subtree_control"),
                format!("+{controller}"),
            )
            .with_context(|| {
                format!(
                    "cannot pass the {controller} controller below {}",
                    path.display()
                )
            })?;
        }
    }
    Ok(())
}

/// Remove a cgroup and all below it from every hierarchy; their processes have ended.
pub(crate) fn remove(cgroup: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    for hierarchy in mounted()? {
        let path = hierarchy.root.join(cgroup);
        // The kernel lets go of a killed process's cgroup a little after the process.
        while let Err(error) = remove_tree(&path) {
            if error.kind() != ErrorKind::ResourceBusy || Instant::now() > deadline {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

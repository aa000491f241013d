//! What a testbed asks of the machine, looked at before anything is changed.
//!
//! Holds the checks and the one message that names all that is missing. Called first by `up`, `down` and `kill`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::command::SEARCH_PATH;

const WAY_AROUND: &str = "The testbed cannot run here. On other machines use two clusters of your own: \
     `cargo xtask demo --primary-kubeconfig FILE --recovery-kubeconfig FILE --storage-class NAME`.";

/// What was found missing, each as half a sentence.
fn missing_for_all() -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return vec![format!(
            "it needs Linux, and this is {}",
            std::env::consts::OS
        )];
    }
    if !nix::unistd::geteuid().is_root() {
        return vec![
            "it needs root for network namespaces, mounts and containers (try sudo)".to_owned(),
        ];
    }
    Vec::new()
}

fn missing_for_up() -> Vec<String> {
    let mut missing = Vec::new();
    for (filesystem, use_of_it) in [
        ("btrfs", "volumes and snapshots"),
        ("overlay", "containers"),
    ] {
        if !has_filesystem(filesystem) {
            missing.push(format!(
                "the kernel lacks {filesystem}, which holds {use_of_it}"
            ));
        }
    }
    if !Path::new("/dev/loop-control").exists() && !succeeds("modprobe", &["loop"]) {
        missing.push(
            "there are no loop devices (/dev/loop-control), which hold the volumes".to_owned(),
        );
    }
    if !succeeds(
        "unshare",
        &[
            "--net", "ip", "link", "add", "name", "probe", "type", "bridge",
        ],
    ) {
        missing.push("network namespaces with bridges are not permitted".to_owned());
    }
    if !succeeds(
        "unshare",
        &[
            "--net", "ip", "link", "add", "name", "probe", "type", "veth", "peer", "name", "peer",
        ],
    ) {
        missing.push("network namespaces with virtual links are not permitted".to_owned());
    }
    if !super::control_groups::has_memory_controller() {
        missing.push("no mounted cgroup hierarchy has the memory controller".to_owned());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        missing
            .push("there is no apt-get to install containerd, etcd and PostgreSQL with".to_owned());
    }
    if has_foreign_kubelet() {
        missing.push("another cluster's kubelet runs on this machine, and a second one would take its device plugins".to_owned());
    }
    missing
}

/// Whether a kubelet runs beside us that no testbed started.
///
/// One in a container has its own mounts and is not disturbed.
fn has_foreign_kubelet() -> bool {
    let own_mounts = fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
    super::processes::all().is_ok_and(|all| {
        all.iter().any(|process| {
            let mounts = fs::read_link(format!("/proc/{}/ns/mnt", process.id)).unwrap_or_default();
            process.program == "kubelet" && process.marks.state.is_none() && mounts == own_mounts
        })
    })
}

fn has_filesystem(name: &str) -> bool {
    let known = || {
        fs::read_to_string("/proc/filesystems").is_ok_and(|text| {
            text.lines()
                .any(|line| line.split_whitespace().last() == Some(name))
        })
    };
    known() || (succeeds("modprobe", &[name]) && known())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .env("PATH", SEARCH_PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Fail with one message unless this user on this system may change it.
pub(crate) fn check_permission() -> Result<()> {
    told(&missing_for_all())
}

/// Fail with one message unless a testbed can run here.
pub(crate) fn check() -> Result<()> {
    check_permission()?;
    told(&missing_for_up())
}

/// The message for what is missing.
pub(crate) fn told(missing: &[String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{}.\n{WAY_AROUND}", missing.join("; "))
}

//! What programs of a site leave outside its directory, and the end of all that a place has on the machine.
//!
//! Holds the sweep that `kill` and `down` share: it goes by marks and kernel tables, never by what `up` remembers.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::command::Commands;
use super::place::{Place, Site, StateDirectory};
use super::processes::{self, Ours};
use super::{control_groups, files, mounts};

/// Kill every process of the testbed, or of one place of it.
pub(crate) fn kill_processes(state: &StateDirectory, place: Option<Place>) -> Result<usize> {
    let (directory, cgroup) = match place {
        None => (state.path().to_owned(), state.cgroup()),
        Some(place) => (
            state.place(place),
            format!("{}/{}", state.cgroup(), place.name()),
        ),
    };
    let mut networks = networks_below(&directory)?;
    if let Some(place) = place {
        networks.extend(networks_below(&state.network_namespace(place.name()))?);
    }
    for known in ["/proc/self/ns/net", "/proc/1/ns/net"] {
        networks.remove(&fs::read_link(known).unwrap_or_default());
    }
    processes::kill_all(&Ours {
        state: state.path().to_string_lossy().into_owned(),
        place: place.map(|place| place.name().to_owned()),
        networks,
        cgroup,
    })
}

/// The network namespaces that are mounted at a path or below it, pods' among them, as `/proc` names them.
fn networks_below(path: &Path) -> Result<BTreeSet<PathBuf>> {
    let text =
        fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    Ok(network_mounts(&text)
        .into_iter()
        .filter(|mount| mount.starts_with(path))
        .filter_map(|mount| {
            Some(PathBuf::from(format!(
                "net:[{}]",
                fs::metadata(mount).ok()?.ino()
            )))
        })
        .collect())
}

/// The mount points of namespaces in the text of `/proc/self/mountinfo`.
pub(crate) fn network_mounts(mountinfo: &str) -> Vec<PathBuf> {
    let namespaces: Vec<&str> = mountinfo
        .lines()
        .filter(|line| {
            line.split_once(" - ")
                .is_some_and(|(_, after)| after.starts_with("nsfs "))
        })
        .collect();
    mounts::mount_points(&namespaces.join("\n"))
}

/// Remove all that a site has outside its directory and all that is mounted in it; its processes have ended.
pub(crate) fn sweep_site(state: &StateDirectory, site: Site, commands: &Commands) -> Result<()> {
    let directory = state.site(site);
    remove_shim_sockets(&directory.containerd())?;
    mounts::unmount_below(directory.path())?;
    mounts::detach_loop_devices_below(directory.path(), commands)?;
    control_groups::remove(&format!("{}/{site}", state.cgroup()))?;
    remove_network_results(
        &state.pod_network(site),
        &sandboxes(&directory.containerd())?,
    )?;
    remove_device_plugin_socket()?;
    remove_log_links(&directory.pod_logs())
}

/// Sockets that containerd's shims make under a fixed path, by the note that each leaves in its bundle.
fn remove_shim_sockets(containerd: &Path) -> Result<()> {
    let bundles = containerd.join("state/io.containerd.runtime.v2.task/k8s.io");
    for bundle in entries(&bundles)? {
        if let Ok(address) = fs::read_to_string(bundle.join("address"))
            && let Some(socket) = address.trim().strip_prefix("unix://")
            && Path::new(socket).starts_with("/run/containerd/s")
        {
            files::remove(Path::new(socket))?;
        }
    }
    remove_if_empty(Path::new("/run/containerd/s"))?;
    remove_if_empty(Path::new("/run/containerd"))
}

/// The names of the pod sandboxes that containerd knows.
fn sandboxes(containerd: &Path) -> Result<BTreeSet<String>> {
    let paths = entries(&containerd.join("root/io.containerd.grpc.v1.cri/sandboxes"))?;
    Ok(paths
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect())
}

/// Results that the CNI library keeps under a fixed path, by the names of our network and our sandboxes.
fn remove_network_results(network: &str, sandboxes: &BTreeSet<String>) -> Result<()> {
    let results = Path::new("/var/lib/cni/results");
    for entry in entries(results)? {
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let of_sandbox = sandboxes
            .iter()
            .any(|sandbox| name.contains(sandbox.as_str()));
        if of_sandbox || name.starts_with(&format!("{network}-")) {
            files::remove(&entry)?;
        }
    }
    remove_if_empty(results)?;
    remove_if_empty(Path::new("/var/lib/cni"))
}

/// The socket that every kubelet makes under the same fixed path, unless a living one answers on it.
fn remove_device_plugin_socket() -> Result<()> {
    let directory = Path::new("/var/lib/kubelet/device-plugins");
    let socket = directory.join("kubelet.sock");
    // One that was just killed may answer for a moment still.
    for _ in 0..20 {
        match UnixStream::connect(&socket) {
            Ok(_) => std::thread::sleep(std::time::Duration::from_millis(50)),
            Err(error) => {
                if error.kind() == ErrorKind::ConnectionRefused {
                    files::remove(&socket)?;
                }
                break;
            }
        }
    }
    remove_if_empty(directory)?;
    remove_if_empty(Path::new("/var/lib/kubelet"))
}

/// Links that the kubelet makes under a fixed path to the logs of its pods.
fn remove_log_links(pod_logs: &Path) -> Result<()> {
    let links = Path::new("/var/log/containers");
    for link in entries(links)? {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(pod_logs)) {
            files::remove(&link)?;
        }
    }
    remove_if_empty(links)
}

/// Remove a directory unless something is in it.
pub(crate) fn remove_if_empty(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The paths in a directory; none if it is not there.
pub(crate) fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        result => result.with_context(|| format!("cannot read {}", directory.display())),
    }
}

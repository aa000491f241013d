//! Where the parts of a testbed lie: sites, directories, and the names derived from them.
//!
//! Holds names and paths only, creates nothing. Every other module of the testbed asks here.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// One of the two Kubernetes clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Site {
    /// Where the application lives
    Primary,
    /// Where it comes back
    Recovery,
}

impl Site {
    /// Both, in the order in which they are told.
    pub(crate) const ALL: [Self; 2] = [Self::Primary, Self::Recovery];

    /// The word for it, in paths and node names too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Recovery => "recovery",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Primary => Self::Recovery,
            Self::Recovery => Self::Primary,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Anything with a network namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A cluster.
    Site(Site),
    /// The S3 server, in neither site.
    S3,
}

impl Place {
    /// All three.
    pub(crate) const ALL: [Self; 3] = [
        Self::Site(Site::Primary),
        Self::Site(Site::Recovery),
        Self::S3,
    ];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Site(site) => site.name(),
            Self::S3 => "s3",
        }
    }
}

/// Unix socket addresses hold 107 bytes; the longest socket below the state directory takes these.
const SOCKET_SUFFIX_BYTES: usize = "/recovery/kubelet/device-plugins/kubelet.sock".len();
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The state directory of one testbed and all names derived from it.
///
/// Whatever marks a process, link or cgroup as ours comes from this path alone, so that `down` finds
/// it when every file in the directory is lost, and another user's testbed of the same name is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// The directory of the testbed `name` below the user's state directory.
    pub(crate) fn of(name: &str) -> Result<Self> {
        let base = match std::env::var_os("XDG_STATE_HOME").filter(|value| !value.is_empty()) {
            Some(base) => PathBuf::from(base),
            None => PathBuf::from(
                std::env::var_os("HOME").context("neither XDG_STATE_HOME nor HOME is set")?,
            )
            .join(".local/state"),
        };
        Self::below(&base, name)
    }

    /// The directory of the testbed `name` below `base`.
    pub(crate) fn below(base: &Path, name: &str) -> Result<Self> {
        ensure!(
            !name.is_empty()
                && name.len() <= 20
                && !name.starts_with('-')
                && name
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')),
            "the name of a testbed is up to 20 of a-z, 0-9 and '-', not {name:?}"
        );
        let path = base.join("refloat-testbed").join(name);
        let length = path.as_os_str().len();
        ensure!(
            length + SOCKET_SUFFIX_BYTES <= SOCKET_PATH_BYTES_MAX,
            "{} is too long: sockets below it would exceed {SOCKET_PATH_BYTES_MAX} bytes; set XDG_STATE_HOME to a shorter path",
            path.display()
        );
        ensure!(
            path.is_absolute(),
            "{} is not absolute; set XDG_STATE_HOME to an absolute path",
            path.display()
        );
        Ok(Self { path })
    }

    /// The directory at a path that `below` made.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The directory itself; also the value of the environment variable that marks our processes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn digest(&self) -> String {
        hex::encode(&Sha256::digest(self.path.as_os_str().as_encoded_bytes())[..4])
    }

    /// The link on the host, at most 15 bytes.
    pub(crate) fn host_link(&self) -> String {
        format!("rft-{}", self.digest())
    }

    /// The cgroup that holds the pods of both sites, relative to the root of a hierarchy.
    pub(crate) fn cgroup(&self) -> String {
        format!("refloat-testbed-{}", self.digest())
    }

    /// The name of a site's pod network.
    ///
    /// The CNI library keeps files of that name outside our directory.
    pub(crate) fn pod_network(&self, site: Site) -> String {
        format!("refloat-{}-{site}", self.digest())
    }

    /// What the testbed is, as chosen at its first `up`.
    pub(crate) fn record(&self) -> PathBuf {
        self.path.join("record.json")
    }

    /// The file that holds a network namespace: `hub` or a place's name.
    pub(crate) fn network_namespace(&self, name: &str) -> PathBuf {
        self.path.join("network").join(name)
    }

    /// The units of all places.
    pub(crate) fn units(&self) -> PathBuf {
        self.path.join("units")
    }

    /// What the supervisor says of its units.
    pub(crate) fn status(&self) -> PathBuf {
        self.path.join("status.json")
    }

    /// Held while units change or are started.
    pub(crate) fn units_lock(&self) -> PathBuf {
        self.path.join("units.lock")
    }

    /// Held by the living supervisor.
    pub(crate) fn supervisor_lock(&self) -> PathBuf {
        self.path.join("supervisor.lock")
    }

    /// Programs for `exec`.
    pub(crate) fn programs(&self) -> PathBuf {
        self.path.join("bin")
    }

    /// How to reach the S3 server.
    pub(crate) fn object_store(&self) -> PathBuf {
        self.path.join("s3.json")
    }

    /// The directory of a place.
    pub(crate) fn place(&self, place: Place) -> PathBuf {
        self.path.join(place.name())
    }

    /// The directory of a site, with its inside.
    pub(crate) fn site(&self, site: Site) -> SiteDirectory {
        SiteDirectory {
            path: self.place(Place::Site(site)),
        }
    }
}

/// The directory of one site.
#[derive(Debug, Clone)]
pub(crate) struct SiteDirectory {
    path: PathBuf,
}

impl SiteDirectory {
    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The administrator's kubeconfig, for use from the host; outlives `kill`.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// There while the site is destroyed.
    pub(crate) fn killed(&self) -> PathBuf {
        self.path.join("killed")
    }

    /// Keys and certificates.
    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Configuration files of the programs.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path.join("configuration")
    }

    /// The kubeconfig of one of the site's own programs.
    pub(crate) fn program_kubeconfig(&self, program: &str) -> PathBuf {
        self.configuration().join(format!("{program}.kubeconfig"))
    }

    /// What a disaster destroys first.
    pub(crate) fn disks(&self) -> PathBuf {
        self.path.join("disks")
    }

    /// The file behind the volumes.
    pub(crate) fn pool_image(&self) -> PathBuf {
        self.disks().join("pool.img")
    }

    /// Where the volumes are mounted.
    pub(crate) fn pool(&self) -> PathBuf {
        self.path.join("pool")
    }

    /// The kubelet's root.
    pub(crate) fn kubelet(&self) -> PathBuf {
        self.path.join("kubelet")
    }

    /// The CSI driver's socket.
    pub(crate) fn csi_socket(&self) -> PathBuf {
        self.kubelet().join("plugins/csi.sock")
    }

    /// The socket by which the kubelet finds the CSI driver.
    pub(crate) fn csi_registration(&self) -> PathBuf {
        self.kubelet().join("plugins_registry/csi.sock")
    }

    /// The file that tells the CSI driver which faults to show.
    pub(crate) fn csi_control(&self) -> PathBuf {
        self.path.join("csi-control.json")
    }

    /// containerd's directories.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.path.join("containerd")
    }

    /// Where containerd keeps images and containers.
    pub(crate) fn containerd_root(&self) -> PathBuf {
        self.containerd().join("root")
    }

    /// containerd's socket.
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.path.join("containerd.sock")
    }

    /// The CNI plugins' data.
    pub(crate) fn pod_addresses(&self) -> PathBuf {
        self.path.join("pod-addresses")
    }

    /// The logs of pods.
    pub(crate) fn pod_logs(&self) -> PathBuf {
        self.path.join("pod-logs")
    }

    /// The logs of our own programs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// A file that lets waiting units start.
    pub(crate) fn milestone(&self, name: &str) -> PathBuf {
        self.path.join("milestones").join(name)
    }
}

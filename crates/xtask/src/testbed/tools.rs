//! The programs of a site that come as Go modules, each built once and kept.
//!
//! Holds which there are and how they are built. Called by `up`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::cache::{Cache, Inputs};
use crate::printer::say;

/// Where every program lies.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) kubelet: PathBuf,
    pub(crate) kube_controller_manager: PathBuf,
    pub(crate) kube_scheduler: PathBuf,
    pub(crate) kube_proxy: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) snapshot_controller: PathBuf,
    pub(crate) csi_snapshotter: PathBuf,
    pub(crate) csi_provisioner: PathBuf,
    pub(crate) coredns: PathBuf,
    pub(crate) versitygw: PathBuf,
    pub(crate) csi_driver: PathBuf,
    pub(crate) pause: PathBuf,
    pub(crate) snapshot_crds: PathBuf,
}

/// One program of a Go module in `testbed/`.
struct Program {
    name: &'static str,
    module: &'static str,
    package: &'static str,
    kubernetes: bool,
}

const fn program(name: &'static str, module: &'static str, package: &'static str) -> Program {
    Program {
        name,
        module,
        package,
        kubernetes: false,
    }
}

const fn kubernetes(name: &'static str, package: &'static str) -> Program {
    Program {
        name,
        module: "tools/kubernetes",
        package,
        kubernetes: true,
    }
}

const PROGRAMS: &[Program] = &[
    program("csi-driver", "csi", "."),
    program("pause", "csi", "./pause"),
    program(
        "versitygw",
        "tools/versitygw",
        "github.com/versity/versitygw/cmd/versitygw",
    ),
    program("coredns", "tools/coredns", "github.com/coredns/coredns"),
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    kubernetes("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    kubernetes(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    kubernetes("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    program(
        "snapshot-controller",
        "tools/snapshotter",
        "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
    ),
    program(
        "csi-snapshotter",
        "tools/snapshotter",
        "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
    ),
    program(
        "csi-provisioner",
        "tools/provisioner",
        "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
    ),
];
/// Version that the Kubernetes programs say of themselves: the one of `tools/kubernetes/go.mod`.
const KUBERNETES_VERSION: &str = "v1.34.4";
const SNAPSHOT_CLIENT: &str = "github.com/kubernetes-csi/external-snapshotter/client/v8";

/// The folder `testbed/` of the project.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed")
}

fn go(directory: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(directory)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=readonly")
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null());
    command
}

fn answer(mut command: Command) -> Result<String> {
    let said = command
        .output()
        .context("cannot start go: install a Go toolchain, 1.26 or newer")?;
    if !said.status.success() {
        bail!(
            "go failed: {}",
            String::from_utf8_lossy(&said.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn link_flags(program: &Program) -> String {
    if !program.kubernetes {
        return "-s -w".to_owned();
    }
    let place = "k8s.io/component-base/version";
    format!(
        "-s -w -X {place}.gitVersion={KUBERNETES_VERSION} -X {place}.gitMajor=1 -X {place}.gitMinor=34 \
         -X {place}.gitCommit=unknown -X {place}.gitTreeState=clean -X {place}.buildDate=1970-01-01T00:00:00Z"
    )
}

/// Builds a program, unless it was built from the same inputs before.
fn build(cache: &Cache, program: &Program, version: &str, place: &str) -> Result<PathBuf> {
    let directory = folder().join(program.module);
    let flags = link_flags(program);
    let mut inputs = Inputs::default()
        .text(version)
        .text(program.package)
        .text(&flags);
    for file in sources(&directory)? {
        inputs = inputs.file(&file)?;
    }
    cache.artifact(program.name, inputs, |path| {
        say(format_args!("building {} ({place})", program.name));
        let mut command = go(&directory);
        command
            .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
            .arg(path)
            .arg(program.package);
        answer(command).with_context(|| format!("cannot build {}", program.name))?;
        Ok(())
    })
}

/// go.mod, go.sum and our own Go files of a module, in order.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|end| end == "go")
            || path.ends_with("go.mod")
            || path.ends_with("go.sum")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The directory of the snapshot definitions in Go's module cache.
fn snapshot_definitions() -> Result<PathBuf> {
    let directory = folder().join("tools/snapshotter");
    let mut download = go(&directory);
    download.args(["mod", "download", SNAPSHOT_CLIENT]);
    answer(download)?;
    let mut list = go(&directory);
    list.args(["list", "-m", "-f", "{{.Dir}}", SNAPSHOT_CLIENT]);
    let found = PathBuf::from(answer(list)?).join("config/crd");
    if !found.is_dir() {
        bail!("{} is not there", found.display());
    }
    Ok(found)
}

const VELERO: [Program; 2] = [
    program(
        "velero",
        "tools/velero",
        "github.com/vmware-tanzu/velero/cmd/velero",
    ),
    program(
        "velero-plugin-for-aws",
        "tools/velero",
        "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws",
    ),
];

/// The rival and its plugin for S3, for benchmarks only.
pub(crate) fn velero() -> Result<(PathBuf, PathBuf)> {
    let cache = Cache::open()?;
    let mut ask = go(&folder().join("csi"));
    ask.args(["env", "GOVERSION"]);
    let version = answer(ask)?;
    let [server, plugin] = &VELERO;
    Ok((
        build(&cache, server, &version, "a rival, minutes")?,
        build(&cache, plugin, &version, "its plugin")?,
    ))
}

/// An operator for one scenario.
pub(super) fn librarian(cache: &Cache) -> Result<PathBuf> {
    let mut ask = go(&folder().join("librarian"));
    ask.args(["env", "GOVERSION"]);
    let librarian = program("librarian", "librarian", ".");
    build(cache, &librarian, &answer(ask)?, "an operator")
}

/// Builds what is missing and tells where everything lies.
pub(crate) fn ensure(cache: &Cache) -> Result<Tools> {
    let mut ask = go(&folder().join("csi"));
    ask.args(["env", "GOVERSION"]);
    let version = answer(ask)?;
    let mut paths = Vec::new();
    for (index, program) in PROGRAMS.iter().enumerate() {
        let place = format!("{}/{}", index + 1, PROGRAMS.len());
        paths.push((program.name, build(cache, program, &version, &place)?));
    }
    let path = |name: &str| {
        paths
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, path)| path.clone())
            .with_context(|| format!("{name} is not in the list of programs"))
    };
    Ok(Tools {
        kube_apiserver: path("kube-apiserver")?,
        kubelet: path("kubelet")?,
        kube_controller_manager: path("kube-controller-manager")?,
        kube_scheduler: path("kube-scheduler")?,
        kube_proxy: path("kube-proxy")?,
        kubectl: path("kubectl")?,
        snapshot_controller: path("snapshot-controller")?,
        csi_snapshotter: path("csi-snapshotter")?,
        csi_provisioner: path("csi-provisioner")?,
        coredns: path("coredns")?,
        versitygw: path("versitygw")?,
        csi_driver: path("csi-driver")?,
        pause: path("pause")?,
        snapshot_crds: snapshot_definitions()?,
    })
}

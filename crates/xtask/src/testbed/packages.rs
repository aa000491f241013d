//! Debian packages that a testbed needs, installed without starting their services.
//!
//! Called by `up` after the machine was found fit, and before the tests that need some of them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::printer::say;

/// What is needed, and for what.
const PACKAGES: &[&str] = &[
    "btrfs-progs",
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "etcd-server",
    "iproute2",
    "iptables",
    "kmod",
    "make",
    "nftables",
    "procps",
    "restic",
    "runc",
    "util-linux",
];
/// Debian's word that keeps a package's service from being started (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn is_installed(package: &str) -> bool {
    let said = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output();
    said.is_ok_and(|said| said.stdout == b"installed")
}

/// Keeps services from starting for as long as it lives; a policy of the machine's own is left alone.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn hold() -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        match file {
            Ok(mut file) => {
                file.write_all(b"#!/bin/sh\nexit 101\n")?;
                Ok(Self { ours: true })
            }
            Err(_) if Path::new(POLICY).exists() => Ok(Self { ours: false }),
            Err(error) => Err(error).context(format!("cannot write {POLICY}")),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            say(format_args!("{POLICY} could not be removed: {error}"));
        }
    }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let said = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot start apt-get: the testbed needs Debian or a relative of it")?;
    if !said.status.success() {
        bail!(
            "apt-get {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&said.stderr)
        );
    }
    Ok(())
}

/// Installs what is missing.
pub(crate) fn ensure() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(format_args!(
        "installing Debian packages: {}",
        missing.join(", ")
    ));
    let _no_services = NoServices::hold()?;
    apt(&["-q", "update"])?;
    let install = ["-q", "-y", "--no-install-recommends", "install"];
    apt(&[install.as_slice(), &missing].concat())
}

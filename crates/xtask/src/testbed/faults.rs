//! Faults of a whole site: links that are cut silently, programs that are stopped or killed.
//!
//! A cut link drops packets in the site's own namespace and tells nobody, as a broken switch does: no connection is closed.
//! Called by the verb and by scenarios.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use nix::sys::signal::Signal;

use super::lifecycle::Testbed;
use super::place::{Place, Site};
use super::processes;
use super::readiness::KUBELET_PORT;
use super::supervisor::{self, Condition};

/// The chain with our rules; healing removes it.
const CHAIN: &str = "REFLOAT-CUT";
/// Where packets of a site pass.
const HOOKS: [&str; 3] = ["INPUT", "OUTPUT", "FORWARD"];

/// Longest wait for a site whose programs were killed.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// From what a site is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// The other site and the S3 server.
    Others,
    /// This machine, on which the engine runs: its way to the API server.
    Engine,
    /// The API server's way to the kubelet: exec and logs.
    Kubelet,
}

impl Testbed {
    /// Cuts a site off, silently. What was cut before stays cut.
    pub(crate) fn partition(&self, site: Site, from: From) -> Result<()> {
        let iptables = |arguments: &[&str]| -> Result<()> {
            let mut command = self.command_in(site, "iptables")?;
            command.arg("--wait").args(arguments);
            super::command::output(command).map(drop)
        };
        if iptables(&["--list", CHAIN, "--numeric"]).is_err() {
            iptables(&["--new-chain", CHAIN])?;
            for hook in HOOKS {
                iptables(&["--insert", hook, "1", "--jump", CHAIN])?;
            }
        }
        let addresses = self.record().addresses;
        let peers = match from {
            From::Others => vec![
                addresses.of(Place::Site(site.other())),
                *match addresses.object_store() {
                    std::net::SocketAddr::V4(address) => address,
                    std::net::SocketAddr::V6(address) => bail!("{address} is no IPv4 address"),
                }
                .ip(),
            ],
            From::Engine => vec![addresses.host()],
            From::Kubelet => {
                let kubelet = KUBELET_PORT.to_string();
                for port in ["--destination-port", "--source-port"] {
                    let rule = ["--append", CHAIN, "--protocol", "tcp", port, &kubelet];
                    iptables(&[&rule[..], &["--jump", "DROP"]].concat())?;
                }
                return Ok(());
            }
        };
        for peer in peers {
            let peer = peer.to_string();
            for side in ["--source", "--destination"] {
                iptables(&["--append", CHAIN, side, &peer, "--jump", "DROP"])?;
            }
        }
        Ok(())
    }

    /// What is sent to one port of a pod is dropped silently, as a network that enforces a policy does. Healing the site ends it.
    pub(crate) fn swallow(&self, site: Site, pod: std::net::IpAddr, port: u16) -> Result<()> {
        let (pod, port) = (pod.to_string(), port.to_string());
        let iptables = |arguments: &[&str]| -> Result<()> {
            let mut command = self.command_in(site, "iptables")?;
            command.arg("--wait").args(arguments);
            super::command::output(command).map(drop)
        };
        iptables(&["--new-chain", CHAIN])?;
        iptables(&["--insert", "FORWARD", "1", "--jump", CHAIN])?;
        let what = ["--protocol", "tcp", "--destination", &pod];
        let rule = ["--destination-port", &port, "--jump", "DROP"];
        iptables(&[&["--append", CHAIN], &what[..], &rule[..]].concat())
    }

    /// Joins a site's links again; one that was not cut is no error.
    pub(crate) fn heal(&self, site: Site) -> Result<()> {
        for hook in HOOKS {
            let mut command = self.command_in(site, "iptables")?;
            command.args(["--wait", "--delete", hook, "--jump", CHAIN]);
            // There is no rule when nothing was cut.
            drop(super::command::output(command));
        }
        for verb in ["--flush", "--delete-chain"] {
            let mut command = self.command_in(site, "iptables")?;
            command.args(["--wait", verb, CHAIN]);
            drop(super::command::output(command));
        }
        Ok(())
    }

    /// Waits until everything of a site that was up answers again.
    pub(crate) fn wait_until_ready(&self, site: Site) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut missing = self.missing()?;
            // A server that answers may not be ready yet.
            let mut ready = self.kubectl(site);
            ready.args(["--request-timeout=5s", "get", "--raw=/readyz"]);
            if let Err(error) = super::command::output(ready) {
                missing.push(format!("{site}: its API server is not ready: {error:#}"));
            }
            if missing.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > READY_LIMIT {
                bail!("{site} does not come back: {}", missing.join("; "));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Sends a signal to one program of a site: `csi-snapshotter`, `kube-apiserver`, `kubelet`. The supervisor starts one
    /// that ends again.
    pub(crate) fn signal(&self, site: Site, unit: &str, signal: Signal) -> Result<()> {
        let status = supervisor::read_status(self.state())?;
        let name = format!("{}/{unit}", site.name());
        let (_, report) = status
            .iter()
            .find(|(key, _)| **key == name)
            .with_context(|| {
                let names: Vec<&str> = status.keys().map(String::as_str).collect();
                format!("there is no program {name}: {}", names.join(", "))
            })?;
        let Condition::Running { process } = report.condition else {
            bail!("{name} does not run");
        };
        let process = i32::try_from(process).context("a process id beyond any kernel's")?;
        processes::send(process, signal)
    }
}

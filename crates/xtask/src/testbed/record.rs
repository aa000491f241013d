//! What a testbed is: chosen at its first `up`, read by every later command.
//!
//! Holds the record file and the choice of a free subnet. Called by `up`, `status` and `exec`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::addresses::{AddressPlan, networks_in_use};
use super::command::Commands;
use super::place::StateDirectory;
use super::{files, lock};

/// Whether what an API server has confirmed survives the death of its etcd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Etcd {
    /// Nothing is flushed to the disk: a site comes up in half the time.
    #[default]
    Fast,
    /// With fsync, as in production.
    Durable,
}

/// What was chosen for a testbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The number of its network.
    pub(crate) addresses: AddressPlan,
    /// The run of the machine in which it was started.
    pub(crate) boot: String,
    /// How its etcd writes.
    #[serde(default)]
    pub(crate) etcd: Etcd,
}

impl Record {
    /// The record of a testbed, if it has one.
    pub(crate) fn read(state: &StateDirectory) -> Result<Option<Self>> {
        read(&state.record())
    }

    /// The record of a testbed; choose a subnet if there is none.
    pub(crate) fn read_or_choose(
        state: &StateDirectory,
        commands: &Commands,
        etcd: Etcd,
    ) -> Result<Self> {
        if let Some(record) = Self::read(state)? {
            return Ok(record);
        }
        let all = state
            .path()
            .parent()
            .context("the state directory has a parent")?;
        let _choosing = lock::directory(all)?;
        let recorded = recorded(all)?;
        let routes = commands.run("ip", &["-o", "-4", "route", "show", "table", "all"])?;
        let links = commands.run("ip", &["-o", "-4", "address"])?;
        let addresses =
            AddressPlan::first_free(&networks_in_use(&format!("{routes}\n{links}")), &recorded)
                .context("every 10.77.x.0/24 is taken on this machine")?;
        let record = Self {
            addresses,
            boot: boot()?,
            etcd,
        };
        files::write(&state.record(), serde_json::to_vec(&record)?)?;
        Ok(record)
    }

    /// Whether the machine still runs as when the testbed was started.
    pub(crate) fn is_of_this_boot(&self) -> Result<bool> {
        Ok(self.boot == boot()?)
    }
}

fn read(path: &Path) -> Result<Option<Record>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{} is damaged; run `testbed down`", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn recorded(all: &Path) -> Result<Vec<AddressPlan>> {
    let entries = fs::read_dir(all).with_context(|| format!("cannot read {}", all.display()))?;
    let mut plans = Vec::new();
    for entry in entries {
        let path = entry?.path().join("record.json");
        // Another testbed's damaged record must not stop this one; its links still tell that its network is taken.
        if let Ok(Some(record)) = read(&path) {
            plans.push(record.addresses);
        }
    }
    Ok(plans)
}

fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path)
        .with_context(|| format!("cannot read {path}"))?
        .trim()
        .to_owned())
}

//! A program that is to run, as `up` tells it to the supervisor.
//!
//! Holds the file format and its reading and writing; what the programs are is in `units`, keeping them running in `supervisor`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files;
use super::place::{Place, StateDirectory};

/// One program that is to run, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// Its name within its place.
    pub(crate) name: String,
    /// Its place, by name.
    pub(crate) place: String,
    /// The file that holds its network namespace.
    pub(crate) network: PathBuf,
    /// The program.
    pub(crate) program: PathBuf,
    /// What it is told.
    pub(crate) arguments: Vec<String>,
    /// Variables besides the markers.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// What must be there before it is started.
    pub(crate) needs: Vec<Need>,
}

/// Something that must be there before a unit is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Need {
    /// A file.
    File(PathBuf),
    /// A Unix socket that takes connections.
    Socket(PathBuf),
    /// A TCP port that takes connections from the host.
    Port(SocketAddr),
}

impl Need {
    /// Whether it is there now.
    pub(crate) fn is_met(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Socket(path) => UnixStream::connect(path).is_ok(),
            Self::Port(address) => {
                TcpStream::connect_timeout(address, Duration::from_millis(200)).is_ok()
            }
        }
    }
}

impl Unit {
    /// The name among the units of all places.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.place, self.name)
    }
}

/// Replace the units of a place by these; the caller holds the lock on units.
pub(crate) fn replace(state: &StateDirectory, place: Place, units: &[Unit]) -> Result<()> {
    let directory = state.units().join(place.name());
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    for path in json_files(&directory)? {
        let kept = units
            .iter()
            .any(|unit| path == directory.join(format!("{}.json", unit.name)));
        if !kept {
            files::remove(&path)?;
        }
    }
    for unit in units {
        files::write(
            &directory.join(format!("{}.json", unit.name)),
            serde_json::to_vec_pretty(unit)?,
        )?;
    }
    Ok(())
}

/// The units of all places, by full name.
pub(crate) fn read_all(state: &StateDirectory) -> Result<BTreeMap<String, Unit>> {
    let mut units = BTreeMap::new();
    for place in Place::ALL {
        for path in json_files(&state.units().join(place.name()))? {
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let unit: Unit = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", path.display()))?;
            units.insert(unit.full_name(), unit);
        }
    }
    Ok(units)
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", directory.display()));
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
    Ok(found)
}

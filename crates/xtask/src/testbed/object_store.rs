//! The S3 server of the third place.
//!
//! Holds how to reach it and its directories; that it runs is the supervisor's work. Called by `up`.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::addresses::AddressPlan;
use super::files;
use super::place::{Place, StateDirectory};
use super::processes;
use super::supervisor::{self, Condition};

/// How to reach the S3 server, as in `s3.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectStore {
    /// The URL, the same from the host, the sites and their pods.
    pub(crate) endpoint: String,
    /// The region that requests are signed for.
    pub(crate) region: String,
    /// A bucket that is there.
    pub(crate) bucket: String,
    /// The access key.
    pub(crate) access_key: String,
    /// The secret key.
    pub(crate) secret_key: String,
}

impl ObjectStore {
    /// What `s3.json` says.
    pub(crate) fn read(state: &StateDirectory) -> Result<Self> {
        let path = state.object_store();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged; run `testbed down`", path.display()))
    }

    /// Make keys and directories, unless they are there.
    pub(crate) fn ensure(state: &StateDirectory, addresses: AddressPlan) -> Result<Self> {
        if !state.object_store().exists() {
            let store = Self {
                endpoint: format!("http://{}", addresses.object_store()),
                region: "us-east-1".to_owned(),
                bucket: "refloat-vault".to_owned(),
                access_key: random_word(10)?,
                secret_key: random_word(20)?,
            };
            files::write(&state.object_store(), serde_json::to_vec_pretty(&store)?)?;
        }
        let store = Self::read(state)?;
        let directory = state.place(Place::S3);
        // A directory in the data folder is a bucket.
        for path in [
            directory.join("versions"),
            directory.join("data").join(&store.bucket),
        ] {
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        Ok(store)
    }
}

fn random_word(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    let source = "/dev/urandom";
    fs::File::open(source)
        .and_then(|mut file| file.read_exact(&mut buffer))
        .with_context(|| format!("cannot read {source}"))?;
    Ok(hex::encode(buffer))
}

impl super::Testbed {
    /// Kill the S3 server's process, as a crash would; the supervisor starts it anew.
    pub(crate) fn kill_object_store(&self) -> Result<()> {
        for (unit, report) in supervisor::read_status(self.state())? {
            if let (true, Condition::Running { process }) =
                (unit.contains("versitygw"), report.condition)
            {
                return processes::send(i32::try_from(process)?, Signal::SIGKILL);
            }
        }
        bail!("the S3 server does not run")
    }

    /// Wait until the S3 server answers.
    pub(crate) fn wait_for_object_store(&self) -> Result<()> {
        let endpoint = self.object_store()?.endpoint;
        let address = endpoint.trim_start_matches("http://").to_owned();
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(&address).is_err() {
            ensure!(Instant::now() < deadline, "{endpoint} does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

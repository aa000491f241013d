//! What a simulated database answers to the driver's commands.

use crate::sim::look::Look as _;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::{Class, ExecAnswer, ExecRequest, ObjectRef, Problem};
use serde_json::{Value, json};

use super::Store;
use super::controllers::{DATA, volume_of};
use super::server::resource;

/// A command that says yes once its pod has run for [`WARM_SECONDS`].
pub const WARM: &str = "/bin/warm";
/// How long a pod takes to be warm.
pub const WARM_SECONDS: i64 = 5;

const DATA_DIRECTORY: &str = "/var/lib/postgresql/data/pgdata";

/// A database server in a pod.
#[derive(Debug, Clone)]
pub struct Database {
    /// `fsync`.
    pub fsync: bool,
    /// Where data, WAL and tablespaces lie: a line each with device, kind and path.
    pub places: String,
    /// `full_page_writes`.
    pub full_page_writes: bool,
    /// Statements that run long.
    pub long_statements: u32,
    /// `pg_is_in_recovery()`.
    pub in_recovery: bool,
    /// Whose standby or primary it is; what lies on its volume when `None`.
    pub identity: Option<String>,
    /// What `pg_stat_replication` says of its standbys.
    pub replicas: Value,
    /// How long it starts, from its pod's creation.
    pub starts: SignedDuration,
    /// What `psql` says instead of an answer, with its exit code.
    pub failure: Option<(i32, String)>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            fsync: true,
            places: format!("0 data {DATA_DIRECTORY}\n0 wal {DATA_DIRECTORY}/pg_wal\n"),
            full_page_writes: true,
            long_statements: 0,
            in_recovery: false,
            identity: None,
            replicas: Value::Null,
            starts: SignedDuration::from_secs(2),
            failure: None,
        }
    }
}

pub(super) fn answer(
    store: &Store,
    databases: &BTreeMap<String, Database>,
    request: &ExecRequest,
    now: Timestamp,
) -> Result<ExecAnswer, Problem> {
    let pod = ObjectRef::namespaced(resource("Pod"), &request.namespace, &request.pod);
    let running = store
        .get(&pod)
        .filter(|live| live.at("/status/phase") == Some(&json!("Running")));
    let Some(live) = running else {
        return Err(Problem::of(
            Class::Wait,
            "pod-not-running",
            format!("pod {} does not run", request.pod),
            "simulated",
        ));
    };
    let key = format!("{}/{}", request.namespace, request.pod);
    let database = databases.get(&key).cloned().unwrap_or_default();
    let starting = (
        2,
        "psql: error: FATAL:  the database system is starting up".to_owned(),
    );
    let created: Option<Timestamp> = live
        .at("/metadata/creationTimestamp")
        .and_then(|at| at.as_str()?.parse().ok());
    let is_up = created.is_some_and(|created| now.duration_since(created) >= database.starts);
    if request
        .command
        .first()
        .is_some_and(|program| program == WARM)
    {
        return Ok(warm(created, now));
    }
    let failure = database.failure.clone().or((!is_up).then_some(starting));
    if let Some((code, stderr)) = failure {
        return Ok(ExecAnswer {
            code: Some(code),
            stdout: String::new(),
            stderr,
        });
    }
    let stdout = match request.command.first().map(String::as_str) {
        Some("psql") => {
            let of_volume = || identity(store, &pod, live);
            let identity = database.identity.clone().unwrap_or_else(of_volume);
            format!("{}\n", facts(&database, &identity))
        }
        // The client of MariaDB is started by a script; the look at places is one.
        Some("sh")
            if request
                .command
                .iter()
                .any(|word| word.contains("--skip-reconnect")) =>
        {
            format!("{}\n", mariadb_facts(&database))
        }
        // Probes: a value that counts as yes, and Redis's own.
        Some("sh")
            if request
                .command
                .iter()
                .any(|word| word.contains("exec psql")) =>
        {
            "1\n".to_owned()
        }
        Some("sh") if request.command.iter().any(|word| word.ends_with(" PING")) => {
            "PONG\n".to_owned()
        }
        Some("sh") => database.places.clone(),
        _ => String::new(),
    };
    Ok(ExecAnswer {
        code: Some(0),
        stdout,
        stderr: String::new(),
    })
}

fn warm(created: Option<Timestamp>, now: Timestamp) -> ExecAnswer {
    let warm = SignedDuration::from_secs(WARM_SECONDS);
    let is_warm = created.is_some_and(|created| now.duration_since(created) >= warm);
    ExecAnswer {
        code: Some(i32::from(!is_warm)),
        stdout: if is_warm { "warm\n" } else { "cold\n" }.to_owned(),
        stderr: String::new(),
    }
}

/// The fields of all three statements of the driver in one object.
fn facts(database: &Database, identity: &str) -> Value {
    json!({
        "version": "15.18",
        "fsync": if database.fsync { "on" } else { "off" },
        "full_page_writes": if database.full_page_writes { "on" } else { "off" },
        "data_directory": DATA_DIRECTORY,
        "in_recovery": database.in_recovery,
        "replicas": database.replicas,
        "version_number": 150_018,
        "wal_level": "replica",
        "segment_bytes": 16_777_216,
        "slots_free": 10,
        "may_replicate": true,
        "may_hold": true,
        "may_stop": true,
        "transaction": "4711",
        "read_only": "off",
        "system_identifier": identity,
        "timeline": 1,
        "checkpoint_lsn": "0/3000060",
        "redo_lsn": "0/3000028",
        "lsn": "0/5000148",
        "data_checksums": "on",
    })
}

/// The fields of all statements of MariaDB's driver in one object.
fn mariadb_facts(database: &Database) -> Value {
    json!({
        "version": "10.11.18-MariaDB-log", "data_directory": "/var/lib/mysql/", "read_only": "0",
        "doublewrite": "1", "replicates": 0, "innodb_read_only": 0, "force_recovery": 0, "flush_log_at_commit": 1, "log_bin": 1,
        "sync_binlog": 1, "log_directory": "./", "undo_directory": "./", "home_directory": "./",
        "other_tables": 0, "other_engines": null, "long": database.long_statements,
    })
}

/// Which server it is: what lies on the volume that the pod mounts.
fn identity(store: &Store, pod: &ObjectRef, live: &Value) -> String {
    live.at("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|volume| {
            let claim = volume.at("/persistentVolumeClaim/claimName")?.as_str()?;
            let claim = ObjectRef::namespaced(
                resource("PersistentVolumeClaim"),
                pod.namespace.as_deref()?,
                claim,
            );
            let volume = volume_of(store, &claim)?;
            let data = store.get(&volume)?.at("/metadata/annotations")?.get(DATA)?;
            data.as_str().map(str::to_owned)
        })
        .unwrap_or_else(|| "none".to_owned())
}

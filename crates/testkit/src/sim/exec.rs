//! What a simulated database answers to the driver's commands.

use std::collections::BTreeMap;

use refloat_core::driver::{Class, ExecAnswer, ExecRequest, ObjectRef, Problem};
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::Store;

/// A database server in a pod.
#[derive(Debug, Clone)]
pub struct Database {
    /// `fsync`.
    pub fsync: bool,
    /// Number of file systems on which data and WAL lie.
    pub file_systems: u32,
    /// Identity.
    pub system_identifier: String,
    /// What `psql` says instead of an answer, with its exit code.
    pub failure: Option<(i32, String)>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            fsync: true,
            file_systems: 1,
            system_identifier: "7000000000000000001".to_owned(),
            failure: None,
        }
    }
}

pub(super) fn answer(
    store: &Store,
    databases: &BTreeMap<String, Database>,
    request: &ExecRequest,
) -> Result<ExecAnswer, Problem> {
    let pod = ObjectRef::namespaced(
        Resource::namespaced("v1", "Pod", "pods"),
        &request.namespace,
        &request.pod,
    );
    if store.get(&pod).is_none() {
        return Err(Problem::of(
            Class::Stuck,
            "pod-missing",
            format!("pod {} is not there", request.pod),
            "simulated",
        ));
    }
    let key = format!("{}/{}", request.namespace, request.pod);
    let database = databases.get(&key).cloned().unwrap_or_default();
    if let Some((code, stderr)) = &database.failure {
        return Ok(ExecAnswer {
            code: Some(*code),
            stdout: String::new(),
            stderr: stderr.clone(),
        });
    }
    let stdout = match request.command.first().map(String::as_str) {
        Some("psql") => format!("{}\n", facts(&database)),
        Some("sh") => {
            let lines = (0..=database.file_systems)
                .map(|line| format!("{} place", line.min(database.file_systems - 1)));
            lines.collect::<Vec<_>>().join("\n") + "\n"
        }
        _ => String::new(),
    };
    Ok(ExecAnswer {
        code: Some(0),
        stdout,
        stderr: String::new(),
    })
}

/// The fields of all three statements of the driver in one object.
fn facts(database: &Database) -> Value {
    json!({
        "version": "15.18",
        "fsync": if database.fsync { "on" } else { "off" },
        "full_page_writes": "on",
        "data_directory": "/var/lib/postgresql/data/pgdata",
        "in_recovery": false,
        "transaction": "4711",
        "read_only": "off",
        "system_identifier": database.system_identifier,
        "timeline": 1,
        "checkpoint_lsn": "0/3000060",
        "redo_lsn": "0/3000028",
        "lsn": "0/3000148",
        "data_checksums": "on",
    })
}

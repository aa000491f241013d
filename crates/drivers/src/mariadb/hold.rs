//! The session that blocks commits while volumes are cut.
//!
//! `BACKUP STAGE START … BLOCK_COMMIT` where there is one: `BACKUP STAGE END` fails on every session but the one that
//! started (error 4146, seen on 10.11), so that its success is the proof. Else `FLUSH TABLES WITH READ LOCK`: the lock ends
//! only with `UNLOCK TABLES` of its own connection or with that connection, which the client never makes anew; MySQL also
//! shows the granted lock of this thread in `performance_schema.metadata_locks`.

use refloat_core::capture::{Beat, Hold, SessionOrder, Statement, Until};
use refloat_core::driver::Task;

use super::types;
use crate::workload;

/// The server ends a session that is silent for so long.
const DEADLINE_SECONDS: u32 = 5;
/// Longest wait for a lock, and longest statement: below the deadline.
const STATEMENT_SECONDS_MAX: u32 = 4;
/// What opening and proving may take beside the hold; a session that an engine has forgotten ends after both.
const AROUND_SECONDS_MAX: u32 = 25;
/// Limit of a hold when the plan names none.
const HOLD_SECONDS_MAX: u32 = 20;

/// Which server, as far as holding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// MariaDB with `BACKUP STAGE` (10.4.1 and newer).
    MariadbStaged,
    /// MariaDB 10.3 and 10.4.0.
    Mariadb,
    /// MySQL 8.0.16 and newer.
    Mysql,
}

impl Version {
    /// Of what `VERSION()` says: `10.11.18-MariaDB-log`, `8.0.36`, `5.5.5-10.3.39-MariaDB`.
    pub(super) fn of(text: &str) -> Option<Self> {
        let is_mariadb = text.contains("MariaDB");
        let text = text.strip_prefix("5.5.5-").unwrap_or(text);
        let numbers: Vec<u32> = text
            .split(|one: char| !one.is_ascii_digit())
            .take(3)
            .map_while(|number| number.parse().ok())
            .collect();
        let [major, minor, ..] = numbers.as_slice() else {
            return None;
        };
        let patch = numbers.get(2).copied().unwrap_or(0);
        let version = (*major, *minor, patch);
        if is_mariadb {
            match version {
                (..) if version >= (10, 4, 1) => Some(Self::MariadbStaged),
                (..) if version >= (10, 3, 0) => Some(Self::Mariadb),
                (..) => None,
            }
        } else {
            // `PS_CURRENT_THREAD_ID()` came with 8.0.16.
            (version >= (8, 0, 16)).then_some(Self::Mysql)
        }
    }
}

fn statement(title: &str, mark: &str, sql: &str) -> Statement {
    Statement {
        title: title.to_owned(),
        text: format!("{sql}\nSELECT 'refloat {mark}';\n"),
        until: Until::Line(format!("refloat {mark}")),
        limit_seconds: STATEMENT_SECONDS_MAX + 1,
    }
}

/// Deadlines of the session.
fn limits(version: Version) -> String {
    let longest = match version {
        Version::MariadbStaged | Version::Mariadb => {
            format!("SET SESSION max_statement_time = {STATEMENT_SECONDS_MAX};")
        }
        // MySQL limits only reads; the wait for a lock is what can last.
        Version::Mysql => format!("SET SESSION max_execution_time = {STATEMENT_SECONDS_MAX}000;"),
    };
    format!(
        "SET SESSION wait_timeout = {DEADLINE_SECONDS}; SET SESSION lock_wait_timeout = {STATEMENT_SECONDS_MAX}; \
         {longest} SELECT JSON_OBJECT('connection', CONNECTION_ID());"
    )
}

/// Where the binary log stands, under the lock.
fn position(version: Version, logs: bool) -> &'static str {
    match version {
        _ if !logs => "",
        Version::MariadbStaged | Version::Mariadb => {
            "SELECT JSON_OBJECT('gtid', @@global.gtid_binlog_pos, \
             'binlog_file', (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'BINLOG_SNAPSHOT_FILE'), \
             'binlog_position', (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'BINLOG_SNAPSHOT_POSITION'));"
        }
        Version::Mysql => {
            "SELECT JSON_OBJECT('gtid', JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.gtid_executed')), \
             'binlog_file', JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), \
             'binlog_position', JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_position'))) FROM performance_schema.log_status;"
        }
    }
}

const PROVEN: &str = "SELECT JSON_OBJECT('proven_by', CONNECTION_ID());";
/// Fails (a scalar of two rows) when this thread has no granted global read lock any more.
const LOCK_SEEN: &str = "SELECT IF(EXISTS(SELECT 1 FROM performance_schema.metadata_locks \
     WHERE OBJECT_TYPE = 'GLOBAL' AND LOCK_TYPE = 'SHARED' AND LOCK_STATUS = 'GRANTED' \
     AND OWNER_THREAD_ID = PS_CURRENT_THREAD_ID()), 'locked', (SELECT 1 UNION SELECT 2));";

/// The hold of a server of this version; `logs` when it writes a binary log.
pub(super) fn hold(task: &Task<'_>, pod: &str, version: Version, logs: bool) -> Hold {
    let (lock, release, proof) = match version {
        Version::MariadbStaged => (
            vec![
                // What may wait for long statements comes before commits are blocked.
                statement(
                    "block changes of tables",
                    "staged",
                    "BACKUP STAGE START; BACKUP STAGE FLUSH; BACKUP STAGE BLOCK_DDL;",
                ),
                statement(
                    "block commits",
                    "blocked",
                    &format!("BACKUP STAGE BLOCK_COMMIT; {}", position(version, logs)),
                ),
            ],
            format!("BACKUP STAGE END; {PROVEN}"),
            "BACKUP STAGE END succeeded on the connection that had blocked commits",
        ),
        Version::Mariadb | Version::Mysql => (
            vec![
                // Not `LOCAL` it would be written into the binary log, and stop replicas too.
                statement("close tables", "flushed", "FLUSH LOCAL TABLES;"),
                statement(
                    "lock all tables",
                    "blocked",
                    &format!("FLUSH TABLES WITH READ LOCK; {}", position(version, logs)),
                ),
            ],
            if version == Version::Mysql {
                format!("{LOCK_SEEN} UNLOCK TABLES; {PROVEN}")
            } else {
                format!("UNLOCK TABLES; {PROVEN}")
            },
            if version == Version::Mysql {
                "the lock of this very connection was seen granted after the last cut"
            } else {
                "UNLOCK TABLES on the same connection, by a client that never connects twice"
            },
        ),
    };
    let mut open = vec![statement(
        "set the session's limits",
        "limits",
        &limits(version),
    )];
    open.extend(lock);
    Hold {
        member: workload::id(task),
        session: SessionOrder {
            namespace: task.claim.thing.namespace.clone().unwrap_or_default(),
            pod: pod.to_owned(),
            container: workload::setting(task, "container").to_owned(),
            command: types::client_words(task),
            beat: Some(Beat {
                text: "SELECT 'refloat beat';\n".to_owned(),
                until: Until::Line("refloat beat".to_owned()),
                every_milliseconds: 1000,
                late_milliseconds: 3000,
                concurrent: false,
            }),
            seconds_max: AROUND_SECONDS_MAX
                + workload::hold_seconds_max(task).unwrap_or(HOLD_SECONDS_MAX),
        },
        freezes: true,
        open,
        prove: vec![statement("let commits go on", "released", &release)],
        proof: proof.to_owned(),
        prove_late: Vec::new(),
        late_parts: Vec::new(),
        sticky: None,
    }
}

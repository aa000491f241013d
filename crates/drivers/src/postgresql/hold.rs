//! Mode `held`: the low-level backup interface on one session, and what a restore makes of it.
//!
//! start → cuts of data and tablespaces → stop, on one `psql` whose input stays open; a temporary physical slot, made
//! first, pins the WAL until the volume that holds it is cut, after the stop. Nothing is frozen meanwhile: writers go
//! on. The label and the tablespace map go into the point. (PostgreSQL documentation, "Making an Exclusive/Non-Exclusive
//! Low-Level Backup"; `pg_start_backup` and `pg_stop_backup` before 15.)

use std::collections::BTreeMap;

use refloat_core::capture::{Beat, Hold, SessionOrder, Statement, Until};
use refloat_core::driver::{Outcome, Problem, Task, Verdict};
use refloat_core::recovery::Edit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::places::Layout;
use super::restore::position;
use super::servers::BEHIND_BYTES_MAX;
use super::types;
use crate::workload;

/// The server ends a session that is silent for so long.
const DEADLINE_SECONDS: u32 = 5;
/// `pg_backup_start` waits for a checkpoint; it freezes nothing, so that its limit may be above the deadline.
const START_SECONDS_MAX: u32 = 60;
/// Statements that prove and let go end within this time, below the deadline.
const STATEMENT_SECONDS_MAX: u32 = 4;
/// A session that an engine has forgotten ends after this time.
const SESSION_SECONDS_MAX: u32 = 900;
/// First version with `pg_backup_start`.
const VERSION_OF_BACKUP_START: u64 = 150_000;
/// First version whose slots may lose their WAL (`max_slot_wal_keep_size`).
const VERSION_OF_LOST_SLOTS: u64 = 130_000;
/// First version with `idle_session_timeout` and `client_connection_check_interval`.
const VERSION_OF_IDLE_SESSION: u64 = 140_000;

fn statement(title: &str, mark: &str, sql: &str, limit_seconds: u32) -> Statement {
    Statement {
        title: title.to_owned(),
        text: format!("{sql}\n\\echo refloat {mark}\n"),
        until: Until::Line(format!("refloat {mark}")),
        limit_seconds,
    }
}

/// Name of the temporary slot: letters, digits and underscores, at most 63.
fn slot(task: &Task<'_>) -> String {
    let run = task.run.as_str().chars();
    let run: String = run
        .map(|one| {
            if one.is_ascii_alphanumeric() {
                one.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    let mut name = format!("refloat_{run}");
    name.truncate(63);
    name
}

/// What opens the hold: limits of the session, the slot, the start.
fn opening(task: &Task<'_>, version: u64) -> Vec<Statement> {
    let run = task.run.as_str();
    let deadline = if version >= VERSION_OF_IDLE_SESSION {
        format!(
            "SET idle_session_timeout = '{DEADLINE_SECONDS}s'; SET client_connection_check_interval = '1s';"
        )
    } else {
        // Older servers have a deadline for silent transactions only.
        format!("SET idle_in_transaction_session_timeout = '{DEADLINE_SECONDS}s'; BEGIN;")
    };
    let limits = format!(
        "SET application_name = 'refloat {run}'; {deadline} \
         SET lock_timeout = '{STATEMENT_SECONDS_MAX}s'; SET statement_timeout = '{STATEMENT_SECONDS_MAX}s'; \
         SELECT json_build_object('backend', pg_backend_pid());"
    );
    let slot = slot(task);
    let pin =
        format!("SELECT slot_name FROM pg_create_physical_replication_slot('{slot}', true, true);");
    let start = if version >= VERSION_OF_BACKUP_START {
        format!("pg_backup_start(label => 'refloat {run}', fast => true)")
    } else {
        format!("pg_start_backup('refloat {run}', true, false)")
    };
    let start = format!(
        "SET statement_timeout = '{START_SECONDS_MAX}s'; SELECT json_build_object('start_lsn', {start}::text); \
         SET statement_timeout = '{STATEMENT_SECONDS_MAX}s';"
    );
    let answer = STATEMENT_SECONDS_MAX + 1;
    vec![
        statement("set the session's limits", "limits", &limits, answer),
        statement("pin the WAL", "pinned", &pin, answer),
        statement("start the backup", "started", &start, START_SECONDS_MAX + 1),
    ]
}

fn stop(version: u64) -> Statement {
    let stop = if version >= VERSION_OF_BACKUP_START {
        "pg_backup_stop(wait_for_archive => false)"
    } else {
        "pg_stop_backup(false, false)"
    };
    let stop = format!(
        "SELECT json_build_object('stop_lsn', lsn::text, 'label', labelfile, 'map', spcmapfile, \
         'timeline', (SELECT timeline_id FROM pg_control_checkpoint()), 'proven_by', pg_backend_pid()) FROM {stop};"
    );
    let answer = STATEMENT_SECONDS_MAX + 1;
    statement("stop the backup", "stopped", &stop, answer)
}

/// Which server is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Copied {
    /// The one that takes writes.
    Primary,
    /// One that follows it.
    Standby,
}

/// Fails when the slot has lost WAL that it should have kept, or the server has changed its role: after the stop the WAL is
/// still to be cut.
fn pinned(task: &Task<'_>, version: u64, role: Copied) -> Statement {
    let slot = slot(task);
    let kept = if version >= VERSION_OF_LOST_SLOTS {
        "AND wal_status IS DISTINCT FROM 'lost'"
    } else {
        ""
    };
    let changed = match role {
        Copied::Primary => "pg_is_in_recovery()",
        Copied::Standby => "NOT pg_is_in_recovery()",
    };
    let sql = format!(
        "DO $$BEGIN IF NOT EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND restart_lsn IS NOT NULL {kept}) \
         THEN RAISE EXCEPTION 'WAL that the copy needs was removed: raise max_slot_wal_keep_size'; END IF; \
         IF {changed} THEN RAISE EXCEPTION 'the server has changed its role'; END IF; END$$;"
    );
    statement(
        "see that the WAL is still there",
        "kept",
        &sql,
        STATEMENT_SECONDS_MAX + 1,
    )
}

/// Fails on a standby that has lost its primary, or has fallen behind since it was checked.
fn streams() -> Statement {
    let sql = format!(
        "DO $$BEGIN IF NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming' \
         AND pg_wal_lsn_diff(latest_end_lsn, pg_last_wal_replay_lsn()) <= {BEHIND_BYTES_MAX}) \
         THEN RAISE EXCEPTION 'the standby no longer streams, or is behind'; END IF; \
         IF (SELECT min_recovery_end_timeline FROM pg_control_recovery()) <> (SELECT timeline_id FROM pg_control_checkpoint()) \
         THEN RAISE EXCEPTION 'another server was promoted a short time ago: try again after its next checkpoint'; END IF; END$$;"
    );
    statement(
        "see that the standby still streams",
        "streams",
        &sql,
        STATEMENT_SECONDS_MAX + 1,
    )
}

/// The hold of a server with this layout.
pub(super) fn hold(
    task: &Task<'_>,
    pod: &str,
    version: u64,
    layout: &Layout,
    role: Copied,
) -> Hold {
    let mut prove = Vec::new();
    let proof = match role {
        Copied::Primary => "pg_backup_stop succeeded on the session that had started the backup",
        Copied::Standby => {
            prove.push(streams());
            "the standby still streamed after the cut, and pg_backup_stop succeeded on the session that had started the backup"
        }
    };
    prove.push(stop(version));
    Hold {
        member: workload::id(task),
        session: SessionOrder {
            namespace: task.claim.thing.namespace.clone().unwrap_or_default(),
            pod: pod.to_owned(),
            container: workload::setting(task, "container").to_owned(),
            command: types::psql_words(task),
            beat: Some(Beat {
                text: "SELECT 'refloat beat';\n".to_owned(),
                until: Until::Line("refloat beat".to_owned()),
                every_milliseconds: 1000,
                late_milliseconds: 3000,
                concurrent: false,
            }),
            seconds_max: SESSION_SECONDS_MAX,
        },
        freezes: false,
        open: opening(task, version),
        prove,
        prove_late: vec![pinned(task, version, role)],
        proof: proof.to_owned(),
        late_parts: vec![layout.wal.part.clone()],
        sticky: None,
    }
}

/// Segments that a recovery must find, at most; of more only the ends are checked beforehand.
const SEGMENTS_CHECKED_MAX: u64 = 4096;

/// Names of the segments from the one with the start to the last that the recovery may read: the one with the stop
/// record. `pg_backup_stop` answers the position behind it and switches to the next segment (`xlog.c`,
/// `do_pg_backup_stop`).
fn segments(start: u64, stop: u64, timeline: u64, segment_bytes: u64) -> Option<Vec<String>> {
    let first = start.checked_div(segment_bytes)?;
    let last = stop.checked_sub(1)?.checked_div(segment_bytes)?;
    if last < first {
        return None;
    }
    let stride = if last - first > SEGMENTS_CHECKED_MAX {
        last - first
    } else {
        1
    };
    let numbers = (first..=last).step_by(usize::try_from(stride).ok()?);
    numbers
        .map(|number| segment(number, timeline, segment_bytes))
        .collect()
}

/// Name of a segment's file (`xlog_internal.h`, `XLogFileName`).
fn segment(number: u64, timeline: u64, segment_bytes: u64) -> Option<String> {
    let of_file = 0x1_0000_0000_u64.checked_div(segment_bytes)?;
    Some(format!(
        "{timeline:08X}{:08X}{:08X}",
        number.checked_div(of_file)?,
        number.checked_rem(of_file)?
    ))
}

/// What the copy of a held server needs before the server starts on it.
pub(super) fn amend(task: &Task<'_>) -> Result<Verdict, Problem> {
    let engine = task.inputs.get("engine").cloned().unwrap_or_default();
    let text = |key: &str| engine.get(key).and_then(Value::as_str);
    // Without a label the copy is of one volume, cut at one moment: it starts like after a power cut.
    let Some(label) = text("label") else {
        return Ok(Verdict::Done(Outcome::default().with("edits", json!({}))));
    };
    let unusable = |what: &str| {
        Problem::stuck(
            "hold-facts-missing",
            format!(
                "{}: the point does not say {what} of its held backup",
                workload::id(task)
            ),
            "run `refloat vault check`, then recover another point",
        )
    };
    let number = |key: &str| text(key).and_then(|text| text.parse::<u64>().ok());
    let layout: Layout = text("layout")
        .and_then(|layout| serde_json::from_str(layout).ok())
        .ok_or_else(|| unusable("where its files lie"))?;
    let start = text("start_lsn").and_then(position);
    let stop = text("stop_lsn").and_then(position);
    let (Some(start), Some(stop)) = (start, stop) else {
        return Err(unusable("from where to where its WAL is needed"));
    };
    let (Some(timeline), Some(bytes)) = (number("timeline"), number("segment_bytes")) else {
        return Err(unusable("its timeline and the size of its WAL segments"));
    };
    let needed = segments(start, stop, timeline, bytes);
    let Some((last, needed)) = needed.as_deref().and_then(<[String]>::split_last) else {
        return Err(unusable("a position in its WAL that can be"));
    };
    let mut edits = edits(
        &layout,
        label,
        text("map").unwrap_or_default(),
        needed,
        last,
    );
    if text("copied") == Some("standby") {
        // Its stop is only the least that it needs: what lies behind it is WAL of its primary, and newer.
        for edits in edits.values_mut() {
            edits.retain(|edit| !matches!(edit, Edit::RemoveAfter { .. }));
        }
    }
    Ok(Verdict::Done(
        Outcome::default().with("edits", json!(edits)),
    ))
}

/// Label and map, nothing of the server's old life, every segment that is needed and none after the last.
fn edits(
    layout: &Layout,
    label: &str,
    map: &str,
    needed: &[String],
    last: &String,
) -> BTreeMap<String, Vec<Edit>> {
    let below = |path: &str, name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        }
    };
    let mut edits: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    let data = edits.entry(layout.data.part.clone()).or_default();
    data.push(Edit::Write {
        path: below(&layout.data.path, "backup_label"),
        text: label.to_owned(),
    });
    let place = below(&layout.data.path, "tablespace_map");
    data.push(if map.is_empty() {
        Edit::Remove { path: place }
    } else {
        let text = map.to_owned();
        Edit::Write { path: place, text }
    });
    for name in ["postmaster.pid", "recovery.signal", "standby.signal"] {
        data.push(Edit::Remove {
            path: below(&layout.data.path, name),
        });
    }
    let wal = edits.entry(layout.wal.part.clone()).or_default();
    for name in needed.iter().chain([last]) {
        wal.push(Edit::Require {
            path: below(&layout.wal.path, name),
        });
    }
    if layout.is_wal_apart() {
        wal.push(Edit::RemoveAfter {
            directory: layout.wal.path.clone(),
            name: last.clone(),
        });
    }
    edits
}

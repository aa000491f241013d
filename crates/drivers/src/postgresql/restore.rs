//! When a recovered server counts as ready: out of recovery, the same server, not older than its copy, and it takes writes.

use refloat_core::driver::{Outcome, Problem, Query, Seen, Task, Verdict, Why};
use serde_json::Value;

use super::types;
use crate::workload;

/// Takes a transaction id and rolls it back: proves that it can write and leaves nothing behind. `transaction_read_only`
/// is checked by the same statement, since a read-only server refuses to assign an id.
const READY_SQL: &str = "
BEGIN;
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'transaction', CASE WHEN pg_is_in_recovery() THEN NULL ELSE txid_current()::text END,
  'read_only', current_setting('transaction_read_only'),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text ELSE pg_current_wal_lsn()::text END,
  'version', current_setting('server_version')
)::text;
ROLLBACK;
";

pub(super) fn ready(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = workload::running_pod(task, seen)?;
    let request = types::psql(task, &pod, READY_SQL);
    if !seen.has(&Query::Exec(request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(request)]));
    }
    let said = types::json_answer(task, seen.exec(&request)?)?;
    if said.get("in_recovery") != Some(&Value::Bool(false)) {
        return Ok(Verdict::Wait(Why::new(
            "database-recovering",
            format!("{}: the server is still in recovery", task.claim.thing),
        )));
    }
    if said.get("read_only").and_then(Value::as_str) != Some("off")
        || !said.get("transaction").is_some_and(Value::is_string)
    {
        return Ok(Verdict::Wait(Why::new(
            "database-read-only",
            format!("{}: the server takes no writes", task.claim.thing),
        )));
    }
    same_server(task, &said)?;
    same_timeline(task, &said)?;
    not_older(task, &said)?;
    let mut outcome = Outcome::default();
    for (key, value) in said.as_object().into_iter().flatten() {
        outcome = outcome.with(key, value.clone());
    }
    Ok(Verdict::Done(outcome))
}

fn expected<'a>(task: &'a Task<'_>, key: &str) -> Option<&'a str> {
    task.inputs.get("engine")?.get(key)?.as_str()
}

fn same_server(task: &Task<'_>, said: &Value) -> Result<(), Problem> {
    let now = said.get("system_identifier").and_then(Value::as_str);
    match expected(task, "system_identifier") {
        Some(then) if Some(then) != now => Err(Problem::stuck(
            "database-other",
            format!(
                "{}: this is another server (system identifier {}, the point has {then})",
                task.claim.thing,
                now.unwrap_or("unknown")
            ),
            "the volume was not mounted where the server keeps its data: check its mounts",
        )),
        Some(_) | None => Ok(()),
    }
}

/// A server that was held is recovered on its own timeline; another one means that somebody else's WAL was replayed.
fn same_timeline(task: &Task<'_>, said: &Value) -> Result<(), Problem> {
    let now = said.get("timeline").and_then(Value::as_u64);
    let then = expected(task, "timeline").and_then(|then| then.parse::<u64>().ok());
    match (expected(task, "stop_lsn"), then) {
        (Some(_), Some(then)) if now != Some(then) => Err(Problem::stuck(
            "database-timeline",
            format!(
                "{}: the server is on timeline {}, its copy was of timeline {then}",
                task.claim.thing,
                now.map_or_else(|| "unknown".to_owned(), |now| now.to_string())
            ),
            "its own settings replayed other WAL: check `restore_command` and `recovery_target_timeline`",
        )),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

fn not_older(task: &Task<'_>, said: &Value) -> Result<(), Problem> {
    let now = said.get("lsn").and_then(Value::as_str).and_then(position);
    // A held copy is recovered to its stop at least, any other to its last checkpoint.
    let least = expected(task, "stop_lsn").or_else(|| expected(task, "redo_lsn"));
    match (least.and_then(position), now) {
        (Some(then), Some(now)) if now < then => Err(Problem::stuck(
            "database-older",
            format!(
                "{}: the server stands before the last checkpoint, or the stop, of its own copy",
                task.claim.thing
            ),
            "do not use this copy; run `refloat vault check` and recover an older point",
        )),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// A WAL position `16/B374D848` as a number (PostgreSQL documentation, `pg_lsn`).
pub(super) fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let high = u64::from_str_radix(high, 16)
        .ok()
        .filter(|&high| u32::try_from(high).is_ok())?;
    let low = u64::from_str_radix(low, 16)
        .ok()
        .filter(|&low| u32::try_from(low).is_ok())?;
    Some(high << 32 | low)
}

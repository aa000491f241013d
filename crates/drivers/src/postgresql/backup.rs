//! Which mode a server's copy can have, and the checkpoint before the cut.

use refloat_core::backup::{BEHIND_SECONDS, COMES_BACK_AS, LEFT_OUT, Mode};
use refloat_core::driver::{
    Class, Effect, ExecAnswer, Outcome, Problem, Repeat, Seen, Task, Verdict,
};
use serde_json::{Value, json};

use super::conditions::held_conditions;
use super::hold::Copied;
use super::places::{self, Layout};
use super::servers::{self, BEHIND_SECONDS_MAX, Server};
use super::{hold, types};
use crate::workload::{self, Conditions};

/// Settings and places, as one JSON line.
pub(super) const CHECK_SQL: &str = "
SELECT json_build_object(
  'version', current_setting('server_version'),
  'fsync', current_setting('fsync'),
  'full_page_writes', current_setting('full_page_writes'),
  'data_directory', current_setting('data_directory'),
  'in_recovery', pg_is_in_recovery(),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'replicas', CASE WHEN pg_is_in_recovery() THEN NULL ELSE (SELECT json_agg(json_build_object(
    'address', host(client_addr), 'state', state,
    'behind_bytes', pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn),
    'behind_seconds', extract(epoch FROM replay_lag))) FROM pg_stat_replication) END,
  'version_number', current_setting('server_version_num')::int,
  'wal_level', current_setting('wal_level'),
  'segment_bytes', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
  'slots_free', current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
  'may_replicate', (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),
  'may_hold', has_function_privilege(coalesce(
    to_regprocedure('pg_backup_start(text,boolean)'), to_regprocedure('pg_start_backup(text,boolean,boolean)')
  ), 'EXECUTE'),
  'may_stop', has_function_privilege(coalesce(
    to_regprocedure('pg_backup_stop(boolean)'), to_regprocedure('pg_stop_backup(boolean,boolean)')
  ), 'EXECUTE')
)::text;
";

/// Identity and position, as one JSON line, behind a checkpoint.
const CAPTURE_SQL: &str = "
CHECKPOINT;
SELECT json_build_object(
  'version', current_setting('server_version'),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'checkpoint_lsn', (SELECT checkpoint_lsn::text FROM pg_control_checkpoint()),
  'redo_lsn', (SELECT redo_lsn::text FROM pg_control_checkpoint()),
  'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text ELSE pg_current_wal_lsn()::text END,
  'data_checksums', current_setting('data_checksums')
)::text;
";

/// Decides the mode: `atomic-volume` when every condition for it holds, else `held` when every one for that does, else
/// `crash` with the reasons. Of several servers one is copied, a standby if one is fit.
pub(super) fn check(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let servers = match servers::ask(task, seen)? {
        Ok(servers) => servers,
        Err(queries) => return Ok(Verdict::Look(queries)),
    };
    if let [server] = servers.as_slice() {
        return decide_mode(task, judge(task, server, None));
    }
    let family = match servers::family(&servers) {
        Ok(family) => family,
        Err(why) => {
            let Some(first) = servers.first() else {
                return Err(unseen(task));
            };
            return decide_mode(task, judge(task, first, Some(why)));
        }
    };
    let mut others = family.others;
    for (standby, behind) in family.standbys {
        let (mut conditions, layout) = held_conditions(task, standby);
        conditions.standby(layout.as_ref(), standby);
        if conditions.broken.is_empty() {
            conditions
                .held
                .push(format!("copied from a standby: {behind}; its copy counts as {BEHIND_SECONDS_MAX} s older than its cut"));
            let judged = Judged {
                mode: Mode::Held,
                conditions,
                layout,
                server: standby,
            };
            return decide_one_of(task, judged, Copied::Standby);
        }
        let broken = conditions.broken.join(", ");
        others.push(format!("{} is not fit: {broken}", standby.name()));
    }
    let mut judged = judge(task, family.primary, None);
    let others = others.into_iter();
    judged
        .conditions
        .held
        .extend(others.map(|why| format!("copied from the primary: {why}")));
    decide_one_of(task, judged, Copied::Primary)
}

fn unseen(task: &Task<'_>) -> Problem {
    Problem::of(
        Class::Wait,
        "pod-not-running",
        format!("{}: no running pod", workload::id(task)),
        "look at the pod with `kubectl describe pod`",
    )
}

/// What was found out of one server.
struct Judged<'j, 's> {
    mode: Mode,
    conditions: Conditions,
    layout: Option<Layout>,
    server: &'j Server<'s>,
}

/// The best mode of a server that takes writes; `against` is what stands against any but `crash`.
fn judge<'j, 's>(
    task: &Task<'_>,
    server: &'j Server<'s>,
    against: Option<String>,
) -> Judged<'j, 's> {
    let judged = |mode, conditions, layout| Judged {
        mode,
        conditions,
        layout,
        server,
    };
    let mut conditions = Conditions::default();
    conditions.broken.extend(against.clone());
    conditions.settings(server.text("fsync"), server.text("full_page_writes"));
    conditions.primary(server.is_primary());
    let layout = places::layout(task, server.pod, server.places).ok();
    conditions.one_volume(server, layout.as_ref());
    conditions.one_file_system(task, server.text("data_directory"), server.places);
    if conditions.broken.is_empty() {
        return judged(Mode::AtomicVolume, conditions, None);
    }
    let (mut held, layout) = held_conditions(task, server);
    held.broken.extend(against);
    held.primary(server.is_primary());
    match layout {
        Some(layout) if held.broken.is_empty() => judged(Mode::Held, held, Some(layout)),
        // On several volumes it is the hold that was missed.
        Some(_) | None if server.volume_count > 1 => judged(Mode::Crash, held, None),
        Some(_) | None => judged(Mode::Crash, conditions, None),
    }
}

/// Parts of the workload that are taken.
fn taken<'t>(task: &'t Task<'_>) -> impl Iterator<Item = &'t str> {
    let volumes = task.inputs.get("volumes").and_then(Value::as_array);
    volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| volume.get("claim")?.as_str())
}

/// The mode of the one server that is copied for all; the volumes of the others are left out.
fn decide_one_of(
    task: &Task<'_>,
    judged: Judged<'_, '_>,
    copied: Copied,
) -> Result<Verdict, Problem> {
    let own = judged.server.parts();
    // Those of servers that do not run now, too: they may by the time of the cut.
    let left_out: Vec<String> = taken(task)
        .filter(|part| !own.contains(part))
        .map(str::to_owned)
        .collect();
    let names = servers::names(task, judged.server);
    let verdict = decide_mode(task, judged)?;
    let Verdict::Done(outcome) = verdict else {
        return Ok(verdict);
    };
    let behind = match copied {
        Copied::Primary => 0,
        Copied::Standby => BEHIND_SECONDS_MAX,
    };
    Ok(Verdict::Done(
        outcome
            .with(LEFT_OUT, left_out)
            .with(COMES_BACK_AS, json!(names))
            .with(BEHIND_SECONDS, behind)
            .with("copied", json!(copied)),
    ))
}

fn decide_mode(task: &Task<'_>, judged: Judged<'_, '_>) -> Result<Verdict, Problem> {
    let Judged {
        mode,
        conditions,
        layout,
        server,
    } = judged;
    let reasons = if mode == Mode::AtomicVolume {
        "all of it is on one volume, which needs no hold".to_owned()
    } else {
        conditions.broken.join("; ")
    };
    workload::strong_enough(task, mode, &reasons)?;
    let fact = |key: &str| server.settings.get(key).cloned().unwrap_or_default();
    let mut outcome = Outcome::default()
        .with("mode", mode.as_str())
        .with("evidence", conditions.evidence())
        .with("pod", server.name())
        .with("version", fact("version"));
    if let Some(layout) = &layout {
        outcome = outcome
            .with("layout", json!(layout))
            .with("version_number", fact("version_number"))
            .with("segment_bytes", fact("segment_bytes"));
    }
    Ok(Verdict::Done(outcome))
}

/// A checkpoint shortens the replay; its answer names the server and its position.
pub(super) fn capture(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = copied_pod(task, seen)?;
    let Some(ran) = task.ran else {
        return Ok(Verdict::Act(vec![Effect::Exec {
            request: types::psql(task, &pod, CAPTURE_SQL),
            repeat: Repeat::Safe,
        }]));
    };
    let answer = ExecAnswer {
        code: ran
            .facts
            .get("code")
            .and_then(Value::as_i64)
            .and_then(|code| i32::try_from(code).ok()),
        stdout: ran.text("stdout").unwrap_or_default().to_owned(),
        stderr: ran.text("stderr").unwrap_or_default().to_owned(),
    };
    // One try: a second backup is cheaper than a checkpoint that is asked for again and again.
    let facts = types::json_answer(task, &answer).map_err(|problem| Problem {
        class: Class::Stuck,
        ..problem
    })?;
    let mut outcome = Outcome::default();
    for (key, value) in facts.as_object().into_iter().flatten() {
        outcome = outcome.with(key, value.clone());
    }
    let checked = task.prior.get(&format!("check {}", workload::id(task)));
    let layout = checked
        .and_then(|checked| checked.facts.get("layout"))
        .and_then(|layout| serde_json::from_value::<Layout>(layout.clone()).ok());
    if let (Some(checked), Some(layout)) = (checked, layout) {
        let version = checked.number("version_number").unwrap_or(0);
        let copied = checked.facts.get("copied").cloned();
        let copied = copied.and_then(|copied| serde_json::from_value(copied).ok());
        let copied = copied.unwrap_or(Copied::Primary);
        let hold = hold::hold(task, &pod, version, &layout, copied);
        let names = checked.facts.get(COMES_BACK_AS).cloned();
        let names = names.and_then(|names| serde_json::from_value(names).ok());
        let layout = layout.renamed(&names.unwrap_or_default());
        outcome = outcome
            .with("hold", json!(hold))
            .with("copied", json!(copied))
            .with("layout", json!(layout).to_string())
            .with("segment_bytes", checked.number("segment_bytes"));
    }
    Ok(Verdict::Done(outcome))
}

/// The pod that the check chose, as long as it runs.
fn copied_pod(task: &Task<'_>, seen: &Seen) -> Result<String, Problem> {
    let checked = task.prior.get(&format!("check {}", workload::id(task)));
    let Some(chosen) = checked.and_then(|checked| checked.text("pod")) else {
        return workload::running_pod(task, seen);
    };
    let runs = workload::running_pods(task, seen)?
        .into_iter()
        .any(|pod| pod.pointer("/metadata/name").and_then(Value::as_str) == Some(chosen));
    if runs {
        Ok(chosen.to_owned())
    } else {
        Err(unseen(task))
    }
}

//! Which mode a server's copy can have, and the checkpoint before the cut.

use refloat_core::backup::Mode;
use refloat_core::driver::{
    Class, Effect, ExecAnswer, Outcome, Problem, Query, Repeat, Seen, Task, Verdict,
};
use serde_json::{Value, json};

use super::places::{self, Layout};
use super::{hold, types};
use crate::workload;

/// Settings and places, as one JSON line.
const CHECK_SQL: &str = "
SELECT json_build_object(
  'version', current_setting('server_version'),
  'fsync', current_setting('fsync'),
  'full_page_writes', current_setting('full_page_writes'),
  'data_directory', current_setting('data_directory'),
  'in_recovery', pg_is_in_recovery(),
  'version_number', current_setting('server_version_num')::int,
  'wal_level', current_setting('wal_level'),
  'segment_bytes', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
  'slots_free', current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
  'may_replicate', (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),
  'may_hold', has_function_privilege(coalesce(
    to_regprocedure('pg_backup_start(text,boolean)'), to_regprocedure('pg_start_backup(text,boolean,boolean)')
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
/// `crash` with the reasons.
pub(super) fn check(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod_object = workload::running_pod_object(task, seen)?;
    let pod = workload::running_pod(task, seen)?;
    let settings_request = types::psql(task, &pod, CHECK_SQL);
    if !seen.has(&Query::Exec(settings_request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(settings_request)]));
    }
    let settings = types::json_answer(task, seen.exec(&settings_request)?)?;
    let text = |key: &str| {
        settings
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let directory = text("data_directory");
    let devices_request = workload::command(
        task,
        &pod,
        &["sh", "-c", places::SCRIPT, "sh", directory],
        "",
    );
    if !seen.has(&Query::Exec(devices_request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(devices_request)]));
    }
    let devices = seen.exec(&devices_request)?;
    let several = workload::several_servers(task, seen)?;
    let mut conditions = Conditions::default();
    conditions.broken.extend(several.clone());
    conditions.settings(text("fsync"), text("full_page_writes"));
    conditions.primary(settings.get("in_recovery") == Some(&Value::Bool(false)));
    conditions.one_volume(task);
    conditions.one_file_system(task, directory, devices);
    if conditions.broken.is_empty() {
        return decide_mode(task, Mode::AtomicVolume, conditions, &settings, None);
    }
    let (mut held, layout) = held_conditions(task, pod_object, &settings, devices);
    held.broken.extend(several);
    match layout {
        Some(layout) if held.broken.is_empty() => {
            decide_mode(task, Mode::Held, held, &settings, Some(&layout))
        }
        // On several volumes it is the hold that was missed.
        Some(layout) if layout.parts().len() > 1 => {
            decide_mode(task, Mode::Crash, held, &settings, None)
        }
        Some(_) | None => decide_mode(task, Mode::Crash, conditions, &settings, None),
    }
}

/// What `held` needs, and where everything lies.
fn held_conditions(
    task: &Task<'_>,
    pod: &Value,
    settings: &Value,
    places: &ExecAnswer,
) -> (Conditions, Option<Layout>) {
    let text = |key: &str| {
        let text = settings.get(key).and_then(Value::as_str);
        text.unwrap_or_default()
    };
    let mut conditions = Conditions::default();
    if !workload::may_hold(task) {
        conditions.broken.push(workload::HOLDS_FORBIDDEN.to_owned());
    }
    conditions.setting("fsync", text("fsync"));
    conditions.primary(settings.get("in_recovery") == Some(&Value::Bool(false)));
    let level = text("wal_level");
    conditions.add(
        matches!(level, "replica" | "logical"),
        format!("wal_level = {level}"),
        format!("wal_level = {level}: a held backup needs `replica`"),
    );
    let free = settings.get("slots_free").and_then(Value::as_i64);
    conditions.add(
        free.is_some_and(|free| free > 0),
        "a replication slot is free".to_owned(),
        "no replication slot is free (`max_replication_slots`): the WAL could not be pinned"
            .to_owned(),
    );
    let may = |key: &str| settings.get(key) == Some(&Value::Bool(true));
    let user = workload::setting(task, "user");
    conditions.add(
        may("may_replicate") && may("may_hold"),
        format!("user {user} may hold a backup"),
        format!("user {user} may not hold a backup: it needs REPLICATION and EXECUTE on pg_backup_start and pg_backup_stop"),
    );
    let layout = match places::layout(task, pod, places) {
        Ok(layout) => Some(layout),
        Err(why) => {
            conditions.broken.push(why);
            None
        }
    };
    if let Some(layout) = &layout {
        conditions.layout(task, layout, text("full_page_writes"));
    }
    (conditions, layout)
}

#[derive(Default)]
struct Conditions {
    held: Vec<String>,
    broken: Vec<String>,
}

impl Conditions {
    fn add(&mut self, holds: bool, good: String, bad: String) {
        if holds {
            self.held.push(good);
        } else {
            self.broken.push(bad);
        }
    }

    fn settings(&mut self, fsync: &str, full_page_writes: &str) {
        self.setting("fsync", fsync);
        self.setting("full_page_writes", full_page_writes);
    }

    fn setting(&mut self, name: &str, value: &str) {
        self.add(
            value == "on",
            format!("{name} = on"),
            format!("{name} = {value}: a crash may lose or tear committed pages"),
        );
    }

    /// WAL on a volume of its own is read up to the stop record. WAL that shares a volume is read to its end: what lies
    /// beside it was cut with it, after the stop, and must be like after a power cut.
    fn layout(&mut self, task: &Task<'_>, layout: &Layout, full_page_writes: &str) {
        self.held.push(format!(
            "data on {}, WAL on {}, {} tablespaces elsewhere",
            layout.data.part,
            layout.wal.part,
            layout.tablespaces.len()
        ));
        if layout.is_wal_apart() {
            return;
        }
        self.setting("full_page_writes", full_page_writes);
        for volume in volumes(task) {
            if volume.get("claim").and_then(Value::as_str) == Some(layout.wal.part.as_str()) {
                self.one_moment(volume);
            }
        }
    }

    fn primary(&mut self, primary: bool) {
        self.add(
            primary,
            "not in recovery".to_owned(),
            "in recovery: a copy of a standby starts as a standby and takes no writes".to_owned(),
        );
    }

    fn one_volume(&mut self, task: &Task<'_>) {
        let count = task.claim.volumes.len();
        self.add(
            count == 1,
            "one volume".to_owned(),
            format!("{count} volumes: cuts of several volumes are not one moment"),
        );
        for volume in volumes(task) {
            self.one_moment(volume);
        }
        if volumes(task).next().is_none() {
            self.broken.push("no volume of it is taken".to_owned());
        }
    }

    fn one_moment(&mut self, volume: &Value) {
        let setting = |key: &str| {
            volume
                .pointer("/settings")
                .and_then(|all| all.get(key))
                .and_then(Value::as_str)
                .unwrap_or("unknown")
        };
        let driver = setting("csi_driver");
        self.add(
            setting("atomic") == "true",
            format!("CSI driver {driver} cuts a volume at one moment"),
            format!("CSI driver {driver} is not known to cut a volume at one moment"),
        );
    }

    fn one_file_system(&mut self, task: &Task<'_>, directory: &str, answer: &ExecAnswer) {
        let mounts = task.claim.settings.get("mounts").map_or("", String::as_str);
        let on_mount = mounts
            .split(',')
            .filter(|mount| !mount.is_empty())
            .any(|mount| {
                directory == mount
                    || directory.starts_with(&format!("{}/", mount.trim_end_matches('/')))
            });
        self.add(
            on_mount,
            format!("data directory {directory} is on the volume"),
            format!("data directory {directory} is under none of the mounts ({mounts})"),
        );
        if answer.code != Some(0) {
            self.broken.push(format!(
                "where WAL and tablespaces lie could not be seen: {}",
                answer.stderr.lines().next().unwrap_or("no answer")
            ));
            return;
        }
        let mut devices: Vec<&str> = places::lines(answer)
            .iter()
            .map(|line| line.device)
            .collect();
        let places = devices.len();
        if places < 2 {
            self.broken
                .push("where the WAL lies could not be seen".to_owned());
            return;
        }
        devices.sort_unstable();
        devices.dedup();
        self.add(
            devices.len() == 1,
            "data, WAL and tablespaces on one file system".to_owned(),
            format!(
                "data, WAL and tablespaces lie on {} file systems",
                devices.len()
            ),
        );
    }
}

/// The volumes of the server that are taken.
fn volumes<'t>(task: &'t Task<'_>) -> impl Iterator<Item = &'t Value> {
    let volumes = task.inputs.get("volumes").and_then(Value::as_array);
    volumes.into_iter().flatten()
}

fn decide_mode(
    task: &Task<'_>,
    mode: Mode,
    conditions: Conditions,
    settings: &Value,
    layout: Option<&Layout>,
) -> Result<Verdict, Problem> {
    let minimum: Mode = task
        .inputs
        .get("minimum_mode")
        .and_then(|mode| serde_json::from_value(mode.clone()).ok())
        .unwrap_or(Mode::AtomicVolume);
    if mode < minimum {
        return Err(Problem::stuck(
            "mode-too-weak",
            format!(
                "{}: its copy can only be `{}`, the protection asks for `{}`: {}",
                task.claim.thing,
                mode.as_str(),
                minimum.as_str(),
                if mode == Mode::AtomicVolume {
                    "all of it is on one volume, which needs no hold".to_owned()
                } else {
                    conditions.broken.join("; ")
                }
            ),
            if mode == Mode::AtomicVolume {
                "ask for `minimumMode: atomic-volume`: it promises as much for one volume"
            } else {
                "mend what stands against it, or allow it with `minimumMode: crash`"
            },
        ));
    }
    let mut evidence = conditions.held;
    evidence.extend(conditions.broken.iter().map(|one| format!("not: {one}")));
    let fact = |key: &str| settings.get(key).cloned().unwrap_or_default();
    let mut outcome = Outcome::default()
        .with("mode", mode.as_str())
        .with("evidence", evidence)
        .with("version", fact("version"));
    if let Some(layout) = layout {
        outcome = outcome
            .with("layout", json!(layout))
            .with("version_number", fact("version_number"))
            .with("segment_bytes", fact("segment_bytes"));
    }
    Ok(Verdict::Done(outcome))
}

/// A checkpoint shortens the replay; its answer names the server and its position.
pub(super) fn capture(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = workload::running_pod(task, seen)?;
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
        let hold = hold::hold(task, &pod, version, &layout);
        outcome = outcome
            .with("hold", json!(hold))
            .with("layout", json!(layout).to_string())
            .with("segment_bytes", checked.number("segment_bytes"));
    }
    Ok(Verdict::Done(outcome))
}

//! Which mode a server's copy can have, and the checkpoint before the cut.

use refloat_core::backup::Mode;
use refloat_core::driver::{
    Class, Effect, ExecAnswer, Outcome, Problem, Query, Repeat, Seen, Task, Verdict,
};
use serde_json::Value;

use super::types;

/// Settings and places, as one JSON line.
const CHECK_SQL: &str = "
SELECT json_build_object(
  'version', current_setting('server_version'),
  'fsync', current_setting('fsync'),
  'full_page_writes', current_setting('full_page_writes'),
  'data_directory', current_setting('data_directory'),
  'in_recovery', pg_is_in_recovery()
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

/// Decides the mode: `atomic-volume` when every condition holds, else `crash` with the reasons.
pub(super) fn check(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = types::running_pod(task, seen)?;
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
    let devices_request = types::command(
        task,
        &pod,
        &["sh", "-c", DEVICES_SCRIPT, "sh", directory],
        "",
    );
    if !seen.has(&Query::Exec(devices_request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(devices_request)]));
    }
    let devices = seen.exec(&devices_request)?;
    let mut conditions = Conditions::default();
    conditions.settings(text("fsync"), text("full_page_writes"));
    conditions.primary(settings.get("in_recovery") == Some(&Value::Bool(false)));
    conditions.one_volume(task);
    conditions.one_file_system(task, directory, devices);
    decide_mode(task, conditions, text("version"))
}

/// Device numbers of the data directory, its WAL and its tablespaces; one line each.
const DEVICES_SCRIPT: &str = r#"cd "$1" && stat -L -c '%d %n' . pg_wal && for one in pg_tblspc/*; do [ -e "$one" ] || continue; stat -L -c '%d %n' "$one" || exit 1; done"#;

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
        for (name, value) in [("fsync", fsync), ("full_page_writes", full_page_writes)] {
            self.add(
                value == "on",
                format!("{name} = on"),
                format!("{name} = {value}: a crash may lose or tear committed pages"),
            );
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
        let volumes = task.inputs.get("volumes").and_then(Value::as_array);
        for volume in volumes.into_iter().flatten() {
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
        if volumes.is_none_or(Vec::is_empty) {
            self.broken.push("no volume of it is taken".to_owned());
        }
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
        let mut devices: Vec<&str> = answer
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
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

fn decide_mode(task: &Task<'_>, conditions: Conditions, version: &str) -> Result<Verdict, Problem> {
    let mode = if conditions.broken.is_empty() {
        Mode::AtomicVolume
    } else {
        Mode::Crash
    };
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
                conditions.broken.join("; ")
            ),
            "mend what stands against it, or allow it with `minimumMode: crash`",
        ));
    }
    let mut evidence = conditions.held;
    evidence.extend(conditions.broken.iter().map(|one| format!("not: {one}")));
    Ok(Verdict::Done(
        Outcome::default()
            .with("mode", mode.as_str())
            .with("evidence", evidence)
            .with("version", version),
    ))
}

/// A checkpoint shortens the replay; its answer names the server and its position.
pub(super) fn capture(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = types::running_pod(task, seen)?;
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
    Ok(Verdict::Done(outcome))
}

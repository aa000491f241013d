//! Which mode a server's copy can have, and the preparation of its hold.

use refloat_core::backup::Mode;
use refloat_core::driver::{Class, ExecAnswer, Outcome, Problem, Query, Seen, Task, Verdict, Why};
use serde_json::{Value, json};

use super::{hold, types};
use crate::workload::{self, Conditions, Place, place};

/// Settings, as one JSON line; paths of InnoDB are relative to the data directory or absolute.
const CHECK_SQL: &str = "
SELECT JSON_OBJECT(
  'version', VERSION(),
  'data_directory', @@datadir,
  'read_only', CONCAT(@@global.read_only, ''),
  'doublewrite', CONCAT(@@global.innodb_doublewrite, ''),
  'replicates', (SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'system user'
    AND COMMAND IN ('Slave_IO', 'Slave_SQL', 'Slave_worker', 'Connect')),
  'flush_log_at_commit', @@global.innodb_flush_log_at_trx_commit,
  'log_bin', @@global.log_bin + 0,
  'sync_binlog', @@global.sync_binlog,
  'log_directory', @@global.innodb_log_group_home_dir,
  'undo_directory', COALESCE(@@global.innodb_undo_directory, './'),
  'home_directory', COALESCE(@@global.innodb_data_home_dir, './'),
  'other_tables', (SELECT COUNT(*) FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IS NOT NULL AND ENGINE NOT IN ('InnoDB', 'MEMORY', 'SEQUENCE')
    AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')),
  'other_engines', (SELECT GROUP_CONCAT(DISTINCT ENGINE) FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IS NOT NULL AND ENGINE NOT IN ('InnoDB', 'MEMORY', 'SEQUENCE')
    AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema'))
);
";

/// Real paths of directories below the first one, a line each.
const PLACES_SCRIPT: &str =
    r#"cd "$1" || exit 1; for one in "$@"; do (cd "$1" && cd "$one" && pwd -P) || exit 1; done"#;

/// Statements that run longer than this hold a lock up, and are waited for first.
const LONG_SECONDS: u32 = 3;

/// How many statements run long, as one JSON line.
fn long_sql() -> String {
    format!(
        "SELECT JSON_OBJECT('version', VERSION(), 'long', (SELECT COUNT(*) FROM information_schema.PROCESSLIST \
         WHERE COMMAND IN ('Query', 'Execute') AND TIME >= {LONG_SECONDS} AND ID <> CONNECTION_ID()));\n"
    )
}

/// Decides the mode: `held` when every condition holds, else `crash` with the reasons.
pub(super) fn check(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod_object = workload::running_pod_object(task, seen)?;
    let pod = workload::running_pod(task, seen)?;
    let request = types::sql(task, &pod, CHECK_SQL);
    if !seen.has(&Query::Exec(request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(request)]));
    }
    let settings = types::json_answer(task, seen.exec(&request)?)?;
    let text = |key: &str| {
        let text = settings.get(key).and_then(Value::as_str);
        text.unwrap_or_default()
    };
    let directories = [
        text("data_directory"),
        text("log_directory"),
        text("undo_directory"),
        text("home_directory"),
    ];
    let words: Vec<&str> = ["sh", "-c", PLACES_SCRIPT, "sh"]
        .into_iter()
        .chain(directories.map(|one| if one.is_empty() { "./" } else { one }))
        .collect();
    let places = workload::command(task, &pod, &words, "");
    if !seen.has(&Query::Exec(places.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(places)]));
    }
    let mut conditions = server_conditions(&settings);
    conditions
        .broken
        .extend(workload::several_servers(task, seen)?);
    if !workload::may_hold(task) {
        conditions.broken.push(workload::HOLDS_FORBIDDEN.to_owned());
    }
    one_volume(task, pod_object, seen.exec(&places)?, &mut conditions);
    decide_mode(task, conditions, &settings)
}

/// What the server's own settings say.
fn server_conditions(settings: &Value) -> Conditions {
    let text = |key: &str| {
        let text = settings.get(key).and_then(Value::as_str);
        text.unwrap_or_default()
    };
    let mut conditions = Conditions::default();
    let is_on = |key: &str| {
        let value = settings.get(key);
        value.is_some_and(|value| *value == json!(1) || *value == json!("1"))
    };
    // Words differ from version to version; off is always one of these.
    let is_off = |key: &str| {
        let value = settings.get(key).map(Value::to_string);
        value.is_some_and(|value| matches!(value.trim_matches('"'), "0" | "OFF"))
    };
    let version = text("version");
    conditions.add(
        hold::Version::of(version).is_some(),
        format!("version {version} can be held"),
        format!("version {version} cannot be held: MariaDB 10.3 and newer, or MySQL 8.0.16 and newer, can"),
    );
    conditions.add(
        !is_off("doublewrite") && text("doublewrite") != "DETECT_ONLY",
        "innodb_doublewrite is on".to_owned(),
        "innodb_doublewrite is off: a page may be torn where a volume is cut".to_owned(),
    );
    let replicates = settings.get("replicates").and_then(Value::as_u64);
    conditions.add(
        replicates == Some(0),
        "replicates from nobody".to_owned(),
        "it replicates from another server: its copy would go on doing so".to_owned(),
    );
    conditions.add(
        is_off("read_only"),
        "takes writes".to_owned(),
        "read_only: a copy of a replica comes back as one and takes no writes".to_owned(),
    );
    conditions.add(
        is_on("flush_log_at_commit"),
        "innodb_flush_log_at_trx_commit = 1".to_owned(),
        "innodb_flush_log_at_trx_commit is not 1: a crash may lose committed transactions"
            .to_owned(),
    );
    if is_on("log_bin") && !is_on("sync_binlog") {
        conditions
            .held
            .push("sync_binlog is not 1: the binary log may end before the data".to_owned());
    }
    conditions
}

/// InnoDB's files and logs on one volume that is cut at one moment.
fn one_volume(task: &Task<'_>, pod: &Value, answer: &ExecAnswer, conditions: &mut Conditions) {
    if answer.code != Some(0) {
        conditions.broken.push(format!(
            "where InnoDB's files lie could not be seen: {}",
            workload::first_line(&answer.stderr)
        ));
        return;
    }
    let places: Result<Vec<Place>, String> = answer
        .stdout
        .lines()
        .map(|path| place(task, pod, path.trim()))
        .collect();
    let mut parts: Vec<String> = match places {
        Ok(places) => places.into_iter().map(|place| place.part).collect(),
        Err(why) => return conditions.broken.push(why),
    };
    parts.sort_unstable();
    parts.dedup();
    let [part] = parts.as_slice() else {
        return conditions.broken.push(format!(
            "InnoDB's files lie on {} volumes: it writes on while commits are blocked, and they are not cut at one moment",
            parts.len()
        ));
    };
    conditions
        .held
        .push(format!("InnoDB's files and logs on one volume, {part}"));
    let volumes = task.inputs.get("volumes").and_then(Value::as_array);
    let volume = volumes
        .into_iter()
        .flatten()
        .find(|one| one.get("claim").and_then(Value::as_str) == Some(part));
    conditions.one_moment(volume.unwrap_or(&Value::Null));
}

fn decide_mode(
    task: &Task<'_>,
    conditions: Conditions,
    settings: &Value,
) -> Result<Verdict, Problem> {
    let mode = if conditions.broken.is_empty() {
        Mode::Held
    } else {
        Mode::Crash
    };
    workload::strong_enough(task, mode, &conditions.broken.join("; "))?;
    let mut evidence = conditions.evidence();
    let others = settings.get("other_tables").and_then(Value::as_u64);
    let engines = settings.get("other_engines").and_then(Value::as_str);
    if let Some(others) = others.filter(|&others| others > 0) {
        let torn = if mode == Mode::Held {
            "taken whole under the hold"
        } else {
            "may be torn in this copy"
        };
        evidence.push(format!(
            "{others} tables are not InnoDB ({}): {torn}",
            engines.unwrap_or("unknown")
        ));
    }
    let fact = |key: &str| settings.get(key).cloned().unwrap_or_default();
    Ok(Verdict::Done(
        Outcome::default()
            .with("mode", mode.as_str())
            .with("evidence", evidence)
            .with("version", fact("version"))
            .with("other_tables", fact("other_tables"))
            .with("log_bin", fact("log_bin")),
    ))
}

/// Waits until no statement runs long, which a lock would have to wait for while everybody waits for the lock; then says
/// how it is held.
pub(super) fn capture(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = workload::running_pod(task, seen)?;
    let request = types::sql(task, &pod, &long_sql());
    if !seen.has(&Query::Exec(request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(request)]));
    }
    let said = types::json_answer(task, seen.exec(&request)?)?;
    let long = said.get("long").and_then(Value::as_u64).unwrap_or(0);
    let checked = task.prior.get(&format!("check {}", workload::id(task)));
    let fact = |key: &str| checked.and_then(|checked| checked.facts.get(key).cloned());
    let mut outcome = Outcome::default()
        .with("version", said.get("version").cloned())
        .with("other_tables", fact("other_tables"));
    if fact("mode") != Some(json!(Mode::Held.as_str())) {
        return Ok(Verdict::Done(outcome));
    }
    if long > 0 {
        return Ok(Verdict::Wait(Why::new(
            "long-statement",
            format!(
                "{}: {long} statements run for {LONG_SECONDS} s or longer; a lock would wait for them, and everybody for the lock",
                workload::id(task)
            ),
        )));
    }
    let version = said.get("version").and_then(Value::as_str);
    let version = hold::Version::of(version.unwrap_or_default()).ok_or_else(|| {
        Problem::of(
            Class::Stuck,
            "database-version",
            format!(
                "{}: its version `{}` is not understood",
                workload::id(task),
                version.unwrap_or_default()
            ),
            "allow `minimumMode: crash`, and report this version",
        )
    })?;
    let logs = fact("log_bin").is_some_and(|on| on == json!(1) || on == json!("1"));
    outcome = outcome.with("hold", json!(hold::hold(task, &pod, version, logs)));
    Ok(Verdict::Done(outcome))
}

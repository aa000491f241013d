//! How this driver talks to a server: which pod, which command, and what its answers mean.

use refloat_core::driver::{Class, ExecAnswer, ExecRequest, Problem, Task};
use refloat_core::probe::clients::PSQL_FLAGS;
use serde_json::Value;

use crate::workload::{command, first_line, id, setting};

/// SQL through the image's own `psql`.
pub(super) fn psql(task: &Task<'_>, pod: &str, sql: &str) -> ExecRequest {
    let words = psql_words(task);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    command(task, pod, &words, sql)
}

/// The image's own `psql` on the local socket, which ends at the first error.
pub(super) fn psql_words(task: &Task<'_>) -> Vec<String> {
    let mut words = vec!["psql"];
    words.extend(PSQL_FLAGS);
    words.extend([
        "--username",
        setting(task, "user"),
        "--dbname",
        setting(task, "database"),
    ]);
    words.into_iter().map(str::to_owned).collect()
}

/// The JSON that a statement printed, or what its failure means.
pub(super) fn json_answer(task: &Task<'_>, answer: &ExecAnswer) -> Result<Value, Problem> {
    if answer.code != Some(0) {
        return Err(failure(task, answer));
    }
    let line = answer.stdout.lines().find(|line| line.starts_with('{'));
    line.and_then(|line| serde_json::from_str(line).ok())
        .ok_or_else(|| {
            Problem::stuck(
                "database-answer",
                format!(
                    "{}: psql answered no JSON: {}",
                    id(task),
                    first_line(&answer.stdout)
                ),
                "check what `psql` prints in this container (a wrapper, a `psqlrc`?)",
            )
        })
}

/// What a failed psql means to the user.
pub(super) fn failure(task: &Task<'_>, answer: &ExecAnswer) -> Problem {
    let said = first_line(&answer.stderr).trim();
    let lower = answer.stderr.to_lowercase();
    let user = setting(task, "user");
    let hint_settings = "set `user`, `database` or `container` for this engine in the protection (`engines[].settings`)";
    if answer.code.is_none() {
        return Problem::of(
            Class::Wait,
            "database-slow",
            format!("{}: psql did not answer in time", id(task)),
            "look for locks and load on the server",
        );
    }
    if matches!(answer.code, Some(126 | 127)) {
        return Problem::stuck(
            "psql-missing",
            format!(
                "{}: container `{}` has no psql",
                id(task),
                setting(task, "container")
            ),
            "name the container that has it (`engines[].settings.container`)",
        );
    }
    if lower.contains("too many clients") || lower.contains("connection slots are reserved") {
        return Problem::of(
            Class::Wait,
            "database-full",
            format!("{}: no connection is free: {said}", id(task)),
            "end connections that are not needed, or raise `max_connections`",
        );
    }
    if is_about_user(&lower) {
        return Problem::stuck(
            "database-user",
            format!("{}: user `{user}` is refused: {said}", id(task)),
            hint_settings,
        );
    }
    if lower.contains("database") && lower.contains("does not exist") {
        return Problem::stuck(
            "database-missing",
            format!("{}: {said}", id(task)),
            hint_settings,
        );
    }
    let is_starting = ["starting up", "recovery mode", "shutting down"];
    if is_starting.iter().any(|words| lower.contains(words)) {
        return Problem::of(
            Class::Wait,
            "database-starting",
            format!("{}: {said}", id(task)),
            "wait until the server has started",
        );
    }
    if lower.contains("connection")
        || lower.contains("could not connect")
        || lower.contains("no such file")
    {
        return Problem::of(
            Class::Wait,
            "database-down",
            format!("{}: the server does not answer: {said}", id(task)),
            "look at the server's log with `kubectl logs`",
        );
    }
    Problem::stuck(
        "database-error",
        format!("{}: {said}", id(task)),
        "look at the server's log with `kubectl logs`",
    )
}

/// True when the server refuses the user.
fn is_about_user(lower: &str) -> bool {
    let refusals = [
        "authentication failed",
        "no password supplied",
        "permission denied",
        "must be superuser",
    ];
    lower.contains("role") && lower.contains("does not exist")
        || refusals.iter().any(|words| lower.contains(words))
}

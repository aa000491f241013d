//! How this driver talks to a server: the image's own client, and what its answers mean.

use refloat_core::driver::{Class, ExecAnswer, ExecRequest, Problem, Task};
use refloat_core::probe::clients::MARIADB;
use serde_json::Value;

use crate::workload::{command, first_line, id, setting};

/// The command of a session.
pub(super) fn client_words(task: &Task<'_>) -> Vec<String> {
    ["sh", "-c", MARIADB, "sh", setting(task, "user")]
        .iter()
        .map(|&word| word.to_owned())
        .collect()
}

/// SQL through the image's own client.
pub(super) fn sql(task: &Task<'_>, pod: &str, sql: &str) -> ExecRequest {
    let words = client_words(task);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    command(task, pod, &words, sql)
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
                    "{}: the client answered no JSON: {}",
                    id(task),
                    first_line(&answer.stdout)
                ),
                "check what `mariadb` or `mysql` prints in this container (a wrapper, a `.my.cnf`?)",
            )
        })
}

/// What a failed client means to the user. Error numbers are the server's (MariaDB documentation, "Error Codes").
fn failure(task: &Task<'_>, answer: &ExecAnswer) -> Problem {
    let said = answer
        .stderr
        .lines()
        .find(|line| line.contains("ERROR"))
        .unwrap_or_else(|| first_line(&answer.stderr))
        .trim();
    let number = said
        .split_once("ERROR ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u32>().ok());
    let id = id(task);
    let hint = "set `user` or `container` for this engine in the protection (`engines[].settings`)";
    match (answer.code, number) {
        (None, _) => Problem::of(
            Class::Wait,
            "database-slow",
            format!("{id}: the client did not answer in time"),
            "look for locks and load on the server",
        ),
        (Some(126 | 127), _) => Problem::stuck(
            "client-missing",
            format!(
                "{id}: container `{}` has no client: {said}",
                setting(task, "container")
            ),
            "name the container that has it (`engines[].settings.container`)",
        ),
        (_, Some(1044 | 1045 | 1142 | 1227 | 1698)) => Problem::stuck(
            "database-user",
            format!("{id}: user `{}` is refused: {said}", setting(task, "user")),
            hint,
        ),
        (_, Some(1040 | 1053 | 2002 | 2003 | 2013)) => Problem::of(
            Class::Wait,
            "database-down",
            format!("{id}: the server does not answer: {said}"),
            "look at the server's log with `kubectl logs`",
        ),
        _ => Problem::stuck(
            "database-error",
            format!("{id}: {said}"),
            "look at the server's log with `kubectl logs`",
        ),
    }
}

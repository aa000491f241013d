//! The first way: the server's own client, in its own container.

use serde_json::Value;

use super::answer::{Cause, ProbeAnswer};
use super::target::{list, pod_port, text};
use super::{Ask, ProbeTask, Sql, clients};
use crate::driver::{COMMAND_RUNNING, ExecAnswer, ExecRequest, Problem, Query, Seen};

/// Containers of one pod that are tried for a client.
const CONTAINERS_MAX: usize = 3;
/// Seconds that a command is given beyond those of the try, to start.
const START_SECONDS: u32 = 5;

/// What came of asking by exec.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// This must be read first.
    Unread(Vec<Query>),
    /// The client still runs.
    Running(Problem),
    /// It was asked, and answered.
    Answered(ProbeAnswer),
    /// No container has the client.
    NoClient,
}

/// Asks in the first of the pods.
pub(super) fn ask(task: &ProbeTask<'_>, service: &Value, pod: &Value, seen: &Seen) -> Asked {
    let port = task.probe.port().unwrap_or_default();
    let Some(command) = command(&task.probe.ask, pod_port(service, pod, port)) else {
        return Asked::NoClient;
    };
    let requests: Vec<ExecRequest> = containers(&task.probe.ask, pod)
        .into_iter()
        .map(|container| ExecRequest {
            namespace: text(pod, "/metadata/namespace")
                .unwrap_or(task.namespace)
                .to_owned(),
            pod: text(pod, "/metadata/name").unwrap_or_default().to_owned(),
            container: Some(container.to_owned()),
            command: command.words.clone(),
            input: command.input.clone(),
            limit_seconds: task.probe.try_seconds + START_SECONDS,
        })
        .collect();
    let unread: Vec<Query> = requests
        .iter()
        .cloned()
        .map(Query::Exec)
        .filter(|query| !seen.has(query))
        .collect();
    if !unread.is_empty() {
        return Asked::Unread(unread);
    }
    let mut first = None;
    for request in &requests {
        let said = match seen.exec(request) {
            Ok(said) => said,
            Err(problem) if problem.code == COMMAND_RUNNING => return Asked::Running(problem),
            // A container without a shell refuses the command; one that stops just now does so too.
            Err(_) => continue,
        };
        match read(&task.probe.ask, said) {
            Some(yes @ ProbeAnswer::Yes { .. }) => return Asked::Answered(yes),
            Some(no @ ProbeAnswer::No { .. }) => {
                first.get_or_insert(no);
            }
            None => {}
        }
    }
    first.map_or(Asked::NoClient, Asked::Answered)
}

/// Containers that may have the client: those whose image is named after the server, or else the first ones.
fn containers<'p>(ask: &Ask, pod: &'p Value) -> Vec<&'p str> {
    let names: &[&str] = match ask {
        Ask::Postgresql(_) => &["postgres", "pgvector", "timescale", "spilo", "citus"],
        Ask::Mysql(_) => &["mariadb", "mysql", "percona"],
        Ask::Redis => &["redis", "valkey"],
        Ask::Tcp | Ask::Dns { .. } | Ask::Http(_) | Ask::Grpc(_) => &[],
    };
    let runs = |name: &str| {
        list(pod, "/status/containerStatuses").any(|status| {
            text(status, "/name") == Some(name) && status.pointer("/state/running").is_some()
        })
    };
    let all: Vec<(&str, bool)> = list(pod, "/spec/containers")
        .filter_map(|container| {
            let name = text(container, "/name")?;
            let image = text(container, "/image").unwrap_or_default();
            let image = image.rsplit('/').next().unwrap_or_default();
            // An exporter beside the server has its name in its own, and no client.
            let fits = !image.contains("exporter") && names.iter().any(|one| image.contains(one));
            runs(name).then_some((name, fits))
        })
        .collect();
    let fitting: Vec<&str> = all
        .iter()
        .filter(|(_, fits)| *fits)
        .map(|(name, _)| *name)
        .collect();
    let mut found = if fitting.is_empty() {
        all.into_iter().map(|(name, _)| name).collect()
    } else {
        fitting
    };
    found.truncate(CONTAINERS_MAX);
    found
}

struct Command {
    words: Vec<String>,
    input: String,
}

/// The command and its input; `None` for what is a question about the way there, which a server cannot answer about itself.
fn command(ask: &Ask, port: u16) -> Option<Command> {
    let shell = |script: &str, words: &[&str], input: String| {
        let shell = ["sh", "-c", script, "sh"];
        let words = shell.iter().chain(words);
        Some(Command {
            words: words.map(|&word| word.to_owned()).collect(),
            input,
        })
    };
    match ask {
        Ask::Tcp | Ask::Dns { .. } | Ask::Http(_) | Ask::Grpc(_) => None,
        Ask::Postgresql(sql) => {
            let separator = format!("--field-separator={}", clients::SEPARATOR);
            let mut words = vec![
                sql.user.as_deref().unwrap_or_default(),
                sql.database.as_deref().unwrap_or_default(),
            ];
            words.extend(clients::PSQL_FLAGS);
            words.push(&separator);
            shell(
                clients::PSQL,
                &words,
                typed(&clients::postgresql_statements(sql)),
            )
        }
        Ask::Mysql(sql) => {
            let user = sql.user.as_deref().unwrap_or("root");
            let database = sql.database.as_ref();
            let database = database.map_or_else(String::new, |name| format!("USE `{name}`\n;\n"));
            let input = format!("{database}{}", typed(&clients::mysql_statements(sql)));
            shell(clients::MARIADB, &[user], input)
        }
        Ask::Redis => shell(clients::REDIS, &[&port.to_string()], String::new()),
    }
}

fn typed(statements: &[String]) -> String {
    let mut text = String::new();
    for statement in statements {
        text.push_str(&statement.replace('\n', " "));
        text.push_str("\n;\n");
    }
    text
}

/// What a client's answer means; `None` when there was no client.
fn read(ask: &Ask, said: &ExecAnswer) -> Option<ProbeAnswer> {
    let no = |cause, text: &str| Some(ProbeAnswer::no(cause, text, 0));
    if matches!(said.code, Some(126 | 127)) {
        return None;
    }
    if said.code.is_none() {
        return no(Cause::Silent, "its client did not answer in time");
    }
    let line = |text: &str| {
        let line = text.lines().find(|line| !line.trim().is_empty());
        line.unwrap_or("nothing").to_owned()
    };
    match ask {
        Ask::Tcp | Ask::Dns { .. } | Ask::Http(_) | Ask::Grpc(_) => None,
        Ask::Postgresql(sql) if said.code == Some(0) => {
            Some(value(sql, &said.stdout, clients::SEPARATOR))
        }
        Ask::Postgresql(_) => {
            let cause = clients::psql_said(&said.stderr.to_lowercase());
            no(cause, &line(&said.stderr))
        }
        Ask::Mysql(sql) if said.code == Some(0) => Some(value(sql, &said.stdout, '\t')),
        Ask::Mysql(_) => {
            let error = said.stderr.lines().find(|line| line.contains("ERROR"));
            let error = error.map_or_else(|| line(&said.stderr), str::to_owned);
            let number = clients::mysql_error_number(&error);
            no(
                number.map_or(Cause::OtherAnswer, clients::mysql_number),
                &error,
            )
        }
        Ask::Redis => {
            let (out, err) = (line(&said.stdout), line(&said.stderr));
            let lower = err.to_lowercase();
            match clients::redis_said(&out) {
                Ok(()) => Some(ProbeAnswer::yes("PONG", 0)),
                Err(_) if lower.contains("connection refused") => no(Cause::Refused, &err),
                Err(_) if lower.contains("could not connect") => no(Cause::Unreachable, &err),
                Err(cause) => no(cause, &out),
            }
        }
    }
}

fn value(sql: &Sql, stdout: &str, separator: char) -> ProbeAnswer {
    let first = stdout
        .lines()
        .next()
        .and_then(|line| line.split(separator).next());
    match clients::judge_value(sql, first) {
        Ok(said) => ProbeAnswer::yes(&said, 0),
        Err(said) => ProbeAnswer::no(Cause::OtherAnswer, &said, 0),
    }
}

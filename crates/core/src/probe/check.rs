//! Whether a probe can be asked at all. What a user wrote is refused here, before anything is done with it.

use std::net::IpAddr;

use super::{Ask, Http, Probe, Sql, Way};
use crate::driver::Problem;

/// Seconds that one try may take.
const TRY_SECONDS_MAX: u32 = 60;
/// Bytes of a text that a user gives: a query, a path, an expected answer.
const TEXT_BYTES_MAX: usize = 4096;
/// With these a statement that reads begins.
const READERS: &[&str] = &["select", "with", "show", "values", "table"];
/// With these one that reads writes a file of the server, or waits for locks as a writer does.
const WRITERS: &[&str] = &["outfile", "dumpfile"];

/// Whether the probe can be asked at all: a name, a port, one statement that reads. To be called when a gate is read, so that
/// a mistake shows before a run begins; [`decide`](super::decide) checks it too.
pub fn check(probe: &Probe) -> Result<(), Problem> {
    let refuse = |why: String| {
        let host = super::one_line(&probe.host);
        Err(Problem::stuck(
            "probe-invalid",
            format!("the {} probe of `{host}`: {why}", probe.ask.protocol()),
            "correct the probe",
        ))
    };
    match why_not(probe) {
        Some(why) => refuse(why),
        None => Ok(()),
    }
}

fn why_not(probe: &Probe) -> Option<String> {
    if !is_host(&probe.host) {
        return Some("the host is neither a name nor an address".to_owned());
    }
    if !(1..=TRY_SECONDS_MAX).contains(&probe.try_seconds) {
        return Some(format!("a try takes 1 to {TRY_SECONDS_MAX} seconds"));
    }
    if probe.port == Some(0) {
        return Some("0 is no port".to_owned());
    }
    let has_client = matches!(probe.ask, Ask::Postgresql(_) | Ask::Mysql(_) | Ask::Redis);
    if probe.way == Way::Exec && !has_client {
        return Some(
            "only PostgreSQL, MySQL and Redis are asked by a client of their own".to_owned(),
        );
    }
    if let Some(credentials) = &probe.credentials {
        if !has_client {
            return Some("its question needs no credentials".to_owned());
        }
        if probe.from.is_some() {
            return Some("with credentials it is asked from where their Secret is".to_owned());
        }
        let is_key = |key: &str| {
            !key.is_empty()
                && key.len() <= 253
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let keys = [
            Some(&credentials.secret),
            Some(&credentials.password_key),
            credentials.user_key.as_ref(),
        ];
        if !keys.into_iter().flatten().all(|key| is_key(key)) {
            return Some("name and keys of a Secret are letters, digits, `-`, `_`, `.`".to_owned());
        }
    }
    if let Some(from) = &probe.from
        && !is_label(from)
    {
        return Some("`from` is no name of a namespace".to_owned());
    }
    match &probe.ask {
        Ask::Tcp | Ask::Grpc(_) if probe.port.is_none() => Some("it needs a port".to_owned()),
        Ask::Dns { .. } if probe.port.is_some() => Some("a name has no port".to_owned()),
        Ask::Tcp | Ask::Dns { .. } | Ask::Redis => None,
        Ask::Grpc(grpc) => (!is_plain(&grpc.service)).then(|| "no name of a service".to_owned()),
        Ask::Http(http) => http_why_not(http),
        Ask::Postgresql(sql) | Ask::Mysql(sql) => sql_why_not(sql),
    }
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inner) && !text.starts_with('-')
}

fn is_host(host: &str) -> bool {
    let is_name = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    host.parse::<IpAddr>().is_ok() || host.len() <= 253 && name.split('.').all(is_name)
}

/// Not too long, and nothing in it that is not printed.
fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

fn http_why_not(http: &Http) -> Option<String> {
    let is_path = http.path.starts_with('/')
        && http.path.len() <= TEXT_BYTES_MAX
        && http.path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        return Some("its path begins with `/` and has no spaces".to_owned());
    }
    let is_range = 100 <= http.status_min && http.status_min <= http.status_max;
    if !is_range || http.status_max > 599 {
        return Some("statuses lie between 100 and 599, the lowest first".to_owned());
    }
    let text = http.text.as_deref();
    text.is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX)
        .then(|| format!("the expected text has 1 to {TEXT_BYTES_MAX} bytes"))
}

fn sql_why_not(sql: &Sql) -> Option<String> {
    let words = || {
        sql.query
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
    };
    if sql.query.len() > TEXT_BYTES_MAX {
        return Some(format!("its query has more than {TEXT_BYTES_MAX} bytes"));
    }
    let is_control = |c: char| c.is_control() && c != '\n' && c != '\t';
    if sql.query.contains([';', '\\']) || sql.query.contains(is_control) {
        return Some("its query is one statement, without `;` and `\\`".to_owned());
    }
    // Comments could hide a word, or what comes after the statement.
    if ["--", "/*", "#"]
        .iter()
        .any(|mark| sql.query.contains(mark))
    {
        return Some("its query has no comments, and no `#`".to_owned());
    }
    let reads = words()
        .next()
        .is_some_and(|word| READERS.contains(&word.as_str()))
        && sql
            .query
            .trim_start()
            .starts_with(|c: char| c.is_ascii_alphabetic());
    if !reads || words().any(|word| WRITERS.contains(&word.as_str())) {
        return Some(format!(
            "its query reads: it begins with {}, and writes no file",
            READERS.join(", ")
        ));
    }
    let names = [&sql.user, &sql.database];
    let is_name = |name: &String| {
        !name.is_empty()
            && name.len() <= 128
            && is_plain(name)
            && !name.contains(['=', '`', '/', '\\'])
    };
    if !names.into_iter().flatten().all(is_name) {
        return Some("its user and database are plain names".to_owned());
    }
    let expected = sql.expected.as_deref();
    expected
        .is_some_and(|text| text.len() > TEXT_BYTES_MAX || text.contains('\n'))
        .then(|| "what it expects is one line".to_owned())
}

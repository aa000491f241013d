//! Host names in a text: in URLs, before ports, as the whole of a value, beside a word such as `host`, or given to a
//! program that connects.
//!
//! Pure text; knows no Services. A name of one word counts only where its place says that it is a host, for every word may be
//! the name of a Service. Called by `texts` and `reading`.

use std::collections::BTreeSet;
use std::ops::Range;

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value or a file of configuration.
    Json,
    /// Commands and arguments.
    Script,
}

/// Of a longer text only the beginning is looked at.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// More hosts than this in one text are not configuration.
const HOSTS_MAX: usize = 256;
/// Ends of keys whose value is a host, or a list of hosts.
const HOST_KEYS: &[&str] = &[
    "host",
    "hosts",
    "hostname",
    "hostnames",
    "server",
    "servers",
    "address",
    "addresses",
    "addr",
    "addrs",
    "endpoint",
    "endpoints",
    "url",
    "urls",
    "uri",
    "uris",
    "dsn",
    "broker",
    "brokers",
    "bootstrap",
    "node",
    "nodes",
    "upstream",
    "primary",
    "master",
    "replica",
    "replicas",
    "sentinel",
    "sentinels",
    "seed",
    "seeds",
    "peer",
    "peers",
    "contactpoints",
];
/// Ends of keys whose value is anything but a host.
const OTHER_KEYS: &[&str] = &[
    "user",
    "username",
    "login",
    "password",
    "passwd",
    "pass",
    "secret",
    "token",
    "db",
    "database",
    "name",
    "schema",
    "role",
    "mode",
    "level",
    "type",
    "kind",
    "driver",
    "engine",
    "dialect",
    "backend",
    "adapter",
    "image",
    "tag",
    "version",
    "env",
    "environment",
    "id",
    "prefix",
    "topic",
    "queue",
    "exchange",
    "vhost",
    "bucket",
    "namespace",
    "store",
    "connection",
    "profile",
    "profiles",
    "provider",
    "component",
    "components",
    "label",
    "app",
    "owner",
    "group",
];
/// Programs whose bare arguments are hosts.
const TOOLS: &[&str] = &[
    "nc",
    "ncat",
    "netcat",
    "telnet",
    "ping",
    "nslookup",
    "getent",
    "dig",
    "curl",
    "wget",
    "pg_isready",
    "psql",
    "mysqladmin",
    "mysql",
    "mariadb-admin",
    "mariadb",
    "mongosh",
    "mongo",
    "redis-cli",
    "valkey-cli",
    "rabbitmqadmin",
    "kcat",
    "wait-for",
    "wait-for-it",
    "wait-for-it.sh",
    "wait-for.sh",
    "wait4ports",
    "wait_for",
    "wait-port",
    "dockerize",
    "wait4x",
    "tcp-port-wait.sh",
];
/// Flags whose argument is no host.
const OTHER_FLAGS: &[&str] = &[
    "-U", "-u", "-d", "-D", "-p", "-P", "-w", "-W", "-o", "-c", "-a", "-e",
];

/// Programs that a text starts: whether it connects anywhere, and so may wait for it.
pub(super) fn connects(script: &str) -> bool {
    let script = beginning(script);
    script.contains("/dev/tcp/") || words(script).any(|range| TOOLS.contains(&&script[range]))
}

/// The beginning of a text, cut between two characters.
pub(super) fn beginning(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Host names in a text; `key` is the name of the variable, the argument or the file that holds it.
pub(super) fn hosts(key: &str, text: &str, kind: Kind) -> BTreeSet<String> {
    let text = beginning(text);
    let mut found = BTreeSet::new();
    if text.trim_start().starts_with("-----BEGIN") {
        return found;
    }
    let consumed = authorities(text, &mut found);
    if kind == Kind::Json {
        whole(key, text.trim(), &mut found);
    }
    let mut consumed = consumed.iter().peekable();
    let mut before: Range<usize> = 0..0;
    let mut tool = false;
    for range in words(text) {
        let between = &text[before.end..range.start];
        let previous = &text[std::mem::replace(&mut before, range.clone())];
        let word = &text[range.clone()];
        if between.contains([';', '|', '&', '\n', '(', ')']) || previous == "--" {
            tool = false;
        }
        let given = tool && !OTHER_FLAGS.contains(&previous);
        tool |= kind == Kind::Script && TOOLS.contains(&word);
        while consumed.next_if(|one| one.end <= range.start).is_some() {}
        if consumed.peek().is_some_and(|one| one.start < range.end) {
            continue;
        }
        let host = word.trim_end_matches('.');
        if !is_host(host) || found.len() >= HOSTS_MAX {
            continue;
        }
        let is_one = host.contains('.')
            || given
            || has_port(&text[range.end..]) && !text[..range.start].ends_with('/')
            || text[..range.start].ends_with('@') && !text[range.end..].starts_with('(')
            || text[..range.start].ends_with("/dev/tcp/")
            || beside(previous, between);
        if is_one {
            found.insert(host.to_owned());
        }
    }
    found
}

/// Runs of the characters that names and flags are made of.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !inner(bytes[at]) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && inner(bytes[at]) {
            at += 1;
        }
        (start < at).then_some(start..at)
    })
}

/// A name as DNS has it, in small letters; the first letter tells it from a number.
fn is_host(word: &str) -> bool {
    word.len() <= 253
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// A port follows: a number that is no version.
fn has_port(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(':') else {
        return false;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ends = !rest[digits..].starts_with(|c: char| c == '.' || c.is_ascii_alphanumeric());
    (2..=5).contains(&digits) && ends && rest[..digits].parse::<u32>().is_ok_and(|port| port >= 80)
}

/// The last word of a key: `DATABASE_HOST`, `--redis-host`, `dbHost`.
fn ends_with(key: &str, ends: &[&str]) -> bool {
    let key = key.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_' || c == '-');
    let lower = key.to_ascii_lowercase();
    let short = lower
        .rsplit(['_', '-', '.', '/'])
        .next()
        .unwrap_or_default();
    ends.iter().any(|end| {
        short == *end || (end.len() > 3 && short.ends_with(end)) || (short == format!("pg{end}"))
    })
}

/// A value that is one name, or a list of them under a key that tells of hosts.
fn whole(key: &str, text: &str, found: &mut BTreeSet<String>) {
    let says_host = ends_with(key, HOST_KEYS);
    if is_host(text) {
        if says_host || !ends_with(key, OTHER_KEYS) {
            found.insert(text.to_owned());
        }
    } else if says_host && text.len() < 4096 && !text.contains('\n') {
        for piece in text.split([',', ' ', ';']) {
            let name = piece.split(':').next().unwrap_or_default();
            if is_host(name) && found.len() < HOSTS_MAX {
                found.insert(name.to_owned());
            }
        }
    }
}

/// `host=db`, `"host": "db"`, `--host db`, `-h db`, `<host>db`.
fn beside(previous: &str, between: &str) -> bool {
    let joins = !between.is_empty()
        && between.len() <= 8
        && between.bytes().all(|b| {
            matches!(
                b,
                b' ' | b'\t' | b'=' | b':' | b'"' | b'\'' | b'>' | b'[' | b'('
            )
        });
    joins && (matches!(previous, "-h" | "-H") || ends_with(previous, HOST_KEYS))
}

/// Hosts of URLs, and the ranges that those URLs take up to their paths: user and password are no hosts.
fn authorities(text: &str, found: &mut BTreeSet<String>) -> Vec<Range<usize>> {
    let mut consumed: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices("://") {
        let scheme = text[..at]
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .map_or(0, |place| {
                place + text[place..].chars().next().map_or(1, char::len_utf8)
            });
        let start = at + 3;
        let stops = |c: char| c.is_whitespace() || "/?#;\"'`<>()[]{}|\\".contains(c);
        let end = text[start..]
            .find(stops)
            .map_or(text.len(), |length| start + length);
        let authority = &text[start..end];
        let places = authority
            .rsplit_once('@')
            .map_or(authority, |(_, rest)| rest);
        for place in places.split(',') {
            let (host, port) = place.split_once(':').unwrap_or((place, ""));
            let host = host.trim_end_matches('.');
            let is_port = port.bytes().all(|b| b.is_ascii_digit());
            if is_host(host) && is_port && found.len() < HOSTS_MAX {
                found.insert(host.to_owned());
            }
        }
        if consumed.last().is_none_or(|last| last.end <= scheme) {
            consumed.push(scheme..end);
        } else if let Some(last) = consumed.last_mut() {
            last.end = last.end.max(end);
        }
    }
    consumed
}

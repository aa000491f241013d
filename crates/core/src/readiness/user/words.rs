//! The words of a gate, as users write them: exactly one kind, no field that is not known, nothing that cannot be asked. Called by
//! `UserGate::check`.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cel::Expression;
use super::{Check, ExecCheck};
use crate::probe::{self, Ask, Credentials, Grpc, Http, Probe, Sql, Tls, Way};

/// Longest command, in bytes.
const COMMAND_BYTES_MAX: usize = 16 * 1024;
/// Longest time of one try, in seconds.
const TRY_SECONDS_MAX: u32 = 60;

type Read = Result<Check, String>;
type Reader = fn(&Value) -> Read;

/// Kinds of gates and how their words are read.
const KINDS: &[(&str, Reader)] = &[
    ("cel", cel),
    ("exec", exec),
    ("http", http),
    ("sql", sql),
    ("tcp", tcp),
    ("grpc", grpc),
    ("dns", dns),
    ("redis", redis),
];

/// Reads `{"KIND": words}`.
pub(super) fn check(written: &Value) -> Read {
    let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    let names = names.join("`, `");
    let Some(fields) = written.as_object() else {
        return Err(format!("it is one of `{names}`"));
    };
    let mut fields = fields.iter();
    let (Some((kind, words)), None) = (fields.next(), fields.next()) else {
        let found = if written.as_object().is_some_and(serde_json::Map::is_empty) {
            "none"
        } else {
            "several"
        };
        return Err(format!(
            "it is exactly one of `{names}`, and not {found} of them"
        ));
    };
    match KINDS.iter().find(|(name, _)| name == kind) {
        Some((_, read)) => read(words).map_err(|why| format!("`{kind}`: {why}")),
        None => Err(format!("`{kind}` is not known: it is one of `{names}`")),
    }
}

fn read<T: DeserializeOwned>(words: &Value) -> Result<T, String> {
    if !words.is_object() {
        return Err("it is a map of fields; in an annotation, JSON".to_owned());
    }
    serde_json::from_value(words.clone()).map_err(|error| error.to_string())
}

fn cel(words: &Value) -> Read {
    let Some(text) = words.as_str() else {
        return Err("it is a text".to_owned());
    };
    Expression::parse(text).map_err(|fault| fault.to_string())?;
    Ok(Check::Cel(text.to_owned()))
}

fn tries(seconds: u32) -> Result<u32, String> {
    if (1..=TRY_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    Err(format!(
        "`trySeconds` is {seconds}: it is at least 1, and at most {TRY_SECONDS_MAX}"
    ))
}

fn exec(words: &Value) -> Read {
    let exec: ExecCheck = read(words)?;
    tries(exec.try_seconds)?;
    if exec.command.first().is_none_or(String::is_empty) {
        return Err("`command` names no program".to_owned());
    }
    if exec.command.iter().any(|word| word.contains('\0')) {
        return Err("`command` has a zero byte in it".to_owned());
    }
    if exec.command.iter().map(String::len).sum::<usize>() > COMMAND_BYTES_MAX {
        return Err(format!(
            "`command` is longer than {COMMAND_BYTES_MAX} bytes"
        ));
    }
    if exec.container.as_deref() == Some("") {
        return Err("`container` is empty".to_owned());
    }
    Ok(Check::Exec(exec))
}

/// Where and how a service is asked: the same words for all kinds.
struct Asked {
    service: String,
    port: Option<u16>,
    way: Option<Way>,
    from: Option<String>,
    credentials: Option<Secret>,
    try_seconds: Option<u32>,
}

/// A Secret with the password, and the user where it has one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Secret {
    name: String,
    password_key: String,
    user_key: Option<String>,
}

macro_rules! asked {
    ($words:ident, $way:expr) => {
        Asked {
            service: $words.service,
            port: $words.port,
            way: $way,
            from: $words.from,
            credentials: None,
            try_seconds: $words.try_seconds,
        }
    };
}

impl Asked {
    fn with(self, credentials: Option<Secret>) -> Self {
        Self {
            credentials,
            ..self
        }
    }

    fn probe(self, ask: Ask) -> Read {
        let mut probe = Probe::new(self.service, self.port, ask);
        probe.way = self.way.unwrap_or_default();
        probe.from = self.from;
        probe.credentials = self.credentials.map(|secret| Credentials {
            secret: secret.name,
            password_key: secret.password_key,
            user_key: secret.user_key,
        });
        if let Some(seconds) = self.try_seconds {
            probe.try_seconds = tries(seconds)?;
        }
        probe::check(&probe).map_err(|problem| format!("{}; {}", problem.message, problem.hint))?;
        Ok(Check::Probe(Box::new(probe)))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HttpWords {
    service: String,
    port: Option<u16>,
    path: Option<String>,
    status: Option<u16>,
    contains: Option<String>,
    tls: Option<Tls>,
    way: Option<Way>,
    from: Option<String>,
    try_seconds: Option<u32>,
}

fn http(words: &Value) -> Read {
    let words: HttpWords = read(words)?;
    let usual = Http::default();
    if words
        .status
        .is_some_and(|status| !(100..=599).contains(&status))
    {
        return Err("`status` is a number from 100 to 599".to_owned());
    }
    let ask = Http {
        tls: words.tls,
        path: words.path.unwrap_or(usual.path),
        status_min: words.status.unwrap_or(usual.status_min),
        status_max: words.status.unwrap_or(usual.status_max),
        text: words.contains,
    };
    asked!(words, words.way).probe(Ask::Http(ask))
}

/// Which protocol the database speaks.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    Postgresql,
    Mysql,
    Mariadb,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SqlWords {
    service: String,
    engine: Engine,
    port: Option<u16>,
    user: Option<String>,
    database: Option<String>,
    query: Option<String>,
    expect: Option<String>,
    secret: Option<Secret>,
    way: Option<Way>,
    from: Option<String>,
    try_seconds: Option<u32>,
}

fn sql(words: &Value) -> Read {
    let words: SqlWords = read(words)?;
    let ask = Sql {
        query: words.query.unwrap_or(Sql::default().query),
        expected: words.expect,
        user: words.user,
        database: words.database,
    };
    let ask = match words.engine {
        Engine::Postgresql => Ask::Postgresql(ask),
        Engine::Mysql | Engine::Mariadb => Ask::Mysql(ask),
    };
    asked!(words, words.way).with(words.secret).probe(ask)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TcpWords {
    service: String,
    port: Option<u16>,
    from: Option<String>,
    try_seconds: Option<u32>,
}

fn tcp(words: &Value) -> Read {
    let words: TcpWords = read(words)?;
    asked!(words, None).probe(Ask::Tcp)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GrpcWords {
    service: String,
    port: Option<u16>,
    /// Which service of the server.
    health: Option<String>,
    from: Option<String>,
    try_seconds: Option<u32>,
}

fn grpc(words: &Value) -> Read {
    let words: GrpcWords = read(words)?;
    let ask = Grpc {
        service: words.health.unwrap_or_default(),
    };
    asked!(words, None).probe(Ask::Grpc(ask))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DnsWords {
    name: String,
    address: Option<IpAddr>,
    from: Option<String>,
    try_seconds: Option<u32>,
}

fn dns(words: &Value) -> Read {
    let words: DnsWords = read(words)?;
    let ask = Ask::Dns {
        address: words.address,
    };
    let asked = Asked {
        service: words.name,
        port: None,
        way: None,
        from: words.from,
        credentials: None,
        try_seconds: words.try_seconds,
    };
    asked.probe(ask)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedisWords {
    service: String,
    port: Option<u16>,
    secret: Option<Secret>,
    way: Option<Way>,
    from: Option<String>,
    try_seconds: Option<u32>,
}

fn redis(words: &Value) -> Read {
    let words: RedisWords = read(words)?;
    asked!(words, words.way)
        .with(words.secret)
        .probe(Ask::Redis)
}

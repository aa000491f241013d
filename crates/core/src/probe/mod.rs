//! Probes: a question to a service inside the target cluster, and the way to its answer. Exec first, a pod second; nothing is
//! left behind.
//!
//! Pure, as drivers are: says what to read, gets the answers, says what to do. The question itself is asked by a container's own
//! client or by `refloat probe` in a pod. Called by whoever holds a gate closed until a service answers.

mod answer;
mod check;
pub mod clients;
mod decide;
mod exec;
mod pod;
mod policy;
mod target;
#[cfg(test)]
mod tests;
mod words;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use answer::{Cause, ProbeAnswer, one_line};
pub use check::check;
pub use decide::{decide, look};
pub use pod::{
    ORDER_VARIABLE, PASSWORD_VARIABLE, STEP_LABEL, USER_VARIABLE, last_no, object as pod_of,
    refused,
};

use crate::driver::{COMMAND_RUNNING, Outcome, Why};
use crate::names::RunId;

/// How long an answer may be waited for when the time of who asks is over.
pub const ANSWER_MAX: Duration = Duration::from_mins(1);

/// Whether it waits for the answer to a question that has been asked, or for its pod to go.
pub fn is_asking(why: &Why) -> bool {
    matches!(
        why.code.as_str(),
        "probe-asking" | "probe-going" | COMMAND_RUNNING
    )
}

/// One question to one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Probe {
    /// `web` (a Service in the task's namespace), `web.shop`, `web.shop.svc`, any other DNS name, or an address. For a DNS
    /// probe: the name that is asked for.
    pub host: String,
    /// Port; that of the protocol when `None`. TCP and gRPC have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What is asked.
    pub ask: Ask,
    /// How it may be asked.
    #[serde(default, skip_serializing_if = "Way::is_any")]
    pub way: Way,
    /// Namespace in which a probe pod runs, so that the network policies of that place count: Refloat's own when `None`. With
    /// credentials it is always the task's namespace, where their Secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How a probe pod proves who it is. A client in the server's own container needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// One try takes at most this many seconds, 1 to 60.
    #[serde(
        default = "default_try_seconds",
        skip_serializing_if = "is_default_try_seconds"
    )]
    pub try_seconds: u32,
}

/// Seconds of one try, unless said otherwise.
const TRY_SECONDS: u32 = 5;

fn default_try_seconds() -> u32 {
    TRY_SECONDS
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_default_try_seconds(seconds: &u32) -> bool {
    *seconds == TRY_SECONDS
}

impl Probe {
    /// The port that is asked, when the question has one.
    pub fn port(&self) -> Option<u16> {
        self.port.or(match &self.ask {
            Ask::Tcp | Ask::Dns { .. } | Ask::Grpc(_) => None,
            Ask::Http(http) => Some(if http.tls.is_some() { 443 } else { 80 }),
            Ask::Postgresql(_) => Some(5432),
            Ask::Mysql(_) => Some(3306),
            Ask::Redis => Some(6379),
        })
    }

    /// This question to that host, with everything else as usual.
    pub fn new(host: impl Into<String>, port: Option<u16>, ask: Ask) -> Self {
        Self {
            host: host.into(),
            port,
            ask,
            way: Way::Any,
            from: None,
            credentials: None,
            try_seconds: TRY_SECONDS,
        }
    }
}

/// What is asked. Every question reads; none changes anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Does something accept connections?
    Tcp,
    /// Does the name resolve, and to this address?
    Dns {
        /// One of the addresses that must be among the answers; any when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
    },
    /// Is a `GET` answered so?
    Http(Http),
    /// Does `grpc.health.v1.Health/Check` say `SERVING`?
    Grpc(Grpc),
    /// What does PostgreSQL answer to a query?
    Postgresql(Sql),
    /// What does MySQL or MariaDB answer to a query?
    Mysql(Sql),
    /// Does `PING` bring `PONG`?
    Redis,
}

/// A `GET`. Redirects are not followed: they are an answer like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Http {
    /// `None` for plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// `/healthz`.
    #[serde(default = "root")]
    pub path: String,
    /// Lowest status that counts as yes.
    #[serde(default = "status_min")]
    pub status_min: u16,
    /// Highest status that counts as yes.
    #[serde(default = "status_max")]
    pub status_max: u16,
    /// Text that the first 64 KiB of the body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

fn root() -> String {
    "/".to_owned()
}

fn status_min() -> u16 {
    200
}

fn status_max() -> u16 {
    299
}

impl Default for Http {
    fn default() -> Self {
        Self {
            tls: None,
            path: root(),
            status_min: status_min(),
            status_max: status_max(),
            text: None,
        }
    }
}

/// How a server's certificate is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// It must be good for the host, by the roots that the image of the probe pod trusts.
    Verify,
    /// Any is good: the question is whether the server answers, not who it is.
    AcceptAny,
}

/// A health check by gRPC (the protocol of `grpc.health.v1`), without TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Grpc {
    /// Which service of the server; empty for the server itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
}

/// One statement that reads, and its first value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sql {
    /// A single statement without `;` and `\`: `SELECT count(*) > 0 FROM orders`. It runs in a transaction that is read-only.
    #[serde(default = "select_one")]
    pub query: String,
    /// What its first value must be, as text. `None`: any but nothing, `f`, `false` and `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// As which user; the server's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In which database; the server's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

fn select_one() -> String {
    "SELECT 1".to_owned()
}

impl Default for Sql {
    fn default() -> Self {
        Self {
            query: select_one(),
            expected: None,
            user: None,
            database: None,
        }
    }
}

/// How a question may be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By the server's own client where there is one, else by a pod.
    #[default]
    Any,
    /// Only by the server's own client.
    Exec,
    /// Only by a pod: the way through the network is part of the question.
    Pod,
}

impl Ask {
    /// The protocol, for people.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Dns { .. } => "DNS",
            Self::Http(http) if http.tls.is_some() => "HTTPS",
            Self::Http(_) => "HTTP",
            Self::Grpc(_) => "gRPC",
            Self::Postgresql(_) => "PostgreSQL",
            Self::Mysql(_) => "MySQL",
            Self::Redis => "Redis",
        }
    }
}

impl Way {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

/// A Secret of the task's namespace. Its values go from there into the probe pod and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Credentials {
    /// Name of the Secret.
    pub secret: String,
    /// Key of the password.
    pub password_key: String,
    /// Key of the user; the one of the question when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,
}

/// A probe that a step of a run asks.
#[derive(Debug, Clone, Copy)]
pub struct ProbeTask<'a> {
    /// Whose run.
    pub run: &'a RunId,
    /// Which step of it, and which of its probes: unique in the run. It names the probe pod.
    pub step: &'a str,
    /// How often the run was resumed: what an earlier engine asked is asked anew.
    pub attempt: u32,
    /// Namespace in which short names and the credentials' Secret are.
    pub namespace: &'a str,
    /// What is asked.
    pub probe: &'a Probe,
    /// Image of probe pods: Refloat's own.
    pub image: &'a str,
    /// What the last effects of this step brought, in this process. `None` asks a pod anew, also after a yes.
    pub ran: Option<&'a Outcome>,
}

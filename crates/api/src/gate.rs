//! Gates of a user's own in a `Protection`: what must be true of an object before what waits for it may start.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must be true of an object before what waits for it may start: exactly one of `cel`, `exec`, `http`, `sql`, `tcp`, `grpc`, `dns`
/// and `redis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// Its name: lower-case letters, digits and `-`; unique in the protection.
    #[schemars(length(min = 1, max = 50))]
    pub name: String,
    /// What it is about: whatever waits for this object waits for the gate too.
    pub of: GateOf,
    /// A condition over the object in CEL: `object.status.readyReplicas == object.spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub cel: Option<String>,
    /// A command in a ready pod of the object; it opens by exit code 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<GateExec>,
    /// A `GET` that is answered well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<GateHttp>,
    /// A query that a database answers as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<GateSql>,
    /// A port that accepts connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<GateTcp>,
    /// A health check by gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GateGrpc>,
    /// A name that resolves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<GateDns>,
    /// A Redis that answers `PING`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<GateRedis>,
    /// It is waited for at most so many seconds; past it the recovery is stuck, and says what it would take.
    #[serde(default = "seconds_max")]
    #[schemars(range(min = 1, max = 86400))]
    pub seconds_max: u32,
}

fn seconds_max() -> u32 {
    600
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateOf {
    /// Its apiVersion, of which the group counts: `shop.example.com/v1`. Needed where two groups have a kind of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Its kind: `Deployment`.
    pub kind: String,
    /// Its namespace; any protected one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A command in a ready pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateExec {
    /// Container; the pod's default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Program and arguments. It is run about every second until it says yes, and should change nothing.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// One try takes at most so many seconds; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

/// How a server's certificate is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateTls {
    /// It must be good for the name.
    Verify,
    /// Any is good.
    AcceptAny,
}

/// How a question may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateWay {
    /// By the server's own client where there is one, else by a pod of Refloat's.
    Any,
    /// Only by the server's own client.
    Exec,
    /// Only by a pod: the way through the network is part of the question.
    Pod,
}

/// A Secret with a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateSecret {
    /// Name of the Secret, in the object's namespace.
    pub name: String,
    /// Key of the password.
    pub password_key: String,
    /// Key of the user, where the Secret has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,
}

/// A `GET`; redirects are answers like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateHttp {
    /// A Service in the object's namespace, `NAME.NAMESPACE`, or another host.
    pub service: String,
    /// Port; 80, or 443 with TLS, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path; `/` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Status; any from 200 to 299 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// Text that the beginning of the body holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// TLS; plain HTTP when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<GateTls>,
    /// How it may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<GateWay>,
    /// Namespace from which a pod asks; Refloat's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One try takes at most so many seconds; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

/// Which database is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateEngine {
    /// PostgreSQL.
    Postgresql,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

/// A query in a transaction that is read-only, and its first value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateSql {
    /// A Service in the object's namespace, `NAME.NAMESPACE`, or another host.
    pub service: String,
    /// Which database it is.
    pub engine: GateEngine,
    /// Port; the engine's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User; the server's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Database; the server's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// One statement that reads; `SELECT 1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What its first value is, as text; any but nothing, `f`, `false` and `0` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Who asks, where a pod asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<GateSecret>,
    /// How it may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<GateWay>,
    /// Namespace from which a pod asks; Refloat's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One try takes at most so many seconds; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateTcp {
    /// A Service in the object's namespace, `NAME.NAMESPACE`, or another host.
    pub service: String,
    /// Port.
    pub port: u16,
    /// Namespace from which a pod asks; Refloat's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One try takes at most so many seconds; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

/// A health check by gRPC, without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateGrpc {
    /// A Service in the object's namespace, `NAME.NAMESPACE`, or another host.
    pub service: String,
    /// Port.
    pub port: u16,
    /// Which service of the server; the server itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Namespace from which a pod asks; Refloat's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One try takes at most so many seconds; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

/// A name that resolves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateDns {
    /// The name: `web.shop`, `shop.example.com`.
    pub name: String,
    /// An address that must be among the answers; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Namespace from which a pod asks; Refloat's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One try takes at most so many seconds; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

/// A Redis that answers `PING`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateRedis {
    /// A Service in the object's namespace, `NAME.NAMESPACE`, or another host.
    pub service: String,
    /// Port; 6379 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who asks, where a pod asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<GateSecret>,
    /// How it may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<GateWay>,
    /// Namespace from which a pod asks; Refloat's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One try takes at most so many seconds; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub try_seconds: Option<u32>,
}

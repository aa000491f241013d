//! One try of a probe, from inside a probe pod: resolves, connects, asks one question, reads a bounded answer.
//!
//! Every foreign byte is taken for hostile: bounded in time and size, never followed elsewhere. Decides nothing but what the answer
//! is; what it means, and whether there is another try, is the engine's. Called by `refloat probe`.

mod grpc;
mod http;
mod mysql;
mod postgresql;
mod redis;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::time::Duration;

use refloat_core::probe::{Ask, Cause, Probe, ProbeAnswer, check};
use tokio::time::Instant;

/// What a probe pod was given from a Secret.
#[derive(Clone, Default)]
pub struct ProbeCredentials {
    /// The user; that of the question when `None`.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// A password is not printed.
impl fmt::Debug for ProbeCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProbeCredentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A no: in which way, and what was said.
type No = (Cause, String);
/// What was said, when it is a yes.
type Heard = Result<String, No>;

/// Asks once, within the time of a try.
pub async fn ask_once(probe: &Probe, credentials: &ProbeCredentials) -> ProbeAnswer {
    let began = Instant::now();
    let limit = Duration::from_secs(u64::from(probe.try_seconds));
    let heard = match check(probe) {
        Err(problem) => Err((Cause::BadOrder, problem.message)),
        Ok(()) => talk(probe, credentials, began + limit).await,
    };
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match heard {
        Ok(said) => ProbeAnswer::yes(&said, milliseconds),
        Err((cause, said)) if said.trim().is_empty() => {
            ProbeAnswer::no(cause, "an empty answer", milliseconds)
        }
        Err((cause, said)) => ProbeAnswer::no(cause, &said, milliseconds),
    }
}

async fn talk(probe: &Probe, credentials: &ProbeCredentials, deadline: Instant) -> Heard {
    let port = probe.port().unwrap_or_default();
    let addresses = stream::resolve(&probe.host, port, deadline).await?;
    if let Ask::Dns { address } = &probe.ask {
        let found: Vec<String> = addresses.iter().map(|one| one.ip().to_string()).collect();
        let found = found.join(", ");
        let good = address.is_none_or(|wanted| addresses.iter().any(|one| one.ip() == wanted));
        return if good {
            Ok(found)
        } else {
            Err((Cause::NameOther, found))
        };
    }
    let (stream, address) = stream::connect(&addresses, deadline).await?;
    let answer = async {
        match &probe.ask {
            Ask::Tcp | Ask::Dns { .. } => Ok(format!("{address} accepts connections")),
            Ask::Http(order) => http::ask(stream, &probe.host, port, order).await,
            Ask::Grpc(order) => grpc::ask(stream, &probe.host, port, order).await,
            Ask::Postgresql(order) => {
                postgresql::ask(stream, &probe.host, order, credentials).await
            }
            Ask::Mysql(order) => mysql::ask(stream, order, credentials).await,
            Ask::Redis => redis::ask(stream, credentials).await,
        }
    };
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(heard) => heard,
        Err(_) => Err((
            Cause::Silent,
            format!("{address} accepts connections and says nothing in time"),
        )),
    }
}

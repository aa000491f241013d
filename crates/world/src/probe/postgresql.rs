//! One read-only query of PostgreSQL. As its own client does it: by TLS, with whatever certificate, where the server speaks it and lets
//! the user in so, else without (PostgreSQL documentation, `sslmode=prefer`).

use std::io;
use std::net::IpAddr;
use std::pin::pin;

use futures::StreamExt as _;
use refloat_core::probe::{Cause, Sql, Tls, clients};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::stream::{Capped, cause};
use super::{Heard, No, ProbeCredentials, tls};

/// All that a server may say.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

pub(super) async fn ask(
    stream: TcpStream,
    host: &str,
    sql: &Sql,
    credentials: &ProbeCredentials,
) -> Heard {
    let user = credentials.user.as_deref().or(sql.user.as_deref());
    let user = user.unwrap_or("postgres");
    let mut config = Config::new();
    config
        .user(user)
        .dbname(sql.database.as_deref().unwrap_or(user))
        .application_name("refloat probe");
    if let Some(password) = &credentials.password {
        config.password(password);
    }
    let (client, connection) = connect(stream, host, config).await?;
    let asked = async {
        let value = query(&client, sql).await;
        drop(client);
        value
    };
    // The connection carries the question; it ends by itself when the client is gone.
    let (value, ended) = tokio::join!(asked, connection);
    let value = match (value, ended) {
        (Ok(value), _) => value,
        // What broke the connection says more than that it is closed.
        (Err((Cause::Closed, _)), Err(error)) => return Err(no(&error)),
        (Err(no), _) => return Err(no),
    };
    clients::judge_value(sql, value.as_deref()).map_err(|said| (Cause::OtherAnswer, said))
}

type Connected = (Client, Connection<Capped<TcpStream>, RustlsStream>);
type RustlsStream = <MakeRustlsConnect as MakeTlsConnect<Capped<TcpStream>>>::Stream;

async fn connect(stream: TcpStream, host: &str, mut config: Config) -> Result<Connected, No> {
    let address = stream
        .peer_addr()
        .map_err(|error| (cause(&error), error.to_string()))?;
    let of_tls = tls::config(Tls::AcceptAny).map_err(|error| (Cause::Tls, error.to_string()))?;
    let tls = MakeRustlsConnect::new(of_tls);
    let host = name_of(host, address.ip());
    let first = match connect_once(stream, &host, &config, tls.clone()).await {
        Err(error) if may_without(&error) => no(&error),
        tried => return tried.map_err(|error| no(&error)),
    };
    let Ok(again) = TcpStream::connect(address).await else {
        return Err(first);
    };
    config.ssl_mode(SslMode::Disable);
    let second = connect_once(again, &host, &config, tls).await;
    second.map_err(|second| {
        if wants_tls(&second) {
            first
        } else {
            no(&second)
        }
    })
}

async fn connect_once(
    stream: TcpStream,
    host: &str,
    config: &Config,
    mut tls: MakeRustlsConnect,
) -> Result<Connected, Error> {
    let Ok(tls) = MakeTlsConnect::<Capped<TcpStream>>::make_tls_connect(&mut tls, host);
    let stream = Capped {
        inner: stream,
        left: ANSWER_BYTES_MAX,
    };
    config.connect_raw(stream, tls).await
}

/// The name that the server is told. Some names of Services are none in a certificate (`db.2024`).
pub(super) fn name_of(host: &str, address: IpAddr) -> String {
    let host = host.trim_end_matches('.');
    match ServerName::try_from(host) {
        Ok(_) => host.to_owned(),
        Err(_) => address.to_string(),
    }
}

/// Whether it may do without TLS: the way to its words is closed, or it lets this user in over no connection of this kind (`pg_hba.conf`;
/// PostgreSQL documentation, appendix A).
fn may_without(error: &Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        // A password that it wants and that is not there is wanted without TLS, too.
        None => no(error).0 != Cause::Unauthorized,
    }
}

/// It says that it wants TLS: by its rules, or as poolers do, by a state of class 08.
fn wants_tls(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION || code.code().starts_with("08")
    })
}

fn io_error(error: &Error) -> Option<&io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

async fn query(client: &Client, sql: &Sql) -> Result<Option<String>, No> {
    let [begin, query, _] = clients::postgresql_statements(sql);
    client
        .batch_execute(&begin)
        .await
        .map_err(|error| no(&error))?;
    let rows = client
        .simple_query_raw(&query)
        .await
        .map_err(|error| no(&error))?;
    let mut rows = pin!(rows);
    // The connection is closed after the first row: the server rolls back.
    while let Some(message) = rows.next().await {
        match message.map_err(|error| no(&error))? {
            SimpleQueryMessage::Row(row) => {
                let value = row.try_get(0).ok().flatten();
                return Ok(value.map(str::to_owned));
            }
            SimpleQueryMessage::CommandComplete(_) => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

fn no(error: &Error) -> No {
    if let Some(of_server) = error.as_db_error() {
        let said = format!("{} ({})", of_server.message(), of_server.code().code());
        return (clients::postgresql_state(of_server.code().code()), said);
    }
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        said = format!("{said}: {inner}");
        source = inner.source();
    }
    let found = io_error(error).map(|error| {
        if tls::of_tls(error) {
            Cause::Tls
        } else {
            cause(error)
        }
    });
    let cause = match found {
        Some(cause) => cause,
        None if error.is_closed() => Cause::Closed,
        None if said.contains("password") || said.contains("authentication") => Cause::Unauthorized,
        None => Cause::OtherProtocol,
    };
    (cause, said)
}

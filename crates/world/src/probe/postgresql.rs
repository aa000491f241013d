//! One read-only query of PostgreSQL. As its own client does it: by TLS, with whatever certificate, where the server speaks it and lets
//! the user in so, else without (PostgreSQL documentation, `sslmode=prefer`).

use std::io;
use std::pin::pin;

use futures::StreamExt as _;
use refloat_core::probe::{Cause, Sql, Tls, clients};
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
    let address = stream.peer_addr().map_err(|error| of_io(&error))?;
    let of_tls = tls::config(Tls::AcceptAny).map_err(|error| (Cause::Tls, error.to_string()))?;
    let tls = MakeRustlsConnect::new(of_tls);
    let first = match connect_once(stream, host, &config, tls.clone()).await {
        Err(error) if is_of_tls(&error) || is_of_rules(&error) => error,
        tried => return tried.map_err(|error| no(&error)),
    };
    let again = TcpStream::connect(address).await;
    let again = again.map_err(|error| of_io(&error))?;
    config.ssl_mode(SslMode::Disable);
    let second = connect_once(again, host, &config, tls).await;
    second.map_err(|second| {
        no(if is_of_rules(&second) {
            &first
        } else {
            &second
        })
    })
}

async fn connect_once(
    stream: TcpStream,
    host: &str,
    config: &Config,
    mut tls: MakeRustlsConnect,
) -> Result<Connected, Error> {
    let host = host.trim_end_matches('.');
    let Ok(tls) = MakeTlsConnect::<Capped<TcpStream>>::make_tls_connect(&mut tls, host);
    let stream = Capped {
        inner: stream,
        left: ANSWER_BYTES_MAX,
    };
    config.connect_raw(stream, tls).await
}

/// The server speaks no TLS that is spoken here.
fn is_of_tls(error: &Error) -> bool {
    io_error(error).is_some_and(tls::of_tls)
}

/// No rule of the server's (`pg_hba.conf`) lets this user in over a connection of this kind (PostgreSQL documentation, appendix A).
fn is_of_rules(error: &Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
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

fn of_io(error: &io::Error) -> No {
    (cause(error), error.to_string())
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

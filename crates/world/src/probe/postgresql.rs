//! One read-only query of PostgreSQL, over a connection without TLS.

use std::pin::pin;

use futures::StreamExt as _;
use refloat_core::probe::{Cause, Sql, clients};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use super::stream::{Capped, cause};
use super::{Heard, No, ProbeCredentials};

/// All that a server may say.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

pub(super) async fn ask(stream: TcpStream, sql: &Sql, credentials: &ProbeCredentials) -> Heard {
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
    let stream = Capped {
        inner: stream,
        left: ANSWER_BYTES_MAX,
    };
    let (client, connection) = config
        .connect_raw(stream, NoTls)
        .await
        .map_err(|error| no(&error))?;
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
    let mut found = None;
    while let Some(inner) = source {
        said = format!("{said}: {inner}");
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            found = Some(cause(error));
        }
        source = inner.source();
    }
    let cause = match found {
        Some(cause) => cause,
        None if error.is_closed() => Cause::Closed,
        None if said.contains("password") || said.contains("authentication") => Cause::Unauthorized,
        None => Cause::OtherProtocol,
    };
    (cause, said)
}

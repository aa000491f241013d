//! One read-only query of MySQL or MariaDB. As their own clients do it: by TLS, with whatever certificate, where the server speaks it,
//! else without (MySQL documentation, `--ssl-mode=PREFERRED`).

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, DriverError, Error, IoError, OptsBuilder, Row, SslOpts, Value};
use refloat_core::probe::{Cause, Sql, clients};
use rustls::crypto::ring;
use tokio::net::TcpStream;

use super::stream::cause;
use super::tls::of_tls;
use super::{Heard, No, ProbeCredentials};

/// Longest packet that a server may send.
const PACKET_BYTES_MAX: usize = 1024 * 1024;

/// The client connects by itself. The connection that was made before has done its part: it told a refusal from a silence. The server
/// counts it, and one that ends because there is no TLS, as interrupted, and forgets that with the next good one (MySQL documentation,
/// `max_connect_errors`).
pub(super) async fn ask(first: TcpStream, sql: &Sql, credentials: &ProbeCredentials) -> Heard {
    let address = first
        .peer_addr()
        .map_err(|error| (cause(&error), error.to_string()))?;
    drop(first);
    let user = credentials.user.as_deref().or(sql.user.as_deref());
    let options = OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some(user.unwrap_or("root")))
        .pass(credentials.password.as_deref())
        .db_name(sql.database.as_deref())
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(60));
    let mut connection = connect(options).await.map_err(|error| no(&error))?;
    let value = query(&mut connection, sql)
        .await
        .map_err(|error| no(&error))?;
    // The server rolls back when the connection is closed.
    drop(connection);
    clients::judge_value(sql, value.as_deref()).map_err(|said| (Cause::OtherAnswer, said))
}

async fn connect(options: OptsBuilder) -> Result<Conn, Error> {
    // The client takes the provider of the process; who installed one before decided so.
    drop(ring::default_provider().install_default());
    let any = SslOpts::default()
        .with_danger_accept_invalid_certs(true)
        .with_danger_skip_domain_validation(true);
    let first = match Conn::new(options.clone().ssl_opts(any)).await {
        Err(error) if !matches!(error, Error::Server(_)) => error,
        tried => return tried,
    };
    let second = Conn::new(options).await;
    second.map_err(|second| match first {
        Error::Driver(DriverError::NoClientSslFlagFromServer) => second,
        _ if wants_tls(&second) => first,
        _ => second,
    })
}

/// It may want TLS: of everybody (3159, `ER_SECURE_TRANSPORT_REQUIRED`), or of this user, which it calls a denied access (1045).
fn wants_tls(error: &Error) -> bool {
    matches!(error, Error::Server(said) if matches!(said.code, 1045 | 3159))
}

async fn query(connection: &mut Conn, sql: &Sql) -> Result<Option<String>, Error> {
    let [session, begin, query, _] = clients::mysql_statements(sql);
    connection.query_drop(session).await?;
    connection.query_drop(begin).await?;
    let mut rows = connection.query_iter(query).await?;
    let row: Option<Row> = rows.next().await?;
    let first = row.as_ref().and_then(|row| row.as_ref(0));
    Ok(first.and_then(|value| match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }))
}

fn no(error: &Error) -> No {
    match error {
        Error::Server(of_server) => (
            clients::mysql_number(u32::from(of_server.code)),
            format!("{} ({})", of_server.message, of_server.code),
        ),
        Error::Io(IoError::Io(error)) if of_tls(error) => (Cause::Tls, error.to_string()),
        Error::Io(IoError::Io(error)) => (cause(error), error.to_string()),
        Error::Io(IoError::Tls(error)) => (Cause::Tls, error.to_string()),
        Error::Driver(DriverError::ConnectionClosed) => (Cause::Closed, error.to_string()),
        Error::Driver(
            DriverError::MysqlOldPasswordDisabled | DriverError::CleartextPluginDisabled,
        ) => (Cause::Unauthorized, error.to_string()),
        _ => (Cause::OtherProtocol, error.to_string()),
    }
}

//! How a server is asked by the client in its own container, and what the answers of servers mean, whoever asked.
//!
//! The clients go over the local socket, as the image's own user, with the password that the image was given. Used by probes and
//! by the drivers of these databases.

use super::{Cause, Sql};

/// What makes `psql` print bare values and end at the first error.
pub const PSQL_FLAGS: &[&str] = &[
    "--no-psqlrc",
    "--quiet",
    "--tuples-only",
    "--no-align",
    "--no-password",
    "--set=ON_ERROR_STOP=1",
];

/// Between the values of a row.
pub(super) const SEPARATOR: char = '\u{1f}';

/// `psql` as the image's own user unless told otherwise: `$1` user, `$2` database, then its flags. Whatever it is given, it reads.
pub(super) const PSQL: &str = r#"command -v psql >/dev/null 2>&1 || { echo 'no psql' >&2; exit 127; }
user=${1:-${POSTGRES_USER:-${POSTGRESQL_USERNAME:-postgres}}}
database=${2:-${POSTGRES_DB:-${POSTGRESQL_DATABASE:-$user}}}
shift 2
if [ -z "${PGPASSWORD:-}" ]; then
PGPASSWORD=${POSTGRES_PASSWORD:-${POSTGRESQL_PASSWORD:-}}
[ -z "$PGPASSWORD" ] && [ -r "${POSTGRES_PASSWORD_FILE:-}" ] && PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
fi
export PGPASSWORD PGOPTIONS='-c default_transaction_read_only=on'
exec psql "$@" --username="$user" --dbname="$database""#;

/// The image's own client on the local socket, with the password that the image was given; `$1` is the user. It ends at
/// the first error, whatever the container's option files say, and never connects a second time.
pub const MARIADB: &str = r#"client=$(command -v mariadb || command -v mysql) || { echo 'no mariadb or mysql client' >&2; exit 127; }
MYSQL_PWD=${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}
for file in "${MARIADB_ROOT_PASSWORD_FILE:-}" "${MYSQL_ROOT_PASSWORD_FILE:-}"; do
[ -z "$MYSQL_PWD" ] && [ -n "$file" ] && [ -r "$file" ] && MYSQL_PWD=$(cat "$file")
done
export MYSQL_PWD
exec "$client" --batch --raw --unbuffered --skip-column-names --skip-reconnect --skip-force --user="$1""#;

/// `PING` by the image's own client; `$1` is the port.
pub(super) const REDIS: &str = r#"client=$(command -v valkey-cli || command -v redis-cli) || { echo 'no valkey-cli or redis-cli' >&2; exit 127; }
REDISCLI_AUTH=${REDISCLI_AUTH:-${REDIS_PASSWORD:-${VALKEY_PASSWORD:-}}}
[ -z "$REDISCLI_AUTH" ] && [ -r "${REDIS_PASSWORD_FILE:-}" ] && REDISCLI_AUTH=$(cat "$REDIS_PASSWORD_FILE")
if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
exec "$client" -p "$1" PING"#;

/// What is typed into `psql`. Also a server that was told otherwise runs it in a transaction that is read-only.
pub fn postgresql_statements(sql: &Sql) -> [String; 3] {
    [
        "BEGIN READ ONLY".to_owned(),
        sql.query.clone(),
        "ROLLBACK".to_owned(),
    ]
}

/// What is typed into `mariadb` or `mysql`. A session that is read-only refuses also what commits by itself.
pub fn mysql_statements(sql: &Sql) -> [String; 4] {
    [
        "SET SESSION TRANSACTION READ ONLY".to_owned(),
        "START TRANSACTION READ ONLY".to_owned(),
        sql.query.clone(),
        "ROLLBACK".to_owned(),
    ]
}

/// Whether the first value of an answer is the one that is hoped for, and what to say of it.
pub fn judge_value(sql: &Sql, value: Option<&str>) -> Result<String, String> {
    let shown = value.map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
    match (&sql.expected, value) {
        (Some(expected), Some(value)) if expected == value => Ok(format!("answers {shown}")),
        (Some(expected), _) => Err(format!("answers {shown}, not `{expected}`")),
        (None, Some("" | "f" | "false" | "0" | "NULL") | None) => Err(format!("answers {shown}")),
        (None, Some(_)) => Ok(format!("answers {shown}")),
    }
}

/// What an error of PostgreSQL means, by its SQLSTATE (PostgreSQL documentation, "PostgreSQL Error Codes").
pub fn postgresql_state(state: &str) -> Cause {
    match state {
        // Starting up, in recovery, shutting down, too many connections, cannot connect now.
        "57P03" | "57P01" | "57P02" | "53300" | "55000" => Cause::NotReady,
        state if state.starts_with("28") || state == "42501" => Cause::Unauthorized,
        "57014" => Cause::Silent,
        state if state.starts_with("3D") || state.starts_with("42") || state.starts_with("22") => {
            Cause::BadQuestion
        }
        // A writer: the session is read-only.
        "25006" => Cause::BadQuestion,
        state if state.starts_with("08") => Cause::Closed,
        _ => Cause::OtherAnswer,
    }
}

/// What `psql` says on its standard error.
pub(super) fn psql_said(lower: &str) -> Cause {
    let has = |all: &[&str]| all.iter().any(|words| lower.contains(words));
    if has(&[
        "starting up",
        "recovery mode",
        "shutting down",
        "too many clients",
        "connection slots are reserved",
        "not yet accepting connections",
    ]) {
        return Cause::NotReady;
    }
    let no_role = lower.contains("role") && lower.contains("does not exist");
    if no_role
        || has(&[
            "authentication failed",
            "no password supplied",
            "permission denied",
            "pg_hba.conf",
        ])
    {
        return Cause::Unauthorized;
    }
    if has(&[
        "connection refused",
        "no such file",
        "is the server running",
    ]) {
        return Cause::Refused;
    }
    if has(&["server closed the connection", "terminating connection"]) {
        return Cause::Closed;
    }
    if has(&["does not exist", "syntax error", "read-only transaction"]) {
        return Cause::BadQuestion;
    }
    Cause::OtherAnswer
}

/// What an error of MySQL or MariaDB means, by its number (MariaDB documentation, "MariaDB Error Codes"; 4151 is
/// MariaDB's, 3118 and 1820 MySQL's).
pub fn mysql_number(number: u32) -> Cause {
    match number {
        1040 | 1053 | 1203 | 1290 | 1836 => Cause::NotReady,
        1044 | 1045 | 1130 | 1142 | 1227 | 1251 | 1698 | 1820 | 3118 | 4151 => Cause::Unauthorized,
        1049 | 1054 | 1064 | 1146 | 1305 | 1792 => Cause::BadQuestion,
        2002 | 2003 => Cause::Refused,
        2006 | 2013 => Cause::Closed,
        _ => Cause::OtherAnswer,
    }
}

/// The number in `ERROR 1045 (28000): Access denied …`.
pub(super) fn mysql_error_number(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("ERROR ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What Redis or Valkey says to `PING`, without the `+` or `-` of its protocol: `Ok` for a yes (Redis documentation, "PING",
/// "Redis serialization protocol specification").
pub fn redis_said(line: &str) -> Result<(), Cause> {
    let word = line.trim_start_matches("(error) ");
    let word = word.split_whitespace().next().unwrap_or_default();
    match word {
        "PONG" => Ok(()),
        "LOADING" | "MASTERDOWN" | "BUSY" | "CLUSTERDOWN" | "TRYAGAIN" => Err(Cause::NotReady),
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => Err(Cause::Unauthorized),
        "ERR" => Err(if line.contains("max number of clients") {
            Cause::NotReady
        } else if line.to_lowercase().contains("password") {
            Cause::Unauthorized
        } else {
            Cause::OtherAnswer
        }),
        word if word.chars().all(|c| c.is_ascii_uppercase()) && !word.is_empty() => {
            Err(Cause::OtherAnswer)
        }
        _ => Err(Cause::OtherProtocol),
    }
}

//! What clients and servers say, protocol by protocol, and what becomes of it.

use proptest::prelude::*;

use super::ways::{Scene, decided};
use crate::driver::{ExecAnswer, Verdict};
use crate::probe::*;

fn sql(expected: Option<&str>) -> Sql {
    Sql {
        expected: expected.map(str::to_owned),
        ..Sql::default()
    }
}

fn said(code: i32, stdout: &str, stderr: &str) -> ExecAnswer {
    ExecAnswer {
        code: Some(code),
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    }
}

/// `yes`, or the code of the wait; with `!` when it is a failure if it stays so.
fn becomes(ask: Ask, answer: ExecAnswer) -> String {
    let scene = Scene::with_client(Probe::new("db", None, ask), answer);
    match decided(&scene) {
        Verdict::Done(outcome) => {
            assert_eq!(outcome.text("way"), Some("exec"));
            "yes".to_owned()
        }
        Verdict::Wait(why) => {
            assert!(
                !why.takes.is_empty() && why.message.contains("db:"),
                "{why:?}"
            );
            assert!(
                why.message.len() < 900 && !why.message.contains('\n'),
                "{why:?}"
            );
            format!(
                "{}{}",
                why.code,
                if why.failing.is_some() { "!" } else { "" }
            )
        }
        Verdict::Act(_) => "pod".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn postgresql_by_its_values() {
    let cases = [
        (None, said(0, "1\n", ""), "yes"),
        (None, said(0, "t\u{1f}other\n", ""), "yes"),
        (Some("t"), said(0, "t\n", ""), "yes"),
        (Some("t"), said(0, "t\u{1f}f\n", ""), "yes"),
        (Some("t"), said(0, "f\n", ""), "probe-other-answer"),
        (Some("t"), said(0, "true\n", ""), "probe-other-answer"),
        (Some("t"), said(0, "", ""), "probe-other-answer"),
        (None, said(0, "f\n", ""), "probe-other-answer"),
        (None, said(0, "0\n", ""), "probe-other-answer"),
        (None, said(0, "\n", ""), "probe-other-answer"),
        (None, said(0, "", ""), "probe-other-answer"),
        (Some(""), said(0, "\n", ""), "yes"),
    ];
    for (expected, answer, then) in cases {
        let shown = format!("{expected:?} {answer:.200?}");
        assert_eq!(
            becomes(Ask::Postgresql(sql(expected)), answer),
            then,
            "{shown}"
        );
    }
}

#[test]
fn postgresql_by_its_errors() {
    let fatal = |text: &str| {
        said(
            2,
            "",
            &format!("psql: error: connection to server on socket failed: FATAL:  {text}\n"),
        )
    };
    let error = |text: &str| said(3, "", &format!("ERROR:  {text}\nLINE 1: SELECT\n"));
    let cases = [
        (
            fatal("the database system is starting up"),
            "probe-not-ready",
        ),
        (fatal("sorry, too many clients already"), "probe-not-ready"),
        (
            fatal("password authentication failed for user \"x\""),
            "probe-unauthorized!",
        ),
        (fatal("role \"x\" does not exist"), "probe-unauthorized!"),
        (
            fatal("no pg_hba.conf entry for host"),
            "probe-unauthorized!",
        ),
        (fatal("database \"x\" does not exist"), "probe-bad-question"),
        (
            error("relation \"orders\" does not exist"),
            "probe-bad-question",
        ),
        (
            error("permission denied for table orders"),
            "probe-unauthorized!",
        ),
        (
            error("cannot execute DELETE in a read-only transaction"),
            "probe-bad-question",
        ),
        (error("division by zero"), "probe-other-answer"),
        (
            said(
                2,
                "",
                "psql: error: connection to server on socket \"/x\" failed: No such file or directory",
            ),
            "probe-refused",
        ),
        (
            said(2, "", "server closed the connection unexpectedly"),
            "probe-closed",
        ),
        (said(127, "", "no psql"), "pod"),
        (said(126, "", ""), "pod"),
        (said(1, "", ""), "probe-other-answer"),
        (said(1, "", "\u{1b}[31mred\u{7}\n"), "probe-other-answer"),
        (
            ExecAnswer {
                code: None,
                stdout: "1\n".to_owned(),
                stderr: String::new(),
            },
            "probe-silent",
        ),
        (said(1, "", &"long ".repeat(10_000)), "probe-other-answer"),
    ];
    for (answer, then) in cases {
        let shown = format!("{answer:.200?}");
        assert_eq!(becomes(Ask::Postgresql(sql(None)), answer), then, "{shown}");
    }
}

#[test]
fn mysql_by_its_client() {
    let error = |text: &str| said(1, "", &format!("ERROR {text}\n"));
    let cases = [
        (None, said(0, "1\n", ""), "yes"),
        (Some("1"), said(0, "1\tother\n", ""), "yes"),
        (Some("1"), said(0, "0\n", ""), "probe-other-answer"),
        (None, said(0, "NULL\n", ""), "probe-other-answer"),
        (
            None,
            error("1045 (28000): Access denied for user 'x'@'localhost'"),
            "probe-unauthorized!",
        ),
        (
            None,
            error("1698 (28000): Access denied"),
            "probe-unauthorized!",
        ),
        (
            None,
            error("1146 (42S02) at line 1: Table 'a.b' doesn't exist"),
            "probe-bad-question",
        ),
        (
            None,
            error("1792 (25006): Cannot execute statement in a READ ONLY transaction"),
            "probe-bad-question",
        ),
        (
            None,
            error("1040 (HY000): Too many connections"),
            "probe-not-ready",
        ),
        (
            None,
            error("2002 (HY000): Can't connect to local server through socket"),
            "probe-refused",
        ),
        (None, error("2013 (HY000): Lost connection"), "probe-closed"),
        (None, error("nonsense"), "probe-other-answer"),
        (None, said(1, "", ""), "probe-other-answer"),
        (None, said(127, "", "no mariadb or mysql client"), "pod"),
    ];
    for (expected, answer, then) in cases {
        let shown = format!("{expected:?} {answer:?}");
        assert_eq!(becomes(Ask::Mysql(sql(expected)), answer), then, "{shown}");
    }
}

#[test]
fn redis_by_its_client() {
    let refused = "Could not connect to Redis at 127.0.0.1:6379: Connection refused";
    let cases = [
        (said(0, "PONG\n", ""), "yes"),
        (said(0, "PONG\n", "Warning: Using a password\n"), "yes"),
        (
            said(0, "LOADING Redis is loading the dataset in memory\n", ""),
            "probe-not-ready",
        ),
        (
            said(0, "(error) LOADING Redis is loading\n", ""),
            "probe-not-ready",
        ),
        (
            said(0, "MASTERDOWN Link with MASTER is down\n", ""),
            "probe-not-ready",
        ),
        (said(0, "BUSY Redis is busy\n", ""), "probe-not-ready"),
        (
            said(0, "NOAUTH Authentication required.\n", ""),
            "probe-unauthorized!",
        ),
        (
            said(0, "WRONGPASS invalid username-password pair\n", ""),
            "probe-unauthorized!",
        ),
        (
            said(0, "ERR max number of clients reached\n", ""),
            "probe-not-ready",
        ),
        (
            said(0, "ERR operation not permitted, password required\n", ""),
            "probe-unauthorized!",
        ),
        (said(0, "ERR something\n", ""), "probe-other-answer"),
        (
            said(0, "READONLY You can't write\n", ""),
            "probe-other-answer",
        ),
        (said(0, "<html>\n", ""), "probe-other-protocol"),
        (said(0, "", ""), "probe-other-protocol"),
        (said(1, "", refused), "probe-refused"),
        (said(127, "", ""), "pod"),
    ];
    for (answer, then) in cases {
        let shown = format!("{answer:?}");
        assert_eq!(becomes(Ask::Redis, answer), then, "{shown}");
    }
}

#[test]
fn errors_by_number_and_state() {
    let states = [
        ("57P03", Cause::NotReady),
        ("28P01", Cause::Unauthorized),
        ("28000", Cause::Unauthorized),
        ("3D000", Cause::BadQuestion),
        ("42P01", Cause::BadQuestion),
        ("42501", Cause::Unauthorized),
        ("57014", Cause::Silent),
        ("25006", Cause::BadQuestion),
        ("08006", Cause::Closed),
        ("XX000", Cause::OtherAnswer),
        ("", Cause::OtherAnswer),
        ("é", Cause::OtherAnswer),
    ];
    for (state, cause) in states {
        assert_eq!(clients::postgresql_state(state), cause, "{state}");
    }
    assert_eq!(clients::mysql_number(1045), Cause::Unauthorized);
    assert_eq!(clients::mysql_number(0), Cause::OtherAnswer);
}

proptest! {
    #[test]
    fn whatever_is_said_is_one_short_line(text in any::<String>()) {
        let line = one_line(&text);
        prop_assert!(line.len() <= 410);
        prop_assert!(!line.chars().any(char::is_control));
    }

    #[test]
    fn whatever_a_client_says_there_is_a_verdict(code in any::<Option<i32>>(), stdout in any::<String>(), stderr in any::<String>()) {
        for ask in [Ask::Postgresql(sql(Some("1"))), Ask::Mysql(sql(None)), Ask::Redis] {
            let answer = ExecAnswer { code, stdout: stdout.clone(), stderr: stderr.clone() };
            becomes(ask, answer);
        }
    }
}

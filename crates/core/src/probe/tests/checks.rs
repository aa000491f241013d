//! What may be asked: every mistake of a user, and every attempt to make a question do something.

use crate::probe::*;

fn sql(query: &str) -> Probe {
    let sql = Sql {
        query: query.to_owned(),
        ..Sql::default()
    };
    Probe::new("db", None, Ask::Postgresql(sql))
}

fn path(path: &str) -> Probe {
    let http = Http {
        path: path.to_owned(),
        ..Http::default()
    };
    Probe::new("web", None, Ask::Http(http))
}

fn host(host: &str) -> Probe {
    Probe::new(host, Some(80), Ask::Tcp)
}

#[test]
fn what_reads_is_taken() {
    let good = [
        sql("SELECT 1"),
        sql("  select count(*) > 0\nFROM orders WHERE name = 'it''s'"),
        sql("SHOW transaction_read_only"),
        sql("WITH a AS (SELECT 1) SELECT * FROM a"),
        path("/"),
        path("/healthz?full=1&x=%20"),
        host("db"),
        host("db.shop.svc.cluster.local"),
        host("db.example.com."),
        host("10.1.2.3"),
        host("fd00::1"),
        host("_sip._tcp.example"),
        Probe::new("db", None, Ask::Redis),
        Probe::new("db", None, Ask::Dns { address: None }),
    ];
    for probe in good {
        assert_eq!(check(&probe), Ok(()), "{probe:?}");
    }
}

#[test]
fn what_could_do_more_is_refused() {
    let long = "x".repeat(5000);
    let bad = [
        sql(""),
        sql("SELECT 1; DROP TABLE orders"),
        sql("SELECT 1;"),
        sql("\\! rm -rf /"),
        sql("SELECT 1 \\g /tmp/x"),
        sql("DELETE FROM orders"),
        sql("(DELETE FROM orders)"),
        sql("COMMIT"),
        sql("COPY orders TO PROGRAM 'sh'"),
        sql("SELECT * FROM a INTO OUTFILE '/tmp/x'"),
        sql("SELECT 1 INTO/**/DUMPFILE '/tmp/x'"),
        sql("SELECT 1 -- and"),
        sql("SELECT 1 # and"),
        sql("SELECT 1 /*! and */"),
        sql("SELECT 1\u{0}"),
        sql("SELECT 1\r\nGO"),
        sql(&format!("SELECT '{long}'")),
        path(""),
        path("healthz"),
        path("/a b"),
        path("/a\r\nHost: other"),
        path(&format!("/{long}")),
        host(""),
        host("-oProxyCommand=x"),
        host("a b"),
        host("db;reboot"),
        host("db/../x"),
        host("http://db"),
        host("user@db"),
        host("db\n"),
        host(&"a.".repeat(200)),
        host("a..b"),
        Probe::new("db", Some(0), Ask::Tcp),
        Probe::new("db", None, Ask::Tcp),
        Probe::new("db", None, Ask::Grpc(Grpc::default())),
        Probe::new("db", Some(53), Ask::Dns { address: None }),
    ];
    for probe in bad {
        let problem = check(&probe).expect_err(&format!("{probe:?}"));
        assert_eq!(problem.code, "probe-invalid");
        assert!(!problem.message.contains('\n'), "{}", problem.message);
        assert!(problem.message.len() < 700, "{}", problem.message);
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let credentials = Credentials {
        secret: "db".to_owned(),
        password_key: "password".to_owned(),
        user_key: None,
    };
    let redis = || Probe::new("db", None, Ask::Redis);
    let with = |change: &dyn Fn(&mut Probe)| {
        let mut probe = redis();
        change(&mut probe);
        check(&probe).is_err()
    };
    assert!(!with(&|probe| probe.credentials = Some(credentials.clone())));
    assert!(with(&|probe| {
        probe.credentials = Some(credentials.clone());
        probe.from = Some("shop".to_owned());
    }));
    assert!(with(&|probe| {
        probe.credentials = Some(Credentials {
            secret: "../x".to_owned(),
            ..credentials.clone()
        });
    }));
    assert!(with(&|probe| {
        probe.credentials = Some(credentials.clone());
        probe.ask = Ask::Http(Http::default());
    }));
    assert!(with(&|probe| probe.from = Some("Shop".to_owned())));
    assert!(with(&|probe| probe.try_seconds = 0));
    assert!(with(&|probe| probe.try_seconds = 3600));
    assert!(!with(&|probe| probe.way = Way::Exec));
    assert!(with(&|probe| {
        probe.way = Way::Exec;
        probe.ask = Ask::Http(Http::default());
    }));
    for name in ["", "a=b", "postgres://x", "a`b", "a/b"] {
        let sql = Sql {
            database: Some(name.to_owned()),
            ..Sql::default()
        };
        assert!(
            check(&Probe::new("db", None, Ask::Mysql(sql))).is_err(),
            "{name}"
        );
    }
    let statuses = |status_min, status_max| {
        let http = Http {
            status_min,
            status_max,
            ..Http::default()
        };
        check(&Probe::new("web", None, Ask::Http(http))).is_ok()
    };
    assert!(statuses(200, 200) && statuses(200, 599));
    assert!(!statuses(300, 200) && !statuses(0, 200) && !statuses(200, 600));
}

/// A probe is part of plans, which are kept: this text is read for ever.
#[test]
fn its_format_is_read_as_it_was_written() {
    let texts = [
        r#"{"host":"db","port":5432,"ask":{"postgresql":{"query":"SELECT 1","expected":"1","user":"app","database":"shop"}},"credentials":{"secret":"db","password-key":"password","user-key":"user"}}"#,
        r#"{"host":"web","ask":{"http":{"tls":"accept-any","path":"/healthz","status-min":200,"status-max":204,"text":"ok"}},"way":"pod","from":"shop","try-seconds":9}"#,
        r#"{"host":"api","port":9000,"ask":{"grpc":{"service":"shop.Orders"}}}"#,
        r#"{"host":"db","ask":{"dns":{"address":"10.0.0.1"}}}"#,
        r#"{"host":"db","port":1,"ask":"tcp"}"#,
        r#"{"host":"cache","ask":"redis","way":"exec"}"#,
    ];
    for text in texts {
        let probe: Probe = serde_json::from_str(text).expect(text);
        assert_eq!(serde_json::to_string(&probe).expect("plain data"), text);
    }
    let short: Probe =
        serde_json::from_str(r#"{"host":"db","ask":{"mysql":{}}}"#).expect("defaults");
    assert_eq!(short, Probe::new("db", None, Ask::Mysql(Sql::default())));
    let answers = [
        r#"{"yes":{"said":"PONG","milliseconds":3}}"#,
        r#"{"no":{"cause":"timed-out","said":"5 s","milliseconds":5000}}"#,
    ];
    for text in answers {
        let answer: ProbeAnswer = serde_json::from_str(text).expect(text);
        assert_eq!(serde_json::to_string(&answer).expect("plain data"), text);
    }
}

#[test]
fn a_command_that_runs_is_a_question_that_is_asked() {
    let asks = |code: &str| is_asking(&Why::new(code, "x"));
    assert!(asks(COMMAND_RUNNING) && asks("probe-asking") && asks("probe-going"));
    assert!(!asks("probe-other-answer") && !asks("probe-pod-unscheduled"));
}

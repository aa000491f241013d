//! Commands: what they say, how they end, and how they cannot even begin.

use std::time::{Duration, Instant};

use refloat_core::driver::{COMMAND_RUNNING, Class, ExecRequest, Problem, Query};
use refloat_core::world::World as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fake::{Command, End, Say, Server, status};

const EXEC: &str = "/api/v1/namespaces/shop/pods/db-0/exec";

fn request() -> ExecRequest {
    ExecRequest {
        namespace: "shop".to_owned(),
        pod: "db-0".to_owned(),
        container: Some("postgres".to_owned()),
        command: vec!["psql".to_owned(), "-c".to_owned(), "select 1".to_owned()],
        input: String::new(),
        limit_seconds: 20,
    }
}

fn ended(code: i32) -> Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
}

async fn running(command: Command) -> Server {
    Server::start(move |asked| (asked.path == EXEC).then(|| Say::Run(command.clone()))).await
}

#[tokio::test]
async fn both_outputs_and_the_exit_code_come_back() {
    let server = running(Command {
        stdout: b"out\xff".to_vec(),
        stderr: b"err".to_vec(),
        end: End::Status(ended(3)),
        ..Command::default()
    })
    .await;
    let answer = server.cluster().await.exec(&request()).await.unwrap();
    assert_eq!(answer.code, Some(3));
    assert_eq!(answer.stdout, "out\u{fffd}");
    assert_eq!(answer.stderr, "err");
    let query = &server.calls()[0].query;
    assert!(query.contains("container=postgres"), "{query}");
    assert!(
        query.contains("command=psql&command=-c&command=select+1"),
        "{query}"
    );
}

#[tokio::test]
async fn what_is_written_to_the_error_output_is_no_failure() {
    let server = running(Command {
        stderr: b"WARNING: all is well".to_vec(),
        end: End::Status(ended(0)),
        ..Command::default()
    })
    .await;
    let answer = server.cluster().await.exec(&request()).await.unwrap();
    assert_eq!(answer.code, Some(0));
}

/// Input and both outputs larger than every buffer on the way.
#[tokio::test]
async fn large_input_and_outputs_neither_block_nor_overflow() {
    let server = running(Command {
        stdout: vec![b'o'; 200_000],
        stderr: vec![b'e'; 3_000_000],
        echoes: true,
        end: End::Status(ended(0)),
    })
    .await;
    let request = ExecRequest {
        input: "i".repeat(500_000),
        ..request()
    };
    let answer = server.cluster().await.exec(&request).await.unwrap();
    assert_eq!(answer.code, Some(0));
    assert_eq!(answer.stdout, "o".repeat(64 * 1024));
    assert_eq!(answer.stderr, "e".repeat(64 * 1024));
}

#[tokio::test]
async fn input_is_written_and_closed() {
    let server = running(Command {
        echoes: true,
        end: End::Status(ended(0)),
        ..Command::default()
    })
    .await;
    let request = ExecRequest {
        input: "SELECT 1;\n".to_owned(),
        ..request()
    };
    let answer = server.cluster().await.exec(&request).await.unwrap();
    assert_eq!(answer.stdout, "SELECT 1;\n");
}

#[tokio::test]
async fn a_command_that_does_not_read_its_input_does_not_block() {
    let server = running(Command {
        end: End::Status(ended(1)),
        ..Command::default()
    })
    .await;
    let request = ExecRequest {
        input: "i".repeat(1_000_000),
        ..request()
    };
    let answer = server.cluster().await.exec(&request).await.unwrap();
    assert_eq!(answer.code, Some(1));
}

#[tokio::test]
async fn a_command_that_does_not_end_is_given_up_with_what_it_said() {
    let server = running(Command {
        stdout: b"so far".to_vec(),
        end: End::Never,
        ..Command::default()
    })
    .await;
    let cluster = server.cluster().await;
    // On a machine that stands still its word may come after the first limit.
    for limit_seconds in [1, 10, 40] {
        let request = ExecRequest {
            limit_seconds,
            ..request()
        };
        let since = Instant::now();
        let answer = cluster.exec(&request).await.unwrap();
        assert_eq!(answer.code, None);
        assert!(
            since.elapsed() < Duration::from_secs(u64::from(limit_seconds) + 30),
            "it was waited for"
        );
        if answer.stdout == "so far" {
            return;
        }
    }
    panic!("what it said is not told");
}

#[tokio::test]
async fn a_stream_that_breaks_is_a_lost_reply() {
    let server = running(Command {
        stdout: b"did it".to_vec(),
        end: End::Broken,
        ..Command::default()
    })
    .await;
    let problem = server.cluster().await.exec(&request()).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("reply-lost", Class::Retry)
    );
    assert_eq!(server.calls().len(), 1, "a command is never begun twice");
}

/// What container runtimes say about a program that is not there.
#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    for said in [
        "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec \
         \"6a\": OCI runtime exec failed: exec failed: unable to start container process: exec: \"psql\": executable file \
         not found in $PATH: unknown",
        "Internal error occurred: OCI runtime exec failed: exec failed: unable to start container process: exec: \
         \"/usr/bin/psql\": stat /usr/bin/psql: no such file or directory: unknown",
    ] {
        let end = json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "message": said, "code": 500});
        let server = running(Command {
            end: End::Status(end),
            ..Command::default()
        })
        .await;
        let problem = server.cluster().await.exec(&request()).await.unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.class),
            ("command-missing", Class::Stuck)
        );
        assert!(problem.message.contains("psql") && problem.message.contains("shop/db-0"));
    }
}

async fn turned_away(code: u16, reason: &'static str, message: &'static str) -> Problem {
    let server = Server::start(move |asked| {
        (asked.path == EXEC).then(|| Say::Json(code, status(code, reason, message, &json!({}))))
    })
    .await;
    server.cluster().await.exec(&request()).await.unwrap_err()
}

#[tokio::test]
async fn a_command_that_cannot_begin_tells_why() {
    let forbidden = "pods \"db-0\" is forbidden: User \"me\" cannot create resource \"pods/exec\" in API group \"\" in the \
                     namespace \"shop\"";
    for (code, reason, message, told, class) in [
        (
            404,
            "NotFound",
            "pods \"db-0\" not found",
            "pod-missing",
            Class::Stuck,
        ),
        (
            400,
            "BadRequest",
            "container postgres is not valid for pod db-0",
            "container-missing",
            Class::Stuck,
        ),
        (
            400,
            "BadRequest",
            "pod db-0 does not have a host assigned",
            "pod-not-running",
            Class::Retry,
        ),
        (
            500,
            "InternalError",
            "unable to upgrade connection: container not found (\"postgres\")",
            "container-not-running",
            Class::Retry,
        ),
        (403, "Forbidden", forbidden, "forbidden", Class::Stuck),
        (
            503,
            "ServiceUnavailable",
            "no",
            "server-error",
            Class::Retry,
        ),
    ] {
        let problem = turned_away(code, reason, message).await;
        assert_eq!(
            (problem.code.as_str(), problem.class),
            (told, class),
            "{message}"
        );
        assert!(problem.message.contains("db-0"), "{}", problem.message);
        if told == "forbidden" {
            let rule = "resources: [\"pods/exec\"], verbs: [\"create\"]";
            assert!(problem.hint.contains(rule), "{}", problem.hint);
        }
    }
}

#[tokio::test]
async fn a_command_that_the_runtime_does_not_start_was_not_lost() {
    let said = "failed to exec in container: failed to start exec \"58\": OCI runtime exec failed: exec failed: cannot \
                exec in a stopped container: unknown";
    let end = json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "message": said, "code": 500});
    let server = running(Command {
        end: End::Status(end),
        ..Command::default()
    })
    .await;
    let problem = server.cluster().await.exec(&request()).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("command-not-started", Class::Retry)
    );
}

#[tokio::test]
async fn a_command_without_a_pod_or_a_program_is_not_sent() {
    let server = Server::start(|_| None).await;
    let cluster = server.cluster().await;
    let nameless = ExecRequest {
        pod: String::new(),
        ..request()
    };
    let empty = ExecRequest {
        command: Vec::new(),
        ..request()
    };
    for request in [nameless, empty] {
        let problem = cluster.exec(&request).await.unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.class),
            ("call-malformed", Class::Bug)
        );
    }
    assert!(server.calls().is_empty());
}

/// One that hangs must not keep what was asked beside it from being answered: it goes on until the test says so.
#[tokio::test]
async fn a_look_does_not_wait_for_a_command_that_takes_long() {
    let (tell, told) = watch::channel(false);
    let server = running(Command {
        stdout: b"so far".to_vec(),
        end: End::Told(told, ended(0)),
        ..Command::default()
    })
    .await;
    let cluster = server.cluster().await;
    let request = ExecRequest {
        limit_seconds: 300,
        ..request()
    };
    let query = Query::Exec(request.clone());
    for _ in 0..2 {
        let seen = cluster.see(std::slice::from_ref(&query)).await;
        let problem = seen.exec(&request).unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.class),
            (COMMAND_RUNNING, Class::Wait)
        );
    }
    tell.send(true).unwrap();
    let since = Instant::now();
    let answer = loop {
        let seen = cluster.see(std::slice::from_ref(&query)).await;
        if let Ok(answer) = seen.exec(&request) {
            break answer.clone();
        }
        assert!(since.elapsed() < Duration::from_mins(1), "no answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "so far"));
    // An answer that lay for five seconds is asked for anew.
    let lay = since.elapsed() > Duration::from_secs(5);
    assert!(lay || server.calls().len() == 1, "it is asked once");
}

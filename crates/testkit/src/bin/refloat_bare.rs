//! The ceiling of every tool that writes objects: a loop that makes the calls and nothing else.
//!
//! `refloat-bare --kubeconfig FILE --in-flight N post|get < calls`: each line of the input is an object with `path` (for a POST the
//! collection's, for a GET the object's) and, for a POST, `body`. All lines are read and made into requests before the clock runs.
//! Prints one line of JSON: `calls`, `seconds`, `failed` and the first failure. Called by `cargo xtask bench recover`.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// What was asked for.
struct Arguments {
    kubeconfig: PathBuf,
    in_flight: usize,
    method: http::Method,
}

/// One call, ready to be sent.
struct Call {
    path: String,
    body: Vec<u8>,
}

fn arguments() -> Option<Arguments> {
    let (mut kubeconfig, mut in_flight, mut method) = (None, 16, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--kubeconfig" => kubeconfig = Some(PathBuf::from(words.next()?)),
            "--in-flight" => in_flight = words.next()?.parse().ok().filter(|count| *count > 0)?,
            "post" => method = Some(http::Method::POST),
            "get" => method = Some(http::Method::GET),
            _ => return None,
        }
    }
    Some(Arguments {
        kubeconfig: kubeconfig?,
        in_flight,
        method: method?,
    })
}

fn calls() -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let path = value.get("path").and_then(Value::as_str);
        calls.push(Call {
            path: path.ok_or("a call without a path")?.to_owned(),
            body: value
                .get("body")
                .map(Value::to_string)
                .unwrap_or_default()
                .into_bytes(),
        });
    }
    Ok(calls)
}

async fn connect(kubeconfig: &PathBuf) -> Result<Client, String> {
    refloat_world::install_tls_provider();
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| error.to_string())?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await;
    let mut config = config.map_err(|error| error.to_string())?;
    config.default_retry = false;
    Client::try_from(config).map_err(|error| error.to_string())
}

async fn send(client: &Client, method: &http::Method, call: &Call) -> Result<(), String> {
    let request = http::Request::builder()
        .method(method)
        .uri(&call.path)
        .header("content-type", "application/json")
        .body(Body::from(call.body.clone()))
        .map_err(|error| error.to_string())?;
    let response = client
        .send(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!(
            "{}: {status} {}",
            call.path,
            String::from_utf8_lossy(&body)
        ))
    }
}

/// Makes all calls; how many failed, and the first failure.
async fn all(
    client: Client,
    method: http::Method,
    calls: Vec<Call>,
    in_flight: usize,
) -> (usize, Option<String>) {
    let calls = Arc::new(calls);
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (client, method) = (client.clone(), method.clone());
        let (calls, next) = (Arc::clone(&calls), Arc::clone(&next));
        lanes.spawn(async move {
            let mut failures = Vec::new();
            while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(why) = send(&client, &method, call).await {
                    failures.push(why);
                }
            }
            failures
        });
    }
    let mut failures = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        match lane {
            Ok(of_lane) => failures.extend(of_lane),
            Err(error) => failures.push(error.to_string()),
        }
    }
    (failures.len(), failures.into_iter().next())
}

fn say(line: &str) {
    // Who has gone away does not want to hear it.
    drop(writeln!(std::io::stdout(), "{line}"));
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        say("usage: refloat-bare --kubeconfig FILE [--in-flight N] post|get < CALLS");
        return ExitCode::from(2);
    };
    let ready = match connect(&arguments.kubeconfig).await {
        Ok(client) => calls().map(|calls| (client, calls)),
        Err(why) => Err(why),
    };
    let (client, calls) = match ready {
        Ok(both) => both,
        Err(why) => {
            say(&format!("cannot begin: {why}"));
            return ExitCode::from(2);
        }
    };
    let count = calls.len();
    let begun = Instant::now();
    let (failed, first) = all(client, arguments.method, calls, arguments.in_flight).await;
    let seconds = begun.elapsed().as_secs_f64();
    say(
        &json!({ "calls": count, "seconds": seconds, "failed": failed, "first": first })
            .to_string(),
    );
    ExitCode::SUCCESS
}

//! Runs the checks of `refloat_testkit::fidelity` against a real API server: `refloat-fidelity --kubeconfig FILE [--only TEXT]`.
//!
//! One line a check; exit code 1 when one failed. Needs a kube-apiserver and a kube-controller-manager, no nodes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use refloat_testkit::fidelity::{self, Api, Outcome};
use refloat_testkit::sim::server::{Reply, Request, Verb};
use refloat_world::Cluster;
use serde_json::{Value, json};

/// How long the cluster's own processes get between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// A real API server.
struct Server {
    client: Client,
    run: String,
    names: AtomicU64,
}

fn method(verb: Verb) -> http::Method {
    match verb {
        Verb::Get | Verb::List | Verb::Watch | Verb::Discover => http::Method::GET,
        Verb::Create => http::Method::POST,
        Verb::Apply | Verb::MergePatch | Verb::JsonPatch => http::Method::PATCH,
        Verb::Update => http::Method::PUT,
        Verb::Delete => http::Method::DELETE,
    }
}

fn content_type(verb: Verb) -> &'static str {
    match verb {
        Verb::Apply => "application/apply-patch+yaml",
        Verb::MergePatch => "application/merge-patch+json",
        Verb::JsonPatch => "application/json-patch+json",
        _ => "application/json",
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn path(request: &Request, seconds: Option<u64>) -> String {
    let resource = &request.resource;
    let mut path = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group, resource.version)
    };
    if request.verb == Verb::Discover {
        return path;
    }
    if let Some(namespace) = &request.namespace {
        path.push_str(&format!("/namespaces/{namespace}"));
    }
    path.push_str(&format!("/{}", resource.plural));
    for part in [&request.name, &request.subresource].into_iter().flatten() {
        path.push_str(&format!("/{part}"));
    }
    let mut parameters: Vec<String> = request
        .parameters
        .iter()
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .collect();
    if let Some(seconds) = seconds {
        parameters.push(format!("watch=true&timeoutSeconds={seconds}"));
    }
    format!("{path}?{}", parameters.join("&"))
}

impl Server {
    async fn send(&self, request: &Request, seconds: Option<u64>) -> (u16, Vec<u8>) {
        let body = match &request.body {
            Some(body) => body.to_string().into_bytes(),
            None => Vec::new(),
        };
        let built = http::Request::builder()
            .method(method(request.verb))
            .uri(path(request, seconds))
            .header("content-type", content_type(request.verb))
            .body(Body::from(body));
        let Ok(built) = built else {
            return (0, Vec::new());
        };
        let Ok(response) = self.client.send(built).await else {
            return (0, Vec::new());
        };
        let code = response.status().as_u16();
        match response.into_body().collect().await {
            Ok(body) => (code, body.to_bytes().to_vec()),
            Err(_) => (0, Vec::new()),
        }
    }
}

impl Api for Server {
    async fn call(&self, request: &Request) -> Reply {
        let (code, body) = self.send(request, None).await;
        let text = || json!({ "message": String::from_utf8_lossy(&body) });
        Reply {
            code,
            body: serde_json::from_slice(&body).unwrap_or_else(|_| text()),
        }
    }

    async fn watch(&self, request: &Request, seconds: u64) -> Vec<Value> {
        let (_, body) = self.send(request, Some(seconds)).await;
        body.split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    async fn forget(&self) -> bool {
        false
    }

    fn suffix(&self) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.run)
    }
}

/// What was asked for.
struct Arguments {
    kubeconfig: PathBuf,
    only: Option<String>,
}

fn arguments() -> Option<Arguments> {
    let (mut kubeconfig, mut only) = (None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--kubeconfig" => kubeconfig = Some(PathBuf::from(words.next()?)),
            "--only" => only = Some(words.next()?),
            _ => return None,
        }
    }
    kubeconfig.map(|kubeconfig| Arguments { kubeconfig, only })
}

async fn connect(kubeconfig: &PathBuf) -> Result<(Server, Cluster), String> {
    refloat_world::install_tls_provider();
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| text(&error))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await;
    let mut config = config.map_err(|error| text(&error))?;
    // A refusal is what is looked for: nothing is tried again.
    config.default_retry = false;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| text(&error))?;
    let cluster = Cluster::over(client.clone(), &server).await;
    let cluster = cluster.map_err(|error| text(&error))?;
    let now = jiff::Timestamp::now().as_second();
    let server = Server {
        client,
        run: format!("{:x}", now % 0xff_ffff),
        names: AtomicU64::new(0),
    };
    Ok((server, cluster))
}

fn say(line: &str) {
    // Who has gone away does not want to hear it.
    drop(writeln!(std::io::stdout(), "{line}"));
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        say("usage: refloat-fidelity --kubeconfig FILE [--only TEXT]");
        return ExitCode::from(2);
    };
    let (server, cluster) = match connect(&arguments.kubeconfig).await {
        Ok(both) => both,
        Err(why) => {
            say(&format!("cannot connect: {why}"));
            return ExitCode::from(2);
        }
    };
    let (mut passed, mut failed) = (0, 0);
    let mut begun = std::time::Instant::now();
    let mut tell = |outcome: Outcome| {
        let name = outcome.name;
        let took = begun.elapsed().as_millis();
        begun = std::time::Instant::now();
        match outcome.found {
            Ok(()) => {
                passed += 1;
                say(&format!("ok      {name} ({took} ms)"));
            }
            Err(why) => {
                failed += 1;
                say(&format!("FAILED  {name} ({took} ms): {why}"));
            }
        }
    };
    let only = arguments.only.as_deref();
    fidelity::run(&server, only, &mut tell).await;
    fidelity::run_world(&cluster, &server, only, &mut tell).await;
    say(&format!("{passed} passed, {failed} failed"));
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

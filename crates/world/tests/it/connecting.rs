//! Each way in which a cluster cannot be reached.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use refloat_core::driver::{Class, ObjectRef, Problem, Query};
use refloat_core::inventory::Resource;
use refloat_core::world::World;
use refloat_world::{Cluster, ConnectError, ConnectOptions};
use serde_json::json;
use tokio::net::TcpListener;

use crate::fake::{Say, Server, kubeconfig, status};

fn file(folder: &Path, content: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    std::fs::write(&path, content).unwrap();
    path
}

async fn refused(content: &str, chosen: Option<&str>) -> ConnectError {
    let folder = tempfile::tempdir().unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(file(folder.path(), content)),
        context: chosen.map(str::to_owned),
        ..ConnectOptions::default()
    };
    Cluster::connect(options).await.unwrap_err()
}

#[tokio::test]
async fn a_cluster_tells_who_it_is() {
    let server = Server::start(|_| None).await;
    let cluster = server.cluster().await;
    assert_eq!(cluster.cluster_uid(), "uid-of-cluster");
    assert_eq!(cluster.kubernetes_version(), "v1.34.4");
    assert!(cluster.server().starts_with(&server.address));
}

#[tokio::test]
async fn no_more_requests_are_sent_than_allowed_and_none_is_lost() {
    let server = Server::start(|_| None).await;
    // The first second begins with the connection, which asks, too: of the queries more than a dozen are left for two more.
    let begun = Instant::now();
    let cluster = server.cluster_at(NonZeroU32::new(8)).await;
    let queries: Vec<Query> = (0..20).map(config_map).collect();
    let seen = cluster.see(&queries).await;
    assert!(begun.elapsed() > Duration::from_millis(1900));
    assert!(queries.iter().all(|query| seen.has(query)));
    assert_eq!(server.calls().len(), 20);
}

fn config_map(number: u32) -> Query {
    let maps = Resource::namespaced("v1", "ConfigMap", "configmaps");
    Query::Object(ObjectRef::namespaced(
        maps,
        "shop",
        &format!("map-{number}"),
    ))
}

#[tokio::test]
async fn kubeconfigs_that_are_none() {
    let options = ConnectOptions {
        kubeconfig: Some(PathBuf::from("/no/such/kubeconfig")),
        ..ConnectOptions::default()
    };
    let error = Cluster::connect(options).await.unwrap_err();
    assert_eq!(error.code(), "kubeconfig-missing");
    assert!(error.to_string().contains("/no/such/kubeconfig"));
    let no_cluster = json!({"apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "gone", "user": "me"}}]});
    for content in ["[1, 2", "just words", &no_cluster.to_string()] {
        assert_eq!(
            refused(content, None).await.code(),
            "kubeconfig-invalid",
            "{content}"
        );
    }
    // A folder in place of the file.
    let folder = tempfile::tempdir().unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(folder.path().to_owned()),
        ..ConnectOptions::default()
    };
    assert_eq!(
        Cluster::connect(options).await.unwrap_err().code(),
        "kubeconfig-invalid"
    );
}

#[tokio::test]
async fn a_wrong_context_is_answered_with_the_right_ones() {
    let error = refused(&kubeconfig("http://127.0.0.1:1"), Some("primry")).await;
    assert_eq!(error.code(), "context-missing");
    assert!(
        error
            .to_string()
            .ends_with("no context `primry`; it has: primary, spare"),
        "{error}"
    );
    let problem = Problem::from(error);
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("context-missing", Class::Stuck)
    );
    for content in ["", "apiVersion: v1\nkind: Config\n"] {
        assert_eq!(
            refused(content, None).await.code(),
            "context-missing",
            "{content:?}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let error = refused(&kubeconfig("http://127.0.0.1:1"), None).await;
    assert_eq!(error.code(), "unreachable");
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    let error = refused(&kubeconfig("http://no-such-host.invalid:6443"), None).await;
    assert_eq!(error.code(), "unreachable");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let since = Instant::now();
    let error = refused(&kubeconfig(&server), None).await;
    assert_eq!(error.code(), "unreachable");
    assert!(
        since.elapsed() < Duration::from_mins(1),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn servers_that_answer_and_refuse() {
    let unauthorized = status(401, "Unauthorized", "Unauthorized", &json!({}));
    let forbidden = "namespaces \"kube-system\" is forbidden: User \"me\" cannot get resource \"namespaces\" in API \
                     group \"\" in the namespace \"kube-system\"";
    let forbidden = status(403, "Forbidden", forbidden, &json!({}));
    for (path, code, answer, told) in [
        ("/version", 401, unauthorized, "unauthorized"),
        ("/version", 404, json!("nothing here"), "not-kubernetes"),
        ("/version", 200, json!("hello"), "not-kubernetes"),
        ("/version", 503, json!("starting"), "unreachable"),
        (
            "/api/v1/namespaces/kube-system",
            403,
            forbidden,
            "forbidden",
        ),
        (
            "/api/v1/namespaces/kube-system",
            404,
            json!("?"),
            "not-kubernetes",
        ),
    ] {
        let server = Server::start(move |asked| {
            (asked.path == path).then(|| Say::Json(code, answer.clone()))
        })
        .await;
        let error = refused(&kubeconfig(&server.address), None).await;
        assert_eq!(error.code(), told, "{error}");
        assert!(!error.hint().is_empty());
        if told == "forbidden" {
            assert!(
                error
                    .hint()
                    .contains("resources: [\"namespaces\"], verbs: [\"get\"]")
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    refloat_world::install_tls_provider();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // The client ends the handshake; how it does so is its own matter.
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        }
    });
    let error = refused(&kubeconfig(&server), None).await;
    assert_eq!(error.code(), "certificate-invalid", "{error}");
    assert!(error.to_string().contains(&server), "{error}");
}

#[tokio::test]
async fn a_credential_command_that_fails_or_hangs() {
    let content = |command: &str| {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}],
            "contexts": [{"name": "a", "context": {"cluster": "one", "user": "me"}}],
            "users": [{"name": "me", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                "interactiveMode": "Never", "command": "/bin/sh", "args": ["-c", command]}}}],
        })
        .to_string()
    };
    let error = refused(&content("echo expired >&2; exit 3"), None).await;
    assert_eq!(error.code(), "credentials-failed", "{error}");
    let since = Instant::now();
    let error = refused(&content("exec sleep 75"), None).await;
    assert_eq!(error.code(), "unreachable", "{error}");
    assert!(
        since.elapsed() < Duration::from_mins(1),
        "{:?}",
        since.elapsed()
    );
}

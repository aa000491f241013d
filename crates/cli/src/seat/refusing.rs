//! A cluster that says who it is and refuses all else, and a vault in memory: what commands leave in a vault when they fail half way is
//! looked at by these. Tests only.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use refloat_core::names::RunId;
use refloat_core::run::{Record, RunKind, RunPlan};
use refloat_vault::store::{Location, RunJournal, Vault};
use refloat_world::{Cluster, ConnectOptions};
use secrecy::SecretString;
use serde_json::json;

use super::access::Access;

/// A vault that nobody else sees.
pub(crate) async fn vault_in_memory() -> Access {
    vault_in(Arc::new(InMemory::new())).await
}

/// A new vault in this store, without a site's key.
pub(crate) async fn vault_in(store: Arc<dyn ObjectStore>) -> Access {
    let prefix = Path::from("");
    let created = Vault::init_begin(&store, &prefix).await.expect("a store");
    let made = Vault::init_finish(store, prefix, &created, Timestamp::UNIX_EPOCH).await;
    Access {
        vault: made.expect("a vault"),
        location: Location {
            bucket: String::new(),
            prefix: String::new(),
            endpoint: None,
            region: String::new(),
            access_key_id: String::new(),
            secret_access_key: SecretString::from(""),
        },
        recovery: created.recovery,
        site_key: None,
    }
}

/// A cluster that refuses everything but to say who it is.
pub(crate) async fn refusing_cluster() -> Cluster {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{ "name": "here", "cluster": { "server": server } }],
        "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "me" } }],
        "users": [{ "name": "me", "user": { "token": "secret" } }],
    });
    std::fs::write(file.path(), config.to_string()).expect("a file");
    let options = ConnectOptions {
        kubeconfig: Some(file.path().to_owned()),
        context: None,
        requests_per_second: None,
    };
    Cluster::connect(options).await.expect("a cluster")
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (code, body) = match head.split(' ').nth(1)? {
        "/version" => (
            200,
            json!({
                "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "", "buildDate": "",
                "goVersion": "", "compiler": "", "platform": "",
            }),
        ),
        "/api/v1/namespaces/kube-system" => (
            200,
            json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kube-system", "uid": "here" },
            }),
        ),
        _ => (
            403,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no right",
                "reason": "Forbidden", "details": {}, "code": 403,
            }),
        ),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).ok()
}

/// The plan of a run that does nothing.
pub(crate) fn empty_plan(kind: RunKind, run: &str) -> Arc<RunPlan> {
    let plan = json!({
        "kind": kind, "run": run, "protection": "shop", "site": "b", "point": "shop/12", "mover_image": "", "steps": [],
    });
    Arc::new(serde_json::from_value(plan).expect("a plan of today is read for ever"))
}

/// The journal of a run, as it is by now.
pub(crate) async fn journal_of(access: &Access, run: &str) -> RunJournal {
    let run = RunId::new(run).expect("a run");
    let opened = RunJournal::open(&access.vault, &run, "somebody").await;
    opened.expect("a journal")
}

/// A run that does nothing and whose engine is dead.
pub(crate) async fn begun(access: &Access, kind: RunKind, run: &str) -> RunJournal {
    let mut journal = journal_of(access, run).await;
    let started = Record::Started {
        at: Timestamp::UNIX_EPOCH,
        plan: empty_plan(kind, run),
        evidence: None,
    };
    let written = journal.append_records(&[started]).await;
    written.expect("a record");
    journal
}

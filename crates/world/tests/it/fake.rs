//! A server that answers as it is told, over real sockets.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use refloat_core::inventory::Resource;
use refloat_world::{Cluster, ConnectOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// A call that reached the server.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) accept: String,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// What a command does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Reads its input to the end and writes it to its output.
    pub(crate) echoes: bool,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Default)]
pub(crate) enum End {
    /// Ends with this status.
    Status(Value),
    /// The connection breaks.
    #[default]
    Broken,
    /// It never ends.
    Never,
    /// It ends with this status once the test says so.
    Told(Told, Value),
}

/// What a server waits for: a word of the test.
pub(crate) type Told = watch::Receiver<bool>;

/// How a body that comes line by line goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Ends,
    StaysOpen,
}

pub(crate) enum Say {
    Json(u16, Value),
    /// A body with a `Retry-After` in seconds.
    Later(u16, u32),
    Text(u16, &'static str),
    /// A body that comes line by line, the second lines once the test says so; then it ends, or stays open.
    Lines(Vec<Value>, Told, Vec<Value>, Rest),
    /// Closes the connection without an answer.
    Nothing,
    Run(Command),
}

type Handler = dyn Fn(&Asked) -> Option<Say> + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers by the handler; where it says nothing, as an empty cluster.
    pub(crate) async fn start(
        handler: impl Fn(&Asked) -> Option<Say> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&handler), Arc::clone(&log)));
            }
        });
        Self { address, asked }
    }

    pub(crate) async fn cluster(&self) -> Cluster {
        self.cluster_at(None).await
    }

    /// Connected by a client that sends no more requests in a second.
    pub(crate) async fn cluster_at(&self, requests_per_second: Option<NonZeroU32>) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig(&self.address)).unwrap();
        let options = ConnectOptions {
            kubeconfig: Some(path),
            context: None,
            requests_per_second,
        };
        Cluster::connect(options).await.unwrap()
    }

    /// The calls since the connection was made.
    pub(crate) fn calls(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let calls = asked.iter();
        calls
            .filter(|asked| asked.path != "/version" && asked.path != KUBE_SYSTEM)
            .cloned()
            .collect()
    }
}

const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";

pub(crate) fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "primary",
        "clusters": [{"name": "one", "cluster": {"server": server}}],
        "contexts": [{"name": "primary", "context": {"cluster": "one", "user": "me"}},
                     {"name": "spare", "context": {"cluster": "one", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
    })
    .to_string()
}

async fn serve(mut stream: TcpStream, handler: Arc<Handler>, log: Arc<Mutex<Vec<Asked>>>) {
    let mut peeked = vec![0; 64 * 1024];
    let (head, upgrade) = loop {
        let Ok(count) = stream.peek(&mut peeked).await else {
            return;
        };
        if count == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&peeked[..count]).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let upgrade = head.to_ascii_lowercase().contains("upgrade: websocket");
            break (head.to_owned(), upgrade);
        }
        tokio::task::yield_now().await;
    };
    let mut asked = read_head(&head);
    if upgrade {
        log.lock().unwrap().push(asked.clone());
        if let Some(Say::Run(command)) = handler(&asked) {
            run(stream, command).await;
            return;
        }
    }
    let length = header(&head, "content-length").parse().unwrap_or(0_usize);
    let mut all = vec![0; head.len() + 4 + length];
    if stream.read_exact(&mut all).await.is_err() {
        return;
    }
    asked.body = serde_json::from_slice(&all[head.len() + 4..]).unwrap_or(Value::Null);
    if !upgrade {
        log.lock().unwrap().push(asked.clone());
    }
    let say = unacceptable(&asked)
        .or_else(|| handler(&asked))
        .unwrap_or_else(|| empty_cluster(&asked));
    let (code, extra, body) = match say {
        Say::Json(code, body) => (code, String::new(), body.to_string()),
        Say::Later(code, seconds) => (
            code,
            format!("Retry-After: {seconds}\r\n"),
            status(code, "TooManyRequests", "slow down", &json!({})).to_string(),
        ),
        Say::Text(code, body) => (code, String::new(), body.to_owned()),
        Say::Lines(first, told, then, rest) => {
            return lines_of(stream, (first, told, then), rest).await;
        }
        Say::Nothing | Say::Run(_) => return,
    };
    let answer = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{extra}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(answer.as_bytes())
        .await
        .unwrap_or_default();
    stream.shutdown().await.unwrap_or_default();
}

async fn lines_of(
    mut stream: TcpStream,
    (first, mut told, then): (Vec<Value>, Told, Vec<Value>),
    rest: Rest,
) {
    let text = |lines: Vec<Value>| {
        let lines = lines.iter().map(Value::to_string);
        lines
            .flat_map(|line| [line, "\n".to_owned()])
            .collect::<String>()
    };
    let head = "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    let begin = format!("{head}{}", text(first));
    let mut sent = stream.write_all(begin.as_bytes()).await;
    until_told(&mut told).await;
    sent = sent.and(stream.write_all(text(then).as_bytes()).await);
    if sent.is_ok() && rest == Rest::StaysOpen {
        let mut nothing = [0; 1];
        stream.read(&mut nothing).await.unwrap_or_default();
    }
}

/// A test that is over says nothing any more.
async fn until_told(told: &mut Told) {
    drop(told.wait_for(|told| *told).await);
}

/// As an API server: the first form that it knows decides, and one object's metadata is no answer to a list (apiserver 1.34).
fn unacceptable(asked: &Asked) -> Option<Say> {
    let first = asked.accept.split(',').next().unwrap_or_default();
    let is_watch = asked.query.contains("watch=true");
    let wrong = if is_watch {
        first.contains("as=PartialObjectMetadataList")
    } else {
        first.contains("as=PartialObjectMetadata;")
    };
    let why = "you requested PartialObjectMetadata, but the requested object is a list";
    wrong.then(|| Say::Json(406, status(406, "NotAcceptable", why, &json!({}))))
}

fn read_head(head: &str) -> Asked {
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        content_type: header(head, "content-type"),
        accept: header(head, "accept"),
        body: Value::Null,
    }
}

fn header(head: &str, name: &str) -> String {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}

fn empty_cluster(asked: &Asked) -> Say {
    match asked.path.as_str() {
        "/version" => Say::Json(
            200,
            json!({"major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        ),
        KUBE_SYSTEM => Say::Json(
            200,
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "uid-of-cluster"}}),
        ),
        _ => Say::Json(
            404,
            status(
                404,
                "NotFound",
                "not found",
                &json!({"kind": "x", "name": "y"}),
            ),
        ),
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the callback's type is tungstenite's"
)]
async fn run(stream: TcpStream, command: Command) {
    let choose = |_: &Request, mut response: Response| {
        let protocol = "v5.channel.k8s.io".parse().unwrap();
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, choose).await else {
        return;
    };
    let framed = |channel: u8, bytes: &[u8]| {
        let mut frame = vec![channel];
        frame.extend_from_slice(bytes);
        Message::binary(frame)
    };
    let input = if command.echoes {
        all_input(&mut socket).await
    } else {
        Vec::new()
    };
    let stdout = [command.stdout, input].concat();
    let (mut stdout, mut stderr) = (stdout.chunks(16 * 1024), command.stderr.chunks(16 * 1024));
    loop {
        let chunks = (stdout.next(), stderr.next());
        if chunks == (None, None) {
            break;
        }
        for (channel, chunk) in [(1, chunks.0), (2, chunks.1)] {
            if let Some(chunk) = chunk
                && socket.send(framed(channel, chunk)).await.is_err()
            {
                return;
            }
        }
    }
    match command.end {
        End::Status(status) => {
            let sent = socket.send(framed(3, status.to_string().as_bytes())).await;
            if sent.is_ok() {
                socket.close(None).await.unwrap_or_default();
            }
        }
        End::Broken => {}
        End::Never => while let Some(Ok(_)) = socket.next().await {},
        End::Told(mut told, status) => {
            until_told(&mut told).await;
            let sent = socket.send(framed(3, status.to_string().as_bytes())).await;
            if sent.is_ok() {
                socket.close(None).await.unwrap_or_default();
            }
        }
    }
}

/// Reads standard input until the client closes it.
async fn all_input(socket: &mut WebSocketStream<TcpStream>) -> Vec<u8> {
    let mut input = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(frame) if frame[..] == [255, 0] => break,
            Message::Binary(frame) if frame[0] == 0 => input.extend_from_slice(&frame[1..]),
            _ => {}
        }
    }
    input
}

/// A `Status` as the API server writes it.
pub(crate) fn status(code: u16, reason: &str, message: &str, details: &Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code})
}

pub(crate) fn config_maps() -> Resource {
    Resource::namespaced("v1", "ConfigMap", "configmaps")
}

pub(crate) fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}})
}

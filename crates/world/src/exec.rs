//! Commands in containers, over the WebSocket of the pod's `exec`.
//!
//! Both outputs are drained side by side and the exit code comes from the status that ends the stream, never from what
//! was written to the error output. Giving up closes the stream; the command may go on in the container. A command that
//! ends without reading an input larger than the buffers on the way (some 100 KiB) may count as a lost reply.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess};
use kube::{Api, Client};
use refloat_core::driver::{Class, ExecAnswer, ExecRequest, ObjectRef, Problem};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::failure::Failure;
use crate::problem::{problem, reply_lost};
use crate::read;
use crate::transport::{Call, Verb};

/// Bytes of each output that are kept; the rest is read and dropped.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// A stream that is not open after this time is given up.
const OPEN_SECONDS_MAX: u64 = 20;

/// Runs a command to its end, or until its time is up.
pub(crate) async fn exec(client: &Client, request: &ExecRequest) -> Result<ExecAnswer, Problem> {
    // Without input there is nothing to close, which the older protocol cannot do without ending the stream.
    let process = open(client, request, !request.input.is_empty()).await?;
    let mut kept = Kept::default();
    let limit = Duration::from_secs(u64::from(request.limit_seconds));
    let ended = tokio::time::timeout(limit, drain(process, request, &mut kept)).await;
    let code = match ended {
        Err(_) => None,
        Ok(None) => {
            return Err(reply_lost(
                &what(request),
                "the stream ended before the command did",
            ));
        }
        Ok(Some(status)) => Some(exit_code(request, &status)?),
    };
    Ok(ExecAnswer {
        code,
        stdout: text(&kept.stdout),
        stderr: text(&kept.stderr),
    })
}

#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A command whose input stays open until it is closed.
pub(crate) async fn open_held(
    client: &Client,
    request: &ExecRequest,
) -> Result<AttachedProcess, Problem> {
    open(client, request, true).await
}

async fn open(
    client: &Client,
    request: &ExecRequest,
    input: bool,
) -> Result<AttachedProcess, Problem> {
    let pod = ObjectRef::namespaced(read::pods(), &request.namespace, &request.pod);
    let call = Call::on_object(Verb::Create, &pod).subresource(Some("exec"));
    // The client builds its own path: what must not be empty is checked here.
    Call::on_object(Verb::Get, &pod)
        .path()
        .map_err(|failure| problem(&call, failure))?;
    if request.command.is_empty() {
        let why = "no command".to_owned();
        return Err(problem(&call, Failure::Unsendable(why)));
    }
    let mut opened = open_once(client, request, request.container.as_deref(), input).await;
    if request.container.is_none()
        && opened.as_ref().is_err_and(read::wants_container)
        && let Some(container) = read::default_container(client, &pod).await?
    {
        opened = open_once(client, request, Some(&container), input).await;
    }
    opened.map_err(|failure| {
        container_problem(request, &failure)
            .or_else(|| pod_problem(&request.namespace, &request.pod, &failure))
            .unwrap_or_else(|| problem(&call, failure))
    })
}

async fn open_once(
    client: &Client,
    request: &ExecRequest,
    container: Option<&str>,
    input: bool,
) -> Result<AttachedProcess, Failure> {
    let parameters = AttachParams {
        container: container.map(str::to_owned),
        stdin: input,
        ..AttachParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), &request.namespace);
    let limit = Duration::from_secs(OPEN_SECONDS_MAX);
    match tokio::time::timeout(
        limit,
        pods.exec(&request.pod, &request.command, &parameters),
    )
    .await
    {
        Ok(Ok(process)) => Ok(process),
        Ok(Err(error)) => Err(Failure::of_client(&error)),
        Err(_) => Err(Failure::Late(limit)),
    }
}

/// Feeds and drains the process until its status comes; `None` when the stream ends without one.
async fn drain(
    mut process: AttachedProcess,
    request: &ExecRequest,
    kept: &mut Kept,
) -> Option<Status> {
    let status = process.take_status();
    let input = process.stdin();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let feed = async {
        if let Some(mut input) = input {
            // A command that ends without reading all of its input closes the pipe: no error of ours.
            let written = input.write_all(request.input.as_bytes()).await;
            let closed = input.shutdown().await;
            if written.is_err() || closed.is_err() {
                tracing::debug!(pod = %request.pod, "the command did not read all of its input");
            }
        }
    };
    let end = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    let outputs = async {
        tokio::join!(
            keep(stdout, &mut kept.stdout),
            keep(stderr, &mut kept.stderr)
        );
    };
    tokio::pin!(feed, end, outputs);
    let (mut input_done, mut outputs_done) = (false, false);
    // Only the status tells the end: when the connection breaks, the client's pipes stay open for ever.
    let status = loop {
        tokio::select! {
            status = &mut end => break status?,
            () = &mut feed, if !input_done => input_done = true,
            () = &mut outputs, if !outputs_done => outputs_done = true,
        }
    };
    if !outputs_done {
        outputs.await;
    }
    Some(status)
}

/// Reads to the end and keeps the beginning.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 8 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let room = OUTPUT_BYTES_MAX - kept.len();
                kept.extend_from_slice(&buffer[..count.min(room)]);
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let mut end = text.len().min(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

pub(crate) fn exit_code(request: &ExecRequest, status: &Status) -> Result<i32, Problem> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let said = status.message.clone().unwrap_or_default();
    let code = status
        .details
        .iter()
        .flat_map(|details| details.causes.iter().flatten())
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .and_then(|cause| cause.message.as_ref()?.parse().ok());
    if let Some(code) = code {
        return Ok(code);
    }
    if command_missing(&said) {
        return Err(Problem::stuck(
            "command-missing",
            format!(
                "{}: the container has no such program: {said}",
                what(request)
            ),
            "name the container that has it, or use an image that brings it",
        ));
    }
    if said.contains("failed to start exec") || said.contains("OCI runtime exec failed") {
        return Err(Problem::of(
            Class::Retry,
            "command-not-started",
            format!(
                "{}: the container runtime did not start it: {said}",
                what(request)
            ),
            format!(
                "see the container: `kubectl -n {} describe pod {}`",
                request.namespace, request.pod
            ),
        ));
    }
    let failure = Failure::Refused {
        code: 500,
        status: kube::core::Status::failure(&said, "").boxed(),
        retry_after: None,
    };
    Err(container_problem(request, &failure)
        .or_else(|| pod_problem(&request.namespace, &request.pod, &failure))
        .unwrap_or_else(|| reply_lost(&what(request), &said)))
}

/// What container runtimes say when the program is not there, or cannot be started.
fn command_missing(said: &str) -> bool {
    said.contains("executable file not found")
        || (said.contains("exec: \"")
            && (said.contains("no such file or directory") || said.contains("permission denied")))
}

fn container_problem(request: &ExecRequest, failure: &Failure) -> Option<Problem> {
    let said = failure.message();
    let name = request.container.as_deref().unwrap_or("(default)");
    let place = format!("{}/{}", request.namespace, request.pod);
    if failure.code() == Some(400) && said.contains("is not valid for pod") {
        return Some(Problem::stuck(
            "container-missing",
            format!("pod {place} has no container {name}: {said}"),
            format!(
                "see its containers: `kubectl -n {} get pod {} -o jsonpath='{{.spec.containers[*].name}}'`",
                request.namespace, request.pod
            ),
        ));
    }
    let down = said.contains("container not found")
        || said.contains("container not running")
        || said.contains("container is not running")
        || said.contains("is in CONTAINER_EXITED state");
    down.then(|| {
        Problem::of(
            Class::Retry,
            "container-not-running",
            format!("container {name} of pod {place} does not run: {said}"),
            format!(
                "see why: `kubectl -n {} describe pod {}`",
                request.namespace, request.pod
            ),
        )
    })
}

/// What a pod's own state makes of a call to it.
pub(crate) fn pod_problem(namespace: &str, pod: &str, failure: &Failure) -> Option<Problem> {
    let said = failure.message();
    if failure.code() == Some(404) {
        return Some(Problem::stuck(
            "pod-missing",
            format!("there is no pod {namespace}/{pod}: {said}"),
            format!("see what runs there: `kubectl -n {namespace} get pods`"),
        ));
    }
    let down = said.contains("does not have a host assigned")
        || said.contains("completed pod")
        || said.contains("is waiting to start")
        || said.contains("ContainerCreating");
    down.then(|| {
        Problem::of(
            Class::Retry,
            "pod-not-running",
            format!("pod {namespace}/{pod} does not run: {said}"),
            format!("see why: `kubectl -n {namespace} describe pod {pod}`"),
        )
    })
}

fn what(request: &ExecRequest) -> String {
    format!(
        "run `{}` in pod {}/{}",
        request.command.first().map_or("", String::as_str),
        request.namespace,
        request.pod
    )
}

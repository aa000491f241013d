//! What a no means to a person: its code, the words, what it takes, and whether waiting can mend it.

use super::answer::Cause;
use super::pod::words;
use super::{Ask, ProbeTask};
use crate::driver::{Problem, Why};

/// Seconds for which a no that no waiting mends is heard before it counts.
pub(super) const FAILING_SECONDS: u32 = 45;

/// The reason of a wait. `failing` is set for what will not pass by itself.
pub(super) fn why(task: &ProbeTask<'_>, cause: Cause, said: &str) -> Why {
    let what = words(task.probe);
    let (code, message) = match cause {
        Cause::NameUnknown => (
            "probe-name-unknown",
            format!("the name does not resolve: {said}"),
        ),
        Cause::NameOther => (
            "probe-name-other",
            format!("the name resolves to others: {said}"),
        ),
        Cause::NameUnasked => (
            "probe-name-unasked",
            format!("no name server answers: {said}"),
        ),
        Cause::Refused => ("probe-refused", format!("connection refused: {said}")),
        Cause::TimedOut => ("probe-timed-out", format!("no connection: {said}")),
        Cause::Unreachable => ("probe-unreachable", format!("no way there: {said}")),
        Cause::Silent => ("probe-silent", format!("no answer: {said}")),
        Cause::Closed => ("probe-closed", format!("the connection was closed: {said}")),
        Cause::Tls => ("probe-tls", format!("TLS failed: {said}")),
        Cause::OtherProtocol => {
            let protocol = task.probe.ask.protocol();
            (
                "probe-other-protocol",
                format!("it does not speak {protocol}: {said}"),
            )
        }
        Cause::NotReady => (
            "probe-not-ready",
            format!("it says that it is not ready: {said}"),
        ),
        Cause::OtherAnswer => ("probe-other-answer", said.to_owned()),
        Cause::Unauthorized => ("probe-unauthorized", format!("it refuses who asks: {said}")),
        Cause::BadQuestion => (
            "probe-bad-question",
            format!("it refuses the question: {said}"),
        ),
        Cause::BadOrder => (
            "probe-bad-order",
            format!("the probe pod cannot read its order: {said}"),
        ),
    };
    let message = format!("{what}: {message}");
    let takes = takes(task, cause);
    let why = Why::new(code, message.clone()).taking(takes.clone());
    if is_for_good(cause) {
        why.failing(Problem::stuck(code, message, takes), FAILING_SECONDS)
    } else {
        why
    }
}

/// Whether waiting cannot mend it. A name may come with the recovery: inside the cluster with its Service, outside when what writes
/// it (external-dns) has seen its Ingress, which takes minutes.
fn is_for_good(cause: Cause) -> bool {
    match cause {
        Cause::Unauthorized | Cause::BadOrder => true,
        Cause::NameUnknown
        | Cause::NameOther
        | Cause::NameUnasked
        | Cause::Refused
        | Cause::TimedOut
        | Cause::Unreachable
        | Cause::Silent
        | Cause::Closed
        | Cause::Tls
        | Cause::OtherProtocol
        | Cause::NotReady
        | Cause::OtherAnswer
        | Cause::BadQuestion => false,
    }
}

fn takes(task: &ProbeTask<'_>, cause: Cause) -> String {
    let host = &task.probe.host;
    match cause {
        Cause::NameUnknown => {
            format!("a name `{host}` in DNS, or a correct host in the probe")
        }
        Cause::NameOther => "the expected address among the name's".to_owned(),
        Cause::NameUnasked => {
            "a cluster DNS that answers: see its pods and Service in kube-system".to_owned()
        }
        Cause::Refused => {
            "a server that listens on this port: see its log with `kubectl logs`".to_owned()
        }
        Cause::TimedOut => {
            "a way there: see its endpoints, and what filters the network".to_owned()
        }
        Cause::Unreachable => "a route to it, and a node that is up".to_owned(),
        Cause::Silent => {
            "a server that answers within the time of a try: look for locks and load".to_owned()
        }
        Cause::Closed => "a server that stays up: see its log with `kubectl logs`".to_owned(),
        Cause::Tls => {
            "a certificate that is good for this host, or `accept-any` in the probe".to_owned()
        }
        Cause::OtherProtocol => "the right port, and the right protocol, in the probe".to_owned(),
        Cause::NotReady => "the server is ready".to_owned(),
        Cause::OtherAnswer => match &task.probe.ask {
            Ask::Http(http) => format!(
                "a status from {} to {}{}",
                http.status_min,
                http.status_max,
                if http.text.is_some() {
                    " and the expected text"
                } else {
                    ""
                }
            ),
            Ask::Postgresql(sql) | Ask::Mysql(sql) => sql.expected.as_ref().map_or_else(
                || "a first value that is not empty, false or 0".to_owned(),
                |expected| format!("`{expected}` as the first value"),
            ),
            Ask::Tcp | Ask::Dns { .. } | Ask::Grpc(_) | Ask::Redis => {
                "the expected answer".to_owned()
            }
        },
        Cause::Unauthorized => {
            "the right user and password: `credentials` of the probe, and the server's own accounts"
                .to_owned()
        }
        Cause::BadQuestion => "what the question names exists in the server".to_owned(),
        Cause::BadOrder => {
            "an image of the same version as this refloat (`--mover-image`)".to_owned()
        }
    }
}

//! Lines of CoreDNS' log of questions: who asked for which name, and what the answer was.
//! Source: CoreDNS, plugin `log`, format `common`, which is its default.

use std::net::SocketAddr;

use super::super::links::may_be_service;
use super::{Client, Connection, Peer, Witness};

/// Words of a question: type, class, name, protocol, size, the DO bit and the buffer's size.
const QUESTION_WORDS: usize = 7;

/// What a line tells; `None` when it is none of such a log. What was refused, or is no name of a Service, tells nothing: a client tries a name
/// with each of its search path.
pub(super) fn connection(line: &str) -> Option<Vec<Connection>> {
    let mut parts = line.splitn(3, '"');
    let (before, question, after) = (parts.next()?, parts.next()?, parts.next()?);
    let mut before = before.split_ascii_whitespace().rev();
    let (id, dash, client) = (before.next()?, before.next()?, before.next()?);
    id.parse::<u16>().ok().filter(|_| dash == "-")?;
    let client: SocketAddr = client.parse().ok()?;
    let question: Vec<&str> = question.split_ascii_whitespace().collect();
    let [_, "IN", name, "udp" | "tcp" | "tls" | "https" | "grpc", ..] = *question.as_slice() else {
        return None;
    };
    let answer = after.split_ascii_whitespace().next()?;
    if question.len() != QUESTION_WORDS {
        return None;
    }
    let host = name.trim_end_matches('.').to_ascii_lowercase();
    let told = answer == "NOERROR" && may_be_service(&host);
    let connection = told.then(|| Connection {
        client: Client::Address(client.ip().to_canonical()),
        peer: Peer::Name(host),
        witness: Witness::CoreDns,
    });
    Some(Vec::from_iter(connection))
}

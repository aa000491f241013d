//! Lines of the kernel's table of connections, as `conntrack -L` and `/proc/net/nf_conntrack` of a node write them: first the way there, as the
//! client began it, then the way back, from where it was led.
//! Source: conntrack-tools, `conntrack(8)`.

use std::net::IpAddr;

use super::{Client, Connection, Peer, Witness};

/// States of TCP in which both sides have talked. A connection that was refused is in none of them.
const TALKED: &[&str] = &[
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
];
/// Words between the protocol's number and the addresses: seconds, state.
const STATE_WORDS: usize = 2;

/// What a line tells; `None` when it is none of such a table.
pub(super) fn connection(line: &str) -> Option<Vec<Connection>> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let protocol = if matches!(first, "ipv4" | "ipv6") {
        words.next()?.parse::<u8>().ok()?;
        words.next()?
    } else {
        first
    };
    if !protocol.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    words.next()?.parse::<u8>().ok()?;
    let mut state = words.clone().take(STATE_WORDS);
    let has_talked = protocol == "tcp" && state.any(|word| TALKED.contains(&word));
    let mut fields = words.filter_map(|word| word.split_once('='));
    let (there, back) = (Way::next(&mut fields)?, Way::next(&mut fields));
    // One that was met midway may be established, and which side began it is not known.
    let back = back.filter(|_| has_talked && !line.contains("[UNREPLIED]"));
    let connection = back.map(|back| Connection {
        client: Client::Address(there.from),
        peer: Peer::Address {
            address: there.to,
            port: there.port,
            led: back.from,
        },
        witness: Witness::Conntrack,
    });
    Some(Vec::from_iter(connection))
}

/// One direction of a connection.
struct Way {
    from: IpAddr,
    to: IpAddr,
    port: u16,
}

impl Way {
    fn next<'l>(fields: &mut impl Iterator<Item = (&'l str, &'l str)>) -> Option<Self> {
        let mut next = |key: &str| fields.find(|(one, _)| *one == key).map(|(_, value)| value);
        let address = |text: &str| Some(text.parse::<IpAddr>().ok()?.to_canonical());
        let from = address(next("src")?)?;
        let to = address(next("dst")?)?;
        let port = next("dport").map_or(Some(0), |text| text.parse().ok())?;
        Some(Self { from, to, port })
    }
}

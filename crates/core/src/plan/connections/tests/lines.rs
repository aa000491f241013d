//! Lines of logs and tables: what they tell, what they do not, and what is no such line.

use super::super::{CONNECTIONS_MAX, Client, Connections, Peer, Witness};

const QUESTION: &str = r#"[INFO] 10.244.0.5:43721 - 12345 "A IN db.shop.svc.cluster.local. udp 45 false 512" NOERROR qr,aa,rd 87 0.0003s"#;
const ENTRY: &str = "tcp      6 431999 ESTABLISHED src=10.244.0.5 dst=10.96.0.10 sport=43721 dport=5432 \
                     src=10.244.1.7 dst=10.244.0.5 sport=5432 dport=43721 [ASSURED] mark=0 use=1";

/// Who called whom, as words; why not.
fn read(line: &str) -> Result<String, Option<bool>> {
    let mut all = Connections::default();
    let told = all.add_line(line);
    let Some((one, times)) = all.iter().next() else {
        return Err(told);
    };
    assert_eq!((told, times), (Some(true), 1));
    let Client::Address(client) = &one.client else {
        panic!("{one:?}");
    };
    let peer = match &one.peer {
        Peer::Name(host) => host.clone(),
        Peer::Address { address, port, led } => format!("{address} {port} {led}"),
        Peer::Service { .. } | Peer::Workload(_) => panic!("{one:?}"),
    };
    let is_dns = matches!(one.peer, Peer::Name(_));
    assert_eq!(one.witness == Witness::CoreDns, is_dns);
    Ok(format!("{client} {peer}"))
}

#[test]
fn a_question_that_was_answered_tells_the_name() {
    let expected = Ok("10.244.0.5 db.shop.svc.cluster.local".to_owned());
    for line in [
        QUESTION.to_owned(),
        format!("[pod/coredns-76f75df574-q8v2n/coredns] 2026-11-20T10:00:00.123Z {QUESTION}\r"),
        QUESTION.replace("[INFO] ", ""),
        QUESTION.replace("db.shop", "DB.shop"),
        QUESTION.replace("10.244.0.5:", "[::ffff:10.244.0.5]:"),
        QUESTION.replace("udp", "tcp"),
    ] {
        assert_eq!(read(&line), expected, "{line}");
    }
    let six = QUESTION
        .replace("10.244.0.5:", "[fd00:10:244::5]:")
        .replace("\"A ", "\"AAAA ");
    let expected = "fd00:10:244::5 db.shop.svc.cluster.local".to_owned();
    assert_eq!(read(&six), Ok(expected));
}

#[test]
fn tries_of_a_search_path_and_names_of_the_world_tell_nothing() {
    for line in [
        QUESTION
            .replace("cluster.local.", "cluster.local.shop.svc.cluster.local.")
            .replace("NOERROR", "NXDOMAIN"),
        QUESTION.replace("NOERROR", "SERVFAIL"),
        QUESTION.replace("db.shop.svc.cluster.local.", "www.example.com."),
        QUESTION
            .replace("\"A ", "\"PTR ")
            .replace("db.shop.svc.cluster.local.", "4.3.2.1.in-addr.arpa."),
    ] {
        assert_eq!(read(&line), Err(Some(false)), "{line}");
    }
}

#[test]
fn a_connection_of_which_both_sides_talked_tells_both_ways() {
    let expected = Ok("10.244.0.5 10.96.0.10 5432 10.244.1.7".to_owned());
    for line in [
        ENTRY.to_owned(),
        format!("ipv4     2 {ENTRY} zone=0"),
        ENTRY.replace("ESTABLISHED", "TIME_WAIT"),
        ENTRY.replace("dst=10.96.0.10", "dst=::ffff:10.96.0.10"),
        ENTRY.replace("dport=5432 ", "dport=5432 packets=7 bytes=812 "),
    ] {
        assert_eq!(read(&line), expected, "{line}");
    }
    let six = ENTRY
        .replace("10.244.0.5", "fd00::5")
        .replace("10.96.0.10", "fd01::a")
        .replace("10.244.1.7", "fd00::7");
    let expected = "fd00::5 fd01::a 5432 fd00::7".to_owned();
    assert_eq!(read(&format!("ipv6     10 {six}")), Ok(expected));
}

#[test]
fn what_was_not_answered_and_what_is_no_stream_tells_nothing() {
    for line in [
        ENTRY.replace("ESTABLISHED", "SYN_SENT"),
        ENTRY.replace("ESTABLISHED", "CLOSE"),
        ENTRY.replace("tcp      6", "udp      17"),
        ENTRY.replace(" ESTABLISHED", ""),
        // Met midway: which side began it is not known.
        ENTRY.replace("src=10.244.1.7", "[UNREPLIED] src=10.244.1.7"),
        "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 use=1".to_owned(),
        ENTRY.split_once(" src=10.244.1.7").unwrap().0.to_owned(),
    ] {
        assert_eq!(read(&line), Err(Some(false)), "{line}");
    }
}

#[test]
fn other_lines_and_nonsense_are_no_such_line() {
    let long = "x".repeat(1 << 20);
    for line in [
        "",
        " ",
        "\0\u{fffd}\u{fffd}",
        ".:53",
        "CoreDNS-1.11.1",
        "[INFO] plugin/reload: Running configuration SHA512 = 1b22",
        "[ERROR] plugin/errors: 2 db.shop. A: read udp 10.0.0.1:1->10.0.0.2:53: i/o timeout",
        &QUESTION.replace("10.244.0.5:43721", "10.244.0.5"),
        &QUESTION.replace("12345", "x"),
        &QUESTION.replace(" - ", " "),
        &QUESTION.replace(" false 512", ""),
        &QUESTION.replace(" 512\"", " 512 and more\""),
        &QUESTION[..60],
        "\"\"\"\"\"\"",
        "\" - 1 \"A IN db. udp 1 false 1\"",
        "tcp",
        "tcp 6",
        "tcp 6 7 ESTABLISHED src= dst= dport=",
        "tcp 6 7 ESTABLISHED src=web dst=db sport=1 dport=2",
        "tcp 700 7 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
        "tcp 6 7 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=99999",
        "ipv4 x tcp 6 7 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
        "[NEW] tcp 6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
        &long,
        &format!("{long}\"{long}\"{long}"),
    ] {
        let shown: String = line.chars().take(80).collect();
        assert_eq!(read(line), Err(None), "{shown}");
    }
    let crossed = "tcp 6 7 ESTABLISHED dst=10.0.0.2 src=10.0.0.1 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1";
    assert_eq!(
        read(crossed),
        Err(Some(false)),
        "its order is not the kernel's"
    );
}

#[test]
fn lines_of_one_connection_are_counted_whatever_the_clients_port() {
    let mut all = Connections::default();
    for line in [ENTRY.to_owned(), ENTRY.replace("43721", "43722")] {
        all.add_line(&line);
    }
    let times: Vec<u64> = all.iter().map(|(_, times)| times).collect();
    assert_eq!(times, [2]);
}

#[test]
fn clients_of_the_whole_world_are_too_many_and_stop_nothing() {
    let mut all = Connections::default();
    let line = |number: usize| {
        let [_, high, middle, low] = u32::try_from(number).unwrap().to_be_bytes();
        ENTRY.replacen(
            "src=10.244.0.5",
            &format!("src=100.{high}.{middle}.{low}"),
            1,
        )
    };
    for number in 0..CONNECTIONS_MAX {
        assert_eq!(all.add_line(&line(number)), Some(true));
    }
    assert_eq!((all.len(), all.left_out()), (CONNECTIONS_MAX, 0));
    assert_eq!(all.add_line(ENTRY), Some(true));
    assert_eq!(all.add_line(&line(7)), Some(true), "one that is known");
    assert_eq!((all.len(), all.left_out()), (CONNECTIONS_MAX, 1));
}

//! Redis, PostgreSQL and MySQL, each in its own protocol.

use std::sync::Arc;

use refloat_core::probe::{Ask, Cause, ProbeAnswer, Sql};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Server, asks, asks_as, probe, serve};
use crate::probe::{ProbeCredentials, ask_once};

#[tokio::test]
async fn redis_in_its_own_protocol() {
    let cases: [(&[u8], Result<&str, Cause>); 9] = [
        (b"+PONG\r\n", Ok("PONG")),
        (b"+PONG\n", Ok("PONG")),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            Err(Cause::NotReady),
        ),
        (
            b"-MASTERDOWN Link with MASTER is down\r\n",
            Err(Cause::NotReady),
        ),
        (
            b"-NOAUTH Authentication required.\r\n",
            Err(Cause::Unauthorized),
        ),
        (b"-ERR unknown\r\n", Err(Cause::OtherAnswer)),
        (b"$-1\r\n", Err(Cause::OtherProtocol)),
        (b"-PONG\r\n", Err(Cause::OtherAnswer)),
        (b"+PO", Err(Cause::Closed)),
    ];
    for (says, then) in cases {
        let port = Server::saying(says).start().await;
        let heard = asks(port, Ask::Redis).await;
        assert_eq!(heard.as_deref(), then.as_ref().copied(), "{says:?}");
    }
    let long = |bytes: usize| {
        let advice = "either bind it to an address or set a password ".repeat(100);
        format!("-DENIED {}\r\n", advice.get(..bytes).expect("long"))
    };
    for (bytes, then) in [(1200, Cause::Unauthorized), (4200, Cause::OtherProtocol)] {
        let port = Server::saying(long(bytes).as_bytes()).start().await;
        assert_eq!(asks(port, Ask::Redis).await, Err(then), "{bytes}");
    }
    let credentials = ProbeCredentials {
        user: None,
        password: Some("secret".to_owned()),
    };
    let twice = |first: &[u8]| Server {
        says: vec![first.to_vec(), b"+PONG\r\n".to_vec()],
        listens: true,
        ends: true,
    };
    let port = twice(b"+OK\r\n").start().await;
    assert!(asks_as(port, Ask::Redis, &credentials).await.is_ok());
    let port = twice(b"-WRONGPASS invalid username-password pair\r\n")
        .start()
        .await;
    assert_eq!(
        asks_as(port, Ask::Redis, &credentials).await,
        Err(Cause::Unauthorized)
    );
    let port = twice(b"-ERR AUTH called without any password configured\r\n")
        .start()
        .await;
    assert_eq!(
        asks_as(port, Ask::Redis, &credentials).await,
        Err(Cause::Unauthorized)
    );
    assert!(!format!("{credentials:?}").contains("secret"));
}

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    let length = u32::try_from(body.len() + 4).expect("short");
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn welcome() -> Vec<u8> {
    [message(b'R', &[0, 0, 0, 0]), ready()].concat()
}

fn begun() -> Vec<u8> {
    [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat()
}

/// One row with this value in its only column.
fn row(value: &[u8]) -> Vec<u8> {
    let column = [
        b"a\0".as_slice(),
        &[0; 6],
        &[0, 0, 0, 25],
        &[0xff, 0xff],
        &[0xff; 4],
        &[0, 0],
    ]
    .concat();
    let described = message(b'T', &[&[0, 1][..], &column].concat());
    let length = u32::try_from(value.len()).expect("short").to_be_bytes();
    let row = message(b'D', &[&[0, 1][..], &length, value].concat());
    [described, row, message(b'C', b"SELECT 1\0"), ready()].concat()
}

fn error(state: &str, said: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{state}\0M{said}\0\0");
    message(b'E', fields.as_bytes())
}

#[tokio::test]
async fn postgresql_in_its_own_protocol() {
    let error = |state| error(state, "no");
    let none = [
        message(b'T', &[0, 0]),
        message(b'C', b"SELECT 0\0"),
        ready(),
    ]
    .concat();
    let cases = [
        (vec![welcome(), begun(), row(b"1")], Ok("answers `1`")),
        (vec![welcome(), begun(), row(b"f")], Err(Cause::OtherAnswer)),
        (vec![welcome(), begun(), none], Err(Cause::OtherAnswer)),
        (vec![error("57P03")], Err(Cause::NotReady)),
        (vec![error("28P01")], Err(Cause::Unauthorized)),
        (vec![error("3D000")], Err(Cause::BadQuestion)),
        (
            vec![welcome(), begun(), [error("42P01"), ready()].concat()],
            Err(Cause::BadQuestion),
        ),
        (
            vec![welcome(), begun(), vec![b'x'; 4 * 1024 * 1024]],
            Err(Cause::OtherProtocol),
        ),
        // It asks for a password, and there is none.
        (vec![message(b'R', &[0, 0, 0, 3])], Err(Cause::Unauthorized)),
        (vec![welcome()], Err(Cause::Closed)),
    ];
    for (number, (mut says, then)) in cases.into_iter().enumerate() {
        // It speaks no TLS.
        says.insert(0, b"N".to_vec());
        let port = Server {
            says,
            listens: true,
            ends: true,
        }
        .start()
        .await;
        let heard = asks(port, Ask::Postgresql(Sql::default())).await;
        assert_eq!(heard.as_deref(), then.as_ref().copied(), "case {number}");
    }
}

/// A server with a certificate of its own, of this version. It says these things over TLS, and those to who comes without.
async fn postgresql_with_tls(version: u8, by_tls: Vec<Vec<u8>>, plainly: Vec<Vec<u8>>) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["db".to_owned()]).expect("a certificate");
    let key = made.signing_key.serialize_der();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key).expect("a key");
    let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("a key");
    let mut certificate = made.cert.der().to_vec();
    if version == 1 {
        let is_version = |bytes: &[u8]| bytes == [0xa0, 3, 2, 1, 2];
        let at = certificate.windows(5).position(is_version).expect("one");
        certificate[at + 4] = 0;
    }
    let certified = rustls::sign::CertifiedKey::new(vec![certificate.into()], key);
    let always = rustls::sign::SingleCertAndKey::from(certified);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(always));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 8];
            let read = stream.peek(&mut first).await.unwrap_or(0);
            // `SSLRequest`: eight bytes, and a number that is no version.
            if read == 8 && first == [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f] {
                stream.read_exact(&mut first).await.expect("eight bytes");
                stream.write_all(b"S").await.expect("a client");
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    serve(&mut stream, &by_tls, true, true).await;
                    drop(stream.shutdown().await);
                }
            } else {
                serve(&mut stream, &plainly, true, true).await;
            }
        }
    });
    port
}

#[tokio::test]
async fn postgresql_is_asked_by_tls_where_it_can_be() {
    let yes = vec![welcome(), begun(), row(b"1")];
    let error = |state: &str, said: &str| vec![error(state, said)];
    let good = Ok("answers `1`");
    let cases = [
        // Only with TLS: `hostssl`.
        (yes.clone(), error("28000", "no encryption"), good),
        // Only without: `hostnossl`.
        (error("28000", "SSL encryption"), yes.clone(), good),
        (error("28P01", "no"), yes, Err(Cause::Unauthorized)),
        (
            error("28000", "SSL encryption"),
            error("57P03", "starting up"),
            Err(Cause::NotReady),
        ),
    ];
    for (number, (by_tls, plainly, then)) in cases.into_iter().enumerate() {
        for version in [1, 3] {
            let port = postgresql_with_tls(version, by_tls.clone(), plainly.clone()).await;
            let heard = asks(port, Ask::Postgresql(Sql::default())).await;
            let then = then.as_ref().copied();
            assert_eq!(heard.as_deref(), then, "case {number}, version {version}");
        }
    }
    // Neither way is open: what is said of the better one.
    for second in [
        error("28000", "no encryption"),
        error("08P01", "SSL required"),
    ] {
        let port = postgresql_with_tls(3, error("28000", "SSL encryption"), second).await;
        let answer = ask_once(
            &probe(port, Ask::Postgresql(Sql::default())),
            &ProbeCredentials::default(),
        )
        .await;
        let ProbeAnswer::No { said, .. } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(said, "SSL encryption (28000)");
    }
}

#[tokio::test]
async fn postgresql_whose_tls_is_broken_is_asked_without() {
    // A fatal alert of TLS: `protocol_version`.
    let alert = b"\x15\x03\x01\0\x02\x02\x46".to_vec();
    let broken = [
        vec![b"S".to_vec(), alert],
        // It hangs up in the handshake, at the question for TLS, or says what nobody says to it.
        vec![b"S".to_vec()],
        vec![],
        vec![error("XX000", "no fork")],
    ];
    for (number, broken) in broken.into_iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let plainly = vec![welcome(), [error("42P01", "no"), ready()].concat()];
            for says in [&broken, &plainly] {
                let (mut stream, _) = listener.accept().await.expect("a client");
                serve(&mut stream, says, true, true).await;
            }
        });
        let heard = asks(port, Ask::Postgresql(Sql::default())).await;
        assert_eq!(heard, Err(Cause::BadQuestion), "case {number}");
    }
}

#[tokio::test]
async fn a_service_whose_name_no_certificate_has_is_asked_by_tls_too() {
    let config = |host: &str| super::super::postgresql::name_of(host, [10, 0, 0, 1].into());
    for (host, then) in [
        ("db.shop.svc.", "db.shop.svc"),
        ("my_db", "my_db"),
        ("::1", "::1"),
        ("db.2024", "10.0.0.1"),
        ("db-.shop", "10.0.0.1"),
    ] {
        assert_eq!(config(host), then);
    }
}

/// A packet of MySQL with its number in the talk.
fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("short");
    [&[length, 0, 0, number][..], body].concat()
}

/// The greeting of a server that speaks TLS (MySQL internals manual, `HandshakeV10`).
fn greeting() -> Vec<u8> {
    let body: [&[u8]; 11] = [
        b"\x0a8.0.36\0",
        &[1, 0, 0, 0],
        b"12345678\0",
        // Flags: a database, TLS, protocol 4.1, transactions, secure passwords.
        &0xaa08_u16.to_le_bytes(),
        &[45],
        &[2, 0],
        // And plugins.
        &8_u16.to_le_bytes(),
        &[21],
        &[0; 10],
        b"123456789012\0",
        b"mysql_native_password\0",
    ];
    packet(0, &body.concat())
}

#[tokio::test]
async fn mysql_whose_tls_is_broken_is_asked_without() {
    let refusal = |number: u16| {
        let number = number.to_le_bytes();
        packet(2, &[&[0xff][..], &number, b"#42000no"].concat())
    };
    let alert = b"\x15\x03\x01\0\x02\x02\x46".to_vec();
    let cases = [
        // In the handshake it says no, or hangs up; without TLS it has no such database.
        (vec![alert.clone()], refusal(1049), Cause::BadQuestion),
        (vec![], refusal(1049), Cause::BadQuestion),
        // It wants TLS: what TLS said counts.
        (vec![alert.clone()], refusal(3159), Cause::Tls),
        (vec![alert], refusal(1045), Cause::Tls),
    ];
    for (number, (by_tls, plainly, then)) in cases.into_iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut heard = [0; 36];
                drop(stream.write_all(&greeting()).await);
                // Who wants TLS sends a short packet with its flag, and then the first words of it.
                let read = stream.read(&mut heard).await.unwrap_or(0);
                if read >= 36 && heard[5] & 0x08 != 0 {
                    serve(&mut stream, &by_tls, true, true).await;
                } else if read > 0 {
                    drop(stream.write_all(&plainly).await);
                }
            }
        });
        let heard = asks(port, Ask::Mysql(Sql::default())).await;
        assert_eq!(heard, Err(then), "case {number}");
    }
}

/// <https://mariadb.com/kb/en/err_packet/>
#[tokio::test]
async fn mysql_that_refuses_at_once() {
    let refusal = |number: u16, text: &str| {
        let body = [&[0xff][..], &number.to_le_bytes(), text.as_bytes()].concat();
        Server {
            says: vec![packet(0, &body)],
            listens: false,
            ends: true,
        }
    };
    let cases = [
        (1040, Cause::NotReady),
        (1130, Cause::Unauthorized),
        (1045, Cause::Unauthorized),
    ];
    for (number, cause) in cases {
        let port = refusal(number, "#08004no").start().await;
        assert_eq!(
            asks(port, Ask::Mysql(Sql::default())).await,
            Err(cause),
            "{number}"
        );
    }
}

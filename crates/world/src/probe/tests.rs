//! Every protocol against small servers of our own: good ones, bad ones and hostile ones.

use std::time::{Duration, Instant};

use refloat_core::probe::{Ask, Cause, Grpc, Http, Probe, ProbeAnswer, Sql, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{ProbeCredentials, ask_once};

/// A server that says this to everybody, after it has heard something if `listens`, and hangs up if `ends`.
struct Server {
    says: Vec<Vec<u8>>,
    listens: bool,
    ends: bool,
}

impl Server {
    fn saying(text: &[u8]) -> Self {
        Self {
            says: vec![text.to_vec()],
            listens: true,
            ends: true,
        }
    }

    async fn start(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let says = self.says.clone();
                let (listens, ends) = (self.listens, self.ends);
                tokio::spawn(async move { serve(&mut stream, &says, listens, ends).await });
            }
        });
        port
    }
}

async fn serve(stream: &mut TcpStream, says: &[Vec<u8>], listens: bool, ends: bool) {
    let mut heard = [0; 4096];
    for text in says {
        if listens && stream.read(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
        if stream.write_all(text).await.is_err() {
            return;
        }
    }
    if !ends {
        while stream.read(&mut heard).await.unwrap_or(0) > 0 {}
    }
}

fn probe(port: u16, ask: Ask) -> Probe {
    let mut probe = Probe::new("127.0.0.1", Some(port), ask);
    probe.try_seconds = 2;
    probe
}

fn http(text: Option<&str>) -> Ask {
    Ask::Http(Http {
        text: text.map(str::to_owned),
        ..Http::default()
    })
}

fn https(tls: Tls) -> Ask {
    Ask::Http(Http {
        tls: Some(tls),
        ..Http::default()
    })
}

/// `Ok` for a yes, else the cause.
async fn asks(port: u16, ask: Ask) -> Result<String, Cause> {
    asks_as(port, ask, &ProbeCredentials::default()).await
}

async fn asks_as(port: u16, ask: Ask, credentials: &ProbeCredentials) -> Result<String, Cause> {
    let began = Instant::now();
    let answer = ask_once(&probe(port, ask), credentials).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{answer:?}");
    match answer {
        ProbeAnswer::Yes { said, .. } => Ok(said),
        ProbeAnswer::No { cause, said, .. } => {
            assert!(!said.is_empty() && said.len() < 500, "{said}");
            Err(cause)
        }
    }
}

fn every() -> Vec<Ask> {
    vec![
        http(None),
        https(Tls::AcceptAny),
        Ask::Grpc(Grpc::default()),
        Ask::Postgresql(Sql::default()),
        Ask::Mysql(Sql::default()),
        Ask::Redis,
    ]
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    for ask in every().into_iter().chain([Ask::Tcp]) {
        assert_eq!(
            asks(port, ask.clone()).await,
            Err(Cause::Refused),
            "{ask:?}"
        );
    }
}

#[tokio::test]
async fn a_port_where_somebody_listens_accepts() {
    let port = Server::saying(b"").start().await;
    assert!(
        asks(port, Ask::Tcp)
            .await
            .expect("a yes")
            .contains("accepts")
    );
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let silent = Server {
        says: vec![],
        listens: true,
        ends: false,
    };
    let port = silent.start().await;
    let all = every();
    let asked = all.iter().map(|ask| asks(port, ask.clone()));
    for (heard, ask) in futures::future::join_all(asked).await.into_iter().zip(&all) {
        assert_eq!(heard, Err(Cause::Silent), "{ask:?}");
    }
}

#[tokio::test]
async fn who_hangs_up_and_who_talks_nonsense_is_no_yes() {
    let hang_up = Server {
        says: vec![],
        listens: false,
        ends: true,
    };
    let port = hang_up.start().await;
    for ask in every() {
        let heard = asks(port, ask.clone()).await.expect_err("a yes");
        let allowed = [Cause::Closed, Cause::Tls, Cause::OtherProtocol];
        assert!(allowed.contains(&heard), "{ask:?}: {heard:?}");
    }
    let long = vec![b'x'; 8 * 1024 * 1024];
    let nonsense: [&[u8]; 7] = [
        b"\0\0\0\0\0\0\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\r\n\r\n\r\n",
        b"R\x7f\xff\xff\xff",
        b"HTTP/1.1 99999 \r\n\r\n",
        &long,
    ];
    for text in nonsense {
        let port = Server {
            says: vec![text.to_vec()],
            listens: false,
            ends: true,
        }
        .start()
        .await;
        for ask in every() {
            let heard = asks(port, ask.clone()).await;
            let shown = text.get(..20).unwrap_or(text);
            assert!(heard.is_err(), "{ask:?} of {shown:?}: {heard:?}");
        }
    }
}

#[tokio::test]
async fn http_by_status_and_text() {
    let answer = |head: &str, body: &str| {
        Server::saying(
            format!(
                "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
    };
    let port = answer("200 OK", "all is well").start().await;
    assert_eq!(asks(port, http(None)).await.as_deref(), Ok("status 200"));
    assert!(asks(port, http(Some("is well"))).await.is_ok());
    assert_eq!(
        asks(port, http(Some("is bad"))).await,
        Err(Cause::OtherAnswer)
    );
    let port = answer("503 Busy", "").start().await;
    assert_eq!(asks(port, http(None)).await, Err(Cause::NotReady));
    let port = answer("404 No", "all is well").start().await;
    assert_eq!(
        asks(port, http(Some("is well"))).await,
        Err(Cause::OtherAnswer)
    );
    // Not followed, wherever it leads.
    let port = answer("302 Found\r\nLocation: http://127.0.0.1:1/", "")
        .start()
        .await;
    assert_eq!(asks(port, http(None)).await, Err(Cause::OtherAnswer));
    let moved = Ask::Http(Http {
        status_min: 300,
        status_max: 399,
        ..Http::default()
    });
    assert!(
        asks(port, moved)
            .await
            .expect("a yes")
            .contains("127.0.0.1:1")
    );
    // A body without an end is read up to its cap, and a text behind the cap is not found.
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.extend(vec![b'x'; 1024 * 1024]);
    endless.extend(b"is well");
    let port = Server {
        says: vec![endless],
        listens: true,
        ends: false,
    }
    .start()
    .await;
    assert_eq!(
        asks(port, http(Some("is well"))).await,
        Err(Cause::OtherAnswer)
    );
    // So is a head without an end.
    let mut head = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    head.extend(vec![b'x'; 8 * 1024 * 1024]);
    let port = Server {
        says: vec![head],
        listens: true,
        ends: false,
    }
    .start()
    .await;
    assert!(asks(port, http(None)).await.is_err());
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_down() {
    let port = Server::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .start()
        .await;
    for tls in [Tls::Verify, Tls::AcceptAny] {
        assert_eq!(asks(port, https(tls)).await, Err(Cause::Tls));
    }
}

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

#[tokio::test]
async fn postgresql_in_its_own_protocol() {
    let ready = message(b'Z', b"I");
    let welcome = [message(b'R', &[0, 0, 0, 0]), ready.clone()].concat();
    let begun = [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat();
    let row = |value: &[u8]| {
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
        [described, row, message(b'C', b"SELECT 1\0"), ready.clone()].concat()
    };
    let error = |state: &str| {
        let fields = format!("SFATAL\0VFATAL\0C{state}\0Mno\0\0");
        message(b'E', fields.as_bytes())
    };
    let none = [
        message(b'T', &[0, 0]),
        message(b'C', b"SELECT 0\0"),
        ready.clone(),
    ]
    .concat();
    let cases = [
        (
            vec![welcome.clone(), begun.clone(), row(b"1")],
            Ok("answers `1`"),
        ),
        (
            vec![welcome.clone(), begun.clone(), row(b"f")],
            Err(Cause::OtherAnswer),
        ),
        (
            vec![welcome.clone(), begun.clone(), none],
            Err(Cause::OtherAnswer),
        ),
        (vec![error("57P03")], Err(Cause::NotReady)),
        (vec![error("28P01")], Err(Cause::Unauthorized)),
        (vec![error("3D000")], Err(Cause::BadQuestion)),
        (
            vec![
                welcome.clone(),
                begun.clone(),
                [error("42P01"), ready.clone()].concat(),
            ],
            Err(Cause::BadQuestion),
        ),
        (
            vec![welcome.clone(), begun, vec![b'x'; 4 * 1024 * 1024]],
            Err(Cause::OtherProtocol),
        ),
        // It asks for a password, and there is none.
        (vec![message(b'R', &[0, 0, 0, 3])], Err(Cause::Unauthorized)),
        (vec![welcome], Err(Cause::Closed)),
    ];
    for (number, (says, then)) in cases.into_iter().enumerate() {
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

/// <https://mariadb.com/kb/en/err_packet/>
#[tokio::test]
async fn mysql_that_refuses_at_once() {
    let refusal = |number: u16, text: &str| {
        let body = [&[0xff][..], &number.to_le_bytes(), text.as_bytes()].concat();
        let length = u8::try_from(body.len()).expect("short");
        let bytes = [&[length, 0, 0, 0][..], &body].concat();
        Server {
            says: vec![bytes],
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

/// What a server of `grpc.health.v1` says, by the crate that speaks HTTP/2 here anyway.
async fn health(status: &'static [u8], grpc_status: &'static str) -> u16 {
    use http_body_util::Full;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(
                move |request: http::Request<hyper::body::Incoming>| async move {
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    assert_eq!(request.headers()["content-type"], "application/grpc");
                    let mut response =
                        http::Response::new(Full::new(bytes::Bytes::from_static(status)));
                    let value = http::HeaderValue::from_static(grpc_status);
                    response.headers_mut().insert("grpc-status", value);
                    Ok::<_, std::convert::Infallible>(response)
                },
            );
            let executor = hyper_util::rt::TokioExecutor::new();
            let serving = hyper::server::conn::http2::Builder::new(executor)
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    port
}

#[tokio::test]
async fn grpc_health_by_status() {
    let cases: [(&[u8], &str, Result<&str, Cause>); 10] = [
        (&[0, 0, 0, 0, 2, 8, 1], "0", Ok("SERVING")),
        (&[0, 0, 0, 0, 2, 8, 2], "0", Err(Cause::NotReady)),
        (&[0, 0, 0, 0, 2, 8, 3], "0", Err(Cause::BadQuestion)),
        (&[0, 0, 0, 0, 0], "0", Err(Cause::NotReady)),
        (&[], "12", Err(Cause::BadQuestion)),
        (&[], "14", Err(Cause::NotReady)),
        (&[], "16", Err(Cause::Unauthorized)),
        (&[], "0", Err(Cause::OtherProtocol)),
        (&[1, 0, 0, 0, 2, 8, 1], "0", Err(Cause::OtherProtocol)),
        (
            &[0, 255, 255, 255, 255, 8, 1],
            "0",
            Err(Cause::OtherProtocol),
        ),
    ];
    for (body, status, then) in cases {
        let port = health(body, status).await;
        let grpc = Grpc {
            service: "shop.Orders".repeat(20),
        };
        let heard = asks(port, Ask::Grpc(grpc)).await;
        assert_eq!(
            heard.as_deref(),
            then.as_ref().copied(),
            "{body:?} {status}"
        );
    }
}

#[tokio::test]
async fn names_by_the_resolver_of_the_system() {
    let dns = |host: &str, address: Option<&str>| {
        let address = address.map(|text| text.parse().expect("an address"));
        let mut probe = Probe::new(host, None, Ask::Dns { address });
        probe.try_seconds = 3;
        async move { ask_once(&probe, &ProbeCredentials::default()).await }
    };
    assert!(matches!(
        dns("localhost", None).await,
        ProbeAnswer::Yes { .. }
    ));
    assert!(matches!(
        dns("127.0.0.1", Some("127.0.0.1")).await,
        ProbeAnswer::Yes { .. }
    ));
    assert!(matches!(
        dns("127.0.0.1", Some("127.0.0.2")).await,
        ProbeAnswer::No {
            cause: Cause::NameOther,
            ..
        }
    ));
    // Without name servers at hand nobody can say that there is no such name.
    assert!(matches!(
        dns("refloat.invalid", None).await,
        ProbeAnswer::No {
            cause: Cause::NameUnknown | Cause::NameUnasked,
            ..
        }
    ));
}

#[tokio::test]
async fn an_order_that_could_do_more_is_not_carried_out() {
    let sql = Sql {
        query: "SELECT 1; DROP TABLE orders".to_owned(),
        ..Sql::default()
    };
    assert_eq!(asks(1, Ask::Postgresql(sql)).await, Err(Cause::BadOrder));
}

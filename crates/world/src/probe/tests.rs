//! Every protocol against small servers of our own: good ones, bad ones and hostile ones.

mod databases;
mod requests;

use std::time::{Duration, Instant};

use refloat_core::probe::{Ask, Cause, Grpc, Http, Probe, ProbeAnswer, Sql, Tls};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

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

async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    says: &[Vec<u8>],
    listens: bool,
    ends: bool,
) {
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

/// The time of a try, where nobody is silent.
const PATIENCE_SECONDS: u32 = 60;

fn probe(port: u16, ask: Ask) -> Probe {
    let mut probe = Probe::new("127.0.0.1", Some(port), ask);
    probe.try_seconds = PATIENCE_SECONDS;
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
    heard(ask_once(&probe(port, ask), credentials).await)
}

fn heard(answer: ProbeAnswer) -> Result<String, Cause> {
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
    let asked = all.iter().map(|ask| async move {
        let mut probe = probe(port, ask.clone());
        probe.try_seconds = 2;
        heard(ask_once(&probe, &ProbeCredentials::default()).await)
    });
    let began = Instant::now();
    for (heard, ask) in futures::future::join_all(asked).await.into_iter().zip(&all) {
        assert_eq!(heard, Err(Cause::Silent), "{ask:?}");
    }
    assert!(began.elapsed() < Duration::from_mins(1));
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
async fn names_by_the_resolver_of_the_system() {
    let dns_within = |try_seconds: u32, host: &str, address: Option<&str>| {
        let address = address.map(|text| text.parse().expect("an address"));
        let mut probe = Probe::new(host, None, Ask::Dns { address });
        probe.try_seconds = try_seconds;
        async move { ask_once(&probe, &ProbeCredentials::default()).await }
    };
    let dns = |host: &str, address: Option<&str>| dns_within(PATIENCE_SECONDS, host, address);
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
        dns_within(3, "refloat.invalid", None).await,
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

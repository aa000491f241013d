//! HTTP, TLS and the health service of gRPC, each with answers that are no yes.

use refloat_core::probe::{Ask, Cause, Grpc, Http, Tls};
use tokio::net::TcpListener;

use super::{Server, asks, http, https};

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

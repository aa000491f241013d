//! One `GET` over HTTP/1.1. Redirects are answers; at most 64 KiB of a body are read.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use refloat_core::probe::{Cause, Http};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::stream::{Capped, cause};
use super::{Heard, No, tls};

/// Of a body so much is read.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Everything that the server may say, head included.
const ANSWER_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

pub(super) async fn ask(stream: TcpStream, host: &str, port: u16, order: &Http) -> Heard {
    match order.tls {
        None => over(stream, host, port, order).await,
        Some(tls) => {
            let stream = tls::wrap(stream, host, tls).await?;
            over(stream, host, port, order).await
        }
    }
}

/// `web.shop.svc:8080`, `[fd00::1]:80`.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

async fn over<S>(stream: S, host: &str, port: u16, order: &Http) -> Heard
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = Capped {
        inner: stream,
        left: ANSWER_BYTES_MAX,
    };
    let request = Request::get(order.path.as_str())
        .header(header::HOST, authority(host, port))
        .header(header::USER_AGENT, "refloat-probe")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| (Cause::BadOrder, error.to_string()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no(&error))?;
    let mut connection = std::pin::pin!(connection);
    let answered = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| no(&error))?;
        judge(response, order).await
    };
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        heard = &mut answered => heard,
        ended = &mut connection => match ended {
            Ok(()) => answered.await,
            Err(error) => Err(no(&error)),
        },
    }
}

async fn judge(response: Response<Incoming>, order: &Http) -> Heard {
    let status = response.status();
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let location = location.map_or_else(String::new, |place| format!(", to {place}"));
    let said = format!("status {}{location}", status.as_u16());
    if !(order.status_min..=order.status_max).contains(&status.as_u16()) {
        let cause = match status.as_u16() {
            502..=504 => Cause::NotReady,
            _ => Cause::OtherAnswer,
        };
        return Err((cause, said));
    }
    let Some(text) = &order.text else {
        return Ok(said);
    };
    let body = body(response).await?;
    let found = body.windows(text.len()).any(|part| part == text.as_bytes());
    if found {
        return Ok(format!("{said}, with the expected text"));
    }
    let start = String::from_utf8_lossy(body.get(..80).unwrap_or(&body)).into_owned();
    Err((
        Cause::OtherAnswer,
        format!("{said}, without the expected text: {start}"),
    ))
}

async fn body(response: Response<Incoming>) -> Result<Vec<u8>, No> {
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| no(&error))?;
        if let Some(data) = frame.data_ref() {
            let room = BODY_BYTES_MAX - read.len();
            read.extend_from_slice(data.get(..room).unwrap_or(data));
        }
        if read.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    Ok(read)
}

/// What a failed exchange means.
pub(super) fn no(error: &hyper::Error) -> No {
    let mut said = error.to_string();
    let mut found = None;
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        said = format!("{said}: {inner}");
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            found = Some(cause(error));
        }
        source = inner.source();
    }
    let cause = match found {
        Some(cause) => cause,
        None if error.is_parse() => Cause::OtherProtocol,
        None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
            Cause::Closed
        }
        None => Cause::OtherProtocol,
    };
    (cause, said)
}

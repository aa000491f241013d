//! `grpc.health.v1.Health/Check`, framed by hand: one string goes out, one number comes back (gRPC documentation, "GRPC Health Checking
//! Protocol", "gRPC over HTTP2").

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use refloat_core::probe::{Cause, Grpc};
use tokio::net::TcpStream;

use super::http::{authority, no};
use super::stream::Capped;
use super::{Heard, No};

/// A good answer has seven bytes.
const BODY_BYTES_MAX: usize = 1024;
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(super) async fn ask(stream: TcpStream, host: &str, port: u16, order: &Grpc) -> Heard {
    let stream = Capped {
        inner: stream,
        left: ANSWER_BYTES_MAX,
    };
    let place = format!(
        "http://{}/grpc.health.v1.Health/Check",
        authority(host, port)
    );
    let request = Request::post(place)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "refloat-probe")
        .body(Full::new(Bytes::from(framed(&order.service))))
        .map_err(|error| (Cause::BadOrder, error.to_string()))?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| no(&error))?;
    let mut connection = std::pin::pin!(connection);
    let answered = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| no(&error))?;
        let status = response.status();
        if !status.is_success() {
            let said = format!("HTTP status {}", status.as_u16());
            return Err((Cause::OtherProtocol, said));
        }
        status_of(response.headers())?;
        let mut body = response.into_body();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| no(&error))?;
            if let Some(data) = frame.data_ref() {
                read.extend_from_slice(data);
            } else if let Some(trailers) = frame.trailers_ref() {
                status_of(trailers)?;
            }
            if read.len() > BODY_BYTES_MAX {
                return Err((
                    Cause::OtherProtocol,
                    "an answer that is too long".to_owned(),
                ));
            }
        }
        judge(&read)
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

/// A frame without compression that holds `HealthCheckRequest { service = 1 }`.
fn framed(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or_default());
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or_default();
    let mut frame = vec![0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend(message);
    frame
}

/// What `grpc-status` says, when it is there (gRPC documentation, "Status codes and their use in gRPC").
fn status_of(headers: &HeaderMap) -> Result<(), No> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(status) = text("grpc-status") else {
        return Ok(());
    };
    let cause = match status {
        "0" => return Ok(()),
        "4" => Cause::Silent,
        "5" | "12" => Cause::BadQuestion,
        "7" | "16" => Cause::Unauthorized,
        "8" | "14" => Cause::NotReady,
        _ => Cause::OtherAnswer,
    };
    let message = text("grpc-message").unwrap_or_default();
    Err((cause, format!("status {status} {message}")))
}

/// Reads `HealthCheckResponse { status = 1 }`. An absent number is 0.
fn judge(frame: &[u8]) -> Heard {
    let other = || {
        (
            Cause::OtherProtocol,
            format!("{} bytes that are no health", frame.len()),
        )
    };
    let [0, length @ ..] = frame else {
        return Err(other());
    };
    let (length, message) = length.split_first_chunk::<4>().ok_or_else(other)?;
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err(other());
    }
    match message {
        [0x08, 1] => Ok("SERVING".to_owned()),
        [] | [0x08, 0] => Err((Cause::NotReady, "UNKNOWN".to_owned())),
        [0x08, 2] => Err((Cause::NotReady, "NOT_SERVING".to_owned())),
        [0x08, 3] => Err((Cause::BadQuestion, "SERVICE_UNKNOWN".to_owned())),
        _ => Err(other()),
    }
}

//! Names, connections, and a stream that ends after so many bytes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use refloat_core::probe::Cause;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::No;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// The addresses of a name, by the resolver of the system. An absent name is told from name servers that do not answer by the
/// resolver's own words (`getaddrinfo(3)`: `EAI_NONAME`, `EAI_NODATA`; `EAI_AGAIN`).
pub(super) async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, No> {
    let looked_up = tokio::time::timeout_at(deadline, tokio::net::lookup_host((host, port))).await;
    let found: Vec<SocketAddr> = match looked_up {
        Err(_) => return Err((Cause::NameUnasked, "no answer in time".to_owned())),
        Ok(Err(error)) => {
            let said = error.to_string();
            let nobody = ["Temporary failure", "Try again", "try again"];
            let cause = if nobody.iter().any(|words| said.contains(words)) {
                Cause::NameUnasked
            } else {
                Cause::NameUnknown
            };
            return Err((cause, said));
        }
        Ok(Ok(found)) => found.collect(),
    };
    if found.is_empty() {
        return Err((Cause::NameUnknown, "it has no address".to_owned()));
    }
    Ok(found)
}

/// Connects to the first address that takes it; each gets its share of the time.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), No> {
    let addresses = addresses.get(..ADDRESSES_MAX).unwrap_or(addresses);
    let mut last = (Cause::NameUnknown, "it has no address".to_owned());
    for (tried, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = u32::try_from(addresses.len() - tried).unwrap_or(1);
        let share = left / share;
        last = match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => (cause(&error), format!("{address}: {error}")),
            Err(_) => (
                Cause::TimedOut,
                format!(
                    "{address}: nothing came back within {:.1} s",
                    share.as_secs_f64()
                ),
            ),
        };
    }
    Err(last)
}

/// In which way a connection failed.
pub(super) fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Cause::Closed,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Cause::OtherProtocol,
        _ => Cause::Unreachable,
    }
}

/// A stream of which at most so many bytes are read.
pub(super) struct Capped<S> {
    pub(super) inner: S,
    pub(super) left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Capped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the answer is longer than any good one",
            )));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.left = self.left.saturating_sub(buffer.filled().len() - before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Capped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

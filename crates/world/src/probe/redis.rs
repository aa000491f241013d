//! `PING` in RESP (Redis documentation, "Redis serialization protocol specification").

use refloat_core::probe::{Cause, clients};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Heard, No, ProbeCredentials, stream};

/// Longest line of an answer: what a server in protected mode says has more than 1,024 bytes.
const LINE_BYTES_MAX: usize = 4096;

pub(super) async fn ask(mut stream: TcpStream, credentials: &ProbeCredentials) -> Heard {
    if let Some(password) = &credentials.password {
        let mut words = vec!["AUTH"];
        words.extend(credentials.user.as_deref());
        words.push(password);
        let line = say(&mut stream, &words).await?;
        if line != "+OK" {
            let said = line.strip_prefix('-').unwrap_or(&line).to_owned();
            let cause = match clients::redis_said(&said) {
                Err(cause @ (Cause::NotReady | Cause::OtherProtocol)) => cause,
                Ok(()) | Err(_) => Cause::Unauthorized,
            };
            return Err((cause, said));
        }
    }
    let line = say(&mut stream, &["PING"]).await?;
    let Some(said) = line.strip_prefix(['+', '-']) else {
        return Err((Cause::OtherProtocol, line));
    };
    match clients::redis_said(said) {
        Ok(()) if line.starts_with('+') => Ok(said.to_owned()),
        Ok(()) => Err((Cause::OtherAnswer, line)),
        Err(cause) => Err((cause, said.to_owned())),
    }
}

async fn say(stream: &mut TcpStream, words: &[&str]) -> Result<String, No> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    let failed = |error: std::io::Error| (stream::cause(&error), error.to_string());
    stream.write_all(bytes.as_bytes()).await.map_err(failed)?;
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await.map_err(failed)? {
            b'\n' => break,
            byte => line.push(byte),
        }
        if line.len() > LINE_BYTES_MAX {
            return Err((Cause::OtherProtocol, "a line without an end".to_owned()));
        }
    }
    let line = String::from_utf8_lossy(&line);
    Ok(line.trim_end_matches('\r').to_owned())
}

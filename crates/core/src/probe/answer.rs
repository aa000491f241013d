//! What one try brought: yes, or no with its cause. The last word of a probe pod, as JSON in its termination message.

use serde::{Deserialize, Serialize};

/// Bytes of [`ProbeAnswer`]'s text, so that the whole fits into a termination message (4096 bytes) however it is escaped.
const SAID_BYTES_MAX: usize = 400;

/// What one try brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeAnswer {
    /// As hoped for.
    Yes {
        /// What was said, in one line: `200 OK`.
        said: String,
        /// How long it took.
        milliseconds: u64,
    },
    /// Not as hoped for.
    No {
        /// In which way.
        cause: Cause,
        /// What was said, in one line.
        said: String,
        /// How long it took.
        milliseconds: u64,
    },
}

/// In which way an answer is not as hoped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The name does not resolve.
    NameUnknown,
    /// The name resolves, to other addresses.
    NameOther,
    /// Nobody could be asked about the name.
    NameUnasked,
    /// The connection was refused: nobody listens.
    Refused,
    /// No connection within the time: something swallows it.
    TimedOut,
    /// There is no way there.
    Unreachable,
    /// Connected, and no answer within the time.
    Silent,
    /// The connection was closed before there was an answer.
    Closed,
    /// TLS failed: the certificate, or the server speaks none.
    Tls,
    /// What was answered is not of this protocol.
    OtherProtocol,
    /// The server says that it is not ready.
    NotReady,
    /// The server answers something else than what is expected.
    OtherAnswer,
    /// The server refuses who asks.
    Unauthorized,
    /// The server refuses the question: no such database, table, service.
    BadQuestion,
    /// The probe was given an order that it cannot read: a defect, or an image of another version.
    BadOrder,
}

impl ProbeAnswer {
    /// A yes.
    pub fn yes(said: &str, milliseconds: u64) -> Self {
        Self::Yes {
            said: one_line(said),
            milliseconds,
        }
    }

    /// The same, its text fit to be shown: it may come from somebody who never was our probe.
    pub(super) fn cleaned(self) -> Self {
        match self {
            Self::Yes { said, milliseconds } => Self::yes(&said, milliseconds),
            Self::No {
                cause,
                said,
                milliseconds,
            } => Self::no(cause, &said, milliseconds),
        }
    }

    /// A no.
    pub fn no(cause: Cause, said: &str, milliseconds: u64) -> Self {
        Self::No {
            cause,
            said: one_line(said),
            milliseconds,
        }
    }
}

/// What a foreign server said, fit for a terminal and a journal: one line, nothing that is not printed, not long.
pub fn one_line(said: &str) -> String {
    let mut line = String::new();
    for word in said
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > SAID_BYTES_MAX {
            let end = (0..=SAID_BYTES_MAX)
                .rev()
                .find(|&at| line.is_char_boundary(at));
            line.truncate(end.unwrap_or(0));
            line.push('…');
            break;
        }
    }
    line
}

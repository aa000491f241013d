//! How a call can fail, before it is put into words (`problem`).

use std::error::Error;
use std::time::Duration;

use kube::core::Status;

/// A call that brought no answer, or a refusal.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The call itself is wrong and was not sent.
    Unsendable(String),
    /// There are no credentials to send it with.
    Credentials(String),
    /// It was never sent: nobody there.
    NeverSent(String),
    /// It was sent, and the connection broke.
    Lost(String),
    /// It was sent, and no answer came in time.
    Late(Duration),
    /// The answer makes no sense.
    Garbled(String),
    /// The server said no.
    Refused {
        code: u16,
        status: Box<Status>,
        retry_after: Option<Duration>,
    },
}

impl Failure {
    /// Reads what the client says.
    pub(crate) fn of_client(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                code: status.code,
                status: status.clone(),
                retry_after: None,
            },
            kube::Error::Auth(error) => Self::Credentials(causes(error)),
            kube::Error::SerdeError(error) => Self::Garbled(error.to_string()),
            kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
                Self::Unsendable(causes(error))
            }
            _ if never_sent(error) => Self::NeverSent(causes(error)),
            _ => Self::Lost(causes(error)),
        }
    }

    /// Reads a refusal; a body that is no `Status` (a proxy's page) becomes its message.
    pub(crate) fn refused(code: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let status = serde_json::from_slice::<Status>(body).unwrap_or_else(|_| {
            let text: String = String::from_utf8_lossy(body).chars().take(300).collect();
            Status::failure(text.trim(), "")
        });
        Self::Refused {
            code,
            status: status.with_code(code).boxed(),
            retry_after,
        }
    }

    /// True when the server certainly did nothing.
    pub(crate) fn unheard(&self) -> bool {
        matches!(self, Self::NeverSent(_) | Self::Refused { code: 429, .. })
    }

    /// True when the same call may do better a moment later.
    pub(crate) fn passing(&self) -> bool {
        matches!(
            self,
            Self::NeverSent(_)
                | Self::Lost(_)
                | Self::Refused {
                    code: 429 | 500 | 502 | 503 | 504,
                    ..
                }
        )
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The HTTP code of a refusal.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The message of a refusal.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Refused { status, .. } => &status.message,
            _ => "",
        }
    }

    /// The reason of a refusal.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Refused { status, .. } => &status.reason,
            _ => "",
        }
    }
}

/// An error and what is below it, without repeating what a level already says.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for below in chain(error).into_iter().skip(1) {
        let said = below.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

/// All levels of an error, the errors inside of I/O errors too.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut levels = Vec::new();
    let mut next = Some(error);
    while let Some(level) = next {
        levels.push(level);
        if levels.len() > 24 {
            break;
        }
        let inside = level
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inside| inside as &(dyn Error + 'static));
        next = inside.or_else(|| level.source());
    }
    levels
}

fn never_sent(error: &kube::Error) -> bool {
    chain(error).into_iter().any(|level| {
        level
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
    })
}

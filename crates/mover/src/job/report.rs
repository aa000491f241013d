//! What a mover pod says when it ends.
//!
//! Must fit a pod's termination message. The engine reads it back.

use serde::{Deserialize, Serialize};

use crate::engine::{Restored, Saved, Verified};
use crate::error::PartError;

/// Kubernetes cuts termination messages at 4096 bytes.
const REPORT_BYTES_MAX: usize = 4096;
const MESSAGE_BYTES_MAX: usize = 1200;
const PART_BYTES_MAX: usize = 253;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobReport {
    /// The part that it was about.
    pub part: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The part was saved.
    Saved(Saved),
    /// The part was restored.
    Restored(Restored),
    /// The part was verified.
    Verified(Verified),
    /// Nothing of it counts.
    Failed(Failure),
}

/// Why it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// A stable code.
    pub code: String,
    /// The cause, with the thing's name.
    pub message: String,
    /// What a person does next.
    pub hint: String,
    /// Whether the same request may succeed later without anyone acting.
    pub transient: bool,
}

impl JobReport {
    /// Makes the report of a result.
    pub fn new(part: &str, result: Result<Outcome, PartError>) -> Self {
        let outcome = result.unwrap_or_else(|error| Outcome::Failed(Failure::new(&error)));
        Self {
            part: cut(part, PART_BYTES_MAX),
            outcome,
        }
    }

    /// Says whether the job did what it was asked.
    pub fn is_success(&self) -> bool {
        !matches!(self.outcome, Outcome::Failed(_))
    }

    /// Writes the report as one line, short enough for a termination message.
    pub fn to_json(&self) -> String {
        let mut report = self.clone();
        let mut limit = MESSAGE_BYTES_MAX;
        loop {
            let text = serde_json::json!(report).to_string();
            match &mut report.outcome {
                // A message of control characters grows sixfold when it is written.
                Outcome::Failed(failure) if text.len() > REPORT_BYTES_MAX && limit > 0 => {
                    limit /= 2;
                    failure.message = cut(&failure.message, limit);
                }
                _ => return text,
            }
        }
    }

    /// Reads a report back.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl Failure {
    fn new(error: &PartError) -> Self {
        let mut message = error.to_string();
        // The library's own text carries backtraces; its short form is in the message already.
        let mut source = match error {
            PartError::Repository { .. } => None,
            error => std::error::Error::source(error),
        };
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self {
            code: error.code().to_owned(),
            message: cut(&message, MESSAGE_BYTES_MAX),
            hint: error.hint().to_owned(),
            transient: error.is_transient(),
        }
    }
}

fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

//! A failed command: code, message, next step and whose fault it is. The one place that turns errors of all rooms into
//! an exit code.

use std::fmt::Display;

use refloat_core::drive::{DriveError, JournalError};
use refloat_core::driver::{Class, Problem};
use refloat_world::ConnectError;
use serde::Serialize;

/// Why a command failed; several problems when planning found several.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    pub(crate) problems: Vec<Problem>,
    /// What did not stop it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// A document that the command has printed holds them already, or there are none to say.
    #[serde(skip)]
    pub(crate) shown: bool,
}

impl Failure {
    /// The user or the world says no.
    pub(crate) fn refuse(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem::stuck(code, message, hint).into()
    }

    /// An answer that is told by the exit code alone.
    pub(crate) fn exit_only() -> Self {
        Self {
            problems: Vec::new(),
            warnings: Vec::new(),
            shown: true,
        }
    }

    /// Our fault.
    pub(crate) fn bug(code: &str, error: &dyn Display) -> Self {
        let hint = "this is a defect of Refloat: please report it";
        Problem::of(Class::Bug, code, error.to_string(), hint).into()
    }

    /// A file that cannot be used.
    pub(crate) fn file(path: &std::path::Path, error: &dyn Display) -> Self {
        let message = format!("{}: {error}", path.display());
        Self::refuse("file", message, "check the path and its rights")
    }

    /// All in one line, where it is no failure of the command.
    pub(crate) fn text(&self) -> String {
        let problems = self.problems.iter();
        let lines: Vec<String> = problems
            .map(|one| format!("{} ({}); next: {}", one.message, one.code, one.hint))
            .collect();
        lines.join("; ")
    }

    /// 1: the user or the world says no; 2: our fault.
    pub(crate) fn exit_code(&self) -> u8 {
        let ours = self.problems.iter().any(|one| one.class == Class::Bug);
        if ours { 2 } else { 1 }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        vec![problem].into()
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self {
            problems,
            warnings: Vec::new(),
            shown: false,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let mut message = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            let source = source.to_string();
            if !message.contains(&source) {
                message = format!("{message}: {source}");
            }
        }
        Self::refuse(error.code(), message, error.hint())
    }
}

impl From<DriveError> for Failure {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Journal(JournalError::Unwritable(problem)) => problem.into(),
            DriveError::Journal(JournalError::TakenOver(_)) => Self::refuse(
                "taken-over",
                error.to_string(),
                "let the other one finish; `refloat status` shows it",
            ),
            DriveError::Deadlock { .. } => Self::bug("run-deadlock", &error),
        }
    }
}

impl From<refloat_core::names::NameError> for Failure {
    fn from(error: refloat_core::names::NameError) -> Self {
        Self::refuse("name", error.to_string(), "choose another name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_fits_into_a_line() {
        let mut failure = Failure::refuse("vault-unreachable", "no answer", "see the network");
        let all = "no answer (vault-unreachable); next: see the network";
        assert_eq!(failure.text(), all);
        failure.problems.push(failure.problems[0].clone());
        assert_eq!(failure.text(), format!("{all}; {all}"));
    }
}

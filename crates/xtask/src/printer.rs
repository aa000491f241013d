//! What xtask says to a person.
//!
//! Holds the only two ways out: progress to stderr, data to stdout. Called by every verb.

use std::fmt::Display;
use std::io::{self, Write};

/// Say one line of progress.
///
/// A closed stderr must not end a command that is in the middle of changing the machine, so a failed write is dropped.
pub(crate) fn say(line: impl Display) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Print one line of data.
pub(crate) fn print(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

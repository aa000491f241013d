//! The Sessions port: commands whose input stays open, by which holds are kept.

use std::time::Duration;

use super::spec::{SessionOrder, Until};
use crate::driver::Problem;

/// What a session says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The command runs.
    Opened,
    /// A line of its output, without its end.
    Line(String),
    /// A line of its error output.
    ErrorLine(String),
    /// It is over: by itself with an exit code, or lost for a reason.
    Ended(Ending),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The command ended with this code.
    Exited(i32),
    /// The stream broke, the command never started, or no heartbeat was answered.
    Lost(Problem),
}

/// Held sessions, by name.
///
/// # Expected flow
/// `open`, events, `send`, events, `close`, the end as an event.
///
/// # Guarantees
/// Each opened session ends with exactly one `Ended`. Heartbeats are sent and their answers taken without the engine.
/// Dropping the port, or the death of the process, ends every session's input.
///
/// # Assumptions
/// A command that reads the end of its input lets go of what it holds.
///
/// # Caveats
/// `close` only ends the input; what the server makes of it is seen by its end.
#[allow(
    async_fn_in_trait,
    reason = "one engine drives one world on one task: no Send bound is wanted"
)]
pub trait Sessions {
    /// Starts a session.
    fn open(&self, name: &str, order: &SessionOrder);
    /// Says something to a session; no heartbeat is sent until the answer's last line has come.
    fn send(&self, name: &str, text: &str, until: &Until);
    /// Ends the session's input.
    fn close(&self, name: &str);
    /// The next event of any session, or nothing after this time.
    async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)>;
}

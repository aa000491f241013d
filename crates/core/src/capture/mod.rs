//! A capture: hold → cuts → proof → release, as one pure machine that is stepped event by event.
//!
//! `spec` is what drivers write, `machine` decides, `perform` carries its actions out through the World and its
//! sessions with no other I/O in between, `outcome` is what is told of it. Holds live in sessions: whatever happens to
//! the engine, the end of the session's input lets go.

mod decide;
mod looking;
mod machine;
mod outcome;
mod perform;
mod release;
mod sessions;
mod spec;
#[cfg(test)]
mod tests;

pub use decide::{Capturing, decide};
pub use machine::{Action, Event, Machine};
pub use outcome::{Captured, CutMade, HoldMade};
pub use release::release_decide;
pub use sessions::{Ending, SessionEvent, Sessions};
pub use spec::{Beat, Capture, Cut, Hold, Limits, SessionOrder, Statement, Undo, Until};

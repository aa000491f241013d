//! The time by which gates are judged. Budgets count from the start of the wait by a clock that does not jump: the API server's may
//! differ, and the machine's may be set.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Now, and for how long this has been waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    /// For how long.
    pub waited: Duration,
}

impl Clock {
    /// For how long this has been waited for, never negative.
    pub(super) fn waited(self) -> SignedDuration {
        SignedDuration::try_from(self.waited).unwrap_or(SignedDuration::MAX)
    }

    /// True when the wait is older than that.
    pub(super) fn is_past(self, seconds: u32) -> bool {
        self.waited() >= SignedDuration::from_secs(i64::from(seconds))
    }

    /// Whether what began at that time, by another clock, has lasted so long within this wait. An unreadable time and one in the
    /// future say nothing: then the wait itself counts. So the answer is true at the latest when the wait is that old plus
    /// what the other clock is behind.
    pub(super) fn has_lasted(self, from: Option<&str>, seconds: u32) -> bool {
        let age = from
            .and_then(|from| from.parse::<Timestamp>().ok())
            .map(|from| self.now.duration_since(from))
            .filter(|age| !age.is_negative())
            .unwrap_or(SignedDuration::MAX);
        self.waited().min(age) >= SignedDuration::from_secs(i64::from(seconds))
    }
}

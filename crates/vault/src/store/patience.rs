//! Waiting for a store that does not answer for a moment: how long, how often it is asked again, what is said of it. Used by the journal.

use std::time::{Duration, Instant};

use refloat_core::driver::Class;
use refloat_core::run::Record;

use crate::error::VaultError;

/// Longest pause between two requests.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// No longer than this where a session may hold something meanwhile: what is held is not held longer for the journal's sake.
const HELD_AT_MOST: Duration = Duration::from_secs(4);

/// How long a journal waits for a store that does not answer.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Later than this after the first failure nothing is asked again. What is being asked then has the time of its request beside.
    pub at_most: Duration,
    /// Before the second request; each later pause is twice as long, up to five seconds.
    pub first_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            at_most: Duration::from_mins(1),
            first_pause: Duration::from_millis(500),
        }
    }
}

impl Patience {
    /// What there is of it for these records: captures write theirs while their sessions are open, or just before.
    fn with(self, records: &[Record]) -> Self {
        let of_capture =
            |record: &Record| matches!(record, Record::MustRelease { .. } | Record::Kept { .. });
        if !records.iter().any(of_capture) {
            return self;
        }
        Self {
            at_most: self.at_most.min(HELD_AT_MOST),
            ..self
        }
    }
}

/// One wait, over all that one entry asks of the store.
pub(super) struct Wait {
    patience: Patience,
    since: Option<Instant>,
    pause: Duration,
}

impl Wait {
    pub(super) fn new(patience: Patience, records: &[Record]) -> Self {
        Self {
            patience: patience.with(records),
            since: None,
            pause: patience.first_pause,
        }
    }

    /// True when something had to be asked again.
    pub(super) fn has_waited(&self) -> bool {
        self.since.is_some()
    }

    /// Pauses, so that the same can be asked again. False when that is of no use: the store has answered, or it is silent for too long.
    pub(super) async fn goes_on(&mut self, error: &VaultError, tell: &Tell) -> bool {
        if error.class() != Class::Retry {
            return false;
        }
        let (first, now) = (self.since.is_none(), Instant::now());
        let since = *self.since.get_or_insert(now);
        let pause = self.pause.min(PAUSE_MAX);
        if now.duration_since(since) + pause > self.patience.at_most {
            return false;
        }
        if first {
            let seconds = self.patience.at_most.as_secs();
            tell(&format!(
                "{error}; the run waits, and it is asked again for {seconds} s"
            ));
        }
        tokio::time::sleep(pause).await;
        self.pause = pause * 2;
        true
    }
}

/// Says something to whoever watches.
pub(super) type Tell = dyn Fn(&str) + Send + Sync;

//! How old may be what an operator does again and again: one that is gone leaves behind that all was well. Called by `rule`.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Clock;
use super::reading::text;
use super::rule::dotted;

/// What is done at an interval that the object itself names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh {
    /// Where the time of the last one is told.
    pub(super) last: &'static str,
    /// Where the interval is told, as Go writes it (`5m0s`). Zero: only when somebody asks for it.
    pub(super) interval: &'static str,
    /// So many intervals may go by.
    pub(super) intervals_max: i32,
    /// This long it may take, however short the interval is.
    pub(super) seconds_min: i64,
}

impl Fresh {
    /// How old the last one is, if that is too old. A time or an interval that cannot be read says nothing.
    pub(super) fn overdue(&self, object: &Value, clock: Clock) -> Option<String> {
        let last: Timestamp = text(object, self.last)?.parse().ok()?;
        let interval: SignedDuration = text(object, self.interval)?.parse().ok()?;
        if !interval.is_positive() {
            return None;
        }
        let age = clock.now.duration_since(last);
        let longest = interval.checked_mul(self.intervals_max)?;
        let longest = longest.max(SignedDuration::from_secs(self.seconds_min));
        (age > longest).then(|| {
            // The time itself: an age would be another reason with each look.
            format!("{} is {last}", dotted(self.last))
        })
    }
}

/// In words, for people and for the page.
impl fmt::Display for Fresh {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            last,
            interval,
            intervals_max,
            seconds_min,
        } = self;
        let (last, interval) = (dotted(last), dotted(interval));
        write!(
            formatter,
            "`{last}` is not older than {intervals_max} times `{interval}`, or than {seconds_min} s if that is longer"
        )
    }
}

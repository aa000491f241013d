//! Do this machine and the API server agree about the time?

use super::finding::{Raised, Weight};

/// From here on it is worth a word.
const WARNED_MILLISECONDS: u64 = 5_000;
/// From here on limits of waits are judged wrongly, and what is signed carries a wrong time.
const REFUSED_MILLISECONDS: u64 = 60_000;

pub(super) fn check(ahead_milliseconds: Option<i64>, raised: &mut Raised) {
    let Some(ahead) = ahead_milliseconds else {
        return;
    };
    let apart = ahead.unsigned_abs();
    if apart <= WARNED_MILLISECONDS {
        return;
    }
    let weight = if apart > REFUSED_MILLISECONDS {
        Weight::Problem
    } else {
        Weight::Warning
    };
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    raised.say(
        weight,
        "clock-skew",
        format!(
            "the API server's clock is {} s {side} this machine's",
            apart / 1000
        ),
        "set both by NTP (`timedatectl`): waits are judged and points are signed by these clocks",
    );
}

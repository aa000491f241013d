//! Undoing what a capture that did not end well may have left held beyond its session.

use jiff::{SignedDuration, Timestamp};

use crate::driver::{Effect, ExecRequest, Outcome, Repeat, Verdict, Why};
use crate::run::{MustRelease, Progress};

/// Longest time for a command that undoes a hold.
const UNDO_SECONDS_MAX: u32 = 30;

/// Runs the undoing command of the member's session if one was written down, until it succeeds or the hold's own
/// deadline has let go. A capture that ended well has let go already.
pub fn release_decide(
    capture: &str,
    member: &str,
    progress: &Progress,
    ran: Option<&Outcome>,
    now: Timestamp,
) -> Verdict {
    if progress.is_done(capture) {
        return Verdict::Done(Outcome::default());
    }
    let in_force = |(at, one): &&(Timestamp, MustRelease)| {
        let deadline = SignedDuration::from_secs(i64::from(one.deadline_seconds));
        one.member == member && now.duration_since(*at) <= deadline
    };
    let held: Vec<&(Timestamp, MustRelease)> =
        progress.must_release().iter().filter(in_force).collect();
    if held.is_empty() || ran.is_some_and(|ran| ran.number("code") == Some(0)) {
        return Verdict::Done(Outcome::default());
    }
    if let Some(ran) = ran {
        let said = ran.text("stderr").unwrap_or_default();
        let said = said.lines().next().unwrap_or("no answer");
        return Verdict::Wait(Why::new(
            "hold-deadline",
            format!(
                "{} may be held until its own deadline: {said}",
                held[0].1.member
            ),
        ));
    }
    let effects = held.iter().map(|(_, one)| Effect::Exec {
        request: ExecRequest {
            namespace: one.namespace.clone(),
            pod: one.pod.clone(),
            container: Some(one.container.clone()),
            command: one.command.clone(),
            input: String::new(),
            limit_seconds: UNDO_SECONDS_MAX,
        },
        repeat: Repeat::Safe,
    });
    Verdict::Act(effects.collect())
}

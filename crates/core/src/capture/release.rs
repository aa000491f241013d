//! Undoing what a capture that did not end well may have left held beyond its session.

use jiff::{SignedDuration, Timestamp};

use crate::driver::{Effect, ExecRequest, Outcome, Repeat, Verdict, Why};
use crate::run::{MustRelease, Progress};

/// Longest time for a command that undoes a hold.
const UNDO_SECONDS_MAX: u32 = 30;

/// How long an undoing command is tried when the hold's own deadline is over: its pod may be gone for good.
const TRIES: SignedDuration = SignedDuration::from_secs(30);

/// Runs the undoing command of the member's session if one was written down, at least once however late. One that fails
/// is waited for until the hold's own deadline, when it has undone itself. A capture that ended well has let go already.
pub fn release_decide(
    capture: &str,
    member: &str,
    progress: &Progress,
    since: Option<Timestamp>,
    ran: Option<&Outcome>,
    now: Timestamp,
) -> Verdict {
    if progress.is_done(capture) {
        return Verdict::Done(Outcome::default());
    }
    let of_member = |(_, one): &&(Timestamp, MustRelease)| one.member == member;
    let held: Vec<&(Timestamp, MustRelease)> =
        progress.must_release().iter().filter(of_member).collect();
    if held.is_empty() || ran.is_some_and(|ran| ran.number("code") == Some(0)) {
        return Verdict::Done(Outcome::default());
    }
    let in_force = held.iter().any(|(at, one)| {
        let deadline = SignedDuration::from_secs(i64::from(one.deadline_seconds));
        now.duration_since(*at) <= deadline
    });
    let tried = since.is_some_and(|since| now.duration_since(since) > TRIES);
    if !in_force && (ran.is_some() || tried) {
        return Verdict::Done(Outcome::default());
    }
    if let Some(ran) = ran {
        let said = ran.text("stderr").unwrap_or_default();
        let said = said.lines().next().unwrap_or("no answer");
        return Verdict::Wait(Why::new(
            "hold-deadline",
            format!("{member} may be held until its own deadline: {said}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Record;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn held() -> Progress {
        let record = Record::MustRelease {
            at: at(0),
            step: "capture".to_owned(),
            sessions: vec![MustRelease {
                member: "shop/files".to_owned(),
                namespace: "shop".to_owned(),
                pod: "files-0".to_owned(),
                container: "files".to_owned(),
                command: vec!["thaw".to_owned()],
                deadline_seconds: 80,
            }],
        };
        Progress::of([record].iter())
    }

    fn decide(member: &str, since: i64, code: Option<i32>, now: i64) -> Verdict {
        let ran = code.map(|code| Outcome::default().with("code", code));
        release_decide(
            "capture",
            member,
            &held(),
            Some(at(since)),
            ran.as_ref(),
            at(now),
        )
    }

    #[test]
    fn what_was_written_down_is_undone_however_late() {
        for now in [1, 79, 81, 100_000] {
            let Verdict::Act(effects) = decide("shop/files", now, None, now) else {
                panic!("it is not undone after {now} s");
            };
            assert_eq!(effects.len(), 1);
            assert_eq!(effects[0].describe(), "run `thaw` in pod shop/files-0");
            let done = decide("shop/files", now, Some(0), now);
            assert_eq!(done, Verdict::Done(Outcome::default()));
        }
        let others = decide("shop/db", 1, None, 1);
        assert_eq!(others, Verdict::Done(Outcome::default()));
    }

    #[test]
    fn an_undoing_that_fails_is_waited_for_until_the_deadline_and_no_longer() {
        assert!(matches!(
            decide("shop/files", 1, Some(1), 79),
            Verdict::Wait(_)
        ));
        let over = Verdict::Done(Outcome::default());
        assert_eq!(decide("shop/files", 1, Some(1), 81), over);
        // Its pod is gone: no answer ever comes.
        assert!(matches!(
            decide("shop/files", 90, None, 119),
            Verdict::Act(_)
        ));
        assert_eq!(decide("shop/files", 90, None, 121), over);
    }
}

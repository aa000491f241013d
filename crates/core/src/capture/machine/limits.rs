//! No stage waits without a limit: which limits there are and what is said past them.

use jiff::{SignedDuration, Timestamp};

use super::{Machine, Session, Stage};
use crate::driver::Problem;

/// A session that is not open after this time is given up.
const OPEN_LIMIT: SignedDuration = SignedDuration::from_secs(25);
/// How long closed sessions may take to end; past it their servers' deadlines have let go.
const CLOSE_LIMIT: SignedDuration = SignedDuration::from_secs(10);

impl Machine {
    pub(super) fn check_limits(&mut self, now: Timestamp) {
        let problem = match self.stage {
            Stage::Closing => {
                if now.duration_since(self.since) > CLOSE_LIMIT {
                    for state in self.holds.values_mut() {
                        state.session = Session::Ended;
                    }
                    self.finish_if_closed();
                }
                return;
            }
            Stage::Recording | Stage::Over => None,
            Stage::Keeping => self.held_too_long(now),
            Stage::Opening(_) | Stage::Proving(_) | Stage::ProvingLate => {
                self.held_too_long(now).or_else(|| self.slow_session(now))
            }
            Stage::Cutting(_) => self.held_too_long(now).or_else(|| self.slow_cut(now)),
        };
        if let Some(problem) = problem {
            self.fail(problem, now);
        }
    }

    /// Writers wait for a freezing hold: it has a limit of its own.
    pub(super) fn held_too_long(&self, now: Timestamp) -> Option<Problem> {
        let limit = i64::from(self.capture.limits.hold_seconds_max);
        let freezing = self.capture.holds.iter().filter(|hold| hold.freezes);
        freezing
            .filter_map(|hold| Some((hold, self.holds.get(&hold.member)?)))
            .find(|(_, state)| {
                !state.proven
                    && state
                        .held
                        .is_some_and(|held| now.duration_since(held).as_secs() >= limit)
            })
            .map(|(hold, _)| {
                let waits = self.waits_for();
                Problem::stuck(
                    "hold-too-long",
                    format!(
                        "{} was held for {limit} s without all cuts being there, and was let go: {waits}",
                        hold.member
                    ),
                    "see to what is waited for, or allow more with `capture.holdSecondsMax`",
                )
            })
    }

    pub(super) fn slow_session(&self, now: Timestamp) -> Option<Problem> {
        self.holds.iter().find_map(|(member, state)| {
            let waited = now.duration_since(state.since);
            match (state.session, state.queue.front()) {
                (Session::Opening, _) if waited > OPEN_LIMIT => Some(Problem::stuck(
                    "hold-unopened",
                    format!(
                        "{member}: the session did not open in {} s",
                        waited.as_secs()
                    ),
                    "look at the pod and at its node",
                )),
                (Session::Open, Some(statement))
                    if waited.as_secs() >= i64::from(statement.limit_seconds) =>
                {
                    Some(Problem::stuck(
                        "hold-slow",
                        format!(
                            "{member}: no answer to `{}` in {} s",
                            statement.title, statement.limit_seconds
                        ),
                        "look for long statements, locks and load on the server",
                    ))
                }
                _ => None,
            }
        })
    }

    pub(super) fn slow_cut(&self, now: Timestamp) -> Option<Problem> {
        let limit = i64::from(self.capture.limits.cut_seconds_max);
        (now.duration_since(self.since).as_secs() >= limit).then(|| {
            Problem::stuck(
                "waiting-for-cut-timeout",
                format!("no cut in {limit} s: {}", self.waits_for()),
                "look at the VolumeSnapshot and at the CSI driver's snapshotter; `snapshot.cutSecondsMax` is the limit",
            )
        })
    }

    pub(super) fn waits_for(&self) -> String {
        let open = self
            .cuts
            .iter()
            .filter(|(_, cut)| cut.asked.is_some() && cut.made.is_none());
        let open: Vec<String> = open
            .map(|(part, cut)| match &cut.waits_for {
                Some(why) => why.clone(),
                None => format!("{part}: not cut yet"),
            })
            .collect();
        if open.is_empty() {
            "no cut is awaited".to_owned()
        } else {
            open.join("; ")
        }
    }
}

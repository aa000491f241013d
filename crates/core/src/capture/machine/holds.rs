//! What sessions say, and what follows from it: statements one by one, held, proven, lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Action, Machine, Session, Stage};
use crate::capture::sessions::{Ending, SessionEvent};
use crate::capture::spec::Until;
use crate::driver::Problem;

/// Bytes of a session's error output that are kept for a message.
const SAID_BYTES_MAX: usize = 2048;

impl Machine {
    pub(super) fn session(&mut self, member: &str, event: SessionEvent, now: Timestamp) {
        let Some(state) = self.holds.get_mut(member) else {
            return;
        };
        match event {
            SessionEvent::Opened => {
                if state.session == Session::Opening {
                    state.session = Session::Open;
                    self.say(member, now);
                }
            }
            SessionEvent::Line(line) => self.line(member, &line, now),
            SessionEvent::ErrorLine(line) => {
                if state.said.len() + line.len() < SAID_BYTES_MAX {
                    state.said.push_str(line.trim());
                    state.said.push('\n');
                }
            }
            SessionEvent::Ended(ending) => self.ended(member, &ending, now),
        }
    }

    /// Says the first statement of the queue.
    pub(super) fn say(&mut self, member: &str, now: Timestamp) {
        if let Some(state) = self.holds.get_mut(member)
            && let Some(statement) = state.queue.front()
        {
            state.since = now;
            let statement = statement.clone();
            self.actions
                .push(Action::Send(member.to_owned(), statement));
        }
    }

    pub(super) fn line(&mut self, member: &str, line: &str, now: Timestamp) {
        let Some(state) = self.holds.get_mut(member) else {
            return;
        };
        let Some(statement) = state.queue.front() else {
            return;
        };
        let facts = line
            .trim_start()
            .starts_with('{')
            .then(|| serde_json::from_str::<BTreeMap<String, Value>>(line).ok())
            .flatten();
        if let Some(facts) = facts {
            state.facts.extend(facts);
        } else if statement.until == Until::AnyLine && !line.trim().is_empty() {
            let said: String = line.trim().chars().take(200).collect();
            state.facts.insert("said".to_owned(), Value::String(said));
        }
        if !statement.until.is_met_by(line) {
            return;
        }
        state.queue.pop_front();
        if !state.queue.is_empty() {
            if matches!(self.stage, Stage::Proving(_)) {
                self.issued(member, now);
            }
            self.say(member, now);
            return;
        }
        match self.stage {
            Stage::Opening(_) => {
                if let Some(state) = self.holds.get_mut(member) {
                    state.held = Some(now);
                }
                self.pass_barrier(now);
            }
            Stage::Proving(_) => {
                self.mark_proven(member, now);
                self.prove_on(now);
            }
            Stage::ProvingLate => self.close_when_proven(now),
            Stage::Recording
            | Stage::Cutting(_)
            | Stage::Keeping
            | Stage::Closing
            | Stage::Over => {}
        }
    }

    /// The statement that is said next is the last one: it lets go.
    pub(super) fn issued(&mut self, member: &str, now: Timestamp) {
        if let Some(state) = self.holds.get_mut(member)
            && state.queue.len() <= 1
        {
            state.released = Some(now);
        }
    }

    pub(super) fn mark_proven(&mut self, member: &str, now: Timestamp) {
        let late = self
            .hold(member)
            .is_some_and(|hold| !hold.late_parts.is_empty());
        if let Some(state) = self.holds.get_mut(member) {
            state.proven = true;
        }
        if !late {
            self.close(member, now);
        }
    }

    pub(super) fn ended(&mut self, member: &str, ending: &Ending, now: Timestamp) {
        let during = self.stage;
        let Some(state) = self.holds.get_mut(member) else {
            return;
        };
        let expected = state.session == Session::Closing;
        let was_opening = state.held.is_none();
        state.session = Session::Ended;
        if expected || during == Stage::Closing {
            self.finish_if_closed();
            return;
        }
        let problem = lost(member, was_opening, during, &state.said, ending);
        self.fail(problem, now);
    }
}
/// What the end of a session means when nobody asked for it.
fn lost(member: &str, opening: bool, stage: Stage, said: &str, ending: &Ending) -> Problem {
    // Clients print the statement or a notice before the error itself.
    let is_error = |line: &&str| line.contains("ERROR") || line.contains("FATAL");
    let is_text = |line: &&str| line.chars().any(char::is_alphanumeric);
    let first = said
        .lines()
        .find(is_error)
        .or_else(|| said.lines().find(is_text));
    let how = match (ending, first) {
        (Ending::Exited(code), Some(first)) => format!("{first} (exit code {code})"),
        (Ending::Exited(code), None) => format!("the command ended with code {code}"),
        (Ending::Lost(problem), Some(first)) => format!("{} ({first})", problem.message),
        (Ending::Lost(problem), None) => problem.message.clone(),
    };
    if opening {
        return Problem::stuck(
            "hold-refused",
            format!("{member}: the hold was not opened: {how}"),
            "mend what the server says, then try again: nothing was cut and nothing is held",
        );
    }
    let when = if matches!(stage, Stage::Proving(_) | Stage::ProvingLate) {
        "while it was being proven"
    } else {
        "before all cuts were there"
    };
    Problem::stuck(
        "hold-lost",
        format!("{member}: the hold was lost {when}: {how}"),
        "the copy would not be consistent and was thrown away; try again",
    )
}

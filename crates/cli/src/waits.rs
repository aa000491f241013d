//! What a run waits for: which gate, why, how long, what it would take; and when to say it again. Pure: the time is an argument.
//! Used by the narrator.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use refloat_core::driver::Why;

use crate::printer::duration;

/// A wait that is unchanged is said again after this long.
const REPEAT_AFTER: Duration = Duration::from_secs(15);
/// A wait that is younger is not worth a line, and one that changes is not said more often; what only gets on and on, such as the bytes of
/// a mover, is said less and less often, down to as often as what is unchanged.
const QUIET: Duration = Duration::from_secs(2);

/// Lines within [`QUIET`]; a thousand gates that wait do not make a thousand lines.
const LINES_MAX: u32 = 12;

/// The waits of a run, by step.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    of_steps: BTreeMap<String, Wait>,
    /// Lines of late: since when, and how many.
    lines: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Wait {
    text: String,
    since: Instant,
    /// What was said last.
    said: Option<Line>,
    /// False while the step is acted on.
    goes_on: bool,
}

/// A line that was said.
#[derive(Debug)]
struct Line {
    text: String,
    /// Why it waits, in one word.
    code: String,
    at: Instant,
    /// Another text is not said before this has gone by.
    quiet: Duration,
}

impl Line {
    fn is_followed_by(&self, text: &str, now: Instant) -> bool {
        let silence = now.saturating_duration_since(self.at);
        silence >= REPEAT_AFTER || (self.text != text && silence >= self.quiet)
    }

    /// How long the next one is quiet, which says this for that reason.
    fn quiet_of_next(&self, text: &str, code: &str) -> Duration {
        if self.text == text || self.code != code {
            return QUIET;
        }
        (self.quiet * 2).min(REPEAT_AFTER)
    }
}

impl Waits {
    /// A step has begun: its wait counts from now.
    pub(crate) fn began(&mut self, step: &str, now: Instant) {
        self.of_steps.insert(
            step.to_owned(),
            Wait {
                text: String::new(),
                since: now,
                said: None,
                goes_on: false,
            },
        );
    }

    /// A step is acted on: it does not wait.
    pub(crate) fn acting(&mut self, step: &str) {
        if let Some(wait) = self.of_steps.get_mut(step) {
            wait.goes_on = false;
        }
    }

    /// A step is over: how long it took, if it began here.
    pub(crate) fn over(&mut self, step: &str, now: Instant) -> Option<Duration> {
        let wait = self.of_steps.remove(step)?;
        Some(now.saturating_duration_since(wait.since))
    }

    /// A step waits. The line to say now, if it is time for one.
    pub(crate) fn waits(
        &mut self,
        step: &str,
        title: &str,
        why: &Why,
        now: Instant,
    ) -> Option<String> {
        // A step that an engine began that died waits from now on.
        let wait = self.of_steps.entry(step.to_owned()).or_insert(Wait {
            text: String::new(),
            since: now,
            said: None,
            goes_on: true,
        });
        wait.goes_on = true;
        wait.text = text(title, why);
        let age = now.saturating_duration_since(wait.since);
        let due = match &wait.said {
            None => age >= QUIET,
            Some(said) => said.is_followed_by(&wait.text, now),
        };
        let (since, count) = self
            .lines
            .filter(|(since, _)| now.saturating_duration_since(*since) < QUIET)
            .unwrap_or((now, 0));
        if !due || count >= LINES_MAX {
            return None;
        }
        self.lines = Some((since, count + 1));
        let said = wait.said.as_ref();
        wait.said = Some(Line {
            quiet: said.map_or(QUIET, |said| said.quiet_of_next(&wait.text, &why.code)),
            text: wait.text.clone(),
            code: why.code.clone(),
            at: now,
        });
        Some(format!("waiting {}: {}", long(age), wait.text))
    }

    /// One line about all: the oldest wait, and how many others there are.
    pub(crate) fn living(&self, now: Instant) -> String {
        let open = || self.of_steps.values().filter(|wait| wait.goes_on);
        let Some(oldest) = open().min_by_key(|wait| wait.since) else {
            return String::new();
        };
        let age = long(now.saturating_duration_since(oldest.since));
        match open().count() - 1 {
            0 => format!("waiting {age}: {}", oldest.text),
            1 => format!("waiting {age} (and 1 other): {}", oldest.text),
            others => format!("waiting {age} (and {others} others): {}", oldest.text),
        }
    }
}

fn long(age: Duration) -> String {
    duration(SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX))
}

/// Gate, why, and what it would take.
fn text(title: &str, why: &Why) -> String {
    let takes = if why.takes.is_empty() {
        String::new()
    } else {
        format!(" (takes: {})", why.takes)
    };
    // Titles of written objects say no more than the object's name, which gates say themselves.
    let named = ["write ", "await "]
        .iter()
        .any(|verb| title.starts_with(verb))
        && title
            .rsplit(' ')
            .next()
            .is_some_and(|name| why.message.contains(name));
    if named {
        format!("{}{takes}", why.message)
    } else {
        format!("{title}: {}{takes}", why.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: &str = "write StatefulSet.apps shop/db";

    fn why(message: &str, takes: &str) -> Why {
        Why::new("rolling-out", message).taking(takes)
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_line_names_the_gate_why_how_long_and_what_it_takes() {
        let start = Instant::now();
        let mut waits = Waits::default();
        waits.began("db", start);
        let pulling = why(
            "StatefulSet shop/db: 1 of 3 ready; pod db-2: pulling",
            "all 3",
        );
        assert_eq!(
            waits.waits("db", WRITE, &pulling, at(start, 12)).unwrap(),
            "waiting 12 s: StatefulSet shop/db: 1 of 3 ready; pod db-2: pulling (takes: all 3)"
        );
        waits.began("fill", start);
        let title = "fill a volume with shop/data";
        assert_eq!(
            waits
                .waits("fill", title, &why("the mover starts", ""), at(start, 180))
                .unwrap(),
            "waiting 3 min: fill a volume with shop/data: the mover starts"
        );
    }

    #[test]
    fn it_is_said_when_it_changes_and_every_15_seconds() {
        let start = Instant::now();
        let mut waits = Waits::default();
        waits.began("db", start);
        let (one, two) = (why("1 of 3", "3"), why("2 of 3", "3"));
        let mut said =
            |why: &Why, seconds| waits.waits("db", WRITE, why, at(start, seconds)).is_some();
        assert!(!said(&one, 1), "too young");
        assert!(said(&one, 2));
        assert!(!said(&one, 16));
        assert!(said(&one, 17));
        assert!(!said(&two, 18), "too soon after the last line");
        assert!(said(&two, 19));
        assert!(!said(&two, 33));
        assert!(said(&two, 34));
    }

    #[test]
    fn what_only_gets_on_is_not_said_every_two_seconds() {
        let start = Instant::now();
        let mut waits = Waits::default();
        waits.began("fill", start);
        let mut said = |code: &str, seconds: u64| {
            let moved = Why::new(code, format!("{seconds} MiB of 600 MiB"));
            let line = waits.waits("fill", "fill a volume", &moved, at(start, seconds));
            line.is_some()
        };
        let lines: Vec<u64> = (1..=60).filter(|at| said("mover-running", *at)).collect();
        assert_eq!(lines, [2, 4, 8, 16, 31, 46]);
        assert!(said("mover-going", 61), "another reason is said at once");
        assert!(said("mover-going", 63));
    }

    #[test]
    fn a_thousand_waits_are_not_a_thousand_lines() {
        let start = Instant::now();
        let mut waits = Waits::default();
        let mut lines = 0;
        for seconds in [10, 11, 12, 13] {
            for step in 0..1000 {
                let said = waits.waits(&step.to_string(), WRITE, &why("x", ""), at(start, seconds));
                lines += u32::from(said.is_some());
            }
        }
        assert!((12..=24).contains(&lines), "{lines} lines");
    }

    #[test]
    fn a_step_that_another_engine_began_is_told_too() {
        let start = Instant::now();
        let mut waits = Waits::default();
        assert_eq!(waits.waits("db", WRITE, &why("x", ""), start), None);
        assert!(
            waits
                .waits("db", WRITE, &why("x", ""), at(start, 2))
                .is_some()
        );
    }

    #[test]
    fn the_living_line_shows_the_oldest_wait_and_counts_the_others() {
        let start = Instant::now();
        let mut waits = Waits::default();
        assert_eq!(waits.living(start), "");
        for (seconds, step) in [(5, "a"), (0, "b"), (9, "c")] {
            waits.began(step, at(start, seconds));
            waits.waits(step, step, &why("x", ""), at(start, 10));
        }
        let living = |waits: &Waits| waits.living(at(start, 20));
        assert_eq!(living(&waits), "waiting 20 s (and 2 others): b: x");
        waits.acting("a");
        assert_eq!(living(&waits), "waiting 20 s (and 1 other): b: x");
        assert_eq!(
            waits.over("b", at(start, 20)),
            Some(Duration::from_secs(20))
        );
        assert_eq!(living(&waits), "waiting 11 s: c: x");
    }
}

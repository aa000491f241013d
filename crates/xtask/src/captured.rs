//! Captures that must succeed: taken again only when a deadline of a hold or of a cut ran out, as it does when this machine stands
//! still for some seconds. After each such refusal everything must be let go, and nothing may be left or sealed.
//!
//! Called by scenarios and by the torture.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::printer::say;
use crate::refloat::{Answer, Refloat};
use crate::testbed::{Site, Testbed, output};

/// So often a capture is taken.
const TRIES: u32 = 4;
/// So many of them may be late in one whole run of the tests.
const LATE_MAX: usize = 6;
/// Those of this run.
static WERE_LATE: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What is taken away by the cluster may be seen for so long.
const LEFT_LIMIT: Duration = Duration::from_mins(1);
/// Refusals that name a deadline of a session: their code, and words of which one must be there.
const LATE: [(&str, &[&str]); 4] = [
    ("hold-lost", ENDED),
    ("hold-refused", ENDED),
    ("hold-unopened", &["the session did not open in "]),
    ("hold-slow", &["no answer to `"]),
];
/// Refusals that name a deadline of cuts: their code, and the words after which it is said what is waited for.
const UNCUT: [(&str, &str); 2] = [
    (
        "hold-too-long",
        " s without all cuts being there, and was let go: ",
    ),
    ("waiting-for-cut-timeout", " s: "),
];
/// What is said of a volume whose storage has not come to it yet.
const NO_REASON: [&str; 3] = [
    "not cut yet",
    "the driver has not cut it yet",
    "the snapshot is not taken up: ",
];
/// How a hold says that nothing was heard of it for too long: our side, PostgreSQL, and the holder of hooks.
const SILENT: [&str; 3] = [
    "no answer to a heartbeat in ",
    "due to idle-session timeout",
    "nothing was heard for ",
];
/// How our side, PostgreSQL, MariaDB and the holder of hooks say that a session was silent, or a statement slow, for too long.
/// MariaDB's client does not know why the server is gone: whoever has one looks whether it runs on.
const ENDED: &[&str] = &[
    "no answer to a heartbeat in ",
    "due to idle-session timeout",
    "due to statement timeout",
    "due to lock timeout",
    "max_statement_time exceeded",
    "Lock wait timeout exceeded",
    "Server has gone away",
    "Lost connection to server",
    "nothing was heard for ",
];

/// True when it was refused because a deadline ran out, and for nothing else.
pub(crate) fn is_late(answer: &Answer) -> bool {
    is_refused(answer, |code, message| {
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let by_session = LATE
            .iter()
            .any(|(known, words)| *known == code && says(words));
        let mut uncut = UNCUT.iter().filter(|(known, _)| *known == code);
        by_session || uncut.any(|(_, words)| is_without_reason(message, words))
    })
}

/// True when it was refused because a session was silent for too long, and for nothing else.
pub(crate) fn is_silent(answer: &Answer) -> bool {
    is_refused(answer, |code, message| {
        ["hold-lost", "hold-refused"].contains(&code)
            && SILENT.iter().any(|words| message.contains(words))
    })
}

/// True when it was refused, and each of its problems is like this.
fn is_refused(answer: &Answer, is_so: impl Fn(&str, &str) -> bool) -> bool {
    let problems = answer.value.get("problems").and_then(Value::as_array);
    let fits = |problem: &Value| {
        let text = |key: &str| problem.get(key).and_then(Value::as_str);
        let (code, message) = (text("code"), text("message"));
        code.zip(message)
            .is_some_and(|(code, message)| is_so(code, message))
    };
    answer.code == Some(1)
        && problems.is_some_and(|problems| !problems.is_empty() && problems.iter().all(fits))
}

/// Whether no cut that is waited for has a reason of its storage.
fn is_without_reason(message: &str, words: &str) -> bool {
    let waits = message.split_once(words);
    waits.is_some_and(|(_, waits)| !waits.split("; ").any(is_reason))
}

/// A reason of a storage comes after its volume's name; without one it is said of the API server, or nothing is awaited.
fn is_reason(wait: &str) -> bool {
    wait.split_once(": ").is_some_and(|(volume, said)| {
        let is_volume = volume.contains('/') && !volume.contains(' ');
        is_volume && !NO_REASON.iter().any(|words| said.starts_with(words))
    })
}

/// Notes a late refusal; fails when there were too many in this run.
fn note_late(answer: &Answer) -> Result<()> {
    let mut late = WERE_LATE.lock().unwrap_or_else(PoisonError::into_inner);
    late.push(answer.value.to_string());
    ensure!(
        late.len() <= LATE_MAX,
        "{} captures of this run were late: {}",
        late.len(),
        late.join("; ")
    );
    Ok(())
}

/// What is captured at the primary.
#[derive(Clone, Copy)]
pub(crate) struct Captured<'a> {
    pub(crate) testbed: &'a Testbed,
    pub(crate) refloat: &'a Refloat<'a>,
    pub(crate) protection: &'a str,
}

impl Captured<'_> {
    /// Takes it, and again when a deadline ran out; `let_go` fails when something is held still. Every other answer is the caller's.
    pub(crate) fn take(
        &self,
        take: &dyn Fn() -> Result<Answer>,
        let_go: &dyn Fn() -> Result<()>,
    ) -> Result<Answer> {
        let before = self.points()?.len();
        for _ in 1..TRIES {
            let answer = take()?;
            if !is_late(&answer) {
                return Ok(answer);
            }
            note_late(&answer)?;
            say(format_args!("  again: {}", answer.value));
            let_go()?;
            self.nothing_stays()?;
            let points = self.points()?.len();
            ensure!(
                points == before,
                "a refused backup sealed a point: {}",
                answer.value
            );
        }
        take()
    }

    /// The points there are, the newest last.
    pub(crate) fn points(&self) -> Result<Vec<Value>> {
        points(self.refloat, self.protection)
    }

    fn nothing_stays(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let left = nothing_left(self.testbed, Site::Primary);
            if left.is_ok() || begun.elapsed() > LEFT_LIMIT {
                return left;
            }
            thread::sleep(Duration::from_millis(500));
        }
    }
}

/// The points of a protection, as the primary lists them, the newest last.
pub(crate) fn points(refloat: &Refloat<'_>, protection: &str) -> Result<Vec<Value>> {
    let words = ["points", "--protection", protection];
    let found = refloat.answer(Some(Site::Primary), &words, &[])?;
    ensure!(
        found.code == Some(0),
        "points: {} {}",
        found.value,
        found.said
    );
    let points = found.value.get("points").and_then(Value::as_array);
    points
        .cloned()
        .with_context(|| format!("points: {} {}", found.value, found.said))
}

/// Nothing of ours is left at a site.
pub(crate) fn nothing_left(testbed: &Testbed, site: Site) -> Result<()> {
    let mut command = testbed.kubectl(site);
    command.args([
        "get",
        "jobs,pods,secrets,persistentvolumeclaims,volumesnapshots,volumesnapshotcontents",
        "--all-namespaces",
        "-l",
        "refloat.io/run",
        "-o",
        "name",
    ]);
    let found = output(command)?;
    ensure!(found.trim().is_empty(), "left at {site}: {found}");
    let mut command = testbed.kubectl(site);
    command.args(["get", "volumesnapshotcontents", "-o", "name"]);
    let found = output(command)?;
    ensure!(
        found.trim().is_empty(),
        "snapshot contents left at {site}: {found}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: &str, message: &str) -> Answer {
        Answer {
            code: Some(1),
            value: json!({ "problems": [{ "code": code, "message": message }] }),
            said: String::new(),
        }
    }

    #[test]
    fn a_reason_of_the_storage_is_not_late() {
        let held = "ledger/maria was held for 8 s without all cuts being there, and was let go: ";
        let uncut = "no cut in 20 s: ";
        for (waits, late) in [
            ("ledger/data-pg-0: not cut yet", true),
            ("no cut is awaited", true),
            (
                "ledger/a: the driver has not cut it yet; ledger/b: the snapshot is not taken up: no content yet",
                true,
            ),
            ("ledger/a: not cut yet; ledger/b: the array is full", false),
            (
                "the API server does not answer: timed out; ledger/b: not cut yet",
                true,
            ),
        ] {
            for (code, before) in [("hold-too-long", held), ("waiting-for-cut-timeout", uncut)] {
                let answer = answer(code, &format!("{before}{waits}"));
                assert_eq!(is_late(&answer), late, "{}", answer.value);
            }
        }
    }

    #[test]
    fn a_server_that_is_gone_may_be_late_but_is_not_silent() {
        let gone = "ledger/maria: the hold was not opened: ERROR 2006 (HY000) at line 5: Server has gone away (exit code 1)";
        let gone = answer("hold-refused", gone);
        assert!(is_late(&gone) && !is_silent(&gone));
        let silent = "ledger/pg: the hold ended before all cuts were there: no answer to a heartbeat in 5000 ms";
        let silent = answer("hold-lost", silent);
        assert!(is_late(&silent) && is_silent(&silent));
    }
}

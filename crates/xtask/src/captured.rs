//! Captures that must succeed: taken again only when a deadline of a hold or of a cut ran out, as it does when this machine stands
//! still for some seconds. After each such refusal everything must be let go, and nothing may be left or sealed.
//!
//! Called by scenarios and by the torture.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::printer::say;
use crate::refloat::{Answer, Refloat};
use crate::testbed::{Site, Testbed, output};

/// So often a capture is taken.
const TRIES: u32 = 4;
/// What is taken away by the cluster may be seen for so long.
const LEFT_LIMIT: Duration = Duration::from_mins(1);
/// Refusals that name a deadline: their code, and words of which one must be there.
const LATE: [(&str, &[&str]); 6] = [
    ("hold-lost", ENDED),
    ("hold-refused", ENDED),
    ("hold-unopened", &["the session did not open in "]),
    ("hold-slow", &["no answer to `"]),
    (
        "hold-too-long",
        &[" s without all cuts being there, and was let go: "],
    ),
    ("waiting-for-cut-timeout", &["no cut in "]),
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
    let problems = answer.value.get("problems").and_then(Value::as_array);
    let late = |problem: &Value| {
        let text = |key: &str| problem.get(key).and_then(Value::as_str);
        let (Some(code), Some(message)) = (text("code"), text("message")) else {
            return false;
        };
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        LATE.iter()
            .any(|(known, words)| *known == code && says(words))
    };
    answer.code == Some(1)
        && problems.is_some_and(|problems| !problems.is_empty() && problems.iter().all(late))
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

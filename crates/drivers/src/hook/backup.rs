//! The hold of a hook: the user's command under our holder.

use refloat_core::backup::Mode;
use refloat_core::capture::{Beat, Hold, SessionOrder, Statement, Undo, Until};
use refloat_core::driver::{Outcome, Problem, Seen, Task, Verdict};
use serde_json::json;

use super::types::{Words, line};
use crate::workload;

/// POSIX shell; its own comments say what it does.
const HOLDER: &str = include_str!("holder.sh");
/// The holder lets go when it hears nothing for so long.
const SILENCE_SECONDS: u32 = 5;
/// A command that does not let go at the end of its input is ended after this time.
const PATIENCE_SECONDS: u32 = 4;
/// Longest time for a command to hold.
const OPEN_SECONDS_MAX: u32 = 60;
/// Longest time for a command to let go.
const RELEASE_SECONDS_MAX: u32 = 30;
/// Limit of a hold when the plan names none.
const HOLD_SECONDS_MAX: u32 = 20;
/// Line of the holder's own freezing.
const HELD: &str = "refloat held";

/// The mode is the user's word; the check is that it can be taken.
pub(super) fn check(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let words = Words::of_task(task)?;
    let pods = workload::running_pods(task, seen)?;
    if let [_, _, ..] = pods.as_slice() {
        return Err(Problem::stuck(
            "hook-several-pods",
            format!(
                "{}: {} pods of it run, and a hook holds only one",
                workload::id(task),
                pods.len()
            ),
            "scale it to one pod, or take the hook away and allow `minimumMode: crash`",
        ));
    }
    workload::running_pod(task, seen)?;
    if !workload::may_hold(task) {
        return forbidden(task);
    }
    let evidence = match words {
        Words::Hold(hold) => format!("held by its own hook, on its word: {}", line(&hold)),
        Words::Freeze { freeze, thaw } => format!(
            "frozen by its own hook, on its word: {}; thawed by {}",
            line(&freeze),
            line(&thaw)
        ),
    };
    Ok(Verdict::Done(
        Outcome::default()
            .with("mode", Mode::Held.as_str())
            .with("evidence", vec![evidence]),
    ))
}

/// Without its hold it is a plain volume.
fn forbidden(task: &Task<'_>) -> Result<Verdict, Problem> {
    workload::strong_enough(task, Mode::Crash, workload::HOLDS_FORBIDDEN)?;
    Ok(Verdict::Done(
        Outcome::default().with("mode", Mode::Crash.as_str()).with(
            "evidence",
            vec![format!("not: {}", workload::HOLDS_FORBIDDEN)],
        ),
    ))
}

/// Says how it is held.
pub(super) fn capture(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let words = Words::of_task(task)?;
    let pod = workload::running_pod(task, seen)?;
    let checked = task.prior.get(&format!("check {}", workload::id(task)));
    if checked.and_then(|checked| checked.text("mode")) == Some(Mode::Crash.as_str()) {
        return Ok(Verdict::Done(Outcome::default()));
    }
    let limit = workload::hold_seconds_max(task).unwrap_or(HOLD_SECONDS_MAX);
    Ok(Verdict::Done(
        Outcome::default().with("hold", json!(hold(task, &pod, &words, limit))),
    ))
}

/// Freeze, wait for the end of the input, thaw; thaw too when freezing failed half-way.
fn freezing(freeze: &[String], thaw: &[String]) -> Vec<String> {
    let script = format!(
        "trap : TERM INT HUP\n({freeze}) </dev/null >&2\ncode=$?\n\
         [ \"$code\" != 0 ] || {{ echo '{HELD}'; while read -r line; do :; done; }}\n\
         ({thaw}) </dev/null >&2\nthawed=$?\n\
         [ \"$code\" = 0 ] || {{ echo \"ERROR: freezing failed with exit code $code\" >&2; exit 70; }}\n\
         [ \"$thawed\" = 0 ] || echo \"ERROR: thawing failed with exit code $thawed\" >&2\n\
         exit \"$thawed\"\n",
        freeze = line(freeze),
        thaw = line(thaw),
    );
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

fn hold(task: &Task<'_>, pod: &str, words: &Words, limit_seconds: u32) -> Hold {
    let (command, until, patience, sticky) = match words {
        Words::Hold(hold) => (hold.clone(), Until::AnyLine, PATIENCE_SECONDS, None),
        Words::Freeze { freeze, thaw } => (
            freezing(freeze, thaw),
            Until::Line(HELD.to_owned()),
            0,
            Some(Undo {
                command: thaw.clone(),
                deadline_seconds: limit_seconds + OPEN_SECONDS_MAX,
            }),
        ),
    };
    let mut holder = vec![
        "sh".to_owned(),
        "-c".to_owned(),
        HOLDER.to_owned(),
        "refloat-holder".to_owned(),
        SILENCE_SECONDS.to_string(),
        patience.to_string(),
    ];
    holder.extend(command);
    Hold {
        member: workload::id(task),
        session: SessionOrder {
            namespace: task.claim.thing.namespace.clone().unwrap_or_default(),
            pod: pod.to_owned(),
            container: workload::setting(task, "container").to_owned(),
            command: holder,
            beat: Some(Beat {
                text: "beat\n".to_owned(),
                until: Until::Line("refloat beat".to_owned()),
                every_milliseconds: 1000,
                late_milliseconds: 3000,
                concurrent: true,
            }),
            seconds_max: limit_seconds + OPEN_SECONDS_MAX + RELEASE_SECONDS_MAX,
        },
        freezes: true,
        open: vec![Statement {
            title: "wait until the command holds".to_owned(),
            text: String::new(),
            until,
            limit_seconds: OPEN_SECONDS_MAX,
        }],
        prove: vec![Statement {
            title: "let go".to_owned(),
            text: "release\n".to_owned(),
            until: Until::Line("refloat released".to_owned()),
            limit_seconds: RELEASE_SECONDS_MAX,
        }],
        proof:
            "the command still ran after the last cut, and ended well when it was told to let go"
                .to_owned(),
        prove_late: Vec::new(),
        late_parts: Vec::new(),
        sticky,
    }
}

//! What the loop makes of effects that failed and of drivers that never stop looking.

use crate::driver::{Class, Effect, LOOK_ROUNDS_MAX, Problem, Repeat, Why};
use crate::planted::{self, Bug};
use crate::run::Step;

/// Codes of failures after which nothing can have happened at the other end.
const NEVER_STARTED: &[&str] = &[
    "throttled",
    "unreachable",
    "pod-not-running",
    "command-not-started",
];

/// A failed effect ends the step only when looking again cannot help.
pub(super) fn fatal(effect: &Effect, problem: Problem) -> Option<Problem> {
    let never_again = matches!(
        effect,
        Effect::Exec {
            repeat: Repeat::Never,
            ..
        }
    ) && !planted::is(Bug::NeverIsRepeated);
    match problem.class {
        Class::Stuck | Class::Bug => Some(problem),
        Class::Wait | Class::Retry if NEVER_STARTED.contains(&problem.code.as_str()) => None,
        Class::Wait | Class::Retry if never_again => Some(Problem::stuck(
            "reply-lost",
            format!("{}: {}", effect.describe(), problem.message),
            "it may or may not have happened, and may not be repeated: look, then decide",
        )),
        Class::Wait | Class::Retry => None,
    }
}

/// A step whose time is over while it acted: what its last try was answered says more than what it still has to do.
pub(super) fn overdue(problem: Problem, refused: Option<&Why>) -> Problem {
    let Some(why) = refused else {
        return problem;
    };
    Problem {
        message: format!("{}; its last try: {}", problem.message, why.message),
        hint: format!("{}; {}", why.takes, problem.hint),
        ..problem
    }
}

pub(super) fn endless_look(step: &Step) -> Problem {
    Problem::of(
        Class::Bug,
        "look-rounds",
        format!(
            "{}: more than {LOOK_ROUNDS_MAX} rounds of reading",
            step.title
        ),
        "this is a defect of Refloat: please report it with the journal of the run",
    )
}

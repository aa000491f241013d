//! A gate as data: which signs in an object's status mean ready, and which mean that it has failed. The tables are in `known`;
//! the page about gates is made from them.

use std::fmt;

use serde_json::Value;

use super::fresh::Fresh;
use super::reading::{condition, condition_in, generation, is_stale, list, number, one_line, text};
use super::{Gate, View};

/// Something that can be seen in an object. Pointers are JSON pointers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sign {
    /// A condition has this status (`True`, `False`), told about the newest spec.
    Condition(&'static str, &'static str),
    /// The same in another list of conditions.
    ConditionIn(&'static str, &'static str, &'static str),
    /// A condition has this status for a reason that begins like this.
    Because(&'static str, &'static str, &'static str),
    /// A condition has this status for any reason but one that begins like this.
    NotBecause(&'static str, &'static str, &'static str),
    /// A text is one of these.
    Text(&'static str, &'static [&'static str]),
    /// A truth is this; one that is not told is false.
    Flag(&'static str, bool),
    /// A list or text is there and not empty.
    Filled(&'static str),
    /// A number is told and is that of the spec; where the spec says none, 1.
    Count(&'static str, &'static str),
    /// Every entry of a list shows this; an empty list does.
    Each(&'static str, &'static Sign),
    /// Some entry of a list shows this.
    Some(&'static str, &'static Sign),
    /// All of these.
    All(&'static [Sign]),
    /// If the first is seen, the second as well.
    When(&'static Sign, &'static Sign),
}

impl Sign {
    /// Whether it can be seen in the object, or in an entry of one of its lists.
    pub(super) fn is_in(&self, object: &Value, generation: Option<u64>) -> bool {
        match *self {
            Self::Condition(kind, status) => condition(object, kind)
                .is_some_and(|one| one.status == status && !one.is_stale(generation)),
            Self::ConditionIn(pointer, kind, status) => condition_in(object, pointer, kind)
                .is_some_and(|one| one.status == status && !one.is_stale(generation)),
            Self::Because(kind, status, reason) => condition(object, kind).is_some_and(|one| {
                one.status == status && one.reason.starts_with(reason) && !one.is_stale(generation)
            }),
            Self::NotBecause(kind, status, reason) => {
                Self::Condition(kind, status).is_in(object, generation)
                    && !Self::Because(kind, status, reason).is_in(object, generation)
            }
            Self::Text(pointer, all) => text(object, pointer).is_some_and(|one| all.contains(&one)),
            Self::Flag(pointer, wanted) => {
                let told = object.pointer(pointer).and_then(Value::as_bool);
                told.unwrap_or(false) == wanted
            }
            Self::Filled(pointer) => {
                !list(object, pointer).is_empty()
                    || text(object, pointer).is_some_and(|one| !one.is_empty())
            }
            Self::Count(told, wanted) => {
                number(object, told).is_some_and(|told| told == number(object, wanted).unwrap_or(1))
            }
            Self::Each(pointer, sign) => list(object, pointer)
                .iter()
                .all(|one| sign.is_in(one, generation)),
            Self::Some(pointer, sign) => list(object, pointer)
                .iter()
                .any(|one| sign.is_in(one, generation)),
            Self::All(signs) => signs.iter().all(|sign| sign.is_in(object, generation)),
            Self::When(first, second) => {
                !first.is_in(object, generation) || second.is_in(object, generation)
            }
        }
    }

    /// What stands there instead: `status.phase is Creating`.
    fn found(&self, object: &Value) -> String {
        let scalar = |pointer: &str| match object.pointer(pointer) {
            Some(Value::String(text)) => one_line(text),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => "not told".to_owned(),
        };
        match *self {
            Self::Condition(kind, _) | Self::Because(kind, _, _) | Self::NotBecause(kind, _, _) => {
                match condition(object, kind) {
                    Some(one) => format!(
                        "condition {kind} is {}: {}",
                        one_line(one.status),
                        one.words()
                    ),
                    None => format!("condition {kind} is not told"),
                }
            }
            Self::ConditionIn(pointer, kind, _) => match condition_in(object, pointer, kind) {
                Some(one) => format!(
                    "condition {kind} is {}: {}",
                    one_line(one.status),
                    one.words()
                ),
                None => format!("condition {kind} is not told"),
            },
            Self::Text(pointer, _) | Self::Flag(pointer, _) => {
                format!("{} is {}", dotted(pointer), scalar(pointer))
            }
            Self::Count(told, wanted) => {
                let wanted = number(object, wanted).unwrap_or(1);
                format!("{} is {} of {wanted}", dotted(told), scalar(told))
            }
            Self::Filled(pointer) => format!("{} is empty", dotted(pointer)),
            Self::Each(pointer, sign) => {
                let all = list(object, pointer);
                let first = all.iter().find(|one| !sign.is_in(one, None));
                let found = first.map_or_else(String::new, |one| sign.found(one));
                format!("in {}: {found}", dotted(pointer))
            }
            Self::Some(pointer, sign) => format!("no entry of {} with {sign}", dotted(pointer)),
            Self::All(signs) => signs
                .iter()
                .find(|sign| !sign.is_in(object, None))
                .map_or_else(String::new, |sign| sign.found(object)),
            Self::When(_, second) => second.found(object),
        }
    }

    /// When it was first seen, if its kind tells; of several the last.
    fn since<'a>(&self, object: &'a Value) -> Option<&'a str> {
        match *self {
            Self::Condition(kind, _) | Self::Because(kind, _, _) | Self::NotBecause(kind, _, _) => {
                condition(object, kind)?.since
            }
            Self::ConditionIn(pointer, kind, _) => condition_in(object, pointer, kind)?.since,
            Self::Text(..)
            | Self::Flag(..)
            | Self::Filled(_)
            | Self::Count(..)
            | Self::Each(..)
            | Self::Some(..)
            | Self::When(..) => None,
            Self::All(signs) => signs.iter().filter_map(|sign| sign.since(object)).max(),
        }
    }
}

/// `/status/phase` as people write it: `status.phase`.
pub(super) fn dotted(pointer: &str) -> String {
    let parts: Vec<String> = pointer
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| part.replace("~1", "/"))
        .collect();
    parts.join(".")
}

/// In words, for people and for the page.
impl fmt::Display for Sign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Condition(kind, status) | Self::ConditionIn(_, kind, status) => {
                write!(formatter, "condition {kind} is {status}")
            }
            Self::Because(kind, status, reason) => {
                write!(
                    formatter,
                    "condition {kind} is {status} with reason {reason}…"
                )
            }
            Self::NotBecause(kind, status, reason) => {
                write!(
                    formatter,
                    "condition {kind} is {status} with another reason than {reason}…"
                )
            }
            Self::Text(pointer, all) => {
                write!(formatter, "`{}` is {}", dotted(pointer), all.join(" or "))
            }
            Self::Flag(pointer, wanted) => write!(formatter, "`{}` is {wanted}", dotted(pointer)),
            Self::Filled(pointer) => write!(formatter, "`{}` is not empty", dotted(pointer)),
            Self::Count(told, wanted) => {
                write!(formatter, "`{}` equals `{}`", dotted(told), dotted(wanted))
            }
            Self::Each(pointer, sign) => {
                write!(formatter, "in each of `{}` {sign}", dotted(pointer))
            }
            Self::Some(pointer, sign) => {
                write!(formatter, "in some of `{}` {sign}", dotted(pointer))
            }
            Self::All(signs) => {
                let words: Vec<String> = signs.iter().map(ToString::to_string).collect();
                formatter.write_str(&words.join(", "))
            }
            Self::When(first, second) => write!(formatter, "if {first}: {second}"),
        }
    }
}

/// A sign that it has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) sign: Sign,
    /// Seconds for which it may stand there, because operators come back from it.
    pub(super) after_seconds: u32,
    pub(super) code: &'static str,
    pub(super) hint: &'static str,
}

/// How long a kind that flaps must have been ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    /// The condition that tells since when.
    pub(super) condition: &'static str,
    pub(super) seconds: u32,
}

/// The gate of some kinds of one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) group: &'static str,
    pub(super) kinds: &'static [&'static str],
    /// All must be seen. None: ready when it exists.
    pub(super) ready: &'static [Sign],
    /// These too of one that had an address at the source: not every controller tells one.
    pub(super) addressed: &'static [Sign],
    /// Any one of these and it is as its user wants it (paused, hibernated), although it is not ready.
    pub(super) excused: &'static [Sign],
    pub(super) failed: &'static [Failure],
    pub(super) settled: Option<Settled>,
    /// What must have been done of late.
    pub(super) fresh: Option<Fresh>,
    /// What operators say beside their states.
    pub(super) words: &'static [&'static str],
    /// Opened after this many seconds if it was not ready at the source either. None: never.
    pub(super) assumed_seconds: Option<u32>,
    /// Something that is done once: a backup, a migration. Put back among others, it is done anew or not at all, and nothing waits for it.
    pub(super) once: bool,
    /// Its definition has the subresource `status`. It is told only of what is done once.
    pub(super) status_apart: bool,
    /// Done once, and what it made is for others: it is used after it has ended, and nobody makes it again.
    pub(super) makes_for_others: bool,
}

impl Rule {
    /// A rule without exceptions, to be completed.
    pub(super) const fn of(
        group: &'static str,
        kinds: &'static [&'static str],
        ready: &'static [Sign],
    ) -> Self {
        Self {
            group,
            kinds,
            ready,
            addressed: &[],
            excused: &[],
            failed: &[],
            settled: None,
            fresh: None,
            words: &[],
            assumed_seconds: None,
            once: false,
            status_apart: true,
            makes_for_others: false,
        }
    }

    fn said(&self, object: &Value) -> String {
        let words = self
            .words
            .iter()
            .filter_map(|pointer| text(object, pointer));
        words
            .filter(|words| !words.is_empty())
            .map(|words| format!(": {}", one_line(words)))
            .next()
            .unwrap_or_default()
    }

    /// Judges an object of one of its kinds.
    pub(super) fn judge(&self, view: &View<'_>) -> Gate {
        let object = view.live;
        let generation = generation(object);
        if self.ready.is_empty()
            || self
                .excused
                .iter()
                .any(|sign| sign.is_in(object, generation))
        {
            return Gate::Open;
        }
        let assumable = |gate: Gate| match self.assumed_seconds {
            Some(seconds) if !view.told.ready => gate.or_assumed(view.clock, seconds),
            Some(_) | None => gate,
        };
        if is_stale(object) || object.pointer("/status").is_none_or(Value::is_null) {
            return assumable(view.unobserved());
        }
        let shown = |one: &&Failure| one.sign.is_in(object, generation);
        for failure in self.failed.iter().filter(shown) {
            let message = format!("{}{}", failure.sign.seen(object), self.said(object));
            let since = failure.sign.since(object);
            if since.is_none() && failure.after_seconds > 0 {
                // Nobody tells since when: it is seen for how long it stays.
                let (code, hint) = (failure.code, failure.hint);
                return view.failing(code, &message, hint, failure.after_seconds);
            }
            if view.clock.has_lasted(since, failure.after_seconds) {
                return view.failed(failure.code, &message, failure.hint);
            }
        }
        let addressed = self.addressed.iter().filter(|_| view.told.address);
        let missing = self
            .ready
            .iter()
            .chain(addressed)
            .find(|sign| !sign.is_in(object, generation));
        if let Some(missing) = missing {
            let message = format!("{}{}", missing.found(object), self.said(object));
            return assumable(view.closed("not-ready", &message, &missing.to_string()));
        }
        if let Some((fresh, old)) = self
            .fresh
            .and_then(|fresh| Some((fresh, fresh.overdue(object, view.clock)?)))
        {
            return view.closed("not-fresh", &old, &fresh.to_string());
        }
        let Some(settled) = self.settled else {
            return Gate::Open;
        };
        let since = condition(object, settled.condition).and_then(|one| one.since);
        if view.clock.has_lasted(since, settled.seconds) {
            return Gate::Open;
        }
        let takes = format!("it stays ready for {} s", settled.seconds);
        view.closed("not-steady", "it has been ready for a moment only", &takes)
    }
}

impl Sign {
    /// What is seen when it is in the object.
    fn seen(&self, object: &Value) -> String {
        match *self {
            Self::Some(pointer, sign) => {
                let all = list(object, pointer);
                let first = all.iter().find(|one| sign.is_in(one, None));
                let seen = first.map_or_else(String::new, |one| sign.seen(one));
                format!("in {}: {seen}", dotted(pointer))
            }
            Self::Condition(..)
            | Self::ConditionIn(..)
            | Self::Because(..)
            | Self::NotBecause(..)
            | Self::Text(..)
            | Self::Flag(..)
            | Self::Count(..) => self.found(object),
            Self::Filled(pointer) => format!("{} is told", dotted(pointer)),
            Self::All(signs) => {
                let seen: Vec<String> = signs.iter().map(|sign| sign.seen(object)).collect();
                seen.join(", ")
            }
            Self::Each(..) | Self::When(..) => self.to_string(),
        }
    }
}

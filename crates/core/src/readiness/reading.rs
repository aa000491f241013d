//! Reads parts of objects of any shape: what is not as expected counts as not there. Used by every gate.

use serde_json::Value;

use super::{Gate, View};
use crate::driver::{Problem, Why};
use crate::json::Tree;

/// Characters of what others say that go into one line.
const WORDS_MAX: usize = 300;

pub(super) fn text<'a>(object: &'a impl Tree, pointer: &str) -> Option<&'a str> {
    object.at(pointer)?.text()
}

pub(super) fn number(object: &impl Tree, pointer: &str) -> Option<u64> {
    object.at(pointer)?.whole()
}

pub(super) fn list<'a, T: Tree>(object: &'a T, pointer: &str) -> &'a [T] {
    object.at(pointer).map_or(&[], Tree::items)
}

/// What somebody else said, as part of one line.
pub(super) fn one_line(words: &str) -> String {
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.chars().count() > WORDS_MAX {
            return line.chars().take(WORDS_MAX).chain(['…']).collect();
        }
    }
    line
}

/// A condition, as most kinds of Kubernetes tell them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// When the status last changed, by the clock of who wrote it.
    pub(super) since: Option<&'a str>,
    observed: Option<u64>,
}

impl Condition<'_> {
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// Told about an older spec. Zero is what Go writes for "not told".
    pub(super) fn is_stale(&self, generation: Option<u64>) -> bool {
        match (self.observed, generation) {
            (Some(observed), Some(generation)) => observed != 0 && observed != generation,
            (Some(_) | None, Some(_) | None) => false,
        }
    }

    /// Reason and message.
    pub(super) fn words(&self) -> String {
        match (self.reason, self.message) {
            ("", "") => format!("status {}", one_line(self.status)),
            ("", message) => one_line(message),
            (reason, "") => one_line(reason),
            (reason, message) => one_line(&format!("{reason}: {message}")),
        }
    }
}

/// The newest condition of that type in a list of conditions; some operators keep the old ones before it.
pub(super) fn condition_in<'a>(
    holder: &'a impl Tree,
    pointer: &str,
    kind: &str,
) -> Option<Condition<'a>> {
    let found = list(holder, pointer)
        .iter()
        .rfind(|one| text(*one, "/type") == Some(kind))?;
    Some(Condition {
        status: text(found, "/status").unwrap_or_default(),
        reason: text(found, "/reason").unwrap_or_default(),
        message: text(found, "/message").unwrap_or_default(),
        since: text(found, "/lastTransitionTime"),
        observed: number(found, "/observedGeneration"),
    })
}

pub(super) fn condition<'a>(object: &'a impl Tree, kind: &str) -> Option<Condition<'a>> {
    condition_in(object, "/status/conditions", kind)
}

pub(super) fn generation(object: &Value) -> Option<u64> {
    number(object, "/metadata/generation")
}

/// True when its controller has told about another spec than this one: an older one, or that of another cluster whose status
/// was carried along.
pub(super) fn is_stale(object: &Value) -> bool {
    match (
        number(object, "/status/observedGeneration"),
        generation(object),
    ) {
        (Some(observed), Some(generation)) => observed != generation,
        (Some(_) | None, Some(_) | None) => false,
    }
}

impl<'a> View<'a> {
    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.resource.group == group && self.resource.kind == kind
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&'a str> {
        text(self.live, pointer)
    }

    pub(super) fn number(&self, pointer: &str) -> Option<u64> {
        number(self.live, pointer)
    }

    pub(super) fn list(&self, pointer: &str) -> &'a [Value] {
        list(self.live, pointer)
    }

    pub(super) fn condition(&self, kind: &str) -> Option<Condition<'a>> {
        condition(self.live, kind)
    }

    /// `StatefulSet shop/db`.
    pub(super) fn name(&self) -> String {
        let name = self.text("/metadata/name").unwrap_or_default();
        match self.text("/metadata/namespace") {
            Some(namespace) => format!("{} {namespace}/{name}", self.resource.kind),
            None => format!("{} {name}", self.resource.kind),
        }
    }

    /// Closed, with the object's name before the message.
    pub(super) fn closed(&self, code: &str, message: &str, takes: &str) -> Gate {
        Gate::closed(code, format!("{}: {message}", self.name()), takes)
    }

    /// Failed, with the object's name before the message.
    pub(super) fn failed(&self, code: &str, message: &str, hint: &str) -> Gate {
        Gate::failed(code, format!("{}: {message}", self.name()), hint)
    }

    /// Closed, and failed when it stays so: nobody tells since when.
    pub(super) fn failing(&self, code: &str, message: &str, hint: &str, seconds: u32) -> Gate {
        let message = format!("{}: {message}", self.name());
        let why = Why::new(code, message.clone()).taking("it passes, as it may");
        Gate::Closed(why.failing(Problem::stuck(code, message, hint), seconds))
    }

    /// Its controller has not told about the newest spec.
    pub(super) fn unobserved(&self) -> Gate {
        self.closed(
            "not-observed",
            "its controller has not seen it yet",
            "its controller runs and takes it up",
        )
    }
}

//! What events say about objects. Events are read only of gates that have been closed for a while: a namespace may have many.

use std::collections::BTreeMap;

use serde_json::Value;

use super::View;
use super::reading::{one_line, text};
use crate::driver::{Class, ListRequest, Query, Why};
use crate::inventory::Resource;

/// Seconds of waiting before events are read.
pub(super) const AFTER_SECONDS: u32 = 5;

fn request(view: &View<'_>) -> Option<ListRequest> {
    Some(ListRequest {
        resource: Resource::namespaced("v1", "Event", "events"),
        namespace: Some(view.text("/metadata/namespace")?.to_owned()),
        labels: BTreeMap::new(),
    })
}

pub(super) fn look(view: &View<'_>) -> Option<Query> {
    request(view).map(Query::List)
}

/// False when they may not be read, or were not answered.
pub(super) fn are_read(view: &View<'_>) -> bool {
    request(view).is_some_and(|request| view.seen.list(&request).is_ok())
}

/// True once they were asked for in this look, unless the next one may be answered. Without a namespace there is nobody to ask.
pub(super) fn are_asked(view: &View<'_>) -> bool {
    look(view).is_none_or(|query| {
        let refused = view.seen.refusal(&query);
        view.seen.has(&query) && refused.is_none_or(|problem| problem.class != Class::Retry)
    })
}

/// An event, as far as gates read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) is_warning: bool,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// When it was first told.
    pub(super) first: Option<&'a str>,
    last: &'a str,
}

impl News<'_> {
    pub(super) fn words(&self) -> String {
        one_line(&format!("{}: {}", self.reason, self.message))
    }
}

fn news(event: &Value) -> News<'_> {
    let time = |pointer: &str| text(event, pointer);
    let first = time("/firstTimestamp").or(time("/eventTime"));
    let last = time("/series/lastObservedTime").or(time("/lastTimestamp"));
    News {
        is_warning: text(event, "/type") == Some("Warning"),
        reason: text(event, "/reason").unwrap_or_default(),
        message: text(event, "/message").unwrap_or_default(),
        first,
        last: last.or(first).unwrap_or_default(),
    }
}

/// Events about one object, the newest first. None when they were not read, or may not be.
pub(super) fn about<'a>(
    view: &View<'a>,
    kind: &str,
    name: &str,
    uid: Option<&str>,
) -> Vec<News<'a>> {
    let all = request(view).and_then(|request| view.seen.list(&request).ok());
    let mut found: Vec<News<'a>> = all
        .unwrap_or_default()
        .iter()
        .filter(|event| {
            let told = |pointer: &str| text(*event, pointer);
            // An object of the same name that is gone had another uid.
            let same = match (told("/involvedObject/uid"), uid) {
                (Some(told), Some(uid)) => told == uid,
                (Some(_) | None, Some(_) | None) => true,
            };
            same && told("/involvedObject/kind") == Some(kind)
                && told("/involvedObject/name") == Some(name)
        })
        .map(news)
        .collect();
    found.sort_by(|one, other| other.last.cmp(one.last));
    found
}

/// Events about the object itself, the newest first.
pub(super) fn own<'a>(view: &View<'a>) -> Vec<News<'a>> {
    let name = view.text("/metadata/name").unwrap_or_default();
    about(view, &view.resource.kind, name, view.text("/metadata/uid"))
}

/// The newest event about an object, if it is a warning: what went well since is no trouble any more.
pub(super) fn trouble<'a>(found: &[News<'a>]) -> Option<News<'a>> {
    found.first().copied().filter(|one| one.is_warning)
}

/// A reason to wait with the newest warning about the object, unless it is part of it already.
pub(super) fn explained(view: &View<'_>, mut why: Why) -> Why {
    if let Some(warning) = trouble(&own(view)) {
        let words = warning.words();
        if !why.message.contains(&words) {
            why.message.push_str("; its newest warning: ");
            why.message.push_str(&words);
        }
    }
    why
}

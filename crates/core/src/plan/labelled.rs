//! Things of a namespace by their labels, so that a selector does not look at everything.
//!
//! Knows selectors as Kubernetes writes them, no rule. Called by `context`.

use std::collections::BTreeMap;

use crate::inventory::{Thing, ThingId};
use crate::json::{Fields, Json};

/// Things by namespace and by one label.
#[derive(Default)]
pub(super) struct ByLabel<'a> {
    all: BTreeMap<&'a str, Vec<Labelled<'a>>>,
    /// Places in `all`, by namespace, key and value.
    with: BTreeMap<(&'a str, &'a str, &'a str), Vec<usize>>,
}

struct Labelled<'a> {
    thing: &'a Thing,
    labels: Option<&'a Fields>,
}

/// The labels of the pods that a thing runs; of a pod its own.
pub(super) fn pod_labels(thing: &Thing) -> Option<&Json> {
    let pointer = match thing.resource.kind.as_str() {
        "Pod" => "/metadata/labels",
        "CronJob" => "/spec/jobTemplate/spec/template/metadata/labels",
        _ => "/spec/template/metadata/labels",
    };
    thing.at(pointer)
}

/// The StatefulSet of whose pods a Service selects one by its name: it is the address of that member, and brings no users in.
pub(super) fn member_of(service: &Thing) -> Option<ThingId> {
    let selector = service.at("/spec/selector")?;
    let pod = selector
        .get("statefulset.kubernetes.io/pod-name")?
        .as_str()?;
    let (set, _) = pod.rsplit_once('-')?;
    let namespace = service.namespace()?;
    Some(ThingId::namespaced("apps", "StatefulSet", namespace, set))
}

/// The labels of the thing itself.
pub(super) fn own_labels(thing: &Thing) -> Option<&Json> {
    thing.at("/metadata/labels")
}

impl<'a> ByLabel<'a> {
    pub(super) fn of(
        things: impl Iterator<Item = &'a Thing>,
        labels: fn(&Thing) -> Option<&Json>,
    ) -> Self {
        let mut made = Self::default();
        for thing in things {
            let Some(namespace) = thing.namespace() else {
                continue;
            };
            let labels = labels(thing).and_then(Json::as_object);
            let all = made.all.entry(namespace).or_default();
            for (key, value) in labels.into_iter().flatten() {
                if let Some(value) = value.as_str() {
                    let place = (namespace, key, value);
                    made.with.entry(place).or_default().push(all.len());
                }
            }
            all.push(Labelled { thing, labels });
        }
        made
    }

    /// Everything in a namespace.
    pub(super) fn all(&self, namespace: &str) -> impl Iterator<Item = &'a Thing> + '_ {
        self.all
            .get(namespace)
            .into_iter()
            .flatten()
            .map(|one| one.thing)
    }

    /// Things with all of these labels; none for an empty map, as with a Service's selector.
    pub(super) fn with(&self, namespace: &str, labels: &Fields) -> Vec<&'a Thing> {
        if labels.is_empty() {
            return Vec::new();
        }
        self.fitting(namespace, Some(labels), &[])
    }

    /// Things that a `LabelSelector` selects; an empty one selects all.
    pub(super) fn selected(&self, namespace: &str, selector: &Json) -> Vec<&'a Thing> {
        let Some(selector) = selector.as_object() else {
            return Vec::new();
        };
        let labels = selector.get("matchLabels").and_then(Json::as_object);
        let expressions = selector
            .get("matchExpressions")
            .and_then(Json::as_array)
            .unwrap_or_default();
        self.fitting(namespace, labels, expressions)
    }

    fn fitting(
        &self,
        namespace: &str,
        labels: Option<&Fields>,
        expressions: &[Json],
    ) -> Vec<&'a Thing> {
        let Some(all) = self.all.get(namespace) else {
            return Vec::new();
        };
        let mut fewest: Option<&[usize]> = None;
        for (key, value) in labels.into_iter().flatten() {
            let place = (namespace, key, value.as_str().unwrap_or_default());
            let found = self.with.get(&place).map_or(&[][..], Vec::as_slice);
            if fewest.is_none_or(|fewest| found.len() < fewest.len()) {
                fewest = Some(found);
            }
        }
        let fits = |one: &&Labelled<'_>| {
            labels
                .into_iter()
                .flatten()
                .all(|(key, value)| one.labels.and_then(|own| own.get(key)) == Some(value))
                && expressions.iter().all(|wanted| fulfils(one.labels, wanted))
        };
        match fewest {
            Some(places) => places
                .iter()
                .map(|place| &all[*place])
                .filter(fits)
                .map(|one| one.thing)
                .collect(),
            None => all.iter().filter(fits).map(|one| one.thing).collect(),
        }
    }
}

/// One of a selector's `matchExpressions`; what is not understood selects nothing.
fn fulfils(labels: Option<&Fields>, expression: &Json) -> bool {
    let Some(key) = expression.get("key").and_then(Json::as_str) else {
        return false;
    };
    let value = labels.and_then(|labels| labels.get(key));
    let among = || {
        expression
            .get("values")
            .and_then(Json::as_array)
            .is_some_and(|values| value.is_some_and(|value| values.contains(value)))
    };
    match expression.get("operator").and_then(Json::as_str) {
        Some("In") => among(),
        Some("NotIn") => !among(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

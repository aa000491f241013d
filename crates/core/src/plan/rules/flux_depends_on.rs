//! Flux's `dependsOn`: what one Kustomization or HelmRelease applies waits until another is ready, as Flux has it: what that applied is there, and
//! what its health checks name works. Source: fluxcd/kustomize-controller, `docs/spec/v1/kustomizations.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::context::Context;
use super::waves::all_before;
use super::{Drawn, HIGH, Rule};
use crate::inventory::{FLUX_KINDS, Thing, ThingId, applied_by, depends_on};
use crate::json::Json;

pub(super) const RULE: Rule = Rule {
    name: "FLUX_DEPENDS_ON",
    reason: "the author has said which Kustomization or HelmRelease depends on which, and what makes a Kustomization healthy",
    confidence: HIGH,
    draw,
};

/// What is carried, by what Flux applied it by.
fn applied<'a>(context: &Context<'a>) -> BTreeMap<ThingId, Vec<&'a Thing>> {
    let mut applied: BTreeMap<ThingId, Vec<&Thing>> = BTreeMap::new();
    if FLUX_KINDS
        .iter()
        .any(|of| context.is_marked(&[of.name_label]))
    {
        for thing in context.things.values() {
            for by in applied_by(thing) {
                applied.entry(by).or_default().push(thing);
            }
        }
    }
    applied
}

/// Kustomizations and HelmReleases of the point, and what they applied.
struct Sources<'c, 'a> {
    context: &'c Context<'a>,
    all: Vec<&'a Thing>,
    applied: BTreeMap<ThingId, Vec<&'a Thing>>,
    /// Those that another one applied.
    nested: BTreeMap<ThingId, Vec<ThingId>>,
}

/// Things by what tells that they belong here, which is empty for what was applied.
type Found<'a> = BTreeMap<String, Vec<&'a Thing>>;

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let applied = applied(context);
    if applied.is_empty() {
        return Vec::new();
    }
    let sources = Sources::of(context, applied);
    let mut drawn = Vec::new();
    for source in &sources.all {
        if depends_on(source).next().is_none() {
            continue;
        }
        let id = source.id();
        let later = sources.later(&id);
        for (place, on) in depends_on(source) {
            for (told, mut earlier) in sources.ready(&on) {
                earlier.retain(|one| !later.contains_key(&one.id));
                let evidence = format!("{id}: spec.dependsOn[{place}]{told}");
                let later: Vec<&Thing> = later.values().copied().collect();
                drawn.extend(all_before(context, &earlier, &later, &evidence));
            }
        }
    }
    drawn
}

impl<'c, 'a> Sources<'c, 'a> {
    fn of(context: &'c Context<'a>, applied: BTreeMap<ThingId, Vec<&'a Thing>>) -> Self {
        let kinds = FLUX_KINDS.iter();
        let all = kinds.flat_map(|of| context.objects.of_kind(of.group, of.kind));
        let all: Vec<&Thing> = all.collect();
        let mut nested: BTreeMap<ThingId, Vec<ThingId>> = BTreeMap::new();
        for source in &all {
            for by in applied_by(source) {
                nested.entry(by).or_default().push(source.id());
            }
        }
        Self {
            context,
            all,
            applied,
            nested,
        }
    }

    /// What is not there before this is applied: what it applies, and what that applies.
    fn later(&self, id: &ThingId) -> BTreeMap<ThingId, &'a Thing> {
        let mut found = BTreeMap::new();
        let (mut open, mut seen) = (vec![id.clone()], BTreeSet::new());
        while let Some(id) = open.pop() {
            if seen.contains(&id) {
                continue;
            }
            let applied = self.applied.get(&id).into_iter().flatten();
            found.extend(applied.map(|thing| (thing.id(), *thing)));
            open.extend(self.nested.get(&id).into_iter().flatten().cloned());
            seen.insert(id);
        }
        found
    }

    /// What is there and works when this is ready. With `wait` it is all that it applied, with health checks what they name; of what has
    /// nothing here, what that depends on.
    fn ready(&self, id: &ThingId) -> Found<'a> {
        let mut found = Found::new();
        let (mut open, mut seen) = (vec![id.clone()], BTreeSet::new());
        while let Some(id) = open.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let applied = self.applied.get(&id);
            let here = found.entry(String::new()).or_default();
            here.extend(applied.into_iter().flatten());
            let Some(source) = self.context.objects.get(&id) else {
                continue;
            };
            if source.at("/spec/wait") == Some(&Json::Bool(true)) {
                open.extend(self.nested.get(&id).into_iter().flatten().cloned());
            } else {
                open.extend(self.healthy(source, &mut found));
            }
            if applied.is_none() {
                open.extend(depends_on(source).map(|(_, on)| on));
            }
        }
        found
    }

    /// Adds what the health checks of a Kustomization name; says which of it is Flux's own.
    fn healthy(&self, source: &Thing, found: &mut Found<'a>) -> Vec<ThingId> {
        let mut nested = Vec::new();
        for (place, check) in source.list("/spec/healthChecks").iter().enumerate() {
            let Some(id) = checked(source, check) else {
                continue;
            };
            if FLUX_KINDS.iter().any(|of| id.is(of.group, of.kind)) {
                nested.push(id);
            } else if let Some(thing) = self.carried(&id) {
                let told = format!(", {}: spec.healthChecks[{place}]", source.id());
                found.entry(told).or_default().push(thing);
            }
        }
        nested
    }

    /// The carried thing of this identity, or the one that it is made from.
    fn carried(&self, id: &ThingId) -> Option<&'a Thing> {
        let own = self.context.things.get(id).copied();
        own.or_else(|| self.context.root(self.context.objects.get(id)?))
    }
}

/// What a health check names.
fn checked(source: &Thing, check: &Json) -> Option<ThingId> {
    let text = |key: &str| check.get(key).and_then(Json::as_str);
    let version = text("apiVersion").unwrap_or("v1");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let namespace = text("namespace").or(source.namespace())?;
    Some(ThingId::namespaced(
        group,
        text("kind")?,
        namespace,
        text("name")?,
    ))
}

/// That the order which Flux keeps is not known, if so.
pub(in super::super) fn flux_unknown(context: &Context<'_>) -> Option<String> {
    let mut all: BTreeSet<ThingId> = applied(context).into_keys().collect();
    all.retain(|id| context.objects.get(id).is_none());
    let first = all.first()?;
    let others = match all.len() {
        1 => String::new(),
        2 => " and 1 other".to_owned(),
        count => format!(" and {} others", count - 1),
    };
    Some(format!(
        "the point does not hold {first}{others}, which applied some of it: what Flux lets wait for what is not known; if it is \
         still there, take a point with the right to list its kind in all namespaces"
    ))
}

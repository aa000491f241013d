//! Flux's `dependsOn`: what one Kustomization or HelmRelease applies waits for what another does.

use std::collections::BTreeMap;

use crate::json::Json;

use super::super::context::Context;
use super::waves::all_before;
use super::{Drawn, HIGH, Rule};
use crate::inventory::Thing;

pub(super) const RULE: Rule = Rule {
    name: "FLUX_DEPENDS_ON",
    reason: "the author has said which Kustomization or HelmRelease depends on which",
    confidence: HIGH,
    draw,
};

/// Group of the kind, which is also the prefix of its labels; kind.
const SOURCES: &[(&str, &str)] = &[
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
];

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for (group, kind) in SOURCES {
        let (name_label, namespace_label) = (format!("{group}/name"), format!("{group}/namespace"));
        if !context.is_marked(&[&name_label]) {
            continue;
        }
        let mut applied: BTreeMap<(&str, &str), Vec<&Thing>> = BTreeMap::new();
        for thing in context.things.values() {
            let labels = (thing.label(&namespace_label), thing.label(&name_label));
            if let (Some(namespace), Some(name)) = labels {
                applied.entry((namespace, name)).or_default().push(thing);
            }
        }
        for source in context.objects.of_kind(group, kind) {
            let namespace = source.namespace().unwrap_or_default();
            let Some(later) = applied.get(&(namespace, source.name())) else {
                continue;
            };
            for (place, on) in source.list("/spec/dependsOn").iter().enumerate() {
                let text = |key: &str| on.get(key).and_then(Json::as_str);
                let of = text("namespace").unwrap_or(namespace);
                let earlier = text("name").and_then(|name| applied.get(&(of, name)));
                if let Some(earlier) = earlier {
                    let evidence = format!("{}: spec.dependsOn[{place}]", source.id());
                    drawn.extend(all_before(context, earlier, later, &evidence));
                }
            }
        }
    }
    drawn
}

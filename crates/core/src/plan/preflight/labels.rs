//! Labels of a namespace that is at the target already: it is kept as it is, and labels let pods in or give them a sidecar.

use super::super::Goal;
use super::finding::{Raised, Weight};
use super::scene::Scene;
use crate::inventory::{Thing, ThingId};
use crate::json::Json;
use crate::recovery::Existing;

/// Labels that a warning names before it counts the rest.
const NAMED_MAX: usize = 6;
/// Kubernetes gives it to each namespace by itself.
const NAME: &str = "kubernetes.io/metadata.name";

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    if !keeps_silently(scene.goal) {
        return;
    }
    for (id, thing) in scene.written().filter(|(id, _)| id.is("", "Namespace")) {
        let Some(there) = scene.there(id) else {
            continue;
        };
        let lacking = lacking(scene, (id, thing), there);
        if lacking.is_empty() {
            continue;
        }
        raised.about(
            Weight::Warning,
            "namespace-labels",
            id,
            format!(
                "it is at the target already and stays as it is, without labels that the point has of it: {}",
                shown(&lacking)
            ),
            "label it yourself, delete it while it is empty, so that it is made as it was, or give it the labels with `--existing update`",
        );
    }
}

/// Who says `skip` wants what is there to stay as it is.
fn keeps_silently(goal: &Goal) -> bool {
    match goal.existing {
        Existing::Fail => true,
        Existing::Skip | Existing::Update | Existing::Replace => false,
    }
}

/// `istio-injection=enabled`, and what is there instead.
fn lacking(scene: &Scene<'_>, (id, thing): (&ThingId, &Thing), there: &Thing) -> Vec<String> {
    let patched = scene.context.written.and_then(|written| written.get(id));
    let labels = patched
        .unwrap_or(&thing.object)
        .pointer("/metadata/labels")
        .and_then(Json::as_object);
    let mut lacking = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        let wanted = value.as_str().unwrap_or_default();
        match there.label(key) {
            _ if key == NAME => {}
            Some(found) if found == wanted => {}
            Some(found) => lacking.push(format!("{key}={wanted} (there: {found})")),
            None => lacking.push(format!("{key}={wanted}")),
        }
    }
    lacking
}

fn shown(lacking: &[String]) -> String {
    let named = lacking.iter().take(NAMED_MAX).cloned();
    let named: Vec<String> = named.collect();
    match lacking.len().saturating_sub(NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

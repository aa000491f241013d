//! Statuses that come back: of custom resources whose author says so by annotation, where the definition keeps a status apart.
//! Called by `plan`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::Json;

use super::context::{Context, write_step};
use crate::inventory::{Resource, Thing, ThingId};
use crate::names::{ANNOTATION_STATUS, STATUS_RESTORE};
use crate::readiness::is_custom;
use crate::run::{Step, Work};

/// Adds the statuses to the steps, and says of which ones none is restored.
pub(super) fn add(
    context: &Context<'_>,
    steps: &mut BTreeMap<String, Step>,
    warnings: &mut Vec<String>,
) {
    for (id, thing) in &context.things {
        let Some(word) = thing.annotation(ANNOTATION_STATUS) else {
            continue;
        };
        let Some(step) = steps.get_mut(&write_step(id)) else {
            continue;
        };
        let Work::Write(writing) = &mut step.work else {
            continue;
        };
        match status(context, thing, word, &writing.resource) {
            Ok(status) => writing.status = status,
            Err(why) => warnings.push(format!("the status of {id} is not restored: {why}")),
        }
    }
}

fn status(
    context: &Context<'_>,
    thing: &Thing,
    word: &str,
    resource: &Resource,
) -> Result<Option<Json>, String> {
    if word != STATUS_RESTORE {
        return Err(format!(
            "{ANNOTATION_STATUS} says `{word}`, it can say `{STATUS_RESTORE}` only"
        ));
    }
    if !is_custom(&resource.group) {
        return Err("Kubernetes itself writes it".to_owned());
    }
    if !has_subresource(context, resource) {
        return Err(format!(
            "the definition of {} {} has no subresource `status`",
            resource.plural,
            resource.api_version()
        ));
    }
    let status = thing.at("/status").filter(|status| status.is_object());
    Ok(status.cloned().map(|mut status| {
        status.edit(forget_generations);
        status
    }))
}

/// The target's definition counts; where there is none yet it is the one that comes with the point.
fn has_subresource(context: &Context<'_>, resource: &Resource) -> bool {
    let name = format!("{}.{}", resource.plural, resource.group);
    let id = ThingId::cluster("apiextensions.k8s.io", "CustomResourceDefinition", &name);
    let there = context.target.get(&id);
    let definition = there.or_else(|| context.things.get(&id).copied());
    let versions = definition.map_or(&[][..], |one| one.list("/spec/versions"));
    versions.iter().any(|one| {
        one.get("name").and_then(Json::as_str) == Some(&resource.version)
            && one.pointer("/subresources/status").is_some()
    })
}

/// Generations count anew: an old number would say that the operator has seen what it has not.
fn forget_generations(status: &mut Value) {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let count = conditions.map_or(0, Vec::len);
    if let Some(status) = status.as_object_mut() {
        status.remove("observedGeneration");
    }
    for place in 0..count {
        if let Some(one) = status["conditions"][place].as_object_mut() {
            one.remove("observedGeneration");
        }
    }
}

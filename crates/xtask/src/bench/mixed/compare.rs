//! What came back is what was there: every object of every kind, to the letter.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::objects::{KINDS, SELECTOR, Size};
use crate::ground::Ground;
use crate::testbed::{Site, output};

/// Annotations that are not of the user: by refloat's recovery and by the controller of Deployments.
const NOT_THE_USERS: [&str; 2] = ["refloat.io/", "deployment.kubernetes.io/"];
/// Refloat's own annotations belong to this manager, or to an object's only one.
const NOT_A_USER: &str = "refloat";
/// These annotations, as `managedFields` names them.
const MARKS: &str = "f:refloat.io/";

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) count: usize,
    /// Characters of them as JSON, without what only the server writes.
    pub(super) characters: usize,
}

/// All that is at the one site is at the other; kind by kind.
pub(super) fn compare(size: Size, ground: &Ground) -> Result<Vec<Kind>> {
    let mut all = Vec::new();
    for (name, of_each) in KINDS {
        let there = objects(ground, Site::Primary, name)?;
        let back = objects(ground, Site::Recovery, name)?;
        let (wanted, count) = (size.applications * of_each, there.len());
        ensure!(
            count == wanted as usize && back.len() == count,
            "{wanted} {name} were made, {count} were there, and {} came back",
            back.len()
        );
        for (one, other) in there.iter().zip(&back) {
            ensure!(
                one == other,
                "of {name} this was there and that came back:\n{one}\n{other}"
            );
        }
        all.push(Kind {
            name,
            count,
            characters: there.iter().map(String::len).sum(),
        });
    }
    Ok(all)
}

/// All objects of a kind by namespace and name, as text.
fn objects(ground: &Ground, site: Site, name: &str) -> Result<Vec<String>> {
    let mut command = ground.kubectl(site);
    command.args(["get", name, "--all-namespaces", "-l", SELECTOR]);
    command.args(["--show-managed-fields", "-o", "json"]);
    let list: Value = serde_json::from_str(&output(command)?)
        .with_context(|| format!("kubectl printed no JSON for {name}"))?;
    let items = list.get("items").and_then(Value::as_array);
    let items = items.with_context(|| format!("no list of {name}"))?;
    let mut all: Vec<String> = items
        .iter()
        .map(|item| of_the_user(item).to_string())
        .collect();
    all.sort();
    Ok(all)
}

/// An object without what a server or a controller writes.
fn of_the_user(item: &Value) -> Value {
    let mut rest = item.clone();
    if let Some(rest) = rest.as_object_mut() {
        rest.remove("metadata");
        rest.remove("status");
    }
    if item.get("kind").and_then(Value::as_str) == Some("Service") {
        without_address(&mut rest);
    }
    let mut annotations = item.pointer("/metadata/annotations").cloned();
    if let Some(annotations) = annotations.as_mut().and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !NOT_THE_USERS.iter().any(|start| key.starts_with(start)));
    }
    json!([
        item.pointer("/metadata/namespace"),
        item.pointer("/metadata/name"),
        item.pointer("/metadata/labels"),
        annotations,
        managers(item),
        rest
    ])
}

/// A Service gets an address of its cluster's.
fn without_address(service: &mut Value) {
    let headless = service.pointer("/spec/clusterIP").and_then(Value::as_str) == Some("None");
    if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut)
        && !headless
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}

/// Who owns which fields of a ConfigMap.
fn managers(item: &Value) -> Vec<String> {
    let is_map = item.get("kind").and_then(Value::as_str) == Some("ConfigMap");
    let entries = item.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).filter(|_| is_map);
    let mut all: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("manager").and_then(Value::as_str) != Some(NOT_A_USER))
        .map(|entry| {
            let mut entry = entry.clone();
            let annotations = entry.pointer_mut("/fieldsV1/f:metadata/f:annotations");
            if let Some(Value::Object(annotations)) = annotations {
                annotations.retain(|key, _| !key.starts_with(MARKS));
            }
            let parts = ["manager", "operation", "fieldsV1"].map(|key| entry.get(key));
            json!(parts).to_string()
        })
        .collect();
    all.sort();
    all
}

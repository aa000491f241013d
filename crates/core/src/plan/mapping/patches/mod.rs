//! The user's own changes of objects: which objects, in which form, and what they become. Applied after all mappings.

mod labels;
mod strategic;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::clean::clean;
use super::parts::map_id;
use super::{Mapped, MappedKind, MappedPoint, Maps};
use crate::driver::Problem;
use crate::inventory::ThingId;
use crate::json::Json;

pub(super) use strategic::is_built_in;

/// One change of one or more objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectPatch {
    /// Which objects.
    pub target: Target,
    /// How the change is written.
    #[serde(rename = "type")]
    pub form: Form,
    /// The change: a list of operations for `json`, else a part of the object.
    pub patch: Value,
}

/// Which objects a patch changes: all that fit everything that is given, by their names at the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// API group, empty for the core group; any when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `Deployment`.
    pub kind: String,
    /// Name; `*` stands for any letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// As kubectl takes it: `app=web,tier!=cache`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
}

/// How a change is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// RFC 6902: a list of operations.
    Json,
    /// RFC 7386: fields to set, `null` to remove; lists are replaced.
    Merge,
    /// Kubernetes' own: lists of built-in kinds are merged by their keys.
    Strategic,
}

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Merge => "merge",
            Self::Strategic => "strategic",
        }
    }
}

impl Target {
    /// `Deployment.apps shop/web*`.
    fn title(&self) -> String {
        let mut text = self.kind.clone();
        if let Some(group) = self.group.as_ref().filter(|group| !group.is_empty()) {
            text.push_str(&format!(".{group}"));
        }
        let name = self.name.as_deref().unwrap_or("*");
        match &self.namespace {
            Some(namespace) => text.push_str(&format!(" {namespace}/{name}")),
            None => text.push_str(&format!(" {name}")),
        }
        if let Some(labels) = &self.label_selector {
            text.push_str(&format!(" ({labels})"));
        }
        text
    }

    fn fits(&self, id: &ThingId, object: &Json, labels: &[labels::Requirement]) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|one| one == is);
        self.kind == id.kind
            && same(&self.group, &id.group)
            && same(&self.namespace, id.namespace.as_deref().unwrap_or_default())
            && self.name.as_ref().is_none_or(|name| glob(name, &id.name))
            && labels.iter().all(|one| one.fits(object))
    }
}

/// `*` stands for any letters, none among them.
pub(super) fn glob(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len())
        .filter(|&at| name.is_char_boundary(at))
        .any(|at| glob(rest, &name[at..]))
}

/// Applies all patches in their order; what each did.
pub(super) fn apply(
    patches: &[ObjectPatch],
    done: &mut MappedPoint<'_>,
    carried: &BTreeSet<ThingId>,
    maps: &Maps,
) -> Vec<Mapped> {
    let carried: BTreeSet<ThingId> = carried
        .iter()
        .map(|id| {
            let mut id = id.clone();
            map_id(&mut id, maps);
            id
        })
        .collect();
    let mut all = Vec::new();
    for (index, patch) in patches.iter().enumerate() {
        let title = format!("patch {} ({})", index + 1, patch.target.title());
        let labels = match labels::parse(patch.target.label_selector.as_deref().unwrap_or("")) {
            Ok(labels) => labels,
            Err(why) => {
                done.problems.push(invalid(&title, &why));
                continue;
            }
        };
        let mut found: BTreeMap<ThingId, Result<(), Problem>> = BTreeMap::new();
        for id in &carried {
            let Some(thing) = done.objects.get(id) else {
                continue;
            };
            if patch.target.fits(id, &thing.object, &labels) {
                found.insert(id.clone(), thing_patched(patch, &title, id, done));
            }
        }
        for at in 0..done.point.parts.len() {
            let part = &done.point.parts[at];
            let Some((namespace, name)) = part.id.split_once('/') else {
                continue;
            };
            let id = ThingId::namespaced("", "PersistentVolumeClaim", namespace, name);
            if patch.target.fits(&id, &Json::from(&part.claim), &labels) {
                let outcome = claim_patched(patch, &title, &id, at, done);
                found.insert(id, outcome);
            }
        }
        if found.is_empty() {
            done.problems.push(unmatched(&title, &patch.target, maps));
            continue;
        }
        all.push(Mapped {
            kind: MappedKind::Patch,
            from: patch.target.title(),
            to: patch.form.as_str().to_owned(),
            objects: found.len(),
            remains: Vec::new(),
        });
        let failed = found.into_values().filter_map(Result::err);
        done.problems.extend(failed);
    }
    all
}

fn invalid(title: &str, why: &str) -> Problem {
    Problem::stuck(
        "patch-invalid",
        format!("{title}: {why}"),
        "write it as docs/guides/mappings.md shows",
    )
}

fn unmatched(title: &str, target: &Target, maps: &Maps) -> Problem {
    let new = target
        .namespace
        .as_ref()
        .and_then(|old| maps.mappings.namespaces.get(old));
    Problem::stuck(
        "patch-unmatched",
        format!("{title}: no object of the recovery fits its target"),
        match new {
            Some(new) => format!(
                "patches come after all mappings: name the namespace as it will be, `{new}`"
            ),
            None => "compare its target with the steps of `refloat plan`: kind, group, name and labels must all fit".to_owned(),
        },
    )
}

/// Patches a thing: as it is written, and as the rules see it.
fn thing_patched(
    patch: &ObjectPatch,
    title: &str,
    id: &ThingId,
    done: &mut MappedPoint<'_>,
) -> Result<(), Problem> {
    let Some(thing) = done.objects.get(id) else {
        return Ok(());
    };
    let cleaned = clean(&thing.object).to_value();
    let before = done.written.get(id).map(Json::to_value);
    let patched = patched(patch, title, id, before.as_ref().unwrap_or(&cleaned))?;
    let seen = with_past(&patched, &thing.object, &cleaned);
    let seen = thing.with(seen);
    done.objects.to_mut().insert(seen);
    done.written.insert(id.clone(), patched.into());
    Ok(())
}

/// A patched object with what the old cluster said of it: its status, its owners, its managers.
fn with_past(patched: &Value, raw: &Json, cleaned: &Value) -> Value {
    let mut object = patched.clone();
    if let Some(status) = raw.get("status") {
        object["status"] = status.to_value();
    }
    for (key, value) in raw["metadata"].as_object().into_iter().flatten() {
        if cleaned["metadata"].get(key).is_none() && patched["metadata"].get(key).is_none() {
            object["metadata"][key] = value.to_value();
        }
    }
    object
}

/// Patches the claim of a volume that is filled.
fn claim_patched(
    patch: &ObjectPatch,
    title: &str,
    id: &ThingId,
    at: usize,
    done: &mut MappedPoint<'_>,
) -> Result<(), Problem> {
    let mut before = clean(&Json::from(&done.point.parts[at].claim)).to_value();
    before["apiVersion"] = "v1".into();
    before["kind"] = "PersistentVolumeClaim".into();
    let after = patched(patch, title, id, &before)?;
    let text = |object: &Value, pointer: &str| object.pointer(pointer).cloned();
    let class = "/spec/storageClassName";
    if text(&before, class) != text(&after, class) {
        return Err(Problem::stuck(
            "patch-storage-class",
            format!("{title}: it changes the StorageClass of {id}"),
            "use `--map-storage-class OLD=NEW`",
        ));
    }
    let size = "/spec/resources/requests/storage";
    let part = &mut done.point.to_mut().parts[at];
    if text(&before, size) != text(&after, size)
        && let Some(Value::String(size)) = text(&after, size)
    {
        part.capacity = size;
    }
    part.claim = after;
    Ok(())
}

/// What an object becomes.
fn patched(
    patch: &ObjectPatch,
    title: &str,
    id: &ThingId,
    object: &Value,
) -> Result<Value, Problem> {
    let failed = |why: String| {
        Problem::stuck(
            "patch-failed",
            format!("{title}: {id}: {why}"),
            "compare the patch with the object at the source: a patch sees it without status and without what clusters give",
        )
    };
    let mut after = object.clone();
    match patch.form {
        Form::Json => {
            let operations: json_patch::Patch = serde_json::from_value(patch.patch.clone())
                .map_err(|error| {
                    invalid(title, &format!("its operations cannot be read: {error}"))
                })?;
            json_patch::patch(&mut after, &operations).map_err(|error| {
                let verb = operations.get(error.operation).map_or("", verb);
                failed(format!(
                    "operation {} (`{verb} {}`): {}",
                    error.operation + 1,
                    error.path,
                    error.kind
                ))
            })?;
        }
        Form::Merge if patch.patch.is_object() => json_patch::merge(&mut after, &patch.patch),
        Form::Strategic if !is_built_in(&id.group) => {
            return Err(Problem::stuck(
                "patch-no-strategic",
                format!("{title}: {id} is a custom resource: it has no strategic form"),
                "write it as `type: merge`, where lists are replaced as a whole, or as `type: json`",
            ));
        }
        Form::Strategic if patch.patch.is_object() => {
            strategic::merge(&mut after, &patch.patch, &id.group, &id.kind).map_err(failed)?;
        }
        Form::Merge | Form::Strategic => {
            return Err(invalid(title, "its patch is not a part of an object"));
        }
    }
    keeps_identity(title, id, object, &after)?;
    Ok(after)
}

fn verb(operation: &json_patch::PatchOperation) -> &'static str {
    match operation {
        json_patch::PatchOperation::Add(_) => "add",
        json_patch::PatchOperation::Remove(_) => "remove",
        json_patch::PatchOperation::Replace(_) => "replace",
        json_patch::PatchOperation::Move(_) => "move",
        json_patch::PatchOperation::Copy(_) => "copy",
        json_patch::PatchOperation::Test(_) => "test",
    }
}

fn keeps_identity(title: &str, id: &ThingId, before: &Value, after: &Value) -> Result<(), Problem> {
    for pointer in [
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/metadata/namespace",
    ] {
        if before.pointer(pointer) != after.pointer(pointer) {
            return Err(Problem::stuck(
                "patch-identity",
                format!("{title}: it changes `{pointer}` of {id}"),
                "an object stays what it is: map its namespace with `--map-namespace`, leave its kind and name",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) use strategic::merge as strategic_merge;

#[cfg(test)]
pub(super) fn fits_labels(selector: &str, object: &Value) -> Result<bool, String> {
    let all = labels::parse(selector)?;
    let object = Json::from(object);
    Ok(all.iter().all(|one| one.fits(&object)))
}

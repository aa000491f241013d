//! What has changed since an earlier plan: steps, fields of their objects, edges, what is left out. Reads documents of
//! `refloat plan -o json`, also those that somebody has touched; never shows what a Secret holds.

mod told;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::View;
use super::document::{self, DOCUMENT, VERSION, public_step};
use super::index::plain;
use crate::driver::Problem;
use crate::run::{RunPlan, Step};

/// A longer value is cut when it is shown.
const VALUE_MAX: usize = 60;

/// One field that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FieldChange {
    /// JSON pointer into the object that the step writes; for other fields of the step its name: `limit_seconds`.
    pub field: String,
    /// What it was, as JSON; none when it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is, as JSON; none when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// A step that is in both plans and not the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedStep {
    /// Its id.
    pub step: String,
    /// Its fields.
    pub fields: Vec<FieldChange>,
    /// True when what its Secret holds is another.
    pub secret: bool,
    /// What it waits for now: step and rule.
    pub edges_added: Vec<String>,
    /// What it does not wait for any more: step and rule.
    pub edges_removed: Vec<String>,
}

/// What has changed since an earlier plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Digest of the earlier plan.
    pub digest_before: String,
    /// Digest of this plan.
    pub digest: String,
    /// False when nothing has changed.
    pub differs: bool,
    /// Point, protection, site and the like.
    pub plan: Vec<FieldChange>,
    /// Ids of steps that the earlier plan does not have.
    pub added: Vec<String>,
    /// Ids of steps that only the earlier plan has.
    pub removed: Vec<String>,
    /// Steps that both have.
    pub changed: Vec<ChangedStep>,
    /// What is left out only now: thing and reason.
    pub left_out_added: Vec<String>,
    /// What was left out then and is not now.
    pub left_out_removed: Vec<String>,
    /// How many Secrets could not be compared: the earlier plan has no seals, or another vault's.
    pub secrets_not_compared: usize,
}

/// A plan of a journal as an earlier plan.
pub fn document_of(plan: &RunPlan, seal_key: &[u8]) -> Value {
    document::document_of(plan, seal_key)
}

fn wrong(message: impl Into<String>) -> Problem {
    Problem::stuck(
        "plan-file",
        message,
        "give a file that `refloat plan -o json` has written",
    )
}

/// Steps of a document by id.
fn steps(before: &Value) -> Result<BTreeMap<&str, &Value>, Problem> {
    let named = before.get("document").and_then(Value::as_str);
    if named.is_some_and(|named| named != DOCUMENT) {
        return Err(wrong(format!(
            "it is a document `{}`, not a plan",
            named.map(shortened).unwrap_or_default()
        )));
    }
    let version = before.get("version").and_then(Value::as_u64);
    if named.is_some() && version.is_none_or(|version| version > VERSION) {
        return Err(Problem::stuck(
            "plan-newer",
            "the earlier plan was written by a newer refloat",
            "compare with the refloat that wrote it, or a newer one",
        ));
    }
    let list = before
        .pointer("/plan/steps")
        .and_then(Value::as_array)
        .ok_or_else(|| wrong("it is no plan: it has no `plan.steps`"))?;
    let mut steps = BTreeMap::new();
    for step in list {
        let id = step.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| wrong("it is no plan: a step has no `id`"))?;
        if steps.insert(id, step).is_some() {
            return Err(wrong(format!("two of its steps are `{}`", shortened(id))));
        }
    }
    Ok(steps)
}

impl View<'_> {
    /// What has changed since the plan of an earlier document. `plan-file`: it is no plan; `plan-newer`: a newer refloat's.
    pub fn difference(&self, before: &Value) -> Result<Difference, Problem> {
        let mut earlier = steps(before)?;
        let mut difference = Difference {
            digest_before: text(before, "/digest").to_owned(),
            digest: self.planned.plan.digest(),
            ..Difference::default()
        };
        for step in &self.planned.plan.steps {
            match earlier.remove(step.id.as_str()) {
                None => difference.added.push(step.id.clone()),
                Some(before) => self.step_change(step, before, &mut difference),
            }
        }
        difference.removed = earlier.into_keys().map(str::to_owned).collect();
        self.heading_changes(before, &mut difference);
        self.left_out_changes(before, &mut difference);
        difference.differs = difference.digest != difference.digest_before
            || !difference.plan.is_empty()
            || !difference.left_out_added.is_empty()
            || !difference.left_out_removed.is_empty();
        Ok(difference)
    }

    fn step_change(&self, step: &Step, before: &Value, difference: &mut Difference) {
        let now = public_step(step, &self.around.seal_key);
        let sealed = |value: &Value| {
            let seal = value.get("work").and_then(|work| work.get("sealed"));
            seal.and_then(Value::as_str).map(str::to_owned)
        };
        let is_secret = now
            .get("work")
            .is_some_and(|work| text(work, "/resource/kind") == "Secret");
        let seals = sealed(before).zip(sealed(&now));
        let secret = seals.as_ref().is_some_and(|(before, now)| before != now);
        difference.secrets_not_compared += usize::from(is_secret && seals.is_none());
        let (edges_added, edges_removed) = edge_changes(before, &now);
        let mut fields = Vec::new();
        changes(before, &now, String::new(), &mut fields);
        let of_interest = |change: &FieldChange| {
            let ignored = ["/needs", "/estimated_seconds"];
            let told = !ignored.iter().any(|start| change.field.starts_with(start))
                && of_work(&change.field) != Some("/sealed");
            told && !(is_secret && is_hidden(change))
        };
        let fields: Vec<FieldChange> = fields
            .into_iter()
            .filter(of_interest)
            .map(|change| named(change, is_secret))
            .collect();
        let any = secret || !fields.is_empty();
        if any || !edges_added.is_empty() || !edges_removed.is_empty() {
            difference.changed.push(ChangedStep {
                step: step.id.clone(),
                fields,
                secret,
                edges_added,
                edges_removed,
            });
        }
    }

    fn heading_changes(&self, before: &Value, difference: &mut Difference) {
        let plan = &self.planned.plan;
        let now = serde_json::json!({
            "protection": plan.protection, "site": plan.site, "point": plan.point,
            "mover_image": plan.mover_image,
        });
        for (key, value) in now.as_object().into_iter().flatten() {
            let earlier = before.get("plan").and_then(|plan| plan.get(key));
            if let Some(earlier) = earlier
                && earlier != value
            {
                difference.plan.push(FieldChange {
                    field: key.clone(),
                    before: Some(shown(earlier)),
                    now: Some(shown(value)),
                });
            }
        }
    }

    fn left_out_changes(&self, before: &Value, difference: &mut Difference) {
        // A journal does not know what was left out.
        let Some(list) = before.get("left_out").and_then(Value::as_array) else {
            return;
        };
        let line = |thing: &Value, why: &str| {
            let part = |key: &str| thing.get(key).and_then(Value::as_str);
            let id = crate::inventory::ThingId::of(
                part("group").unwrap_or_default(),
                part("kind").unwrap_or_default(),
                part("namespace"),
                part("name").unwrap_or_default(),
            );
            format!("{id}: {why}")
        };
        let earlier: BTreeSet<String> = list
            .iter()
            .map(|one| line(&one["thing"], text(one, "/why")))
            .collect();
        let now: BTreeSet<String> = self
            .planned
            .left_out
            .iter()
            .map(|one| format!("{}: {}", one.thing, one.why))
            .collect();
        difference.left_out_added = now.difference(&earlier).cloned().collect();
        difference.left_out_removed = earlier.difference(&now).cloned().collect();
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// The pointer below a step's `work`, when the field is there.
fn of_work(field: &str) -> Option<&str> {
    field.strip_prefix('/')?.strip_prefix("work")
}

/// Hidden now, so that nothing can be said of it but by its seal.
fn is_hidden(change: &FieldChange) -> bool {
    let below = |start: &str| of_work(&change.field).is_some_and(|field| field.starts_with(start));
    below("/object/data")
        || below("/object/stringData")
        || (below("/object/metadata/annotations/")
            && change.before.is_some()
            && change.now.is_some())
}

/// A change as it is told: a pointer into the object, or a field of the step.
fn named(change: FieldChange, is_secret: bool) -> FieldChange {
    let FieldChange { field, before, now } = change;
    let pointer = of_work(&field)
        .and_then(|field| field.strip_prefix("/object"))
        .map(str::to_owned);
    let of_object = pointer.is_some();
    let field = pointer.unwrap_or_else(|| {
        let name = of_work(&field).unwrap_or(&field);
        name.trim_start_matches('/').to_owned()
    });
    // An earlier document may be anything: what stands in its Secrets is not shown either.
    if is_secret && of_object {
        let changed = |value: Option<String>| value.map(|_| "(not shown)".to_owned());
        return FieldChange {
            field,
            before: changed(before),
            now: changed(now),
        };
    }
    FieldChange { field, before, now }
}

/// Edges by step and rule.
fn edge_changes(before: &Value, now: &Value) -> (Vec<String>, Vec<String>) {
    let edges = |step: &Value| -> BTreeSet<String> {
        let list = step.get("needs").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .map(|edge| {
                let sure = match text(edge, "/confidence") {
                    "" => String::new(),
                    sure => format!(", {sure}"),
                };
                let on = plain(text(edge, "/on"));
                format!("{on} ({}{sure})", text(edge, "/rule"))
            })
            .collect()
    };
    let (before, now) = (edges(before), edges(now));
    (
        now.difference(&before).cloned().collect(),
        before.difference(&now).cloned().collect(),
    )
}

/// Every field that is not the same, by JSON pointer.
fn changes(before: &Value, now: &Value, pointer: String, found: &mut Vec<FieldChange>) {
    if before == now {
        return;
    }
    let inner = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
    let one = |pointer: String, before: Option<&Value>, now: Option<&Value>| FieldChange {
        field: pointer,
        before: before.map(shown),
        now: now.map(shown),
    };
    match (before, now) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => changes(old, new, inner(key), found),
                    (old, new) => found.push(one(inner(key), old, new)),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for place in 0..old.len().max(new.len()) {
                let pointer = inner(&place.to_string());
                match (old.get(place), new.get(place)) {
                    (Some(old), Some(new)) => changes(old, new, pointer, found),
                    (old, new) => found.push(one(pointer, old, new)),
                }
            }
        }
        (old, new) => found.push(one(pointer, Some(old), Some(new))),
    }
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

/// Cut at a length, without what would move a terminal's cursor.
fn shortened(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control());
    let mut short: String = clean.take(VALUE_MAX + 1).collect();
    if short.chars().count() > VALUE_MAX {
        short = short.chars().take(VALUE_MAX - 1).collect();
        short.push('…');
    }
    short
}

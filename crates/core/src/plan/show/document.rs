//! The plan as a program reads it: one document with steps, edges, estimates and all that a person is told. What Secrets hold is
//! not in it, only a seal by which two plans can be compared.

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::View;
use super::around::Conflict;
use super::estimate::{EstimateSummary, rounded};
use crate::driver::Problem;
use crate::inventory::ThingId;
use crate::names::{ProtectionName, RunId, SiteName};
use crate::plan::Mapped;
use crate::run::{Phase, RunKind, RunPlan, Step};

/// Value of a document's `document`.
pub const DOCUMENT: &str = "refloat.io/plan";
/// Value of its `version`. Fields are only ever added; what an old reader would misread gets another number.
pub const VERSION: u64 = 1;
/// Stands for what is not shown.
const NOT_SHOWN: &str = "(not shown)";

/// The document.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(rename = "document")]
    name: &'static str,
    version: u64,
    digest: String,
    plan: PublicPlan<'a>,
    phases: Vec<PhaseSummary>,
    estimate: EstimateSummary,
    conflicts: &'a [Conflict],
    mapped: &'a [Mapped],
    selected: &'a [String],
    left_out: Vec<LeftOutLine<'a>>,
    warnings: &'a [String],
    problems: &'a [Problem],
}

#[derive(Debug, Serialize)]
struct PhaseSummary {
    #[serde(rename = "phase")]
    name: Phase,
    label: &'static str,
    steps: usize,
    bytes: u64,
    estimated_end_seconds: f64,
}

#[derive(Debug, Serialize)]
struct LeftOutLine<'a> {
    thing: &'a ThingId,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct PublicPlan<'a> {
    kind: RunKind,
    run: &'a RunId,
    protection: &'a ProtectionName,
    site: &'a SiteName,
    point: Option<&'a str>,
    mover_image: &'a str,
    steps: Steps<'a>,
}

/// Steps are made public one by one: a document of a big plan is never whole in memory.
#[derive(Debug)]
struct Steps<'a> {
    all: &'a [Step],
    seconds: Option<&'a [f64]>,
    seal_key: &'a [u8],
}

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.all.len()))?;
        for (place, step) in self.all.iter().enumerate() {
            let mut value = public_step(step, self.seal_key);
            if let Some(seconds) = self.seconds {
                value["estimated_seconds"] = json!(rounded(seconds[place]));
            }
            list.serialize_element(&value)?;
        }
        list.end()
    }
}

/// A step without what a Secret holds. Annotations of Secrets may hold all of it again
/// (`kubectl.kubernetes.io/last-applied-configuration` and those of other tools), so only their names stay.
pub(super) fn public_step(step: &Step, seal_key: &[u8]) -> Value {
    let mut value = serde_json::to_value(step).unwrap_or_default();
    if let Some(work) = value.get_mut("work").and_then(Value::as_object_mut) {
        let is_secret = work
            .get("resource")
            .and_then(|resource| resource.get("kind"))
            .is_some_and(|kind| kind == "Secret");
        if is_secret {
            hide(work, &step.id, seal_key);
        }
    }
    value
}

fn hide(work: &mut Map<String, Value>, id: &str, seal_key: &[u8]) {
    let Some(object) = work.get_mut("object").and_then(Value::as_object_mut) else {
        return;
    };
    let data = [object.remove("data"), object.remove("stringData")];
    let mut annotations = Map::new();
    let shown = object
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
        .and_then(Value::as_object_mut);
    for (name, value) in shown.into_iter().flatten() {
        annotations.insert(name.to_owned(), value.take());
        *value = json!(NOT_SHOWN);
    }
    if !seal_key.is_empty() {
        let hidden = json!([id, data, annotations]);
        work.insert("sealed".to_owned(), json!(seal(&hidden, seal_key)));
    }
}

/// A keyed digest (HMAC's construction): who does not have the key cannot try guesses against it.
fn seal(hidden: &Value, key: &[u8]) -> String {
    let key = Sha256::digest(key);
    let padded = |with: u8| -> Vec<u8> {
        let mut block = [with; 64];
        for (byte, own) in block.iter_mut().zip(key) {
            *byte ^= own;
        }
        block.to_vec()
    };
    let mut inner = Sha256::new();
    inner.update(padded(0x36));
    inner.update(hidden.to_string().as_bytes());
    let mut outer = Sha256::new();
    outer.update(padded(0x5c));
    outer.update(inner.finalize());
    hex::encode(&outer.finalize()[..16])
}

impl<'a> View<'a> {
    /// The document; serialize it once, it is made while it is written.
    pub fn document(&'a self) -> Document<'a> {
        let seconds = Some(self.estimate.seconds.as_slice());
        Document {
            name: DOCUMENT,
            version: VERSION,
            digest: self.planned.plan.digest(),
            plan: public_plan(&self.planned.plan, seconds, &self.around.seal_key),
            phases: self.phases(),
            estimate: self.estimate(),
            conflicts: &self.around.conflicts,
            mapped: &self.planned.mapped,
            selected: &self.planned.selected,
            left_out: self
                .planned
                .left_out
                .iter()
                .map(|one| LeftOutLine {
                    thing: &one.thing,
                    why: &one.why,
                })
                .collect(),
            warnings: &self.planned.warnings,
            problems: &self.around.problems,
        }
    }

    fn phases(&self) -> Vec<PhaseSummary> {
        let mut phases: Vec<PhaseSummary> = Vec::new();
        for (place, step) in self.planned.plan.steps.iter().enumerate() {
            let known = phases.iter().position(|one| one.name == step.phase);
            let at = known.unwrap_or(phases.len());
            if known.is_none() {
                phases.push(PhaseSummary {
                    name: step.phase,
                    label: step.phase.label(),
                    steps: 0,
                    bytes: 0,
                    estimated_end_seconds: 0.0,
                });
            }
            let one = &mut phases[at];
            one.steps += 1;
            one.bytes += super::index::bytes(step).unwrap_or(0);
            let end = rounded(self.estimate.ends[place]);
            one.estimated_end_seconds = one.estimated_end_seconds.max(end);
        }
        phases.sort_by_key(|one| one.name);
        phases
    }
}

fn public_plan<'a>(
    plan: &'a RunPlan,
    seconds: Option<&'a [f64]>,
    seal_key: &'a [u8],
) -> PublicPlan<'a> {
    PublicPlan {
        kind: plan.kind,
        run: &plan.run,
        protection: &plan.protection,
        site: &plan.site,
        point: plan.point.as_deref(),
        mover_image: &plan.mover_image,
        steps: Steps {
            all: &plan.steps,
            seconds,
            seal_key,
        },
    }
}

/// A plan alone as a document, as far as a journal knows it.
pub(super) fn document_of(plan: &RunPlan, seal_key: &[u8]) -> Value {
    json!({
        "document": DOCUMENT,
        "version": VERSION,
        "digest": plan.digest(),
        "plan": public_plan(plan, None, seal_key),
    })
}

//! Which of a point's things are meant, or what is near to words that mean none of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Json;

use super::{Selection, What, claim_of};
use crate::driver::Problem;
use crate::inventory::{LeftOut, ThingId};
use crate::plan::context::{Context, hand_over_step, write_step};
use crate::run::{Phase, Step};

/// Near ones that are told at most.
const NEAR_MAX: usize = 6;

/// One thing that can be chosen: an object that is written, or a volume.
pub(super) struct Candidate {
    id: ThingId,
    plural: String,
    phase: Phase,
    labels: BTreeMap<String, String>,
}

fn labels(object: &Json) -> BTreeMap<String, String> {
    let all = object.pointer("/metadata/labels").and_then(Json::as_object);
    all.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
        .collect()
}

/// Everything that can be chosen.
pub(super) fn candidates(context: &Context<'_>, steps: &BTreeMap<String, Step>) -> Vec<Candidate> {
    let objects = context.things.iter().filter_map(|(id, thing)| {
        Some(Candidate {
            id: id.clone(),
            plural: thing.resource.plural.clone(),
            phase: steps.get(&write_step(id))?.phase,
            labels: labels(&thing.object),
        })
    });
    let volumes = context.parts.iter().filter_map(|part| {
        Some(Candidate {
            id: claim_of(part)?,
            plural: "persistentvolumeclaims".to_owned(),
            phase: steps.get(&hand_over_step(&part.id))?.phase,
            labels: labels(&Json::from(&part.claim)),
        })
    });
    objects.chain(volumes).collect()
}

impl What {
    fn fits(&self, one: &Candidate) -> bool {
        let id = &one.id;
        match self {
            Self::Phase(phase) => one.phase == *phase,
            Self::Kind(kind) => kind.fits(&id.group, &id.kind, &one.plural),
            Self::Label(selector) => selector.fits(&one.labels),
            Self::Namespace(namespace) => {
                id.namespace.as_ref() == Some(namespace)
                    || id.is("", "Namespace") && id.name == *namespace
            }
            Self::Object {
                kind,
                namespace,
                name,
            } => {
                kind.fits(&id.group, &id.kind, &one.plural)
                    && id.name == *name
                    && (namespace.is_none() || *namespace == id.namespace)
            }
        }
    }
}

/// What is chosen, and what is skipped in so many words.
pub(super) fn choose(
    selection: &Selection,
    candidates: &[Candidate],
    left_out: &[LeftOut],
) -> Result<(BTreeSet<ThingId>, BTreeSet<ThingId>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut find = |all: &[What]| -> BTreeSet<ThingId> {
        let mut found = BTreeSet::new();
        for what in all {
            match meant(what, candidates, left_out) {
                Ok(ids) => found.extend(ids),
                Err(problem) => problems.push(problem),
            }
        }
        found
    };
    let only = find(&selection.only);
    let skip = find(&selection.skip);
    if !problems.is_empty() {
        return Err(problems);
    }
    let chosen: BTreeSet<ThingId> = candidates
        .iter()
        .map(|one| &one.id)
        .filter(|id| selection.only.is_empty() || only.contains(id))
        .filter(|id| !skip.contains(id))
        .cloned()
        .collect();
    if chosen.is_empty() {
        return Err(vec![Problem::stuck(
            "selection-empty",
            "what is skipped is all that there is: nothing is left to recover",
            "skip less",
        )]);
    }
    Ok((chosen, skip))
}

fn meant(
    what: &What,
    candidates: &[Candidate],
    left_out: &[LeftOut],
) -> Result<Vec<ThingId>, Problem> {
    let found: Vec<ThingId> = candidates
        .iter()
        .filter(|one| what.fits(one))
        .map(|one| one.id.clone())
        .collect();
    match (what, found.as_slice()) {
        (_, []) => Err(unknown(what, candidates, left_out)),
        (What::Object { .. }, [_, _, ..]) => {
            let all: Vec<String> = found.iter().map(written).collect();
            Err(Problem::stuck(
                "selection-ambiguous",
                format!("`{what}` may be any of {}", all.join(", ")),
                "name its namespace, or its group: `KIND.GROUP/NAMESPACE/NAME`",
            ))
        }
        _ => Ok(found),
    }
}

/// The thing as a person would write it.
fn written(id: &ThingId) -> String {
    let mut text = id.kind.to_lowercase();
    if !id.group.is_empty() && id.group != "apps" {
        text.push_str(&format!(".{}", id.group));
    }
    if let Some(namespace) = &id.namespace {
        text.push_str(&format!("/{namespace}"));
    }
    format!("{text}/{}", id.name)
}

fn unknown(what: &What, candidates: &[Candidate], left_out: &[LeftOut]) -> Problem {
    let near = near(what, candidates);
    let mut message = format!("nothing in the point is `{what}`");
    if let What::Object { name, kind, .. } = what {
        let left = left_out.iter().find(|one| {
            let id = &one.thing;
            let plural = format!("{}s", id.kind.to_lowercase());
            id.name == *name && kind.fits(&id.group, &id.kind, &plural)
        });
        match left {
            Some(one) if one.thing.is("", "PersistentVolumeClaim") => {
                message = format!("the point holds no copy of {}", one.thing);
            }
            Some(one) => message = format!("{} is not carried: {}", one.thing, one.why),
            None => {}
        }
    }
    let hint = if near.is_empty() {
        "`refloat plan` lists what there is".to_owned()
    } else {
        format!("near to it: {}", near.join(", "))
    };
    Problem::stuck("selection-unknown", message, hint)
}

/// What may have been meant, the nearest first.
fn near(what: &What, candidates: &[Candidate]) -> Vec<String> {
    let mut rated: Vec<(usize, String)> = match what {
        What::Object { kind, name, .. } => candidates
            .iter()
            .filter_map(|one| {
                let same_kind = kind.fits(&one.id.group, &one.id.kind, &one.plural);
                let far = distance(&one.id.name, name);
                let alike = far <= name.len().max(3) / 3
                    || one.id.name.contains(name.as_str())
                    || name.contains(&one.id.name);
                let rate = far + if same_kind { 0 } else { 100 };
                (alike || same_kind).then(|| (rate, written(&one.id)))
            })
            .collect(),
        What::Kind(_) => kinds(candidates),
        What::Namespace(_) => {
            let names = candidates.iter().filter_map(|one| one.id.namespace.clone());
            names.map(|name| (0, format!("namespace:{name}"))).collect()
        }
        What::Phase(_) => candidates
            .iter()
            .map(|one| (0, format!("phase:{}", one.phase.name())))
            .collect(),
        What::Label(_) => candidates
            .iter()
            .flat_map(|one| &one.labels)
            .map(|(key, value)| (0, format!("label:{key}={value}")))
            .collect(),
    };
    rated.sort();
    rated.dedup();
    rated.truncate(NEAR_MAX);
    rated.into_iter().map(|(_, text)| text).collect()
}

fn kinds(candidates: &[Candidate]) -> Vec<(usize, String)> {
    let kinds = candidates.iter().map(|one| {
        let group = &one.id.group;
        let dot = if group.is_empty() { "" } else { "." };
        (0, format!("kind:{}{dot}{group}", one.id.kind))
    });
    kinds.collect()
}

/// Letters to change, add or leave out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, one) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = corner + usize::from(one != *other);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

//! The end of a run, held against the undisturbed one: the same state, nothing held, nothing of ours left, nothing said
//! without a reason.

use std::collections::BTreeSet;

use refloat_core::backup::PointContent;
use refloat_core::driver::{Class, Problem};
use refloat_core::names::{
    ANNOTATION_DIGEST, ANNOTATION_RECOVERY, ANNOTATION_UPDATED, LABEL_RUN, SYSTEM_NAMESPACE,
};
use refloat_core::recovery::{Existing, Linking, digest};
use refloat_core::run::{Progress, Record, Work};

use serde_json::{Value, json};

use super::there::{holds, needed_nothing, of_before};
use super::volumes::orphaned;
use crate::chaos::scene::Scene;
use crate::chaos::state::{FOREIGN, State, difference, state};
use crate::sim::Store;

/// What is wrong with the problems that a run has told so far.
pub(in crate::chaos) fn of_problems(records: &[Record]) -> Option<String> {
    records.iter().find_map(|record| match record {
        Record::Stuck { problem, .. } | Record::Failing { problem, .. } => unsaid(problem),
        _ => None,
    })
}

/// What a problem does not say, or that it is our fault.
pub(super) fn unsaid(problem: &Problem) -> Option<String> {
    if problem.class == Class::Bug {
        return Some(format!("a defect: {}: {}", problem.code, problem.message));
    }
    let fields = [
        ("code", &problem.code),
        ("message", &problem.message),
        ("next step", &problem.hint),
    ];
    let empty = fields.iter().find(|(_, text)| text.trim().is_empty());
    empty.map(|(what, _)| format!("a problem without a {what}: {problem:?}"))
}

/// A known limit: what an engine creates that wakes after its run has ended is left to a person.
pub(super) fn remove_late(scene: &Scene<'_>) {
    let late = std::mem::take(&mut scene.script.borrow_mut().late);
    let going = json!({ "metadata": { "deletionTimestamp": scene.now().to_string() } });
    // What mounts a claim goes before it.
    for object in late.into_iter().rev() {
        let ours = object.namespace.as_deref() == Some(SYSTEM_NAMESPACE);
        if ours || object.resource.kind.starts_with("VolumeSnapshot") {
            scene.world.settle(2);
            scene
                .world
                .with_store(|store| store.change(&object, &going));
            scene.world.settle(3);
            scene.world.with_store(|store| store.remove(&object));
        }
    }
}

/// Objects of ours, and contents, that are there, and volumes that nobody has any more.
pub(super) fn leftovers(scene: &Scene<'_>) -> Vec<String> {
    scene.world.settle(3);
    let judge = scene.judge.borrow();
    scene.world.with_store(|store| {
        let of_run = |object: &serde_json::Value| {
            let labels = object.pointer("/metadata/labels");
            labels.is_some_and(|labels| labels.get(LABEL_RUN).is_some())
        };
        let left = store.iter().filter(|(reference, object)| {
            of_run(object) || reference.resource.kind == "VolumeSnapshotContent"
        });
        left.map(|(reference, _)| reference.id().to_string())
            .chain(orphaned(store, &judge.made))
            .collect()
    })
}

fn of_any(scene: &Scene<'_>) -> Option<String> {
    remove_late(scene);
    let held = scene.world.held();
    if !held.is_empty() {
        return Some(format!("still held after the end: {}", held.join(", ")));
    }
    let left = leftovers(scene);
    if !left.is_empty() {
        return Some(format!("left behind: {}", left.join(", ")));
    }
    let refusals = scene.world.with_store(|store| store.refusals.clone());
    if !scene.script.borrow().meddled
        && let Some(refusal) = refusals.first()
    {
        return Some(format!("the server had to refuse: {refusal}"));
    }
    None
}

/// What is wrong with the end of a backup; `completed` says whether it counts as made.
pub(in crate::chaos) fn of_backup(
    scene: &Scene<'_>,
    before: &State,
    wanted: Option<&PointContent>,
    completed: bool,
) -> Option<String> {
    if let Some(wrong) = of_any(scene) {
        return Some(wrong);
    }
    if let Some(differs) = difference(
        before,
        &state(&scene.world),
        &[
            "Namespace refloat-system".to_owned(),
            "ServiceAccount refloat-system/default".to_owned(),
            "ConfigMap refloat-system/kube-root-ca.crt".to_owned(),
        ],
    ) {
        return Some(format!("the backup has changed the site: {differs}"));
    }
    let sealed = scene.world.sealed.borrow();
    if completed && sealed.len() != 1 || sealed.len() > 1 {
        return Some(format!("{} points are sealed", sealed.len()));
    }
    let point = sealed.first()?;
    let Ok(point) = serde_json::from_value::<PointContent>(point.clone()) else {
        return Some("the sealed point cannot be read".to_owned());
    };
    let wanted = wanted?;
    let parts = |point: &PointContent| -> BTreeSet<(String, String, String)> {
        let one = |part: &refloat_core::backup::Part| {
            (part.id.clone(), part.snapshot.clone(), part.tree.clone())
        };
        point.parts.iter().map(one).collect()
    };
    if parts(wanted) != parts(&point) {
        return Some("the sealed point has other parts than the undisturbed one".to_owned());
    }
    let modes = |point: &PointContent| -> Vec<_> {
        let members = point.members.iter();
        members
            .map(|one| (one.name.clone(), one.mode, one.held.is_some()))
            .collect()
    };
    (modes(wanted) != modes(&point)).then(|| {
        "the sealed point's members were taken otherwise than the undisturbed one's".to_owned()
    })
}

/// What is wrong with a recovery that says that it is complete. `wanted` is `None` for the undisturbed one.
pub(in crate::chaos) fn of_restore(scene: &Scene<'_>, wanted: Option<&State>) -> Option<String> {
    if let Some(wrong) = of_any(scene) {
        return Some(wrong);
    }
    let progress = Progress::of(scene.records.borrow().iter());
    if let Some(open) = scene
        .plan
        .steps
        .iter()
        .find(|step| !progress.is_done(&step.id))
    {
        return Some(format!("it is complete without `{}`", open.id));
    }
    let touched: Vec<String> = scene.script.borrow().touched.iter().cloned().collect();
    if let Some(wrong) = provenance(scene, &touched).or_else(|| of_before(scene)) {
        return Some(wrong);
    }
    if scene.script.borrow().meddled {
        // What was kept (`--existing skip`) is not waited for: it comes to rest in its own time.
        scene.world.settle(60);
    }
    let now = state(&scene.world);
    difference(wanted?, &now, &touched).map(|differs| format!("not the undisturbed end: {differs}"))
}

/// What belongs to an object that was written names it by the uid that it has now. What somebody had there before is left alone.
fn is_linked(store: &Store, link: &Linking) -> bool {
    let (Some(object), Some(owner)) = (store.get(&link.object), store.get(&link.owner)) else {
        return false;
    };
    let metadata = &object["metadata"];
    let uids = metadata["ownerReferences"].as_array().into_iter().flatten();
    let is_kept = metadata["annotations"].get(ANNOTATION_RECOVERY).is_none();
    is_kept
        || uids
            .into_iter()
            .any(|one| one["uid"] == owner["metadata"]["uid"])
}

/// Every object of the plan is there, carries this recovery and its digest, and what it was to hold.
fn provenance(scene: &Scene<'_>, touched: &[String]) -> Option<String> {
    scene.world.with_store(|store| {
        for step in &scene.plan.steps {
            let Work::Write(writing) = &step.work else {
                continue;
            };
            let target = writing.target();
            let id = target.id().to_string();
            let Some(live) = store.get(&target) else {
                return Some(format!("{id} is lost"));
            };
            if writing.adopt {
                continue;
            }
            if let Some(link) = writing.owns.iter().find(|link| !is_linked(store, link)) {
                return Some(format!("{} is not {id}'s again", link.object.id()));
            }
            let annotation = |key: &str| {
                live.pointer("/metadata/annotations")
                    .and_then(|all| all.get(key)?.as_str())
            };
            let (recovery, said) = (
                annotation(ANNOTATION_RECOVERY),
                annotation(ANNOTATION_DIGEST),
            );
            let overwrites = matches!(writing.existing, Existing::Update | Existing::Replace);
            let kept = writing.existing == Existing::Skip && recovery.is_none()
                || overwrites && needed_nothing(live, &writing.object);
            if kept {
                continue;
            }
            let run = scene.plan.run.as_str();
            let updated = overwrites && annotation(ANNOTATION_UPDATED) == Some(run);
            if recovery != Some(run) && !updated {
                return Some(format!("{id} does not carry this recovery's name"));
            }
            if said != Some(digest(&writing.object).as_str()) {
                return Some(format!("{id} carries another digest than its content has"));
            }
            let foreign = live
                .pointer("/metadata/labels")
                .is_some_and(|all| all.get(FOREIGN).is_some());
            for (key, value) in writing.object.as_object().into_iter().flatten() {
                let compared = matches!(key, "data" | "rules" | "roleRef" | "subjects" | "type")
                    || key == "spec" && target.resource.kind == "CronJob";
                let same =
                    |live: &Value| live == value || updated && holds(live, &value.to_value());
                if compared && !live.get(key).is_some_and(same) {
                    let who = if touched.contains(&id) || foreign {
                        " after a foreign hand"
                    } else {
                        ""
                    };
                    return Some(format!("{id}: `{key}` is not what the point holds{who}"));
                }
            }
        }
        None
    })
}

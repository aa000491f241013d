//! Whether everything that a step waits for was really there when the step's object was created: small predicates of its
//! own over the store, none of the engine's.

mod gate;

use refloat_core::driver::{Effect, ObjectRef, Op};
use refloat_core::names::SYSTEM_NAMESPACE;
use refloat_core::recovery::{Direction, Existing, Writing, vault_secret_name};
use refloat_core::run::{Step, Work};
use refloat_core::world::World;
use serde_json::Value;

use crate::chaos::ground::DATA;
use crate::chaos::scene::Scene;
use crate::sim::{Store, resource};

/// Why a creation, or the seal, comes too early.
pub(super) fn too_early(scene: &Scene<'_>, effect: &Effect) -> Option<String> {
    if let Effect::Seal(point) = effect {
        return incomplete(scene, point);
    }
    let target = super::reference(effect)?;
    let step = scene
        .plan
        .steps
        .iter()
        .find(|step| creates(scene, step, &target))?;
    for edge in &step.needs {
        let on = scene.plan.step(&edge.on)?;
        if let Some(why) = closed(scene, on) {
            return Some(format!(
                "`{}` before {} ({}): {why}",
                effect.describe(),
                edge.on,
                edge.rule
            ));
        }
    }
    None
}

/// Whether this step is the one that creates such an object.
fn creates(scene: &Scene<'_>, step: &Step, target: &ObjectRef) -> bool {
    let system = target.namespace.as_deref() == Some(SYSTEM_NAMESPACE);
    let kind = target.resource.kind.as_str();
    match &step.work {
        Work::Write(writing) => writing.target() == *target,
        Work::Driver {
            op: Op::Restore,
            claim,
            ..
        } => target.id() == claim.thing,
        Work::Fill(filling) => {
            let named = filling.object_name(&scene.plan.run) == target.name;
            let claim = filling.direction == Direction::Restore && kind == "PersistentVolumeClaim";
            system && named && (kind == "Job" || claim)
        }
        Work::Driver {
            op: Op::Expose,
            claim,
            ..
        } => {
            let part = format!(
                "{}/{}",
                claim.thing.namespace.as_deref().unwrap_or_default(),
                claim.thing.name
            );
            let named =
                refloat_core::names::part_object_name(&scene.plan.run, &part) == target.name;
            let claim = system && kind == "PersistentVolumeClaim";
            named
                && (claim || kind == "VolumeSnapshotContent" || system && kind == "VolumeSnapshot")
                && scene.plan.point.is_none()
        }
        Work::VaultAccess => system && kind == "Secret",
        Work::Capture(_) => !system && kind == "VolumeSnapshot",
        Work::Driver { .. }
        | Work::Release { .. }
        | Work::Gate(_)
        | Work::SystemNamespace
        | Work::VaultAccessEnd
        | Work::StoreObjects
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::Seal { .. } => false,
    }
}

/// Why a step is not really done; `None` also for what leaves no trace in the world.
fn closed(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let run = &scene.plan.run;
    scene.world.with_store(|store| match &step.work {
        Work::Write(writing) => match store.get(&writing.target()) {
            None => Some("it is not there".to_owned()),
            Some(_) if writing.existing == Existing::Skip || writing.adopt => None,
            Some(live) => not_usable(store, writing, live),
        },
        Work::Gate(gating) => gate::closed(store, gating, scene.world.now()),
        Work::Driver {
            op: Op::Restore,
            claim,
            ..
        } => {
            let namespace = claim.thing.namespace.as_deref().unwrap_or_default();
            let claim = ObjectRef::namespaced(
                resource("PersistentVolumeClaim"),
                namespace,
                &claim.thing.name,
            );
            not_bound(store, &claim)
        }
        Work::Driver {
            op: Op::Ready,
            claim,
            ..
        } => {
            let namespace = claim.thing.namespace.as_deref().unwrap_or_default();
            not_answering(scene, store, namespace, &claim.thing.name)
        }
        Work::SystemNamespace => {
            let namespace = ObjectRef::cluster(resource("Namespace"), SYSTEM_NAMESPACE);
            store
                .get(&namespace)
                .is_none()
                .then(|| "it is not there".to_owned())
        }
        Work::VaultAccess => {
            let secret = ObjectRef::namespaced(
                resource("Secret"),
                SYSTEM_NAMESPACE,
                &vault_secret_name(run),
            );
            // It goes before the run ends: it is enough that it was there.
            let made = scene.judge.borrow().ever.contains(&secret);
            (!made).then(|| "the Secret was never there".to_owned())
        }
        Work::Fill(filling) if filling.direction == Direction::Restore => {
            let wanted = filling
                .snapshot
                .as_deref()
                .and_then(|one| Some(one.rsplit_once(": ")?.1));
            let filled = store.iter().any(|(reference, live)| {
                reference.resource.kind == "PersistentVolume"
                    && live
                        .pointer("/metadata/annotations")
                        .and_then(|all| all.get(DATA)?.as_str())
                        == wanted
            });
            (!filled).then(|| "no volume holds what the point says".to_owned())
        }
        Work::Fill(_)
        | Work::Driver { .. }
        | Work::Capture(_)
        | Work::Release { .. }
        | Work::VaultAccessEnd
        | Work::StoreObjects
        | Work::Remove(_)
        | Work::Link(_)
        | Work::Retain(_)
        | Work::Seal { .. } => None,
    })
}

fn number(live: &Value, pointer: &str) -> u64 {
    live.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn is_true(live: &Value, condition: &str) -> bool {
    let all = live.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .any(|one| one["type"] == condition && one["status"] == "True")
}

fn not_usable(store: &Store, writing: &Writing, live: &Value) -> Option<String> {
    if !store.serves(&writing.target()) {
        return Some("its kind is not served".to_owned());
    }
    not_ready(&writing.resource.kind, &writing.resource.group, live)
}

/// Why an object does not do yet what it is for.
pub(super) fn not_ready(kind: &str, group: &str, live: &Value) -> Option<String> {
    let wanted = live
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    let field = match kind {
        "Deployment" => "/status/availableReplicas",
        "StatefulSet" | "ReplicaSet" => "/status/readyReplicas",
        "Namespace" => {
            let active = live.pointer("/status/phase").and_then(Value::as_str) == Some("Active");
            return (!active).then(|| "it is not active".to_owned());
        }
        "CustomResourceDefinition" => {
            return (!is_true(live, "Established")).then(|| "it is not established".to_owned());
        }
        _ if group.starts_with("chaos.") => {
            let said = live.get("status").is_some();
            return (said && !is_true(live, "Ready")).then(|| "it is not ready".to_owned());
        }
        _ => return None,
    };
    let seen = number(live, "/status/observedGeneration") >= number(live, "/metadata/generation");
    let ready = number(live, field);
    (!seen || ready < wanted).then(|| format!("{ready} of {wanted} are ready"))
}

fn not_bound(store: &Store, claim: &ObjectRef) -> Option<String> {
    let bound = store
        .get(claim)
        .and_then(|live| live.pointer("/status/phase")?.as_str());
    (bound != Some("Bound")).then(|| format!("{} is not bound", claim.id()))
}

/// Why a workload's first server does not answer.
fn not_answering(
    scene: &Scene<'_>,
    store: &Store,
    namespace: &str,
    workload: &str,
) -> Option<String> {
    let name = format!("{workload}-0");
    let pod = ObjectRef::namespaced(resource("Pod"), namespace, &name);
    let Some(live) = store.get(&pod) else {
        return Some(format!("there is no pod {name}"));
    };
    if live.pointer("/status/phase").and_then(Value::as_str) != Some("Running") {
        return Some(format!("pod {name} does not run"));
    }
    let databases = scene.world.databases.borrow();
    let database = databases.get(&format!("{namespace}/{name}"))?;
    let created: jiff::Timestamp = live
        .pointer("/metadata/creationTimestamp")?
        .as_str()?
        .parse()
        .ok()?;
    let up = scene.world.now().duration_since(created) >= database.starts;
    let answers = up && database.failure.is_none() && !database.in_recovery;
    (!answers).then(|| format!("the database in {name} does not answer"))
}

/// What a point that is about to be sealed lacks.
pub(super) fn incomplete(scene: &Scene<'_>, point: &Value) -> Option<String> {
    let parts = point["parts"].as_array().into_iter().flatten();
    let stored = point.pointer("/objects/tree").and_then(Value::as_str);
    if stored.is_none_or(str::is_empty) {
        return Some("the point is sealed without its objects".to_owned());
    }
    scene.world.with_store(|store| {
        for part in parts {
            let handle = part["snapshot_handle"].as_str().unwrap_or_default();
            let cut = store.iter().any(|(reference, live)| {
                reference.resource.kind == "VolumeSnapshotContent"
                    && live
                        .pointer("/status/snapshotHandle")
                        .and_then(Value::as_str)
                        == Some(handle)
            });
            // A handle begins with what was on the volume; so does the end of a snapshot's name.
            let data = handle.split_once('@').map_or("", |(data, _)| data);
            let moved = part["snapshot"]
                .as_str()
                .is_some_and(|name| !data.is_empty() && name.ends_with(&format!(": {data}")));
            if !cut || !moved {
                return Some(format!(
                    "the point is sealed without its part {}",
                    part["id"]
                ));
            }
        }
        None
    })
}

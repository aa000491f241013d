//! The foreign hand: somebody who creates, changes or deletes what the engine is about to write or has just written, and a
//! database that does not answer.

use refloat_core::driver::{Effect, ObjectRef};
use refloat_core::inventory::Resource;
use refloat_core::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY, SYSTEM_NAMESPACE};
use refloat_core::recovery::Existing;
use refloat_core::run::Work;
use serde_json::{Value, json};

use super::mishap::Mishap;
use super::scene::Scene;
use super::state::FOREIGN;

fn created(effect: &Effect) -> Option<(&Resource, &Value, ObjectRef)> {
    let Effect::Create {
        resource, object, ..
    } = effect
    else {
        return None;
    };
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let namespace = text("/metadata/namespace")?;
    let name = text("/metadata/name")?;
    let reference = ObjectRef::namespaced(resource.clone(), namespace, name);
    (namespace != SYSTEM_NAMESPACE).then_some((resource, object, reference))
}

/// The pod of a database that this effect writes, `namespace/name`.
fn server(scene: &Scene<'_>, effect: &Effect) -> Option<String> {
    let (resource, object, reference) = created(effect)?;
    let pod = format!("{}/{}-0", reference.namespace.as_ref()?, reference.name);
    let asked = !object["metadata"]["name"].as_str()?.starts_with("maria");
    let known = scene.world.databases.borrow().contains_key(&pod);
    (resource.kind == "StatefulSet" && known && asked).then_some(pod)
}

/// An older content of the object, with the same fields.
fn older(object: &Value) -> Option<Value> {
    let mut older = object.clone();
    match object["kind"].as_str()? {
        "ConfigMap" | "Secret" => {
            let data = older.get_mut("data")?.as_object_mut()?;
            let first = data.values_mut().next()?;
            *first = json!("b2xkZXI=");
        }
        "CronJob" => older["spec"]["schedule"] = json!("@monthly"),
        _ => return None,
    }
    older["metadata"]["annotations"][ANNOTATION_DIGEST] = json!("another");
    Some(older)
}

/// Whether a person has to take away what a foreign hand has created; else it stays.
pub(super) fn is_in_the_way(scene: &Scene<'_>) -> bool {
    let mut steps = scene.plan.steps.iter();
    steps.any(|step| match &step.work {
        Work::Write(one) => matches!(one.existing, Existing::Fail | Existing::Replace),
        _ => false,
    })
}

/// It is to be linked to its owner, whose operator may refuse another one for ever: where that stays, nothing can be mended.
fn is_refused_for_ever(scene: &Scene<'_>, object: &ObjectRef) -> bool {
    let mut steps = scene.plan.steps.iter();
    let links = steps.any(|step| match &step.work {
        Work::Write(one) => one.owns.iter().any(|link| link.object == *object),
        _ => false,
    });
    links && !is_in_the_way(scene)
}

/// Whether this can happen to this very effect.
pub(super) fn fits(scene: &Scene<'_>, mishap: Mishap, effect: &Effect) -> bool {
    match mishap {
        Mishap::ForeignExists | Mishap::ForeignDeletes | Mishap::ForeignChanges => created(effect)
            .is_some_and(|(resource, object, reference)| {
                let fresh = scene
                    .world
                    .with_store(|store| store.get(&reference).is_none());
                let refused =
                    mishap == Mishap::ForeignExists && is_refused_for_ever(scene, &reference);
                fresh && !refused && !resource.group.contains("chaos") && is_marked(object)
            }),
        Mishap::ForeignOlder => created(effect).is_some_and(|(_, object, reference)| {
            let fresh = scene
                .world
                .with_store(|store| store.get(&reference).is_none());
            fresh && older(object).is_some()
        }),
        Mishap::DatabaseDown => server(scene, effect).is_some(),
        _ => true,
    }
}

fn is_marked(object: &Value) -> bool {
    object["metadata"]["annotations"]
        .get(ANNOTATION_DIGEST)
        .is_some()
}

/// Does it.
pub(super) fn meddle(scene: &Scene<'_>, mishap: Option<Mishap>, effect: &Effect) {
    if mishap == Some(Mishap::DatabaseDown) {
        let Some(pod) = server(scene, effect) else {
            return;
        };
        let mut databases = scene.world.databases.borrow_mut();
        if let Some(database) = databases.get_mut(&pod) {
            let before = (pod, database.clone());
            database.failure = Some((2, "psql: error: FATAL:  out of disk".to_owned()));
            scene.script.borrow_mut().down.push(before);
        }
        return;
    }
    let Some((resource, object, reference)) = created(effect) else {
        return;
    };
    scene.say(format!(
        "a foreign hand: {} {}",
        mishap.map_or(String::new(), |one| one.to_string()),
        reference.id()
    ));
    let mut script = scene.script.borrow_mut();
    script.meddled = true;
    scene.world.with_store(|store| match mishap {
        Some(Mishap::ForeignExists) => {
            let mut foreign = object.clone();
            foreign["metadata"]["labels"][FOREIGN] = json!("yes");
            if let Some(all) = foreign["metadata"]["annotations"].as_object_mut() {
                all.retain(|key, _| key != ANNOTATION_DIGEST && key != ANNOTATION_RECOVERY);
            }
            store.seed(resource, foreign);
            script.foreign.push(reference.clone());
        }
        Some(Mishap::ForeignOlder) => {
            if let Some(older) = older(object) {
                store.seed(resource, older);
                let live = store.get(&reference);
                let uid = live.and_then(|live| live["metadata"]["uid"].as_str());
                scene.judge.borrow_mut().made.extend(uid.map(str::to_owned));
                // Who wrote the older one is not who writes this one.
                script.touched.insert(reference.id().to_string());
            }
        }
        Some(Mishap::ForeignDeletes) => store.remove(&reference),
        Some(Mishap::ForeignChanges) => {
            store.change(
                &reference,
                &json!({ "metadata": { "labels": { FOREIGN: "yes" } } }),
            );
        }
        _ => {}
    });
    drop(script);
    if mishap == Some(Mishap::ForeignDeletes) {
        scene.judge.borrow_mut().created.remove(&reference);
    }
}

/// A person takes away what a foreign hand has created. What has replaced it meanwhile stays.
pub(super) fn remove(scene: &Scene<'_>, foreign: &ObjectRef) {
    scene.world.with_store(|store| {
        let ours = |live: &Value| {
            live["metadata"]["annotations"]
                .get(ANNOTATION_RECOVERY)
                .is_some()
        };
        if !store.get(foreign).is_some_and(ours) {
            store.remove(foreign);
        }
    });
}

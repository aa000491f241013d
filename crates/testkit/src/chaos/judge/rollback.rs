//! A rollback, held against its promise: it removes what the recovery created, what needed it first, and nothing else. What was created is
//! what the judge saw being created, by uid; the engine's marks are not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use refloat_core::driver::{Effect, ObjectRef};
use refloat_core::names::SYSTEM_NAMESPACE;
use refloat_core::run::{Progress, Step};
use serde_json::Value;

use super::Judge;
use super::end::{leftovers, remove_late};
use super::pause::makes;
use super::there::{Before, is_made_of_others, own};
use super::volumes::{is_claimed, orphaned};
use crate::chaos::ground::{DATA, volumes};
use crate::chaos::scene::Scene;
use crate::chaos::ways::names::Names;
use crate::sim::{Store, resource};

/// What a rollback may do, and what was there when it began.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Rolling {
    /// Uids of what the recovery created.
    made: BTreeSet<String>,
    /// What must be gone before each.
    first: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    /// Volumes stay.
    keeps: bool,
    start: Before,
}

impl Judge {
    /// A judge of a rollback.
    pub(in crate::chaos) fn of_rollback(rolling: &Rc<Rolling>) -> Self {
        Self {
            rolling: Some(Rc::clone(rolling)),
            ..Self::default()
        }
    }
}

impl Rolling {
    /// The rollback of a recovery that has ended.
    pub(in crate::chaos) fn of(scene: &Scene<'_>, keeps: bool) -> Self {
        scene.world.settle(60);
        Self {
            made: scene.judge.borrow().made.clone(),
            first: dependents(scene),
            keeps,
            start: scene
                .world
                .with_store(|store| Before::of(store, &Names::new())),
        }
    }

    fn is_made(&self, object: &Value) -> bool {
        let uid = object["metadata"]["uid"].as_str();
        uid.is_some_and(|uid| self.made.contains(uid))
    }

    /// Made by the recovery, or owned by what is.
    fn comes_of(&self, object: &Value) -> bool {
        if self.is_made(object) {
            return true;
        }
        let owners = object["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| {
            let uid = &owner["uid"];
            let mut all = self.start.objects.values();
            uid.as_str().is_some_and(|uid| self.made.contains(uid))
                || all
                    .find(|one| one["metadata"]["uid"] == *uid)
                    .is_some_and(|owner| self.comes_of(owner))
        })
    }

    /// The volume of a claim that the recovery created.
    fn is_filled(&self, reference: &ObjectRef, object: &Value) -> bool {
        let claim = object["spec"]["claimRef"]["uid"].as_str();
        reference.resource == volumes() && claim.is_some_and(|uid| self.made.contains(uid))
    }

    /// Whether somebody's things are in what holds others, or mount it.
    fn is_used(&self, store: &Store, reference: &ObjectRef, object: &Value) -> bool {
        if reference.resource.kind == "PersistentVolumeClaim" {
            return store.iter().any(|(one, live)| {
                let mut volumes = live["spec"]["volumes"].as_array().into_iter().flatten();
                one.resource.kind == "Pod"
                    && one.namespace == reference.namespace
                    && !self.comes_of(live)
                    && volumes.any(|it| {
                        it["persistentVolumeClaim"]["claimName"] == reference.name.as_str()
                    })
            });
        }
        let kind = object["spec"]["names"]["kind"].as_str();
        store.iter().any(|(one, live)| {
            let inside = match reference.resource.kind.as_str() {
                "Namespace" => one.namespace.as_ref() == Some(&reference.name),
                "CustomResourceDefinition" => Some(one.resource.kind.as_str()) == kind,
                _ => false,
            };
            inside && !self.is_made(live) && !is_made_of_others(one, live) && !is_clusters(one)
        })
    }
}

/// What the cluster makes in every namespace.
fn is_clusters(reference: &ObjectRef) -> bool {
    matches!(
        (reference.resource.kind.as_str(), reference.name.as_str()),
        ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
    )
}

/// What waited for each object that the plan makes, also by way of steps that make nothing.
fn dependents(scene: &Scene<'_>) -> BTreeMap<ObjectRef, BTreeSet<ObjectRef>> {
    let made = |step: &Step| {
        let made = makes(scene, step)?;
        (made.namespace.as_deref() != Some(SYSTEM_NAMESPACE)).then_some(made)
    };
    let mut waiting: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &scene.plan.steps {
        for edge in &step.needs {
            waiting.entry(edge.on.as_str()).or_default().push(step);
        }
    }
    let mut all = BTreeMap::new();
    for step in &scene.plan.steps {
        let Some(object) = made(step) else {
            continue;
        };
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![step];
        while let Some(one) = open.pop() {
            for next in waiting.get(one.id.as_str()).into_iter().flatten() {
                if !seen.insert(next.id.as_str()) {
                    continue;
                }
                match made(next) {
                    Some(made) => drop(found.insert(made)),
                    None => open.push(next),
                }
            }
        }
        found.remove(&object);
        all.insert(object, found);
    }
    all
}

/// What is wrong with an effect of a rollback that is about to happen.
pub(super) fn before(scene: &Scene<'_>, rolling: &Rolling, effect: &Effect) -> Option<String> {
    let deed = effect.describe();
    scene.world.with_store(|store| match effect {
        Effect::Delete {
            object,
            precondition,
            ..
        } => {
            let of = precondition.uid.as_ref();
            if !of.is_some_and(|uid| rolling.made.contains(uid)) {
                return Some(format!("`{deed}` of what the recovery did not create"));
            }
            let volume = |claim: &Value| {
                let name = claim["spec"]["volumeName"].as_str()?;
                store.get(&ObjectRef::cluster(volumes(), name))
            };
            let live = store.get(object)?;
            let is_claim = object.resource.kind == "PersistentVolumeClaim";
            if let Some(volume) = volume(live).filter(|_| is_claim && rolling.keeps)
                && volume["spec"]["persistentVolumeReclaimPolicy"] != "Retain"
            {
                return Some(format!("`{deed}` while its volume would go with it"));
            }
            let first = rolling.first.get(object)?;
            first.iter().find_map(|dependent| {
                let live = store.get(dependent)?;
                let stays = rolling.is_used(store, dependent, live);
                (rolling.is_made(live) && !stays)
                    .then(|| format!("`{deed}` before {} is gone", dependent.id()))
            })
        }
        Effect::Patch { object, .. } => {
            let live = store.get(object)?;
            (!rolling.is_filled(object, live)).then(|| format!("a rollback does `{deed}`"))
        }
        Effect::Create { .. }
        | Effect::Exec { .. }
        | Effect::GrantVault { .. }
        | Effect::Capture(_)
        | Effect::StoreObjects
        | Effect::Keep(_)
        | Effect::Seal(_) => Some(format!("a rollback does `{deed}`")),
    })
}

/// What is left of ours when a recovery has been given up.
pub(in crate::chaos) fn of_given_up(scene: &Scene<'_>) -> Option<String> {
    remove_late(scene);
    let left = leftovers(scene);
    (!left.is_empty()).then(|| format!("left behind: {}", left.join(", ")))
}

/// What is wrong with the end of a rollback.
pub(in crate::chaos) fn of_rollback(scene: &Scene<'_>) -> Option<String> {
    let rolling = scene.judge.borrow().rolling.clone()?;
    let progress = Progress::of(scene.records.borrow().iter());
    let mut steps = scene.plan.steps.iter();
    if let Some(open) = steps.find(|step| !progress.is_done(&step.id)) {
        return Some(format!("it is complete without `{}`", open.id));
    }
    scene.world.settle(60);
    scene.world.with_store(|store| at_end(&rolling, store))
}

/// What is wrong with what is there now.
fn at_end(rolling: &Rolling, store: &Store) -> Option<String> {
    let home = ObjectRef::cluster(resource("Namespace"), SYSTEM_NAMESPACE);
    let still = store.iter().find(|(reference, live)| {
        let stays = **reference == home || rolling.is_used(store, reference, live);
        rolling.is_made(live) && !stays
    });
    if let Some((reference, _)) = still {
        return Some(format!("{} is still there", reference.id()));
    }
    if let Some(volume) = orphaned(store, &rolling.made)
        .first()
        .filter(|_| !rolling.keeps)
    {
        return Some(format!("{volume} stays although its claim is gone"));
    }
    let start = &rolling.start.objects;
    let is_new = |reference: &ObjectRef, live: &Value| {
        let uid = |object: &Value| object["metadata"]["uid"].clone();
        let was = start.get(reference);
        was.is_none_or(|was| uid(was) != uid(live)) && !is_made_of_others(reference, live)
    };
    if let Some((reference, _)) = store.iter().find(|(one, live)| is_new(one, live)) {
        return Some(format!("{} is new", reference.id()));
    }
    start.iter().find_map(|(reference, was)| {
        let wrong = gone_or_changed(rolling, store, reference, was)?;
        Some(format!("{} {wrong}", reference.id()))
    })
}

/// What is wrong with something that was there when the rollback began and that the recovery did not create.
fn gone_or_changed(
    rolling: &Rolling,
    store: &Store,
    reference: &ObjectRef,
    was: &Value,
) -> Option<String> {
    let home = reference.namespace.as_deref();
    let home = home.map(|name| ObjectRef::cluster(resource("Namespace"), name));
    let goes_with_home = home.is_some_and(|home| store.get(&home).is_none());
    let kind = reference.resource.kind.as_str();
    if rolling.comes_of(was)
        || is_clusters(reference) && goes_with_home
        || matches!(kind, "EndpointSlice" | "Endpoints" | "Event")
    {
        return None;
    }
    let live = store.get(reference);
    if rolling.is_filled(reference, was) {
        if !rolling.keeps {
            let goes = was["spec"]["persistentVolumeReclaimPolicy"] != "Retain";
            let live = live.filter(|live| goes && !is_claimed(store, &reference.name, live));
            return live.map(|_| "stays although its claim is gone".to_owned());
        }
        let Some(live) = live else {
            return Some("is lost with its data".to_owned());
        };
        let data = |object: &Value| object["metadata"]["annotations"][DATA].clone();
        let claim = |(_, one): (&ObjectRef, &Value)| {
            one["metadata"]["uid"] == live["spec"]["claimRef"]["uid"]
        };
        let stays =
            live["spec"]["persistentVolumeReclaimPolicy"] == "Retain" || store.iter().any(claim);
        return (!stays || data(live) != data(was)).then(|| "does not keep its data".to_owned());
    }
    match live {
        None => Some("was not created by the recovery and is gone".to_owned()),
        Some(live) if live["metadata"]["uid"] != was["metadata"]["uid"] => {
            Some("was not created by the recovery and is another one".to_owned())
        }
        Some(live) => (own(live) != own(was)).then(|| "was changed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use refloat_core::driver::{Patch, Precondition, Propagation};
    use serde_json::json;

    use super::super::tests::judged;
    use super::*;

    fn map(name: &str) -> ObjectRef {
        ObjectRef::namespaced(resource("ConfigMap"), "shop", name)
    }

    fn uid(store: &Store, object: &ObjectRef) -> String {
        let live = store.get(object).unwrap();
        live["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// A rollback of a recovery that has created `ours` and then `later`; `theirs` was there.
    fn rolling(scene: &Scene<'_>) -> Rolling {
        scene.world.with_store(|store| {
            for name in ["ours", "later", "theirs"] {
                let metadata = json!({ "name": name, "namespace": "shop" });
                let object =
                    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
                store.seed(&resource("ConfigMap"), object);
            }
            Rolling {
                made: ["ours", "later"].map(|name| uid(store, &map(name))).into(),
                first: BTreeMap::from([(map("ours"), BTreeSet::from([map("later")]))]),
                keeps: true,
                start: Before::of(store, &Names::new()),
            }
        })
    }

    fn deletion(scene: &Scene<'_>, name: &str) -> Effect {
        let object = map(name);
        let uid = scene.world.with_store(|store| uid(store, &object));
        Effect::Delete {
            object,
            precondition: Precondition {
                uid: Some(uid),
                resource_version: None,
            },
            propagation: Propagation::Background,
        }
    }

    #[test]
    fn what_was_not_created_goes_first_or_is_changed_is_told() {
        judged(|scene| {
            let rolling = rolling(scene);
            let said = |effect: &Effect| before(scene, &rolling, effect).unwrap_or_default();
            let theirs = said(&deletion(scene, "theirs"));
            assert!(theirs.contains("did not create"), "{theirs}");
            let early = said(&deletion(scene, "ours"));
            assert!(early.contains("before ConfigMap shop/later"), "{early}");
            assert_eq!(said(&deletion(scene, "later")), "");
            let change = Effect::Patch {
                object: map("ours"),
                patch: Patch::Merge(json!({})),
                precondition: Precondition::default(),
                subresource: None,
            };
            assert!(said(&change).contains("a rollback does"));
        });
    }

    #[test]
    fn what_is_left_lost_changed_or_new_is_told() {
        let after = |change: &dyn Fn(&mut Store)| {
            judged(|scene| {
                let rolling = Rc::new(rolling(scene));
                *scene.judge.borrow_mut() = Judge::of_rollback(&rolling);
                scene.world.with_store(|store| {
                    change(store);
                    at_end(&rolling, store).unwrap_or_default()
                })
            })
        };
        let removed = |store: &mut Store| {
            store.remove(&map("ours"));
            store.remove(&map("later"));
        };
        assert_eq!(after(&removed), "");
        let left = after(&|store| store.remove(&map("ours")));
        assert_eq!(left, "ConfigMap shop/later is still there");
        let lost = after(&|store| {
            removed(store);
            store.remove(&map("theirs"));
        });
        assert!(lost.contains("shop/theirs was not created"), "{lost}");
        let changed = after(&|store| {
            removed(store);
            store.change(&map("theirs"), &json!({ "data": { "a": "b" } }));
        });
        assert_eq!(changed, "ConfigMap shop/theirs was changed");
        let new = after(&|store| {
            removed(store);
            let metadata = json!({ "name": "new", "namespace": "shop" });
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
            store.seed(&resource("ConfigMap"), object);
        });
        assert_eq!(new, "ConfigMap shop/new is new");
    }
}

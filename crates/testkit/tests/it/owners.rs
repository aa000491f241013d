//! What an operator made: its Secrets come back before its resource and are its own again, and go with it.

use std::cell::RefCell;

use refloat_core::driver::ObjectRef;
use refloat_core::names::ANNOTATION_DIGEST;
use refloat_core::plan::{Changed, Data, Goal, plan};
use refloat_core::recovery::{Existing, Linking};
use refloat_core::run::Progress;
use refloat_testkit::sim::{Fault, SimWorld, resource};
use serde_json::{Value, json};

use crate::driving::drive;
use crate::recovery::{COMPLETED, Recovery};
use crate::rollback::planned;
use crate::site::{self, Sealed, caches};

const SECRET: &str = "sessions-password";

/// The shop, whose operator makes a Secret for its resource; one that is strict refuses a Secret that is not its own.
pub(crate) fn sealed(how: &str) -> Sealed {
    let source = site::source();
    source.with_store(|store| {
        let definition = ObjectRef::cluster(
            resource("CustomResourceDefinition"),
            "caches.shop.example.com",
        );
        let mark = json!({ "metadata": { "annotations": { "sim.refloat.io/secrets": how } } });
        store.change(&definition, &mark);
    });
    source.settle(20);
    source.with_store(|store| {
        let claims = resource("PersistentVolumeClaim");
        let claim = ObjectRef::namespaced(claims, "shop", "data-db-0");
        let cache = ObjectRef::namespaced(caches(), "shop", "sessions");
        let uid = store.get(&cache).unwrap()["metadata"]["uid"].clone();
        let owners = json!([{
            "apiVersion": "shop.example.com/v1", "kind": "Cache", "name": "sessions", "uid": uid,
        }]);
        store.change(
            &claim,
            &json!({ "metadata": { "ownerReferences": owners } }),
        );
    });
    let sealed = site::sealed(&source);
    let secrets = sealed.objects.of_kind("", "Secret");
    assert!(
        secrets
            .map(refloat_core::inventory::Thing::name)
            .any(|name| name == SECRET)
    );
    sealed
}

fn recovery(sealed: &Sealed, world: SimWorld, change: impl FnOnce(&mut Goal)) -> Recovery {
    let mut goal = site::goal("restore-1");
    change(&mut goal);
    let target = world.inventory();
    let planned = plan("shop/1", &sealed.point, &sealed.objects, &target, &goal);
    Recovery {
        world,
        plan: planned.unwrap().plan,
        records: RefCell::default(),
    }
}

fn password(sealed: &Sealed) -> Value {
    let secret = sealed.objects.find("", "Secret", "shop", SECRET).unwrap();
    secret.object["data"]["password"].to_value()
}

fn owners(recovery: &Recovery) -> Value {
    let secret = recovery.object("Secret", SECRET).unwrap();
    secret["metadata"]["ownerReferences"].clone()
}

/// The Secret is the one of the point, and belongs to the resource that is there now.
fn is_whole(recovery: &Recovery, sealed: &Sealed, how: &str) {
    let secret = recovery.object("Secret", SECRET).unwrap();
    assert_eq!(secret["data"]["password"], password(sealed), "{how}");
    let uid = &recovery.object("Cache", "sessions").unwrap()["metadata"]["uid"];
    let owner = json!([{
        "apiVersion": "shop.example.com/v1", "kind": "Cache", "name": "sessions", "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    }]);
    assert_eq!(owners(recovery), owner, "{how}");
    let claim = recovery.object("PersistentVolumeClaim", "data-db-0");
    let owner = &claim.unwrap()["metadata"]["ownerReferences"];
    assert_eq!(owner[0]["uid"], *uid, "{how}: the claim's");
}

fn delete_resource(recovery: &Recovery) {
    let cache = ObjectRef::namespaced(caches(), "shop", "sessions");
    recovery.world.with_store(|store| store.remove(&cache));
    recovery.world.settle(20);
}

#[test]
fn a_secret_that_an_operator_made_is_its_own_again_and_goes_with_it() {
    for how in ["kind", "strict"] {
        let sealed = sealed(how);
        let recovery = recovery(&sealed, site::target(), |_| {});
        assert_eq!(recovery.drive(), COMPLETED, "{how}");
        recovery.world.settle(60);
        is_whole(&recovery, &sealed, how);
        delete_resource(&recovery);
        assert_eq!(recovery.object("Cache", "sessions"), None);
        assert_eq!(recovery.object("Secret", SECRET), None, "it was collected");
    }
}

#[test]
fn it_is_so_under_another_namespace() {
    let sealed = sealed("strict");
    let recovery = recovery(&sealed, site::target(), |goal| {
        let drill = ("shop".to_owned(), "drill".to_owned());
        goal.mappings.namespaces.extend([drill]);
    });
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(60);
    is_whole(&recovery, &sealed, "drill");
    let secret = recovery.object("Secret", SECRET).unwrap();
    assert_eq!(secret["metadata"]["namespace"], "drill");
}

#[test]
fn a_recovery_that_dies_anywhere_links_it_once() {
    let sealed = sealed("strict");
    let places = (1..200).find(|place| {
        let recovery = recovery(&sealed, site::target(), |_| {});
        recovery.world.plan_fault(Some(Fault::CrashAfter(*place)));
        drop(recovery.drive());
        let died = recovery.world.is_dead();
        if died {
            assert_eq!(recovery.resume(), COMPLETED, "death after effect {place}");
        }
        recovery.world.settle(30);
        is_whole(&recovery, &sealed, &format!("death after effect {place}"));
        !died
    });
    assert!(places > Some(25), "{places:?}");
}

/// A resource of that name that is there at the target before.
fn with_resource() -> SimWorld {
    let world = site::target();
    world.with_store(|store| {
        let source = site::source().inventory();
        for thing in source.iter() {
            let id = thing.id();
            if id.kind == "CustomResourceDefinition" || id.is("", "Namespace") && id.name == "shop"
            {
                store.seed(
                    &thing.resource,
                    refloat_core::plan::clean(&thing.object).to_value(),
                );
            }
        }
    });
    world.settle(5);
    world.with_store(|store| {
        let cache = json!({
            "apiVersion": "shop.example.com/v1", "kind": "Cache",
            "metadata": { "name": "sessions", "namespace": "shop" }, "spec": { "size": "2Gi" },
        });
        store.seed(&caches(), cache);
    });
    world
}

#[test]
fn it_is_linked_to_a_resource_that_is_kept() {
    let sealed = sealed("kind");
    let recovery = recovery(&sealed, with_resource(), |goal| {
        goal.existing = Existing::Skip;
    });
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(30);
    is_whole(&recovery, &sealed, "kept");
    assert_eq!(
        recovery.object("Cache", "sessions").unwrap()["spec"]["size"],
        "2Gi"
    );
}

#[test]
fn without_its_resource_it_stays_without_an_owner_and_that_is_told() {
    let sealed = sealed("kind");
    let skip = |goal: &mut Goal| goal.selection.skip = vec!["cache/sessions".parse().unwrap()];
    let recovery = recovery(&sealed, site::target(), skip);
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(30);
    assert_eq!(owners(&recovery), Value::Null);
    let progress = Progress::of(recovery.records.borrow().iter());
    let step = "link Secret shop/sessions-password to Cache.shop.example.com shop/sessions";
    let why = &progress.outcome(step).unwrap().facts[Linking::FACT][0];
    assert!(
        why.as_str().unwrap().ends_with("the owner is not there"),
        "{why}"
    );
}

/// A recovery that has died when the Secret was there and the resource was not.
fn half(sealed: &Sealed) -> Recovery {
    let half = (1..200).find_map(|place| {
        let recovery = recovery(sealed, site::target(), |_| {});
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        drop(recovery.drive());
        let there = |kind: &str, name: &str| recovery.object(kind, name).is_some();
        let is_half = there("Secret", SECRET) && !there("Cache", "sessions");
        is_half.then_some(recovery)
    });
    half.unwrap()
}

#[test]
fn an_owner_that_somebody_has_set_meanwhile_stays() {
    let sealed = sealed("kind");
    let recovery = half(&sealed);
    let uid = recovery.object("Namespace", "shop").unwrap()["metadata"]["uid"].clone();
    let other = json!([{
        "apiVersion": "v1", "kind": "Namespace", "name": "shop", "uid": uid, "controller": true,
    }]);
    recovery.world.with_store(|store| {
        let secret = ObjectRef::namespaced(resource("Secret"), "shop", SECRET);
        store.change(
            &secret,
            &json!({ "metadata": { "ownerReferences": other } }),
        );
    });
    assert_eq!(recovery.resume(), COMPLETED);
    recovery.world.settle(30);
    assert_eq!(owners(&recovery), other);
}

#[test]
fn a_rollback_keeps_the_volume_of_a_claim_that_goes_with_its_owner() {
    let sealed = sealed("kind");
    let recovery = recovery(&sealed, site::target(), |_| {});
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(60);
    is_whole(&recovery, &sealed, "before");
    let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
    let records = RefCell::default();
    assert_eq!(drive(&recovery.world, &rolled.plan, &records), COMPLETED);
    recovery.world.settle(60);
    assert_eq!(recovery.object("Namespace", "shop"), None);
    let inventory = recovery.world.inventory();
    let volumes: Vec<_> = inventory.of_kind("", "PersistentVolume").collect();
    assert_eq!(volumes.len(), 1, "the data is lost");
    let policy = &volumes[0].object["spec"]["persistentVolumeReclaimPolicy"];
    assert_eq!(policy, "Retain");
}

#[test]
fn a_status_comes_back_where_its_author_says_so() {
    let source = site::source();
    let cache = ObjectRef::namespaced(caches(), "shop", "sessions");
    source.with_store(|store| {
        let annotations = json!({ "refloat.io/status": "restore" });
        store.change(
            &cache,
            &json!({
                "metadata": { "annotations": annotations }, "status": { "primary": "sessions-1" },
            }),
        );
    });
    let sealed = site::sealed(&source);
    let places = (1..200).find(|place| {
        let recovery = recovery(&sealed, site::target(), |_| {});
        recovery.world.plan_fault(Some(Fault::CrashAfter(*place)));
        drop(recovery.drive());
        let died = recovery.world.is_dead();
        if died {
            assert_eq!(recovery.resume(), COMPLETED, "death after effect {place}");
        }
        let live = recovery.object("Cache", "sessions").unwrap();
        assert_eq!(
            live["status"]["primary"], "sessions-1",
            "death after effect {place}"
        );
        assert!(live["metadata"]["annotations"][ANNOTATION_DIGEST].is_string());
        !died
    });
    assert!(places > Some(25), "{places:?}");
}

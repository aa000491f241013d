//! What users of other tools suffer from restores that hang, end too early or choke on numbers.
//!
//! `docs/src/reference/pains.md` says which pain each test is about.

use std::time::Duration;

use refloat_core::drive::Drive;
use refloat_core::driver::{ObjectRef, Problem};
use refloat_core::run::Progress;
use refloat_core::world::World as _;
use refloat_testkit::sim::{Database, Fault, resource};
use serde_json::json;

use crate::driving::leftovers;
use crate::recovery::{COMPLETED, Recovery, sealed};
use crate::site;

/// How long each step may wait.
const LIMIT_SECONDS: u32 = 30;

fn recovery() -> Recovery {
    let mut recovery = Recovery::of(&sealed());
    for step in &mut recovery.plan.steps {
        step.limit_seconds = LIMIT_SECONDS;
    }
    recovery
}

fn stuck(recovery: &Recovery) -> Problem {
    match recovery.drive() {
        Ok(Drive::Stuck(problem)) => problem,
        other => panic!("not stuck: {other:?}"),
    }
}

fn without_image(recovery: &Recovery, image: &str) {
    let image = Some(image.to_owned());
    recovery
        .world
        .with_store(|store| store.missing_image = image);
}

/// A recovery whose mover cannot start: its volume is not filled.
fn unfilled() -> (Recovery, Problem) {
    let recovery = recovery();
    without_image(&recovery, &recovery.plan.mover_image);
    let problem = stuck(&recovery);
    (recovery, problem)
}

#[test]
fn it_is_not_completed_while_a_volume_is_not_filled() {
    let (recovery, problem) = unfilled();
    assert_eq!(problem.code, "mover-image");
    let progress = Progress::of(recovery.records.borrow().iter());
    assert_eq!(progress.ended(), None);
    let done = recovery.object("Deployment", "cache-operator");
    assert!(done.is_some(), "all that needs no volume is there");
    recovery
        .world
        .with_store(|store| store.missing_image = None);
    recovery.world.settle(10);
    assert_eq!(recovery.resume(), COMPLETED);
    let claim = recovery
        .object("PersistentVolumeClaim", "data-db-0")
        .unwrap();
    assert_eq!(claim["status"]["phase"], "Bound");
}

#[test]
fn no_pod_is_there_while_its_volume_is_being_filled() {
    let (recovery, _) = unfilled();
    assert_eq!(recovery.object("StatefulSet", "db"), None);
    let inventory = recovery.world.inventory();
    let unready: Vec<&str> = inventory
        .of_kind("", "Pod")
        .filter(|pod| pod.namespace() == Some("shop"))
        .filter(|pod| pod.text("/status/phase") != Some("Running"))
        .map(refloat_core::inventory::Thing::name)
        .collect();
    assert_eq!(unready, [""; 0], "pods that cannot run");
}

type Obstacle = (&'static str, fn(&Recovery));

/// What never comes, and what must be named.
const OBSTACLES: &[Obstacle] = &[
    ("postgresql shop/db", |recovery| {
        let silent = Database {
            failure: Some((2, "psql: error: could not connect to server".to_owned())),
            ..Database::default()
        };
        let mut databases = recovery.world.databases.borrow_mut();
        databases.insert("shop/db-0".to_owned(), silent);
    }),
    ("shop/cache-operator", |recovery| {
        without_image(recovery, "refloat.local/cache-operator:1");
    }),
    ("shop/web", |recovery| {
        without_image(recovery, "refloat.local/web:1");
    }),
    ("refloat.local/refloat:dev", |recovery| {
        without_image(recovery, &recovery.plan.mover_image);
    }),
];

#[test]
fn every_wait_ends_and_says_for_what() {
    for (name, obstacle) in OBSTACLES {
        let recovery = recovery();
        obstacle(&recovery);
        let begun = recovery.world.elapsed();
        let problem = stuck(&recovery);
        assert!(problem.message.contains(name), "{name}: {problem:?}");
        assert!(problem.hint.len() > 10, "{name}: {problem:?}");
        let took = recovery.world.elapsed().saturating_sub(begun);
        // Steps wait one after another at most so often.
        let limit = Duration::from_secs(u64::from(LIMIT_SECONDS) * 6);
        assert!(took < limit, "{name}: {took:?}");
        let progress = Progress::of(recovery.records.borrow().iter());
        assert_eq!(progress.ended(), None, "{name}");
    }
}

/// A recovery that has died with an object of this kind just made.
fn begun(kind: &str) -> (Recovery, ObjectRef) {
    let recovery = recovery();
    for place in 1.. {
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        assert!(recovery.resume_faulty().is_err(), "no {kind} was made");
        let made = recovery.world.with_store(|store| {
            store
                .iter()
                .find(|(one, _)| one.resource.kind == kind)
                .map(|(one, _)| one.clone())
        });
        if let Some(made) = made {
            recovery.world.settle(5);
            return (recovery, made);
        }
    }
    unreachable!("places do not end")
}

#[test]
fn what_never_ends_its_deletion_is_named_within_the_limit() {
    let (recovery, _) = begun("ServiceAccount");
    let secret = ObjectRef::namespaced(resource("Secret"), "shop", "database");
    let going = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "database", "namespace": "shop", "finalizers": ["example.com/never"],
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
    });
    recovery
        .world
        .with_store(|store| store.seed(&secret.resource, going));
    let Ok(Drive::Stuck(problem)) = recovery.resume() else {
        panic!("it went on over what is being deleted");
    };
    for words in ["Secret shop/database", "example.com/never"] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
    assert_eq!(recovery.object("Deployment", "web"), None, "it reads it");
    recovery.world.with_store(|store| store.remove(&secret));
    assert_eq!(recovery.resume(), COMPLETED);
}

#[test]
fn a_claim_that_is_deleted_while_it_is_filled_does_not_hang_the_recovery() {
    let (recovery, claim) = begun("PersistentVolumeClaim");
    assert_eq!(claim.namespace.as_deref(), Some("refloat-system"));
    recovery.world.with_store(|store| store.remove(&claim));
    recovery.world.settle(5);
    assert_eq!(recovery.resume(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
}

/// So many objects beside the shop's.
const MANY: usize = 2_000;

#[test]
fn thousands_of_objects_starve_no_volume() {
    let world = site::source();
    world.with_store(|store| {
        for number in 0..MANY {
            let kind = ["ConfigMap", "Secret"][number % 2];
            let object = json!({
                "apiVersion": "v1", "kind": kind,
                "metadata": { "name": format!("many-{number:05}"), "namespace": "shop" },
            });
            store.seed(&resource(kind), object);
        }
    });
    let recovery = Recovery::of(&site::sealed(&world));
    assert_eq!(recovery.drive(), COMPLETED);
    let inventory = recovery.world.inventory();
    let back = inventory
        .iter()
        .filter(|thing| thing.name().starts_with("many-"));
    assert_eq!(back.count(), MANY);
    let history = recovery.world.history.borrow();
    let many: Vec<usize> = (0..history.len())
        .filter(|line| history[*line].contains("shop/many-"))
        .collect();
    let mover = history
        .iter()
        .position(|line| line.starts_with("create Job "));
    assert!(
        mover < many.get(MANY / 2).copied(),
        "the volume waits for objects"
    );
}

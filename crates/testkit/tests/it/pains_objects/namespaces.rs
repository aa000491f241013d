//! Namespaces that are going when a recovery comes, or while it works (`velero#5697`, `#691`, `#8234`, `#9988`, `#2756`).

use refloat_core::drive::Drive;
use refloat_core::driver::{ObjectRef, Problem};
use refloat_core::recovery::Existing;
use refloat_core::run::Progress;
use refloat_core::world::World as _;
use refloat_testkit::sim::server::{Request, Verb};
use refloat_testkit::sim::{Fault, SimWorld, Store, resource};
use serde_json::json;

use super::{planned, put, recovered, recovery, target_with};
use crate::driving::leftovers;
use crate::recovery::{COMPLETED, Recovery, sealed};

fn shop() -> ObjectRef {
    ObjectRef::cluster(resource("Namespace"), "shop")
}

fn delete(store: &mut Store) {
    let reply = store.call(&Request::on_object(Verb::Delete, &shop()));
    assert!(reply.is_success());
}

/// A namespace with something that nobody lets go, just deleted: whoever empties it has not come to its contents yet.
fn going() -> SimWorld {
    let world = target_with(|store| {
        put(store, "Namespace", "shop", json!({}));
        let held = json!({ "data": { "url": "old" }, "finalizers": ["example.com/keep"] });
        put(store, "ConfigMap", "web", held);
        put(store, "Secret", "mine", json!({ "data": {} }));
    });
    world.with_store(delete);
    world
}

fn let_go(store: &mut Store) {
    let held = ObjectRef::namespaced(resource("ConfigMap"), "shop", "web");
    store.change(&held, &json!({ "metadata": { "finalizers": null } }));
}

fn stuck(recovery: &Recovery) -> Problem {
    match recovery.drive() {
        Ok(Drive::Stuck(problem)) => problem,
        other => panic!("not stuck: {other:?}"),
    }
}

/// Steps that have begun, of those that write into the namespace.
fn begun(recovery: &Recovery) -> Vec<String> {
    let history = recovery.world.history.borrow();
    let written = history
        .iter()
        .filter(|line| line.starts_with("create ") && line.contains(" shop/"));
    written.cloned().collect()
}

/// Its 37 objects do not wait one after another: the namespace waits, once, and they come when it has been made.
#[test]
fn a_terminating_namespace_is_waited_for_once() {
    let sealed = sealed();
    for existing in [
        Existing::Fail,
        Existing::Skip,
        Existing::Update,
        Existing::Replace,
    ] {
        let world = going();
        let planned = planned(&sealed, &world, |goal| goal.existing = existing);
        let (mut recovery, _) = recovery(world, planned);
        for step in &mut recovery.plan.steps {
            step.limit_seconds = 30;
        }
        let from = recovery.world.now();
        let problem = stuck(&recovery);
        assert_eq!(problem.code, "being-deleted-timeout", "{existing:?}");
        assert!(problem.message.contains("Namespace shop"), "{problem:?}");
        assert!(problem.message.contains("(limit 30 s)"), "{problem:?}");
        let waited = recovery.world.now().duration_since(from).as_secs();
        assert!((30..60).contains(&waited), "{existing:?}: {waited} s");
        assert_eq!(begun(&recovery), Vec::<String>::new(), "{existing:?}");
        recovery.world.with_store(let_go);
        assert_eq!(recovery.resume(), COMPLETED, "{existing:?}");
        assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
        assert_eq!(recovery.object("Secret", "mine"), None, "it went with it");
        let web = recovery.object("ConfigMap", "web").unwrap();
        assert_eq!(web["data"]["url"], "postgres://shop@db:5432/shop");
        let progress = Progress::of(recovery.records.borrow().iter());
        let origin = progress
            .outcome("write ConfigMap shop/web")
            .unwrap()
            .text("origin");
        assert_eq!(origin, Some("created"), "{existing:?}");
    }
}

/// What holds it is told, so that a person can see to it.
#[test]
fn what_holds_a_terminating_namespace_is_told() {
    let world = going();
    world.with_store(|store| {
        let message = "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances";
        let told = json!({ "status": { "conditions": [{
            "type": "NamespaceFinalizersRemaining", "status": "True",
            "reason": "SomeFinalizersRemain", "message": message,
        }] } });
        store.change(&shop(), &told);
    });
    let mut recovery = recovered(&sealed(), world);
    for step in &mut recovery.plan.steps {
        step.limit_seconds = 30;
    }
    let problem = stuck(&recovery);
    assert!(problem.message.contains("example.com/keep"), "{problem:?}");
}

/// Somebody deletes it again while it is being filled: that is said by its name, and nothing is written into nowhere.
#[test]
fn a_namespace_that_is_deleted_while_it_is_filled_is_named() {
    let sealed = sealed();
    let mut recovery = recovered(&sealed, target_with(|_| ()));
    for step in &mut recovery.plan.steps {
        step.limit_seconds = 30;
    }
    for place in 1..100 {
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        assert!(recovery.resume_faulty().is_err());
        if recovery.object("Secret", "database").is_some() {
            break;
        }
    }
    recovery.world.with_store(delete);
    recovery.world.settle(10);
    assert_eq!(recovery.object("Namespace", "shop"), None);
    let Ok(Drive::Stuck(problem)) = recovery.resume() else {
        panic!("it went on without its namespace");
    };
    assert_eq!(problem.code, "namespace-missing");
    assert!(problem.message.contains("shop"), "{problem:?}");
    let run = recovery.plan.run.as_str();
    let way_out = format!("refloat rollback --run {run}");
    assert!(problem.hint.contains(&way_out), "{problem:?}");
    let inside = recovery
        .world
        .inventory()
        .iter()
        .any(|thing| thing.namespace() == Some("shop"));
    assert!(!inside);
    let world = recovery.world;
    let planned = planned(&sealed, &world, |goal| goal.existing = Existing::Update);
    let (again, _) = super::recovery(world, planned);
    assert_eq!(again.drive(), COMPLETED, "a new recovery makes it anew");
    assert!(again.object("Secret", "database").is_some());
}

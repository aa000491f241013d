//! A recovery that meets what a person must see to: it stops, names it, and goes on once that is mended.

use std::cell::RefCell;

use refloat_core::drive::{Drive, Event, Observer};
use refloat_core::driver::{ObjectRef, Problem};
use refloat_core::names::SYSTEM_NAMESPACE;
use refloat_core::plan::plan;
use refloat_core::recovery::Existing;
use refloat_core::run::{End, Progress};
use refloat_testkit::sim::{Database, Fault, resource};
use serde_json::json;

use crate::driving::leftovers;
use crate::recovery::{COMPLETED, Recovery, sealed};
use crate::site;

fn stuck(recovery: &Recovery) -> Problem {
    match recovery.drive() {
        Ok(Drive::Stuck(problem)) => problem,
        other => panic!("not stuck: {other:?}"),
    }
}

fn database(recovery: &Recovery, change: impl FnOnce(&mut Database)) {
    let mut database = Database::default();
    change(&mut database);
    let mut databases = recovery.world.databases.borrow_mut();
    databases.insert("shop/db-0".to_owned(), database);
}

/// The sealed point's recovery with short limits: what is waited for in vain ends soon.
fn recovery() -> Recovery {
    let mut recovery = Recovery::of(&sealed());
    for step in &mut recovery.plan.steps {
        step.limit_seconds = 30;
    }
    recovery
}

fn in_shop(kind: &str, name: &str) -> ObjectRef {
    ObjectRef::namespaced(resource(kind), "shop", name)
}

#[test]
fn a_database_that_never_starts_is_named_and_after_its_repair_the_rest_follows() {
    let recovery = recovery();
    let starting = "psql: error: FATAL:  the database system is starting up";
    database(&recovery, |one| {
        one.failure = Some((2, starting.to_owned()));
    });
    let problem = stuck(&recovery);
    assert_eq!(problem.code, "database-starting-timeout");
    assert!(problem.message.contains("shop/db"), "{problem:?}");
    assert!(problem.message.contains("(limit 30 s)"), "{problem:?}");
    for (kind, name) in [("Deployment", "web"), ("Ingress", "web")] {
        assert_eq!(recovery.object(kind, name), None, "before its database");
    }
    assert!(
        recovery.object("Deployment", "cache-operator").is_some(),
        "what does not need the database goes on"
    );
    // Nothing but the plan's own waiting goes on: a second try without repair ends the same way.
    let again = recovery.resume();
    assert_eq!(again, Ok(Drive::Stuck(problem.clone())));
    database(&recovery, |_| ());
    assert_eq!(recovery.resume(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    assert!(recovery.object("Ingress", "web").is_some());
}

#[test]
fn a_server_in_recovery_is_waited_for() {
    let recovery = recovery();
    database(&recovery, |one| one.in_recovery = true);
    assert_eq!(stuck(&recovery).code, "database-recovering-timeout");
    assert_eq!(recovery.object("Deployment", "web"), None);
}

#[test]
fn another_server_than_that_of_the_point_is_refused_at_once() {
    let mut sealed = sealed();
    let engine = &mut sealed.point.members[0].engine;
    engine.insert("system_identifier".to_owned(), "42".to_owned());
    let recovery = Recovery::of(&sealed);
    let problem = stuck(&recovery);
    assert_eq!(problem.code, "database-other");
    assert!(problem.message.contains("42"), "{problem:?}");
    assert_eq!(recovery.object("Deployment", "web"), None);
}

/// A recovery that has died with its namespace just made.
fn begun() -> Recovery {
    let recovery = recovery();
    for place in 1.. {
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        assert!(recovery.resume_faulty().is_err());
        if recovery.object("Namespace", "shop").is_some() {
            break;
        }
    }
    recovery.world.settle(5);
    recovery
}

#[test]
fn a_foreign_object_is_never_overwritten() {
    let recovery = begun();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "database", "namespace": "shop" },
        "data": { "password": "Zm9yZWlnbg==" },
    });
    recovery
        .world
        .with_store(|store| store.seed(&resource("Secret"), secret));
    let before = recovery.object("Secret", "database");
    let Ok(Drive::Stuck(problem)) = recovery.resume() else {
        panic!("it went on over a foreign object");
    };
    assert_eq!(problem.code, "already-exists");
    assert!(
        problem.message.contains("Secret shop/database"),
        "{problem:?}"
    );
    assert_eq!(recovery.object("Secret", "database"), before);
    assert_eq!(recovery.object("Deployment", "web"), None, "it reads it");
    recovery
        .world
        .with_store(|store| store.remove(&in_shop("Secret", "database")));
    assert_eq!(recovery.resume(), COMPLETED);
    let now = recovery.object("Secret", "database").unwrap();
    assert_eq!(now["data"]["password"], "eA==");
}

#[test]
fn a_foreign_claim_is_never_taken() {
    let recovery = begun();
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data-db-0", "namespace": "shop" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
            "resources": { "requests": { "storage": "2Gi" } },
        },
    });
    recovery
        .world
        .with_store(|store| store.seed(&resource("PersistentVolumeClaim"), claim));
    let Ok(Drive::Stuck(problem)) = recovery.resume() else {
        panic!("it went on over a foreign claim");
    };
    assert_eq!(problem.code, "already-exists");
    assert_eq!(recovery.object("StatefulSet", "db"), None);
    let inventory = recovery.world.inventory();
    let foreign = inventory
        .find("", "PersistentVolumeClaim", "shop", "data-db-0")
        .unwrap();
    assert_eq!(foreign.annotation("refloat.io/recovery"), None);
    let data: Vec<_> = inventory
        .of_kind("", "PersistentVolume")
        .map(|volume| volume.annotation("sim.refloat.io/data"))
        .collect();
    assert!(
        data.contains(&Some("7000000000000000001")),
        "the filled volume is kept: {data:?}"
    );
}

#[test]
fn with_skip_what_is_there_stays_as_it_is() {
    let sealed = sealed();
    let mut recovery = Recovery::of(&sealed);
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" },
    });
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "web", "namespace": "shop" }, "data": { "url": "mine" },
    });
    recovery.world.with_store(|store| {
        store.seed(&resource("Namespace"), namespace);
        store.seed(&resource("ConfigMap"), map);
    });
    recovery.world.settle(5);
    let mut goal = site::goal("restore-1");
    goal.existing = Existing::Skip;
    let target = recovery.world.inventory();
    let planned = plan("shop/1", &sealed.point, &sealed.objects, &target, &goal).unwrap();
    recovery.plan = planned.plan;
    assert_eq!(recovery.drive(), COMPLETED);
    let kept = recovery.object("ConfigMap", "web").unwrap();
    assert_eq!(kept["data"]["url"], "mine");
    let progress = Progress::of(recovery.records.borrow().iter());
    let skipped = &progress.outcome("write ConfigMap shop/web").unwrap().facts;
    assert_eq!(skipped.get("skipped"), Some(&json!(true)));
}

#[test]
fn a_mover_that_fails_says_why_and_once_mended_the_volume_is_filled() {
    let recovery = recovery();
    let broken = Problem::stuck("vault-unreachable", "no route to the vault", "mend it");
    recovery
        .world
        .with_store(|store| store.mover_failure = Some(broken.clone()));
    assert_eq!(stuck(&recovery), broken);
    assert_eq!(recovery.object("StatefulSet", "db"), None);
    recovery
        .world
        .with_store(|store| store.mover_failure = None);
    recovery.world.settle(10);
    assert_eq!(recovery.resume(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    let progress = Progress::of(recovery.records.borrow().iter());
    assert_eq!(progress.ended(), Some(End::Completed));
}

#[test]
fn a_mover_without_an_image_starts_once_another_is_given() {
    let mut recovery = recovery();
    let missing = recovery.plan.mover_image.clone();
    recovery
        .world
        .with_store(|store| store.missing_image = Some(missing));
    assert_eq!(stuck(&recovery).code, "mover-image");
    let Ok(Drive::Stuck(again)) = recovery.resume() else {
        panic!("it went on with an image that cannot be had");
    };
    assert_eq!(again.code, "mover-image");
    "refloat:good".clone_into(&mut recovery.plan.mover_image);
    assert_eq!(recovery.resume(), COMPLETED);
}

#[test]
fn a_mover_is_started_anew_once_its_image_is_there_though_the_old_one_still_pauses() {
    let recovery = recovery();
    let missing = recovery.plan.mover_image.clone();
    recovery
        .world
        .with_store(|store| store.missing_image = Some(missing));
    assert_eq!(stuck(&recovery).code, "mover-image");
    recovery
        .world
        .with_store(|store| store.missing_image = None);
    assert_eq!(recovery.resume(), COMPLETED);
}

#[test]
fn a_mover_is_kept_to_nodes_that_run_its_image() {
    let recovery = recovery();
    let missing = recovery.plan.mover_image.clone();
    recovery
        .world
        .with_store(|store| store.missing_image = Some(missing));
    stuck(&recovery);
    let systems: Vec<Option<String>> = recovery.world.with_store(|store| {
        let jobs = store.iter().filter(|(one, _)| {
            one.resource.kind == "Job" && one.namespace.as_deref() == Some(SYSTEM_NAMESPACE)
        });
        let system = "/spec/template/spec/nodeSelector/kubernetes.io~1os";
        jobs.map(|(_, job)| job.pointer(system)?.as_str().map(str::to_owned))
            .collect()
    });
    assert_eq!(systems, [Some("linux".to_owned())]);
}

/// Keeps what is said of steps that wait.
#[derive(Default)]
struct Listener(RefCell<Vec<String>>);

impl Observer for Listener {
    fn event(&self, event: &Event<'_>) {
        if let Event::Waiting(step, why) = event {
            let line = format!("{}: {}", step.title, why.message);
            self.0.borrow_mut().push(line);
        }
    }
}

#[test]
fn a_kind_that_is_taken_away_on_the_way_is_named() {
    let recovery = begun();
    let ingress = resource("Ingress");
    recovery
        .world
        .with_store(|store| store.serve_no_more(&ingress));
    let listener = Listener::default();
    let end = recovery.resume_before(&listener);
    let Ok(Drive::Stuck(problem)) = end else {
        panic!("it wrote a kind that is not served");
    };
    let told = listener.0.borrow();
    let refused = |line: &&String| line.starts_with("write Ingress.networking.k8s.io shop/web: ");
    assert!(
        told.iter().filter(refused).count() > 1,
        "nobody was told while it was tried: {told:?}"
    );
    assert_eq!(problem.code, "acting-timeout");
    assert!(
        problem.message.contains("create Ingress shop/web")
            && problem.message.contains("its last try: "),
        "{problem:?}"
    );
    recovery.world.with_store(|store| store.serve(ingress));
    assert_eq!(recovery.resume(), COMPLETED);
}

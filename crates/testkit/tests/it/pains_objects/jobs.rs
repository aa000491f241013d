//! Jobs and Pods that have ended do not run again; those that had not end (`velero#8800`, `velero#5137`).

use refloat_core::drive::{Drive, Event, Observer};
use refloat_core::driver::ObjectRef;
use refloat_core::recovery::Existing;
use refloat_testkit::sim::{SimWorld, Store, resource};
use serde_json::{Value, json};

use super::{planned, put, recovery, sealed_with, target_with};
use crate::driving::{drive_before, leftovers};
use crate::recovery::{COMPLETED, Recovery};
use crate::site::Sealed;

/// A Job with what its controller gave it at the source.
fn job(name: &str, more: &Value, status: &Value) -> Value {
    let labels = json!({
        "app": "import", "controller-uid": name, "batch.kubernetes.io/controller-uid": name,
        "job-name": name, "batch.kubernetes.io/job-name": name,
    });
    let mut spec = json!({
        "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": name } },
        "template": {
            // Longer than the backup takes.
            "metadata": { "labels": labels, "annotations": { "sim.refloat.io/starts": "120" } },
            "spec": { "restartPolicy": "Never", "containers": [{ "name": "job", "image": "job:1" }] },
        },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let mut body = json!({ "labels": labels, "spec": spec });
    if !status.is_null() {
        body["status"] = status.clone();
    }
    body
}

fn failed() -> Value {
    json!({ "failed": 6, "conditions": [
        { "type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded" },
        { "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" },
    ] })
}

fn complete() -> Value {
    json!({ "succeeded": 1, "completionTime": "2025-12-01T00:00:00Z", "conditions": [
        { "type": "SuccessCriteriaMet", "status": "True" }, { "type": "Complete", "status": "True" },
    ] })
}

fn jobs(store: &mut Store) {
    let none = json!({});
    put(store, "Job", "migrate", job("migrate", &none, &failed()));
    put(store, "Job", "seed", job("seed", &none, &complete()));
    put(store, "Job", "import", job("import", &none, &Value::Null));
    let later = json!({ "suspend": true });
    put(store, "Job", "later", job("later", &later, &Value::Null));
    let schedule = json!({ "spec": {
        "schedule": "@daily", "jobTemplate": { "spec": { "template": { "spec": { "containers": [] } } } },
    } });
    put(store, "CronJob", "nightly", schedule);
    let uid = |store: &Store, kind: &str, name: &str| {
        let live = store.get(&ObjectRef::namespaced(resource(kind), "shop", name));
        live.unwrap()["metadata"]["uid"].clone()
    };
    let owned = |kind: &str, name: &str, uid: Value| json!([{ "apiVersion": "batch/v1", "kind": kind, "name": name, "uid": uid, "controller": true }]);
    let mut of_schedule = job("nightly-29", &none, &Value::Null);
    of_schedule["ownerReferences"] = owned("CronJob", "nightly", uid(store, "CronJob", "nightly"));
    put(store, "Job", "nightly-29", of_schedule);
    let pod = |phase: &str| json!({ "spec": { "containers": [{ "name": "job", "image": "job:1" }] }, "status": { "phase": phase } });
    let mut last_try = pod("Failed");
    last_try["ownerReferences"] = owned("Job", "migrate", uid(store, "Job", "migrate"));
    put(store, "Pod", "migrate-x7", last_try);
    put(store, "Pod", "once", pod("Succeeded"));
    put(store, "Pod", "evicted", pod("Failed"));
}

fn sealed() -> Sealed {
    sealed_with(jobs)
}

fn none_of(recovery: &Recovery, names: &[(&str, &str)]) {
    for (kind, name) in names {
        assert_eq!(recovery.object(kind, name), None, "{kind} {name}");
    }
}

#[test]
fn a_failed_job_is_not_run_again() {
    let sealed = sealed();
    let world = target_with(|_| ());
    let planned = planned(&sealed, &world, |_| ());
    let (recovery, left_out) = recovery(world, planned);
    let why = |name: &str| {
        let found = left_out.iter().find(|one| one.thing.name == name);
        found
            .unwrap_or_else(|| panic!("{name} is not told"))
            .why
            .clone()
    };
    assert_eq!(why("migrate"), "a Job that has failed: it would run again");
    assert_eq!(why("seed"), "a Job that is finished: it would run again");
    assert_eq!(why("nightly-29"), "made by its owner CronJob nightly");
    assert_eq!(why("once"), "a Pod that has ended");
    assert_eq!(recovery.drive(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    recovery.world.settle(20);
    none_of(
        &recovery,
        &[
            ("Job", "migrate"),
            ("Job", "seed"),
            ("Job", "nightly-29"),
            ("Pod", "migrate-x"),
            ("Pod", "migrate-x7"),
        ],
    );
    assert!(recovery.object("CronJob", "nightly").is_some());
}

/// What had not ended begins anew, as after the loss of its node, and under labels of its new controller.
#[test]
fn a_job_that_was_running_is_run_to_its_end_and_a_suspended_one_stays_suspended() {
    let sealed = sealed();
    let world = target_with(|_| ());
    let planned = planned(&sealed, &world, |_| ());
    let (recovery, _) = recovery(world, planned);
    assert_eq!(recovery.drive(), COMPLETED);
    let import = recovery.object("Job", "import").unwrap();
    assert_eq!(import["status"]["succeeded"], 1);
    let old = |object: &Value| object.to_string().contains("\"import\":");
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        let labels = import.pointer(labels).unwrap();
        assert_eq!(labels["app"], "import");
        assert!(!old(labels));
        for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
            assert_ne!(labels.get(key), Some(&json!("import")), "{key}: {labels}");
        }
    }
    let later = recovery.object("Job", "later").unwrap();
    assert_eq!(later["spec"]["suspend"], true);
    none_of(&recovery, &[("Pod", "later-x")]);
}

/// Interrupts as soon as the Job is created.
struct Impatient<'a>(&'a SimWorld);

impl Observer for Impatient<'_> {
    fn event(&self, _: &Event<'_>) {}
    fn interrupted(&self) -> bool {
        creations(self.0) > 0
    }
}

fn creations(world: &SimWorld) -> usize {
    let history = world.history.borrow();
    let created = |line: &&String| *line == "create Job shop/import";
    history.iter().filter(created).count()
}

fn of_a_job_with_a_time_to_live() -> Recovery {
    let sealed = sealed_with(|store| {
        let removed = json!({ "ttlSecondsAfterFinished": 0 });
        put(
            store,
            "Job",
            "import",
            job("import", &removed, &Value::Null),
        );
    });
    let world = target_with(|_| ());
    let planned = planned(&sealed, &world, |_| ());
    recovery(world, planned).0
}

/// What its controller removes once it has ended is gone when the recovery goes on: only the journal knows of it.
#[test]
fn a_job_that_was_created_when_somebody_interrupted_runs_once() {
    let recovery = of_a_job_with_a_time_to_live();
    let world = &recovery.world;
    let end = drive_before(world, &recovery.plan, &recovery.records, &Impatient(world));
    let Ok(Drive::Stuck(problem)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(problem.code, "interrupted");
    let job = ObjectRef::namespaced(resource("Job"), "shop", "import");
    world.with_store(|store| {
        assert!(store.get(&job).is_some());
        store.remove(&job);
    });
    assert_eq!(recovery.resume(), COMPLETED);
    assert_eq!(creations(world), 1);
}

/// Fails the Job as soon as it is created.
struct Breaking<'a>(&'a SimWorld);

impl Breaking<'_> {
    fn fail(&self) {
        let job = ObjectRef::namespaced(resource("Job"), "shop", "import");
        let status = json!({ "status": failed() });
        self.0.with_store(|store| store.change(&job, &status));
    }
}

impl Observer for Breaking<'_> {
    fn event(&self, _: &Event<'_>) {}
    fn interrupted(&self) -> bool {
        self.fail();
        false
    }
}

/// One that failed is told, and is run again by the same command once it is gone, as it was told.
#[test]
fn a_job_that_failed_and_is_gone_is_run_again() {
    let recovery = of_a_job_with_a_time_to_live();
    let world = &recovery.world;
    let end = drive_before(world, &recovery.plan, &recovery.records, &Breaking(world));
    let Ok(Drive::Stuck(problem)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(problem.code, "job-failed");
    let job = ObjectRef::namespaced(resource("Job"), "shop", "import");
    world.with_store(|store| store.remove(&job));
    assert_eq!(recovery.resume(), COMPLETED);
    assert_eq!(creations(world), 2);
}

/// What is at the target under the name of a Job that has ended is nobody's business, whatever becomes of the rest.
#[test]
fn a_failed_job_at_the_target_is_left_alone_whatever_is_asked_for_the_rest() {
    let sealed = sealed();
    for existing in [Existing::Skip, Existing::Update, Existing::Replace] {
        let world = target_with(|store| {
            put(store, "Namespace", "shop", json!({}));
            put(store, "Job", "migrate", job("other", &json!({}), &failed()));
        });
        let migrate = ObjectRef::namespaced(resource("Job"), "shop", "migrate");
        let before = world.with_store(|store| store.get(&migrate).cloned());
        let planned = planned(&sealed, &world, |goal| goal.existing = existing);
        let (recovery, _) = recovery(world, planned);
        assert_eq!(recovery.drive(), COMPLETED, "{existing:?}");
        let after = recovery
            .world
            .with_store(|store| store.get(&migrate).cloned());
        assert!(before.is_some(), "{existing:?}");
        assert_eq!(before, after, "{existing:?}");
    }
}

/// A hook or a gate that is run in a pod has nothing to run in when the pod has ended: such pods do not come back.
#[test]
fn a_pod_that_has_ended_does_not_come_back() {
    let sealed = sealed();
    let world = target_with(|_| ());
    let planned = planned(&sealed, &world, |_| ());
    let (recovery, left_out) = recovery(world, planned);
    assert_eq!(recovery.drive(), COMPLETED);
    none_of(&recovery, &[("Pod", "once"), ("Pod", "evicted")]);
    let told = left_out
        .iter()
        .filter(|one| one.why == "a Pod that has ended");
    assert_eq!(told.count(), 2);
}

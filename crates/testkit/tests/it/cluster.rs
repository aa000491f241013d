//! The simulated cluster's own processes, by themselves and when they make it hard for a recovery.

use refloat_core::driver::ObjectRef;
use refloat_core::world::World as _;
use refloat_testkit::sim::server::{Request, Trouble, Verb};
use refloat_testkit::sim::{SimWorld, resource};
use serde_json::{Value, json};

use crate::driving::leftovers;
use crate::ledger;
use crate::recovery::{COMPLETED, Recovery, sealed};

fn in_shop(kind: &str, name: &str) -> ObjectRef {
    ObjectRef::namespaced(resource(kind), "shop", name)
}

fn object(world: &SimWorld, object: &ObjectRef) -> Option<Value> {
    world.with_store(|store| store.get(object).cloned())
}

#[test]
fn a_recovery_succeeds_while_caches_of_controllers_lag() {
    let sealed = sealed();
    for steps in [1, 2, 3, 7] {
        let recovery = Recovery::of(&sealed);
        recovery.world.with_store(|store| store.lag(steps));
        assert_eq!(recovery.drive(), COMPLETED, "{steps} steps");
        recovery.world.settle(30);
        assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    }
}

#[test]
fn a_lagging_cache_delays_what_a_controller_does() {
    let world = ledger::pair();
    let set = in_shop("StatefulSet", "db");
    let pod = in_shop("Pod", "db-2");
    world.with_store(|store| {
        store.lag(4);
        store.change(&set, &json!({ "spec": { "replicas": 3 } }));
    });
    world.settle(4);
    assert_eq!(object(&world, &pod), None, "not seen yet");
    world.settle(10);
    assert!(object(&world, &pod).is_some());
}

#[test]
fn a_claim_for_which_the_binder_lost_a_race_is_woken_by_a_touch() {
    let sealed = sealed();
    let seconds = |races: usize| {
        let recovery = Recovery::of(&sealed);
        recovery.world.with_store(|store| store.lost_races = races);
        let begun = recovery.world.now();
        assert_eq!(recovery.drive(), COMPLETED);
        let claim = recovery
            .object("PersistentVolumeClaim", "data-db-0")
            .unwrap();
        let nudged = claim["metadata"]["annotations"]
            .get("refloat.io/nudged")
            .is_some();
        assert_eq!(nudged, races > 0, "nudged");
        recovery.world.now().duration_since(begun).as_secs()
    };
    let (undisturbed, disturbed) = (seconds(0), seconds(1));
    assert!(
        disturbed < undisturbed + 10,
        "{disturbed} s, else {undisturbed} s"
    );
}

#[test]
fn a_class_that_waits_for_a_pod_is_served_by_the_movers_pod() {
    let recovery = Recovery::of(&sealed());
    let class = ObjectRef::cluster(resource("StorageClass"), "btrfs");
    let waits = json!({ "volumeBindingMode": "WaitForFirstConsumer" });
    recovery
        .world
        .with_store(|store| store.change(&class, &waits));
    assert_eq!(recovery.drive(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    // Without a pod nothing is provisioned.
    let place = in_shop("PersistentVolumeClaim", "lonely");
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "lonely", "namespace": "shop" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    recovery
        .world
        .with_store(|store| store.seed(&place.resource, claim));
    recovery.world.settle(10);
    let lonely = object(&recovery.world, &place).unwrap();
    assert_eq!(lonely["status"]["phase"], "Pending");
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let sealed = sealed();
    for (code, done) in [
        (429, false),
        (500, false),
        (504, true),
        (0, false),
        (0, true),
    ] {
        for verb in [
            None,
            Some(Verb::Get),
            Some(Verb::Create),
            Some(Verb::MergePatch),
        ] {
            let recovery = Recovery::of(&sealed);
            let trouble = Trouble {
                verb,
                times: 5,
                code,
                done,
            };
            recovery
                .world
                .with_store(|store| store.trouble(trouble.clone()));
            assert_eq!(recovery.drive(), COMPLETED, "{trouble:?}");
            assert_eq!(
                leftovers(&recovery.world),
                Vec::<String>::new(),
                "{trouble:?}"
            );
        }
    }
}

#[test]
fn pods_of_a_stateful_set_come_in_order() {
    let world = ledger::pair();
    let set = in_shop("StatefulSet", "db");
    let template = json!({ "spec": { "replicas": 4, "template": { "metadata": {
        "annotations": { "sim.refloat.io/starts": "3" },
    } } } });
    world.with_store(|store| store.change(&set, &template));
    let exists = |ordinal: u32| object(&world, &in_shop("Pod", &format!("db-{ordinal}"))).is_some();
    world.settle(5);
    assert!(exists(2) && !exists(3), "the third starts first");
    world.settle(30);
    assert!(exists(3));
    world.with_store(|store| store.change(&set, &json!({ "spec": { "replicas": 1 } })));
    world.settle(10);
    assert!(exists(0) && !exists(1) && !exists(2) && !exists(3));
    let claim = object(&world, &in_shop("PersistentVolumeClaim", "data-db-3"));
    assert!(claim.is_some(), "claims stay");
}

#[test]
fn a_webhook_answers_once_pods_are_behind_its_service() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(10);
    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "hook" },
        "webhooks": [{
            "name": "hook.example.com",
            "clientConfig": { "service": { "namespace": "shop", "name": "web" } },
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["secrets"],
            }],
        }],
    });
    let create = |name: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": name, "namespace": "shop" },
        });
        let request = Request::on_kind(Verb::Create, &resource("Secret"), Some("shop"));
        recovery
            .world
            .with_store(|store| store.call(&request.sending(secret)).code)
    };
    recovery
        .world
        .with_store(|store| store.seed(&resource("ValidatingWebhookConfiguration"), hook));
    assert_eq!(create("while-it-answers"), 201);
    let web = in_shop("Deployment", "web");
    let none = json!({ "spec": { "replicas": 0 } });
    recovery.world.with_store(|store| store.change(&web, &none));
    recovery.world.settle(10);
    assert_eq!(create("while-nobody-is-there"), 500);
    let one = json!({ "spec": { "replicas": 1 } });
    recovery.world.with_store(|store| store.change(&web, &one));
    recovery.world.settle(10);
    assert_eq!(create("once-it-is-back"), 201);
}

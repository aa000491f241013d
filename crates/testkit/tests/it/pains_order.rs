//! What users of other tools suffer from the order of a restore: operators, their webhooks, what operators make themselves.
//!
//! `docs/src/reference/pains.md` says which pain each test is about. The operators are stand-ins which behave as the reports say.

use std::cell::RefCell;

use refloat_core::backup::{self, Mode};
use refloat_core::drive::Drive;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use refloat_core::plan::{Planned, plan};
use refloat_core::recovery::Existing;
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Fault, SimWorld, Store, resource};
use serde_json::{Value, json};

use crate::driving::{drive, leftovers};
use crate::recovery::{COMPLETED, Recovery};
use crate::shop;
use crate::site::{self, Sealed};

const HOOK: &str = "ValidatingWebhookConfiguration";

fn tiers() -> Resource {
    Resource::namespaced("shop.example.com/v1", "Tier", "tiers")
}

fn tier(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "shop.example.com/v1", "kind": "Tier",
        "metadata": { "name": name, "namespace": "shop" }, "spec": spec,
    })
}

/// The shop's operator has a webhook for all of its kinds and a second kind, of which it makes one object itself.
fn guarded(store: &mut Store, refusals: &Value) {
    let selector = json!({ "app": "cache-operator" });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "cache-operator", "namespace": "shop" },
        "spec": { "selector": selector, "ports": [{ "port": 443 }] },
    });
    store.seed(&resource("Service"), service);
    let rules = json!([{
        "apiGroups": ["shop.example.com"], "resources": ["caches", "caches/status", "tiers"],
        "verbs": ["get", "list", "watch", "create", "update", "patch"],
    }]);
    let role = ObjectRef::namespaced(resource("Role"), "shop", "cache-operator");
    store.change(&role, &json!({ "rules": rules }));
    let made = json!({ "public": { "priority": 10, "title": "as the operator says" } });
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "tiers.shop.example.com", "annotations": {
            "sim.refloat.io/operator": "shop/cache-operator", "sim.refloat.io/makes": made.to_string(),
        } },
        "spec": {
            "group": "shop.example.com", "scope": "Namespaced", "names": { "kind": "Tier", "plural": "tiers" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} }, "schema": schema }],
        },
    });
    store.seed(&resource("CustomResourceDefinition"), definition);
    store.seed(
        &tiers(),
        tier(
            "public",
            &json!({ "priority": 10, "title": "as a user says" }),
        ),
    );
    store.seed(
        &tiers(),
        tier(
            "rare",
            &json!({ "priority": 20, "title": "as a user says" }),
        ),
    );
    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": HOOK,
        "metadata": { "name": "cache-operator", "annotations": refusals },
        "webhooks": [{
            "name": "all.shop.example.com", "failurePolicy": "Fail",
            "clientConfig": { "caBundle": "eA==", "service": { "namespace": "shop", "name": "cache-operator" } },
            "rules": [{
                "apiGroups": ["shop.example.com"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                "resources": ["caches", "tiers"],
            }],
        }],
    });
    store.seed(&resource(HOOK), hook);
}

fn sealed_with(refusals: &Value) -> Sealed {
    let world = site::source();
    world.with_store(|store| guarded(store, refusals));
    world.settle(40);
    site::sealed(&world)
}

/// As Antrea does: a tier of a priority that is taken is refused.
fn overlapping() -> Sealed {
    sealed_with(&json!({ "sim.refloat.io/unique": "/spec/priority" }))
}

fn refusals(world: &SimWorld) -> Vec<String> {
    world.with_store(|store| store.refusals.clone())
}

fn at(history: &[String], start: &str) -> usize {
    history
        .iter()
        .position(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("no `{start}` in {history:#?}"))
}

#[test]
fn a_webhook_is_not_asked_before_its_operator_answers() {
    let recovery = Recovery::of(&overlapping());
    assert_eq!(recovery.drive(), COMPLETED);
    let history = recovery.world.history.borrow().clone();
    let order = [
        "established CustomResourceDefinition.apiextensions.k8s.io tiers.shop.example.com",
        "create Deployment shop/cache-operator",
        "ready Deployment.apps shop/cache-operator",
        "create ValidatingWebhookConfiguration cache-operator",
    ];
    for pair in order.windows(2) {
        let (first, second) = (at(&history, pair[0]), at(&history, pair[1]));
        assert!(first < second, "{} < {}: {history:#?}", pair[0], pair[1]);
    }
    for kind in ["create Tier shop/rare", "create Cache shop/sessions"] {
        assert!(at(&history, order[2]) < at(&history, kind), "{history:#?}");
    }
    assert_eq!(refusals(&recovery.world), Vec::<String>::new());
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
}

#[test]
fn what_an_operator_makes_first_gets_the_users_content() {
    let recovery = Recovery::of(&overlapping());
    assert_eq!(recovery.drive(), COMPLETED);
    let public = recovery.object("Tier", "public").unwrap();
    assert_eq!(public["spec"]["title"], "as a user says");
    let made = |line: &String| line.starts_with("create Tier shop/public");
    let history = recovery.world.history.borrow();
    assert!(
        !history.iter().any(made),
        "the operator was first: {history:#?}"
    );
    assert_eq!(refusals(&recovery.world), Vec::<String>::new());
}

#[test]
fn what_an_operator_makes_first_gets_the_users_content_whenever_the_engine_dies() {
    let sealed = overlapping();
    let mut places = 0;
    for place in 1.. {
        let recovery = Recovery::of(&sealed);
        recovery.world.plan_fault(Some(Fault::CrashAfter(place)));
        let end = recovery.drive();
        if !recovery.world.is_dead() {
            assert_eq!(end, COMPLETED);
            break;
        }
        places = place;
        assert_eq!(recovery.resume(), COMPLETED, "{place}");
        let public = recovery.object("Tier", "public").unwrap();
        assert_eq!(public["spec"]["title"], "as a user says", "{place}");
        assert_eq!(refusals(&recovery.world), Vec::<String>::new(), "{place}");
    }
    assert!(places >= 28, "only {places} effects");
}

#[test]
fn an_operator_that_is_quicker_than_the_create_is_no_obstacle() {
    let recovery = Recovery::of(&overlapping());
    let made = tier(
        "rare",
        &json!({ "priority": 20, "title": "as the operator says" }),
    );
    recovery.world.with_store(|store| {
        store.overtaken = Some(("create Tier shop/rare".to_owned(), tiers(), made));
    });
    assert_eq!(recovery.drive(), COMPLETED);
    let refused = refusals(&recovery.world);
    assert_eq!(
        refused,
        ["create Tier.shop.example.com shop/rare: admission-denied"]
    );
    let rare = recovery.object("Tier", "rare").unwrap();
    assert_eq!(rare["spec"]["title"], "as a user says");
}

fn planned(
    sealed: &Sealed,
    world: &SimWorld,
    patch: Option<&Value>,
    existing: Existing,
) -> Planned {
    let mut goal = site::goal(if patch.is_some() {
        "restore-2"
    } else {
        "restore-1"
    });
    goal.existing = existing;
    if let Some(patch) = patch {
        goal.mappings.patches = serde_json::from_value(json!([patch])).unwrap();
    }
    plan(
        "shop/1",
        &sealed.point,
        &sealed.objects,
        &world.inventory(),
        &goal,
    )
    .unwrap()
}

/// A catalog resolves what a user ordered and writes it into the order, which it then takes from nobody else.
#[test]
fn a_field_that_is_valid_only_later_is_named_and_a_patch_leaves_it_out() {
    let sealed = sealed_with(&json!({ "sim.refloat.io/only-later": "/spec/size" }));
    let world = site::target();
    let first = planned(&sealed, &world, None, Existing::Fail);
    let Ok(Drive::Stuck(problem)) = drive(&world, &first.plan, &RefCell::default()) else {
        panic!("it was let in");
    };
    assert_eq!(problem.code, "admission-denied");
    for words in [
        "Cache shop/sessions",
        "spec.size: Forbidden",
        "all.shop.example.com",
    ] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
    let patch = json!({
        "target": { "kind": "Cache", "name": "sessions" }, "type": "merge", "patch": { "spec": { "size": null } },
    });
    let second = planned(&sealed, &world, Some(&patch), Existing::Skip);
    assert_eq!(drive(&world, &second.plan, &RefCell::default()), COMPLETED);
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

/// Pods and Jobs of an operator's are left to it: neither stale ones nor doubled ones come back.
#[test]
fn what_an_operator_made_is_made_by_it_anew_and_never_twice() {
    let world = site::source();
    world.with_store(|store| {
        let cache = store
            .iter()
            .find(|(one, _)| one.resource.kind == "Cache")
            .map(|(_, live)| live.clone())
            .unwrap();
        let owner = json!([{
            "apiVersion": cache["apiVersion"], "kind": "Cache", "name": "sessions",
            "uid": cache["metadata"]["uid"], "controller": true,
        }]);
        let spec = json!({ "containers": [{ "name": "main", "image": "any:1" }], "restartPolicy": "Never" });
        let meta = |name: &str| json!({ "name": name, "namespace": "shop", "ownerReferences": owner });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": meta("sessions-1"), "spec": spec,
            "status": { "phase": "Running", "initContainerStatuses": [{ "name": "init", "ready": false }] } });
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": meta("sessions-1-initdb"),
            "spec": { "template": { "spec": spec } }, "status": { "active": 1 } });
        store.seed(&resource("Pod"), pod);
        store.seed(&resource("Job"), job);
    });
    let recovery = Recovery::of(&site::sealed(&world));
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(10);
    for (kind, name) in [("Pod", "sessions-1"), ("Job", "sessions-1-initdb")] {
        assert_eq!(
            recovery.object(kind, name),
            None,
            "{kind} is its operator's"
        );
    }
    let uid =
        |kind: &str, name: &str| recovery.object(kind, name).unwrap()["metadata"]["uid"].clone();
    let rendered = recovery.object("ConfigMap", "sessions-rendered").unwrap();
    assert_eq!(
        rendered["metadata"]["ownerReferences"][0]["uid"],
        uid("Cache", "sessions")
    );
    let cache = recovery.object("Cache", "sessions").unwrap();
    assert_eq!(cache["status"]["conditions"][0]["type"], "Ready", "adopted");
}

/// What the shop's operator crashes without, at each start.
const NEEDED: [&str; 5] = [
    "ServiceAccount shop/cache-operator",
    "Role.rbac.authorization.k8s.io shop/cache-operator",
    "RoleBinding.rbac.authorization.k8s.io shop/cache-operator",
    "CustomResourceDefinition.apiextensions.k8s.io caches.shop.example.com",
    "CustomResourceDefinition.apiextensions.k8s.io tiers.shop.example.com",
];

/// An operator that starts without its rights or its definitions crashes, and again at each start.
#[test]
fn an_operator_starts_once_and_not_before_what_it_needs() {
    let world = site::source();
    let operator = ObjectRef::namespaced(resource("Deployment"), "shop", "cache-operator");
    let crashes = json!({
        "sim.refloat.io/crashes-without": json!(NEEDED).to_string(), "sim.refloat.io/starts": "0",
    });
    let template = json!({ "template": { "metadata": { "annotations": crashes } } });
    world.with_store(|store| {
        guarded(store, &json!({}));
        store.change(&operator, &json!({ "spec": template }));
        for name in ["caches", "tiers"] {
            let name = format!("{name}.shop.example.com");
            let definition = ObjectRef::cluster(resource("CustomResourceDefinition"), &name);
            let slow = json!({ "annotations": { "sim.refloat.io/starts": "8" } });
            store.change(&definition, &json!({ "metadata": slow }));
        }
    });
    world.settle(40);
    let mut recovery = Recovery::of(&site::sealed(&world));
    // The operator is the first that may begin, so that nothing but its edges holds it back.
    recovery
        .plan
        .steps
        .sort_by_key(|step| !step.id.contains("Deployment.apps shop/cache-operator"));
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(20);
    let history = recovery.world.history.borrow().clone();
    let of_operator = |line: &&String| line.contains(" shop/cache-operator");
    let told = |start: &str| {
        let lines = history.iter().filter(of_operator);
        lines.filter(|line| line.starts_with(start)).count()
    };
    assert_eq!(told("create Deployment "), 1, "{history:#?}");
    assert_eq!(told("crashed Pod "), 0, "{history:#?}");
    assert_eq!(told("refused Pod "), 0, "{history:#?}");
    let start = at(&history, "create Deployment shop/cache-operator");
    for line in [
        "create ServiceAccount shop/cache-operator",
        "create Role shop/cache-operator",
        "create RoleBinding shop/cache-operator",
        "established CustomResourceDefinition.apiextensions.k8s.io caches.shop.example.com",
        "established CustomResourceDefinition.apiextensions.k8s.io tiers.shop.example.com",
    ] {
        assert!(at(&history, line) < start, "{line}: {history:#?}");
    }
    let id = "write Deployment.apps shop/cache-operator";
    let mut steps = recovery.plan.steps.iter();
    let needs = &steps.find(|step| step.id == id).unwrap().needs;
    // A binding waits for its role.
    for id in NEEDED.iter().filter(|id| !id.starts_with("Role.")) {
        let on = format!("write {id}");
        assert!(needs.iter().any(|edge| edge.on == on), "{id}: {needs:?}");
    }
    let set = recovery
        .object("ReplicaSet", "cache-operator-5d9f")
        .unwrap();
    assert_eq!(set["metadata"]["generation"], 1, "it is rolled out anew");
    let inventory = recovery.world.inventory();
    let pods = inventory.of_kind("", "Pod");
    let restarts: Vec<_> = pods
        .filter(|pod| pod.name().starts_with("cache-operator-"))
        .map(|pod| pod.at("/status/containerStatuses/0/restartCount").cloned())
        .collect();
    assert_eq!(restarts, [Some(json!(0).into())], "one pod, started once");
}

/// The shop whose operator runs a server for each of its resources, on a claim that it makes when it finds none.
fn with_servers() -> SimWorld {
    let world = site::source();
    let spec = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
        "resources": { "requests": { "storage": "1Gi" } },
    });
    let definition = ObjectRef::cluster(
        resource("CustomResourceDefinition"),
        "caches.shop.example.com",
    );
    let runs =
        json!({ "metadata": { "annotations": { "sim.refloat.io/runs-on": spec.to_string() } } });
    let cache = ObjectRef::namespaced(site::caches(), "shop", "sessions");
    world.with_store(|store| {
        store.change(&definition, &runs);
        store.change(&cache, &json!({ "status": null }));
    });
    world.settle(40);
    world
}

/// Whether a copy of some server's files, taken while it runs, can be started again nobody knows who does not know the server.
#[test]
fn a_copy_that_may_not_start_again_is_not_taken_unasked() {
    let world = with_servers();
    let inventory = world.inventory();
    let problems = backup::plan(&inventory, &shop::goal("backup-1"), CATALOGUE).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(problem.code, "mode-too-weak");
    for words in ["shop/sessions-1", "no driver knows the application"] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
}

/// An operator that makes an empty volume where it finds none: its resource comes when the volume that it owned is there.
#[test]
fn an_operator_finds_the_filled_volume_and_makes_no_empty_one() {
    let world = with_servers();
    let recovery = Recovery::of(&site::sealed_at_least(&world, Mode::Crash));
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(20);
    let pod = recovery.object("Pod", "sessions-1").unwrap();
    assert_eq!(pod["status"]["phase"], "Running");
    let claim = recovery
        .object("PersistentVolumeClaim", "sessions-1")
        .unwrap();
    let volume = claim["spec"]["volumeName"].as_str().unwrap();
    let volume = recovery.object("PersistentVolume", volume).unwrap();
    let data = &volume["metadata"]["annotations"]["sim.refloat.io/data"];
    assert_eq!(data, "7000000000000000001", "the data of the source");
}

//! What a protection reaches: which things of the cluster are its own, and what its owners make anew.

mod flux;
mod inside;

use serde_json::{Value, json};

use super::{Inventory, Resource, Thing, ThingId, fold_answer, scope};

fn thing(resource: Resource, namespace: Option<&str>, name: &str, body: &Value) -> Thing {
    let mut object = json!({
        "apiVersion": resource.api_version(), "kind": resource.kind, "metadata": { "name": name, "uid": name },
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        match key.as_str() {
            "owners" => object["metadata"]["ownerReferences"] = value.clone(),
            _ => object[key] = value.clone(),
        }
    }
    Thing::new(resource, object).unwrap()
}

#[test]
fn an_api_is_owned_when_a_protected_service_answers_it() {
    let api = |name: &str, service: &Value| {
        let resource = Resource::cluster("apiregistration.k8s.io/v1", "APIService", "apiservices");
        let body = json!({ "spec": { "service": service } });
        thing(resource, None, name, &body)
    };
    let inventory = Inventory::of([
        api("ours", &json!({ "namespace": "shop", "name": "metrics" })),
        api(
            "theirs",
            &json!({ "namespace": "other", "name": "metrics" }),
        ),
        api("of-a-definition", &Value::Null),
        api("broken", &json!({ "namespace": 7 })),
    ]);
    let owned = scope(&inventory, &["shop".to_owned()]).owned;
    let ours = ThingId::cluster("apiregistration.k8s.io", "APIService", "ours");
    assert_eq!(owned, [ours]);
}

#[test]
fn what_an_owner_makes_anew_is_left_out_only_while_that_owner_is_there() {
    let config = |name: &str, uid: &Value| {
        let resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
        let body = json!({ "owners": [{ "kind": "Maker", "name": "m", "uid": uid }] });
        thing(resource, Some("shop"), name, &body)
    };
    let maker = Resource::namespaced("example.com/v1", "Maker", "makers");
    let inventory = Inventory::of([
        thing(maker, Some("shop"), "maker-uid", &json!({})),
        config("made", &json!("maker-uid")),
        config("orphan", &json!("gone")),
        config("broken", &json!(7)),
    ]);
    let scope = scope(&inventory, &["shop".to_owned()]);
    let left_out: Vec<&str> = scope
        .left_out
        .iter()
        .map(|one| one.thing.name.as_str())
        .collect();
    assert_eq!(left_out, ["made"]);
    assert_eq!(scope.carried.len(), 3);
}

#[test]
fn a_job_that_has_ended_is_left_out_however_it_ended() {
    let job = |name: &str, status: &Value| {
        let resource = Resource::namespaced("batch/v1", "Job", "jobs");
        thing(resource, Some("shop"), name, &json!({ "status": status }))
    };
    let told =
        |kind: &str, status: &str| json!({ "conditions": [{ "type": kind, "status": status }] });
    let inventory = Inventory::of([
        job(
            "finished",
            &json!({ "completionTime": "2026-01-01T00:00:00Z" }),
        ),
        job("complete", &told("Complete", "True")),
        job("nearly-complete", &told("SuccessCriteriaMet", "True")),
        job("failed", &told("Failed", "True")),
        job("nearly-failed", &told("FailureTarget", "True")),
        job("not-failed", &told("Failed", "False")),
        job("suspended", &told("Suspended", "True")),
        job("running", &json!({ "active": 1, "completionTime": null })),
        job("new", &Value::Null),
        job("broken", &json!({ "conditions": 7 })),
    ]);
    let scope = scope(&inventory, &["shop".to_owned()]);
    let left_out: Vec<(&str, bool)> = scope
        .left_out
        .iter()
        .map(|one| (one.thing.name.as_str(), one.why.contains("has failed")))
        .collect();
    let expected = [
        ("complete", false),
        ("failed", true),
        ("finished", false),
        ("nearly-complete", false),
        ("nearly-failed", true),
    ];
    assert_eq!(left_out, expected);
    assert_eq!(scope.carried.len(), 5);
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// A binding of a role to subjects, each `kind namespace name`; `-` for none.
fn binding(name: &str, namespace: Option<&str>, role: &str, subjects: &[&str]) -> Thing {
    let api = format!("{RBAC}/v1");
    let resource = match namespace {
        Some(_) => Resource::namespaced(&api, "RoleBinding", "rolebindings"),
        None => Resource::cluster(&api, "ClusterRoleBinding", "clusterrolebindings"),
    };
    let subjects: Vec<Value> = subjects
        .iter()
        .map(|subject| {
            let words: Vec<&str> = subject.split(' ').collect();
            let mut made = json!({ "kind": words[0], "name": words[2] });
            if words[1] != "-" {
                made["namespace"] = json!(words[1]);
            }
            made
        })
        .collect();
    let role = json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": role });
    thing(
        resource,
        namespace,
        name,
        &json!({ "roleRef": role, "subjects": subjects }),
    )
}

/// Roles and bindings, of the shop, of others and of both.
fn rights() -> Inventory {
    let role = |name: &str| {
        let api = format!("{RBAC}/v1");
        let resource = Resource::cluster(&api, "ClusterRole", "clusterroles");
        thing(resource, None, name, &json!({ "rules": [] }))
    };
    Inventory::of([
        role("own"),
        role("mixed"),
        role("elsewhere"),
        role("bound-in-two"),
        role("foreign"),
        binding(
            "own",
            None,
            "own",
            &[
                "ServiceAccount shop web",
                "Group - system:serviceaccounts:shop",
            ],
        ),
        binding(
            "as-user",
            None,
            "own",
            &["User - system:serviceaccount:shop:web"],
        ),
        binding(
            "mixed",
            None,
            "mixed",
            &["ServiceAccount shop web", "ServiceAccount other web"],
        ),
        binding(
            "inside",
            Some("shop"),
            "elsewhere",
            &["ServiceAccount shop web"],
        ),
        binding(
            "by-others",
            None,
            "elsewhere",
            &["Group - system:serviceaccounts:other"],
        ),
        binding(
            "inside-two",
            Some("shop"),
            "bound-in-two",
            &["ServiceAccount shop web"],
        ),
        binding(
            "outside-two",
            Some("other"),
            "bound-in-two",
            &["ServiceAccount other web"],
        ),
        binding(
            "foreign",
            None,
            "foreign",
            &["User - alice", "Group - system:masters"],
        ),
        binding("nobody", None, "foreign", &[]),
    ])
}

#[test]
fn rights_that_are_shared_are_required_and_rights_of_ones_own_are_owned() {
    let inventory = rights();
    let scope = scope(&inventory, &["shop".to_owned()]);
    let names = |things: &mut dyn Iterator<Item = &ThingId>| -> Vec<String> {
        let mut names: Vec<String> = things
            .map(|id| format!("{} {}", id.kind, id.name))
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names(&mut scope.owned.iter()),
        [
            "ClusterRole own",
            "ClusterRoleBinding as-user",
            "ClusterRoleBinding own"
        ]
    );
    assert_eq!(
        names(&mut scope.required.iter().map(|one| &one.thing)),
        [
            "ClusterRole bound-in-two",
            "ClusterRole elsewhere",
            "ClusterRole mixed",
            "ClusterRoleBinding mixed"
        ]
    );
}

#[test]
fn the_value_at_a_pointer_is_found_with_and_without_escapes() {
    let resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
    let body = json!({ "spec": { "a/b": 1, "list": [{ "name": "x" }] } });
    let thing = thing(resource, Some("shop"), "one", &body);
    assert_eq!(thing.at("/spec/a~1b"), Some(&json!(1).into()));
    assert_eq!(thing.text("/spec/list/0/name"), Some("x"));
    for nothing in [
        "/spec/list/1/name",
        "/spec/list/x",
        "/spec/list/0/name/more",
        "/none",
    ] {
        assert_eq!(thing.at(nothing), None, "{nothing}");
    }
}

#[test]
fn things_of_a_kind_are_found_and_no_namesakes() {
    let thing = |group_version: &str, kind: &str| {
        let resource = Resource::namespaced(group_version, kind, "things");
        let object = json!({ "metadata": { "name": "one", "namespace": "shop" } });
        Thing::new(resource, object).unwrap()
    };
    let inventory = Inventory::of([
        thing("v1", "Service"),
        thing("v1", "ServiceAccount"),
        thing("serving.knative.dev/v1", "Service"),
        thing("serving.knative.dev.example.com/v1", "Service"),
    ]);
    for (group, kind) in [("", "Service"), ("serving.knative.dev", "Service")] {
        let found: Vec<ThingId> = inventory.of_kind(group, kind).map(Thing::id).collect();
        assert_eq!(found, [ThingId::namespaced(group, kind, "shop", "one")]);
    }
    assert_eq!(inventory.of_kind("", "Servic").count(), 0);
}

fn owned(kind: &str, name: &str, owner: &str, body: &Value) -> Thing {
    let resource = match kind {
        "StatefulSet" => Resource::namespaced("apps/v1", kind, "statefulsets"),
        _ => Resource::namespaced("v1", kind, "things"),
    };
    let mut body = body.clone();
    body["owners"] = json!([
        { "kind": "Bystander", "name": "b", "uid": "none" },
        { "kind": "Any", "name": owner, "uid": owner, "controller": true },
    ]);
    thing(resource, Some("shop"), name, &body)
}

#[test]
fn a_secret_of_an_operator_comes_back_and_what_it_makes_else_does_not() {
    let databases = || Resource::namespaced("example.com/v1", "Database", "databases");
    let tenants = Resource::cluster("example.com/v1", "Tenant", "tenants");
    let ignored = json!({ "metadata": { "name": "ignored", "uid": "ignored", "namespace": "shop",
        "annotations": { "meta.refloat.io/ignore": "" } } });
    let none = json!({});
    let inventory = Inventory::of([
        thing(databases(), Some("shop"), "db", &none),
        thing(databases(), Some("shop"), "ignored", &ignored),
        thing(tenants, None, "tenant", &none),
        owned("StatefulSet", "set", "db", &none),
        owned("Secret", "password", "db", &none),
        owned("Secret", "of-its-set", "set", &none),
        owned("Secret", "of-a-tenant", "tenant", &none),
        owned("Secret", "of-the-ignored", "ignored", &none),
        owned(
            "Secret",
            "token",
            "db",
            &json!({ "type": "kubernetes.io/service-account-token" }),
        ),
        owned("ConfigMap", "rendered", "db", &none),
        thing(
            Resource::namespaced("apps/v1", "StatefulSet", "statefulsets"),
            Some("shop"),
            "plain",
            &none,
        ),
        owned("Secret", "of-a-plain-set", "plain", &none),
    ]);
    let scope = scope(&inventory, &["shop".to_owned()]);
    let carried: Vec<&str> = scope.carried.iter().map(|id| id.name.as_str()).collect();
    assert_eq!(
        carried,
        ["of-a-tenant", "of-its-set", "password", "plain", "db"]
    );
    let why = |name: &str| {
        let mut all = scope.left_out.iter();
        let one = all.find(|one| one.thing.name == name).unwrap();
        one.why.as_str()
    };
    assert_eq!(why("of-the-ignored"), "made by its owner Any ignored");
    assert_eq!(why("of-a-plain-set"), "made by its owner Any plain");
    assert_eq!(why("rendered"), "made by its owner Any db");
    assert_eq!(why("token"), "a token of the old cluster");
}

#[test]
fn fields_of_managers_are_kept_as_text_and_stored_as_they_were() {
    let resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
    let fields = json!({ "f:data": { ".": {}, "f:a": {} } });
    let entry =
        |fields: Value| json!({ "manager": "helm", "operation": "Update", "fieldsV1": fields });
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "one", "namespace": "shop", "managedFields": [
            entry(fields.clone()), entry(json!("no fields")), entry(json!("7")), json!({ "manager": "none" }),
        ] },
    });
    let inventory = Inventory::of(Thing::new(resource, object.clone()));
    let kept = inventory.iter().next().unwrap();
    let of = |place: usize| kept.at(&format!("/metadata/managedFields/{place}/fieldsV1"));
    assert_eq!(of(0), Some(&json!(fields.to_string()).into()));
    assert_eq!(of(1), Some(&json!("no fields").into()));
    assert_eq!(kept.as_read(), object);
    let mut answer = object.clone();
    fold_answer(&mut answer);
    assert_eq!(kept.object, crate::json::Json::from(answer));
    let mut stored = crate::backup::pack(inventory.into_things(), "v1.34.4");
    let stored = stored.find(|file| file.path.ends_with(".volatile.jsonl"));
    let text = String::from_utf8(stored.unwrap().bytes).unwrap();
    assert!(text.contains(r#""fieldsV1":{"f:data""#), "{text}");
}

#[test]
fn many_things_at_once_are_in_the_order_of_one_by_one_and_the_later_stays() {
    let secret = |name: &str, kind: &str| {
        let resource = Resource::namespaced("v1", "Secret", "secrets");
        thing(resource, Some("shop"), name, &json!({ "type": kind }))
    };
    let all = [
        secret("b", "first"),
        secret("a", "first"),
        secret("b", "second"),
        secret("c", "first"),
    ];
    let more = [secret("d", "first"), secret("a", "second")];
    let mut one_by_one = Inventory::default();
    for thing in all.iter().chain(&more) {
        one_by_one.insert(thing.clone());
    }
    let mut at_once = Inventory::of(all);
    at_once.extend(more);
    assert_eq!(at_once, one_by_one);
    let types: Vec<Option<&str>> = at_once.iter().map(|thing| thing.text("/type")).collect();
    let wanted = ["second", "second", "first", "first"];
    assert_eq!(types, wanted.map(Some));
}

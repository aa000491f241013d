//! Which writes are tried at the target, and in what guise.

use serde_json::{Value, json};

use super::facts::{Facts, nothing};
use super::fixture::{Case, case, resource, thing};
use crate::inventory::ThingId;
use crate::json::Json;
use crate::plan::{Rehearsal, Trial};

fn tried(case: &Case) -> Vec<Rehearsal> {
    case.rehearsals(1_000).tried
}

fn find<'a>(tried: &'a [Rehearsal], name: &str) -> &'a Rehearsal {
    let found = tried.iter().find(|one| one.thing.to_string() == name);
    found.unwrap_or_else(|| panic!("{name} is not tried"))
}

#[test]
fn what_goes_into_a_namespace_that_is_not_there_is_tried_in_one_that_is() {
    let mut case = case();
    let all = tried(&case);
    assert_eq!(
        find(&all, "Secret shop/database").object["metadata"]["namespace"],
        "default"
    );
    assert_eq!(find(&all, "Secret shop/database").trial, Trial::StandIn);
    assert_eq!(find(&all, "Namespace shop").trial, Trial::Object);
    assert!(all.iter().all(|one| one.trial != Trial::Pod));
    case.target
        .insert(thing("Namespace", "refloat-system", &json!({})));
    let all = tried(&case);
    assert_eq!(
        find(&all, "Secret shop/database").object["metadata"]["namespace"],
        "refloat-system"
    );
    case.target.insert(thing("Namespace", "shop", &json!({})));
    let all = tried(&case);
    let secret = find(&all, "Secret shop/database");
    assert_eq!(
        (secret.trial, &secret.object["metadata"]["namespace"]),
        (Trial::Object, &Json::from(json!("shop")))
    );
    assert!(
        all.iter().all(|one| one.thing.kind != "Namespace"),
        "it is there"
    );
    let mut going = thing("Namespace", "shop", &json!({}));
    going.edit(|it| it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    case.target.insert(going);
    case.target.insert(thing("Secret", "database", &json!({})));
    let all = tried(&case);
    assert_eq!(
        find(&all, "Secret shop/database").trial,
        Trial::StandIn,
        "it goes with its namespace"
    );
}

#[test]
fn pods_are_tried_without_what_comes_only_with_the_recovery() {
    let mut case = case();
    case.target.insert(thing("Namespace", "shop", &json!({})));
    let db = ThingId::namespaced("apps", "StatefulSet", "shop", "db");
    let mut changed = case.objects.get(&db).unwrap().clone();
    changed.edit(|it| it["spec"]["template"]["spec"] = json!({
        "serviceAccountName": "db", "priorityClassName": "high", "containers": [{ "name": "db" }],
        "volumes": [{ "name": "other" }],
    }));
    case.objects.insert(changed);
    let all = tried(&case);
    let pods: Vec<&Rehearsal> = all.iter().filter(|one| one.trial == Trial::Pod).collect();
    assert_eq!(pods.len(), 3, "db, operator, web");
    let pod = pods.iter().find(|one| one.thing == db).unwrap();
    assert_eq!(pod.object["metadata"]["labels"]["app"], "db");
    assert_eq!(
        pod.object["spec"],
        json!({
            "containers": [{ "name": "db" }], "automountServiceAccountToken": false,
            "volumes": [{ "name": "other" }, { "name": "data", "emptyDir": {} }],
        })
    );
}

#[test]
fn what_another_server_might_write_is_never_tried() {
    let mut case = case();
    let notes = case.rehearsals(1_000).notes;
    assert_eq!(
        notes,
        ["not tried: 1 of kind Cache: its definition comes with the recovery"]
    );
    case.target.served.push(resource("Cache"));
    let untried = "not tried: 1 of kind Cache: a server of its own serves it, which may not know how to try without doing";
    assert_eq!(
        case.rehearsals(1_000).notes,
        [untried],
        "no APIService is known"
    );
    let service = |service: Value| {
        thing(
            "APIService",
            "v1.shop.example.com",
            &json!({ "spec": { "service": service } }),
        )
    };
    case.target.insert(service(json!({ "name": "server" })));
    assert_eq!(case.rehearsals(1_000).notes, [untried]);
    case.target.insert(service(json!(null)));
    assert_eq!(case.rehearsals(1_000).notes, [""; 0]);
    find(&tried(&case), "Cache.shop.example.com shop/sessions");
}

#[test]
fn of_too_many_objects_one_of_each_shape_is_tried_first() {
    let mut case = case();
    for number in 0..100 {
        let data = json!({ "data": { format!("k{number}"): "v" } });
        case.objects
            .insert(thing("ConfigMap", &format!("c{number:03}"), &data));
    }
    let odd = json!({ "data": {}, "immutable": true });
    case.objects.insert(thing("ConfigMap", "z-odd", &odd));
    let rehearsals = case.rehearsals(20);
    assert_eq!(rehearsals.tried.len(), 20);
    assert!(rehearsals.left_out > 80, "{}", rehearsals.left_out);
    find(&rehearsals.tried, "ConfigMap shop/z-odd");
    find(&rehearsals.tried, "Ingress.networking.k8s.io shop/web");
    assert_eq!(case.rehearsals(0).tried, [], "none at all");
}

#[test]
fn what_is_at_the_target_already_is_not_tried() {
    let mut case = case();
    case.target.insert(thing("Namespace", "shop", &json!({})));
    case.target.insert(thing("Secret", "database", &json!({})));
    assert!(tried(&case).iter().all(|one| one.thing.kind != "Secret"));
    let facts = Facts::default();
    nothing(&case.judge(&facts));
}

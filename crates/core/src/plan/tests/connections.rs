//! Edges from connections that were seen.

use serde_json::{Value, json};

use super::ground::{deployment, drawn, expect, expect_none, object, service, with, workload};
use crate::inventory::Thing;
use crate::plan::Planned;
use crate::run::Confidence::High;

const API: &str = "Deployment.apps shop/api";
const RULE: &str = "SEEN_CONNECTION";

fn silent(name: &str, image: &str) -> Thing {
    deployment(
        name,
        json!({ "containers": [{ "name": "main", "image": image }] }),
    )
}

fn flow(client: &str, more: &Value) -> Value {
    let mut flow = json!({
        "verdict": "FORWARDED", "is_reply": false, "l4": { "TCP": { "destination_port": 5432 } },
        "source": { "namespace": "shop", "workloads": [{ "kind": "Deployment", "name": client }] },
    });
    for (key, value) in more.as_object().unwrap() {
        flow[key] = value.clone();
    }
    json!({ "flow": flow })
}

fn to_service(client: &str, name: &str) -> Value {
    let service = json!({ "name": name, "namespace": "shop" });
    flow(client, &json!({ "destination_service": service }))
}

fn to_pods(client: &str, kind: &str, name: &str) -> Value {
    let workloads = json!([{ "kind": kind, "name": name }]);
    let pods = json!({ "namespace": "shop", "workloads": workloads });
    flow(client, &json!({ "destination": pods }))
}

fn planned(things: impl IntoIterator<Item = Thing>, seen: &[Value]) -> Planned {
    let mut case = with(things);
    for document in seen {
        case.goal.connections.add(document).unwrap();
    }
    case.plan().unwrap()
}

#[test]
fn who_was_seen_talking_to_a_database_waits_for_it_and_for_no_other() {
    let second = || {
        [
            silent("api", "api:1"),
            workload(
                "apps/v1 StatefulSet",
                "docs",
                &json!({ "containers": [{ "name": "m", "image": "mongo:8" }] }),
            ),
            service("docs", &[27017]),
        ]
    };
    let unknown = planned(second(), &[]);
    drawn(
        &unknown,
        API,
        "ready shop/db",
        "DATABASES_BEFORE_UNKNOWN_CLIENT",
    );
    let dns = flow(
        "api",
        &json!({ "l7": { "type": "REQUEST", "dns": { "query": "db.shop.svc.cluster.local." } } }),
    );
    for (seen, evidence) in [
        (
            to_service("api", "db"),
            "Hubble saw it connect to Service shop/db once",
        ),
        (
            to_pods("api", "StatefulSet", "db"),
            "Hubble saw it connect to StatefulSet shop/db once",
        ),
        (
            dns,
            "Hubble saw it ask the DNS for db.shop.svc.cluster.local once",
        ),
    ] {
        let planned = planned(second(), &[seen]);
        expect(&planned, API, "ready shop/db", RULE, High, evidence);
        expect_none(&planned, API, "StatefulSet.apps shop/docs");
    }
}

#[test]
fn queues_and_caches_count_and_plain_applications_do_not() {
    let things = [
        silent("api", "api:1"),
        silent("cache", "valkey:8"),
        service("cache", &[80]),
        silent("shelf", "shelf:1"),
        service("shelf", &[80]),
    ];
    let seen = [
        to_service("api", "cache"),
        to_service("api", "shelf"),
        to_pods("shelf", "Deployment", "cache"),
        to_pods("shelf", "Deployment", "shelf"),
        to_pods("api", "DaemonSet", "cache"),
    ];
    let planned = planned(things, &seen);
    let evidence = "Hubble saw it connect to Service shop/cache once";
    expect(
        &planned,
        API,
        "Deployment.apps shop/cache",
        RULE,
        High,
        evidence,
    );
    let evidence = "Hubble saw it connect to Deployment shop/cache once";
    let shelf = "Deployment.apps shop/shelf";
    expect(
        &planned,
        shelf,
        "Deployment.apps shop/cache",
        RULE,
        High,
        evidence,
    );
    expect_none(&planned, API, shelf);
}

#[test]
fn strangers_and_what_an_operator_makes_are_told_apart() {
    let owner = json!([{ "kind": "Cache", "uid": "Cache-sessions", "controller": true }]);
    let pods = json!({ "spec": { "template": { "spec": { "containers": [] } } }, "owners": owner });
    let things = [
        silent("api", "api:1"),
        object("apps/v1 StatefulSet", "shop/sessions-nodes", pods),
    ];
    let seen = [
        to_pods("api", "StatefulSet", "sessions-nodes"),
        to_service("api", "nobody"),
        to_service("nobody", "db"),
    ];
    let planned = planned(things, &seen);
    let evidence = "Hubble saw it connect to StatefulSet shop/sessions-nodes once";
    let cache = "Cache.shop.example.com shop/sessions";
    expect(&planned, API, cache, RULE, High, evidence);
}

#[test]
fn under_another_name_of_its_namespace_it_counts_all_the_same() {
    let mut case = with([silent("api", "api:1")]);
    case.goal.connections.add(&to_service("api", "db")).unwrap();
    let namespaces = &mut case.goal.mappings.namespaces;
    namespaces.insert("shop".to_owned(), "drill".to_owned());
    let planned = case.plan().unwrap();
    let evidence = "Hubble saw it connect to Service drill/db once";
    let step = "Deployment.apps drill/api";
    expect(&planned, step, "ready drill/db", RULE, High, evidence);
}

#[test]
fn connections_with_nothing_of_this_point_are_worth_a_warning() {
    let told = |seen: &[Value]| {
        let planned = planned([silent("api", "api:1")], seen);
        let mut warnings = planned.warnings.into_iter();
        warnings.any(|one| one.contains("with no database, queue or cache of this point"))
    };
    assert!(!told(&[]));
    assert!(!told(&[to_service("api", "db")]));
    assert!(told(&[to_service("api", "nobody")]));
}

#[test]
fn a_service_of_another_namespace_is_none_of_this_one() {
    let things = [
        silent("api", "api:1"),
        silent("queue", "rabbitmq:4"),
        service("queue", &[5672]),
    ];
    let service = json!({ "name": "rabbit-0", "namespace": "queue" });
    let seen = [flow("api", &json!({ "destination_service": service }))];
    let planned = planned(things, &seen);
    expect_none(
        &planned,
        "Deployment.apps shop/api",
        "Deployment.apps shop/queue",
    );
}

#[test]
fn an_operator_that_talks_to_what_it_runs_comes_first_all_the_same() {
    let release =
        json!({ "meta.helm.sh/release-name": "caches", "meta.helm.sh/release-namespace": "shop" });
    let mut operator = silent("operator", "cache-operator:1");
    operator.edit(|it| it["metadata"]["annotations"] = release.clone());
    let definition = object(
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
        "caches.shop.example.com",
        json!({
            "annotations": release,
            "spec": { "group": "shop.example.com", "names": { "kind": "Cache", "plural": "caches" } },
        }),
    );
    let owner = json!([{ "kind": "Cache", "uid": "Cache-sessions", "controller": true }]);
    let pods = json!({ "spec": { "template": { "spec": { "containers": [] } } }, "owners": owner });
    let made = object("apps/v1 StatefulSet", "shop/sessions-nodes", pods);
    let seen = [to_pods("operator", "StatefulSet", "sessions-nodes")];
    let planned = planned([operator, definition, made], &seen);
    let (operator, cache) = (
        "Deployment.apps shop/operator",
        "Cache.shop.example.com shop/sessions",
    );
    drawn(&planned, cache, operator, "OPERATOR_BEFORE_ITS_CR");
    expect_none(&planned, operator, cache);
    assert!(planned.broken.is_empty(), "{:?}", planned.broken);
}

#[test]
fn servers_that_talk_to_each_other_are_peers_and_none_waits() {
    let peers = || ["a", "b"].map(|name| silent(name, "elasticsearch:9"));
    let both = [
        to_pods("a", "Deployment", "b"),
        to_pods("b", "Deployment", "a"),
    ];
    let mut nodes = service("nodes", &[9200]);
    nodes.edit(|it| it["spec"]["selector"] = json!({ "of": "search" }));
    let behind_one = peers().map(|mut thing| {
        thing.edit(|it| it["spec"]["template"]["metadata"]["labels"]["of"] = json!("search"));
        thing
    });
    let things = behind_one.into_iter().chain([nodes]).collect::<Vec<_>>();
    let ports = || [service("a", &[9200]), service("b", &[9200])];
    for (things, seen) in [
        (peers().into_iter().chain(ports()).collect(), &both[..]),
        (things, &[to_service("a", "nodes")][..]),
    ] {
        let things: Vec<Thing> = things;
        let planned = planned(things, seen);
        expect_none(&planned, "Deployment.apps shop/a", "Deployment.apps shop/b");
        expect_none(&planned, "Deployment.apps shop/b", "Deployment.apps shop/a");
        assert!(planned.broken.is_empty(), "{:?}", planned.broken);
    }
}

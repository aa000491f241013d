//! Edges from connections that were seen.

use serde_json::{Value, json};

use super::ground::{
    between, deployment, drawn, expect, expect_none, object, service, with, workload,
};
use crate::inventory::Thing;
use crate::plan::Planned;
use crate::run::Confidence::{High, Medium};

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

/// A pod of `shop` that this owner runs, with this address.
fn pod(name: &str, owner: &str, address: &str) -> Thing {
    let owner = json!([{ "kind": "ReplicaSet", "uid": owner, "controller": true }]);
    let ips = json!([{ "ip": address }]);
    let status = json!({ "phase": "Running", "podIP": address, "podIPs": ips });
    let spec = json!({ "containers": [] });
    let body = json!({ "spec": spec, "owners": owner, "status": status });
    object("Pod", &format!("shop/{name}"), body)
}

fn of_api(address: &str) -> Vec<Thing> {
    let owner = json!([{ "kind": "Deployment", "uid": "Deployment-shop-api", "controller": true }]);
    let set = json!({ "spec": { "template": { "spec": { "containers": [] } } }, "owners": owner });
    let mut database = service("db", &[5432]);
    database.edit(|it| it["spec"]["clusterIP"] = json!("10.96.0.10"));
    vec![
        silent("api", "api:1"),
        object("apps/v1 ReplicaSet", "shop/api-7d8f", set),
        pod("api-7d8f-x2x4", "ReplicaSet-shop-api-7d8f", address),
        pod("db-0", "StatefulSet-db", "10.244.1.7"),
        database,
    ]
}

fn by_lines(things: Vec<Thing>, lines: &[String]) -> Planned {
    let mut case = with(things);
    for line in lines {
        case.goal.connections.add_line(line);
    }
    case.plan().unwrap()
}

fn entry(client: &str, to: &str, led: &str) -> String {
    format!(
        "tcp 6 431999 ESTABLISHED src={client} dst={to} sport=43721 dport=5432 src={led} dst={client} sport=5432 dport=43721 [ASSURED] use=1"
    )
}

fn question(client: &str, name: &str) -> String {
    format!(
        r#"[INFO] {client}:43721 - 7 "A IN {name}. udp 45 false 512" NOERROR qr,aa,rd 87 0.0003s"#
    )
}

#[test]
fn who_had_an_address_is_found_by_the_points_pods_and_services() {
    for (line, evidence) in [
        (
            question("10.244.0.5", "db.shop.svc.cluster.local"),
            "the log of CoreDNS has its pod's address ask for db.shop.svc.cluster.local once",
        ),
        (
            entry("10.244.0.5", "10.96.0.10", "10.244.1.7"),
            "a node saw its pod's address connect to 10.96.0.10:5432 once",
        ),
        (
            entry("10.244.0.5", "10.244.1.7", "10.244.1.7"),
            "a node saw its pod's address connect to 10.244.1.7:5432 once",
        ),
        (
            entry("10.244.0.5", "192.0.2.1", "10.244.1.7"),
            "a node saw its pod's address connect to 192.0.2.1:5432 once",
        ),
    ] {
        let planned = by_lines(of_api("10.244.0.5"), &[line]);
        expect(&planned, API, "ready shop/db", RULE, Medium, evidence);
        expect_none(&planned, "ready shop/db", API);
    }
    let six = question("[fd00::5]", "db");
    let planned = by_lines(of_api("FD00:0::5"), &[six]);
    drawn(&planned, API, "ready shop/db", RULE);
}

#[test]
fn an_address_alone_takes_no_guess_away() {
    let guessed = |planned: &Planned| {
        let all = between(planned, API, "ready shop/db");
        all.iter()
            .any(|edge| edge.rule == "DATABASES_BEFORE_UNKNOWN_CLIENT")
    };
    let line = entry("10.244.0.5", "10.96.0.10", "10.244.1.7");
    let by_address = by_lines(of_api("10.244.0.5"), &[line]);
    drawn(&by_address, API, "ready shop/db", RULE);
    assert!(
        guessed(&by_address),
        "who has the address by now may be another"
    );
    let by_name = planned(of_api("10.244.0.5"), &[to_service("api", "db")]);
    drawn(&by_name, API, "ready shop/db", RULE);
    assert!(!guessed(&by_name));
}

#[test]
fn an_address_that_is_a_nodes_or_two_pods_or_anothers_tells_of_nobody() {
    let none = |mut things: Vec<Thing>, change: &dyn Fn(&mut Vec<Thing>), line: &str| {
        change(&mut things);
        let planned = by_lines(things, &[line.to_owned()]);
        let all = between(&planned, API, "ready shop/db");
        assert!(all.iter().all(|edge| edge.rule != RULE), "{all:?}");
    };
    let line = question("10.244.0.5", "db.shop.svc.cluster.local");
    let api = || of_api("10.244.0.5");
    none(api(), &|_| {}, &line.replace("10.244.0.5", "10.244.0.6"));
    none(
        api(),
        &|all| all[2].edit(|it| it["spec"]["hostNetwork"] = json!(true)),
        &line,
    );
    none(
        api(),
        &|all| all[2].edit(|it| it["status"]["phase"] = json!("Failed")),
        &line,
    );
    none(
        api(),
        &|all| all[2].edit(|it| it["status"] = json!({ "podIP": 7, "podIPs": [7, null, {}, "x"] })),
        &line,
    );
    none(
        api(),
        &|all| all.push(pod("other", "nobody", "10.244.0.5")),
        &line,
    );
    none(
        api(),
        &|_| {},
        &entry("10.244.0.5", "192.0.2.1", "192.0.2.2"),
    );
}

#[test]
fn what_hubble_saw_is_surer_than_what_addresses_tell() {
    let mut case = with(of_api("10.244.0.5"));
    let connections = &mut case.goal.connections;
    connections.add_line(&question("10.244.0.5", "db.shop"));
    connections.add(&to_service("api", "db")).unwrap();
    let planned = case.plan().unwrap();
    let evidence = "Hubble saw it connect to Service shop/db once";
    expect(&planned, API, "ready shop/db", RULE, High, evidence);
}

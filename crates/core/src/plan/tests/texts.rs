//! Rules about names in texts, from a value to the step that must be done first.

use serde_json::{Value, json};

use super::fixture::database;
use super::ground::{
    deployment, drawn, expect, expect_none, object, planned, service, with, with_env, workload,
};
use crate::inventory::Thing;
use crate::run::Confidence::{High, Medium};

const API: &str = "Deployment.apps shop/api";
const SPEC: &str = "Deployment.apps shop/api: spec.template.spec";
const DATABASE: &str = "DATABASE_BEFORE_CLIENT";
const SERVER: &str = "SERVER_BEFORE_CLIENT";
const UNKNOWN: &str = "DATABASES_BEFORE_UNKNOWN_CLIENT";

fn running(name: &str, image: &str) -> Thing {
    deployment(
        name,
        json!({ "containers": [{ "name": "main", "image": image }] }),
    )
}

#[test]
fn a_client_waits_for_the_database_that_it_names_and_for_no_other() {
    let mut case = with([
        deployment(
            "api",
            with_env(&[("DATABASE_URL", "postgres://u:p@second:5432/x")]),
        ),
        workload(
            "apps/v1 StatefulSet",
            "second",
            &json!({ "containers": [] }),
        ),
        service("second", &[5432]),
        deployment("idle", json!({ "containers": [] })),
    ]);
    case.point.members.push(database("second"));
    case.point
        .parts
        .push(super::fixture::part("shop/data-second-0"));
    let planned = case.plan().unwrap();
    let evidence = format!("{SPEC}.containers[0].env[DATABASE_URL] names Service shop/second");
    expect(
        &planned,
        API,
        "ready shop/second",
        DATABASE,
        Medium,
        &evidence,
    );
    expect_none(&planned, API, "ready shop/db");
    for ready in ["ready shop/db", "ready shop/second"] {
        let edge = drawn(&planned, "Deployment.apps shop/idle", ready, UNKNOWN);
        assert_eq!(edge.confidence, Medium);
    }
}

#[test]
fn a_secret_is_looked_into_and_never_shown() {
    // postgres://shop:hunter2@db:5432/shop
    let hidden = "cG9zdGdyZXM6Ly9zaG9wOmh1bnRlcjJAZGI6NTQzMi9zaG9w";
    let pod = json!({ "containers": [{ "name": "x", "env": [
        { "name": "URL", "valueFrom": { "secretKeyRef": { "name": "access", "key": "url" } } },
    ] }] });
    let planned = planned([
        deployment("api", pod),
        object(
            "Secret",
            "shop/access",
            json!({ "data": { "url": hidden, "broken": "%%%", "odd": 7, "bytes": "/////w==" } }),
        ),
    ]);
    let read = "read by Deployment.apps shop/api: spec.template.spec.containers[0].env[URL]";
    let evidence = format!(
        "Secret shop/access: data[url], {}, names Service shop/db",
        read.replace("Deployment.apps shop/api: ", "")
    );
    expect(&planned, API, "ready shop/db", DATABASE, Medium, &evidence);
    let edges = planned.plan.steps.iter().flat_map(|step| &step.needs);
    let warnings = planned.warnings.iter().map(String::as_str);
    for text in edges.map(|edge| edge.evidence.as_str()).chain(warnings) {
        assert!(
            !text.contains("hunter2") && !text.contains(hidden),
            "{text}"
        );
    }
}

#[test]
fn only_keys_that_a_container_reads_count() {
    let map = |name: &str| {
        object(
            "ConfigMap",
            &format!("shop/{name}"),
            json!({ "data": { "a": "postgres://db/x", "b": "nothing" } }),
        )
    };
    let volumes = |volume: Value, mounted: bool| {
        let mounts = if mounted {
            json!([{ "name": "v" }])
        } else {
            json!([])
        };
        json!({ "volumes": [volume], "containers": [{ "name": "x", "volumeMounts": mounts }] })
    };
    let all = json!({ "name": "v", "configMap": { "name": "settings" } });
    let one = |key: &str| json!({ "name": "v", "projected": { "sources": [{ "configMap": { "name": "settings", "items": [{ "key": key }] } }] } });
    for (pod, rule) in [
        (volumes(all.clone(), true), DATABASE),
        (volumes(one("a"), true), DATABASE),
        (volumes(one("b"), true), UNKNOWN),
        (volumes(all, false), UNKNOWN),
    ] {
        let planned = planned([deployment("api", pod.clone()), map("settings")]);
        drawn(&planned, API, "ready shop/db", rule);
    }
}

#[test]
fn queues_caches_and_databases_without_a_driver_come_first_and_applications_do_not() {
    let env = [
        ("A", "redis://cache"),
        ("B", "amqp://queue"),
        ("C", "http://web"),
        ("D", "mongodb://docs/x"),
        ("E", "store:6379"),
    ];
    let planned = planned([
        deployment("api", with_env(&env)),
        running("cache", "registry.example.com:5000/library/valkey:8"),
        service("cache", &[80]),
        running("queue", "rabbitmq:4"),
        service("queue", &[80]),
        running("docs", "mongo:8"),
        service("docs", &[80]),
        running("store", "custom:1"),
        service("store", &[6379]),
        running("watcher", "redis-exporter:1"),
        service("watcher", &[9121]),
    ]);
    for (name, rule) in [
        ("cache", SERVER),
        ("queue", SERVER),
        ("store", SERVER),
        ("docs", DATABASE),
    ] {
        let on = format!("Deployment.apps shop/{name}");
        assert_eq!(drawn(&planned, API, &on, rule).confidence, Medium);
    }
    expect_none(&planned, API, "Deployment.apps shop/web");
    // It names a database: which one is known.
    expect_none(&planned, API, "ready shop/db");
}

#[test]
fn two_applications_that_name_each_other_do_not_wait() {
    let planned = planned([
        deployment("api", with_env(&[("PEER", "http://other:80")])),
        service("api", &[80]),
        deployment("other", with_env(&[("PEER", "http://api:80")])),
        service("other", &[80]),
    ]);
    expect_none(&planned, API, "Deployment.apps shop/other");
    expect_none(&planned, "Deployment.apps shop/other", API);
    assert!(planned.broken.is_empty());
}

fn cluster(kind: &str, name: &str) -> Thing {
    object(kind, &format!("shop/{name}"), json!({ "spec": {} }))
}

#[test]
fn services_that_an_operator_makes_lead_to_its_resource() {
    for (kind, host, id, rule) in [
        (
            "postgresql.cnpg.io/v1 Cluster",
            "main-rw",
            "Cluster.postgresql.cnpg.io",
            DATABASE,
        ),
        (
            "pxc.percona.com/v1 PerconaXtraDBCluster",
            "main-haproxy.shop",
            "PerconaXtraDBCluster.pxc.percona.com",
            DATABASE,
        ),
        (
            "psmdb.percona.com/v1 PerconaServerMongoDB",
            "main-rs0-0.main-rs0.shop.svc.cluster.local",
            "PerconaServerMongoDB.psmdb.percona.com",
            DATABASE,
        ),
        (
            "pgv2.percona.com/v2 PerconaPGCluster",
            "main-pgbouncer",
            "PerconaPGCluster.pgv2.percona.com",
            DATABASE,
        ),
        (
            "mongodbcommunity.mongodb.com/v1 MongoDBCommunity",
            "main-svc",
            "MongoDBCommunity.mongodbcommunity.mongodb.com",
            DATABASE,
        ),
        (
            "kafka.strimzi.io/v1 Kafka",
            "main-kafka-bootstrap",
            "Kafka.kafka.strimzi.io",
            SERVER,
        ),
        (
            "rabbitmq.com/v1beta1 RabbitmqCluster",
            "main",
            "RabbitmqCluster.rabbitmq.com",
            SERVER,
        ),
        (
            "databases.spotahome.com/v1 RedisFailover",
            "rfs-main",
            "RedisFailover.databases.spotahome.com",
            SERVER,
        ),
    ] {
        let planned = planned([
            cluster(kind, "main"),
            deployment("api", with_env(&[("HOST", host)])),
        ]);
        let on = format!("{id} shop/main");
        let edge = drawn(&planned, API, &on, rule);
        assert_eq!(edge.confidence, Medium, "{host}");
        expect_none(&planned, &on, API);
    }
}

#[test]
fn the_owner_of_a_service_is_better_evidence_than_its_name() {
    let owner = |kind: &str, name: &str| json!([{ "kind": kind, "name": name, "uid": format!("{kind}-shop-{name}"), "controller": true }]);
    let selecting = json!({ "selector": { "app": "engine" } });
    let mut set = workload(
        "apps/v1 StatefulSet",
        "engine",
        &json!({ "containers": [] }),
    );
    set.edit(|it| it["metadata"]["ownerReferences"] = owner("Engine", "own"));
    let planned = planned([
        cluster("example.com/v1 Engine", "own"),
        object(
            "Service",
            "shop/entry",
            json!({ "owners": owner("Engine", "own") }),
        ),
        set,
        object("Service", "shop/side", json!({ "spec": selecting })),
        object(
            "Service",
            "shop/alias",
            json!({ "spec": { "externalName": "entry.shop.svc.cluster.local" } }),
        ),
        object(
            "Service",
            "shop/round",
            json!({ "spec": { "externalName": "round.shop" } }),
        ),
        deployment("api", with_env(&[("HOST", "entry")])),
        deployment("by-child", with_env(&[("HOST", "side")])),
        deployment("by-alias", with_env(&[("HOST", "alias")])),
        deployment("in-circles", with_env(&[("HOST", "round")])),
    ]);
    let engine = "Engine.example.com shop/own";
    for name in ["api", "by-child", "by-alias"] {
        drawn(
            &planned,
            &format!("Deployment.apps shop/{name}"),
            engine,
            SERVER,
        );
    }
    expect_none(&planned, "Deployment.apps shop/in-circles", engine);
}

#[test]
fn an_init_container_that_waits_is_believed() {
    let starting = |command: Value, env: Value| {
        let first = json!({ "name": "wait", "command": command, "env": env });
        json!({ "initContainers": [first], "containers": [{ "name": "main" }] })
    };
    let none = json!([]);
    let shell = |text: &str| json!(["sh", "-c", text]);
    let rule = "WAIT_BEFORE_START";
    for (command, env, field) in [
        (
            shell("until nc -z web 80; do sleep 1; done"),
            none.clone(),
            "command",
        ),
        (
            json!(["./wait-for-it.sh", "web:80"]),
            none.clone(),
            "command",
        ),
        (
            shell("until curl http://web/; do :; done"),
            none.clone(),
            "command",
        ),
        (
            shell("nc -z $TARGET 80"),
            json!([{ "name": "TARGET", "value": "web" }]),
            "env[TARGET]",
        ),
    ] {
        let planned = planned([deployment("api", starting(command, env))]);
        let evidence = format!("{SPEC}.initContainers[0].{field} names Service shop/web");
        expect(
            &planned,
            API,
            "Deployment.apps shop/web",
            rule,
            High,
            &evidence,
        );
    }
    let planned = planned([deployment(
        "api",
        starting(shell("cp http://web/ x; echo web:80"), none),
    )]);
    expect_none(&planned, API, "Deployment.apps shop/web");
}

#[test]
fn a_probe_that_asks_another_service_is_believed_and_one_that_asks_its_own_is_no_edge() {
    let probed = |command: &str| {
        let probe = json!({ "exec": { "command": ["sh", "-c", command] } });
        json!({ "containers": [{ "name": "x", "readinessProbe": probe, "startupProbe": { "httpGet": { "host": 7 } } }] })
    };
    let planned = planned([
        deployment(
            "api",
            probed("curl -f http://web/ && curl -f http://api:80/"),
        ),
        service("api", &[80]),
    ]);
    let evidence = format!("{SPEC}.containers[0].readinessProbe names Service shop/web");
    expect(
        &planned,
        API,
        "Deployment.apps shop/web",
        "WAIT_BEFORE_START",
        High,
        &evidence,
    );
}

#[test]
fn databases_do_not_wait_for_databases_that_they_name() {
    let mut case = with([
        workload(
            "apps/v1 StatefulSet",
            "peer",
            &with_env(&[("PRIMARY_HOST", "db")]),
        ),
        service("peer", &[5432]),
    ]);
    case.point.members.push(database("peer"));
    case.point
        .parts
        .push(super::fixture::part("shop/data-peer-0"));
    let planned = case.plan().unwrap();
    expect_none(&planned, "StatefulSet.apps shop/peer", "ready shop/db");
}

#[test]
fn names_of_other_namespaces_and_of_nothing_draw_nothing() {
    let planned = planned([deployment(
        "api",
        with_env(&[
            ("A_HOST", "db.elsewhere"),
            ("B_HOST", "db.example.com"),
            ("C_HOST", "nothing"),
            ("D_URL", "postgres://db:secret@nothing.example.com/db"),
        ]),
    )]);
    drawn(&planned, API, "ready shop/db", UNKNOWN);
}

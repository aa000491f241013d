//! What users write as gates, in files and in annotations, and what is refused of it.

use serde_json::{Value, json};

use super::{deployments, gate};
use crate::inventory::{Resource, Thing, ThingId};
use crate::probe::{Ask, Tls, Way};
use crate::readiness::user::{Check, GATE_SECONDS, UserGate, annotated, annotation_of};

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_kind_of_gate_is_read() {
    let cel = gate(json!({ "cel": "object.status.ready" }));
    assert_eq!(
        cel.check(),
        Ok(Check::Cel("object.status.ready".to_owned()))
    );
    let Check::Exec(exec) = gate(json!({ "exec": { "command": ["/bin/warm", "--check"] } }))
        .check()
        .unwrap()
    else {
        panic!("no command");
    };
    assert_eq!((exec.try_seconds, exec.container), (10, None));
    for (check, host, port) in [
        (
            json!({ "http": { "service": "web", "port": 8080, "path": "/healthz", "status": 204, "contains": "ok", "tls": "accept-any", "way": "pod", "trySeconds": 3 } }),
            "web",
            Some(8080),
        ),
        (
            json!({ "sql": { "service": "db", "engine": "postgresql", "user": "shop", "database": "shop", "query": "select 1", "expect": "1" } }),
            "db",
            None,
        ),
        (
            json!({ "sql": { "service": "db", "engine": "mariadb" } }),
            "db",
            None,
        ),
        (
            json!({ "tcp": { "service": "web.shop", "port": 5432 } }),
            "web.shop",
            Some(5432),
        ),
        (
            json!({ "grpc": { "service": "api", "port": 9000, "health": "shop.Orders" } }),
            "api",
            Some(9000),
        ),
        (
            json!({ "dns": { "name": "web.shop", "address": "10.0.0.1" } }),
            "web.shop",
            None,
        ),
        (
            json!({ "redis": { "service": "cache", "secret": { "name": "cache", "passwordKey": "password" } } }),
            "cache",
            None,
        ),
    ] {
        let Check::Probe(probe) = gate(check.clone())
            .check()
            .unwrap_or_else(|why| panic!("{check}: {why}"))
        else {
            panic!("{check}: no probe");
        };
        assert_eq!((probe.host.as_str(), probe.port), (host, port), "{check}");
        if let Ask::Http(http) = &probe.ask {
            assert_eq!((http.status_min, http.status_max), (204, 204));
            assert_eq!(
                (http.tls, http.text.as_deref()),
                (Some(Tls::AcceptAny), Some("ok"))
            );
            assert_eq!((probe.way, probe.try_seconds), (Way::Pod, 3));
        }
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_is_no_gate_is_refused_with_what_is_wrong() {
    let deep = format!("{}true{}", "(".repeat(4000), ")".repeat(4000));
    for (check, words) in [
        (
            json!({}),
            "exactly one of `cel`, `exec`, `http`, `sql`, `tcp`, `grpc`, `dns`, `redis`, and not none",
        ),
        (
            json!({ "cel": "true", "exec": { "command": ["true"] } }),
            "and not several of them",
        ),
        (json!([]), "it is one of `cel`"),
        (json!(null), "it is one of `cel`"),
        (
            json!({ "shell": "true" }),
            "`shell` is not known: it is one of `cel`",
        ),
        (json!({ "cel": 1 }), "`cel`: it is a text"),
        (json!({ "cel": "" }), "`cel`: line 1, column 1: it is empty"),
        (
            json!({ "cel": "object.spec.replicas" , }),
            "may be no condition",
        ),
        (
            json!({ "cel": "object.spec +" }),
            "column 14: the end where a value is expected",
        ),
        (json!({ "cel": deep }), "at most 4096"),
        (json!({ "exec": {} }), "missing field `command`"),
        (json!({ "exec": { "command": [] } }), "names no program"),
        (json!({ "exec": { "command": [""] } }), "names no program"),
        (
            json!({ "exec": { "command": "warm --check" } }),
            "expected a sequence",
        ),
        (json!({ "exec": { "command": ["a\u{0}b"] } }), "a zero byte"),
        (
            json!({ "exec": { "command": ["x".repeat(20_000)] } }),
            "longer than",
        ),
        (
            json!({ "exec": { "command": ["true"], "trySeconds": 0 } }),
            "`trySeconds` is 0",
        ),
        (
            json!({ "exec": { "command": ["true"], "trySeconds": 61 } }),
            "at most 60",
        ),
        (
            json!({ "exec": { "command": ["true"], "trySeconds": -1 } }),
            "invalid value",
        ),
        (
            json!({ "exec": { "command": ["true"], "container": "" } }),
            "`container` is empty",
        ),
        (
            json!({ "exec": { "command": ["true"], "user": "root" } }),
            "unknown field `user`",
        ),
        (
            json!({ "http": "http://web/" }),
            "it is a map of fields; in an annotation, JSON",
        ),
        (json!({ "http": { "port": 80 } }), "missing field `service`"),
        (json!({ "http": { "service": "" } }), "`http`: "),
        (
            json!({ "http": { "service": "web", "status": 99 } }),
            "`status` is a number from 100 to 599",
        ),
        (
            json!({ "http": { "service": "web", "port": 70_000 } }),
            "invalid value",
        ),
        (
            json!({ "http": { "service": "web", "url": "/" } }),
            "unknown field `url`",
        ),
        (
            json!({ "http": { "service": "web", "tls": true } }),
            "`http`: ",
        ),
        (
            json!({ "sql": { "service": "db" } }),
            "missing field `engine`",
        ),
        (
            json!({ "sql": { "service": "db", "engine": "oracle" } }),
            "unknown variant `oracle`",
        ),
        (
            json!({ "dns": { "name": "web", "address": "nowhere" } }),
            "`dns`: ",
        ),
    ] {
        // One that is only found when it is judged.
        if words == "may be no condition" {
            assert!(gate(check).check().is_ok());
            continue;
        }
        let why = gate(check.clone()).check().expect_err(&check.to_string());
        assert!(why.contains(words), "{check}: {why}");
    }
}

#[test]
fn a_gate_must_fit_its_object_and_its_limit() {
    let mut service = gate(json!({ "exec": { "command": ["true"] } }));
    service.of = ThingId::namespaced("", "Service", "shop", "web");
    let why = service.check().unwrap_err();
    assert!(
        why.contains("`exec` runs in a pod, and Service shop/web has none"),
        "{why}"
    );
    let mut migration = gate(json!({ "exec": { "command": ["true"] } }));
    migration.of = ThingId::namespaced("batch", "Job", "shop", "migrate");
    let why = migration.check().unwrap_err();
    assert!(why.contains("ends all of its own before"), "{why}");
    let mut role = gate(json!({ "tcp": { "service": "web", "port": 80 } }));
    role.of = ThingId::cluster("rbac.authorization.k8s.io", "ClusterRole", "shop");
    let why = role.check().unwrap_err();
    assert!(why.contains("`web.NAMESPACE`"), "{why}");
    for seconds in [0, 86_401, u32::MAX] {
        let mut endless = gate(json!({ "cel": "true" }));
        endless.seconds_max = seconds;
        let why = endless.check().unwrap_err();
        assert!(why.contains("at least 1, and at most 86400"), "{why}");
    }
}

fn annotated_web(annotations: &Value) -> Thing {
    let object =
        json!({ "metadata": { "name": "web", "namespace": "shop", "annotations": annotations } });
    Thing::new(deployments(), object).unwrap()
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn annotations_say_gates_and_bad_ones_are_not_lost() {
    let good = annotated_web(&json!({
        "refloat.io/gate-cel": "object.status.ready",
        "refloat.io/gate-exec": "[\"/bin/warm\", \"--check\"]",
        "refloat.io/gate-http": "{\"service\": \"web\", \"path\": \"/healthz\"}",
        "refloat.io/gate-seconds-max": " 30 ",
        "refloat.io/hold-command": "[\"x\"]",
    }));
    let gates = annotated(&good);
    let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Deployment/shop/web/cel",
            "Deployment/shop/web/exec",
            "Deployment/shop/web/http"
        ]
    );
    for gate in &gates {
        assert_eq!((gate.seconds_max, &gate.of), (30, &good.id()));
        gate.check()
            .unwrap_or_else(|why| panic!("{}: {why}", gate.name));
    }
    assert_eq!(annotation_of(names[1]), Some("refloat.io/gate-exec"));
    assert_eq!(annotation_of("orders-readable"), None);
    for (annotations, words) in [
        (json!({ "refloat.io/gate-cel": "object." }), "column 8"),
        (
            json!({ "refloat.io/gate-exec": "/bin/warm --check" }),
            "in an annotation, JSON",
        ),
        (
            json!({ "refloat.io/gate-exec": "[1]" }),
            "expected a string",
        ),
        (
            json!({ "refloat.io/gate-exec": "" }),
            "in an annotation, JSON",
        ),
        (
            json!({ "refloat.io/gate-sql": "select 1" }),
            "in an annotation, JSON",
        ),
        (
            json!({ "refloat.io/gate-http": "{\"service\": \"web\"" }),
            "in an annotation, JSON",
        ),
        (
            json!({ "refloat.io/gate-cel": "true", "refloat.io/gate-seconds-max": "soon" }),
            "its limit is 0 s",
        ),
        (
            json!({ "refloat.io/gate-cel": "true", "refloat.io/gate-seconds-max": "-5" }),
            "its limit is 0 s",
        ),
    ] {
        let gates = annotated(&annotated_web(&annotations));
        let [gate] = gates.as_slice() else {
            panic!("{annotations}: {gates:?}");
        };
        let why = gate.check().expect_err(&annotations.to_string());
        assert!(why.contains(words), "{annotations}: {why}");
    }
    let cluster = Resource::cluster("shop.example.com/v1", "Cache", "caches");
    let object =
        json!({ "metadata": { "name": "c", "annotations": { "refloat.io/gate-cel": "true" } } });
    let name = annotated(&Thing::new(cluster, object).unwrap())[0]
        .name
        .clone();
    assert_eq!(name, "Cache.shop.example.com/c/cel");
}

/// What a point of today stores is read for ever.
#[test]
fn a_stored_gate_is_read() {
    let stored = r#"{"name":"orders","of":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"},"secondsMax":300,"check":{"cel":"object.status.ready"}}"#;
    let gate: UserGate = serde_json::from_str(stored).unwrap();
    assert_eq!((gate.seconds_max, gate.name.as_str()), (300, "orders"));
    assert!(gate.check().is_ok());
    assert_eq!(serde_json::to_string(&gate).unwrap(), stored);
    let newer = r#"{"name":"o","of":{"group":"","kind":"Service","namespace":"shop","name":"web"},"check":{"quantum":{}}}"#;
    let gate: UserGate = serde_json::from_str(newer).unwrap();
    assert!(gate.check().unwrap_err().contains("`quantum` is not known"));
    assert_eq!(gate.seconds_max, GATE_SECONDS);
}

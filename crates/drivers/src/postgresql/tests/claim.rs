//! What is claimed as a PostgreSQL server, and what is found out of it.

use refloat_core::driver::{Claim, Driver, Role};
use refloat_core::inventory::{Inventory, Resource, Thing};
use serde_json::{Value, json};

use super::scene::claim_id;
use crate::postgresql::Postgresql;

fn thing(kind: &str, container: &Value) -> Thing {
    let mut spec = json!({ "template": { "spec": { "containers": [
        { "name": "exporter", "image": "quay.io/prometheuscommunity/postgres-exporter" },
        container,
    ] } } });
    if kind == "StatefulSet" {
        spec["volumeClaimTemplates"] = json!([
            { "metadata": { "name": "data" } }, { "metadata": { "name": "wal" } },
        ]);
    } else {
        spec["template"]["spec"]["volumes"] = json!([
            { "name": "data", "persistentVolumeClaim": { "claimName": "data-db-0" } },
            { "name": "tmp", "emptyDir": {} },
        ]);
    }
    Thing::new(
        Resource::namespaced("apps/v1", kind, "plural"),
        json!({
            "apiVersion": "apps/v1", "kind": kind,
            "metadata": { "name": "db", "namespace": "shop" }, "spec": spec,
        }),
    )
    .unwrap()
}

fn inventory() -> Inventory {
    let claim = |namespace: &str, name: &str| {
        Thing::new(
            Resource::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            json!({ "metadata": { "name": name, "namespace": namespace } }),
        )
        .unwrap()
    };
    Inventory::of([
        claim("shop", "data-db-0"),
        claim("shop", "data-db-1"),
        claim("shop", "data-db-old"),
        claim("shop", "data-dbx-0"),
        claim("shop", "wal-db-0"),
        claim("other", "data-db-0"),
    ])
}

fn claim(kind: &str, container: &Value) -> Option<Claim> {
    Postgresql.claim(&thing(kind, container), &inventory())
}

/// A container with the data volume.
fn container(image: &str) -> Value {
    json!({
        "name": "server", "image": image,
        "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }],
    })
}

#[test]
fn servers_are_known_by_their_image_wherever_it_comes_from() {
    for image in [
        "postgres",
        "postgres:15",
        "docker.io/library/postgres:17.2-alpine",
        "registry.local:5000/postgres",
        "bitnami/postgresql:16",
        "timescale/timescaledb-ha:pg16",
        "postgis/postgis:16-3.4",
        "pgvector/pgvector:pg17",
        "postgres@sha256:0123456789abcdef",
        "registry.local:5000/team/postgres:15@sha256:0123456789abcdef",
    ] {
        assert!(claim("StatefulSet", &container(image)).is_some(), "{image}");
    }
}

#[test]
fn other_images_are_not_claimed() {
    for image in [
        "mysql:8",
        "postgres-exporter",
        "quay.io/prometheuscommunity/postgres-exporter:v0.15",
        "postgres.local/app:1",
        "postgres/app:1",
        "pgbouncer",
        "my-postgres",
    ] {
        assert_eq!(claim("StatefulSet", &container(image)), None, "{image}");
    }
}

#[test]
fn a_server_is_known_by_what_it_runs_and_by_its_variables() {
    let with = |key: &str, value: Value| {
        let mut container = container("local/own:1");
        container[key] = value;
        claim("StatefulSet", &container).is_some()
    };
    assert!(with(
        "command",
        json!(["/usr/lib/postgresql/15/bin/postgres", "-c", "x"])
    ));
    assert!(with("args", json!(["postgres", "-c", "fsync=on"])));
    assert!(with("env", json!([{ "name": "PGDATA", "value": "/data" }])));
    assert!(!with("command", json!(["sh", "-c", "postgres"])));
    assert!(!with("args", json!(["--postgres"])));
    let host = json!([{ "name": "PGHOST", "value": "db" }]);
    assert!(!with("env", host), "a client");
}

#[test]
fn a_sidecar_is_not_taken_for_the_server() {
    let claim = claim("StatefulSet", &container("postgres:15")).unwrap();
    assert_eq!(claim.settings["container"], "server");
    assert_eq!(claim.role, Role::Database);
    assert_eq!(claim.driver, "postgresql");
    let only_sidecar = Postgresql.claim(
        &thing("StatefulSet", &json!({ "name": "app", "image": "app:1" })),
        &inventory(),
    );
    assert_eq!(only_sidecar, None);
}

#[test]
fn volumes_are_those_that_the_server_mounts() {
    let one = claim("StatefulSet", &container("postgres:15")).unwrap();
    assert_eq!(one.volumes, [claim_id("data-db-0"), claim_id("data-db-1")]);
    let mut two = container("postgres:15");
    two["volumeMounts"] = json!([
        { "name": "data", "mountPath": "/data" }, { "name": "wal", "mountPath": "/wal" },
    ]);
    let two = claim("StatefulSet", &two).unwrap();
    let wanted = ["data-db-0", "data-db-1", "wal-db-0"].map(claim_id);
    assert_eq!(two.volumes, wanted);
    assert_eq!(two.settings["mounts"], "/data,/wal");
    let named = claim("Deployment", &container("postgres:15")).unwrap();
    assert_eq!(named.volumes, [claim_id("data-db-0")]);
}

#[test]
fn a_server_without_a_volume_is_nobodys_data() {
    let mut none = container("postgres:15");
    none["volumeMounts"] = json!([{ "name": "tmp", "mountPath": "/tmp" }]);
    for kind in ["StatefulSet", "Deployment"] {
        assert_eq!(claim(kind, &none), None, "{kind}");
    }
    none["volumeMounts"] = json!([]);
    assert_eq!(claim("Deployment", &none), None);
}

#[test]
fn only_workloads_that_keep_a_server_running_are_claimed() {
    for kind in ["DaemonSet", "ReplicaSet"] {
        assert_eq!(claim(kind, &container("postgres:15")), None, "{kind}");
    }
}

#[test]
fn user_and_database_come_from_the_images_own_variables() {
    let settings = |env: Value| {
        let mut container = container("postgres:15");
        container["env"] = env;
        let settings = claim("StatefulSet", &container).unwrap().settings;
        (settings["user"].clone(), settings["database"].clone())
    };
    let pair = |user: &str, database: &str| (user.to_owned(), database.to_owned());
    let user = json!({ "name": "POSTGRES_USER", "value": "shop" });
    let database = json!({ "name": "POSTGRES_DB", "value": "orders" });
    let hidden = json!({ "name": "POSTGRES_USER", "valueFrom": { "secretKeyRef": {} } });
    assert_eq!(settings(json!([])), pair("postgres", "postgres"));
    assert_eq!(settings(json!([user])), pair("shop", "shop"));
    assert_eq!(settings(json!([user, database])), pair("shop", "orders"));
    assert_eq!(settings(json!([database])), pair("postgres", "orders"));
    assert_eq!(settings(json!([hidden])), pair("postgres", "postgres"));
}

//! What custom resources wait for as clients, and what they name in fields that are known.

use serde_json::json;

use crate::plan::tests::ground::{drawn, expect, expect_none, object, planned};
use crate::run::Confidence::{Certain, Medium};

const UNKNOWN: &str = "DATABASES_BEFORE_UNKNOWN_CLIENT";
const DATABASE: &str = "ready shop/db";

#[test]
fn a_custom_resource_is_a_client_of_unknown_databases_only_where_pods_run_for_it() {
    let owned = json!([{ "kind": "Runner", "name": "runner", "uid": "Runner-shop-runner", "controller": true }]);
    let pod = json!({ "template": { "spec": { "containers": [] } } });
    let planned = planned([
        object("example.com/v1 Runner", "shop/runner", json!({})),
        object("example.com/v1 Policy", "shop/policy", json!({})),
        object(
            "apps/v1 Deployment",
            "shop/made",
            json!({ "owners": owned, "spec": pod }),
        ),
    ]);
    let runner = drawn(
        &planned,
        "Runner.example.com shop/runner",
        DATABASE,
        UNKNOWN,
    );
    assert_eq!(runner.confidence, Medium);
    expect_none(&planned, "Policy.example.com shop/policy", DATABASE);
}

#[test]
fn a_cluster_waits_for_the_object_stores_of_its_plugins_and_they_for_no_database() {
    let plugin =
        |name: &str| json!({ "name": "barman-cloud", "parameters": { "barmanObjectName": name } });
    let spec = json!({
        "plugins": [plugin("backups")],
        "externalClusters": [{ "name": "origin", "plugin": plugin("origin") }],
    });
    let store = |name: &str| {
        let name = format!("shop/{name}");
        object("barmancloud.cnpg.io/v1 ObjectStore", &name, json!({}))
    };
    let planned = planned([
        object(
            "postgresql.cnpg.io/v1 Cluster",
            "shop/main",
            json!({ "spec": spec }),
        ),
        store("backups"),
        store("origin"),
    ]);
    let cluster = "Cluster.postgresql.cnpg.io shop/main";
    for (name, field) in [
        ("backups", "spec.plugins[0].parameters.barmanObjectName"),
        (
            "origin",
            "spec.externalClusters[0].plugin.parameters.barmanObjectName",
        ),
    ] {
        let store = format!("ObjectStore.barmancloud.cnpg.io shop/{name}");
        let evidence = format!("{cluster}: {field}");
        expect(
            &planned,
            cluster,
            &store,
            "TYPED_REFERENCE",
            Certain,
            &evidence,
        );
        expect_none(&planned, &store, cluster);
        expect_none(&planned, &store, DATABASE);
    }
    assert_eq!(planned.broken, []);
}

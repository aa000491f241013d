//! Rules about fields that name things: each draws, leaves alone what only looks so, and bears nonsense.

use serde_json::{Value, json};

use super::fixture::part;
use super::ground::{
    deployment, drawn, expect, expect_none, object, planned, service, with, workload,
};
use crate::run::Confidence::{Certain, High, Medium};

const API: &str = "Deployment.apps shop/api";

/// An API application whose pod is this.
fn api(pod: Value) -> crate::inventory::Thing {
    deployment("api", pod)
}

#[test]
fn a_pod_waits_for_what_it_names_unless_optional() {
    let pod = json!({
        "priorityClassName": "urgent", "runtimeClassName": "sandbox",
        "imagePullSecrets": [{ "name": "pull" }],
        "volumes": [
            { "name": "a", "secret": { "secretName": "one" } },
            { "name": "b", "configMap": { "name": "two" } },
            { "name": "c", "projected": { "sources": [
                { "secret": { "name": "three" } }, { "configMap": { "name": "four", "optional": true } },
            ] } },
        ],
        "containers": [{
            "name": "x",
            "env": [{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "five", "key": "k" } } }],
            "envFrom": [{ "secretRef": { "name": "six", "optional": true } }],
        }],
    });
    let secret = |name: &str| object("Secret", &format!("shop/{name}"), json!({}));
    let map = |name: &str| object("ConfigMap", &format!("shop/{name}"), json!({}));
    let planned = planned([
        api(pod),
        secret("pull"),
        secret("one"),
        map("two"),
        secret("three"),
        map("four"),
        secret("five"),
        secret("six"),
        object("scheduling.k8s.io/v1 PriorityClass", "urgent", json!({})),
        object("node.k8s.io/v1 RuntimeClass", "sandbox", json!({})),
    ]);
    let spec = "Deployment.apps shop/api: spec.template.spec";
    for (on, field) in [
        (
            "PriorityClass.scheduling.k8s.io urgent",
            "priorityClassName",
        ),
        ("RuntimeClass.node.k8s.io sandbox", "runtimeClassName"),
        ("Secret shop/pull", "imagePullSecrets[0]"),
        ("Secret shop/one", "volumes[0].secret"),
        ("ConfigMap shop/two", "volumes[1].configMap"),
        (
            "Secret shop/three",
            "volumes[2].projected.sources[0].secret",
        ),
        (
            "Secret shop/five",
            "containers[0].env[KEY].valueFrom.secretKeyRef",
        ),
    ] {
        let rule = "REFERENCE_BEFORE_READER";
        expect(&planned, API, on, rule, Certain, &format!("{spec}.{field}"));
    }
    expect_none(&planned, API, "ConfigMap shop/four");
    expect_none(&planned, API, "Secret shop/six");
}

#[test]
fn a_pod_waits_for_what_makes_the_secret_that_it_reads() {
    let made = |name: &str, kind: &str, by: &str| {
        let owner = json!([{ "kind": kind, "name": by, "uid": format!("{kind}-shop-{by}") }]);
        object(
            "Secret",
            &format!("shop/{name}"),
            json!({ "owners": owner }),
        )
    };
    let reads = |name: &str| json!({ "containers": [{ "name": "x", "envFrom": [{ "secretRef": { "name": name } }] }] });
    let mut case = with([
        api(reads("main-app")),
        object(
            "postgresql.cnpg.io/v1 Cluster",
            "shop/main",
            json!({ "spec": {} }),
        ),
        made("main-app", "Cluster", "main"),
        object(
            "external-secrets.io/v1 ExternalSecret",
            "shop/access",
            json!({ "spec": {} }),
        ),
        made("access", "ExternalSecret", "access"),
        made("round", "Secret", "round"),
    ]);
    let mut db = case
        .objects
        .remove(&super::fixture::database("db").thing)
        .unwrap();
    db.edit(|it| it["spec"]["template"]["spec"] = reads("access"));
    case.objects.insert(db);
    let planned = case.plan().unwrap();
    let rule = "REFERENCE_BEFORE_READER";
    let cluster = "Cluster.postgresql.cnpg.io shop/main";
    let evidence = "Deployment.apps shop/api: spec.template.spec.containers[0].envFrom[0].secretRef is made by Cluster.postgresql.cnpg.io shop/main";
    expect(&planned, API, cluster, rule, High, evidence);
    // Its database is known: it waits for no other.
    expect_none(&planned, API, "ready shop/db");
    // The guess that a resource may need a database gives way.
    let secret = "ExternalSecret.external-secrets.io shop/access";
    drawn(&planned, "StatefulSet.apps shop/db", secret, rule);
    expect_none(&planned, secret, "ready shop/db");
}

#[track_caller]
fn expect_typed(planned: &crate::plan::Planned, edges: &[(&str, &str, &str)]) {
    for (step, on, field) in edges {
        let evidence = format!("{step}: {field}");
        expect(planned, step, on, "TYPED_REFERENCE", Certain, &evidence);
    }
}

#[test]
fn what_leads_in_waits_for_what_its_fields_name() {
    let gateway = "gateway.networking.k8s.io/v1";
    let tls = json!({ "spec": { "tls": [{ "secretName": "tls" }] } });
    let listeners = json!([{ "tls": { "certificateRefs": [{ "name": "tls" }] } }]);
    let route = json!({
        "parentRefs": [{ "name": "edge" }], "rules": [{ "backendRefs": [{ "name": "api" }] }],
    });
    let planned = planned([
        api(json!({ "containers": [] })),
        service("api", &[80]),
        object("Secret", "shop/tls", json!({})),
        object("networking.k8s.io/v1 Ingress", "shop/front", tls),
        object(
            &format!("{gateway} Gateway"),
            "shop/edge",
            json!({ "spec": { "listeners": listeners } }),
        ),
        object(
            &format!("{gateway} HTTPRoute"),
            "shop/api",
            json!({ "spec": route }),
        ),
    ]);
    let edge = "Gateway.gateway.networking.k8s.io shop/edge";
    let tls = "Secret shop/tls";
    expect_typed(
        &planned,
        &[
            (
                "Ingress.networking.k8s.io shop/front",
                tls,
                "spec.tls[0].secretName",
            ),
            (edge, tls, "spec.listeners[0].tls.certificateRefs[0]"),
            (
                "HTTPRoute.gateway.networking.k8s.io shop/api",
                edge,
                "spec.parentRefs[0]",
            ),
        ],
    );
    drawn(&planned, edge, API, "TRAFFIC_LAST");
}

#[test]
fn a_thing_waits_for_what_its_fields_name() {
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api" });
    let certificate = json!({ "secretName": "tls", "issuerRef": { "name": "ca" } });
    let watches = json!([{ "key": "team", "operator": "In", "values": ["a"] }]);
    let spec = |spec: Value| json!({ "spec": spec });
    let token = json!({
        "type": "kubernetes.io/service-account-token", "annotations": { ACCOUNT: "robot" },
    });
    let monitor = "ServiceMonitor.monitoring.coreos.com shop/api";
    let kind = "autoscaling/v2 HorizontalPodAutoscaler";
    let planned = planned([
        api(json!({ "containers": [] })),
        object("Secret", "shop/tls", json!({})),
        object(kind, "shop/api", spec(json!({ "scaleTargetRef": target }))),
        object(
            "cert-manager.io/v1 Issuer",
            "shop/ca",
            spec(json!({ "ca": { "secretName": "tls" } })),
        ),
        object(
            "cert-manager.io/v1 Certificate",
            "shop/front",
            spec(certificate),
        ),
        object(
            "monitoring.coreos.com/v1 ServiceMonitor",
            "shop/api",
            spec(json!({ "selector": { "matchExpressions": watches } })),
        ),
        object(
            "Service",
            "shop/watched",
            json!({ "labels": { "team": "a" } }),
        ),
        object(
            "Service",
            "shop/other",
            json!({ "labels": { "team": "b" } }),
        ),
        object("Secret", "shop/token", token),
        object(
            "ServiceAccount",
            "shop/robot",
            json!({ "imagePullSecrets": [{ "name": "tls" }] }),
        ),
    ]);
    let (issuer, front) = (
        "Issuer.cert-manager.io shop/ca",
        "Certificate.cert-manager.io shop/front",
    );
    let scaler = "HorizontalPodAutoscaler.autoscaling shop/api";
    let robot = "ServiceAccount shop/robot";
    let annotation = format!("metadata.annotations[{ACCOUNT}]");
    let tls = "Secret shop/tls";
    expect_typed(&planned, &[(scaler, API, "spec.scaleTargetRef")]);
    expect_typed(&planned, &[(issuer, tls, "spec.ca.secretName")]);
    expect_typed(&planned, &[(front, tls, "spec.secretName")]);
    expect_typed(&planned, &[(front, issuer, "spec.issuerRef")]);
    expect_typed(
        &planned,
        &[(monitor, "Service shop/watched", "spec.selector")],
    );
    expect_typed(&planned, &[("Secret shop/token", robot, &annotation)]);
    expect_typed(&planned, &[(robot, tls, "imagePullSecrets[0].name")]);
    expect_none(&planned, monitor, "Service shop/other");
}

#[test]
fn the_chain_of_storage_is_followed_where_it_is_carried() {
    let planned = planned([
        object(
            "storage.k8s.io/v1 CSIDriver",
            "disks.example.com",
            json!({}),
        ),
        object(
            "storage.k8s.io/v1 StorageClass",
            "fast",
            json!({ "provisioner": "disks.example.com" }),
        ),
        object(
            "PersistentVolume",
            "pv-1",
            json!({ "spec": { "storageClassName": "fast", "csi": { "driver": "disks.example.com" } } }),
        ),
        object(
            "snapshot.storage.k8s.io/v1 VolumeSnapshotClass",
            "snaps",
            json!({ "driver": "disks.example.com" }),
        ),
        object(
            "snapshot.storage.k8s.io/v1 VolumeSnapshotContent",
            "content",
            json!({ "spec": { "volumeSnapshotClassName": "snaps" } }),
        ),
    ]);
    let (driver, class) = (
        "CSIDriver.storage.k8s.io disks.example.com",
        "StorageClass.storage.k8s.io fast",
    );
    let snaps = "VolumeSnapshotClass.snapshot.storage.k8s.io snaps";
    for (step, on) in [
        (class, driver),
        ("PersistentVolume pv-1", class),
        ("PersistentVolume pv-1", driver),
        (snaps, driver),
        (
            "VolumeSnapshotContent.snapshot.storage.k8s.io content",
            snaps,
        ),
    ] {
        assert_eq!(
            drawn(&planned, step, on, "TYPED_REFERENCE").confidence,
            Certain
        );
    }
}

#[test]
fn a_resource_waits_for_its_definition_and_for_no_other() {
    let definition = |plural: &str, group: &str, kind: &str| {
        let names = json!({ "kind": kind, "plural": plural });
        let spec = json!({ "group": group, "names": names, "scope": "Namespaced" });
        object(
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            &format!("{plural}.{group}"),
            json!({ "spec": spec }),
        )
    };
    let planned = planned([
        definition("books", "library.example.com", "Book"),
        definition("books", "shop.example.com", "Book"),
        object("library.example.com/v1 Book", "shop/one", json!({})),
    ]);
    let of = |name: &str| format!("CustomResourceDefinition.apiextensions.k8s.io {name}");
    let book = "Book.library.example.com shop/one";
    let definition = of("books.library.example.com");
    let evidence = format!("{definition} defines Book.library.example.com");
    expect(
        &planned,
        book,
        &definition,
        "CRD_BEFORE_CR",
        Certain,
        &evidence,
    );
    expect_none(&planned, book, &of("books.shop.example.com"));
    expect_none(&planned, book, &of("caches.shop.example.com"));
}

const REPLICATION: &str = "replication.storage.openshift.io";

/// A thing of csi-addons.
fn replication(kind: &str, name: &str, body: Value) -> crate::inventory::Thing {
    object(&format!("{REPLICATION}/v1alpha1 {kind}"), name, body)
}

#[test]
fn a_replication_waits_for_its_volume_its_group_and_its_classes() {
    let source = |kind: &str, name: &str| {
        let source = json!({ "kind": kind, "name": name });
        json!({ "spec": { "volumeReplicationClass": "rbd", "dataSource": source } })
    };
    let several = json!({ "spec": {
        "volumeReplicationClassName": "rbd", "volumeGroupReplicationClassName": "rbd-group",
        "source": { "selector": { "matchLabels": { "app": "files" } } },
    } });
    let claim = json!({ "labels": { "app": "files" }, "spec": {} });
    let mut case = with([
        replication("VolumeReplicationClass", "rbd", json!({})),
        replication("VolumeGroupReplicationClass", "rbd-group", json!({})),
        replication(
            "VolumeReplication",
            "shop/of-db",
            source("PersistentVolumeClaim", "data-db-0"),
        ),
        replication(
            "VolumeReplication",
            "shop/of-group",
            source("VolumeGroupReplication", "files"),
        ),
        replication(
            "VolumeReplication",
            "shop/of-nothing",
            source("PersistentVolumeClaim", "gone"),
        ),
        replication(
            "VolumeReplication",
            "shop/broken",
            json!({ "spec": { "dataSource": [7] } }),
        ),
        replication("VolumeGroupReplication", "shop/files", several),
        object("PersistentVolumeClaim", "shop/data-files-0", claim),
    ]);
    case.point.parts.push(part("shop/data-files-0"));
    let planned = case.plan().unwrap();
    let rule = "VOLUME_BEFORE_REPLICATION";
    let one = |name: &str| format!("VolumeReplication.{REPLICATION} shop/{name}");
    let group = format!("VolumeGroupReplication.{REPLICATION} shop/files");
    let class = format!("VolumeReplicationClass.{REPLICATION} rbd");
    let (db, files) = ("hand over shop/data-db-0", "hand over shop/data-files-0");
    for (step, on, field) in [
        (one("of-db"), db, "spec.dataSource"),
        (one("of-group"), &group, "spec.dataSource"),
        (one("of-db"), &class, "spec.volumeReplicationClass"),
        (group.clone(), files, "spec.source.selector"),
        (group.clone(), &class, "spec.volumeReplicationClassName"),
        (
            group.clone(),
            &format!("VolumeGroupReplicationClass.{REPLICATION} rbd-group"),
            "spec.volumeGroupReplicationClassName",
        ),
    ] {
        let evidence = format!("{step}: {field}");
        expect(&planned, &step, on, rule, Certain, &evidence);
    }
    expect_none(&planned, &group, db);
    expect_none(&planned, &one("of-nothing"), db);
    expect_none(&planned, &one("broken"), &class);
}

#[test]
fn pods_wait_for_the_policies_that_select_them_and_for_no_others() {
    let policy = |name: &str, selector: Value| {
        let spec = json!({ "spec": { "podSelector": selector } });
        object(
            "networking.k8s.io/v1 NetworkPolicy",
            &format!("shop/{name}"),
            spec,
        )
    };
    let budget = json!({ "spec": { "selector": { "matchLabels": { "app": "api" } } } });
    let planned = planned([
        api(json!({ "containers": [] })),
        policy("all", json!({})),
        policy("ours", json!({ "matchLabels": { "app": "api" } })),
        policy("others", json!({ "matchLabels": { "app": "web" } })),
        policy(
            "not-ours",
            json!({ "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["api"] }] }),
        ),
        policy(
            "unknown",
            json!({ "matchExpressions": [{ "key": "app", "operator": "Near" }] }),
        ),
        policy(
            "broken",
            json!({ "matchLabels": 7, "matchExpressions": [null, { "key": 3 }] }),
        ),
        policy("none", Value::Null),
        object("policy/v1 PodDisruptionBudget", "shop/api", budget),
    ]);
    let rule = "POLICY_BEFORE_PODS";
    let of = |name: &str| format!("NetworkPolicy.networking.k8s.io shop/{name}");
    for name in ["all", "ours"] {
        let evidence = format!("{}: spec.podSelector selects its pods", of(name));
        expect(&planned, API, &of(name), rule, Certain, &evidence);
    }
    for name in ["others", "not-ours", "unknown", "broken", "none"] {
        expect_none(&planned, API, &of(name));
    }
    drawn(&planned, API, "PodDisruptionBudget.policy shop/api", rule);
    drawn(&planned, "Deployment.apps shop/web", &of("not-ours"), rule);
}

#[test]
fn a_stateful_set_waits_for_its_service_though_it_selects_nothing() {
    let mut set = workload("apps/v1 StatefulSet", "ring", &json!({ "containers": [] }));
    set.edit(|it| it["spec"]["serviceName"] = json!("ring-peers"));
    let planned = planned([
        set,
        object(
            "Service",
            "shop/ring-peers",
            json!({ "spec": { "clusterIP": "None" } }),
        ),
    ]);
    let (step, on) = ("StatefulSet.apps shop/ring", "Service shop/ring-peers");
    let evidence = "StatefulSet.apps shop/ring: spec.serviceName";
    expect(
        &planned,
        step,
        on,
        "SERVICE_BEFORE_WORKLOAD",
        Certain,
        evidence,
    );
}

#[test]
fn a_custom_resource_waits_for_what_it_refers_to() {
    let custom = |kind: &str, name: &str, spec: Value| {
        object(
            &format!("example.com/v1 {kind}"),
            &format!("shop/{name}"),
            json!({ "spec": spec }),
        )
    };
    let planned = planned([
        custom("Store", "main", json!({})),
        custom(
            "Backup",
            "nightly",
            json!({
                "storeRef": { "kind": "Store", "name": "main" },
                "deep": [{ "targetRefs": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api" }] }],
                "credentials": { "secretName": "keys", "passwordSecretRef": { "name": "more", "key": "x" } },
                "strangers": { "otherRef": { "kind": "Nothing", "name": "main" }, "storeName": "main" },
                "elsewhereRef": { "kind": "Store", "name": "main", "apiGroup": "else.example.com" },
            }),
        ),
        object("Secret", "shop/keys", json!({})),
        object("Secret", "shop/more", json!({})),
        api(json!({ "containers": [] })),
    ]);
    let (backup, rule) = ("Backup.example.com shop/nightly", "CUSTOM_REFERENCE");
    for (on, confidence, field) in [
        ("Store.example.com shop/main", Certain, "spec.storeRef"),
        (API, Certain, "spec.deep[0].targetRefs[0]"),
        ("Secret shop/keys", High, "spec.credentials.secretName"),
        (
            "Secret shop/more",
            High,
            "spec.credentials.passwordSecretRef",
        ),
    ] {
        expect(
            &planned,
            backup,
            on,
            rule,
            confidence,
            &format!("{backup}: {field}"),
        );
    }
}

#[test]
fn custom_resources_that_refer_to_each_other_do_not_stop_a_recovery() {
    let custom = |kind: &str, to: &str| {
        let spec = json!({ "peerRef": { "kind": to, "name": "one" } });
        object(
            &format!("example.com/v1 {kind}"),
            "shop/one",
            json!({ "spec": spec }),
        )
    };
    let planned = planned([custom("A", "B"), custom("B", "C"), custom("C", "A")]);
    let [broken] = planned.broken.as_slice() else {
        panic!("{:?}", planned.broken);
    };
    assert_eq!(broken.edge.confidence, High);
    assert_eq!(broken.cycle.len(), 4, "{broken:?}");
    assert!(
        planned
            .warnings
            .iter()
            .any(|one| one.contains("closes a cycle"))
    );
}

fn answering(name: &str, webhook: &Value) -> Vec<crate::inventory::Thing> {
    let group = "tools.example.com";
    let mut things = vec![
        deployment(name, json!({ "containers": [] })),
        service(name, &[443]),
        object(
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            "tools.tools.example.com",
            json!({ "spec": {
            "group": group, "names": { "kind": "Tool", "plural": "tools" },
            "conversion": { "webhook": { "clientConfig": { "service": webhook } } },
        } }),
        ),
        object(
            "tools.example.com/v1 Tool",
            "shop/hammer",
            json!({ "spec": {} }),
        ),
    ];
    things.push(object("admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration", "other", json!({
        "webhooks": [{ "clientConfig": { "service": { "namespace": null, "name": 7 } }, "rules": "none" }, null],
    })));
    things
}

#[test]
fn what_converts_a_definitions_versions_is_its_operator() {
    let planned = planned(answering(
        "converter",
        &json!({ "namespace": "shop", "name": "converter" }),
    ));
    let definition = "CustomResourceDefinition.apiextensions.k8s.io tools.tools.example.com";
    let (tool, converter) = (
        "Tool.tools.example.com shop/hammer",
        "Deployment.apps shop/converter",
    );
    drawn(
        &planned,
        definition,
        "Service shop/converter",
        "WEBHOOK_AFTER_BACKEND",
    );
    expect_none(&planned, definition, converter);
    let edge = drawn(&planned, tool, converter, "OPERATOR_BEFORE_ITS_CR");
    assert_eq!(edge.confidence, High);
    assert_eq!(
        drawn(&planned, tool, converter, "WEBHOOK_AFTER_BACKEND").confidence,
        High
    );
}

#[test]
fn webhooks_of_a_group_and_operator_lists_tell_who_the_operator_is() {
    let hook = |group: &str, name: &str| {
        object(
            "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration",
            name,
            json!({ "webhooks": [{
            "clientConfig": { "service": { "namespace": "shop", "name": "hooks" } },
            "rules": [{ "apiGroups": [group] }],
        }] }),
        )
    };
    let mut things = answering("listed", &json!(null));
    things.extend([
        deployment("hooks", json!({ "containers": [] })),
        service("hooks", &[443]),
        hook("tools.example.com", "tools"),
        hook("*", "everything"),
        object(
            "operators.coreos.com/v1alpha1 ClusterServiceVersion",
            "shop/tools.v1",
            json!({ "spec": {
            "install": { "spec": { "deployments": [{ "name": "listed" }, { "name": 3 }, null] } },
            "customresourcedefinitions": { "owned": [{ "name": "tools.tools.example.com" }, {}] },
        } }),
        ),
    ]);
    let planned = planned(things);
    let (tool, cache) = (
        "Tool.tools.example.com shop/hammer",
        "Cache.shop.example.com shop/sessions",
    );
    for operator in ["Deployment.apps shop/hooks", "Deployment.apps shop/listed"] {
        drawn(&planned, tool, operator, "OPERATOR_BEFORE_ITS_CR");
        expect_none(&planned, cache, operator);
    }
    let webhook = "MutatingWebhookConfiguration.admissionregistration.k8s.io everything";
    drawn(
        &planned,
        webhook,
        "Deployment.apps shop/hooks",
        "WEBHOOK_AFTER_BACKEND",
    );
}

#[test]
fn of_a_definition_that_nothing_else_tells_about_the_helm_release_does() {
    let release =
        json!({ "meta.helm.sh/release-name": "tools", "meta.helm.sh/release-namespace": "shop" });
    let mut things = answering("tools", &json!(null));
    for thing in &mut things {
        if matches!(
            thing.resource.kind.as_str(),
            "Deployment" | "CustomResourceDefinition"
        ) {
            thing.edit(|it| it["metadata"]["annotations"] = release.clone());
        }
    }
    let planned = planned(things);
    let (tool, operator) = (
        "Tool.tools.example.com shop/hammer",
        "Deployment.apps shop/tools",
    );
    assert_eq!(
        drawn(&planned, tool, operator, "OPERATOR_BEFORE_ITS_CR").confidence,
        Medium
    );
}

#[test]
fn an_api_service_waits_for_what_answers_it() {
    let planned = planned([
        deployment("metrics", json!({ "containers": [] })),
        service("metrics", &[443]),
        object(
            "apiregistration.k8s.io/v1 APIService",
            "v1.metrics.example.com",
            json!({ "spec": {
            "service": { "namespace": "shop", "name": "metrics" },
        } }),
        ),
    ]);
    let api = "APIService.apiregistration.k8s.io v1.metrics.example.com";
    let rule = "WEBHOOK_AFTER_BACKEND";
    expect(
        &planned,
        api,
        "Deployment.apps shop/metrics",
        rule,
        Certain,
        &format!("{api}: spec.service is Service shop/metrics"),
    );
}

#[test]
fn nonsense_where_a_name_is_expected_draws_nothing_and_breaks_nothing() {
    for nonsense in [
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!([[null]]),
        json!({ "name": {} }),
        json!("x".repeat(100_000)),
    ] {
        let spec = json!({
            "tls": nonsense, "scaleTargetRef": nonsense, "issuerRef": nonsense, "secretName": nonsense,
            "parentRefs": nonsense, "selector": nonsense, "podSelector": nonsense, "someRef": nonsense,
            "otherRefs": [nonsense], "listeners": nonsense, "rules": nonsense, "service": nonsense,
            "serviceName": nonsense, "volumeClaimTemplates": nonsense, "dependsOn": nonsense,
            "template": { "metadata": { "labels": nonsense }, "spec": {
                "containers": nonsense, "initContainers": [nonsense], "volumes": nonsense,
                "imagePullSecrets": nonsense, "serviceAccountName": nonsense, "priorityClassName": nonsense,
            } },
            "externalName": nonsense, "conversion": nonsense, "group": nonsense, "names": nonsense,
        });
        let body = json!({ "spec": spec, "data": nonsense, "subjects": nonsense, "roleRef": nonsense, "webhooks": nonsense });
        let kinds = [
            "apps/v1 Deployment",
            "apps/v1 StatefulSet",
            "Service",
            "Secret",
            "ConfigMap",
            "batch/v1 Job",
            "networking.k8s.io/v1 Ingress",
            "networking.k8s.io/v1 NetworkPolicy",
            "policy/v1 PodDisruptionBudget",
            "autoscaling/v2 HorizontalPodAutoscaler",
            "cert-manager.io/v1 Certificate",
            "gateway.networking.k8s.io/v1 HTTPRoute",
            "gateway.networking.k8s.io/v1 Gateway",
            "monitoring.coreos.com/v1 ServiceMonitor",
            "example.com/v1 Any",
            "rbac.authorization.k8s.io/v1 RoleBinding",
            "kustomize.toolkit.fluxcd.io/v1 Kustomization",
            "operators.coreos.com/v1alpha1 ClusterServiceVersion",
        ];
        let mut things: Vec<_> = kinds
            .iter()
            .map(|kind| object(kind, "shop/odd", body.clone()))
            .collect();
        for kind in [
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration",
        ] {
            things.push(object(kind, "odd", body.clone()));
        }
        let planned = with(things).plan().unwrap();
        assert!(planned.broken.is_empty(), "{:?}", planned.broken);
    }
}

//! What waits for the things that fields of known kinds name: ways in, storage, replication.

use serde_json::{Value, json};

use super::{API, api};
use crate::plan::tests::fixture::part;
use crate::plan::tests::ground::{drawn, expect, expect_none, object, planned, service, with};
use crate::run::Confidence::Certain;

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
fn endpoints_that_a_person_wrote_wait_for_their_service() {
    let labels = json!({ "kubernetes.io/service-name": "ledger" });
    let planned = planned([
        object("Service", "shop/ledger", json!({ "spec": {} })),
        object("Endpoints", "shop/ledger", json!({})),
        object(
            "discovery.k8s.io/v1 EndpointSlice",
            "shop/ledger-1",
            json!({ "labels": labels }),
        ),
    ]);
    let slice = "EndpointSlice.discovery.k8s.io shop/ledger-1";
    for step in ["Endpoints shop/ledger", slice] {
        drawn(&planned, step, "Service shop/ledger", "TYPED_REFERENCE");
    }
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

//! What a person reads of a plan for the applications that the testbed runs: their real manifests, to the letter.

use std::collections::BTreeMap;

use refloat_core::backup::{Member, Mode, Part, PointContent};
use refloat_core::inventory::{Inventory, Resource, Thing, ThingId, scope};
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_core::plan::{Around, Planned, plan};
use refloat_testkit::sim::resource;
use serde_json::{Value, json};

use crate::site;

const SHOP: &str = include_str!("../../../../testbed/scenarios/shop/shop.yaml");
const LEDGER: &str = include_str!("../../../../testbed/scenarios/ledger/ledger.yaml");
const GUIDE: &str = include_str!("../../../../docs/src/guides/plan.md");

/// An object as the API server would have it.
fn admitted(mut object: Value) -> Thing {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let resource = match kind.as_str() {
        "Campaign" => Resource::namespaced("shop.example.com/v1", "Campaign", "campaigns"),
        other => resource(other),
    };
    object["metadata"]["uid"] = json!(format!("{kind}-{}", object["metadata"]["name"]));
    Thing::new(resource, object).unwrap()
}

/// The same, as `kubectl apply --server-side` leaves it.
fn applied(object: Value) -> Thing {
    let mut thing = admitted(object);
    let managers = json!([{
        "manager": "kubectl", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
        "apiVersion": thing.resource.api_version(),
        "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": {}, "f:data": {} },
    }]);
    thing.edit(|it| it["metadata"]["managedFields"] = managers);
    thing
}

fn of_cluster(kind: &str, name: &str) -> Thing {
    admitted(json!({
        "apiVersion": resource(kind).api_version(), "kind": kind, "metadata": { "name": name },
    }))
}

fn in_namespace(kind: &str, namespace: &str, name: &str, spec: &Value) -> Thing {
    admitted(json!({
        "apiVersion": resource(kind).api_version(), "kind": kind,
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    }))
}

/// Manifests, and what a cluster makes of them: the default account, a claim for each template of a set.
fn cluster(manifests: &str) -> Inventory {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    let mut things: Vec<Thing> = objects.into_iter().map(applied).collect();
    let mut made = Vec::new();
    for thing in &things {
        if thing.resource.kind == "Namespace" {
            let account = in_namespace("ServiceAccount", thing.name(), "default", &json!({}));
            made.push(account);
        }
        for template in thing.list("/spec/volumeClaimTemplates") {
            let template_name = template["metadata"]["name"].as_str().unwrap();
            let name = format!("{template_name}-{}-0", thing.name());
            let namespace = thing.namespace().unwrap();
            let spec = &template["spec"].to_value();
            made.push(in_namespace(
                "PersistentVolumeClaim",
                namespace,
                &name,
                spec,
            ));
        }
    }
    things.extend(made);
    let mut inventory = Inventory::of(things);
    "v1.34.4".clone_into(&mut inventory.kubernetes_version);
    inventory
}

fn part(claim: &Thing, mebibytes: u64) -> Part {
    let id = format!("{}/{}", claim.namespace().unwrap(), claim.name());
    Part {
        id,
        driver: "csi-snapshot".to_owned(),
        claim: claim.as_read(),
        storage_class: claim.text("/spec/storageClassName").unwrap().to_owned(),
        csi_driver: "btrfs.csi.refloat.io".to_owned(),
        capacity: claim
            .text("/spec/resources/requests/storage")
            .unwrap()
            .to_owned(),
        cut: "2026-01-01T00:00:00Z".parse().unwrap(),
        snapshot_handle: "handle".to_owned(),
        snapshot: "snapshot".to_owned(),
        tree: "tree".to_owned(),
        files: 1_000,
        bytes: mebibytes << 20,
        bytes_added: mebibytes << 20,
    }
}

/// A set with the volumes that it names.
fn member(set: &str, driver: &str, mode: Mode, parts: &[Part]) -> Member {
    let (namespace, name) = set.split_once('/').unwrap();
    let own = |part: &&Part| part.id.ends_with(&format!("-{name}-0"));
    Member {
        name: set.to_owned(),
        driver: driver.to_owned(),
        thing: ThingId::namespaced("apps", "StatefulSet", namespace, name),
        mode,
        evidence: Vec::new(),
        engine: BTreeMap::new(),
        settings: BTreeMap::new(),
        parts: parts
            .iter()
            .filter(own)
            .map(|part| part.id.clone())
            .collect(),
        held: None,
    }
}

fn planned(manifests: &str, namespace: &str, members: &[(&str, &str, Mode)]) -> Planned {
    let objects = cluster(manifests);
    let namespaces = vec![namespace.to_owned()];
    let reach = scope(&objects, &namespaces);
    let parts: Vec<Part> = objects
        .of_kind("", "PersistentVolumeClaim")
        .map(|claim| part(claim, 640))
        .collect();
    let point = PointContent {
        protection: ProtectionName::new(namespace).unwrap(),
        site: SiteName::new("primary").unwrap(),
        run: RunId::new("backup-1").unwrap(),
        namespaces,
        spec: json!({}),
        kubernetes_version: "v1.34.4".to_owned(),
        cluster_uid: "cluster-a".to_owned(),
        began: "2026-01-01T00:00:00Z".parse().unwrap(),
        members: members
            .iter()
            .map(|(set, driver, mode)| member(set, driver, *mode, &parts))
            .collect(),
        parts,
        capture: None,
        objects: None,
        required: reach.required,
        owned: reach.owned,
        findings: Vec::new(),
        architectures: Vec::new(),
        gates: Vec::new(),
    };
    let mut target = Inventory::of([of_cluster("StorageClass", "btrfs")]);
    target.served = objects.iter().map(|thing| thing.resource.clone()).collect();
    "v1.34.4".clone_into(&mut target.kubernetes_version);
    plan(
        "point/1",
        &point,
        &objects,
        &target,
        &site::goal("restore-1"),
    )
    .unwrap()
}

fn shop() -> Planned {
    let database = ("shop/db", "postgresql", Mode::AtomicVolume);
    planned(SHOP, "shop", &[database])
}

fn ledger() -> Planned {
    let members = [
        ("ledger/pg", "postgresql", Mode::Held),
        ("ledger/maria", "mariadb", Mode::Held),
    ];
    planned(LEDGER, "ledger", &members)
}

/// A question and its answer, as in a terminal.
fn asked(planned: &Planned, words: &[&str]) -> String {
    let around = Around::default();
    let view = planned.view(&around);
    let find = |words: &str| view.find(words).unwrap();
    let (command, answer) = match words {
        [one] => ((*one).to_owned(), view.explain_one(find(one)).text(false)),
        [from, to] => (
            format!("{from} {to}"),
            view.explain(find(from), find(to)).text(),
        ),
        _ => panic!("one step or two"),
    };
    format!("$ refloat plan --explain {command}\n{answer}")
}

fn golden(shown: &str, wanted: &str) {
    assert_eq!(shown, wanted, "it reads now:\n{shown}");
}

#[test]
fn why_the_shop_comes_back_in_this_order_is_told() {
    let planned = shop();
    let shown = [
        asked(&planned, &["deploy/web", "sts/db"]),
        asked(&planned, &["sts/db", "pvc/data-db-0"]),
        asked(&planned, &["ing/web", "deploy/web"]),
        asked(&planned, &["secret/db-credentials", "ns/shop"]),
        asked(&planned, &["campaign/summer", "deploy/campaign-operator"]),
        asked(
            &planned,
            &["deploy/campaign-operator", "crd/campaigns.shop.example.com"],
        ),
        asked(&planned, &["deploy/web"]),
    ];
    golden(
        &shown.join("\n"),
        include_str!("../golden/explain-shop.txt"),
    );
}

#[test]
fn why_the_ledger_comes_back_in_this_order_is_told() {
    let planned = ledger();
    let shown = [
        asked(&planned, &["sts/pg", "pvc/wal-pg-0"]),
        asked(&planned, &["pvc/data-pg-0", "amend ledger/pg"]),
        asked(&planned, &["sts/maria", "secret/passwords"]),
        asked(&planned, &["sts/pg", "sts/maria"]),
        asked(&planned, &["secret/passwords", "ns/ledger"]),
    ];
    golden(
        &shown.join("\n"),
        include_str!("../golden/explain-ledger.txt"),
    );
}

#[test]
fn the_guide_shows_what_is_printed() {
    let planned = shop();
    for shown in [planned.render(), asked(&planned, &["deploy/web", "sts/db"])] {
        assert!(GUIDE.contains(&shown), "the guide does not show:\n{shown}");
    }
}

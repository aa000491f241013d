//! What a site looks like after a recovery, without what differs each time: to compare two recoveries.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use crate::ground::Ground;
use crate::shop;
use crate::testbed::{Site, output};

/// Kinds that a recovery writes or that follow from it.
const KINDS: &str = "namespaces,serviceaccounts,secrets,configmaps,services,roles,rolebindings,clusterroles,\
    clusterrolebindings,customresourcedefinitions,persistentvolumeclaims,persistentvolumes,statefulsets,deployments,\
    campaigns.shop.example.com,ingresses";

/// Fields that differ each time.
const VOLATILE: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
];

/// The finalizer of the CSI provisioner.
const PROVISIONER: &str = "external-provisioner.volume.kubernetes.io/finalizer";

fn strip(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            if let Some(annotations) = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
            {
                annotations
                    .retain(|key, _| key != "refloat.io/recovery" && key != "refloat.io/nudged");
            }
        }
        object.remove("status");
    }
}

/// The CSI provisioner gives a volume its finalizer when it comes to it, and their order tells nothing.
fn strip_finalizers(volume: &mut Value) {
    let Some(metadata) = volume.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let all = metadata.remove("finalizers").unwrap_or_default();
    let texts = all
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let kept: BTreeSet<&str> = texts.filter(|one| *one != PROVISIONER).collect();
    metadata.insert("finalizers".to_owned(), json!(kept));
}

/// Names of volumes and addresses are new each time; that a claim names a volume stays.
fn strip_spec(value: &mut Value) {
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        for key in ["volumeName", "clusterIP", "clusterIPs", "csi"] {
            if let Some(one) = spec.get_mut(key) {
                *one = Value::from("set");
            }
        }
        if let Some(claim) = spec.get_mut("claimRef").and_then(Value::as_object_mut) {
            claim.remove("uid");
            claim.remove("resourceVersion");
        }
    }
}

/// An owner has a new uid each time. That it is the uid of the very owner that is named, and not of any other, is compared.
fn strip_owners(value: &mut Value, uids: &BTreeMap<String, (Value, Value)>) {
    let owners = value
        .pointer_mut("/metadata/ownerReferences")
        .and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        let has_it = owner["uid"].as_str().and_then(|uid| uids.get(uid));
        let is_right =
            has_it.is_some_and(|(kind, name)| *kind == owner["kind"] && *name == owner["name"]);
        owner["uid"] = Value::from(if is_right { "its own" } else { "another's" });
    }
}

/// Everything of the shop at a site, by identity, and the database's checksum.
pub(super) fn of(ground: &Ground, site: Site) -> Result<BTreeMap<String, Value>> {
    let mut command = ground.kubectl(site);
    command.args(["get", KINDS, "--all-namespaces", "-o", "json"]);
    let all: Value = serde_json::from_str(&output(command)?)?;
    let items = all.get("items").and_then(Value::as_array);
    let items = items.context("no items")?;
    let uids: BTreeMap<String, (Value, Value)> = items
        .iter()
        .filter_map(|item| {
            let uid = item.pointer("/metadata/uid")?.as_str()?.to_owned();
            Some((
                uid,
                (item["kind"].clone(), item["metadata"]["name"].clone()),
            ))
        })
        .collect();
    let mut state = BTreeMap::new();
    for object in items {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("")
        };
        let of_shop = object.to_string().contains("shop")
            && !text("/metadata/namespace").starts_with("kube-");
        if !of_shop || text("/metadata/namespace") == "refloat-system" {
            continue;
        }
        let name = match text("/kind") {
            "PersistentVolume" => text("/spec/claimRef/name"),
            _ => text("/metadata/name"),
        };
        let id = format!("{} {}/{name}", text("/kind"), text("/metadata/namespace"));
        let mut object = object.clone();
        strip(&mut object);
        strip_spec(&mut object);
        strip_owners(&mut object, &uids);
        if id.starts_with("PersistentVolume /") {
            strip_finalizers(&mut object);
            object["metadata"]["name"] = Value::from(name);
        }
        ensure!(
            state.insert(id.clone(), object).is_none(),
            "{id} is there twice"
        );
    }
    let sums = "SELECT md5(string_agg(a::text, ',' ORDER BY id)) FROM accounts AS a";
    state.insert(
        "checksum of accounts".to_owned(),
        shop::query(ground, site, sums)?.into(),
    );
    let sums =
        "SELECT coalesce(md5(string_agg(o::text, ',' ORDER BY seq)), 'none') FROM orders AS o";
    state.insert(
        "checksum of orders".to_owned(),
        shop::query(ground, site, sums)?.into(),
    );
    Ok(state)
}

impl Stage<'_> {
    /// Takes the shop away from a site, and waits until its volumes are gone, too: the storage takes them a moment later.
    pub(super) fn clear(&self, site: Site) -> Result<()> {
        self.ground.clear(site)?;
        let begun = Instant::now();
        loop {
            let left = going_volumes(self.ground, site)?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(3),
                "volumes of the shop are left at {site}: {left:?}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Volumes of the shop that its storage is to delete now that their claims are gone.
fn going_volumes(ground: &Ground, site: Site) -> Result<Vec<String>> {
    let mut command = ground.kubectl(site);
    command.args(["get", "persistentvolumes", "-o", "json"]);
    let all: Value = serde_json::from_str(&output(command)?)?;
    let items = all["items"].as_array().context("no items")?;
    let is_going = |volume: &&Value| {
        volume["spec"]["claimRef"]["namespace"] == "shop"
            && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
            && (volume["status"]["phase"] == "Bound" || volume["status"]["phase"] == "Released")
    };
    let going = items.iter().filter(is_going);
    Ok(going
        .map(|volume| volume["metadata"]["name"].to_string())
        .collect())
}

/// The first differences, for people.
pub(super) fn differences(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for key in a.keys().chain(b.keys()) {
        if a.get(key) != b.get(key)
            && !found
                .iter()
                .any(|line: &String| line.starts_with(key.as_str()))
        {
            found.push(format!("{key}: {:?} against {:?}", a.get(key), b.get(key)));
        }
    }
    found
}

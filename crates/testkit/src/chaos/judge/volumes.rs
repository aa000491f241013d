//! Volumes that a run has made and that nobody has any more: restored data that no claim leads to and nobody tells of. Which ones the run
//! has made is told by the claims that it created, as the simulated provisioner names a volume by its first claim.

use std::collections::BTreeSet;

use refloat_core::driver::ObjectRef;
use refloat_core::names::ANNOTATION_RECLAIM_POLICY;
use serde_json::Value;

use crate::sim::{Store, resource};

/// Volumes of claims with these uids that no claim has, and all that still remember a policy to put back.
pub(super) fn orphaned(store: &Store, made: &BTreeSet<String>) -> Vec<String> {
    let volumes = resource("PersistentVolume");
    let of_run = |name: &str| {
        let uid = name.strip_prefix("pvc-");
        uid.is_some_and(|uid| made.contains(uid))
    };
    store
        .iter()
        .filter(|(one, _)| one.resource == volumes)
        .filter(|(one, live)| {
            remembers(live) || of_run(&one.name) && !is_claimed(store, &one.name, live)
        })
        .map(|(one, _)| one.id().to_string())
        .collect()
}

fn remembers(volume: &Value) -> bool {
    let annotations = &volume["metadata"]["annotations"];
    annotations.get(ANNOTATION_RECLAIM_POLICY).is_some()
}

/// Whether the claim that a volume names is there and names the volume.
pub(super) fn is_claimed(store: &Store, name: &str, volume: &Value) -> bool {
    let claim = &volume["spec"]["claimRef"];
    let (Some(namespace), Some(of)) = (claim["namespace"].as_str(), claim["name"].as_str()) else {
        return false;
    };
    let place = ObjectRef::namespaced(resource("PersistentVolumeClaim"), namespace, of);
    store.get(&place).is_some_and(|live| {
        let is_it = claim["uid"].is_null() || claim["uid"] == live["metadata"]["uid"];
        is_it && live["spec"]["volumeName"] == name
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::judged;
    use super::*;

    /// What is told of the volume of the claim `m` of the recovery, with these fields.
    fn told(annotations: &Value, claim: &Value) -> Vec<String> {
        judged(|scene| {
            scene.world.with_store(|store| {
                let claims = resource("PersistentVolumeClaim");
                let target = json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "metadata": { "name": "bound", "namespace": "shop" },
                    "spec": { "volumeName": "pvc-m" },
                });
                store.seed(&claims, target);
                let bound = ObjectRef::namespaced(claims, "shop", "bound");
                let uid = store.get(&bound).unwrap()["metadata"]["uid"].clone();
                let mut claim = claim.clone();
                if claim["uid"] == "its" {
                    claim["uid"] = uid;
                }
                let volume = json!({
                    "apiVersion": "v1", "kind": "PersistentVolume",
                    "metadata": { "name": "pvc-m", "annotations": annotations },
                    "spec": { "claimRef": claim },
                });
                store.seed(&resource("PersistentVolume"), volume);
                orphaned(store, &BTreeSet::from(["m".to_owned()]))
            })
        })
    }

    #[test]
    fn a_volume_that_no_claim_has_or_that_remembers_its_policy_is_told() {
        let claim =
            |name: &str, uid: &Value| json!({ "namespace": "shop", "name": name, "uid": uid });
        let none = json!({});
        let volume = ["PersistentVolume pvc-m"];
        assert_eq!(
            told(&none, &claim("bound", &json!("its"))),
            Vec::<String>::new()
        );
        assert_eq!(told(&none, &claim("bound", &json!("another"))), volume);
        assert_eq!(told(&none, &claim("gone", &Value::Null)), volume);
        let remembers = json!({ "refloat.io/reclaim-policy": "Delete" });
        assert_eq!(told(&remembers, &claim("bound", &json!("its"))), volume);
    }
}

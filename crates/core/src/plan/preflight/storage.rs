//! Can the StorageClasses really make and mount volumes, and is there room for them?

use std::collections::BTreeMap;

use crate::json::Json;

use super::finding::{Raised, Weight};
use super::quantity::{shown, thousandths};
use super::scene::{Scene, elements, text};
use crate::backup::Part;
use crate::inventory::ThingId;

const GROUP: &str = "storage.k8s.io";

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    let mut classes: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
    for part in &scene.point.parts {
        classes
            .entry(scene.storage_class(&part.storage_class))
            .or_default()
            .push(part);
    }
    for (class, parts) in classes {
        let id = ThingId::cluster(GROUP, "StorageClass", class);
        let Some(provisioner) = scene
            .target
            .get(&id)
            .and_then(|found| found.text("/provisioner"))
        else {
            continue;
        };
        driver(scene, &id, provisioner, raised);
        room(scene, &id, provisioner, &parts, raised);
    }
}

/// A CSI driver that no node runs mounts nothing. A provisioner that never was a CSI driver has no CSINode.
fn driver(scene: &Scene<'_>, class: &ThingId, provisioner: &str, raised: &mut Raised) {
    let Some(nodes) = &scene.facts.csi_nodes else {
        return;
    };
    let is_csi = scene
        .target
        .get(&ThingId::cluster(GROUP, "CSIDriver", provisioner))
        .is_some()
        || scene
            .point
            .parts
            .iter()
            .any(|part| part.csi_driver == provisioner);
    let runs = nodes
        .iter()
        .flat_map(|node| elements(node, "/spec/drivers"))
        .any(|driver| text(driver, "/name") == Some(provisioner));
    if is_csi && !runs && !nodes.is_empty() {
        raised.about(
            Weight::Problem,
            "csi-driver-missing",
            class,
            format!("its CSI driver {provisioner} runs on no node of the target: volumes could not be mounted"),
            "install the driver or repair its node pods (see `kubectl get csinodes -o yaml`), or map the class with `--map-storage-class`",
        );
    }
}

/// Room as the driver publishes it; without that nothing is known.
fn room(
    scene: &Scene<'_>,
    class: &ThingId,
    provisioner: &str,
    parts: &[&Part],
    raised: &mut Raised,
) {
    let driver = scene
        .target
        .get(&ThingId::cluster(GROUP, "CSIDriver", provisioner));
    let tells = driver.is_some_and(|driver| {
        driver.object.pointer("/spec/storageCapacity") == Some(&Json::Bool(true))
    });
    let rooms: Vec<&Json> = scene
        .facts
        .capacities
        .iter()
        .flatten()
        .filter(|one| text(one, "/storageClassName") == Some(class.name.as_str()))
        .collect();
    if !tells || rooms.is_empty() {
        return;
    }
    let amount = |one: &Json, key: &str| text(one, key).and_then(thousandths);
    let largest = rooms
        .iter()
        .filter_map(|one| amount(one, "/maximumVolumeSize").or_else(|| amount(one, "/capacity")))
        .max();
    let total = rooms
        .iter()
        .filter_map(|one| amount(one, "/capacity"))
        .fold(0_i128, i128::saturating_add);
    let mut asked = 0_i128;
    for part in parts {
        let size = thousandths(&part.capacity).unwrap_or(0);
        asked = asked.saturating_add(size);
        if let Some(largest) = largest.filter(|largest| size > *largest) {
            let claim = part.id.split_once('/').unwrap_or(("", &part.id));
            raised.about(
                Weight::Warning,
                "volume-too-large",
                &ThingId::namespaced("", "PersistentVolumeClaim", claim.0, claim.1),
                format!(
                    "it needs {}, StorageClass {} makes no volume larger than {} now",
                    shown(size),
                    class.name,
                    shown(largest)
                ),
                "make room in that storage, or map the class with `--map-storage-class`",
            );
        }
    }
    if asked > total {
        raised.about(
            Weight::Warning,
            "storage-short",
            class,
            format!(
                "all volumes need {}, its storage says it has {}",
                shown(asked),
                shown(total)
            ),
            "make room in that storage, or map the class with `--map-storage-class`",
        );
    }
}

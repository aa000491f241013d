//! Whether storage at the target has the driver and the room that volumes need.

use serde_json::{Value, json};

use super::{csi, judged, nothing, problem, warning};
use crate::json::Json;
use crate::plan::tests::fixture::{part, thing};

#[test]
fn a_storage_class_whose_driver_runs_nowhere_is_a_problem() {
    let told = problem(
        &judged(|case, facts| facts.csi_nodes = Some(csi(case, &json!(null)))),
        "csi-driver-missing",
    );
    assert!(
        told.starts_with("StorageClass.storage.k8s.io slow"),
        "{told}"
    );
    nothing(&judged(|case, facts| {
        facts.csi_nodes = Some(csi(case, &json!([{ "name": "btrfs.csi.refloat.io" }])));
    }));
    nothing(&judged(|case, facts| {
        facts.csi_nodes = Some(csi(case, &json!([])));
        "rancher.io/local-path".clone_into(&mut case.point.parts[0].csi_driver);
    }));
}

#[test]
fn storage_that_publishes_its_room_is_compared_with_what_is_needed() {
    let with = |capacities: Value| {
        judged(|case, facts| {
            csi(case, &json!(null));
            case.target.insert(thing(
                "CSIDriver",
                "btrfs.csi.refloat.io",
                &json!({ "spec": { "storageCapacity": true } }),
            ));
            case.point.parts.push(part("shop/data-db-1"));
            facts.capacities = Some(Json::from(&capacities).as_array().unwrap().to_vec());
        })
    };
    let one = |capacity: &str, largest: Value| json!({ "storageClassName": "slow", "capacity": capacity, "maximumVolumeSize": largest });
    nothing(&with(json!([])));
    nothing(&with(json!([
        one("2Gi", json!(null)),
        one("2Gi", json!(null))
    ])));
    let told = warning(&with(json!([one("3Gi", json!(null))])), "storage-short");
    assert!(
        told.ends_with("all volumes need 4Gi, its storage says it has 3Gi"),
        "{told}"
    );
    let told = warning(&with(json!([one("9Gi", json!("1Gi"))])), "volume-too-large");
    assert!(
        told.starts_with(
            "PersistentVolumeClaim shop/data-db-0, PersistentVolumeClaim shop/data-db-1: "
        ),
        "{told}"
    );
}

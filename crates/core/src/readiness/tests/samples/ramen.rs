//! Ramen's group of volumes and its placement.

use serde_json::{Value, json};

use super::{check, conditions};

const API: &str = "ramendr.openshift.io/v1alpha1";

#[test]
fn a_group_of_volumes_is_what_it_is_to_be() {
    let group = |wanted: &str, state: &str, told: &[(&str, &str, &str)]| {
        json!({
            "metadata": { "generation": 2 },
            "spec": { "replicationState": wanted },
            "status": { "observedGeneration": 2, "state": state, "conditions": conditions(told) },
        })
    };
    let ready = ("DataReady", "True", "Ready");
    let restored = ("ClusterDataReady", "True", "Restored");
    let lost = ("ClusterDataReady", "False", "Error");
    let split = ("DataReady", "False", "Error");
    let busy = ("ClusterDataReady", "False", "Progressing");
    let cases: &[(&Value, i64, &str)] = &[
        (&group("primary", "Primary", &[ready, restored]), 0, "open"),
        (
            &group("primary", "Secondary", &[ready, restored]),
            500,
            "closed not-ready",
        ),
        (
            &group("primary", "Primary", &[ready, busy]),
            500,
            "closed not-ready",
        ),
        (
            &group("primary", "Primary", &[ready, lost]),
            180,
            "failed restore-failed",
        ),
        (
            &group("primary", "Unknown", &[split]),
            180,
            "failed replication-failed",
        ),
        (&group("secondary", "Secondary", &[]), 0, "open"),
        (&group("secondary", "Unknown", &[]), 500, "closed not-ready"),
    ];
    check(API, "VolumeReplicationGroup", cases);
}

#[test]
fn a_placement_is_ready_when_it_could_be_moved_once_more() {
    let placement = |progression: &str, peer: &str, protected: Option<(&str, &str)>| {
        let mut told = vec![
            ("Available", "True", "Deployed"),
            ("PeerReady", peer, "Success"),
        ];
        told.extend(protected.map(|(status, reason)| ("Protected", status, reason)));
        json!({ "status": { "progression": progression, "conditions": conditions(&told) } })
    };
    let protected = Some(("True", "Protected"));
    let cases: &[(&Value, i64, &str)] = &[
        (&placement("Completed", "True", protected), 0, "open"),
        // Before Ramen told of its protection.
        (&placement("Completed", "True", None), 0, "open"),
        (
            &placement("Cleaning Up", "True", protected),
            500,
            "closed not-ready",
        ),
        (
            &placement("Completed", "False", protected),
            500,
            "closed not-ready",
        ),
        (
            &placement("Completed", "True", Some(("False", "Progressing"))),
            500,
            "closed not-ready",
        ),
        (
            &placement("Completed", "True", Some(("False", "Error"))),
            180,
            "failed not-protected",
        ),
    ];
    check(API, "DRPlacementControl", cases);
}

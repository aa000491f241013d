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
fn a_placement_does_not_wait_for_a_site_that_is_lost() {
    let placement = |available: &str, peer: &str, progression: &str, protected: &str| {
        let told = [
            ("Available", available, "FailedOver"),
            ("PeerReady", peer, "NotStarted"),
            ("Protected", protected, "Error"),
        ];
        json!({ "status": { "progression": progression, "conditions": conditions(&told) } })
    };
    let cases: &[(&Value, i64, &str)] = &[
        (&placement("True", "True", "Completed", "True"), 0, "open"),
        (
            &placement("True", "False", "WaitOnUserToCleanUp", "False"),
            500,
            "open",
        ),
        (
            &placement("False", "False", "FailingOverToCluster", "False"),
            500,
            "closed not-ready",
        ),
    ];
    check(API, "DRPlacementControl", cases);
}

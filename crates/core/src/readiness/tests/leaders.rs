//! Operators that elect a leader.

use serde_json::{Value, json};

use super::{DENIED, DENIED_SAYS, Duty, Scene, ago, pod, rolled_out, workload};
use crate::driver::{Class, Query};
use crate::inventory::Resource;

const POD: &str = "db-5d4f8c7b9d-x2k4q";

fn resource() -> Resource {
    Resource::namespaced("coordination.k8s.io/v1", "Lease", "leases")
}

/// A Deployment of one replica that is rolled out and has these arguments.
fn deployment(args: &[&str]) -> Scene {
    let mut live = workload(&rolled_out());
    live["spec"]["template"]["spec"]["containers"] = json!([{ "name": "c", "args": args }]);
    let mut one = pod(&json!({ "restartCount": 0 }));
    one["metadata"]["name"] = json!(POD);
    Scene::of("apps/v1", "Deployment", live).pods(vec![one])
}

fn operator(args: &[&str]) -> Scene {
    let mut scene = deployment(args);
    scene.duty = Some(Duty {
        operator: true,
        ..Duty::default()
    });
    scene
}

/// A Lease of 15 s.
fn lease(holder: &str, renewed_seconds_ago: i64) -> Value {
    json!({
        "metadata": { "name": "operator" },
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 15,
            "renewTime": ago(renewed_seconds_ago),
        },
    })
}

fn holder() -> String {
    format!("{POD}_6f1c")
}

#[test]
fn an_operator_is_ready_when_one_of_its_pods_leads() {
    let gone = "db-77c9f6d5b8-aaaaa_6f1c";
    let cases: &[(Vec<Value>, i64, &str)] = &[
        (vec![lease(&holder(), 3)], 0, "open"),
        (vec![lease(POD, 29)], 0, "open"),
        // A clock that is ahead of ours.
        (vec![lease(POD, -500)], 0, "open"),
        (vec![lease(&holder(), 31)], 0, "closed leader-not-elected"),
        (vec![lease(gone, 3)], 59, "closed leader-not-elected"),
        (vec![lease(gone, 3)], 60, "assumed leader-not-elected"),
        (vec![lease(gone, 3), lease(&holder(), 3)], 0, "open"),
        // Somebody else's: a pod of another name, a name that goes on, none at all.
        (vec![lease("cache-5d4f8c7b9d-x2k4q_1", 300)], 0, "open"),
        (vec![lease("db-cache-5d4f8c7b9d-x2k4q_1", 300)], 0, "open"),
        (vec![lease("db-0", 300), lease("", 300)], 0, "open"),
        (vec![], 0, "open"),
        (vec![json!({}), json!(null), json!("x")], 0, "open"),
    ];
    for (leases, seconds, expected) in cases {
        let scene = operator(&[]).list(resource(), &[], leases.clone());
        let says = scene.after(*seconds).says();
        assert_eq!(says, *expected, "{leases:?} after {seconds} s");
    }
}

#[test]
fn what_says_that_it_elects_a_leader_is_waited_for_until_it_has() {
    for args in [
        &["--leader-elect"][..],
        &["--enable-leader-election=true"],
        &["--v=2", "--leader-elect=True"],
    ] {
        let scene = || deployment(args).list(resource(), &[], vec![]);
        assert_eq!(scene().says(), "closed leader-not-elected", "{args:?}");
        assert_eq!(scene().after(30).says(), "assumed leader-not-elected");
        let later = |seconds: i64| {
            let condition = json!({
                "type": "Available", "status": "True", "lastTransitionTime": ago(seconds),
            });
            let mut scene = scene();
            scene.live["status"]["conditions"] = json!([condition]);
            scene.after(600).says()
        };
        assert_eq!(later(29), "closed leader-not-elected", "a slow image");
        assert_eq!(later(30), "assumed leader-not-elected");
        let led = deployment(args).list(resource(), &[], vec![lease(&holder(), 1)]);
        assert_eq!(led.says(), "open");
    }
    for args in [
        &["--leader-elect=false"][..],
        &[
            "--leader-election-id=x",
            "--leader-elect-lease-duration=15s",
        ],
        &["leader-elect"],
    ] {
        assert_eq!(deployment(args).asks(), Vec::<Query>::new(), "{args:?}");
        assert_eq!(deployment(args).says(), "open", "{args:?}");
    }
    let mut by_variable = deployment(&[]);
    by_variable.live["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "STRIMZI_LEADER_ELECTION_ENABLED", "value": "true" }]);
    assert_eq!(by_variable.asks().len(), 1);
}

#[test]
fn a_leader_is_asked_for_only_of_what_could_have_one() {
    assert_eq!(operator(&[]).asks().len(), 1);
    let mut none = operator(&[]);
    none.live["spec"]["replicas"] = json!(0);
    assert_eq!(none.asks(), Vec::<Query>::new());
    let mut down = rolled_out();
    down["availableReplicas"] = json!(0);
    let mut scene = operator(&[]).list(resource(), &[], vec![lease(&holder(), 3)]);
    scene.live["status"] = down;
    assert_eq!(scene.says(), "closed rolling-out");
}

#[test]
fn who_may_not_read_leases_is_not_kept_waiting_for_long() {
    for (how, expected) in [
        (DENIED, DENIED_SAYS),
        (
            (Class::Retry, "throttled"),
            ["closed throttled", "closed throttled"],
        ),
    ] {
        let scene = operator(&[]);
        let query = scene.asks().remove(0);
        assert_eq!(scene.refused(query, how).says_then(), expected);
    }
}

#[test]
fn who_holds_the_lease_is_said() {
    let scene = operator(&[]).list(resource(), &[], vec![lease("db-77c9f6d5b8-aaaaa_6f1c", 3)]);
    assert_eq!(
        scene.message(),
        "Deployment shop/db: it is ready and nobody leads: Lease operator is held by db-77c9f6d5b8-aaaaa_6f1c, which is gone / one of its pods takes the Lease, 15 s after it was renewed last"
    );
}

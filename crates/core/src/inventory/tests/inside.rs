//! What of the protected namespaces is left to those who make it anew, and what looks so and comes back.

use serde_json::{Value, json};

use super::{scope, thing};
use crate::inventory::{Inventory, Resource, Thing};

/// Why each thing is left out, by name; what is carried is not named.
fn left_out(things: impl IntoIterator<Item = Thing>) -> Vec<(String, String)> {
    let scope = scope(&Inventory::of(things), &["shop".to_owned()]);
    let all = scope.left_out.into_iter();
    all.map(|one| (one.thing.name.clone(), one.why)).collect()
}

fn of(group_version: &str, kind: &str, name: &str, body: &Value) -> Thing {
    let resource = Resource::namespaced(group_version, kind, "things");
    thing(resource, Some("shop"), name, body)
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

#[test]
fn what_a_controller_puts_into_every_namespace_is_left_to_it() {
    let none = json!({});
    let common = || {
        [
            of("v1", "ConfigMap", "istio-ca-root-cert", &none),
            of("v1", "ServiceAccount", "builder", &none),
            of("v1", "Secret", "builder-dockercfg-x7k2p", &none),
            of(RBAC, "RoleBinding", "system:deployers", &none),
            of(RBAC, "RoleBinding", "deployers", &none),
        ]
    };
    let by = |maker: &str| format!("made in every namespace by {maker}");
    let row = |name: &str, maker: &str| (name.to_owned(), by(maker));
    assert_eq!(
        left_out(common()),
        [
            row("istio-ca-root-cert", "Istio"),
            row("system:deployers", "OpenShift")
        ],
        "an account of this name is somebody's where there is no OpenShift"
    );
    let mark = of("v1", "ConfigMap", "openshift-service-ca.crt", &none);
    assert_eq!(
        left_out(common().into_iter().chain([mark])),
        [
            row("istio-ca-root-cert", "Istio"),
            row("openshift-service-ca.crt", "OpenShift"),
            row("system:deployers", "OpenShift"),
            row("builder-dockercfg-x7k2p", "OpenShift"),
            row("builder", "OpenShift"),
        ]
    );
}

#[test]
fn what_an_operator_has_done_once_is_not_done_again() {
    let pxc = |kind: &str, name: &str, state: &str| {
        let status = json!({ "status": { "state": state } });
        of("pxc.percona.com/v1", kind, name, &status)
    };
    let backup = |name: &str, phase: &str| {
        let status = json!({ "status": { "phase": phase } });
        of("postgresql.cnpg.io/v1", "Backup", name, &status)
    };
    let mut kept = pxc("PerconaXtraDBClusterBackup", "with-status", "Succeeded");
    kept.edit(|it| it["metadata"]["annotations"] = json!({ "refloat.io/status": "restore" }));
    let restore = "PerconaXtraDBClusterRestore";
    let found = left_out([
        pxc(restore, "succeeded", "Succeeded"),
        pxc(restore, "failed", "Failed"),
        pxc(restore, "running", "Restoring"),
        of("pxc.percona.com/v1", restore, "new", &json!({})),
        pxc("PerconaXtraDBCluster", "cluster", "ready"),
        backup("completed", "completed"),
        backup("started", "started"),
        kept,
    ]);
    let why = "it had ended: it would be done again";
    let expected = ["completed", "failed", "succeeded"];
    assert_eq!(
        found,
        expected.map(|name| (name.to_owned(), why.to_owned()))
    );
}

#[test]
fn what_a_workflow_made_for_others_outlives_it() {
    let (argo, tekton) = ("argoproj.io/v1alpha1", "tekton.dev/v1");
    let phase = |name: &str, phase: &str| {
        let status = json!({ "status": { "phase": phase } });
        of(argo, "Workflow", name, &status)
    };
    let owned = |api: &str, kind: &str, name: &str, owner: &str, body: Value| {
        let mut thing = of(api, kind, name, &body);
        thing.edit(|it| {
            let owner = json!({ "kind": "Workflow", "name": owner, "uid": owner });
            it["metadata"]["ownerReferences"] = json!([owner]);
        });
        thing
    };
    let none = || json!({});
    let over = json!({ "status": { "completionTime": "2026-01-01T00:00:00Z" } });
    let going = {
        let mut going = phase("going", "Failed");
        going.edit(|it| it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
        going
    };
    let found = left_out([
        phase("done", "Succeeded"),
        phase("failed", "Failed"),
        phase("busy", "Running"),
        going,
        of(tekton, "PipelineRun", "run", &over),
        owned("apps/v1", "Deployment", "preview", "done", none()),
        owned("v1", "Secret", "password", "done", none()),
        owned("v1", "ConfigMap", "settings", "failed", none()),
        owned(
            "v1",
            "Pod",
            "done-1",
            "done",
            json!({ "status": { "phase": "Succeeded" } }),
        ),
        owned("v1", "Pod", "done-daemon", "done", none()),
        owned("batch/v1", "Job", "migrated", "done", over.clone()),
        owned(argo, "WorkflowTaskResult", "done-result", "done", none()),
        // Of the same group, and no part of a workflow.
        owned(argo, "Rollout", "canary", "done", none()),
        owned("v1", "ConfigMap", "of-busy", "busy", none()),
        owned("v1", "ConfigMap", "of-going", "going", none()),
        // It goes with the run that it was made for.
        owned("v1", "Secret", "pac-gitauth", "run", none()),
    ]);
    let mut names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "done",
            "done-1",
            "done-daemon",
            "done-result",
            "failed",
            "going",
            "migrated",
            "of-busy",
            "of-going",
            "pac-gitauth",
            "run"
        ]
    );
}

#[test]
fn what_has_ended_comes_back_only_if_its_status_does() {
    let asked = |api: &str, kind: &str, name: &str, word: &str, status: &Value| {
        let mut thing = of(api, kind, name, &json!({ "status": status }));
        thing.edit(|it| it["metadata"]["annotations"] = json!({ "refloat.io/status": word }));
        thing
    };
    let (pxc, restores) = ("pxc.percona.com/v1", "PerconaXtraDBClusterRestore");
    let (argo, stork) = ("argoproj.io/v1alpha1", "stork.libopenstorage.org/v1alpha1");
    let completed = json!({ "phase": "Completed" });
    let succeeded = json!({ "state": "Succeeded" });
    let found = left_out([
        asked(pxc, restores, "misspelt", "yes", &succeeded),
        asked(pxc, restores, "kept", "restore", &succeeded),
        asked("velero.io/v1", "Restore", "velero", "restore", &completed),
        asked(
            "velero.io/v1",
            "Restore",
            "busy",
            "restore",
            &json!({ "phase": "New" }),
        ),
        asked(
            argo,
            "Workflow",
            "argo",
            "restore",
            &json!({ "phase": "Succeeded" }),
        ),
        asked(
            stork,
            "Migration",
            "stork",
            "restore",
            &json!({ "status": "Successful" }),
        ),
    ]);
    let mut names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["argo", "misspelt", "stork", "velero"]);
}

#[test]
fn what_ran_once_to_its_end_is_told_by_each_operators_own_words() {
    let phase = |api: &str, kind: &str, name: &str, phase: &str| {
        of(api, kind, name, &json!({ "status": { "phase": phase } }))
    };
    let told = |api: &str, kind: &str, name: &str, condition: [&str; 3]| {
        let [kind_of, status, reason] = condition;
        let condition = json!({ "type": kind_of, "status": status, "reason": reason });
        let status = json!({ "status": { "conditions": [condition] } });
        of(api, kind, name, &status)
    };
    let (velero, argo) = ("velero.io/v1", "argoproj.io/v1alpha1");
    let (tekton, k8up) = ("tekton.dev/v1", "k8up.io/v1");
    let before = |name: &str, reason: &str| {
        let condition = ["PreBackupPodReady", "False", reason];
        told(k8up, "Backup", name, condition)
    };
    let found = left_out([
        phase(velero, "Backup", "completed", "Completed"),
        phase(velero, "Backup", "invalid", "FailedValidation"),
        phase(velero, "Backup", "running", "InProgress"),
        phase(velero, "Backup", "unwanted", "Deleting"),
        phase(velero, "Restore", "half", "PartiallyFailed"),
        phase(velero, "Restore", "finalizing", "Finalizing"),
        phase(velero, "Schedule", "daily", "Enabled"),
        phase(argo, "Workflow", "wrong", "Error"),
        phase(argo, "Workflow", "done", "Succeeded"),
        phase(argo, "Workflow", "busy", "Running"),
        of(
            tekton,
            "TaskRun",
            "passed",
            &json!({ "status": { "completionTime": "2026-01-01T00:00:00Z" } }),
        ),
        told(
            tekton,
            "PipelineRun",
            "cancelled",
            ["Succeeded", "False", "Cancelled"],
        ),
        told(
            tekton,
            "PipelineRun",
            "pending",
            ["Succeeded", "Unknown", "PipelineRunPending"],
        ),
        told(k8up, "Check", "broken", ["Completed", "True", "Failed"]),
        told(k8up, "Prune", "pruned", ["Completed", "True", "Succeeded"]),
        before("no-pod", "Failed"),
        before("tried-again", "CreationFailed"),
        told(k8up, "Archive", "begun", ["Progressing", "True", "Started"]),
        told(k8up, "Schedule", "nightly", ["Ready", "True", "Ready"]),
    ]);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "no-pod",
            "completed",
            "invalid",
            "unwanted",
            "broken",
            "cancelled",
            "pruned",
            "half",
            "passed",
            "done",
            "wrong"
        ]
    );
}

#[test]
fn what_was_being_deleted_does_not_come_back_to_life() {
    let going = |group_version: &str, kind: &str, name: &str, at: Value| {
        let mut thing = of(group_version, kind, name, &json!({}));
        thing.edit(|it| it["metadata"]["deletionTimestamp"] = at);
        thing
    };
    let at = || json!("2026-01-01T00:00:00Z");
    let mut namespace = thing(
        Resource::cluster("v1", "Namespace", "namespaces"),
        None,
        "shop",
        &json!({}),
    );
    namespace.edit(|it| it["metadata"]["deletionTimestamp"] = at());
    let found = left_out([
        namespace,
        going("v1", "ConfigMap", "going", at()),
        going("v1", "ConfigMap", "staying", Value::Null),
        going("example.com/v1", "Cache", "with-a-finalizer", at()),
    ]);
    let expected = ["with-a-finalizer", "going"];
    let why = "was being deleted";
    assert_eq!(
        found,
        expected.map(|name| (name.to_owned(), why.to_owned()))
    );
}

#[test]
fn views_of_other_objects_in_points_of_before_do_not_come_back() {
    let none = json!({});
    let views = "authorization.openshift.io/v1";
    let packages = "packages.operators.coreos.com/v1";
    let found = left_out([
        of(RBAC, "Role", "reader", &none),
        of(RBAC, "RoleBinding", "readers", &none),
        of(views, "Role", "reader", &none),
        of(views, "RoleBinding", "readers", &none),
        of(packages, "PackageManifest", "etcd", &none),
        of("example.com/v1", "PackageManifest", "mine", &none),
    ]);
    let row = |name: &str, why: &str| (name.to_owned(), why.to_owned());
    assert_eq!(
        found,
        [
            row("etcd", "read from a catalogue"),
            row("reader", "a view of the Role of the same name"),
            row("readers", "a view of the RoleBinding of the same name"),
        ]
    );
}

#[test]
fn endpoints_that_a_person_wrote_come_back_and_those_of_a_controller_do_not() {
    let service = |name: &str, spec: &Value| of("v1", "Service", name, &json!({ "spec": spec }));
    let endpoints = |name: &str| of("v1", "Endpoints", name, &json!({ "subsets": [] }));
    let slice = |name: &str, service: &str, by: &str| {
        let mut slice = of("discovery.k8s.io/v1", "EndpointSlice", name, &json!({}));
        slice.edit(|it| {
            it["metadata"]["labels"] = json!({
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": by,
            });
        });
        slice
    };
    let elected = |name: &str, key: &str| {
        let mut elected = endpoints(name);
        elected.edit(|it| it["metadata"]["annotations"] = json!({ key: "x" }));
        elected
    };
    let external = json!({ "ports": [{ "port": 5432 }] });
    let owners = json!([{ "kind": "Cache", "name": "sessions", "uid": "sessions" }]);
    let owned = json!({ "spec": external, "owners": owners });
    let found = left_out([
        service("ledger", &external),
        service("web", &json!({ "selector": { "app": "web" } })),
        service("none", &json!({ "selector": {} })),
        service("patroni", &external),
        service("lock", &external),
        service("cluster", &external),
        of("example.com/v1", "Cache", "sessions", &json!({})),
        of("v1", "Service", "cache", &owned),
        endpoints("ledger"),
        endpoints("none"),
        endpoints("web"),
        endpoints("nobody"),
        endpoints("cache"),
        elected("patroni", "leader"),
        elected("cluster", "initialize"),
        elected("lock", "control-plane.alpha.kubernetes.io/leader"),
        slice("ledger-by-hand", "ledger", "ops"),
        slice(
            "ledger-mirrored",
            "ledger",
            "endpointslicemirroring-controller.k8s.io",
        ),
        slice("web-abc", "web", "ops"),
    ]);
    let row = |name: &str, why: &str| (name.to_owned(), why.to_owned());
    assert_eq!(
        found,
        [
            row("ledger-mirrored", "kept by its Service"),
            row("web-abc", "kept by its Service"),
            row("cache", "kept by its Service"),
            row("cluster", "tells who leads"),
            row("lock", "tells who leads"),
            row("nobody", "its Service is not there"),
            row("patroni", "tells who leads"),
            row("web", "kept by its Service"),
            row("cache", "made by its owner Cache sessions"),
        ]
    );
}

//! When a selection needs no evidence that its source is dead, and the cases in which somebody would be started.

use serde_json::json;

use super::{at_home, codes, said, selecting};
use crate::inventory::{Resource, Thing};
use crate::plan::tests::fixture::{Case, workload};

/// The source's own cluster, everything of it alive, but for what is named.
fn living(words: &str, gone: &[(&str, &str)]) -> Case {
    let mut case = at_home(selecting(&[words], &[]));
    let all: Vec<_> = case
        .objects
        .iter()
        .filter(|thing| !gone.contains(&(thing.resource.kind.as_str(), thing.name())))
        .cloned()
        .collect();
    case.target
        .served
        .push(crate::plan::tests::fixture::resource("Cache"));
    for one in all {
        case.target.insert(one);
    }
    case
}

const DATA: (&str, &str) = ("PersistentVolumeClaim", "data-db-0");

#[test]
fn what_only_lies_there_comes_back_beside_the_living_source() {
    for (words, gone) in [
        ("pvc/data-db-0", DATA),
        ("cm/web", ("ConfigMap", "web")),
        ("secret/database", ("Secret", "database")),
        ("svc/web", ("Service", "web")),
        ("ing/web", ("Ingress", "web")),
        ("sa/operator", ("ServiceAccount", "operator")),
    ] {
        let case = living(words, &[gone]);
        assert_eq!(
            codes(&case),
            Vec::<String>::new(),
            "{words}: {}",
            said(&case)
        );
    }
}

#[test]
fn what_runs_needs_evidence_also_in_the_sources_own_cluster() {
    for (words, gone) in [
        ("deployment/web", ("Deployment", "web")),
        ("sts/db", ("StatefulSet", "db")),
        ("kind:Cache", ("Cache", "sessions")),
    ] {
        let case = living(words, &[gone]);
        assert_eq!(
            codes(&case),
            ["source-may-be-alive"],
            "{words}: {}",
            said(&case)
        );
    }
    let beside = living("deployment/web", &[]);
    assert_eq!(codes(&beside), ["source-may-be-alive", "already-exists"]);
}

#[test]
fn a_cronjob_is_something_that_runs() {
    let mut case = living("cronjob/report", &[]);
    let report = Thing::new(
        Resource::namespaced("batch/v1", "CronJob", "cronjobs"),
        json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "report", "namespace": "shop" },
            "spec": { "jobTemplate": { "spec": { "template": { "spec": { "containers": [] } } } } } }),
    )
    .unwrap();
    case.target.served.push(report.resource.clone());
    case.objects.insert(report);
    assert_eq!(codes(&case), ["source-may-be-alive"], "{}", said(&case));
}

#[test]
fn one_that_runs_among_those_that_lie_is_enough() {
    let mut case = living("pvc/data-db-0", &[DATA, ("StatefulSet", "db")]);
    case.goal.selection.only.push("sts/db".parse().unwrap());
    assert_eq!(codes(&case), ["source-may-be-alive"]);
}

/// In another cluster than the source's, what waits there for a volume would be the second copy.
#[test]
fn elsewhere_a_volume_is_inert_until_something_waits_for_it() {
    let elsewhere = || {
        let mut case = selecting(&["pvc/data-db-0"], &[]);
        case.goal.evidence = None;
        case
    };
    assert_eq!(codes(&elsewhere()), Vec::<String>::new());
    let mut templated = elsewhere();
    templated
        .target
        .insert(workload("StatefulSet", "db", &json!({ "containers": [] })));
    assert_eq!(codes(&templated), ["source-may-be-alive"]);
    let mut named = elsewhere();
    let volumes = json!({ "volumes": [{ "name": "d", "persistentVolumeClaim": { "claimName": "data-db-0" } }] });
    named
        .target
        .insert(workload("Deployment", "standby", &volumes));
    assert_eq!(codes(&named), ["source-may-be-alive"]);
    let mut other_name = elsewhere();
    other_name.goal.selection.renamed = Some("data-0-yesterday".parse().unwrap());
    other_name
        .target
        .insert(workload("StatefulSet", "db", &json!({ "containers": [] })));
    assert_eq!(
        codes(&other_name),
        Vec::<String>::new(),
        "nobody waits for that"
    );
}

#[test]
fn elsewhere_a_service_leads_users_to_a_second_copy() {
    let mut case = selecting(&["svc/web"], &[]);
    case.goal.evidence = None;
    assert_eq!(codes(&case), ["source-may-be-alive"]);
}

#[test]
fn a_whole_recovery_needs_its_evidence_as_before() {
    let mut case = selecting(&[], &[]);
    case.goal.evidence = None;
    assert!(codes(&case).contains(&"source-may-be-alive".to_owned()));
}

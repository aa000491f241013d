//! What pods ask of nodes: room, labels, taints that they tolerate, an architecture.

use serde_json::{Value, json};

use super::{Facts, asks, deploy, judged, node, nothing, problem, warning};
use crate::inventory::Inventory;
use crate::plan::Findings;
use crate::plan::tests::fixture::{Case, workload};

#[test]
fn a_pod_larger_than_every_node_is_a_problem_and_one_that_fits_none_now_is_not() {
    let told = problem(
        &judged(|case, _| {
            case.target.insert(node("a", &json!({})));
            deploy(case, "large", &asks("4001m"));
        })
        .without("capacity-short"),
        "pod-fits-no-node",
    );
    assert_eq!(
        told,
        "Deployment.apps shop/large: a pod of it asks for cpu 4001m (the largest node has 4)"
    );
    let gpu = json!({ "containers": [{ "resources": { "limits": { "nvidia.com/gpu": 1 } } }] });
    let told = problem(
        &judged(|case, _| {
            case.target.insert(node("a", &json!({})));
            deploy(case, "model", &gpu);
        }),
        "pod-fits-no-node",
    );
    assert!(
        told.contains("nvidia.com/gpu 1 (the largest node has 0)"),
        "{told}"
    );
    let told = warning(
        &judged(|case, facts| {
            case.target.insert(node("a", &json!({})));
            deploy(case, "large", &asks("3"));
            facts.pods = Some(vec![
                json!({ "spec": { "nodeName": "a", "containers": asks("2")["containers"] } }).into(),
                json!({ "status": { "phase": "Succeeded" }, "spec": { "nodeName": "a", "containers": asks("4")["containers"] } }).into(),
                json!({ "spec": { "nodeName": "other", "containers": asks("4")["containers"] } }).into(),
            ]);
        }),
        "capacity-short",
    );
    assert!(told.ends_with("cpu 3 (2 free)"), "{told}");
}

impl Findings {
    fn without(mut self, code: &str) -> Self {
        self.warnings.retain(|one| one.code != code);
        self
    }
}

#[test]
fn pods_are_counted_as_often_as_they_run() {
    let short = |kind: &'static str, spec: Value| {
        judged(|case, _| {
            case.target.insert(node("a", &json!({})));
            case.target.insert(node("b", &json!({})));
            let mut thing = workload(kind, "many", &asks("3"));
            for (key, value) in spec.as_object().unwrap() {
                thing.edit(|it| it["spec"][key] = value.clone());
            }
            case.objects.insert(thing);
        })
    };
    nothing(&short("Deployment", json!({ "replicas": 2 })));
    warning(
        &short("Deployment", json!({ "replicas": 3 })),
        "capacity-short",
    );
    warning(
        &short("StatefulSet", json!({ "replicas": u64::MAX >> 1 })),
        "capacity-short",
    );
    nothing(&short("DaemonSet", json!({})));
    nothing(&short("Job", json!({ "parallelism": 9, "suspend": true })));
    warning(&short("Job", json!({ "parallelism": 9 })), "capacity-short");
    nothing(&short("Deployment", json!({ "replicas": -9 })));
}

#[test]
fn what_an_operator_makes_anew_is_counted_and_what_a_workload_makes_is_not() {
    let owned = |owner: Value| {
        move |case: &mut Case, _: &mut Facts| {
            case.target.insert(node("a", &json!({})));
            let mut thing = workload("StatefulSet", "made", &asks("9"));
            thing.edit(|it| it["metadata"]["ownerReferences"] = json!([owner]));
            case.objects.insert(thing);
        }
    };
    let by_operator = json!({ "uid": "Cache-sessions", "kind": "Cache", "name": "sessions" });
    problem(
        &judged(owned(by_operator)).without("capacity-short"),
        "pod-fits-no-node",
    );
    let by_workload = json!({ "uid": "Deployment-web", "kind": "Deployment", "name": "web" });
    nothing(&judged(owned(by_workload)));
}

#[test]
fn a_label_that_no_node_has_is_named() {
    let on = |spec: Value| {
        judged(|case, _| {
            case.target.insert(node(
                "a",
                &json!({ "/metadata/labels": { "zone": "one", "size": "7" } }),
            ));
            deploy(case, "picky", &spec);
        })
    };
    let told = problem(
        &on(json!({ "nodeSelector": { "disk": "ssd" } })),
        "node-label-missing",
    );
    assert_eq!(
        told,
        "Deployment.apps shop/picky: no node of the target has the label disk=ssd"
    );
    nothing(&on(json!({ "nodeSelector": { "zone": "one" } })));
    let affinity = |key: &str, operator: &str, values: Value| {
        json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }],
        } } } })
    };
    for (key, operator, values, fits) in [
        ("zone", "In", json!(["one", "two"]), true),
        ("zone", "In", json!(["two"]), false),
        ("zone", "In", json!(null), false),
        ("zone", "NotIn", json!(["one"]), false),
        ("rack", "NotIn", json!(["one"]), true),
        ("rack", "Exists", json!([]), false),
        ("rack", "DoesNotExist", json!([]), true),
        ("size", "Gt", json!(["6"]), true),
        ("size", "Lt", json!(["7"]), false),
        ("zone", "Gt", json!(["x"]), false),
        ("zone", "Likes", json!(["x"]), true),
    ] {
        let findings = on(affinity(key, operator, values.clone()));
        assert_eq!(
            findings.problems.is_empty(),
            fits,
            "{key} {operator} {values}"
        );
    }
    let told = problem(
        &on(affinity("zone", "In", json!(["two", "three"]))),
        "node-label-missing",
    );
    assert!(told.contains("zone In two|three"), "{told}");
}

#[test]
fn a_taint_that_nothing_tolerates_is_named_and_one_of_a_nodes_trouble_is_not() {
    let with = |taint: Value, spec: Value| {
        judged(|case, _| {
            case.objects = Inventory::default();
            case.target
                .insert(node("a", &json!({ "/spec/taints": [taint] })));
            deploy(case, "web", &spec);
        })
    };
    let reserved = json!({ "key": "for", "value": "ci", "effect": "NoSchedule" });
    let told = problem(&with(reserved.clone(), json!({})), "taint-not-tolerated");
    assert!(told.contains("for=ci:NoSchedule"), "{told}");
    for (toleration, fits) in [
        (json!({ "operator": "Exists" }), true),
        (json!({ "key": "for", "value": "ci" }), true),
        (
            json!({ "key": "for", "operator": "Exists", "effect": "NoSchedule" }),
            true,
        ),
        (json!({ "key": "for", "value": "web" }), false),
        (
            json!({ "key": "for", "operator": "Exists", "effect": "NoExecute" }),
            false,
        ),
        (json!(null), false),
    ] {
        let findings = with(reserved.clone(), json!({ "tolerations": [toleration] }));
        assert_eq!(findings.problems.is_empty(), fits, "{toleration}");
    }
    nothing(&with(
        json!({ "key": "for", "effect": "PreferNoSchedule" }),
        json!({}),
    ));
    nothing(&with(
        json!({ "key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule" }),
        json!({}),
    ));
}

#[test]
fn another_architecture_is_a_warning_for_whom_does_not_choose_one() {
    let with = |source: &'static [&str], here: &'static str| {
        judged(move |case, _| {
            case.point.architectures = source.iter().map(|one| (*one).to_owned()).collect();
            case.target.insert(node(
                "a",
                &json!({ "/metadata/labels": { "kubernetes.io/arch": here } }),
            ));
            deploy(
                case,
                "chooser",
                &json!({ "nodeSelector": { "kubernetes.io/arch": "arm64" } }),
            );
        })
    };
    let told = warning(&with(&["amd64"], "arm64"), "architecture-differs");
    assert!(
        told.contains("the source's nodes are amd64, the target has arm64"),
        "{told}"
    );
    assert!(!told.contains("chooser"), "{told}");
    nothing(&with(&[], "arm64"));
    nothing(&with(&["amd64", "arm64"], "arm64"));
}

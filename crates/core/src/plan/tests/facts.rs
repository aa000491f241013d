//! What a look at the target tells beside its inventory: each check told, not told, and asked about nonsense.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::fixture::{Case, case, part, thing, workload};
use crate::driver::Problem;
use crate::inventory::{Inventory, Thing, ThingId};
use crate::json::Json;
use crate::plan::{
    self, Findings, Preflight, Refusal, Rehearsals, Rehearsed, Said, Trial, warning_line,
};
use crate::recovery::Existing;

/// Facts, with what the API server said to writes that it was to try.
#[derive(Default)]
pub(super) struct Facts {
    of_target: plan::Facts,
    pub(super) rehearsed: Vec<Rehearsed>,
}

impl Deref for Facts {
    type Target = plan::Facts;

    fn deref(&self) -> &plan::Facts {
        &self.of_target
    }
}

impl DerefMut for Facts {
    fn deref_mut(&mut self) -> &mut plan::Facts {
        &mut self.of_target
    }
}

pub(super) fn judged(change: impl FnOnce(&mut Case, &mut Facts)) -> Findings {
    let mut case = case();
    let mut facts = Facts::default();
    change(&mut case, &mut facts);
    case.judge(&facts)
}

impl Case {
    pub(super) fn preflight(&self) -> Preflight<'_> {
        Preflight::of(&self.point, &self.objects, &self.target, &self.goal)
    }

    pub(super) fn rehearsals(&self, objects_max: usize) -> Rehearsals {
        self.preflight().survey().rehearsals(objects_max)
    }

    pub(super) fn judge(&self, facts: &Facts) -> Findings {
        let judging = self.preflight().survey().judge(facts);
        judging.answered(&facts.rehearsed)
    }
}

fn codes(all: &[Problem]) -> Vec<&str> {
    all.iter().map(|one| one.code.as_str()).collect()
}

/// The one problem.
pub(super) fn problem(findings: &Findings, code: &str) -> String {
    assert_eq!(codes(&findings.problems), [code], "{findings:#?}");
    assert_eq!(codes(&findings.warnings), [""; 0], "{findings:#?}");
    told(&findings.problems[0])
}

/// The one warning.
pub(super) fn warning(findings: &Findings, code: &str) -> String {
    assert_eq!(codes(&findings.warnings), [code], "{findings:#?}");
    assert_eq!(codes(&findings.problems), [""; 0], "{findings:#?}");
    told(&findings.warnings[0])
}

fn told(one: &Problem) -> String {
    assert!(one.hint.len() > 10, "no fix: {one:?}");
    one.message.clone()
}

pub(super) fn nothing(findings: &Findings) {
    assert_eq!(*findings, Findings::default());
}

/// A ready node with 4 CPUs and 8Gi.
fn node(name: &str, body: &Value) -> Thing {
    let mut node = thing(
        "Node",
        name,
        &json!({ "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" },
            "nodeInfo": { "architecture": "amd64" },
        } }),
    );
    for (pointer, value) in body.as_object().into_iter().flatten() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        node.edit(|it| {
            if it.pointer(parent).is_none() {
                it[parent.trim_start_matches('/')] = json!({});
            }
            it.pointer_mut(parent).unwrap()[key] = value.clone();
        });
    }
    node
}

fn deploy(case: &mut Case, name: &str, spec: &Value) {
    case.objects.insert(workload("Deployment", name, spec));
}

fn asks(cpu: &str) -> Value {
    json!({ "containers": [{ "resources": { "requests": { "cpu": cpu } } }] })
}

#[test]
fn a_target_of_which_nothing_is_known_tells_nothing() {
    nothing(&judged(|_, _| ()));
}

#[test]
fn a_target_that_fits_tells_nothing() {
    nothing(&judged(|case, facts| {
        case.target.insert(node("a", &json!({})));
        case.target
            .insert(thing("CSIDriver", "btrfs.csi.refloat.io", &json!({})));
        case.target.insert(thing(
            "StorageClass",
            "slow",
            &json!({ "provisioner": "btrfs.csi.refloat.io" }),
        ));
        case.point.architectures = vec!["amd64".to_owned()];
        facts.csi_nodes = Some(vec![
            json!({ "spec": { "drivers": [{ "name": "btrfs.csi.refloat.io" }] } }).into(),
        ]);
        facts.pods = Some(Vec::new());
        facts.capacities = Some(Vec::new());
        facts.clock_ahead_milliseconds = Some(-5_000);
        deploy(case, "large", &asks("4"));
        case.objects
            .remove(&ThingId::namespaced("apps", "Deployment", "shop", "large"));
    }));
}

#[test]
fn nonsense_at_the_target_tells_nothing() {
    let nonsense = [
        json!(null),
        json!(7),
        json!([]),
        json!("x"),
        json!({ "spec": 1 }),
    ]
    .map(Json::from);
    nothing(&judged(|case, facts| {
        facts.pods = Some(nonsense.to_vec());
        facts.capacities = Some(nonsense.to_vec());
        for (number, body) in [
            json!({ "spec": null, "status": null }),
            json!({ "status": 7 }),
        ]
        .iter()
        .enumerate()
        {
            let quota = thing("ResourceQuota", &format!("q{number}"), body);
            case.target.insert(quota);
            let hook = thing(
                "ValidatingWebhookConfiguration",
                &format!("w{number}"),
                &json!({ "webhooks": [null, 3, {}] }),
            );
            case.target.insert(hook);
        }
        deploy(
            case,
            "odd",
            &json!({ "nodeSelector": null, "affinity": 3, "tolerations": {}, "containers": null, "volumes": [null, 1] }),
        );
        case.point.parts[0].capacity = "99999999999999999999Ei".to_owned();
    }));
}

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

fn quota(name: &str, hard: &Value, used: &Value) -> Thing {
    thing(
        "ResourceQuota",
        name,
        &json!({ "spec": { "hard": hard }, "status": { "hard": hard, "used": used } }),
    )
}

/// What is hard, what is used, and what is told.
fn small_quotas() -> Vec<(Value, Value, Option<&'static str>)> {
    vec![
        (json!({ "pods": "4" }), json!({ "pods": "1" }), None),
        (
            json!({ "pods": "4" }),
            json!({ "pods": "2" }),
            Some("pods: 3 needed, 2 left"),
        ),
        (
            json!({ "requests.cpu": "1" }),
            json!({}),
            Some("requests.cpu: 1500m needed, 1 left"),
        ),
        (json!({ "cpu": "1500m" }), json!({}), None),
        (
            json!({ "limits.cpu": "2" }),
            json!({ "limits.cpu": "3" }),
            Some("limits.cpu: 3 needed, 0 left"),
        ),
        (
            json!({ "memory": "3Gi" }),
            json!({ "memory": "1" }),
            Some("memory: 3Gi needed, 2.9Gi left"),
        ),
        (
            json!({ "secrets": "0" }),
            json!({}),
            Some("secrets: 1 needed, 0 left"),
        ),
        (
            json!({ "count/deployments.apps": "0" }),
            json!({}),
            Some("count/deployments.apps: 1 needed, 0 left"),
        ),
        (
            json!({ "persistentvolumeclaims": "0" }),
            json!({}),
            Some("persistentvolumeclaims: 1 needed, 0 left"),
        ),
        (
            json!({ "requests.storage": "1Gi" }),
            json!({}),
            Some("requests.storage: 2Gi needed, 1Gi left"),
        ),
        (
            json!({ "slow.storageclass.storage.k8s.io/requests.storage": "1Gi" }),
            json!({}),
            Some("2Gi needed, 1Gi left"),
        ),
        (
            json!({ "pods": null, "cpu": "lots", "secrets": 0 }),
            json!(null),
            None,
        ),
        (
            json!({ "services": "0", "configmaps": "0" }),
            json!({}),
            None,
        ),
    ]
}

#[test]
fn a_quota_that_leaves_too_little_names_resource_need_and_rest() {
    let with = |hard: Value, used: Value| {
        judged(|case, _| {
            case.target.insert(quota("small", &hard, &used));
            let stated = json!({ "containers": [{ "resources": {
                "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "cpu": "1", "memory": "1Gi" },
            } }] });
            case.objects = Inventory::default();
            let mut web = workload("Deployment", "web", &stated);
            web.edit(|it| it["spec"]["replicas"] = json!(3));
            case.objects.insert(web);
            case.objects.insert(thing("Secret", "one", &json!({})));
            case.objects
                .insert(thing("ServiceAccount", "default", &json!({})));
        })
    };
    for (hard, used, told) in small_quotas() {
        let findings = with(hard.clone(), used);
        match told {
            None => nothing(&findings),
            Some(words) => {
                let told = problem(&findings, "quota-exceeded");
                assert!(told.starts_with("ResourceQuota shop/small: "), "{told}");
                assert!(told.ends_with(words), "{hard}: {told}");
            }
        }
    }
}

#[test]
fn a_quota_that_comes_back_is_judged_and_one_with_a_scope_is_the_servers_matter() {
    let told = problem(
        &judged(|case, _| {
            case.objects.insert(quota(
                "carried",
                &json!({ "pods": "0" }),
                &json!({ "pods": "9" }),
            ));
        }),
        "quota-exceeded",
    );
    assert!(told.contains("pods: 3 needed, 0 left"), "{told}");
    nothing(&judged(|case, _| {
        let mut scoped = quota("scoped", &json!({ "pods": "0" }), &json!({}));
        scoped.edit(|it| it["spec"]["scopes"] = json!(["BestEffort"]));
        case.target.insert(scoped);
    }));
}

#[test]
fn a_quota_of_requests_refuses_pods_that_state_none_unless_they_are_given_some() {
    let with = |limits: Option<Value>| {
        judged(|case, _| {
            case.target.insert(quota(
                "strict",
                &json!({ "limits.memory": "100Gi" }),
                &json!({}),
            ));
            if let Some(limits) = limits {
                let range = thing(
                    "LimitRange",
                    "defaults",
                    &json!({ "spec": { "limits": [limits] } }),
                );
                case.target.insert(range);
            }
            case.objects = Inventory::default();
            deploy(
                case,
                "web",
                &json!({ "containers": [{ "resources": { "limits": { "memory": "1Mi" } } }, {}] }),
            );
            let mut idle = workload("Deployment", "idle", &json!({ "containers": [{}] }));
            idle.edit(|it| it["spec"]["replicas"] = json!(0));
            case.objects.insert(idle);
        })
    };
    let told = problem(&with(None), "quota-needs-requests");
    assert_eq!(
        told,
        "Deployment.apps shop/web: ResourceQuota shop/strict refuses pods that do not state limits.memory"
    );
    nothing(&with(Some(json!({ "default": { "memory": "1Mi" } }))));
    problem(
        &with(Some(json!({ "defaultRequest": { "memory": "1Mi" } }))),
        "quota-needs-requests",
    );
}

#[test]
fn what_pods_name_and_nobody_brings_is_named_with_who_names_it() {
    let with = |secret: Option<Value>, change: fn(&mut Case)| {
        judged(|case, _| {
            let reference = json!({ "secretKeyRef": { "name": "token", "key": "x" } });
            deploy(
                case,
                "reader",
                &json!({ "containers": [{ "env": [{ "valueFrom": reference }] }] }),
            );
            if let Some(metadata) = secret {
                let mut token = thing("Secret", "token", &json!({}));
                for (key, value) in metadata.as_object().unwrap() {
                    token.edit(|it| it["metadata"][key] = value.clone());
                }
                case.objects.insert(token);
            }
            change(case);
        })
    };
    let ignored = json!({ "annotations": { "meta.refloat.io/ignore": "true" } });
    let told = warning(&with(Some(ignored.clone()), |_| ()), "reference-missing");
    assert_eq!(
        told,
        "Deployment.apps shop/reader: it names Secret shop/token, which neither comes back nor is at the target"
    );
    nothing(&with(None, |_| ()));
    nothing(&with(Some(json!({})), |_| ()));
    nothing(&with(Some(ignored), |case| {
        case.target.insert(thing("Secret", "token", &json!({})));
    }));
    let owner = json!({ "ownerReferences": [{ "uid": "Cache-sessions", "kind": "Cache", "name": "sessions" }] });
    nothing(&with(Some(owner), |_| ()));
}

#[test]
fn a_claim_that_is_named_and_not_filled_is_missing() {
    let with = |claim: &'static str| {
        judged(move |case, _| {
            case.objects
                .insert(thing("PersistentVolumeClaim", "other", &json!({})));
            deploy(
                case,
                "reader",
                &json!({ "volumes": [{ "persistentVolumeClaim": { "claimName": claim } }] }),
            );
        })
    };
    nothing(&with("data-db-0"));
    let told = warning(&with("other"), "reference-missing");
    assert!(told.contains("PersistentVolumeClaim shop/other"), "{told}");
}

fn csi(case: &mut Case, drivers: &Value) -> Vec<Json> {
    case.target.insert(thing(
        "StorageClass",
        "slow",
        &json!({ "provisioner": "btrfs.csi.refloat.io" }),
    ));
    vec![json!({ "spec": { "drivers": drivers } }).into()]
}

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

pub(super) fn hook(change: &Value) -> Thing {
    let mut hook = json!({
        "name": "pods.example.com",
        "clientConfig": { "service": { "namespace": "policy", "name": "judge" } },
        "rules": [{ "apiGroups": [""], "resources": ["services"], "operations": ["CREATE"] }],
    });
    for (key, value) in change.as_object().unwrap() {
        hook[key] = value.clone();
    }
    thing(
        "ValidatingWebhookConfiguration",
        "judge",
        &json!({ "webhooks": [hook] }),
    )
}

#[test]
fn a_silent_webhook_that_is_asked_about_what_is_written_is_named() {
    let with = |change: Value| {
        judged(|case, facts| {
            case.target.insert(hook(&change));
            assert_eq!(
                case.preflight().webhook_services().len(),
                usize::from(change.get("failurePolicy").is_none()),
            );
            facts
                .silent_services
                .insert(("policy".to_owned(), "judge".to_owned()));
        })
    };
    let told = problem(&with(json!({})), "webhook-not-answering");
    assert!(
        told.starts_with(
            "Service shop/db, Service shop/web: webhook pods.example.com of Validating"
        ),
        "{told}"
    );
    let narrow = |key: &str, value: &str| json!({ key: { "matchLabels": { "kubernetes.io/metadata.name": value } } });
    problem(
        &with(narrow("namespaceSelector", "shop")),
        "webhook-not-answering",
    );
    nothing(&with(narrow("namespaceSelector", "other")));
    nothing(&with(narrow("objectSelector", "shop")));
    nothing(&with(json!({ "failurePolicy": "Ignore" })));
    let rules = json!([{ "apiGroups": [""], "resources": ["services"], "operations": ["DELETE"] }]);
    nothing(&with(json!({ "rules": rules })));
    let scope = json!([{ "apiGroups": ["*"], "resources": ["*/*"], "operations": ["*"], "scope": "Cluster" }]);
    let told = problem(&with(json!({ "rules": scope })), "webhook-not-answering");
    assert!(
        told.starts_with("Namespace shop, CustomResourceDefinition"),
        "{told}"
    );
    warning(
        &with(json!({ "matchConditions": [{ "name": "x", "expression": "false" }] })),
        "webhook-not-answering",
    );
}

#[test]
fn clocks_that_differ_a_little_warn_and_much_stop() {
    let ahead =
        |milliseconds: i64| judged(|_, facts| facts.clock_ahead_milliseconds = Some(milliseconds));
    nothing(&ahead(5_000));
    let told = warning(&ahead(5_001), "clock-skew");
    assert_eq!(
        told,
        "the API server's clock is 5 s ahead of this machine's"
    );
    nothing(&ahead(-5_000));
    warning(&ahead(-60_000), "clock-skew");
    let told = problem(&ahead(i64::MIN), "clock-skew");
    assert!(told.contains("behind"), "{told}");
}

#[test]
fn another_version_is_a_warning() {
    let findings = judged(|case, _| {
        for resource in &mut case.target.served {
            if resource.kind == "Ingress" {
                "v2".clone_into(&mut resource.version);
            }
        }
    });
    let told = warning(&findings, "version-differs");
    assert!(
        told.contains("read as networking.k8s.io/v1, written as networking.k8s.io/v2"),
        "{told}"
    );
}

#[test]
fn what_stays_as_it_is_needs_nothing() {
    nothing(&judged(|case, _| {
        case.goal.existing = Existing::Skip;
        case.target.insert(node("a", &json!({})));
        let large = workload("Deployment", "large", &asks("9"));
        case.target.insert(large.clone());
        case.objects.insert(large);
    }));
}

const TOLD: &str = include_str!("../../../tests/golden/preflight-shop.txt");

fn all_wrong(case: &mut Case, facts: &mut Facts) {
    case.goal.evidence = None;
    case.goal.existing = Existing::Skip;
    case.target.remove(&ThingId::cluster(
        "networking.k8s.io",
        "IngressClass",
        "nginx",
    ));
    case.target.served.retain(|one| one.kind != "Job");
    case.target.insert(thing("Namespace", "shop", &json!({})));
    case.target.insert(quota(
        "small",
        &json!({ "pods": "2", "limits.cpu": "9", "requests.storage": "1Gi" }),
        &json!({ "pods": "1" }),
    ));
    case.target.insert(hook(&json!({})));
    facts
        .silent_services
        .insert(("policy".to_owned(), "judge".to_owned()));
    case.target.insert(node(
        "a",
        &json!({ "/metadata/labels": { "kubernetes.io/arch": "arm64" } }),
    ));
    case.point.architectures = vec!["amd64".to_owned()];
    deploy(case, "large", &asks("64"));
    deploy(case, "picky", &json!({ "nodeSelector": { "disk": "ssd" } }));
    facts.csi_nodes = Some(csi(case, &json!([])));
    facts.clock_ahead_milliseconds = Some(-90_000);
    let denied = "admission webhook \"names.example.com\" denied the request: no cost centre";
    let pod = "pods \"refloat-preflight-1\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let unknown = "strict decoding error: unknown field \"spec.size\"";
    for (kind, group, name, trial, code, message) in [
        ("Secret", "", "database", Trial::Object, 403, denied),
        ("ConfigMap", "", "web", Trial::Object, 403, denied),
        ("Deployment", "apps", "web", Trial::Pod, 403, pod),
        (
            "Cache",
            "shop.example.com",
            "sessions",
            Trial::Object,
            400,
            unknown,
        ),
        (
            "Service",
            "",
            "web",
            Trial::Object,
            400,
            "admission webhook \"mesh.example.com\" does not support dry run",
        ),
    ] {
        facts.rehearsed.push(Rehearsed {
            thing: ThingId::namespaced(group, kind, "shop", name),
            trial,
            said: Said::Refused(Refusal {
                code,
                message: message.to_owned(),
                ..Refusal::default()
            }),
        });
    }
}

#[test]
fn a_dozen_problems_are_told_at_once_each_with_its_fix() {
    let mut case = case();
    let mut facts = Facts::default();
    all_wrong(&mut case, &mut facts);
    let mut problems = case.plan().unwrap_err();
    let findings = case.judge(&facts);
    problems.extend(findings.problems);
    assert!(problems.len() >= 12, "{}", problems.len());
    let errors = problems.iter().map(|one| {
        format!(
            "error[{}]: {}\n  next: {}\n",
            one.code, one.message, one.hint
        )
    });
    let warnings = findings
        .warnings
        .iter()
        .map(|one| format!("warning: {}\n", warning_line(one)));
    let shown: String = errors.chain(warnings).collect();
    assert_eq!(shown, TOLD, "it reads now:\n{shown}");
}

#[test]
fn a_point_of_before_architectures_were_noted_reads_as_before() {
    let mut point = case().point;
    let old = serde_json::to_value(&point).unwrap();
    assert_eq!(old.get("architectures"), None, "its digest is as it was");
    let read = |value| serde_json::from_value::<crate::backup::PointContent>(value).unwrap();
    assert_eq!(read(old.clone()), point);
    point.architectures = vec!["arm64".to_owned()];
    let new = serde_json::to_value(&point).unwrap();
    assert_eq!(new["architectures"], json!(["arm64"]));
    assert_eq!(read(new), point);
}

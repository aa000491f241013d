//! What quotas leave for that which comes back, and what they want pods to state.

use serde_json::{Value, json};

use super::{deploy, judged, nothing, problem, quota};
use crate::inventory::Inventory;
use crate::plan::tests::fixture::{thing, workload};

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

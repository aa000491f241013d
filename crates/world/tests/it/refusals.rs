//! Each refusal of an API server, as it words it, and what becomes of it.

use refloat_core::driver::{Class, Effect, FieldOwner, ListRequest, Problem};
use serde_json::{Value, json};

use crate::fake::{Say, Server, config_map, config_maps, status};

/// The problem that a create meets when the server answers so.
async fn refused(code: u16, answer: Value) -> Problem {
    let server = Server::start(move |asked| {
        (asked.method == "POST").then(|| Say::Json(code, answer.clone()))
    })
    .await;
    let effect = Effect::Create {
        resource: config_maps(),
        object: config_map("web"),
        owner: FieldOwner::refloat(),
    };
    server.cluster().await.perform(&effect).await.unwrap_err()
}

#[tokio::test]
async fn a_missing_permission_is_named_with_the_rule_to_add() {
    let message = "configmaps is forbidden: User \"system:serviceaccount:ops:refloat\" cannot create resource \
                   \"configmaps\" in API group \"\" in the namespace \"shop\"";
    let problem = refused(
        403,
        status(403, "Forbidden", message, json!({"kind": "configmaps"})),
    )
    .await;
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("forbidden", Class::Stuck)
    );
    assert_eq!(
        problem.message,
        "not allowed to create configmaps in namespace shop (ConfigMap shop/web)"
    );
    assert_eq!(
        problem.hint,
        "add to a Role in namespace shop that is bound to `system:serviceaccount:ops:refloat`: \
         - {apiGroups: [\"\"], resources: [\"configmaps\"], verbs: [\"create\"]}"
    );
}

#[tokio::test]
async fn a_denial_for_the_whole_cluster_asks_for_a_cluster_role() {
    let message = "storageclasses.storage.k8s.io is forbidden: User \"bob\" cannot list resource \"storageclasses\" in \
                   API group \"storage.k8s.io\" at the cluster scope";
    let answer = status(403, "Forbidden", message, json!({"kind": "storageclasses"}));
    let server = Server::start(move |asked| {
        asked
            .path
            .ends_with("/configmaps")
            .then(|| Say::Json(403, answer.clone()))
    })
    .await;
    let request = ListRequest {
        resource: config_maps(),
        namespace: None,
        labels: std::collections::BTreeMap::new(),
    };
    let problem = server.cluster().await.list(&request).await.unwrap_err();
    assert_eq!(
        problem.hint,
        "add to a ClusterRole that is bound to `bob`: \
         - {apiGroups: [\"storage.k8s.io\"], resources: [\"storageclasses\"], verbs: [\"list\"]}"
    );
    assert!(
        problem.message.contains("the whole cluster"),
        "{}",
        problem.message
    );
}

#[tokio::test]
async fn a_denial_in_other_words_still_gets_a_rule() {
    let problem = refused(403, status(403, "Forbidden", "no way", json!({}))).await;
    assert_eq!(problem.code, "forbidden");
    assert!(problem.message.contains("no way"), "{}", problem.message);
    assert!(
        problem
            .hint
            .contains("resources: [\"configmaps\"], verbs: [\"create\"]"),
        "{}",
        problem.hint
    );
}

#[tokio::test]
async fn a_role_that_grants_too_much_asks_for_escalate_and_bind() {
    let message = "roles.rbac.authorization.k8s.io \"db\" is forbidden: user \"bob\" (groups=[\"x\"]) is attempting to \
                   grant RBAC permissions not currently held: {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}";
    let problem = refused(403, status(403, "Forbidden", message, json!({}))).await;
    assert_eq!(problem.code, "forbidden");
    assert!(
        problem.hint.contains("verbs: [\"bind\", \"escalate\"]"),
        "{}",
        problem.hint
    );
}

#[tokio::test]
async fn refusals_by_code_and_cause() {
    let webhook = "Internal error occurred: failed calling webhook \"v.x.io\": connection refused";
    let policy = "admission webhook \"v.x.io\" denied the request: no latest tags";
    let security =
        "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let quota =
        "exceeded quota: small, requested: configmaps=1, used: configmaps=5, limited: configmaps=5";
    let ending =
        json!({"causes": [{"reason": "NamespaceTerminating", "message": "is being terminated"}]});
    let nowhere = json!({"kind": "namespaces", "name": "shop"});
    for (code, reason, message, details, told, class) in [
        (
            401,
            "Unauthorized",
            "Unauthorized",
            json!({}),
            "unauthorized",
            Class::Stuck,
        ),
        (
            403,
            "Forbidden",
            quota,
            json!({}),
            "quota-exceeded",
            Class::Stuck,
        ),
        (
            403,
            "Forbidden",
            security,
            json!({}),
            "admission-denied",
            Class::Stuck,
        ),
        (
            403,
            "Forbidden",
            "because it is being terminated",
            ending,
            "namespace-terminating",
            Class::Retry,
        ),
        (
            400,
            "BadRequest",
            policy,
            json!({}),
            "admission-denied",
            Class::Stuck,
        ),
        (
            404,
            "NotFound",
            "namespaces \"shop\" not found",
            nowhere,
            "namespace-missing",
            Class::Stuck,
        ),
        (
            409,
            "Conflict",
            "on resourcequotas",
            json!({}),
            "conflict",
            Class::Retry,
        ),
        (410, "Gone", "gone", json!({}), "expired", Class::Retry),
        (
            413,
            "RequestEntityTooLarge",
            "too large",
            json!({}),
            "too-large",
            Class::Stuck,
        ),
        (
            429,
            "TooManyRequests",
            "slow",
            json!({}),
            "throttled",
            Class::Retry,
        ),
        (
            500,
            "InternalError",
            webhook,
            json!({}),
            "webhook-failed",
            Class::Retry,
        ),
        (
            500,
            "InternalError",
            "etcd",
            json!({}),
            "server-error",
            Class::Retry,
        ),
        (
            503,
            "ServiceUnavailable",
            "starting",
            json!({}),
            "server-error",
            Class::Retry,
        ),
        (
            504,
            "Timeout",
            "timed out",
            json!({}),
            "server-error",
            Class::Retry,
        ),
    ] {
        let problem = refused(code, status(code, reason, message, details)).await;
        assert_eq!(
            (problem.code.as_str(), problem.class),
            (told, class),
            "{code} {message}"
        );
        assert!(problem.message.contains("shop/web"), "{}", problem.message);
        assert!(problem.message.contains(message), "{}", problem.message);
        assert!(!problem.hint.is_empty());
    }
}

#[tokio::test]
async fn an_invalid_object_brings_the_causes() {
    let causes = json!({"kind": "ConfigMap", "name": "web", "causes": [
        {"field": "spec.replicas", "message": "Invalid value: -1: must be positive"},
        {"field": "", "message": "too old"},
    ]});
    let problem = refused(422, status(422, "Invalid", "is invalid", causes)).await;
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("invalid", Class::Stuck)
    );
    assert!(
        problem
            .message
            .ends_with("spec.replicas: Invalid value: -1: must be positive; too old"),
        "{}",
        problem.message
    );
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_named() {
    let server = Server::start(|asked| {
        asked
            .path
            .ends_with("configmaps")
            .then(|| Say::Text(404, "404 page not found\n"))
    })
    .await;
    let cluster = server.cluster().await;
    let effect = Effect::Create {
        resource: config_maps(),
        object: config_map("web"),
        owner: FieldOwner::refloat(),
    };
    let problem = cluster.perform(&effect).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("kind-not-served", Class::Retry)
    );
    let request = ListRequest {
        resource: config_maps(),
        namespace: Some("shop".to_owned()),
        labels: std::collections::BTreeMap::new(),
    };
    let problem = cluster.list(&request).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("kind-not-served", Class::Stuck)
    );
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_answer_of_the_cluster() {
    let server = Server::start(|asked| {
        (asked.method == "POST").then(|| Say::Text(302, "<html>log in</html>"))
    })
    .await;
    let effect = Effect::Create {
        resource: config_maps(),
        object: config_map("web"),
        owner: FieldOwner::refloat(),
    };
    let problem = server.cluster().await.perform(&effect).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("server-error", Class::Retry)
    );
    assert!(problem.message.contains("302"), "{}", problem.message);
}

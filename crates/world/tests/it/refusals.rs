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
        status(403, "Forbidden", message, &json!({"kind": "configmaps"})),
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
    let answer = status(
        403,
        "Forbidden",
        message,
        &json!({"kind": "storageclasses"}),
    );
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
    let problem = refused(403, status(403, "Forbidden", "no way", &json!({}))).await;
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
    let problem = refused(403, status(403, "Forbidden", message, &json!({}))).await;
    assert_eq!(problem.code, "forbidden");
    assert!(
        problem.hint.contains("verbs: [\"bind\", \"escalate\"]"),
        "{}",
        problem.hint
    );
}

/// Code, reason and message of the server; code and class of the problem.
const BY_CODE: &[(u16, &str, &str, &str, Class)] = &[
    (
        401,
        "Unauthorized",
        "Unauthorized",
        "unauthorized",
        Class::Stuck,
    ),
    (
        403,
        "Forbidden",
        "exceeded quota: small, used: configmaps=5",
        "quota-exceeded",
        Class::Stuck,
    ),
    (
        403,
        "Forbidden",
        "violates PodSecurity \"restricted:latest\"",
        "admission-denied",
        Class::Stuck,
    ),
    (
        400,
        "BadRequest",
        "admission webhook \"v.x.io\" denied the request: no",
        "admission-denied",
        Class::Stuck,
    ),
    (
        422,
        "Invalid",
        "ValidatingAdmissionPolicy 'p' denied request: no",
        "admission-denied",
        Class::Stuck,
    ),
    (
        409,
        "Conflict",
        "on resourcequotas",
        "conflict",
        Class::Retry,
    ),
    (410, "Gone", "gone", "expired", Class::Retry),
    (
        413,
        "RequestEntityTooLarge",
        "too large",
        "too-large",
        Class::Stuck,
    ),
    (429, "TooManyRequests", "slow", "throttled", Class::Retry),
    (
        500,
        "InternalError",
        "failed calling webhook \"v.x.io\": refused",
        "webhook-failed",
        Class::Retry,
    ),
    (500, "InternalError", "etcd", "server-error", Class::Retry),
    (
        503,
        "ServiceUnavailable",
        "starting",
        "server-error",
        Class::Retry,
    ),
    (504, "Timeout", "timed out", "server-error", Class::Retry),
];

#[tokio::test]
async fn refusals_by_code() {
    for (code, reason, message, told, class) in BY_CODE {
        let problem = refused(*code, status(*code, reason, message, &json!({}))).await;
        assert_eq!(
            (problem.code.as_str(), problem.class),
            (*told, *class),
            "{code} {message}"
        );
        assert!(problem.message.contains("shop/web"), "{}", problem.message);
        assert!(problem.message.contains(message), "{}", problem.message);
        assert!(!problem.hint.is_empty());
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_there_or_is_going() {
    let nowhere = json!({"kind": "namespaces", "name": "shop"});
    let answer = status(404, "NotFound", "namespaces \"shop\" not found", &nowhere);
    let problem = refused(404, answer).await;
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("namespace-missing", Class::Stuck)
    );
    assert!(
        problem.hint.contains("kubectl create namespace shop"),
        "{}",
        problem.hint
    );
    let ending =
        json!({"causes": [{"reason": "NamespaceTerminating", "message": "is being terminated"}]});
    let answer = status(403, "Forbidden", "because it is being terminated", &ending);
    let problem = refused(403, answer).await;
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("namespace-terminating", Class::Retry)
    );
}

#[tokio::test]
async fn an_invalid_object_brings_the_causes() {
    let causes = json!({"kind": "ConfigMap", "name": "web", "causes": [
        {"field": "spec.replicas", "message": "Invalid value: -1: must be positive"},
        {"field": "", "message": "too old"},
    ]});
    let problem = refused(422, status(422, "Invalid", "is invalid", &causes)).await;
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
            .then_some(Say::Text(404, "404 page not found\n"))
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
        (asked.method == "POST").then_some(Say::Text(302, "<html>log in</html>"))
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

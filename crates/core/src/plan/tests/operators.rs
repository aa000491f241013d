//! What comes back together with its operator, and webhooks of the target whose backend comes back.

use serde_json::{Value, json};

use super::facts::{hook, judged, nothing, problem};
use super::fixture::{Case, case, thing};
use super::ground::{drawn, expect_none, object, planned};
use crate::inventory::Unread;
use crate::plan::Findings;
use crate::recovery::Writing;
use crate::run::Work;

fn writing(case: &Case, step: &str) -> Writing {
    let planned = case.plan().unwrap();
    let step = planned.plan.steps.iter().find(|one| one.id == step);
    match &step.unwrap().work {
        Work::Write(writing) => writing.clone(),
        other => panic!("{other:?}"),
    }
}

const CACHE: &str = "write Cache.shop.example.com shop/sessions";

#[test]
fn only_a_resource_whose_operator_and_definition_come_with_it_may_be_the_operators_work() {
    let mut case = case();
    assert!(writing(&case, CACHE).operated);
    assert!(!writing(&case, "write ConfigMap shop/web").operated);
    let definition = json!({ "spec": { "group": "shop.example.com", "names": { "kind": "Cache", "plural": "caches" } } });
    let definition = thing(
        "CustomResourceDefinition",
        "caches.shop.example.com",
        &definition,
    );
    case.target.insert(definition);
    case.goal.existing = crate::recovery::Existing::Skip;
    assert!(!writing(&case, CACHE).operated, "users may have had some");
}

#[test]
fn the_account_of_a_namespace_that_comes_back_is_the_clusters_work_and_carries_no_registry_of_the_old_cluster()
 {
    const ACCOUNT: &str = "write ServiceAccount shop/default";
    let mut case = case();
    let pulls = json!([{ "name": "default-dockercfg-x7k2p" }, { "name": "registry" }]);
    let mut account = thing(
        "ServiceAccount",
        "default",
        &json!({ "imagePullSecrets": pulls }),
    );
    account.edit(|it| {
        it["metadata"]["annotations"] =
            json!({ "openshift.io/internal-registry-pull-secret-ref": "default-dockercfg-x7k2p" });
    });
    case.objects.insert(account);
    let made = writing(&case, ACCOUNT);
    assert!(made.adopt && made.operated);
    assert_eq!(
        made.object["imagePullSecrets"],
        json!([{ "name": "registry" }])
    );
    assert_eq!(made.object["metadata"].get("annotations"), None);
    case.target.insert(thing("Namespace", "shop", &json!({})));
    let there = writing(&case, ACCOUNT);
    assert!(there.adopt && !there.operated, "somebody may have set it");
}

/// Judged with a silent webhook of the target, whose Service is the shop's own.
fn with(change: &Value) -> Findings {
    judged(|case, facts| {
        let mut body =
            json!({ "clientConfig": { "service": { "namespace": "shop", "name": "web" } } });
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        case.target.insert(hook(&body));
        let place = ("shop".to_owned(), "web".to_owned());
        facts.silent_services.insert(place);
    })
}

fn rules(group: &str, plural: &str) -> Value {
    json!([{ "apiGroups": [group], "resources": [plural], "operations": ["CREATE"] }])
}

#[test]
fn a_webhook_whose_backend_comes_back_refuses_no_plan() {
    let after = rules("networking.k8s.io", "ingresses");
    nothing(&with(&json!({ "rules": after })));
    let others = json!({ "matchLabels": { "app": "other" } });
    nothing(&with(
        &json!({ "rules": rules("", "pods"), "objectSelector": others }),
    ));
}

#[test]
fn a_webhook_that_is_asked_about_its_own_backend_is_named() {
    let told = problem(
        &with(&json!({ "rules": rules("", "secrets") })),
        "webhook-not-answering",
    );
    assert!(told.starts_with("Secret shop/database: webhook"), "{told}");
    assert!(told.contains("only answers when it is there"), "{told}");
    let own = json!({ "matchLabels": { "app": "web" } });
    let pods = json!({ "rules": rules("", "pods"), "objectSelector": own });
    let told = problem(&with(&pods), "webhook-not-answering");
    assert!(told.starts_with("Deployment.apps shop/web: "), "{told}");
    assert!(told.contains("is asked about its pods"), "{told}");
}

/// The present behaviour, and not the wanted one: an old topic operator that starts with its Kafka sees topics whose resources are not
/// there yet, and deletes them. `docs/src/reference/pains.md` says what to do and names the test that fails by it.
#[test]
fn topics_come_after_their_kafka_and_so_after_its_topic_operator() {
    let kafka = |kind: &str, name: &str| format!("{kind}.kafka.strimzi.io shop/{name}");
    let mut topic = object(
        "kafka.strimzi.io/v1 KafkaTopic",
        "shop/orders",
        json!({ "spec": {} }),
    );
    topic.edit(|it| it["metadata"]["labels"] = json!({ "strimzi.io/cluster": "events" }));
    let operator = json!({ "spec": { "entityOperator": { "topicOperator": {} } } });
    let planned = planned([
        object("kafka.strimzi.io/v1 Kafka", "shop/events", operator),
        topic,
    ]);
    drawn(
        &planned,
        &kafka("KafkaTopic", "orders"),
        &kafka("Kafka", "events"),
        "TYPED_REFERENCE",
    );
    expect_none(
        &planned,
        &kafka("Kafka", "events"),
        &kafka("KafkaTopic", "orders"),
    );
}

/// Left behind by a namespace that was deleted.
#[test]
fn an_api_without_its_server_is_no_obstacle_when_the_server_comes_back() {
    let problems = |service: &str| {
        let mut case = case();
        let name = json!({ "namespace": "shop", "name": service });
        let left = thing(
            "APIService",
            "v1.counts.example.com",
            &json!({ "spec": { "service": name } }),
        );
        case.target.insert(left);
        let unread = Unread::of_api("counts.example.com", "v1");
        case.target.unread.push(unread);
        case.plan().map(|_| ()).map_err(|all| all[0].code.clone())
    };
    assert_eq!(problems("web"), Ok(()));
    assert_eq!(problems("another"), Err("inventory-incomplete".to_owned()));
}

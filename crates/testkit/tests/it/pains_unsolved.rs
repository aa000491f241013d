//! Pains of users of other tools that are felt here too. Each test says what is right and fails by the pain, so that whoever solves it
//! hears of it here.
//!
//! `docs/src/reference/pains.md` lists them with what a user can do meanwhile. The servers are stand-ins which behave as the reports say.

use std::cell::RefCell;

use refloat_core::backup::{self, BackupGoal, Hook, Mode, PointContent};
use refloat_core::drive::Drive;
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use refloat_core::names::{ANNOTATION_FREEZE, ANNOTATION_THAW};
use refloat_core::run::End;
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Store, resource};
use serde_json::json;

use crate::driving::drive;
use crate::recovery::{COMPLETED, Recovery};
use crate::{ledger, shop, site};

const STRIMZI: &str = "kafka.strimzi.io";
/// Topics in the volumes of the Kafka that comes back.
const TOPICS: [&str; 2] = ["orders", "payments"];

/// A Kafka with its topic operator and its topics, all of them the matter of the shop's operator.
fn kafka(store: &mut Store) {
    let rules = json!([{
        "apiGroups": ["shop.example.com", STRIMZI], "verbs": ["get", "list", "watch", "update", "patch"],
        "resources": ["caches", "caches/status", "kafkas", "kafkas/status", "kafkatopics", "kafkatopics/status"],
    }]);
    let role = ObjectRef::namespaced(resource("Role"), "shop", "cache-operator");
    store.change(&role, &json!({ "rules": rules }));
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    for (kind, plural) in [("Kafka", "kafkas"), ("KafkaTopic", "kafkatopics")] {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.{STRIMZI}"),
                "annotations": { "sim.refloat.io/operator": "shop/cache-operator" },
            },
            "spec": {
                "group": STRIMZI, "scope": "Namespaced", "names": { "kind": kind, "plural": plural },
                "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} }, "schema": schema }],
            },
        });
        store.seed(&resource("CustomResourceDefinition"), definition);
    }
    let mut put = |kind: &str, plural: &str, name: &str, spec: serde_json::Value| {
        let labels = json!({ "strimzi.io/cluster": "events" });
        let object = json!({
            "apiVersion": format!("{STRIMZI}/v1"), "kind": kind, "spec": spec,
            "metadata": { "name": name, "namespace": "shop", "labels": labels },
        });
        let resource = Resource::namespaced(&format!("{STRIMZI}/v1"), kind, plural);
        store.seed(&resource, object);
    };
    let spec = json!({ "entityOperator": { "topicOperator": {} } });
    put("Kafka", "kafkas", "events", spec);
    for topic in TOPICS {
        put("KafkaTopic", "kafkatopics", topic, json!({}));
    }
}

/// Strimzi's topic operator of before 0.36 starts with its Kafka, remembers the topics of the volumes that came back, and deletes
/// those that have no resource by then.
#[test]
#[should_panic(expected = "it deletes [\"orders\", \"payments\"]")]
fn a_topic_operator_that_starts_finds_a_resource_for_each_of_its_topics() {
    let world = site::source();
    world.with_store(kafka);
    world.settle(40);
    let recovery = Recovery::of(&site::sealed(&world));
    assert_eq!(recovery.drive(), COMPLETED);
    let history = recovery.world.history.borrow();
    let at = |line: String| {
        let found = history.iter().position(|one| one.starts_with(&line));
        found.unwrap_or_else(|| panic!("no `{line}` in {history:#?}"))
    };
    let start = at("create Kafka shop/events".to_owned());
    let is_deleted = |topic: &&str| at(format!("create KafkaTopic shop/{topic}")) > start;
    let deleted: Vec<&str> = TOPICS.into_iter().filter(is_deleted).collect();
    assert!(deleted.is_empty(), "it deletes {deleted:?}");
}

/// RabbitMQ asks for all nodes to be stopped while their files are copied.
#[test]
#[should_panic(expected = "hook-several-pods")]
fn the_nodes_of_one_server_stand_still_together_while_all_of_them_are_cut() {
    let world = ledger::world_with_nodes();
    let annotation = |name: &str, words: &str| (name.to_owned(), words.to_owned());
    let goal = BackupGoal {
        minimum_mode: Mode::Held,
        hooks: vec![Hook {
            kind: "StatefulSet".to_owned(),
            name: "queue".to_owned(),
            namespace: None,
            annotations: [
                annotation(ANNOTATION_FREEZE, r#"["rabbitmqctl", "stop_app"]"#),
                annotation(ANNOTATION_THAW, r#"["rabbitmqctl", "start_app"]"#),
            ]
            .into(),
        }],
        ..shop::goal("backup-1")
    };
    let planned = backup::plan(&world.inventory(), &goal, CATALOGUE).unwrap();
    let records = RefCell::default();
    let end = drive(&world, &planned.plan, &records);
    let done = Ok(Drive::Ended(End::Completed));
    assert_eq!(end, done, "{:#?}", records.borrow());
    let sealed = world.sealed.borrow();
    let point: PointContent = serde_json::from_value(sealed[0].clone()).unwrap();
    let held: Vec<_> = point
        .members
        .iter()
        .filter(|member| member.name.starts_with("shop/queue"))
        .filter_map(|member| member.held.as_ref())
        .collect();
    let of_nodes = |id: &str| id.starts_with("shop/data-queue-");
    let cuts = point.parts.iter().filter(|part| of_nodes(&part.id));
    let cuts: Vec<_> = cuts.map(|part| part.cut).collect();
    assert!(!held.is_empty() && cuts.len() == 3, "{:#?}", point.members);
    for hold in held {
        for cut in &cuts {
            assert!(hold.since <= *cut && *cut <= hold.released, "{hold:?}");
        }
    }
}

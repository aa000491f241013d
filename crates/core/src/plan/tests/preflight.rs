//! Everything that stands against a recovery, each provoked once and by its own code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixture::{Case, case, thing};
use crate::driver::Problem;
use crate::inventory::{Inventory, ThingId, Unread};
use crate::plan::{Evidence, cycles};
use crate::recovery::Existing;
use crate::run::{Edge, Needs, Phase, Step, Work};

fn problems(change: impl FnOnce(&mut Case)) -> Vec<Problem> {
    let mut case = case();
    change(&mut case);
    case.plan().err().unwrap_or_default()
}

/// The one problem that there is, if it has this code.
fn only(code: &str, change: impl FnOnce(&mut Case)) -> Problem {
    let problems = problems(change);
    let codes: Vec<&str> = problems.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, [code], "{problems:?}");
    let problem = problems[0].clone();
    assert!(!problem.hint.is_empty(), "{problem:?}");
    problem
}

fn class(name: &str) -> ThingId {
    ThingId::cluster("storage.k8s.io", "StorageClass", name)
}

#[test]
fn nothing_stands_against_the_plain_case() {
    assert_eq!(problems(|_| ()), []);
}

#[test]
fn a_source_that_may_be_alive_refuses() {
    let problem = only("source-may-be-alive", |case| case.goal.evidence = None);
    assert!(problem.message.contains("site primary"), "{problem:?}");
    assert!(problem.hint.contains("--source-dead"), "{problem:?}");
    let in_place = problems(|case| {
        case.goal.evidence = None;
        "cluster-a".clone_into(&mut case.goal.cluster_uid);
    });
    assert_eq!(in_place, [], "its namespaces are gone from its own cluster");
    let still_there = problems(|case| {
        case.goal.evidence = None;
        "cluster-a".clone_into(&mut case.goal.cluster_uid);
        case.target.insert(thing("Namespace", "shop", &json!({})));
    });
    assert_eq!(still_there[0].code, "source-may-be-alive");
}

#[test]
fn what_controllers_put_into_every_namespace_is_nobodys_work() {
    let fill = |case: &mut Case, names: &[(&str, &str)]| {
        case.target.insert(thing("Namespace", "shop", &json!({})));
        for (kind, name) in names {
            case.target.insert(thing(kind, name, &json!({})));
        }
    };
    let all = [
        ("ConfigMap", "kube-root-ca.crt"),
        ("ConfigMap", "istio-ca-root-cert"),
        ("ConfigMap", "openshift-service-ca.crt"),
        ("RoleBinding", "system:image-pullers"),
        ("ServiceAccount", "deployer"),
        ("Secret", "default-dockercfg-x7k2p"),
    ];
    assert_eq!(problems(|case| fill(case, &all)), []);
    let problem = only("namespace-in-use", |case| {
        fill(case, &[("ServiceAccount", "deployer")]);
    });
    assert!(problem.message.contains("1 objects"), "{problem:?}");
}

#[test]
fn a_kind_that_is_not_served_is_named_with_its_number() {
    let problem = only("kind-not-served", |case| {
        case.target.served.retain(|one| one.kind != "Service");
    });
    assert!(problem.message.contains("Service."), "{problem:?}");
    assert!(problem.message.contains("(2 objects"), "{problem:?}");
}

#[test]
fn a_custom_kind_is_served_when_its_definition_is_carried() {
    let problems = problems(|case| case.point.owned.clear());
    let codes: Vec<&str> = problems.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["kind-not-served"]);
    assert!(problems[0].message.contains("Cache.shop.example.com"));
}

#[test]
fn a_missing_storage_class_is_to_be_mapped() {
    let problem = only("storage-class-missing", |case| {
        case.target.remove(&class("slow"));
    });
    assert!(problem.message.contains("`slow`"), "{problem:?}");
    assert!(
        problem
            .hint
            .contains("--map-storage-class slow=NAME (there: none)")
            || problem
                .hint
                .contains("`--map-storage-class slow=NAME` (there: none)"),
        "{problem:?}"
    );
    let problem = only("storage-class-missing", |case| {
        case.target.remove(&class("slow"));
        for name in ["fast", "large"] {
            case.target.insert(thing("StorageClass", name, &json!({})));
        }
    });
    assert!(problem.hint.contains("(there: fast, large)"), "{problem:?}");
    let mapped = |to: &'static str| {
        move |case: &mut Case| {
            case.target.remove(&class("slow"));
            case.target
                .insert(thing("StorageClass", "fast", &json!({})));
            case.goal.storage_classes = BTreeMap::from([("slow".to_owned(), to.to_owned())]);
        }
    };
    assert_eq!(problems(mapped("fast")), []);
    let problem = only("storage-class-missing", mapped("typo"));
    assert!(problem.message.contains("`typo`"), "{problem:?}");
}

#[test]
fn what_the_target_must_have_is_named_with_who_needs_it() {
    let problem = only("required-missing", |case| {
        let id = ThingId::cluster("networking.k8s.io", "IngressClass", "nginx");
        case.target.remove(&id);
    });
    assert!(problem.message.contains("nginx"), "{problem:?}");
    assert!(
        problem
            .message
            .contains("Ingress.networking.k8s.io shop/web")
    );
}

#[test]
fn a_namespace_in_use_refuses_unless_what_is_there_may_stay() {
    let foreign = |case: &mut Case| {
        case.target.insert(thing("Namespace", "shop", &json!({})));
        case.target
            .insert(thing("ServiceAccount", "default", &json!({})));
        case.target
            .insert(thing("ConfigMap", "kube-root-ca.crt", &json!({})));
    };
    assert_eq!(problems(foreign), [], "an empty namespace is no obstacle");
    let problem = only("namespace-in-use", |case| {
        foreign(case);
        case.target.insert(thing("Secret", "mine", &json!({})));
    });
    assert!(problem.message.contains("1 objects"), "{problem:?}");
    assert!(problem.message.contains("Secret shop/mine"), "{problem:?}");
    let skipped = problems(|case| {
        foreign(case);
        case.target.insert(thing("Secret", "mine", &json!({})));
        case.goal.existing = Existing::Skip;
    });
    assert_eq!(skipped, []);
}

#[test]
fn what_goes_with_its_namespace_is_no_obstacle() {
    let leaving = |case: &mut Case, going: &Value| {
        let mut namespace = thing("Namespace", "shop", &json!({}));
        namespace.edit(|it| it["metadata"]["deletionTimestamp"] = going.clone());
        case.target.insert(namespace);
        // Whoever empties the namespace has not come to these yet.
        let claim = thing("PersistentVolumeClaim", "data-db-0", &json!({}));
        case.target.insert(claim);
        case.target.insert(thing("Secret", "mine", &json!({})));
    };
    let going = json!("2026-01-01T00:00:00Z");
    for existing in [
        Existing::Fail,
        Existing::Skip,
        Existing::Update,
        Existing::Replace,
    ] {
        let change = |case: &mut Case, going: &Value| {
            leaving(case, going);
            case.goal.existing = existing;
        };
        assert_eq!(problems(|case| change(case, &going)), [], "{existing:?}");
        let stays = problems(|case| change(case, &Value::Null));
        assert_eq!(stays.is_empty(), existing == Existing::Skip, "{existing:?}");
    }
}

#[test]
fn a_thing_of_the_cluster_that_is_there_already_refuses() {
    let problem = only("already-exists", |case| {
        let definition = thing(
            "CustomResourceDefinition",
            "caches.shop.example.com",
            &json!({}),
        );
        case.target.insert(definition);
    });
    assert!(problem.message.contains("caches.shop.example.com"));
}

#[test]
fn a_copy_in_the_sources_own_cluster_is_not_isolated() {
    only("not-isolated", |case| {
        case.goal.evidence = Some(Evidence::Isolated);
        "cluster-a".clone_into(&mut case.goal.cluster_uid);
    });
    let elsewhere = problems(|case| case.goal.evidence = Some(Evidence::Isolated));
    assert_eq!(elsewhere, []);
}

#[test]
fn in_the_sources_own_cluster_no_isolated_copy_overwrites_even_when_skipping() {
    only("not-isolated", |case| {
        case.goal.evidence = Some(Evidence::Isolated);
        case.goal.existing = Existing::Skip;
        "cluster-a".clone_into(&mut case.goal.cluster_uid);
    });
}

#[test]
fn an_empty_point_refuses() {
    only("point-empty", |case| {
        case.objects = Inventory::default();
        case.point.parts.clear();
        case.point.members.clear();
        case.point.owned.clear();
    });
}

#[test]
fn an_incomplete_look_at_the_target_refuses() {
    only("inventory-incomplete", |case| {
        case.target.unread.push(Unread {
            resource: super::fixture::resource("Secret"),
            namespace: None,
            message: "forbidden".to_owned(),
            passing: false,
        });
    });
}

#[test]
fn a_part_without_its_claim_refuses() {
    let problem = only("part-unusable", |case| {
        case.point.parts[0].claim = json!({});
    });
    assert!(problem.message.contains("shop/data-db-0"), "{problem:?}");
}

#[test]
fn all_problems_are_found_at_once() {
    let problems = problems(|case| {
        case.goal.evidence = None;
        case.target.remove(&class("slow"));
        case.target.served.retain(|one| one.kind != "Ingress");
        case.target.insert(thing("Secret", "mine", &json!({})));
    });
    let codes: Vec<&str> = problems.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "source-may-be-alive",
            "kind-not-served",
            "storage-class-missing",
            "namespace-in-use",
        ]
    );
}

fn step(id: &str, on: &[(&str, &str)]) -> (String, Step) {
    let needs: Needs = on
        .iter()
        .map(|(on, rule)| Edge::new(*on, *rule, "seen"))
        .collect();
    let step = Step {
        id: id.to_owned(),
        phase: Phase::Applications,
        title: id.to_owned(),
        needs,
        work: Work::SystemNamespace,
        limit_seconds: 1,
        cleanup: false,
    };
    (id.to_owned(), step)
}

#[test]
fn a_cycle_is_named_with_its_rules_and_without_what_only_waits_for_it() {
    let mut steps = BTreeMap::from([
        step("a", &[("b", "FIRST")]),
        step("b", &[("c", "SECOND"), ("free", "OTHER")]),
        step("c", &[("b", "THIRD")]),
        step("free", &[]),
    ]);
    let problems = cycles::break_cycles(&mut steps).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(problem.code, "plan-cycle");
    assert_eq!(
        problem.message,
        "steps wait for each other: `b` waits by SECOND, for `c` waits by THIRD"
    );
}

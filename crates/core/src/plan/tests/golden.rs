//! What people read of a plan, to the letter.

use serde_json::json;

use super::fixture::{Case, case};
use crate::plan::{Evidence, OWN_RULES, RULES};
use crate::recovery::Existing;
use crate::run::{Confidence, Step, Work};

const PLAN: &str = include_str!("../../../tests/golden/plan-shop.txt");

fn step<'a>(steps: &'a [Step], id: &str) -> &'a Step {
    steps
        .iter()
        .find(|step| step.id == id)
        .unwrap_or_else(|| panic!("no step `{id}`"))
}

#[test]
fn the_plan_is_shown_by_phase_with_what_each_step_waits_for() {
    let shown = case().plan().unwrap().render();
    assert_eq!(shown, PLAN, "the plan reads now:\n{shown}");
}

#[test]
fn a_person_is_warned_of_what_nobody_has_made_sure() {
    let mut case = case();
    case.goal.evidence = Some(Evidence::SourceDead {
        reason: "it burnt".to_owned(),
    });
    let warnings = case.plan().unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "the point was made on Kubernetes v1.33.1, the target is v1.34.4",
            "nobody has fenced the source; it is taken for dead: it burnt",
        ]
    );
}

fn filled_class(case: &Case) -> (serde_json::Value, serde_json::Value) {
    let plan = case.plan().unwrap().plan;
    let Work::Fill(filling) = &step(&plan.steps, "fill shop/data-db-0").work else {
        panic!("it fills nothing");
    };
    let Work::Driver { inputs, .. } = &step(&plan.steps, "hand over shop/data-db-0").work else {
        panic!("it hands nothing over");
    };
    let spec = filling.claim_spec.clone().unwrap();
    (spec, inputs["claim"]["spec"].clone())
}

#[test]
fn a_mapped_storage_class_reaches_the_filled_claim_and_the_one_handed_over() {
    let mut case = case();
    let (filled, handed) = filled_class(&case);
    assert_eq!(filled["storageClassName"], "slow");
    assert_eq!(handed["storageClassName"], "slow");
    assert_eq!(
        filled["resources"]["requests"]["storage"], "2Gi",
        "the volume's real size"
    );
    assert_eq!(handed.get("volumeName"), None, "the old volume");
    case.target
        .insert(super::fixture::thing("StorageClass", "fast", &json!({})));
    let map = ("slow".to_owned(), "fast".to_owned());
    case.goal.storage_classes.extend([map]);
    let (filled, handed) = filled_class(&case);
    assert_eq!(filled["storageClassName"], "fast");
    assert_eq!(handed["storageClassName"], "fast");
}

#[test]
fn the_version_that_the_target_serves_is_written() {
    let mut case = case();
    for resource in &mut case.target.served {
        if resource.kind == "Ingress" {
            "v2".clone_into(&mut resource.version);
        }
    }
    let plan = case.plan().unwrap().plan;
    let Work::Write(writing) = &step(&plan.steps, "write Ingress.networking.k8s.io shop/web").work
    else {
        panic!("it writes nothing");
    };
    assert_eq!(writing.resource.version, "v2");
    assert_eq!(writing.object["apiVersion"], "networking.k8s.io/v2");
}

#[test]
fn what_the_cluster_makes_itself_is_awaited_and_the_rest_is_written() {
    let mut case = case();
    case.goal.existing = Existing::Skip;
    let plan = case.plan().unwrap().plan;
    for step in &plan.steps {
        if let Work::Write(writing) = &step.work {
            let by_cluster = step.id == "write ServiceAccount shop/default";
            assert_eq!(writing.adopt, by_cluster, "{}", step.id);
            assert_eq!(writing.existing, Existing::Skip, "{}", step.id);
            let metadata = &writing.object["metadata"];
            assert_eq!(metadata.get("uid"), None, "{}", step.id);
            assert_eq!(metadata.get("resourceVersion"), None, "{}", step.id);
        }
    }
}

#[test]
fn the_page_tells_of_every_rule_once() {
    let page = crate::plan::page();
    for rule in RULES {
        let row = format!("| {} | {} |", rule.name, rule.reason);
        assert_eq!(page.matches(&row).count(), 1, "{row}");
    }
    for rule in OWN_RULES {
        let row = format!("| {} | {} |", rule.name, rule.reason);
        assert_eq!(page.matches(&row).count(), 1, "{row}");
    }
}

#[test]
fn every_edge_is_drawn_by_a_known_rule() {
    let plan = case().plan().unwrap().plan;
    for edge in plan.steps.iter().flat_map(|step| &step.needs) {
        let rule = RULES.iter().find(|rule| rule.name == edge.rule);
        let known = rule.is_some_and(|rule| rule.confidence.contains(&edge.confidence));
        let own = OWN_RULES.iter().any(|own| own.name == edge.rule);
        let own = own && edge.confidence == Confidence::Certain;
        assert!(known || own, "{edge:?}");
        assert!(!edge.evidence.is_empty(), "{edge:?}");
    }
}

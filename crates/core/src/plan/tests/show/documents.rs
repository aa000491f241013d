//! A plan as a picture and as a document.

use std::collections::BTreeMap;

use super::{crowded, document};
use crate::plan::tests::fixture::case;
use crate::plan::{Around, Detail, Language};
use crate::run::{Confidence, Edge, Phase};

#[test]
fn pictures_hold_phases_rules_and_names_with_anything_in_them() {
    let mut planned = case().plan().unwrap();
    let odd = "write Thing shop/a\"b\\c|d`e#f<g>.h";
    let mut step = planned.plan.steps[0].clone();
    step.id = odd.to_owned();
    step.phase = Phase::Traffic;
    step.needs
        .insert(Edge::new("vault-access", "ODD_\"RULE", "x").with(Confidence::Medium));
    planned.plan.steps.push(step);
    let around = Around::default();
    let view = planned.view(&around);
    let dot = view.graph(Language::Dot, Detail::Folded);
    for wanted in [
        "digraph plan {\n",
        "    label=\"4 storage\";\n",
        "[label=\"Deployment.apps shop/web\"];\n",
        "[label=\"Thing shop/a\\\"b\\\\c|d`e#f<g>.h\"];\n",
        "[label=\"FILL_BEFORE_HAND_OVER\"];\n",
        "[label=\"ODD_\\\"RULE\", style=dashed];\n",
        "[label=\"DATABASE_BEFORE_CLIENT\", style=dashed];\n",
    ] {
        assert!(dot.contains(wanted), "no {wanted:?} in\n{dot}");
    }
    assert!(!dot.contains("GUARD_BEFORE_ALL"), "{dot}");
    let mermaid = view.graph(Language::Mermaid, Detail::Folded);
    for wanted in [
        "flowchart LR\n",
        "[\"4 storage\"]\n",
        "[\"Thing shop/a#quot;b#92;c#124;d#96;e#35;f#lt;g#gt;.h\"]\n",
        " -->|\"FILL_BEFORE_HAND_OVER\"| n",
        " -.->|\"ODD_#quot;RULE\"| n",
    ] {
        assert!(mermaid.contains(wanted), "no {wanted:?} in\n{mermaid}");
    }
}

#[test]
fn a_big_picture_is_drawn_by_kind_and_says_so() {
    let planned = crowded().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let folded = view.graph(Language::Mermaid, Detail::Folded);
    assert!(folded.contains("[\"Secret (1,205)\"]\n"), "{folded}");
    assert!(folded.contains("drawn by kind"), "{folded}");
    assert!(folded.lines().count() < 100, "{folded}");
    let all = view.graph(Language::Dot, Detail::All);
    assert!(all.contains("[label=\"Secret shop/token-0007\"];"));
}

#[test]
fn the_document_is_complete_and_the_same_each_time() {
    let value = document(&case());
    assert_eq!(value["document"], "refloat.io/plan");
    assert_eq!(value["version"], 1);
    assert_eq!(value["digest"], case().plan().unwrap().plan.digest());
    assert_eq!(value, document(&case()));
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    for key in [
        "conflicts",
        "digest",
        "document",
        "estimate",
        "left_out",
        "mapped",
        "phases",
        "plan",
        "problems",
        "selected",
        "version",
        "warnings",
    ] {
        assert!(keys.iter().any(|one| *one == key), "no {key} in {keys:?}");
    }
    let steps = value["plan"]["steps"].as_array().unwrap();
    let bytes: BTreeMap<&str, u64> = value["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| {
            (
                phase["label"].as_str().unwrap(),
                phase["bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(bytes["4 storage"], 50 * 1024 * 1024);
    assert!(
        steps
            .iter()
            .all(|step| step["estimated_seconds"].is_number())
    );
}

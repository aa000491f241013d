//! What people write, what it means in a point, and what stands against it.

mod chosen;
mod evidence;
mod golden;
mod property;
mod words;

use std::collections::BTreeSet;

use super::Selection;
use crate::driver::Problem;
use crate::plan::Planned;
use crate::plan::tests::fixture::{Case, case, thing};
use serde_json::json;

/// The small application with a selection of it; nothing at the target but its namespace.
fn selecting(only: &[&str], skip: &[&str]) -> Case {
    let mut case = case();
    case.goal.selection = Selection {
        only: only.iter().map(|one| one.parse().unwrap()).collect(),
        skip: skip.iter().map(|one| one.parse().unwrap()).collect(),
        ..Selection::default()
    };
    case.target.insert(thing("Namespace", "shop", &json!({})));
    case
}

fn at_home(mut case: Case) -> Case {
    case.goal.cluster_uid.clone_from(&case.point.cluster_uid);
    case.goal.evidence = None;
    case
}

fn ids(planned: &Planned) -> BTreeSet<&str> {
    planned
        .plan
        .steps
        .iter()
        .map(|step| step.id.as_str())
        .collect()
}

fn problems(case: &Case) -> Vec<Problem> {
    case.plan().err().unwrap_or_default()
}

fn codes(case: &Case) -> Vec<String> {
    problems(case).into_iter().map(|one| one.code).collect()
}

fn said(case: &Case) -> String {
    let all: Vec<String> = problems(case)
        .iter()
        .map(|one| format!("{}: {} ({})", one.code, one.message, one.hint))
        .collect();
    all.join("\n")
}

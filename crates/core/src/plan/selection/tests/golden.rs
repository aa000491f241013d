//! What people read of the plan for one volume, to the letter.

use serde_json::json;

use super::{at_home, selecting};
use crate::plan::tests::fixture::thing;

const PLAN: &str = include_str!("../../../../tests/golden/plan-one-volume.txt");

#[test]
fn the_plan_of_one_volume_shows_exactly_that() {
    let mut case = at_home(selecting(&["pvc/data-db-0"], &[]));
    case.target
        .insert(thing("PersistentVolumeClaim", "data-db-0", &json!({})));
    case.goal.selection.renamed = Some("data-db-0-yesterday".parse().unwrap());
    let planned = case.plan().unwrap();
    let shown = format!("{}\n{}", planned.selected.join("\n"), planned.render());
    assert_eq!(shown, PLAN, "it reads now:\n{shown}");
}

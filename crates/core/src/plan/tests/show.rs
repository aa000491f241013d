//! What is shown of a plan beside the tree of the small application: folds, explanations, differences, documents, pictures,
//! estimates.

mod differences;
mod documents;
mod estimates;
mod explained;
mod listed;

use serde_json::{Value, json};

use super::fixture::{Case, case, part, thing};
use crate::plan::{Around, Planned};

fn around(case: &Case, planned: &Planned) -> Around {
    let mut around = Around::of(planned, &case.target, &case.goal, Vec::new());
    around.seal_key = b"key".to_vec();
    around
}

fn document(case: &Case) -> Value {
    let planned = case.plan().unwrap();
    let around = around(case, &planned);
    serde_json::to_value(planned.view(&around).document()).unwrap()
}

/// What changed from the one case to the other.
fn difference(before: &Value, now: &Case) -> crate::plan::Difference {
    let planned = now.plan().unwrap();
    let around = around(now, &planned);
    planned.view(&around).difference(before).unwrap()
}

/// Many Secrets in the shop's namespace.
fn crowded() -> Case {
    let mut case = case();
    for number in 0..1_204 {
        let name = format!("token-{number:04}");
        case.objects.insert(thing("Secret", &name, &json!({})));
    }
    for number in 0..12 {
        let id = format!("shop/bulk-{number:02}");
        case.point.parts.push(part(&id));
    }
    case
}

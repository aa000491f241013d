//! A driver for simulation only: a workload with a command that may be given once. No driver of the catalogue has such a
//! command yet, and the engine's promise about it is to be seen all the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::{
    Claim, Driver, Effect, ExecRequest, Facts, Op, Outcome, Query, Repeat, Role, Seen, Task,
    Verdict,
};
use refloat_core::inventory::{Inventory, Thing};

use super::application::ONCE;

/// The driver.
pub(super) struct Once;

static FACTS: Facts = Facts {
    id: "once",
    summary: "simulated workloads with a command that may be given once",
    role: Role::Database,
    versions: "simulated",
    permissions: &[],
};

impl Driver for Once {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn claim(&self, thing: &Thing, _inventory: &Inventory) -> Option<Claim> {
        thing.annotation(ONCE)?;
        Some(Claim {
            driver: FACTS.id.to_owned(),
            role: Role::Database,
            thing: thing.id(),
            volumes: Vec::new(),
            settings: BTreeMap::new(),
            notes: Vec::new(),
        })
    }

    fn look(&self, _task: &Task<'_>) -> Vec<Query> {
        Vec::new()
    }

    fn decide(&self, task: &Task<'_>, _seen: &Seen, _now: Timestamp) -> Verdict {
        match (task.op, task.ran) {
            (Op::Check, _) => Verdict::Done(
                Outcome::default()
                    .with("mode", "crash")
                    .with("evidence", vec!["simulated".to_owned()]),
            ),
            (Op::Capture, None) => Verdict::Act(vec![Effect::Exec {
                request: ExecRequest {
                    namespace: task.claim.thing.namespace.clone().unwrap_or_default(),
                    pod: format!("{}-0", task.claim.thing.name),
                    container: None,
                    command: vec!["tally".to_owned()],
                    input: String::new(),
                    limit_seconds: 10,
                },
                repeat: Repeat::Never,
            }]),
            (
                Op::Capture | Op::Expose | Op::Reap | Op::Amend | Op::Restore | Op::Ready,
                Some(_) | None,
            ) => Verdict::Done(Outcome::default()),
        }
    }
}

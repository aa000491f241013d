//! Going on without a gate of a user's own: what is written into the journal of a recovery that has begun. Called by `recover`.

use jiff::Timestamp;
use refloat_core::driver::{ObjectRef, Outcome};
use refloat_core::readiness::user::{Check, Gating};
use refloat_core::run::{Progress, Record, RunPlan, Step, Work};

use crate::failure::Failure;

/// Records that say that these gates are not waited for, and what a person should know. A name that the plan does not have is refused.
pub(crate) fn skip_gates(
    plan: &RunPlan,
    before: &Progress,
    names: &[String],
) -> Result<(Vec<Record>, Vec<String>), Failure> {
    let mut records = Vec::new();
    let mut warnings = Vec::new();
    for name in names {
        let found = gates(plan).find(|(_, gating)| gating.name == *name);
        let Some((step, gating)) = found else {
            return Err(unknown(plan, name));
        };
        // Said with each repetition of the command: it counts once.
        if before.is_done(&step.id) || gating.check == Check::Skipped {
            continue;
        }
        warnings.push(format!(
            "gate {name} of {} is skipped, as `--skip-gate` says",
            gating.of.id()
        ));
        records.push(Record::Done {
            at: Timestamp::now(),
            step: step.id.clone(),
            outcome: Outcome::default().with("skipped", true),
        });
    }
    Ok((records, warnings))
}

/// Pods that may still be there of gates that are skipped, by this command or an earlier one: an engine that was killed was asking by
/// them.
pub(crate) fn gate_pods(plan: &RunPlan, progress: &Progress) -> Vec<ObjectRef> {
    let is_skipped = |step: &Step| {
        let outcome = progress.outcome(&step.id);
        outcome.is_some_and(|outcome| outcome.facts.contains_key("skipped"))
    };
    gates(plan)
        .filter(|(step, _)| is_skipped(step))
        .filter_map(|(step, gating)| gating.pod(&plan.run, &step.id))
        .collect()
}

fn gates(plan: &RunPlan) -> impl Iterator<Item = (&Step, &Gating)> {
    plan.steps.iter().filter_map(|step| match &step.work {
        Work::Gate(gating) => Some((step, gating)),
        _ => None,
    })
}

fn unknown(plan: &RunPlan, name: &str) -> Failure {
    let known: Vec<&str> = gates(plan)
        .map(|(_, gating)| gating.name.as_str())
        .collect();
    Failure::refuse(
        "gate-unknown",
        format!("`--skip-gate {name}`: this recovery has no gate of this name"),
        if known.is_empty() {
            "it has none at all: leave the option out".to_owned()
        } else {
            format!("its gates: {}", known.join(", "))
        },
    )
}

#[cfg(test)]
mod tests {
    use refloat_core::names::part_object_name;
    use serde_json::{Value, json};

    use super::*;

    fn plan() -> RunPlan {
        plan_of(&json!({ "cel": "true" }))
    }

    fn plan_of(check: &Value) -> RunPlan {
        let gating = json!({
            "work": "gate", "name": "ready", "check": check,
            "of": { "resource": { "group": "apps", "version": "v1", "kind": "Deployment", "plural": "deployments", "namespaced": true },
                    "namespace": "shop", "name": "web" },
        });
        let step = json!({
            "id": "gate ready", "phase": "applications", "title": "gate ready", "needs": [], "work": gating, "limit_seconds": 600,
        });
        let plan = json!({
            "kind": "restore", "run": "restore-1", "protection": "shop", "site": "secondary", "point": "shop/1", "mover_image": "x",
            "steps": [step],
        });
        serde_json::from_value(plan).expect("a plan of today is read for ever")
    }

    #[test]
    fn a_gate_that_is_skipped_is_done_and_says_so() {
        let plan = plan();
        let Work::Gate(gating) = &plan.steps[0].work else {
            panic!("no gate");
        };
        assert_eq!(gating.check, Check::Cel("true".to_owned()));
        let mut before = Progress::default();
        let names = ["ready".to_owned()];
        let (records, warnings) = skip_gates(&plan, &before, &names).expect("it has this gate");
        assert_eq!(
            warnings,
            ["gate ready of Deployment.apps shop/web is skipped, as `--skip-gate` says"]
        );
        let [Record::Done { step, outcome, .. }] = records.as_slice() else {
            panic!("{records:?}");
        };
        assert_eq!(step, "gate ready");
        assert_eq!(outcome.facts["skipped"], true);
        before.apply(&records[0]);
        let (again, warnings) = skip_gates(&plan, &before, &names).expect("it has this gate");
        assert!(again.is_empty() && warnings.is_empty());
    }

    #[test]
    fn the_pod_of_a_gate_that_was_skipped_is_looked_for_whoever_skipped_it() {
        let check = json!({ "probe": { "host": "web", "port": 80, "ask": "tcp" } });
        for (plan, pods) in [(plan_of(&check), 1), (plan(), 0)] {
            let mut progress = Progress::default();
            assert!(gate_pods(&plan, &progress).is_empty(), "it is asked");
            let names = ["ready".to_owned()];
            let (records, _) = skip_gates(&plan, &progress, &names).expect("it has this gate");
            progress.apply(&records[0]);
            let found = gate_pods(&plan, &progress);
            assert_eq!(found.len(), pods);
            for pod in found {
                assert_eq!(pod.resource.kind, "Pod");
                assert_eq!(pod.namespace.as_deref(), Some("refloat-system"));
                let name = part_object_name(&plan.run, "probe gate ready");
                assert_eq!(pod.name, name, "as the step's own");
            }
        }
    }

    #[test]
    fn a_name_that_is_no_gate_is_refused_with_those_that_are() {
        let refused = skip_gates(&plan(), &Progress::default(), &["raedy".to_owned()]);
        let failure = refused.expect_err("no such gate");
        assert_eq!(failure.problems[0].code, "gate-unknown");
        assert_eq!(failure.problems[0].hint, "its gates: ready");
    }
}

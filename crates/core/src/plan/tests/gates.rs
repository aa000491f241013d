//! Gates of users in a plan: where they stand, whom they hold back, and what is refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixture::{Case, case, service, workload};
use crate::driver::Problem;
use crate::inventory::ThingId;
use crate::plan::Around;
use crate::readiness::user::{Check, GATE_SECONDS, UserGate};
use crate::run::{Step, Work};

const EXPLAINED: &str = include_str!("../../../tests/golden/explain-gates.txt");

fn gate(name: &str, of: ThingId, check: Value) -> UserGate {
    UserGate {
        name: name.to_owned(),
        of,
        seconds_max: GATE_SECONDS,
        check,
    }
}

fn db() -> ThingId {
    ThingId::namespaced("apps", "StatefulSet", "shop", "db")
}

fn web() -> ThingId {
    ThingId::namespaced("apps", "Deployment", "shop", "web")
}

/// A gate on the database, one on the web server by annotation.
fn gated() -> Case {
    let mut case = case();
    let sql = json!({ "sql": { "service": "db", "engine": "postgresql", "query": "select 1" } });
    case.point.gates.push(gate("ledger", db(), sql));
    annotate(
        &mut case,
        "refloat.io/gate-cel",
        "object.status.readyReplicas == 1",
    );
    annotate(&mut case, "refloat.io/gate-seconds-max", "90");
    case
}

fn annotate(case: &mut Case, name: &str, value: &str) {
    let mut thing = case.objects.get(&web()).unwrap().clone();
    thing.edit(|it| it["metadata"]["annotations"][name] = json!(value));
    case.objects.insert(thing);
}

fn step<'a>(steps: &'a [Step], id: &str) -> &'a Step {
    let found = steps.iter().find(|step| step.id == id);
    found.unwrap_or_else(|| panic!("no step `{id}`"))
}

fn needs(steps: &[Step], id: &str, on: &str) -> bool {
    step(steps, id).needs.iter().any(|edge| edge.on == on)
}

fn only(problems: Vec<Problem>) -> Problem {
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn what_waits_for_an_object_waits_for_its_gate() {
    let mut case = gated();
    // Something runs for it: it may be a client.
    let mut made = workload("Deployment", "sessions", &json!({ "containers": [] }));
    made.edit(|it| {
        it["metadata"]["ownerReferences"] =
            json!([{ "kind": "Cache", "name": "sessions", "uid": "Cache-sessions" }]);
    });
    case.objects.insert(made);
    let planned = case.plan().unwrap();
    let steps = &planned.plan.steps;
    assert!(needs(steps, "gate ledger", "ready shop/db"));
    assert!(needs(
        steps,
        "write Deployment.apps shop/web",
        "gate ledger"
    ));
    assert!(needs(
        steps,
        "write Cache.shop.example.com shop/sessions",
        "gate ledger"
    ));
    assert!(!needs(steps, "ready shop/db", "gate ledger"));
    let own = "gate Deployment/shop/web/cel";
    assert!(needs(steps, own, "write Deployment.apps shop/web"));
    assert!(needs(
        steps,
        "write Ingress.networking.k8s.io shop/web",
        own
    ));
    assert_eq!(step(steps, own).limit_seconds, 90);
    assert_eq!(step(steps, "gate ledger").limit_seconds, GATE_SECONDS);
}

#[test]
fn why_something_waits_for_a_gate_is_told() {
    let planned = gated().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let find = |words: &str| view.find(words).unwrap();
    let chain = |from: &str, to: &str| view.explain(find(from), find(to)).text();
    let one = |words: &str| view.explain_one(find(words)).text(false);
    let shown = [
        chain("Deployment/shop/web", "gate ledger"),
        chain("Ingress shop/web", "StatefulSet shop/db"),
        one("gate ledger"),
        one("gate Deployment/shop/web/cel"),
    ]
    .join("\n");
    assert_eq!(shown, EXPLAINED, "it reads now:\n{shown}");
}

#[test]
fn a_gate_that_is_skipped_is_a_step_that_says_so() {
    let mut case = gated();
    case.goal.skip_gates = BTreeSet::from(["ledger".to_owned()]);
    let planned = case.plan().unwrap();
    let step = step(&planned.plan.steps, "gate ledger");
    assert_eq!(step.title, "skip gate ledger of StatefulSet.apps shop/db");
    let Work::Gate(gating) = &step.work else {
        panic!("no gate");
    };
    assert_eq!(gating.check, Check::Skipped);
    let warning = "gate ledger of StatefulSet.apps shop/db is skipped, as `--skip-gate` says";
    assert!(
        planned.warnings.iter().any(|one| one == warning),
        "{:?}",
        planned.warnings
    );
}

#[test]
fn a_gate_that_cannot_be_read_stops_a_recovery_until_it_is_skipped() {
    let mut case = gated();
    annotate(&mut case, "refloat.io/gate-exec", "/bin/warm --check");
    let problem = only(case.plan().unwrap_err());
    assert_eq!(problem.code, "gate-unreadable");
    assert!(
        problem
            .message
            .starts_with("annotation `refloat.io/gate-exec` of Deployment.apps shop/web: `exec`: "),
        "{}",
        problem.message
    );
    assert!(
        problem
            .hint
            .contains("`--skip-gate Deployment/shop/web/exec`"),
        "{}",
        problem.hint
    );
    case.point
        .gates
        .push(gate("new", db(), json!({ "quantum": {} })));
    assert_eq!(case.plan().unwrap_err().len(), 2);
    case.goal.skip_gates = ["new", "Deployment/shop/web/exec"]
        .map(str::to_owned)
        .into();
    assert!(case.plan().is_ok());
}

#[test]
fn a_name_that_no_gate_has_cannot_be_skipped() {
    let mut case = gated();
    case.goal.skip_gates = BTreeSet::from(["legder".to_owned()]);
    let problem = only(case.plan().unwrap_err());
    assert_eq!(problem.code, "gate-unknown");
    assert_eq!(problem.hint, "its gates: Deployment/shop/web/cel, ledger");
}

#[test]
fn a_gate_of_what_does_not_come_back_is_left_out_with_a_warning() {
    let mut case = gated();
    let gone = ThingId::namespaced("batch", "Job", "shop", "migrate");
    case.point
        .gates
        .push(gate("migrated", gone, json!({ "cel": "true" })));
    let planned = case.plan().unwrap();
    assert!(
        planned
            .plan
            .steps
            .iter()
            .all(|step| step.id != "gate migrated")
    );
    let warning = "gate migrated is left out: Job.batch shop/migrate is not among what comes back";
    assert!(
        planned.warnings.iter().any(|one| one == warning),
        "{:?}",
        planned.warnings
    );
}

/// The gate of the database asks the web server, which waits for the database.
#[test]
fn a_gate_that_asks_what_waits_for_it_is_refused() {
    let mut case = case();
    let asks_web = json!({ "http": { "service": "web", "port": 80 } });
    case.point.gates.push(gate("page", db(), asks_web.clone()));
    let problem = only(case.plan().unwrap_err());
    assert_eq!(problem.code, "gate-circular");
    assert_eq!(
        problem.message,
        "gate page of StatefulSet.apps shop/db could never open: it asks Service shop/web, which leads to Deployment.apps shop/web, so it waits for `write Deployment.apps shop/web`, which waits for StatefulSet.apps shop/db itself (DATABASE_BEFORE_CLIENT)"
    );
    case.goal.skip_gates = BTreeSet::from(["page".to_owned()]);
    assert!(case.plan().is_ok());
    // On the web server itself it is what is meant.
    case.goal.skip_gates.clear();
    case.point.gates = vec![gate("page", web(), asks_web)];
    let planned = case.plan().unwrap();
    assert!(needs(
        &planned.plan.steps,
        "write Ingress.networking.k8s.io shop/web",
        "gate page"
    ));
}

/// What leads to a workload comes before it; a gate that asks through it waits for both.
#[test]
fn a_gate_on_a_service_asks_what_is_behind_it() {
    let mut case = case();
    let of = ThingId::namespaced("", "Service", "shop", "web");
    let check = json!({ "http": { "service": "web.shop.svc.cluster.local" } });
    case.point.gates.push(gate("page", of, check));
    let planned = case.plan().unwrap();
    let steps = &planned.plan.steps;
    assert!(needs(steps, "gate page", "write Deployment.apps shop/web"));
    assert!(!needs(steps, "write Deployment.apps shop/web", "gate page"));
    assert!(needs(
        steps,
        "write Ingress.networking.k8s.io shop/web",
        "gate page"
    ));
}

#[test]
fn a_gate_on_a_volume_holds_its_pods_back() {
    let mut case = case();
    let of = ThingId::namespaced("", "PersistentVolumeClaim", "shop", "data-db-0");
    let check = json!({ "cel": "object.status.phase == 'Bound'" });
    case.point.gates.push(gate("bound", of, check));
    let planned = case.plan().unwrap();
    let steps = &planned.plan.steps;
    assert!(needs(steps, "gate bound", "hand over shop/data-db-0"));
    assert!(needs(steps, "write StatefulSet.apps shop/db", "gate bound"));
    assert!(
        !needs(steps, "reap shop/data-db-0", "gate bound"),
        "what cleans up does not care"
    );
}

/// Gates at random on random objects, asking services at random: a plan, whose order holds, or problems that name a gate.
#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn gates_at_random_never_make_a_plan_that_waits_for_itself() {
    let mut state = 7_u64;
    let mut below = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let (mut planned, mut refused) = (0, 0);
    for round in 0..300 {
        let mut case = case();
        for number in 0..below(4) {
            let name = format!("app{number}");
            let host = ["db", "web", "app0", "app1", "nowhere"][below(5)];
            let container = json!({ "name": "app", "env": [{ "name": "HOST", "value": host }] });
            case.objects.insert(workload(
                "Deployment",
                &name,
                &json!({ "containers": [container] }),
            ));
            case.objects.insert(service(&name));
        }
        let ids: Vec<ThingId> = case
            .objects
            .iter()
            .map(crate::inventory::Thing::id)
            .collect();
        for number in 0..=below(5) {
            let of = ids[below(ids.len())].clone();
            let asked = [
                "db",
                "web.shop",
                "app0.shop",
                "app1.shop.svc",
                "elsewhere.example.com",
            ][below(5)];
            let check = match below(3) {
                0 => json!({ "cel": "true" }),
                1 => json!({ "dns": { "name": "db.shop" } }),
                _ => json!({ "tcp": { "service": asked, "port": 80 } }),
            };
            case.point
                .gates
                .push(gate(&format!("gate{number}"), of, check));
        }
        match case.plan() {
            Ok(plan) => {
                planned += 1;
                let mut before = BTreeSet::new();
                for step in &plan.plan.steps {
                    let late = step
                        .needs
                        .iter()
                        .find(|edge| !before.contains(edge.on.as_str()));
                    assert!(late.is_none(), "round {round}: {} before {late:?}", step.id);
                    before.insert(step.id.clone());
                }
            }
            Err(problems) => {
                refused += 1;
                for problem in problems {
                    let known =
                        ["gate-circular", "gate-unreadable"].contains(&problem.code.as_str());
                    assert!(
                        known && problem.message.contains("gate"),
                        "round {round}: {problem:?}"
                    );
                }
            }
        }
    }
    assert!(
        planned > 50 && refused > 10,
        "{planned} planned, {refused} refused"
    );
}

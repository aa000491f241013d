//! What holds for every plan, tried on many seeded applications.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::fixture::{Case, case, database, part, service, thing, workload};
use crate::inventory::{Inventory, Thing};
use crate::run::{RunPlan, Work};

/// A small generator: the same numbers for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for index in (1..list.len()).rev() {
            list.swap(index, self.below(index + 1));
        }
    }
}

/// The small application, with more of everything and references at random.
fn application(seed: u64) -> Case {
    let mut random = Random(seed);
    let mut case = case();
    let databases: Vec<String> = (0..random.below(4)).map(|n| format!("db{n}")).collect();
    for name in &databases {
        case.objects
            .insert(workload("StatefulSet", name, &json!({ "containers": [] })));
        case.objects.insert(service(name));
        case.point.members.push(database(name));
        case.point.parts.push(part(&format!("shop/data-{name}-0")));
    }
    for number in 0..random.below(8) {
        let name = format!("app{number}");
        let reads = format!("secret{}", random.below(4));
        let host = match random.below(databases.len() + 2) {
            0 => "db".to_owned(),
            1 => "nowhere".to_owned(),
            other => databases[other - 2].clone(),
        };
        let container = json!({
            "name": "app", "envFrom": [{ "secretRef": { "name": reads } }],
            "env": [{ "name": "HOST", "value": host }],
        });
        let pod = json!({ "containers": [container] });
        case.objects.insert(workload("Deployment", &name, &pod));
        case.objects.insert(thing("Secret", &reads, &json!({})));
        if random.below(2) == 0 {
            case.objects.insert(service(&name));
        }
    }
    case
}

pub(super) fn permuted(case: &Case, random: &mut Random) -> Case {
    let mut things: Vec<Thing> = case.objects.iter().cloned().collect();
    random.shuffle(&mut things);
    let mut objects = Inventory::of(things);
    objects
        .kubernetes_version
        .clone_from(&case.objects.kubernetes_version);
    let mut other = Case {
        point: case.point.clone(),
        objects,
        target: case.target.clone(),
        goal: case.goal.clone(),
    };
    random.shuffle(&mut other.point.members);
    random.shuffle(&mut other.point.parts);
    random.shuffle(&mut other.point.owned);
    random.shuffle(&mut other.target.served);
    other
}

pub(super) fn check_order(plan: &RunPlan) {
    let mut before: BTreeSet<&str> = BTreeSet::new();
    for step in &plan.steps {
        for edge in &step.needs {
            assert!(
                plan.step(&edge.on).is_some(),
                "{} waits for nothing: {edge:?}",
                step.id
            );
            assert!(
                before.contains(edge.on.as_str()),
                "{} stands before {}",
                step.id,
                edge.on
            );
        }
        assert!(before.insert(&step.id), "{} comes twice", step.id);
    }
}

fn check_complete(case: &Case, plan: &RunPlan, left_out: &BTreeSet<String>) {
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for step in &plan.steps {
        if let Work::Write(writing) = &step.work {
            *written
                .entry(writing.target().id().to_string())
                .or_default() += 1;
        }
    }
    for thing in case.objects.iter() {
        let id = thing.id().to_string();
        let times = written.remove(&id).unwrap_or(0);
        let wanted = usize::from(!left_out.contains(&id));
        assert_eq!(times, wanted, "{id}");
    }
    assert!(written.is_empty(), "out of nowhere: {written:?}");
}

/// Every database's volume is handed over before its server, and its server asked before what names it.
fn check_databases(case: &Case, plan: &RunPlan) {
    let position = |id: &str| {
        plan.steps
            .iter()
            .position(|step| step.id == id)
            .unwrap_or_else(|| panic!("no step `{id}`"))
    };
    for member in &case.point.members {
        let server = position(&format!("write {}", member.thing));
        for part in &member.parts {
            assert!(position(&format!("fill {part}")) < position(&format!("hand over {part}")));
            assert!(position(&format!("hand over {part}")) < server, "{part}");
        }
        assert!(server < position(&format!("ready {}", member.name)));
    }
}

#[test]
fn every_plan_is_a_valid_order_complete_and_the_same_for_permuted_input() {
    for seed in 0..60 {
        let case = application(seed);
        let planned = case.plan().unwrap();
        check_order(&planned.plan);
        let left_out: BTreeSet<String> = planned
            .left_out
            .iter()
            .map(|one| one.thing.to_string())
            .collect();
        check_complete(&case, &planned.plan, &left_out);
        check_databases(&case, &planned.plan);
        let mut random = Random(seed ^ 0x5eed);
        for _ in 0..3 {
            let again = permuted(&case, &mut random).plan().unwrap();
            assert_eq!(again.plan.digest(), planned.plan.digest(), "seed {seed}");
            assert_eq!(again.render(), planned.render(), "seed {seed}");
        }
    }
}

#[test]
fn the_digest_tells_plans_apart_but_not_runs() {
    let first = case().plan().unwrap().plan;
    let mut other = case();
    other.goal.run = crate::names::RunId::new("restore-2").unwrap();
    assert_eq!(other.plan().unwrap().plan.digest(), first.digest());
    other.objects.insert(thing("Secret", "more", &json!({})));
    assert_ne!(other.plan().unwrap().plan.digest(), first.digest());
}

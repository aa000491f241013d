//! Cycles: which edge is left out, and what holds for every tangle.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixture::{database, part};
use super::ground::{object, service, with, workload};
use super::property::{Random, check_order, permuted};
use crate::inventory::Thing;
use crate::plan::cycles::{break_cycles, knots, warnings};
use crate::plan::order::order;
use crate::run::{Confidence, Edge, Needs, Phase, Step, Work};

type Drawn<'d> = (&'d str, &'d str, Confidence);

fn steps(edges: &[Drawn<'_>]) -> BTreeMap<String, Step> {
    let mut steps = BTreeMap::new();
    for id in edges.iter().flat_map(|(step, on, _)| [step, on]) {
        let step = Step {
            id: (*id).to_owned(),
            phase: Phase::Applications,
            title: (*id).to_owned(),
            needs: Needs::default(),
            work: Work::SystemNamespace,
            limit_seconds: 1,
            cleanup: false,
        };
        steps.insert((*id).to_owned(), step);
    }
    for (step, on, confidence) in edges {
        let edge = Edge::new(*on, format!("RULE_{confidence:?}"), "seen").with(*confidence);
        steps.get_mut(*step).unwrap().needs.insert(edge);
    }
    steps
}

#[test]
fn the_weakest_edge_of_a_cycle_is_left_out_with_a_warning_that_names_both_rules() {
    use Confidence::{Certain, High, Medium};
    let mut steps = steps(&[
        ("a", "b", Certain),
        ("b", "c", Medium),
        ("c", "a", High),
        ("d", "a", Medium),
    ]);
    let broken = break_cycles(&mut steps).unwrap();
    let [one] = broken.as_slice() else {
        panic!("{broken:?}");
    };
    assert_eq!((one.step.as_str(), one.edge.on.as_str()), ("b", "c"));
    assert_eq!(one.cycle, ["b", "c", "a", "b"]);
    assert_eq!(
        warnings(&broken),
        [
            "b does not wait for c by RULE_Medium (seen): that closes a cycle, for c waits by RULE_High (seen)"
        ]
    );
    let ordered: Vec<String> = order(steps)
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(ordered, ["b", "a", "c", "d"]);
}

#[test]
fn an_edge_that_a_surer_rule_draws_too_stays() {
    use Confidence::{Certain, High, Medium};
    let mut steps = steps(&[("a", "b", Medium), ("a", "b", Certain), ("b", "a", High)]);
    let broken = break_cycles(&mut steps).unwrap();
    assert_eq!(broken.len(), 1);
    assert_eq!(
        (broken[0].step.as_str(), broken[0].edge.confidence),
        ("b", High)
    );
    assert_eq!(steps["a"].needs.len(), 2);
}

#[test]
fn many_broken_edges_of_one_kind_are_counted() {
    use Confidence::{Certain, Medium};
    let names: Vec<String> = (10..60).map(|number| format!("app{number}")).collect();
    let edges: Vec<Drawn<'_>> = names
        .iter()
        .flat_map(|name| {
            [
                (name.as_str(), "db", Medium),
                ("db", name.as_str(), Certain),
            ]
        })
        .collect();
    let mut steps = steps(&edges);
    let broken = break_cycles(&mut steps).unwrap();
    assert_eq!(broken.len(), 50);
    let told = warnings(&broken);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[3].starts_with("47 more edges by RULE_Medium"));
}

#[test]
fn knots_are_found_in_long_chains_without_recursion() {
    let count = 200_000;
    let mut needs: Vec<Vec<usize>> = (0..count).map(|node| vec![node + 1]).collect();
    needs.push(Vec::new());
    assert!(knots(&needs).is_empty());
    needs[count].push(0);
    assert_eq!(knots(&needs), [(0..=count).collect::<Vec<_>>()]);
}

fn is_acyclic(edges: &[(usize, usize)], count: usize) -> bool {
    let mut needs = vec![Vec::new(); count];
    for (from, to) in edges {
        needs[*from].push(*to);
    }
    knots(&needs).is_empty()
}

#[test]
fn of_every_tangle_an_order_comes_unless_certain_edges_alone_make_a_cycle() {
    let degrees = [Confidence::Medium, Confidence::High, Confidence::Certain];
    let (mut refused, mut untied) = (0, 0);
    for seed in 0..400 {
        let mut random = Random(seed);
        let count = 2 + random.below(12);
        let names: Vec<String> = (0..count).map(|number| format!("s{number:02}")).collect();
        let mut pairs = Vec::new();
        for _ in 0..random.below(count * 3) {
            let (from, to) = (random.below(count), random.below(count));
            if from != to {
                pairs.push((from, to, degrees[random.below(3)]));
            }
        }
        let edges: Vec<Drawn<'_>> = pairs
            .iter()
            .map(|(from, to, degree)| (names[*from].as_str(), names[*to].as_str(), *degree))
            .collect();
        let certain: Vec<(usize, usize)> = pairs
            .iter()
            .filter(|(_, _, degree)| *degree == Confidence::Certain)
            .map(|(from, to, _)| (*from, *to))
            .collect();
        let mut steps = steps(&edges);
        let all: usize = steps.values().map(|step| step.needs.len()).sum();
        match break_cycles(&mut steps) {
            Err(problems) => {
                refused += 1;
                assert!(!is_acyclic(&certain, count), "seed {seed}");
                assert!(problems.iter().all(|one| one.code == "plan-cycle"));
            }
            Ok(broken) => {
                untied += usize::from(!broken.is_empty());
                assert!(is_acyclic(&certain, count), "seed {seed}");
                let left: usize = steps.values().map(|step| step.needs.len()).sum();
                assert_eq!(left + broken.len(), all, "seed {seed}");
                for one in &broken {
                    assert_ne!(one.edge.confidence, Confidence::Certain);
                    assert_eq!(one.cycle.first(), one.cycle.last());
                }
                order(steps).unwrap();
            }
        }
    }
    assert!(refused > 20 && untied > 50, "{refused} {untied}");
}

/// Workloads, resources and Services that name, select and order each other at random.
fn tangle(random: &mut Random) -> Vec<Thing> {
    let name = |random: &mut Random| format!("t{}", random.below(6));
    let kinds = [
        "apps/v1 Deployment",
        "apps/v1 StatefulSet",
        "example.com/v1 Any",
        "postgresql.cnpg.io/v1 Cluster",
    ];
    let mut things = Vec::new();
    for _ in 0..2 + random.below(10) {
        let own = name(random);
        let kind = kinds[random.below(kinds.len())];
        let (host, other, third) = (name(random), name(random), name(random));
        let mut pod = json!({ "containers": [{ "name": "x", "image": "redis:7", "env": [{ "name": "HOST", "value": host }] }] });
        if random.below(3) == 0 {
            pod["initContainers"] = json!([{ "name": "w", "command": ["nc", "-z", other, "80"] }]);
        }
        let mut thing = workload(kind, &own, &pod);
        thing.edit(|it| it["spec"]["otherRef"] = json!({ "kind": "Any", "name": third }));
        let mut said = json!({ "argocd.argoproj.io/sync-wave": random.below(4).to_string() });
        match random.below(8) {
            0 => said["refloat.io/after"] = json!(format!("Deployment/{other}")),
            1 => said["refloat.io/not-after"] = json!(format!("StatefulSet/{third}")),
            _ => {}
        }
        thing.edit(|it| it["metadata"]["annotations"] = said);
        things.push(thing);
        if random.below(2) == 0 {
            things.push(service(&own, &[6379]));
        }
        if random.below(5) == 0 {
            let owner: Value =
                json!([{ "kind": "Any", "name": other, "uid": format!("Any-shop-{other}") }]);
            things.push(object(
                "Service",
                &format!("shop/{third}"),
                json!({ "owners": owner }),
            ));
        }
    }
    things
}

#[test]
fn every_tangle_of_objects_ends_in_a_valid_order_or_in_a_problem_that_says_why() {
    let (mut planned, mut refused, mut broken) = (0, 0, 0);
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut case = with(tangle(&mut random));
        if random.below(2) == 0 {
            case.point.members.push(database("t0"));
            case.point.parts.push(part("shop/data-t0-0"));
            case.objects.insert(workload(
                "apps/v1 StatefulSet",
                "t0",
                &json!({ "containers": [] }),
            ));
        }
        let first = case.plan();
        let again = permuted(&case, &mut random).plan();
        match (first, again) {
            (Ok(first), Ok(again)) => {
                check_order(&first.plan);
                assert_eq!(first.plan.digest(), again.plan.digest(), "seed {seed}");
                assert_eq!(first.warnings, again.warnings, "seed {seed}");
                assert_eq!(first.broken, again.broken, "seed {seed}");
                planned += 1;
                broken += first.broken.len();
            }
            (Err(first), Err(again)) => {
                assert_eq!(first, again, "seed {seed}");
                let known = |code: &str| matches!(code, "plan-cycle" | "after-unknown");
                assert!(first.iter().all(|one| known(&one.code)), "{first:?}");
                refused += 1;
            }
            (first, again) => panic!("seed {seed}: {first:?} and {again:?}"),
        }
    }
    assert!(
        planned > 50 && refused > 5 && broken > 20,
        "{planned} {refused} {broken}"
    );
}

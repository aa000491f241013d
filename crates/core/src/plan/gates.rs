//! The gates of users as steps of a plan: those that the point stores, and those that its objects say by annotation. What holds back
//! whom is drawn by `rules::gate_before_dependents`. Called by `plan` once all other edges are drawn.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, hand_over_step, write_step};
use super::rules::{Placed, hold};
use super::{Goal, phases, steps};
use crate::backup::PointContent;
use crate::driver::{ObjectRef, Problem};
use crate::inventory::{Thing, ThingId};
use crate::probe::{Ask, Probe};
use crate::readiness::user::{Check, Gating, UserGate, annotated, annotation_of, annotations};
use crate::run::{Needs, Phase, Step, Work};

/// Adds the gates to the steps, and the edges that they need. What stands against one is a problem that says how to go on without it.
pub(super) fn add(
    context: &Context<'_>,
    point: &PointContent,
    goal: &Goal,
    steps: &mut BTreeMap<String, Step>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) {
    let gates = gates(context, point);
    unknown_skips(&gates, goal, problems);
    let mut placed = Vec::new();
    for gate in &gates {
        let Some(thing) = thing(context, &gate.of) else {
            warnings.push(format!(
                "gate {} is left out: {} is not among what comes back",
                gate.name, gate.of
            ));
            continue;
        };
        let check = if goal.skip_gates.contains(&gate.name) {
            warnings.push(format!(
                "gate {} of {} is skipped, as `--skip-gate` says",
                gate.name, gate.of
            ));
            Check::Skipped
        } else {
            match gate.check() {
                Ok(check) => check,
                Err(why) => {
                    problems.push(unreadable(gate, &why));
                    continue;
                }
            }
        };
        let step = step(context, gate, thing, check);
        let place = place(context, gate, &step);
        // One of a thing that was not chosen.
        if !place.own.iter().any(|one| steps.contains_key(one)) {
            continue;
        }
        placed.push(place);
        steps.insert(step.id.clone(), step);
    }
    hold(steps, &placed, problems);
}

/// Those of the point first; of two that have one name the first counts.
fn gates(context: &Context<'_>, point: &PointContent) -> Vec<UserGate> {
    let is_used = context.is_marked(&annotations().collect::<Vec<_>>());
    let carried = context.things.values().copied().filter(|_| is_used);
    let claims = point
        .parts
        .iter()
        .filter_map(|part| context.objects.get(&claim_id(&part.id)?));
    let mut names = BTreeSet::new();
    let own = carried.chain(claims).flat_map(annotated);
    let mut all: Vec<UserGate> = point.gates.iter().cloned().chain(own).collect();
    all.retain(|gate| names.insert(gate.name.clone()));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn claim_id(part: &str) -> Option<ThingId> {
    let (namespace, name) = part.split_once('/')?;
    Some(ThingId::namespaced(
        "",
        "PersistentVolumeClaim",
        namespace,
        name,
    ))
}

fn part_of(context: &Context<'_>, id: &ThingId) -> Option<String> {
    let part = context
        .parts
        .iter()
        .find(|part| claim_id(&part.id).as_ref() == Some(id));
    part.map(|part| part.id.clone())
}

fn thing<'a>(context: &Context<'a>, id: &ThingId) -> Option<&'a Thing> {
    let carried = context.things.get(id).copied();
    carried.or_else(|| part_of(context, id).and_then(|_| context.objects.get(id)))
}

fn unknown_skips(gates: &[UserGate], goal: &Goal, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
    for name in &goal.skip_gates {
        if !known.contains(&name.as_str()) {
            problems.push(Problem::stuck(
                "gate-unknown",
                format!("`--skip-gate {name}`: the point has no gate of this name"),
                if known.is_empty() {
                    "it has none at all: leave the option out".to_owned()
                } else {
                    format!("its gates: {}", known.join(", "))
                },
            ));
        }
    }
}

fn unreadable(gate: &UserGate, why: &str) -> Problem {
    let place = match annotation_of(&gate.name) {
        Some(annotation) => format!("annotation `{annotation}` of {}", gate.of),
        None => format!("gate {} of {}", gate.name, gate.of),
    };
    Problem::stuck(
        "gate-unreadable",
        format!("{place}: {why}"),
        format!(
            "go on without this gate with `--skip-gate {}` (recorded); correct it for the next backup",
            gate.name
        ),
    )
}

/// Id of the step that waits for a gate.
pub(super) fn gate_step(name: &str) -> String {
    format!("gate {name}")
}

fn step(context: &Context<'_>, gate: &UserGate, thing: &Thing, check: Check) -> Step {
    let phase = if gate.of.is("", "PersistentVolumeClaim") {
        Phase::Storage
    } else {
        phases::phase(context, &gate.of, thing)
    };
    let verb = match check {
        Check::Skipped => "skip gate",
        Check::Cel(_) | Check::Exec(_) | Check::Probe(_) => "gate",
    };
    let resource = steps::resource(context, thing);
    Step {
        id: gate_step(&gate.name),
        phase,
        title: format!("{verb} {} of {}", gate.name, gate.of),
        needs: Needs::default(),
        work: Work::Gate(Gating {
            name: gate.name.clone(),
            of: ObjectRef::of(resource, gate.of.namespace.as_deref(), &gate.of.name),
            check,
        }),
        limit_seconds: gate.seconds_max,
        cleanup: false,
    }
}

/// Which steps bring the object, and what else must work before the gate can open.
fn place(context: &Context<'_>, gate: &UserGate, step: &Step) -> Placed {
    let of = &gate.of;
    let (own, works) = if let Some(part) = part_of(context, of) {
        let step = hand_over_step(&part);
        (BTreeSet::from([step.clone()]), step)
    } else {
        let works = context.works_step(of);
        (BTreeSet::from([write_step(of), works.clone()]), works)
    };
    let mut asks = Vec::new();
    if let Work::Gate(gating) = &step.work
        && let Check::Probe(probe) = &gating.check
        && let Some(service) = service(context, probe, of.namespace.as_deref())
    {
        asks.push((
            write_step(&service.id()),
            format!("it asks {}", service.id()),
        ));
        for workload in context.behind(service) {
            let evidence = format!("it asks {}, which leads to {workload}", service.id());
            asks.push((context.works_step(&workload), evidence));
        }
    }
    Placed {
        step: step.id.clone(),
        name: gate.name.clone(),
        of: of.clone(),
        own,
        works,
        asks,
    }
}

/// The carried Service that a probe asks: `web`, `web.shop`, `web.shop.svc.cluster.local`.
fn service<'a>(context: &Context<'a>, probe: &Probe, near: Option<&str>) -> Option<&'a Thing> {
    let mut labels = probe.host.trim_end_matches('.').split('.');
    let name = labels.next()?;
    let namespace = labels.next().or(near)?;
    let is_service = labels.next().is_none_or(|third| third == "svc");
    // A name may be there before what it leads to: what is asked of it is its address alone.
    let named_only = matches!(probe.ask, Ask::Dns { .. });
    let id = ThingId::namespaced("", "Service", namespace, name);
    context
        .things
        .get(&id)
        .copied()
        .filter(|_| is_service && !named_only)
}

//! The steps of a recovery before any rule has drawn an edge, and the edges that are part of a step's own make.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::adopted::{is_adopted, is_nobodys};
use super::clean::clean;
use super::conflicts::claim_of;
use super::context::{self, Context, hand_over_step, ready_step, write_step};
use super::duties::duties;
use super::rules::own_steps::{
    amend_before_fill, database_written_before_asked, fill_before_hand_over, movers_gone_first,
    reap_after_hand_over, system_namespace_first, vault_before_mover,
};
use super::rules::{OwnRule, comes_first};
use super::{Goal, NodePorts, phases};
use crate::backup::{Member, Mode, Part, PointContent};
use crate::driver::{Claim, FieldOwner, Op, Problem, Role};
use crate::inventory::{Resource, Thing, ThingId};
use crate::json::Json;
use crate::readiness::{Duty, told};
use crate::recovery::{Direction, Existing, Filling, Writing, managers_of, owner_of};
use crate::run::{Edge, Needs, Phase, Step, Work};

/// How long a written object may take to be ready.
pub(super) const READY_SECONDS: u32 = 600;
/// Slowest rate at which a volume is expected to fill.
const FILL_BYTES_PER_SECOND: u64 = 5 * 1024 * 1024;

pub(super) fn steps(
    context: &Context<'_>,
    point: &PointContent,
    goal: &Goal,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Step> {
    // Room for all from the start: a list that grows is there twice.
    let rest = 3 + 3 * point.parts.len() + 2 * point.members.len();
    let mut steps = Vec::with_capacity(context.things.len() + rest);
    let mut add = |step: Step| steps.push((step.id.clone(), step));
    add(step(
        "system-namespace",
        Phase::Guard,
        "make sure that Refloat's namespace exists",
        Work::SystemNamespace,
    ));
    add(needing(
        step(
            "vault-access",
            Phase::Guard,
            "give movers access to the vault",
            Work::VaultAccess,
        ),
        &[("system-namespace".to_owned(), &system_namespace_first::RULE)],
    ));
    let mut duties = duties(context);
    for (id, thing) in &context.things {
        add(write(context, thing, goal, duties.remove(id)));
    }
    for part in &point.parts {
        if goal.existing == Existing::Skip
            && let Some(claim) = claim_of(part, context.target)
        {
            add(keep(part, claim));
            continue;
        }
        match storage(part, goal) {
            Some(three) => three.into_iter().for_each(&mut add),
            None => problems.push(Problem::stuck(
                "part-unusable",
                format!("part {} does not say which claim it was", part.id),
                "run `refloat vault check`, then take another point",
            )),
        }
    }
    for member in &point.members {
        if context::role(member) != Role::Volume {
            add(ready(member));
            if member.mode == Mode::Held {
                add(amend(member));
            }
        }
    }
    let end = step(
        "vault-access-end",
        Phase::Clean,
        "take the movers' access to the vault away",
        Work::VaultAccessEnd,
    );
    let reaped: Vec<(String, &OwnRule)> = point
        .parts
        .iter()
        .map(|part| (format!("reap {}", part.id), &movers_gone_first::RULE))
        .chain([("vault-access".to_owned(), &movers_gone_first::RULE)])
        .collect();
    add(cleanup(needing(end, &reaped)));
    let mut steps = steps.into_iter().collect();
    amend_before_fill(point, &mut steps);
    steps
}

/// A volume of a held member is filled once its engine has said what its files need.
fn amend_before_fill(point: &PointContent, steps: &mut BTreeMap<String, Step>) {
    for part in &point.parts {
        let of_part = |member: &&Member| {
            context::role(member) != Role::Volume
                && member.mode == Mode::Held
                && member.parts.contains(&part.id)
        };
        let fill = format!("fill {}", part.id);
        for member in point.members.iter().filter(of_part) {
            if let Some(step) = steps.get_mut(&fill) {
                step.needs.insert(Edge::new(
                    format!("amend {}", member.name),
                    amend_before_fill::RULE.name,
                    "the member's engine says what its files need",
                ));
            }
        }
    }
}

fn step(id: &str, phase: Phase, title: &str, work: Work) -> Step {
    Step {
        id: id.to_owned(),
        phase,
        title: title.to_owned(),
        needs: Needs::default(),
        work,
        limit_seconds: READY_SECONDS,
        cleanup: false,
    }
}

fn needing(mut step: Step, on: &[(String, &OwnRule)]) -> Step {
    for (on, rule) in on {
        step.needs
            .insert(Edge::new(on, rule.name, "the one step prepares the other"));
    }
    step
}

fn cleanup(step: Step) -> Step {
    Step {
        cleanup: true,
        ..step
    }
}

/// The resource as the target serves it: versions may differ between sites.
pub(super) fn resource(context: &Context<'_>, thing: &Thing) -> Resource {
    context
        .serves(&thing.resource.group, &thing.resource.kind)
        .filter(|served| served.version != thing.resource.version)
        .filter(|_| {
            let same = context.target.served.contains(&thing.resource);
            !same
        })
        .unwrap_or(&thing.resource)
        .clone()
}

/// What is written of a thing, as an object of this resource.
pub(super) fn written(
    context: &Context<'_>,
    thing: &Thing,
    resource: &Resource,
    goal: &Goal,
) -> Json {
    let patched = context.written.and_then(|written| written.get(&thing.id()));
    let mut object = patched.cloned().unwrap_or_else(|| clean(&thing.object));
    object.set("apiVersion", Json::of_text(&resource.api_version()));
    match goal.node_ports {
        NodePorts::Anew => {}
        NodePorts::Preserve => object.edit(|object| preserve_node_ports(&thing.object, object)),
    }
    object
}

fn write(context: &Context<'_>, thing: &Thing, goal: &Goal, duty: Option<Box<Duty>>) -> Step {
    let id = thing.id();
    let resource = resource(context, thing);
    let object = written(context, thing, &resource, goal);
    let phase = phases::phase(context, &id, thing);
    let adopt = is_adopted(&id);
    let verb = if adopt { "await" } else { "write" };
    let mut told = told(&thing.object);
    // Whose workload waits for it is waited for no longer than that takes: it may have an address only once the workload runs.
    told.address &= !comes_first(context, thing);
    step(
        &write_step(&id),
        phase,
        &format!("{verb} {id}"),
        Work::Write(Writing {
            resource,
            object,
            owner: owner_of(thing),
            managers: managers_of(thing),
            existing: goal.existing,
            adopt,
            told,
            owns: Vec::new(),
            status: None,
            operated: context.is_operated(&id) || adopt && is_nobodys(context, thing),
            duty,
        }),
    )
}

/// `clean` takes the ports of the old cluster away.
fn preserve_node_ports(before: &Json, object: &mut Value) {
    let ports = before.pointer("/spec/ports").and_then(Json::as_array);
    let cleaned = object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut);
    for (port, cleaned) in ports
        .into_iter()
        .flatten()
        .zip(cleaned.into_iter().flatten())
    {
        if let Some(number) = port.get("nodePort").filter(|_| before["kind"] == "Service") {
            cleaned["nodePort"] = number.to_value();
        }
    }
}

/// A claim that is there and stays with its data: whoever mounts it waits until it is bound.
fn keep(part: &Part, claim: &Thing) -> Step {
    step(
        &hand_over_step(&part.id),
        Phase::Storage,
        &format!("keep {} with its data", claim.id()),
        Work::Write(Writing {
            resource: claim.resource.clone(),
            object: json!({
                "apiVersion": claim.resource.api_version(), "kind": claim.resource.kind,
                "metadata": { "name": claim.name(), "namespace": claim.namespace() },
            })
            .into(),
            owner: FieldOwner::refloat(),
            managers: Vec::new(),
            existing: Existing::Skip,
            adopt: true,
            told: told(&claim.object),
            owns: Vec::new(),
            status: None,
            operated: false,
            duty: None,
        }),
    )
}

fn fill(part: &Part, filling: Filling) -> Step {
    let limit = u64::from(READY_SECONDS) + part.bytes / FILL_BYTES_PER_SECOND;
    let mut fill = step(
        &format!("fill {}", part.id),
        Phase::Storage,
        &format!("fill a volume with {}", part.id),
        Work::Fill(filling),
    );
    fill.limit_seconds = u32::try_from(limit).unwrap_or(u32::MAX);
    needing(
        fill,
        &[
            ("system-namespace".to_owned(), &system_namespace_first::RULE),
            ("vault-access".to_owned(), &vault_before_mover::RULE),
        ],
    )
}

/// Fill, hand over, reap.
fn storage(part: &Part, goal: &Goal) -> Option<[Step; 3]> {
    let (namespace, name) = part.id.split_once('/')?;
    let thing = ThingId::namespaced("", "PersistentVolumeClaim", namespace, name);
    let class = goal
        .storage_classes
        .get(&part.storage_class)
        .unwrap_or(&part.storage_class);
    let mut claim = clean(&Json::from(&part.claim)).to_value();
    let spec = claim.get_mut("spec")?;
    spec["storageClassName"] = json!(class);
    if !part.capacity.is_empty() {
        spec["resources"]["requests"]["storage"] = json!(part.capacity);
    }
    let filling = Filling {
        direction: Direction::Restore,
        part: part.id.clone(),
        claim_spec: Some(json!({
            "accessModes": spec["accessModes"],
            "storageClassName": class,
            "resources": spec["resources"],
        })),
        snapshot: Some(part.snapshot.clone()),
        tree: Some(part.tree.clone()),
        bytes: Some(part.bytes),
    };
    let fill = fill(part, filling);
    let volume = Claim {
        driver: part.driver.clone(),
        role: Role::Volume,
        thing,
        volumes: Vec::new(),
        settings: BTreeMap::new(),
        notes: Vec::new(),
    };
    let hand_over = step(
        &hand_over_step(&part.id),
        Phase::Storage,
        &format!("hand the volume over as {}", part.id),
        Work::Driver {
            op: Op::Restore,
            claim: volume.clone(),
            inputs: BTreeMap::from([("claim".to_owned(), claim)]),
        },
    );
    let hand_over = needing(
        hand_over,
        &[(fill.id.clone(), &fill_before_hand_over::RULE)],
    );
    let reap = step(
        &format!("reap {}", part.id),
        Phase::Clean,
        &format!("remove the mover of {}", part.id),
        Work::Driver {
            op: Op::Reap,
            claim: volume,
            inputs: BTreeMap::from([("direction".to_owned(), json!("restore"))]),
        },
    );
    let reap = cleanup(needing(
        reap,
        &[(hand_over.id.clone(), &reap_after_hand_over::RULE)],
    ));
    Some([fill, hand_over, reap])
}

fn engine_claim(member: &Member) -> Claim {
    Claim {
        driver: member.driver.clone(),
        role: Role::Database,
        thing: member.thing.clone(),
        volumes: Vec::new(),
        settings: member.settings.clone(),
        notes: Vec::new(),
    }
}

/// What the engine needs changed in its files before it starts on them.
fn amend(member: &Member) -> Step {
    step(
        &format!("amend {}", member.name),
        Phase::Guard,
        &format!("know what the files of {} need", member.name),
        Work::Driver {
            op: Op::Amend,
            claim: engine_claim(member),
            inputs: BTreeMap::from([("engine".to_owned(), json!(member.engine))]),
        },
    )
}

/// The engine's own word that it is ready.
fn ready(member: &Member) -> Step {
    let claim = engine_claim(member);
    let engine: Value = json!(member.engine);
    let step = step(
        &ready_step(&member.name),
        Phase::Databases,
        &format!("wait until {} {} is ready", member.driver, member.name),
        Work::Driver {
            op: Op::Ready,
            claim,
            inputs: BTreeMap::from([("engine".to_owned(), engine)]),
        },
    );
    needing(
        step,
        &[(
            write_step(&member.thing),
            &database_written_before_asked::RULE,
        )],
    )
}

//! The judge: what the world saw, held against what was promised. It asks the engine nothing; of the engine's own words it
//! takes only the plan that the user approved and the journal, which it checks.
//!
//! `before` and `after` an effect, at every `look`, and at the `end`.

mod end;
mod order;
mod pause;
mod rollback;
#[cfg(test)]
mod tests;
mod there;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use refloat_core::capture::Capture;
use refloat_core::driver::{Class, Effect, Effected, ObjectRef, Precondition, Problem, Repeat};
use refloat_core::names::{LABEL_STEP, SYSTEM_NAMESPACE};
use refloat_core::run::Record;
use refloat_core::world::World;
use serde_json::Value;

pub(super) use end::{of_backup, of_problems, of_restore};
pub(super) use pause::of_pause;
pub(super) use rollback::{Rolling, of_given_up, of_rollback};
pub(super) use there::Before;

use super::ground::HOLD_SECONDS_MAX;
use super::scene::Scene;

/// What the judge remembers of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Judge {
    /// What the engine has created and nobody has removed since.
    pub(super) created: BTreeSet<ObjectRef>,
    /// What the engine has ever created.
    pub(super) ever: BTreeSet<ObjectRef>,
    /// Uids of what the engine has ever created.
    pub(super) made: BTreeSet<String>,
    /// Commands that may be given once, and how often they were.
    ran: BTreeMap<String, usize>,
    /// Holds of the capture: whether writers wait, and when the session ends at the latest.
    holds: BTreeMap<String, (bool, u32)>,
    /// Members whose quiesce may outlive its session.
    pub(super) sticky: BTreeSet<String>,
    held_since: BTreeMap<String, (Timestamp, SignedDuration)>,
    /// What was there before a recovery.
    pub(super) before: Rc<Before>,
    /// The recovery is given up: what it has filled and not handed over goes.
    pub(super) given_up: bool,
    /// Of a rollback: what it may do.
    rolling: Option<Rc<Rolling>>,
}

pub(super) fn reference(effect: &Effect) -> Option<ObjectRef> {
    match effect {
        Effect::Create {
            resource, object, ..
        } => {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            Some(ObjectRef::of(
                resource.clone(),
                text("/metadata/namespace"),
                text("/metadata/name").unwrap_or_default(),
            ))
        }
        Effect::Patch { object, .. } | Effect::Delete { object, .. } => Some(object.clone()),
        Effect::GrantVault {
            namespace, name, ..
        } => Some(ObjectRef::namespaced(
            crate::sim::resource("Secret"),
            namespace,
            name,
        )),
        Effect::Exec { .. }
        | Effect::Capture(_)
        | Effect::StoreObjects
        | Effect::Keep(_)
        | Effect::Seal(_) => None,
    }
}

/// What is wrong with an effect that is about to happen.
pub(super) fn before(scene: &Scene<'_>, effect: &Effect) -> Option<String> {
    let line = effect.describe();
    if let Some(why) = scene.script.borrow().life.fenced {
        return Some(format!("`{line}` although {why}"));
    }
    if !is_announced(&scene.records.borrow(), &effect.intention()) {
        return Some(format!(
            "`{line}` was not in the journal before it was done"
        ));
    }
    let rolling = scene.judge.borrow().rolling.clone();
    if let Some(wrong) = rolling
        .as_ref()
        .and_then(|rolling| rollback::before(scene, rolling, effect))
    {
        return Some(wrong);
    }
    match effect {
        Effect::Patch { precondition, .. } | Effect::Delete { precondition, .. } => {
            if precondition.uid.is_none() {
                return Some(format!("`{line}` without saying of which object"));
            }
            if rolling.is_some() || scene.judge.borrow().given_up {
                return None;
            }
            keeps_data(scene, effect, precondition)
        }
        Effect::Create { .. } | Effect::GrantVault { .. } | Effect::Seal(_) => {
            order::too_early(scene, effect)
        }
        Effect::Exec { .. } | Effect::Capture(_) | Effect::StoreObjects | Effect::Keep(_) => None,
    }
}

/// The last intents that name it; what a capture does is covered by its own line.
fn is_announced(records: &[Record], line: &str) -> bool {
    records.iter().any(|record| {
        let Record::Intent { effects, .. } = record else {
            return false;
        };
        effects.iter().any(|one| {
            one == line
                || (one.starts_with("cut ") || one.starts_with("hold "))
                    && line.starts_with("create VolumeSnapshot ")
        })
    })
}

/// A claim that holds a filled volume goes only when the volume stays.
fn keeps_data(scene: &Scene<'_>, effect: &Effect, _: &Precondition) -> Option<String> {
    let Effect::Delete { object, .. } = effect else {
        return None;
    };
    let ours = object.namespace.as_deref() == Some(SYSTEM_NAMESPACE);
    if object.resource.kind != "PersistentVolumeClaim" || scene.plan.point.is_none() {
        return None;
    }
    if !ours {
        return Some(format!(
            "a recovery deletes a user's claim: {}",
            object.id()
        ));
    }
    scene.world.with_store(|store| {
        let claim = store.get(object)?;
        let name = claim.pointer("/spec/volumeName")?.as_str()?;
        let volume = ObjectRef::cluster(super::ground::volumes(), name);
        let volume = store.get(&volume)?;
        let policy = volume.pointer("/spec/persistentVolumeReclaimPolicy")?;
        let of_claim = volume.pointer("/spec/claimRef/uid") == claim.pointer("/metadata/uid");
        (of_claim && policy != "Retain").then(|| {
            format!(
                "{} is deleted while its filled volume is not Retain",
                object.id()
            )
        })
    })
}

/// What is wrong with an effect that has happened.
pub(super) fn after(
    scene: &Scene<'_>,
    effect: &Effect,
    result: &Result<Effected, Problem>,
) -> Option<String> {
    let mut judge = scene.judge.borrow_mut();
    if let Err(problem) = result
        && problem.class == Class::Bug
    {
        return Some(format!("`{}`: {}", effect.describe(), problem.message));
    }
    match (effect, result) {
        (Effect::Create { .. } | Effect::GrantVault { .. }, Ok(Effected::Created(object))) => {
            let reference = reference(effect)?;
            if let Some(other) = doubled(scene, &reference, object) {
                return Some(format!("{} is a second {other}", reference.id()));
            }
            let id = reference.id();
            judge.ever.insert(reference.clone());
            let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
            judge.made.extend(uid.map(str::to_owned));
            let mut script = scene.script.borrow_mut();
            if script.life.late {
                script.late.push(reference.clone());
            }
            (!judge.created.insert(reference)).then(|| format!("{id} is created twice"))
        }
        (Effect::Delete { object, .. }, Ok(_)) => {
            judge.created.remove(object);
            None
        }
        (
            Effect::Exec {
                request,
                repeat: Repeat::Never,
            },
            Ok(_),
        ) => {
            let command = format!(
                "{} in {}/{}",
                request.command.join(" "),
                request.namespace,
                request.pod
            );
            let count = judge.ran.entry(command.clone()).or_default();
            *count += 1;
            (*count > 1).then(|| format!("`{command}` may be given once and was given again"))
        }
        _ => None,
    }
}

/// Another object of ours for the same part and purpose.
fn doubled(scene: &Scene<'_>, reference: &ObjectRef, object: &Value) -> Option<String> {
    let part = object
        .pointer("/metadata/annotations")?
        .get("refloat.io/part")?;
    let of = |object: &Value| object.pointer("/metadata/labels")?.get(LABEL_STEP).cloned();
    let step = of(object)?;
    scene.world.with_store(|store| {
        let mut others = store.iter().filter(|(other, live)| {
            other.resource == reference.resource
                && *other != reference
                && live
                    .pointer("/metadata/annotations")
                    .and_then(|all| all.get("refloat.io/part"))
                    == Some(part)
                && of(live).as_ref() == Some(&step)
        });
        others
            .next()
            .map(|(other, _)| format!("{} for {part}", other.id()))
    })
}

/// A capture begins: its holds have limits.
pub(super) fn capturing(scene: &Scene<'_>, capture: &Capture) {
    let holds = capture.holds.iter();
    let holds = holds.map(|hold| {
        let limits = (hold.freezes, hold.session.seconds_max);
        (hold.member.clone(), limits)
    });
    let sticky = capture.holds.iter().filter(|hold| hold.sticky.is_some());
    let mut judge = scene.judge.borrow_mut();
    judge.sticky = sticky.map(|hold| hold.member.clone()).collect();
    judge.holds = holds.collect();
}

/// Whether something is held for longer than its limit.
pub(super) fn look(scene: &Scene<'_>) -> Option<String> {
    if !scene.script.borrow().life.capturing && scene.judge.borrow().held_since.is_empty() {
        return None;
    }
    let now = scene.world.now();
    let held = scene.world.held();
    let script = scene.script.borrow();
    let mut judge = scene.judge.borrow_mut();
    judge.held_since.retain(|member, _| held.contains(member));
    for member in held {
        if !script.life.sessions.contains_key(&member) {
            // What outlives its session has a deadline of its own.
            continue;
        }
        let (freezes, seconds_max) = *judge.holds.get(&member)?;
        let (since, skew) = *judge
            .held_since
            .entry(member.clone())
            .or_insert((now, script.skew));
        // An engine whose clock was turned back is ended by its hands.
        let limit = if freezes && skew == script.skew {
            HOLD_SECONDS_MAX + 8
        } else {
            seconds_max + 8
        };
        let held_for = now.duration_since(since).as_secs();
        if held_for > i64::from(limit) {
            return Some(format!(
                "{member} is held for {held_for} s, more than {limit} s"
            ));
        }
    }
    None
}

//! A part of a point, brought back beside what lives, and a recovery made of two parts.

use std::cell::RefCell;
use std::collections::BTreeMap;

use refloat_core::plan::{Goal, Planned, Selection, plan};
use refloat_testkit::sim::{Fault, SimWorld};
use serde_json::Value;

use crate::driving::{drive, leftovers, resume};
use crate::recovery::{COMPLETED, Recovery};
use crate::site::{self, Sealed};

fn selection(only: &[&str], skip: &[&str]) -> Selection {
    Selection {
        only: only.iter().map(|one| one.parse().unwrap()).collect(),
        skip: skip.iter().map(|one| one.parse().unwrap()).collect(),
        ..Selection::default()
    }
}

fn planned(sealed: &Sealed, world: &SimWorld, goal: &Goal) -> Planned {
    let inventory = world.inventory();
    plan("shop/1", &sealed.point, &sealed.objects, &inventory, goal).unwrap()
}

/// Without evidence, in the cluster in which the point was made.
fn at_home(sealed: &Sealed, run: &str, only: &str, name: &str) -> Goal {
    let mut goal = site::goal(run);
    goal.evidence = None;
    goal.cluster_uid.clone_from(&sealed.point.cluster_uid);
    goal.selection = selection(&[only], &[]);
    goal.selection.renamed = Some(name.parse().unwrap());
    goal
}

/// Every object but Refloat's namespace, by identity; of the volumes those that are claimed in the shop.
fn objects(world: &SimWorld) -> BTreeMap<String, Value> {
    world.settle(10);
    let inventory = world.inventory();
    let of_ours = |id: &str| id.contains("refloat-system");
    inventory
        .iter()
        .map(|thing| (thing.id().to_string(), thing.as_read()))
        .filter(|(id, _)| !of_ours(id))
        .collect()
}

#[test]
fn a_volume_comes_back_beside_the_running_database_and_nothing_else_changes() {
    let world = site::source();
    let sealed = site::sealed(&world);
    let before = objects(&world);
    let goal = at_home(&sealed, "restore-1", "pvc/data-db-0", "data-0-yesterday");
    let planned = planned(&sealed, &world, &goal);
    assert_eq!(drive(&world, &planned.plan, &RefCell::default()), COMPLETED);
    assert_eq!(leftovers(&world), Vec::<String>::new());
    let after = objects(&world);
    let inventory = world.inventory();
    let claim = inventory
        .find("", "PersistentVolumeClaim", "shop", "data-0-yesterday")
        .unwrap();
    assert_eq!(claim.text("/status/phase"), Some("Bound"));
    let volume = claim.text("/spec/volumeName").unwrap();
    let new: Vec<&String> = after
        .keys()
        .filter(|id| !before.contains_key(*id))
        .collect();
    assert_eq!(
        new,
        [
            &format!("PersistentVolume {volume}"),
            &claim.id().to_string()
        ]
    );
    let data = |id: &str| after[id]["metadata"]["annotations"]["sim.refloat.io/data"].clone();
    assert_eq!(data(new[0]), "7000000000000000001", "what was taken");
    for (id, object) in &before {
        assert_eq!(after.get(id), Some(object), "{id} was disturbed");
    }
}

#[test]
fn an_object_comes_back_beside_itself() {
    let world = site::source();
    let sealed = site::sealed(&world);
    let goal = at_home(&sealed, "restore-1", "cm/web", "web-yesterday");
    let planned = planned(&sealed, &world, &goal);
    assert_eq!(planned.plan.steps.len(), 1);
    assert_eq!(drive(&world, &planned.plan, &RefCell::default()), COMPLETED);
    let inventory = world.inventory();
    let both = ["web", "web-yesterday"].map(|name| {
        let map = inventory.find("", "ConfigMap", "shop", name).unwrap();
        map.object["data"].clone()
    });
    assert_eq!(both[0], both[1]);
}

#[test]
fn a_volume_under_another_name_survives_every_death_of_its_engine() {
    let source = site::source();
    let sealed = site::sealed(&source);
    let mut places = 0;
    for place in 1.. {
        let world = site::source();
        let goal = at_home(&sealed, "restore-1", "pvc/data-db-0", "data-0-yesterday");
        let planned = planned(&sealed, &world, &goal);
        let records = RefCell::default();
        world.plan_fault(Some(Fault::CrashAfter(place)));
        let first = drive(&world, &planned.plan, &records);
        if !world.is_dead() {
            assert_eq!(first, COMPLETED);
            break;
        }
        places = place;
        world.plan_fault(None);
        assert_eq!(
            resume(&world, &planned.plan, &records),
            COMPLETED,
            "{place}"
        );
        assert_eq!(leftovers(&world), Vec::<String>::new(), "{place}");
        let claims = world.inventory();
        let claims: Vec<&str> = claims
            .of_kind("", "PersistentVolumeClaim")
            .map(refloat_core::inventory::Thing::name)
            .collect();
        assert_eq!(claims, ["data-0-yesterday", "data-db-0"], "{place}");
    }
    assert!(places >= 8, "only {places} effects");
}

/// Only the databases with what they need, then all the rest: as one recovery of everything.
#[test]
fn two_parts_are_the_whole() {
    let sealed = crate::recovery::sealed();
    let whole = Recovery::of(&sealed);
    assert_eq!(whole.drive(), COMPLETED);
    let ids = |world: &SimWorld| -> Vec<String> {
        let all = objects(world);
        let named = all
            .into_keys()
            .filter(|id| !id.starts_with("PersistentVolume ") && !id.starts_with("Pod "));
        named.collect()
    };
    let wanted = ids(&whole.world);
    let world = site::target();
    let mut first = site::goal("restore-1");
    first.selection = selection(&["phase:databases"], &[]);
    first.selection.with_needs = true;
    let first = planned(&sealed, &world, &first);
    assert_eq!(drive(&world, &first.plan, &RefCell::default()), COMPLETED);
    assert!(!ids(&world).iter().any(|id| id.contains("shop/web")));
    world.settle(5);
    let there: Vec<String> = first
        .plan
        .steps
        .iter()
        .filter_map(|step| {
            let id = step
                .id
                .strip_prefix("write ")
                .or(step.id.strip_prefix("hand over "))?;
            let (kind, name) = id.split_once(' ').unwrap_or(("pvc", id));
            Some(format!("{kind}/{name}"))
        })
        .collect();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let mut rest = site::goal("restore-2");
    rest.selection = selection(&[], &there);
    let rest = planned(&sealed, &world, &rest);
    assert_eq!(drive(&world, &rest.plan, &RefCell::default()), COMPLETED);
    assert_eq!(ids(&world), wanted);
    assert_eq!(leftovers(&world), Vec::<String>::new());
}

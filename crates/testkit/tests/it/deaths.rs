//! The engine dies around every effect and every journal entry of a recovery, or loses a reply: the end is the same.

use std::collections::BTreeMap;

use refloat_core::drive::DriveError;
use refloat_testkit::sim::{Fault, SimWorld};
use serde_json::Value;

use crate::driving::{leftovers, resume};
use crate::recovery::{COMPLETED, Recovery, sealed};
use crate::site::Sealed;

/// The end state without what differs from run to run: uids, versions, times, generated names and addresses.
fn state(world: &SimWorld) -> BTreeMap<String, Value> {
    world.settle(10);
    world
        .inventory()
        .iter()
        .map(|thing| {
            let mut object = thing.as_read();
            plain(&mut object);
            let mut id = Value::String(thing.id().to_string());
            plain(&mut id);
            (id.to_string(), object)
        })
        .collect()
}

fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "generation",
                "observedGeneration",
                "time",
                "clusterIP",
                "clusterIPs",
            ] {
                map.remove(key);
            }
            // A list whose items are told apart by uid names it in its owners' fields, too.
            if let Some(key) = map
                .keys()
                .find(|key| key.starts_with("k:{\"uid\":"))
                .cloned()
                && let Some(fields) = map.remove(&key)
            {
                map.insert("k:{\"uid\"}".to_owned(), fields);
            }
            map.values_mut().for_each(plain);
            // A server sorts them by their times, which differ.
            if let Some(Value::Array(entries)) = map.get_mut("managedFields") {
                entries.sort_by_key(|entry| {
                    let entry = ["manager", "operation", "subresource"].map(|key| entry.get(key));
                    format!("{entry:?}")
                });
            }
        }
        Value::Array(list) => list.iter_mut().for_each(plain),
        Value::String(text) => {
            if let Some((before, _)) = text.split_once("pvc-uid-") {
                *text = format!("{before}pvc-generated");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn same_end(recovery: &Recovery, undisturbed: &BTreeMap<String, Value>, how: &str) {
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new(), "{how}");
    let now = state(&recovery.world);
    let names: Vec<_> = now.keys().collect();
    assert_eq!(names, undisturbed.keys().collect::<Vec<_>>(), "{how}");
    for (name, object) in undisturbed {
        assert_eq!(&now[name], object, "{how}: {name}");
    }
    let refusals = recovery.world.with_store(|store| store.refusals.clone());
    assert_eq!(refusals, Vec::<String>::new(), "{how}");
}

fn undisturbed(sealed: &Sealed) -> BTreeMap<String, Value> {
    let recovery = Recovery::of(sealed);
    assert_eq!(recovery.drive(), COMPLETED);
    state(&recovery.world)
}

/// Tries a fault at every place until there is none left; how many places there were.
fn everywhere(kind: fn(usize) -> Fault) -> usize {
    let sealed = sealed();
    let wanted = undisturbed(&sealed);
    for place in 1.. {
        let recovery = Recovery::of(&sealed);
        recovery.world.plan_fault(Some(kind(place)));
        let end = recovery.drive();
        let how = format!("{:?}", kind(place));
        if !recovery.world.is_dead() {
            assert_eq!(end, COMPLETED, "{how}");
            same_end(&recovery, &wanted, &how);
            return place - 1;
        }
        assert!(matches!(end, Err(DriveError::Journal(_))), "{how}: {end:?}");
        assert_eq!(recovery.resume(), COMPLETED, "{how}");
        same_end(&recovery, &wanted, &how);
    }
    0
}

#[test]
fn an_engine_that_dies_before_any_effect_goes_on_to_the_same_end() {
    let places = everywhere(Fault::CrashBefore);
    assert!(places >= 25, "only {places} effects");
}

#[test]
fn an_engine_that_dies_after_any_effect_goes_on_to_the_same_end() {
    let places = everywhere(Fault::CrashAfter);
    assert!(places >= 25, "only {places} effects");
}

#[test]
fn an_engine_that_dies_at_any_journal_entry_goes_on_to_the_same_end() {
    let places = everywhere(Fault::CrashAtEntry);
    assert!(places >= 30, "only {places} entries");
}

#[test]
fn a_lost_reply_changes_nothing_in_the_end() {
    let sealed = sealed();
    let wanted = undisturbed(&sealed);
    let mut effects = usize::MAX;
    let mut place = 1;
    while place <= effects {
        let recovery = Recovery::of(&sealed);
        recovery.world.plan_fault(Some(Fault::ReplyLost(place)));
        assert_eq!(recovery.drive(), COMPLETED, "reply {place} lost");
        effects = recovery.world.effect_count();
        same_end(&recovery, &wanted, &format!("reply {place} lost"));
        place += 1;
    }
    assert!(effects >= 25, "only {effects} effects");
}

/// A small generator: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn two_deaths_in_one_run_lead_to_the_same_end() {
    let sealed = sealed();
    let wanted = undisturbed(&sealed);
    for seed in 0..60 {
        let mut random = Random(seed);
        let recovery = Recovery::of(&sealed);
        let mut how = format!("seed {seed}:");
        for limit in [30, 15] {
            let place = random.below(limit) + 1;
            let fault = match random.below(3) {
                0 => Fault::CrashBefore(place),
                1 => Fault::CrashAfter(place),
                _ => Fault::CrashAtEntry(place),
            };
            how.push_str(&format!(" {fault:?}"));
            recovery.world.plan_fault(Some(fault));
            let end = resume(&recovery.world, &recovery.plan, &recovery.records);
            assert!(
                recovery.world.is_dead() || end == COMPLETED,
                "{how}: {end:?}"
            );
        }
        assert_eq!(recovery.resume(), COMPLETED, "{how}");
        same_end(&recovery, &wanted, &how);
    }
}

//! Every row of the tables of known operators, with an object made from its own signs. Objects as operators write them are in
//! `samples`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::known::FAMILIES;
use super::super::rule::{Rule, Sign};
use super::super::{Told, page};
use super::{Scene, shown_for};

/// Sets a value in an object, making the objects on the way.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        let key = part.replace("~1", "/");
        if let Ok(index) = key.parse::<usize>() {
            if !at.is_array() {
                *at = json!([]);
            }
            let list = at.as_array_mut().unwrap();
            while list.len() <= index {
                list.push(json!({}));
            }
            at = &mut list[index];
        } else {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = at
                .as_object_mut()
                .unwrap()
                .entry(key)
                .or_insert(Value::Null);
        }
    }
    *at = value;
}

fn condition(object: &mut Value, pointer: &str, told: (&str, &str, &str)) {
    let (kind, status, reason) = told;
    let one = json!({ "type": kind, "status": status, "reason": reason });
    let mut all: Vec<Value> = object
        .pointer(pointer)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    all.retain(|old| old["type"] != json!(kind));
    all.push(one);
    set(object, pointer, json!(all));
}

/// Makes a sign visible in an object, or something else in its place.
fn show(sign: &Sign, object: &mut Value, truly: bool) {
    let opposite = |status: &'static str| match (truly, status) {
        (true, status) => status,
        (false, "True") => "False",
        (false, _) => "True",
    };
    match *sign {
        Sign::Condition(kind, status) => {
            condition(object, "/status/conditions", (kind, opposite(status), ""));
        }
        Sign::ConditionIn(pointer, kind, status) => {
            condition(object, pointer, (kind, opposite(status), ""));
        }
        Sign::Because(kind, status, reason) => {
            let reason = if truly { reason } else { "Other" };
            condition(object, "/status/conditions", (kind, status, reason));
        }
        Sign::NotBecause(kind, status, reason) => {
            let reason = if truly { "Other" } else { reason };
            condition(object, "/status/conditions", (kind, status, reason));
        }
        Sign::Text(pointer, all) => {
            let value = if truly { all[0] } else { "something else" };
            set(object, pointer, json!(value));
        }
        Sign::Flag(pointer, wanted) => set(object, pointer, json!(wanted == truly)),
        Sign::Filled(pointer) => {
            let value = if truly { json!([{}]) } else { json!([]) };
            set(object, pointer, value);
        }
        Sign::Count(told, wanted) => {
            set(object, wanted, json!(3));
            set(object, told, json!(if truly { 3 } else { 2 }));
        }
        Sign::Each(pointer, inner) | Sign::Some(pointer, inner) => {
            let mut entry = object
                .pointer(&format!("{pointer}/0"))
                .cloned()
                .unwrap_or(json!({}));
            show(inner, &mut entry, truly);
            set(object, pointer, json!([entry]));
        }
        Sign::All(signs) => {
            for sign in signs {
                show(sign, object, truly);
            }
        }
        Sign::When(first, second) => {
            show(first, object, true);
            show(second, object, truly);
        }
    }
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|(_, rules)| rules.iter())
}

fn judged(rule: &Rule, live: &Value, seconds: i64) -> String {
    let scene = Scene::of(&format!("{}/v1", rule.group), rule.kinds[0], live.clone());
    let ready = Told {
        ready: true,
        ..Told::default()
    };
    shown_for(&scene.told(ready).after(seconds).says(), seconds)
}

/// An object of a rule that shows all its signs, as far as they do not exclude each other.
fn shown(rule: &Rule) -> Value {
    let mut live = json!({ "metadata": { "name": "x", "generation": 2 }, "status": { "observedGeneration": 2 } });
    for sign in rule.ready {
        show(sign, &mut live, true);
    }
    live
}

#[test]
fn every_row_is_open_when_all_its_signs_are_there_and_closed_without_one() {
    for rule in rules().filter(|rule| !rule.ready.is_empty()) {
        // Replication is wanted in one of two states: the samples above show both.
        if ["VolumeReplication", "VolumeReplicationGroup"].contains(&rule.kinds[0]) {
            continue;
        }
        let live = shown(rule);
        assert_eq!(judged(rule, &live, 3600), "open", "{:?} {live}", rule.kinds);
        for sign in rule.ready {
            let mut other = live.clone();
            show(sign, &mut other, false);
            assert_eq!(
                judged(rule, &other, 0),
                "closed not-ready",
                "{:?} {other}",
                rule.kinds
            );
        }
        for observed in [1, 3] {
            let mut stale = live.clone();
            stale["status"]["observedGeneration"] = json!(observed);
            assert_eq!(
                judged(rule, &stale, 3600),
                "closed not-observed",
                "{:?}",
                rule.kinds
            );
        }
        for nothing in [json!(null), json!({}), json!("x"), json!([])] {
            let mut silent = live.clone();
            silent["status"] = nothing;
            let says = judged(rule, &silent, 3600);
            assert!(
                says.starts_with("closed not-"),
                "{:?} {silent} {says}",
                rule.kinds
            );
        }
    }
}

#[test]
fn every_failure_fails_when_its_time_is_over_and_not_before() {
    for rule in rules() {
        for failure in rule.failed {
            let mut live = json!({ "metadata": { "name": "x" }, "status": {} });
            show(&failure.sign, &mut live, true);
            let after = i64::from(failure.after_seconds);
            let expected = format!("failed {}", failure.code);
            assert_eq!(
                judged(rule, &live, after),
                expected,
                "{:?} {live}",
                rule.kinds
            );
            if after > 0 {
                let before = judged(rule, &live, after - 1);
                assert!(
                    !before.starts_with("failed"),
                    "{:?} {live} {before}",
                    rule.kinds
                );
            }
            show(&failure.sign, &mut live, false);
            let other = judged(rule, &live, after);
            assert_ne!(other, expected, "{:?} {live}", rule.kinds);
        }
    }
}

#[test]
fn no_kind_is_in_two_rows_and_the_page_names_each() {
    let mut known = BTreeSet::new();
    let page = page();
    for rule in rules() {
        for kind in rule.kinds {
            assert!(known.insert((rule.group, *kind)), "{kind} is there twice");
            assert!(page.contains(kind), "{kind} is not on the page");
        }
    }
}

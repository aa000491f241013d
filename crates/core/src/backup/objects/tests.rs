//! Objects as files and back, and files that are not what they should be.

mod fixtures;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ObjectFile, ObjectsError, pack, unpack};
use crate::inventory::{Inventory, Resource, Thing};
use fixtures::second_layout;

fn config_map(name: &str, object: &Value) -> Thing {
    let mut whole = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "shop", "resourceVersion": "7" },
    });
    for (key, value) in object.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    let resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
    Thing::new(resource, whole).unwrap()
}

fn many() -> Inventory {
    Inventory::of((0..3000).map(|n| config_map(&format!("one-{n:04}"), &json!({ "data": n }))))
}

fn packed(inventory: &Inventory) -> Vec<ObjectFile> {
    pack(inventory.iter().cloned(), "v1.34.4").collect()
}

fn assert_comes_back(inventory: &Inventory) {
    let after = unpack(packed(inventory)).unwrap();
    let objects =
        |inventory: &Inventory| -> Vec<Value> { inventory.iter().map(Thing::as_read).collect() };
    assert_eq!(objects(&after), objects(inventory));
}

#[test]
fn objects_come_back_as_they_were_read() {
    assert_comes_back(&Inventory::default());
    assert_comes_back(&many());
    let odd = [
        "db",
        "db.volatile",
        "db.volatile.jsonl",
        "..",
        "a/b%2F\n\"",
        &"n".repeat(253),
        &":".repeat(253),
    ];
    assert_comes_back(&Inventory::of(odd.map(|name| {
        config_map(name, &json!({ "status": { "text": "two\nlines" } }))
    })));
}

#[test]
fn a_group_may_be_called_as_the_folder_of_the_core() {
    let other = config_map("db", &json!({ "apiVersion": "core/v1" }));
    let resource = Resource::namespaced("core/v1", "ConfigMap", "configmaps");
    let other = Thing::new(resource, other.object.clone()).unwrap();
    assert_comes_back(&Inventory::of([config_map("db", &json!({})), other]));
}

#[test]
fn of_two_with_one_identity_the_later_is_packed() {
    let two = [json!({ "data": 1 }), json!({ "data": 2 })].map(|data| config_map("db", &data));
    let after = unpack(pack(two, "v1.34.4")).unwrap();
    assert_eq!(
        after.iter().next().unwrap().at("/data"),
        Some(&json!(2).into())
    );
}

#[test]
fn what_always_changes_lies_in_a_file_of_its_own() {
    let inventory = many();
    let later = Inventory::of(inventory.iter().cloned().map(|mut thing| {
        thing.edit(|it| it["metadata"]["resourceVersion"] = json!("8"));
        thing.edit(|it| it["metadata"]["managedFields"] = json!([]));
        thing.edit(|it| it["status"] = json!({ "ready": true }));
        thing
    }));
    let plain = |inventory: &Inventory| -> Vec<ObjectFile> {
        let mut files = packed(inventory);
        files.retain(|file| !file.path.ends_with(".volatile.jsonl"));
        files
    };
    assert!(plain(&inventory).len() > 2);
    assert_eq!(plain(&inventory), plain(&later));
}

#[test]
fn an_object_that_comes_changes_or_goes_changes_its_own_file_and_no_other() {
    let before = many();
    let kept: BTreeSet<Vec<u8>> = packed(&before).into_iter().map(|file| file.bytes).collect();
    let new = |inventory: &Inventory| -> usize {
        let files = packed(inventory);
        assert!(files.len() > 10, "{}", files.len());
        files
            .iter()
            .filter(|file| !kept.contains(&file.bytes))
            .count()
    };
    let mut changed = before.clone();
    changed.insert(config_map("one-0500", &json!({ "data": "x" })));
    assert_eq!(new(&changed), 1);
    let mut more = before.clone();
    more.insert(config_map("one-0500-and", &json!({})));
    assert_eq!(new(&more), 2);
    let mut fewer = before.clone();
    fewer.remove(&config_map("one-0500", &json!({})).id());
    assert_eq!(new(&fewer), 2);
}

#[test]
fn no_file_is_much() {
    let large = "x".repeat(600 << 10);
    let large_status = Inventory::of((0..9).map(|n| {
        let object = json!({ "data": "d", "status": large });
        config_map(&format!("one-{n}"), &object)
    }));
    let large_data = Inventory::of((0..9).map(|n| {
        let object = json!({ "data": large });
        config_map(&format!("one-{n}"), &object)
    }));
    for (inventory, most) in [(large_data, 2 << 20), (large_status, 5 << 20)] {
        let files = packed(&inventory);
        assert!(files.iter().all(|file| file.bytes.len() <= most));
        assert_comes_back(&inventory);
    }
}

#[test]
fn files_are_ordered_by_path_and_no_path_leaves_its_place() {
    let resource = |group: &str| Resource::cluster(group, "Any", "anys");
    let groups = ["a.b/v1", "a/v1", "a-b/v1", "resources.z/v1", "v1"];
    let inventory = Inventory::of(groups.map(|group| {
        let object = json!({ "apiVersion": group, "kind": "Any", "metadata": { "name": "../.." } });
        Thing::new(resource(group), object).unwrap()
    }));
    let files = packed(&inventory);
    let paths: Vec<Vec<&str>> = files
        .iter()
        .map(|file| file.path.split('/').collect())
        .collect();
    assert!(paths.is_sorted(), "{paths:?}");
    for parts in paths {
        assert!(!parts.contains(&"..") && !parts.contains(&"."), "{parts:?}");
        assert!(parts.len() == 6 || parts == ["v2", "resources.json"]);
    }
    assert_comes_back(&inventory);
}

#[test]
fn without_files_or_kinds_nothing_is_read() {
    assert_eq!(unpack([]), Err(ObjectsError::NoKinds));
    let mut files = second_layout();
    files.remove(0);
    assert_eq!(unpack(files), Err(ObjectsError::NoKinds));
}

const STABLE: &str = "v2/things/core/ConfigMap/shop/000001.jsonl";
const VOLATILE: &str = "v2/things/core/ConfigMap/shop/000001.volatile.jsonl";

/// What is said of the fixture without a file.
fn without(path: &str) -> String {
    let mut files = second_layout();
    files.retain(|file| file.path != path);
    unpack(files).unwrap_err().to_string()
}

/// What is said of the fixture with the lines of one file changed.
fn with(path: &str, change: impl Fn(Vec<&str>) -> Vec<String>) -> String {
    let mut files = second_layout();
    let place = files.iter().position(|file| file.path == path).unwrap();
    let text = String::from_utf8(files[place].bytes.clone()).unwrap();
    files[place].bytes = change(text.lines().collect()).join("\n").into_bytes();
    unpack(files).map_or_else(|error| error.to_string(), |_| "read".to_owned())
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn a_damaged_file_is_named_with_its_line_and_what_is_wrong() {
    let other = |lines: Vec<&str>, from: &str, to: &str| -> Vec<String> {
        lines.iter().map(|line| line.replace(from, to)).collect()
    };
    let says =
        |path: &str, why: &str| format!("the stored object file `{path}` is unusable: {why}");
    let cases = [
        (with(STABLE, |lines| owned(&lines)), "read".to_owned()),
        (
            with(STABLE, |lines| owned(&[lines[0], &lines[1][..40]])),
            says(STABLE, "line 2: EOF while parsing a string, at byte 40"),
        ),
        (
            with(STABLE, |lines| owned(&[lines[0], "", lines[1]])),
            says(STABLE, "line 2: EOF while parsing a value, at byte 0"),
        ),
        (
            with(STABLE, |lines| owned(&lines[..1])),
            says(VOLATILE, "line 2: the object that it belongs to is missing"),
        ),
        (
            with(VOLATILE, |lines| owned(&lines[..1])),
            says(VOLATILE, "line 2 is missing"),
        ),
        (
            with(VOLATILE, |lines| owned(&[lines[1], lines[0]])),
            says(VOLATILE, "line 1: it is of `settings-1054`, not of `db`"),
        ),
        (
            with(STABLE, |lines| other(lines, "\"shop\"", "\"stock\"")),
            says(
                STABLE,
                "line 1: `ConfigMap stock/db` does not belong into this folder",
            ),
        ),
        (
            with(STABLE, |lines| other(lines, "ConfigMap", "Unheard")),
            says(STABLE, "line 1: its kind is not in the list of kinds"),
        ),
        (
            without(VOLATILE),
            says(
                STABLE,
                "the file with what always changes is missing beside it",
            ),
        ),
        (
            without(STABLE),
            says(VOLATILE, "the file of what it belongs to is missing"),
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn what_is_there_twice_is_refused_wherever_it_is() {
    let twice = |name: &str| {
        let mut files = second_layout();
        for (from, to) in [(STABLE, ".jsonl"), (VOLATILE, ".volatile.jsonl")] {
            let file = files.iter().find(|file| file.path == from).unwrap();
            let path = format!("v2/things/core/ConfigMap/shop/{name}{to}");
            let bytes = file.bytes.clone();
            files.push(ObjectFile { path, bytes });
        }
        unpack(files).unwrap_err().to_string()
    };
    let error = twice("000003");
    assert!(
        error.contains("line 1: `ConfigMap shop/db` is there twice"),
        "{error}"
    );
}

#[test]
fn what_is_no_file_of_the_layout_is_refused() {
    for path in ["v2/resources.json", "v2/things/core/ConfigMap/shop/000003"] {
        let mut files = second_layout();
        files.push(ObjectFile {
            path: path.to_owned(),
            bytes: Vec::new(),
        });
        let error = unpack(files).unwrap_err().to_string();
        assert!(error.contains("no file of this layout"), "{error}");
    }
    let mut files = second_layout();
    let place = files.iter().position(|file| file.path == VOLATILE).unwrap();
    files.truncate(place);
    let error = unpack(files).unwrap_err().to_string();
    assert!(error.contains("is missing beside it"), "{error}");
}

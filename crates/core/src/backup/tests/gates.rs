//! Gates of a protection against what is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::backup::{BackupGoal, Finding, Holds, Mode, Planned, WantedGate, plan};
use crate::driver::Problem;
use crate::inventory::{Inventory, Resource, Thing};
use crate::names::{ProtectionName, RunId, SiteName};

fn thing(version: &str, kind: &str, namespace: Option<&str>, name: &str, body: &Value) -> Thing {
    let plural = format!("{}s", kind.to_lowercase());
    let resource = match namespace {
        Some(_) => Resource::namespaced(version, kind, &plural),
        None => Resource::cluster(version, kind, &plural),
    };
    let mut object = json!({ "metadata": { "name": name, "uid": format!("{kind}-{name}") } });
    for (key, value) in body.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    Thing::new(resource, object).unwrap()
}

fn inventory() -> Inventory {
    let web = json!({ "spec": { "replicas": 2 }, "status": { "readyReplicas": 1 } });
    let large: Vec<usize> = (0..3000).collect();
    Inventory::of([
        thing("v1", "Namespace", None, "shop", &json!({})),
        thing("v1", "Namespace", None, "stock", &json!({})),
        thing("apps/v1", "Deployment", Some("shop"), "web", &web),
        thing("apps/v1", "Deployment", Some("stock"), "web", &web),
        thing("apps/v1", "Deployment", Some("other"), "away", &web),
        thing(
            "v1",
            "ConfigMap",
            Some("shop"),
            "large",
            &json!({ "list": large }),
        ),
        thing("a.example.com/v1", "Cache", Some("shop"), "c", &json!({})),
        thing("b.example.com/v1", "Cache", Some("shop"), "c", &json!({})),
    ])
}

fn planned(inventory: &Inventory, gates: Vec<WantedGate>) -> Result<Planned, Vec<Problem>> {
    let goal = BackupGoal {
        protection: ProtectionName::new("shop").unwrap(),
        site: SiteName::new("primary").unwrap(),
        run: RunId::new("backup-1").unwrap(),
        namespaces: vec!["shop".to_owned(), "stock".to_owned()],
        minimum_mode: Mode::Crash,
        overrides: Vec::new(),
        holds: Holds::WhenNeeded,
        hooks: Vec::new(),
        gates,
        excluded_volumes: BTreeSet::new(),
        snapshot_class: None,
        cut_seconds_max: 60,
        hold_seconds_max: 20,
        move_seconds_max: 600,
        mover_image: "refloat".to_owned(),
        spec: json!({}),
        began: "2026-01-01T00:00:00Z".parse().unwrap(),
        cluster_uid: "a".to_owned(),
        required: Vec::new(),
        owned: Vec::new(),
    };
    plan(inventory, &goal, &[])
}

fn wanted(name: &str, kind: &str, of: &str, cel: &str) -> WantedGate {
    WantedGate {
        name: name.to_owned(),
        group: None,
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        of: of.to_owned(),
        seconds_max: 600,
        check: json!({ "cel": cel }),
    }
}

fn finding(findings: &[Finding], code: &str) -> String {
    let found = findings.iter().find(|one| one.code == code);
    found
        .unwrap_or_else(|| panic!("no {code} in {findings:?}"))
        .message
        .clone()
}

#[test]
fn a_gate_is_stored_with_its_object_and_a_closed_one_is_told() {
    let open = wanted("open", "Deployment", "web", "object.spec.replicas == 2");
    let closed = wanted(
        "closed",
        "Deployment",
        "web",
        "object.status.readyReplicas == 2",
    );
    let draft = planned(&inventory(), vec![open, closed]).unwrap().draft;
    let of: Vec<String> = draft.gates.iter().map(|gate| gate.of.to_string()).collect();
    assert_eq!(of, ["Deployment.apps shop/web", "Deployment.apps shop/web"]);
    assert_eq!(draft.findings.len(), 1);
    assert_eq!(
        finding(&draft.findings, "gate-closed-at-source"),
        "gate closed is not open here and now: `object.status.readyReplicas == 2` is false: 1 == 2"
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_with_a_gate_fails_the_backup_and_is_named() {
    let anywhere = |mut gate: WantedGate| {
        gate.namespace = None;
        gate
    };
    let limited = |mut gate: WantedGate, seconds| {
        gate.seconds_max = seconds;
        gate
    };
    let good = || wanted("ready", "Deployment", "web", "true");
    let costly = "object.list.all(a, object.list.all(b, a >= 0))";
    for (gates, code, words) in [
        (
            vec![wanted("ready", "Deployment", "wep", "true")],
            "gate-without-object",
            "no Deployment `wep`",
        ),
        (
            vec![anywhere(wanted("ready", "Deployment", "away", "true"))],
            "gate-without-object",
            "no Deployment `away`",
        ),
        (
            vec![anywhere(good())],
            "gate-malformed",
            "both Deployment.apps shop/web and Deployment.apps stock/web",
        ),
        (
            vec![wanted("ready", "Cache", "c", "true")],
            "gate-malformed",
            "both Cache.a.example.com shop/c and",
        ),
        (
            vec![good(), good()],
            "gate-malformed",
            "two gates have this name",
        ),
        (
            vec![wanted("", "Deployment", "web", "true")],
            "gate-malformed",
            "its name is not",
        ),
        (
            vec![wanted("Ready", "Deployment", "web", "true")],
            "gate-malformed",
            "its name is not",
        ),
        (
            vec![wanted("a/b", "Deployment", "web", "true")],
            "gate-malformed",
            "its name is not",
        ),
        (
            vec![wanted(&"a".repeat(51), "Deployment", "web", "true")],
            "gate-malformed",
            "its name is not",
        ),
        (vec![limited(good(), 0)], "gate-malformed", "at least 1"),
        (
            vec![limited(good(), 86_401)],
            "gate-malformed",
            "at most 86400",
        ),
        (
            vec![wanted("ready", "Deployment", "web", "object.spec.")],
            "gate-malformed",
            "`cel`: line 1, column 13",
        ),
        (
            vec![wanted("ready", "ConfigMap", "large", costly)],
            "gate-too-costly",
            "costs too much to judge ConfigMap shop/large",
        ),
    ] {
        let problems = planned(&inventory(), gates).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].code, code, "{words}");
        assert!(
            problems[0].message.contains(words),
            "{}",
            problems[0].message
        );
    }
}

#[test]
fn the_group_tells_two_kinds_of_one_name_apart() {
    let mut gate = wanted("ready", "Cache", "c", "true");
    gate.group = Some("b.example.com".to_owned());
    let draft = planned(&inventory(), vec![gate]).unwrap().draft;
    assert_eq!(draft.gates[0].of.to_string(), "Cache.b.example.com shop/c");
}

#[test]
fn an_annotation_that_says_no_gate_is_told_and_fails_no_backup() {
    let mut inventory = inventory();
    let bad = json!({ "metadata": { "name": "odd", "annotations": { "refloat.io/gate-cel": "object.spec &" } } });
    inventory.insert(thing("apps/v1", "Deployment", Some("shop"), "odd", &bad));
    let draft = planned(&inventory, Vec::new()).unwrap().draft;
    let told = finding(&draft.findings, "gate-unreadable");
    assert!(
        told.contains(
            "its annotation `refloat.io/gate-cel` says no gate: `cel`: line 1, column 13"
        ),
        "{told}"
    );
    assert!(
        told.ends_with("`--skip-gate Deployment/shop/odd/cel`"),
        "{told}"
    );
    assert!(draft.gates.is_empty());
}

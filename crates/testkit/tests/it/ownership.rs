//! Objects with several owners: each has its fields again, and the provenance is Refloat's own.

use refloat_core::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY};
use refloat_testkit::sim::{Fault, resource};
use serde_json::{Value, json};

use crate::recovery::{COMPLETED, Recovery};
use crate::site::{self, Sealed};

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "v1", "time": "2025-12-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

fn helm() -> Value {
    entry("helm", "Update", &json!({ "f:data": { "f:url": {} } }))
}

fn argo() -> Value {
    entry("argocd-controller", "Apply", &json!({ "f:data": {} }))
}

/// The shop, whose configuration has two owners and a status that a third one wrote.
fn sealed() -> Sealed {
    let source = site::source();
    source.with_store(|store| {
        let mut status = entry("a-controller", "Update", &json!({ "f:status": {} }));
        status["subresource"] = json!("status");
        let web = refloat_core::driver::ObjectRef::namespaced(resource("ConfigMap"), "shop", "web");
        let entries = json!([helm(), status, argo()]);
        store.change(&web, &json!({ "metadata": { "managedFields": entries } }));
    });
    site::sealed(&source)
}

fn managers(object: &Value) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let entries = object.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    entries
        .map(|entry| (text(entry, "manager"), text(entry, "operation")))
        .collect()
}

fn is_whole(recovery: &Recovery, how: &str) {
    let web = recovery.object("ConfigMap", "web").unwrap();
    let mut found = managers(&web);
    found.sort();
    let pair = |manager: &str, operation: &str| (manager.to_owned(), operation.to_owned());
    let wanted = [
        pair("argocd-controller", "Apply"),
        pair("helm", "Update"),
        pair("refloat", "Update"),
    ];
    assert_eq!(found, wanted, "{how}");
    let ours = web["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["manager"] == "refloat")
        .unwrap();
    for key in [ANNOTATION_RECOVERY, ANNOTATION_DIGEST] {
        assert!(
            web["metadata"]["annotations"][key].is_string(),
            "{how}: {key}"
        );
        let field = format!("f:{key}");
        let owned = &ours["fieldsV1"]["f:metadata"]["f:annotations"][&field];
        assert!(owned.is_object(), "{how}: {key} is not ours: {ours}");
    }
}

#[test]
fn several_owners_are_given_back_by_one_patch() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    is_whole(&recovery, "undisturbed");
    let history = recovery.world.history.borrow();
    let calls: Vec<&String> = history
        .iter()
        .filter(|line| line.ends_with("ConfigMap shop/web"))
        .collect();
    assert_eq!(
        calls,
        ["create ConfigMap shop/web", "patch ConfigMap shop/web"]
    );
    let patched: Vec<&String> = history
        .iter()
        .filter(|line| line.starts_with("patch Secret") || line.starts_with("patch Service "))
        .collect();
    assert!(patched.is_empty(), "one owner needs no patch: {patched:?}");
}

#[test]
fn a_recovery_that_dies_between_creation_and_that_patch_gives_them_back() {
    let sealed = sealed();
    let places = (1..200).find(|place| {
        let recovery = Recovery::of(&sealed);
        recovery.world.plan_fault(Some(Fault::CrashAfter(*place)));
        drop(recovery.drive());
        if !recovery.world.is_dead() {
            return true;
        }
        let half = recovery.object("ConfigMap", "web").is_some_and(|web| {
            web["metadata"]["annotations"]
                .get(ANNOTATION_DIGEST)
                .is_none()
        });
        assert_eq!(recovery.resume(), COMPLETED, "death after effect {place}");
        is_whole(
            &recovery,
            &format!("death after effect {place}, half: {half}"),
        );
        false
    });
    assert!(places > Some(25), "{places:?}");
}

//! Several hundred objects beside the shop's, and one of them with two owners. Called by `disasters`.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use super::disasters::Recovery;
use crate::bench::watched::{Requests, Watched};
use crate::printer::say;
use crate::testbed::Site;

/// Objects beside the shop's own.
const BULK: usize = 320;

/// What an application of that size has: configuration, accounts, rights, Services, workloads that wait for their scale.
pub(super) fn objects() -> Vec<Value> {
    (0..BULK)
        .map(|number| {
            let name = format!("bulk-{number:03}");
            let (version, kind, body) = match number % 8 {
                0..=2 => ("v1", "ConfigMap", json!({ "data": { "number": number.to_string() } })),
                3 | 4 => ("v1", "Secret", json!({ "stringData": { "number": number.to_string() } })),
                5 => ("v1", "ServiceAccount", json!({})),
                6 => (
                    "v1",
                    "Service",
                    json!({ "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] } }),
                ),
                _ => (
                    "apps/v1",
                    "Deployment",
                    json!({ "spec": {
                        "replicas": 0,
                        "selector": { "matchLabels": { "app": name } },
                        "template": {
                            "metadata": { "labels": { "app": name } },
                            "spec": {
                                "serviceAccountName": format!("bulk-{:03}", number - 2),
                                "containers": [{ "name": "one", "image": "refloat.local/client:1" }],
                            },
                        },
                    } }),
                ),
            };
            let mut object = json!({
                "apiVersion": version, "kind": kind,
                "metadata": { "name": name, "namespace": "shop" },
            });
            for (key, value) in body.as_object().into_iter().flatten() {
                object[key] = value.clone();
            }
            object
        })
        .collect()
}

/// Far above what so few objects need, and far below where others fail.
const MEMORY_MIB_MAX: u64 = 96;
/// Each is tried without being done, created, and for a few fields that others own patched.
const REQUESTS_MAX: f64 = 2.5;

/// An undisturbed recovery, of few requests for each object and little memory.
pub(super) fn frugally(stage: &Stage<'_>) -> Result<()> {
    let before = Requests::until_now(stage.ground, Site::Recovery)?;
    let recovery = Recovery::start(stage)?;
    let watched = Watched::of(recovery.process()?.unsigned_abs());
    let ended = recovery.finish()?;
    let mebibytes = watched.peak().div_ceil(1024);
    ensure!(ended.success, "undisturbed: {}", ended.said);
    let asked = Requests::until_now(stage.ground, Site::Recovery)?.since(&before);
    for (kind, resource) in [("ConfigMap", "configmaps"), ("Secret", "secrets")] {
        let made = objects().iter().filter(|one| one["kind"] == kind).count();
        let made = f64::from(u32::try_from(made)?);
        let of_each = asked.about(resource) / made;
        say(format_args!("  {of_each:.2} requests for each {kind}"));
        ensure!(
            of_each <= REQUESTS_MAX,
            "{of_each:.2} requests for each {kind}, and {REQUESTS_MAX} are enough"
        );
    }
    say(format_args!("  at most {mebibytes} MiB"));
    ensure!(
        mebibytes > 0 && mebibytes <= MEMORY_MIB_MAX,
        "{mebibytes} MiB of memory, and {MEMORY_MIB_MAX} are enough"
    );
    Ok(())
}

/// An object with two owners.
pub(super) const OWNED: &str = "configmap/bulk-000";

/// Both owners have their fields again, and nobody else has any but Refloat its own two annotations.
pub(super) fn owners(stage: &Stage<'_>) -> Result<()> {
    let mut command = stage.ground.kubectl(Site::Recovery);
    command.args(["-n", "shop", "get", OWNED, "--show-managed-fields"]);
    command.args(["-o", "json"]);
    let object: Value = serde_json::from_str(&crate::testbed::output(command)?)?;
    let entries = object.pointer("/metadata/managedFields");
    let mut owners: Vec<(String, String)> = entries
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|entry| {
            let manager = entry.get("manager").and_then(Value::as_str);
            let fields = entry.get("fieldsV1").map(Value::to_string);
            (
                manager.unwrap_or_default().to_owned(),
                fields.unwrap_or_default(),
            )
        })
        .collect();
    owners.sort();
    let wanted = [
        ("hotfix", r#"{"f:data":{"f:hot":{}}}"#),
        ("kubectl-create", r#"{"f:data":{".":{},"f:number":{}}}"#),
        (
            "refloat",
            r#"{"f:metadata":{"f:annotations":{"f:refloat.io/digest":{},"f:refloat.io/recovery":{}}}}"#,
        ),
    ];
    let found: Vec<(&str, &str)> = owners
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    ensure!(found == wanted, "owners of {OWNED}: {found:?}");
    Ok(())
}

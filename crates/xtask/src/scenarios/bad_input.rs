//! Bad input of a backup: a clear error with a stable code, nothing changed.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use crate::captured;
use crate::refloat::Answer;
use crate::testbed::Site;

/// Asserts that a call was refused with this code, exit code 1 and these words.
pub(super) fn refused(what: &str, answer: &Answer, code: &str, words: &[&str]) -> Result<()> {
    ensure!(
        answer.code == Some(1),
        "{what}: exit code {:?} instead of 1: {} {}",
        answer.code,
        answer.value,
        answer.said
    );
    ensure!(
        answer.problems().contains(&code),
        "{what}: expected `{code}`, got {}",
        answer.value
    );
    let text = answer.value.to_string();
    for word in words {
        ensure!(
            text.contains(word),
            "{what}: the error does not say `{word}`: {text}"
        );
    }
    Ok(())
}

impl Stage<'_> {
    /// `refloat backup` of these namespaces at the primary.
    pub(super) fn backup(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Answer> {
        let all = [&["backup", "--protection", "shop"], arguments].concat();
        self.refloat.answer(Some(Site::Primary), &all, environment)
    }

    /// A file of a protection with these fields in its spec.
    pub(super) fn protection(&self, name: &str, spec: &Value) -> Result<String> {
        let path = self.testbed.scratch().join(format!("{name}.yaml"));
        let file = json!({
            "apiVersion": "refloat.io/v1alpha1", "kind": "Protection",
            "metadata": { "name": "shop" }, "spec": spec,
        });
        fs::write(&path, file.to_string())?;
        Ok(path.display().to_string())
    }

    /// Makes backups until the shop has so many points: a scenario may be run alone.
    pub(super) fn ensure_points(&self, count: usize) -> Result<()> {
        let mut made = 0;
        loop {
            let of_the_shop = ["points", "--protection", "shop"];
            let found = self
                .refloat
                .answer(Some(Site::Primary), &of_the_shop, &[])?;
            let points = found.value.get("points").and_then(Value::as_array);
            if points.is_some_and(|points| points.len() >= count) {
                return Ok(());
            }
            ensure!(
                made < count,
                "after {made} backups there are not {count} points: {}",
                found.value
            );
            let backup = self.backup(&["-n", "shop"], &[])?;
            ensure!(
                backup.code == Some(0),
                "a backup: {} {}",
                backup.value,
                backup.said
            );
            made += 1;
        }
    }

    /// Nothing of ours is left at a site.
    pub(super) fn nothing_left(&self, site: Site) -> Result<()> {
        captured::nothing_left(self.testbed, site)
    }
}

pub(super) fn kubeconfigs(stage: &Stage<'_>) -> Result<()> {
    let ask = |path: &str| stage.backup(&["-n", "shop"], &[("KUBECONFIG", path)]);
    let scratch = stage.testbed.scratch();
    let write = |name: &str, text: &str| -> Result<String> {
        let path = scratch.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    refused(
        "no file",
        &ask("/nonexistent/kubeconfig")?,
        "kubeconfig-missing",
        &["/nonexistent/kubeconfig"],
    )?;
    refused(
        "no kubeconfig",
        &ask(&write("noise", "\u{1}: [")?)?,
        "kubeconfig-invalid",
        &["noise"],
    )?;
    let good = fs::read_to_string(stage.testbed.kubeconfig(Site::Primary))?;
    let address = stage
        .testbed
        .record()
        .addresses
        .api_server(Site::Primary)
        .to_string();
    ensure!(
        good.contains(&address),
        "the kubeconfig does not name {address}"
    );
    let dead = write("dead", &good.replace(&address, "127.0.0.1:1"))?;
    refused("dead server", &ask(&dead)?, "unreachable", &["127.0.0.1:1"])?;
    let wrong = stage.backup(&["-n", "shop", "--context", "elsewhere"], &[])?;
    refused("no context", &wrong, "context-missing", &["elsewhere"])?;
    missing_rights(stage, &good, &write)
}

fn missing_rights(
    stage: &Stage<'_>,
    good: &str,
    write: &dyn Fn(&str, &str) -> Result<String>,
) -> Result<()> {
    stage
        .shop
        .kubectl(&["-n", "shop", "create", "serviceaccount", "reader"], "")?;
    let token = stage
        .shop
        .kubectl(&["-n", "shop", "create", "token", "reader"], "")?;
    let mut config: Value = read_json(good)?;
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let path = write("reader", &config.to_string())?;
    let ask = || stage.backup(&["-n", "shop"], &[("KUBECONFIG", &path)]);
    refused(
        "no rights",
        &ask()?,
        "forbidden",
        &["namespaces", "apiGroups", "shop:reader"],
    )?;
    let role = [
        "create",
        "clusterrole",
        "reader",
        "--verb=get",
        "--resource=namespaces",
    ];
    stage.shop.kubectl(&role, "")?;
    let bind = [
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=reader",
        "--serviceaccount=shop:reader",
    ];
    stage.shop.kubectl(&bind, "")?;
    until_it_may_read(stage)?;
    refused(
        "few rights",
        &ask()?,
        "forbidden",
        &[
            "volumesnapshots",
            "apiGroups",
            "pods/exec",
            "ClusterRole",
            "refloat-system",
        ],
    )?;
    let gone = [
        "delete",
        "clusterrole/reader",
        "clusterrolebinding/reader",
        "--ignore-not-found",
    ];
    stage.shop.kubectl(&gone, "")?;
    stage
        .shop
        .kubectl(&["-n", "shop", "delete", "serviceaccount", "reader"], "")?;
    Ok(())
}

/// The API server heeds a binding a moment after it is made.
fn until_it_may_read(stage: &Stage<'_>) -> Result<()> {
    let reader = "--as=system:serviceaccount:shop:reader";
    let may = ["auth", "can-i", "get", "namespaces", reader];
    let start = Instant::now();
    while let Err(not) = stage.shop.kubectl(&may, "") {
        ensure!(
            start.elapsed() < Duration::from_mins(1),
            "the role is bound, and heeded by nobody: {not:#}"
        );
        thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

/// The testbed writes its kubeconfigs as JSON, which is YAML, too.
fn read_json(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("the testbed's kubeconfig is JSON")
}

pub(super) fn volumes(stage: &Stage<'_>) -> Result<()> {
    let answer = stage.backup(&["-n", "nowhere"], &[])?;
    refused(
        "no namespace",
        &answer,
        "namespace-missing",
        &["nowhere", "shop"],
    )?;
    let unknown = stage.protection(
        "unknown",
        &json!({ "namespaces": ["shop"], "retention": 3 }),
    )?;
    let answer = stage
        .refloat
        .answer(Some(Site::Primary), &["backup", "-f", &unknown], &[])?;
    refused(
        "unknown field",
        &answer,
        "protection-file",
        &["retention", "unknown.yaml"],
    )?;
    let empty = stage.protection("empty", &json!({ "namespaces": [] }))?;
    let answer = stage
        .refloat
        .answer(Some(Site::Primary), &["backup", "-f", &empty], &[])?;
    refused(
        "no namespaces",
        &answer,
        "protection-file",
        &["namespaces is empty"],
    )?;

    stage.shop.kubectl(&["create", "namespace", "odd"], "")?;
    let pending = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "pending", "namespace": "odd" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "nothing",
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    stage
        .shop
        .kubectl(&["apply", "-f", "-"], &pending.to_string())?;
    let answer = stage.backup(&["-n", "odd", "--minimum-mode", "crash"], &[])?;
    refused(
        "claim not bound",
        &answer,
        "volume-not-bound",
        &["odd/pending", "--exclude-volume"],
    )?;
    stage
        .shop
        .kubectl(&["delete", "namespace", "odd", "--wait=false"], "")?;
    definition(stage)?;
    snapshot_classes(stage)?;
    stage.nothing_left(Site::Primary)
}

/// The API server takes the generated definition, and refuses a protection with a field that it does not know.
fn definition(stage: &Stage<'_>) -> Result<()> {
    stage.shop.kubectl(
        &["apply", "-f", "deploy/crds/refloat.io_protections.yaml"],
        "",
    )?;
    let established = [
        "wait",
        "--for=condition=Established",
        "crd/protections.refloat.io",
        "--timeout=30s",
    ];
    stage.shop.kubectl(&established, "")?;
    let apply = |name: &str, spec: &Value| {
        let file = stage.protection(name, spec)?;
        let strict = [
            "apply",
            "-n",
            "shop",
            "--validate=strict",
            "--dry-run=server",
            "-f",
            &file,
        ];
        stage.shop.kubectl_once_listed(&strict, "")
    };
    apply(
        "good",
        &json!({ "namespaces": ["shop"], "minimumMode": "crash" }),
    )?;
    for (field, bad) in [
        (
            "spec.retention",
            json!({ "namespaces": ["shop"], "retention": 3 }),
        ),
        ("spec.namespaces", json!({ "namespaces": [] })),
        (
            "spec.minimumMode",
            json!({ "namespaces": ["shop"], "minimumMode": "perfect" }),
        ),
    ] {
        let said = apply("bad", &bad);
        ensure!(
            said.as_ref()
                .is_err_and(|refused| refused.to_string().contains(field)),
            "the API server does not refuse {bad} for `{field}`: {said:?}"
        );
    }
    stage
        .shop
        .kubectl(&["delete", "crd/protections.refloat.io"], "")?;
    Ok(())
}

fn snapshot_classes(stage: &Stage<'_>) -> Result<()> {
    let class = stage
        .shop
        .kubectl(&["get", "volumesnapshotclass", "btrfs", "-o", "json"], "")?;
    let mut class: Value = serde_json::from_str(&class)?;
    class["metadata"] = json!({
        "name": "second",
        "annotations": { "snapshot.storage.kubernetes.io/is-default-class": "true" },
    });
    stage
        .shop
        .kubectl(&["apply", "-f", "-"], &class.to_string())?;
    let answer = stage.backup(&["-n", "shop"], &[])?;
    refused(
        "two default classes",
        &answer,
        "snapshot-class-ambiguous",
        &["second", "btrfs"],
    )?;
    stage
        .shop
        .kubectl(&["delete", "volumesnapshotclass", "second", "btrfs"], "")?;
    let answer = stage.backup(&["-n", "shop"], &[])?;
    refused(
        "no snapshot class",
        &answer,
        "snapshot-class-missing",
        &["btrfs.csi.refloat.io"],
    )?;
    class["metadata"]["name"] = json!("btrfs");
    stage
        .shop
        .kubectl(&["apply", "-f", "-"], &class.to_string())?;
    Ok(())
}

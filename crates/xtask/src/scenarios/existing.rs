//! What is at the target already: updated, replaced; and a rollback that takes away what a recovery created, and nothing else.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use crate::testbed::{Site, output};

/// What the point says of the database.
const HOST: &str = "db.shop.svc.cluster.local";

/// What the operator makes of the campaign.
const OPERATORS: &str = "configmap/campaign-summer";

/// What a user has at the target: a namespace, one object that the point has too, one that it has not.
fn foreign() -> Value {
    let map = |name: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "shop", "labels": { "mine": "yes" } }, "data": data,
        })
    };
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } },
        map("web-settings", json!({ "DATABASE_HOST": "elsewhere", "EXTRA": "stays" })),
        map("mine", json!({ "a": "1" })),
    ] })
}

fn kubectl(stage: &Stage<'_>, arguments: &[&str]) -> Result<String> {
    let mut command = stage.testbed.kubectl(Site::Recovery);
    command.args(arguments);
    output(command)
}

fn settings(stage: &Stage<'_>) -> Result<Value> {
    let words = [
        "-n",
        "shop",
        "get",
        "configmap",
        "web-settings",
        "-o",
        "json",
    ];
    Ok(serde_json::from_str(&kubectl(stage, &words)?)?)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn recover(stage: &Stage<'_>, existing: &str) -> Result<String> {
    let answer = stage.refloat.answer(
        Some(Site::Recovery),
        &[
            "recover",
            "--protection",
            "shop",
            "--source-dead",
            "a scenario",
            "--yes",
            "--existing",
            existing,
        ],
        &[],
    )?;
    ensure!(
        answer.code == Some(0),
        "--existing {existing}: {} {}",
        answer.value,
        answer.said
    );
    let run = answer.value.get("run").and_then(Value::as_str);
    run.map(str::to_owned)
        .context("the recovery does not say its run")
}

/// Takes a recovery away; what stays in the namespace are the user's two objects.
fn rollback(stage: &Stage<'_>, run: &str) -> Result<()> {
    let words = ["rollback", "--run", run, "--yes", "--with-data"];
    let answer = stage.refloat.answer(Some(Site::Recovery), &words, &[])?;
    ensure!(
        answer.code == Some(0),
        "rollback: {} {}",
        answer.value,
        answer.said
    );
    let kinds = "deployments,statefulsets,services,secrets,configmaps,serviceaccounts,roles,rolebindings,ingresses,persistentvolumeclaims";
    let left = kubectl(stage, &["-n", "shop", "get", kinds, "-o", "name"])?;
    // The operator, too, made something while it ran: it is nobody's but the operator's.
    let left: Vec<&str> = left.lines().filter(|name| *name != OPERATORS).collect();
    let own = [
        "configmap/kube-root-ca.crt",
        "configmap/mine",
        "configmap/web-settings",
        "serviceaccount/default",
    ];
    ensure!(left == own, "left after the rollback: {left:?}");
    let cluster = [
        "get",
        "clusterroles,clusterrolebindings,customresourcedefinitions",
        "-o",
        "name",
    ];
    let of_shop: Vec<String> = kubectl(stage, &cluster)?
        .lines()
        .filter(|name| name.contains("campaign"))
        .map(str::to_owned)
        .collect();
    ensure!(of_shop.is_empty(), "left in the cluster: {of_shop:?}");
    stage.nothing_left(Site::Recovery)
}

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    let mut command = stage.testbed.kubectl(Site::Recovery);
    let file = stage.ground.scratch().join("foreign.json");
    std::fs::write(&file, foreign().to_string())?;
    command.args(["create", "-f"]).arg(&file);
    output(command)?;
    let before = settings(stage)?;

    let updated = recover(stage, "update")?;
    let now = settings(stage)?;
    ensure!(
        text(&now, "/metadata/uid") == text(&before, "/metadata/uid")
            && text(&now, "/data/DATABASE_HOST") == HOST
            && text(&now, "/data/EXTRA") == "stays"
            && text(&now, "/metadata/labels/mine") == "yes",
        "updated to {now}"
    );
    rollback(stage, &updated)?;

    let replaced = recover(stage, "replace")?;
    let now = settings(stage)?;
    ensure!(
        text(&now, "/metadata/uid") != text(&before, "/metadata/uid")
            && text(&now, "/data/DATABASE_HOST") == HOST
            && now.pointer("/data/EXTRA").is_none(),
        "replaced by {now}"
    );
    let mine = kubectl(
        stage,
        &[
            "-n",
            "shop",
            "get",
            "configmap",
            "mine",
            "-o",
            "jsonpath={.data.a}",
        ],
    )?;
    ensure!(
        mine == "1",
        "what the point does not know was touched: {mine:?}"
    );
    // What was replaced is the recovery's own now, so it goes with it.
    let words = ["rollback", "--run", &replaced, "--yes", "--with-data"];
    let answer = stage.refloat.answer(Some(Site::Recovery), &words, &[])?;
    ensure!(
        answer.code == Some(0),
        "rollback: {} {}",
        answer.value,
        answer.said
    );
    let left = kubectl(
        stage,
        &[
            "-n",
            "shop",
            "get",
            "configmaps,deployments,statefulsets",
            "-o",
            "name",
        ],
    )?;
    let left: Vec<&str> = left.lines().filter(|name| *name != OPERATORS).collect();
    ensure!(
        left == ["configmap/kube-root-ca.crt", "configmap/mine"],
        "left after the second rollback: {left:?}"
    );
    stage.clear(Site::Recovery)
}

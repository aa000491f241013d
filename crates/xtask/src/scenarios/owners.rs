//! What operators made: a Secret of a custom resource comes back, belongs to the resource that is there now, and goes with it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use crate::testbed::{Site, output};

const SECRET: &str = "campaign-summer-password";
const CAMPAIGN: &str = "campaigns.shop.example.com";
/// What the garbage collector may take.
const COLLECTED_WITHIN: Duration = Duration::from_mins(3);

fn kubectl(stage: &Stage<'_>, site: Site, words: &[&str]) -> Result<String> {
    let mut command = stage.testbed.kubectl(site);
    command.args(["-n", "shop"]).args(words);
    output(command)
}

fn object(stage: &Stage<'_>, site: Site, kind: &str, name: &str) -> Result<Value> {
    let found = kubectl(stage, site, &["get", kind, name, "-o", "json"])?;
    Ok(serde_json::from_str(&found)?)
}

/// The Secret as an operator makes it: a password from chance, owned by its resource.
fn make(stage: &Stage<'_>, campaign: &Value) -> Result<()> {
    let owner = json!({
        "apiVersion": "shop.example.com/v1", "kind": "Campaign", "name": "summer",
        "uid": campaign["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": SECRET, "namespace": "shop", "ownerReferences": [owner] },
        "stringData": { "password": "from chance" },
    });
    let file = stage.ground.scratch().join("secret.json");
    std::fs::write(&file, secret.to_string())?;
    let mut command = stage.testbed.kubectl(Site::Primary);
    command.args(["create", "-f"]).arg(&file);
    output(command).map(drop)
}

fn until_gone(stage: &Stage<'_>) -> Result<()> {
    let began = Instant::now();
    let words = ["get", "secret", SECRET, "--ignore-not-found", "-o", "name"];
    while !kubectl(stage, Site::Recovery, &words)?.trim().is_empty() {
        ensure!(
            began.elapsed() < COLLECTED_WITHIN,
            "its owner is gone and Secret {SECRET} is still there"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.clear(Site::Recovery)?;
    let before = object(stage, Site::Primary, CAMPAIGN, "summer")?;
    make(stage, &before)?;
    let made = stage.backup(&["-n", "shop"], &[])?;
    ensure!(
        made.code == Some(0),
        "a backup: {} {}",
        made.value,
        made.said
    );
    let secret = object(stage, Site::Primary, "secret", SECRET)?;
    kubectl(stage, Site::Primary, &["delete", "secret", SECRET])?;

    let words = [
        "recover",
        "--protection",
        "shop",
        "--source-dead",
        "a scenario",
        "--yes",
    ];
    let answer = stage.refloat.answer(Some(Site::Recovery), &words, &[])?;
    ensure!(
        answer.code == Some(0),
        "recover: {} {}",
        answer.value,
        answer.said
    );
    let campaign = object(stage, Site::Recovery, CAMPAIGN, "summer")?;
    let now = object(stage, Site::Recovery, "secret", SECRET)?;
    ensure!(now["data"] == secret["data"], "it came back as {now}");
    let owners = &now["metadata"]["ownerReferences"];
    let mut wanted = secret["metadata"]["ownerReferences"].clone();
    wanted[0]["uid"] = campaign["metadata"]["uid"].clone();
    ensure!(*owners == wanted, "it belongs to {owners}, not to {wanted}");
    ensure!(
        campaign["metadata"]["uid"] != before["metadata"]["uid"],
        "the resource has the uid of before"
    );

    kubectl(stage, Site::Recovery, &["delete", CAMPAIGN, "summer"])?;
    until_gone(stage)?;
    stage.nothing_left(Site::Recovery)?;
    stage.clear(Site::Recovery)
}

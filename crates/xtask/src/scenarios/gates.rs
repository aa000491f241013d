//! Gates of a user's own on real clusters: a condition, a command, a query and an answer over HTTP open by themselves; one that stays
//! closed ends stuck with its reason, and the same command goes on without it.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use super::bad_input::refused;
use crate::testbed::Site;

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.clear(Site::Recovery)?;
    let file = stage.testbed.scratch().join("gated.yaml");
    fs::write(&file, protection().to_string())?;
    let file = file.display().to_string();
    let backup = stage
        .refloat
        .answer(Some(Site::Primary), &["backup", "-f", &file], &[])?;
    ensure!(
        backup.code == Some(0) && backup.said.contains("gate never is not open here and now"),
        "{} {}",
        backup.value,
        backup.said
    );
    let all = [
        "recover",
        "--protection",
        "gated",
        "--yes",
        "--source-dead",
        "a scenario",
    ];
    let stuck = stage.refloat.answer(Some(Site::Recovery), &all, &[])?;
    refused(
        "a gate that stays closed",
        &stuck,
        "gate-closed-timeout",
        &[
            "gate never of StatefulSet.apps shop/db",
            "1 == 7",
            "--skip-gate never",
        ],
    )?;
    let skip = [&all[..], &["--skip-gate", "never"]].concat();
    let stuck = stage.refloat.answer(Some(Site::Recovery), &skip, &[])?;
    let told = stuck.value.to_string();
    // Between two tries the same is told under another code.
    let is_told = [
        "-timeout",
        "gate shut of Deployment.apps shop/web",
        "(limit 40 s)",
        "without the expected text",
        "--skip-gate shut",
    ]
    .iter()
    .all(|words| told.contains(words));
    ensure!(
        stuck.code == Some(1) && is_told,
        "an answer that is another: {:?} {told}",
        stuck.code
    );
    skipped_and_open(&stuck.said)?;
    let skip = [&skip[..], &["--skip-gate", "shut"]].concat();
    let went_on = stage.refloat.answer(Some(Site::Recovery), &skip, &[])?;
    ensure!(
        went_on.code == Some(0)
            && went_on
                .said
                .contains("gate shut of Deployment.apps shop/web is skipped"),
        "{} {}",
        went_on.value,
        went_on.said
    );
    stage.nothing_left(Site::Recovery)?;
    stage.clear(Site::Recovery)
}

/// One gate was skipped, and one behind it has opened.
fn skipped_and_open(said: &str) -> Result<()> {
    let skipped = "gate never of StatefulSet.apps shop/db is skipped";
    ensure!(said.contains(skipped), "no `{skipped}`: {said}");
    // A waiting line names the gate too: that of a step that is done has its number.
    let opened = "gate serves of Deployment.apps shop/web";
    let is_done = |line: &str| line.contains(opened) && line.contains('[');
    ensure!(
        said.lines().any(is_done),
        "no step `{opened}` is done: {said}"
    );
    Ok(())
}

/// The shop with gates of several kinds, two of which stay closed.
fn protection() -> Value {
    let db = json!({ "kind": "StatefulSet", "name": "db" });
    let web = json!({ "kind": "Deployment", "name": "web" });
    let query = "select count(*) > 0 from accounts";
    json!({
        "apiVersion": "refloat.io/v1alpha1", "kind": "Protection", "metadata": { "name": "gated" },
        "spec": { "namespaces": ["shop"], "gates": [
            { "name": "ready", "of": web,
              "cel": "object.status.readyReplicas == object.spec.replicas" },
            { "name": "listens", "of": db, "exec": { "command": ["pg_isready", "-U", "shop"] } },
            { "name": "accounts", "of": db,
              "sql": { "service": "db", "engine": "postgresql", "user": "shop", "database": "shop", "query": query, "expect": "t" } },
            { "name": "serves", "of": web,
              "http": { "service": "web", "status": 200, "contains": "open for business" } },
            { "name": "shut", "of": web, "secondsMax": 40,
              "http": { "service": "web", "contains": "shut for good" } },
            { "name": "never", "of": db, "secondsMax": 3, "cel": "object.status.readyReplicas == 7" },
        ] },
    })
}

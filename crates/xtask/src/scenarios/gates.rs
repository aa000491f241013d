//! Gates of a user's own on real clusters: a condition, a command and a query open by themselves; one that stays closed ends stuck with its
//! reason, and the same command goes on without it.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;

use super::Stage;
use super::bad_input::refused;
use crate::testbed::Site;

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.ground.clear(Site::Recovery)?;
    let db = json!({ "kind": "StatefulSet", "name": "db" });
    let file = stage.testbed.scratch().join("gated.yaml");
    let query = "select count(*) > 0 from accounts";
    let protection = json!({
        "apiVersion": "refloat.io/v1alpha1", "kind": "Protection", "metadata": { "name": "gated" },
        "spec": { "namespaces": ["shop"], "gates": [
            { "name": "ready", "of": { "kind": "Deployment", "name": "web" },
              "cel": "object.status.readyReplicas == object.spec.replicas" },
            { "name": "listens", "of": db, "exec": { "command": ["pg_isready", "-U", "shop"] } },
            { "name": "accounts", "of": db,
              "sql": { "service": "db", "engine": "postgresql", "user": "shop", "database": "shop", "query": query, "expect": "t" } },
            { "name": "never", "of": db, "secondsMax": 3, "cel": "object.status.readyReplicas == 7" },
        ] },
    });
    fs::write(&file, protection.to_string())?;
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
    let went_on = stage.refloat.answer(Some(Site::Recovery), &skip, &[])?;
    ensure!(
        went_on.code == Some(0)
            && went_on
                .said
                .contains("gate never of StatefulSet.apps shop/db is skipped"),
        "{} {}",
        went_on.value,
        went_on.said
    );
    stage.nothing_left(Site::Recovery)?;
    stage.ground.clear(Site::Recovery)
}

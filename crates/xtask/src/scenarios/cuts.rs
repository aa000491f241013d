//! Databases that cannot be taken, and cuts that fail or never come.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use super::bad_input::refused;
use crate::refloat::Answer;
use crate::testbed::Site;

pub(super) fn databases(stage: &Stage<'_>) -> Result<()> {
    let with = |settings: Value| {
        let engines = json!([{ "kind": "StatefulSet", "name": "db", "settings": settings }]);
        json!({ "namespaces": ["shop"], "engines": engines })
    };
    let ask = |name: &str, spec: &Value| -> Result<Answer> {
        let file = stage.protection(name, spec)?;
        stage
            .refloat
            .answer(Some(Site::Primary), &["backup", "-f", &file], &[])
    };
    let answer = ask("user", &with(json!({ "user": "nobody-here" })))?;
    refused(
        "wrong user",
        &answer,
        "database-user",
        &["nobody-here", "shop/db"],
    )?;
    let answer = ask("container", &with(json!({ "container": "sidecar" })))?;
    refused(
        "no such container",
        &answer,
        "container-missing",
        &["sidecar"],
    )?;
    stage.shop.sql("ALTER SYSTEM SET fsync = off")?;
    stage.shop.sql("SELECT pg_reload_conf()")?;
    let answer = stage.backup(&["-n", "shop"], &[])?;
    refused("fsync off", &answer, "mode-too-weak", &["fsync"])?;
    stage.shop.sql("ALTER SYSTEM RESET fsync")?;
    stage.shop.sql("SELECT pg_reload_conf()")?;
    stage.shop.kubectl(
        &["-n", "shop", "scale", "statefulset/db", "--replicas=0"],
        "",
    )?;
    stage.shop.kubectl(
        &[
            "-n",
            "shop",
            "wait",
            "--for=delete",
            "pod/db-0",
            "--timeout=180s",
        ],
        "",
    )?;
    let answer = stage.backup(&["-n", "shop"], &[])?;
    refused(
        "database down",
        &answer,
        "pod-not-running-timeout",
        &["shop/db"],
    )?;
    stage.shop.kubectl(
        &["-n", "shop", "scale", "statefulset/db", "--replicas=1"],
        "",
    )?;
    stage.shop.rolled_out("statefulset/db")?;
    stage.nothing_left(Site::Primary)
}

pub(super) fn cuts(stage: &Stage<'_>) -> Result<()> {
    let ask = |faults: Value, snapshot: Value| -> Result<Answer> {
        let spec = json!({ "namespaces": ["shop"], "snapshot": snapshot });
        let file = stage.protection("cuts", &spec)?;
        fs::write(
            stage.testbed.control_file(Site::Primary),
            faults.to_string(),
        )?;
        let answer = stage
            .refloat
            .answer(Some(Site::Primary), &["backup", "-f", &file], &[]);
        fs::write(stage.testbed.control_file(Site::Primary), "{}")?;
        answer
    };
    let full = json!({ "fail_snapshot": "the array is full" });
    // Its failure has to be told before its time is over, by a slow machine too.
    let answer = ask(full, json!({ "cutSecondsMax": 25 }))?;
    refused(
        "failing cut",
        &answer,
        "waiting-for-cut-timeout",
        &["the array is full", "shop/data-db-0"],
    )?;
    let slow = json!({ "cut_delay_seconds": 30 });
    let answer = ask(slow, json!({ "cutSecondsMax": 6 }))?;
    refused(
        "slow cut",
        &answer,
        "waiting-for-cut-timeout",
        &["shop/data-db-0"],
    )?;
    // A cut that is made but not yet uploaded counts; the data is moved when it is ready.
    let answer = ask(json!({ "ready_delay_seconds": 4 }), json!({}))?;
    ensure!(
        answer.code == Some(0),
        "late upload: {} {}",
        answer.value,
        answer.said
    );
    Ok(())
}

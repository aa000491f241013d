//! One volume back beside the living database, and a recovery in two goes.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Stage, state};
use crate::shop;
use crate::testbed::{Site, output};

const NAME: &str = "data-db-0-yesterday";
/// A pod that reads the volume beside the running one.
const READER: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"reader","namespace":"shop"},"spec":{"restartPolicy":"Never",
"containers":[{"name":"reader","image":"refloat.local/postgres:15","imagePullPolicy":"Never",
"command":["sh","-c","cat /volume/pgdata/PG_VERSION; ls /volume/pgdata/base | wc -l"],
"volumeMounts":[{"name":"volume","mountPath":"/volume"}]}],
"volumes":[{"name":"volume","persistentVolumeClaim":{"claimName":"data-db-0-yesterday"}}]}}"#;

fn kubectl(stage: &Stage<'_>, site: Site, arguments: &[&str]) -> Result<String> {
    let mut command = stage.testbed.kubectl(site);
    command.args(arguments);
    Ok(output(command)?.trim().to_owned())
}

/// When the database's server started, and how often its container was restarted.
fn server(stage: &Stage<'_>) -> Result<(String, String)> {
    let started = shop::query(
        stage.ground,
        Site::Primary,
        "SELECT pg_postmaster_start_time()",
    )?;
    let pod = [
        "-n",
        "shop",
        "get",
        "pod",
        "db-0",
        "-o",
        "jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}",
    ];
    Ok((started, kubectl(stage, Site::Primary, &pod)?))
}

/// In the living cluster: the volume comes back under another name, bound and filled, and nobody notices.
pub(super) fn one_volume(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    let before = server(stage)?;
    let volume = [
        "recover",
        "--protection",
        "shop",
        "--yes",
        "--only",
        "pvc/data-db-0",
    ];
    let in_the_way = stage.refloat.answer(Some(Site::Primary), &volume, &[])?;
    ensure!(
        in_the_way.code == Some(1) && in_the_way.problems() == ["already-exists"],
        "over the living volume: {} {}",
        in_the_way.value,
        in_the_way.said
    );
    let beside = [&volume[..], &["--as", NAME]].concat();
    let done = stage.refloat.answer(Some(Site::Primary), &beside, &[])?;
    ensure!(
        done.code == Some(0),
        "one volume: {} {}",
        done.value,
        done.said
    );
    let phase = [
        "-n",
        "shop",
        "get",
        "pvc",
        NAME,
        "-o",
        "jsonpath={.status.phase}",
    ];
    let phase = kubectl(stage, Site::Primary, &phase)?;
    ensure!(phase == "Bound", "the volume is {phase}");
    stage.shop.kubectl(&["apply", "-f", "-"], READER)?;
    let ended = [
        "-n",
        "shop",
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "--timeout=180s",
        "pod/reader",
    ];
    kubectl(stage, Site::Primary, &ended)?;
    let read = kubectl(stage, Site::Primary, &["-n", "shop", "logs", "reader"])?;
    ensure!(
        read.starts_with("15\n"),
        "no database lies on the volume: {read:?}"
    );
    ensure!(
        server(stage)? == before,
        "the running database was disturbed"
    );
    stage.nothing_left(Site::Primary)?;
    kubectl(
        stage,
        Site::Primary,
        &["-n", "shop", "delete", "pod/reader", &format!("pvc/{NAME}")],
    )?;
    Ok(())
}

const RECOVER: [&str; 6] = [
    "recover",
    "--protection",
    "shop",
    "--source-dead",
    "a scenario",
    "--yes",
];

fn recovered(stage: &Stage<'_>, more: &[&str]) -> Result<Value> {
    Ok(done(stage, &[&RECOVER[..], more].concat())?.value)
}

fn done(stage: &Stage<'_>, words: &[&str]) -> Result<crate::refloat::Answer> {
    let answer = stage.refloat.answer(Some(Site::Recovery), words, &[])?;
    ensure!(
        answer.code == Some(0),
        "{words:?}: {} {}",
        answer.value,
        answer.said
    );
    Ok(answer)
}

const GO_ON: [&str; 4] = ["recover", "--protection", "shop", "--yes"];

/// Who goes on and says nothing of the source is told what was said of it last.
fn go_on_in_silence(stage: &Stage<'_>, more: &[&str], word: &str) -> Result<()> {
    let answer = done(stage, &[&GO_ON[..], more].concat())?;
    let warnings = answer.value["warnings"].to_string();
    ensure!(
        answer.said.contains(word) && warnings.contains(word),
        "not told: {} {warnings}",
        answer.said
    );
    Ok(())
}

fn whole(stage: &Stage<'_>) -> Result<BTreeMap<String, Value>> {
    stage.clear(Site::Recovery)?;
    recovered(stage, &[])?;
    let found = state::of(stage.ground, Site::Recovery)?;
    stage.clear(Site::Recovery)?;
    Ok(found)
}

/// Paused after the databases there is no web server, and the end is that of a recovery in one go.
pub(super) fn two_goes(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    let expected = whole(stage)?;
    let paused = recovered(stage, &["--until", "databases"])?;
    ensure!(
        paused.get("paused_after") == Some(&Value::from("databases")),
        "it did not pause: {paused}"
    );
    let accounts = shop::query(
        stage.ground,
        Site::Recovery,
        "SELECT count(*) > 0 FROM accounts",
    )?;
    ensure!(accounts == "t", "the database does not answer: {accounts}");
    let there = kubectl(
        stage,
        Site::Recovery,
        &["-n", "shop", "get", "deployments,ingresses", "-o", "name"],
    )?;
    ensure!(
        !there.contains("/web"),
        "there is a web server in the pause: {there}"
    );
    stage.nothing_left(Site::Recovery)?;
    let again = stage.refloat.answer(Some(Site::Recovery), &RECOVER, &[])?;
    ensure!(
        again.code == Some(1) && again.problems() == ["recovery-paused"],
        "a paused recovery went on by itself: {} {}",
        again.value,
        again.said
    );
    let status = stage
        .refloat
        .answer(Some(Site::Recovery), &["status"], &[])?;
    ensure!(
        status
            .value
            .to_string()
            .contains("\"paused_after\":\"databases\""),
        "status does not show it: {}",
        status.value
    );
    go_on_in_silence(stage, &["--until", "queues"], "a scenario")?;
    let word = ["--source-dead", "seen burning"];
    let more = [&GO_ON[..], &["--until", "applications"], &word].concat();
    done(stage, &more)?;
    go_on_in_silence(stage, &["--continue"], "seen burning")?;
    let found = state::of(stage.ground, Site::Recovery)?;
    let differences = state::differences(&expected, &found);
    ensure!(
        differences.is_empty(),
        "the end states differ: {differences:?}"
    );
    stage.nothing_left(Site::Recovery)?;
    stage.clear(Site::Recovery)
}

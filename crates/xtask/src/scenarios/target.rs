//! Bad input of a recovery: a target that does not fit, a source that lives.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::Stage;
use super::bad_input::refused;
use crate::refloat::Answer;
use crate::testbed::{Site, output};

impl Stage<'_> {
    fn recover(&self, arguments: &[&str]) -> Result<Answer> {
        let all = [&["recover", "--protection", "shop", "--yes"], arguments].concat();
        self.refloat.answer(Some(Site::Recovery), &all, &[])
    }

    fn at(&self, site: Site, arguments: &[&str]) -> Result<String> {
        let mut command = self.testbed.kubectl(site);
        command.args(arguments);
        output(command)
    }
}

const DEAD: [&str; 2] = ["--source-dead", "a scenario"];

pub(super) fn unfit(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    let answer = stage.recover(&[])?;
    refused(
        "no evidence",
        &answer,
        "source-may-be-alive",
        &["--source-dead", "primary"],
    )?;
    let source = stage
        .testbed
        .kubeconfig(Site::Primary)
        .display()
        .to_string();
    let answer = stage.recover(&["--source-kubeconfig", &source])?;
    refused("the source lives", &answer, "source-alive", &["shop/"])?;
    let other = stage
        .testbed
        .kubeconfig(Site::Recovery)
        .display()
        .to_string();
    let answer = stage.recover(&["--source-kubeconfig", &other])?;
    refused("not the source", &answer, "source-other-cluster", &[])?;
    let answer = stage.recover(&["--source-dead", " "])?;
    refused("no reason", &answer, "reason-missing", &[])?;
    let answer = stage.refloat.answer(
        Some(Site::Recovery),
        &[
            "recover",
            "--protection",
            "nothing",
            "--yes",
            "--source-dead",
            "x",
        ],
        &[],
    )?;
    refused("no such protection", &answer, "point-missing", &["nothing"])?;
    storage_class(stage)?;
    namespace_in_use(stage)
}

fn storage_class(stage: &Stage<'_>) -> Result<()> {
    let class = stage.at(
        Site::Recovery,
        &["get", "storageclass", "btrfs", "-o", "json"],
    )?;
    stage.at(Site::Recovery, &["delete", "storageclass", "btrfs"])?;
    let answer = stage.recover(&DEAD)?;
    let file = stage.testbed.scratch().join("class.json");
    fs::write(&file, class)?;
    stage.at(
        Site::Recovery,
        &["apply", "-f", &file.display().to_string()],
    )?;
    refused(
        "no storage class",
        &answer,
        "storage-class-missing",
        &["btrfs", "--map-storage-class"],
    )?;
    Ok(())
}

fn namespace_in_use(stage: &Stage<'_>) -> Result<()> {
    stage.at(Site::Recovery, &["create", "namespace", "shop"])?;
    stage.at(
        Site::Recovery,
        &[
            "-n",
            "shop",
            "create",
            "configmap",
            "mine",
            "--from-literal=a=b",
        ],
    )?;
    let answer = stage.recover(&DEAD)?;
    refused(
        "namespace in use",
        &answer,
        "namespace-in-use",
        &["shop", "ConfigMap shop/mine", "--existing skip"],
    )?;
    let mine = stage.at(
        Site::Recovery,
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
    ensure!(mine == "b", "what was there was changed: {mine}");
    stage.clear(Site::Recovery)
}

/// An image that nobody has: a backup fails and cleans up, a recovery goes on once it is given another. The backup's registry has no
/// address, which may pass: it gives it two minutes. The recovery's image has a name that is none.
pub(super) fn without_image(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    let none = [("REFLOAT_MOVER_IMAGE", "refloat.local/nobody-has-this:1")];
    let answer = stage.backup(&["-n", "shop"], &none)?;
    refused(
        "a backup",
        &answer,
        "mover-image",
        &["nobody-has-this", "--mover-image"],
    )?;
    stage.nothing_left(Site::Primary)?;
    // No registry is asked for a name that is none: here nobody waits for the next pull.
    let typed_wrong = [("REFLOAT_MOVER_IMAGE", "refloat.local/Refloat:dev")];
    let all = [&["recover", "--protection", "shop", "--yes"], &DEAD[..]].concat();
    let answer = stage
        .refloat
        .answer(Some(Site::Recovery), &all, &typed_wrong)?;
    refused(
        "a recovery",
        &answer,
        "mover-image",
        &["refloat.local/Refloat:dev", "--mover-image"],
    )?;
    let answer = stage.refloat.answer(Some(Site::Recovery), &all, &[])?;
    ensure!(
        answer.code == Some(0) && answer.said.contains("going on with recovery"),
        "it did not go on with another image: {} {}",
        answer.value,
        answer.said
    );
    stage.nothing_left(Site::Recovery)?;
    stage.clear(Site::Recovery)
}

/// The storage has no room; the recovery waits and says why, and goes on when there is.
pub(super) fn without_space(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    let control = stage.testbed.control_file(Site::Recovery);
    fs::write(
        &control,
        json!({ "fail_volume": "no space left in the pool" }).to_string(),
    )?;
    let log = stage.testbed.scratch().join("space.log");
    let all = [&["recover", "--protection", "shop", "--yes"], &DEAD[..]].concat();
    let mut child = stage
        .refloat
        .command(Some(Site::Recovery), &all)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    let start = Instant::now();
    let said = loop {
        let said = fs::read_to_string(&log)?;
        if said.contains("no space left in the pool") || start.elapsed() > Duration::from_mins(3) {
            break said;
        }
        thread::sleep(Duration::from_millis(200));
    };
    fs::write(&control, "{}")?;
    let ended = child.wait()?;
    ensure!(
        said.contains("no space left in the pool"),
        "it does not say what it waits for: {said}"
    );
    ensure!(
        ended.success(),
        "it did not go on: {}",
        fs::read_to_string(&log)?
    );
    stage.clear(Site::Recovery)
}

//! The vault and its store: refused, cut off, damaged; and stock restic on what the mover wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Stage;
use super::bad_input::refused;
use crate::testbed::{Site, output};

/// It fails at so many backups that ended before a mover of theirs was seen at work: its phase may pass between two looks.
const MISSED_MAX: u32 = 3;

pub(super) fn refusing(stage: &Stage<'_>) -> Result<()> {
    let ask = |environment: &[(&str, &str)]| stage.backup(&["-n", "shop"], environment);
    let answer = ask(&[("REFLOAT_S3_ENDPOINT", "http://127.0.0.1:1")])?;
    refused(
        "nobody answers",
        &answer,
        "vault-unreachable",
        &["--s3-endpoint"],
    )?;
    let answer = ask(&[("REFLOAT_VAULT", "s3://no-such-bucket/x")])?;
    refused("no bucket", &answer, "vault-bucket-missing", &[])?;
    let answer = ask(&[("AWS_SECRET_ACCESS_KEY", "wrong")])?;
    refused(
        "wrong secret",
        &answer,
        "vault-credentials",
        &["AWS_SECRET_ACCESS_KEY"],
    )?;
    let answer = ask(&[("AWS_ACCESS_KEY_ID", "nobody")])?;
    refused("wrong id", &answer, "vault-credentials", &[])?;
    let answer = ask(&[("REFLOAT_VAULT", "ftp://x")])?;
    refused("no address", &answer, "vault-location", &["ftp://x"])?;
    stage.nothing_left(Site::Primary)
}

/// Where the S3 server keeps the bucket's objects, one file each.
pub(super) fn bucket(stage: &Stage<'_>) -> Result<PathBuf> {
    let name = stage.testbed.object_store()?.bucket;
    Ok(stage.testbed.state().path().join("s3/data").join(name))
}

/// The S3 server is killed while a part is on its way; a supervisor brings it back. The backup ends with a point or with a
/// clear error, never with a point that lacks something, and leaves nothing.
pub(super) fn dying(stage: &Stage<'_>) -> Result<()> {
    let mut missed = 0;
    while !dies_in_the_middle(stage)? {
        missed += 1;
        ensure!(
            missed < MISSED_MAX,
            "{missed} backups ended before a mover was seen at work"
        );
    }
    stage.testbed.wait_for_object_store()?;
    let again = stage.backup(&["-n", "shop"], &[])?;
    ensure!(
        again.code == Some(0),
        "the next backup: {} {}",
        again.value,
        again.said
    );
    stage.shop.sql("DROP TABLE noise")?;
    let verified = stage.refloat.answer(
        Some(Site::Recovery),
        &["verify", "--protection", "shop", "--read-data"],
        &[],
    )?;
    ensure!(
        verified.code == Some(0),
        "the point does not verify: {}",
        verified.value
    );
    stage.nothing_left(Site::Primary)
}

/// Kills the S3 server while a mover of a backup runs; false when the backup ended before one was seen.
fn dies_in_the_middle(stage: &Stage<'_>) -> Result<bool> {
    // New data each time: what the store has already is not sent again.
    stage.shop.sql("DROP TABLE IF EXISTS noise")?;
    stage.shop.sql("CREATE TABLE noise AS SELECT n, md5(random()::text) || md5(random()::text) AS text FROM generate_series(1, 900000) AS n")?;
    let mut child = stage
        .refloat
        .command(
            Some(Site::Primary),
            &["backup", "--protection", "shop", "-n", "shop", "-o", "json"],
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if !a_mover_runs(stage, &mut child, Duration::from_mins(3))? {
        let ended = child.wait()?;
        ensure!(ended.success(), "an undisturbed backup ended with {ended}");
        return Ok(false);
    }
    thread::sleep(Duration::from_millis(700));
    stage.testbed.kill_object_store()?;
    let code = child.wait()?.code();
    ensure!(
        matches!(code, Some(0 | 1)),
        "the backup ended with {code:?}"
    );
    Ok(true)
}

/// Waits until a mover runs; false when the backup ends before.
fn a_mover_runs(stage: &Stage<'_>, backup: &mut Child, limit: Duration) -> Result<bool> {
    let start = std::time::Instant::now();
    loop {
        let mut command = stage.testbed.kubectl(Site::Primary);
        command.args([
            "-n",
            "refloat-system",
            "get",
            "pods",
            "-o",
            "jsonpath={.items[*].status.phase}",
        ]);
        if output(command).unwrap_or_default().contains("Running") {
            return Ok(true);
        }
        if backup.try_wait()?.is_some() {
            return Ok(false);
        }
        ensure!(start.elapsed() < limit, "no mover ran");
        thread::sleep(Duration::from_millis(50));
    }
}

fn restic_program() -> Result<PathBuf> {
    let path = PathBuf::from("/usr/bin/restic");
    if !path.exists() {
        let installed = Command::new("apt-get")
            .args(["install", "-y", "-q", "restic"])
            .output()?;
        ensure!(
            installed.status.success(),
            "apt-get could not install restic"
        );
    }
    Ok(path)
}

pub(super) fn restic(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    let program = restic_program()?;
    let text = fs::read_to_string(stage.refloat.key("recovery.key"))?;
    let password = text
        .lines()
        .skip_while(|line| !line.contains("with the password"))
        .nth(1)
        .context("the recovery key names no restic password")?
        .trim();
    let store = stage.testbed.object_store()?;
    let target = stage.testbed.scratch().join("restic");
    let run = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new(&program);
        command
            .args(["--no-cache", "--no-lock", "-r"])
            .arg(format!(
                "s3:{}/{}/scenarios/repository",
                store.endpoint, store.bucket
            ))
            .args(arguments)
            .env("RESTIC_PASSWORD", password)
            .env("AWS_ACCESS_KEY_ID", &store.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &store.secret_key);
        output(command)
    };
    run(&["check", "--read-data"])?;
    let point = stage.refloat.newest_point()?;
    let listed: Value = serde_json::from_str(&run(&["snapshots", "--json"])?)?;
    let listed = listed.as_array().context("restic lists no snapshots")?;
    let volumes = listed
        .iter()
        .filter(|one| one.to_string().contains("shop/data-db-0"))
        .count();
    ensure!(
        volumes > 0,
        "restic lists no snapshot of the volume (newest point {point}): {listed:?}"
    );
    run(&[
        "restore",
        "latest",
        "--tag",
        "part=shop/data-db-0",
        "--target",
        &target.display().to_string(),
    ])
    .or_else(|_| {
        run(&[
            "restore",
            newest_of(listed)?,
            "--target",
            &target.display().to_string(),
        ])
    })?;
    let mut find = Command::new("find");
    find.arg(&target)
        .args(["-name", "PG_VERSION", "-path", "*pgdata/PG_VERSION"]);
    let found = output(find)?;
    ensure!(
        !found.trim().is_empty(),
        "restic restored no PostgreSQL data directory"
    );
    fs::remove_dir_all(&target)?;
    Ok(())
}

fn newest_of(listed: &[Value]) -> Result<&str> {
    listed
        .iter()
        .rev()
        .find(|one| one.to_string().contains("shop/data-db-0"))
        .and_then(|one| one.get("id")?.as_str())
        .context("no snapshot of the volume")
}

/// A copy of the vault under another prefix, to be damaged.
fn copy(stage: &Stage<'_>, name: &str) -> Result<PathBuf> {
    let bucket = bucket(stage)?;
    let mut command = Command::new("cp");
    command
        .args(["-a", "--reflink=auto"])
        .arg(bucket.join("scenarios"))
        .arg(bucket.join(name));
    output(command)?;
    Ok(bucket.join(name))
}

fn points(vault: &Path) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = fs::read_dir(vault.join("points/shop"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    all.sort();
    ensure!(
        all.len() >= 3,
        "the damage needs three points, {} are there",
        all.len()
    );
    Ok(all)
}

/// Changes one character of an envelope's payload to another that Base64 has, too.
fn flip(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    // In place: the S3 server keeps what it knows of an object in the file's attributes.
    fs::write(path, bytes)?;
    Ok(())
}

pub(super) fn damaged(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(3)?;
    let store = stage.testbed.object_store()?;
    let address = |name: &str| format!("s3://{}/{name}", store.bucket);
    let ask = |name: &str, arguments: &[&str]| {
        stage.refloat.answer(
            Some(Site::Recovery),
            arguments,
            &[("REFLOAT_VAULT", &address(name))],
        )
    };
    let verify = ["verify", "--protection", "shop", "--read-data"];

    flip(
        points(&copy(stage, "flipped")?)?
            .last()
            .context("no point")?,
    )?;
    refused(
        "flipped byte",
        &ask("flipped", &verify)?,
        "vault-untrusted",
        &["--point", "points/shop/"],
    )?;
    let listed = ask("flipped", &["points"])?;
    ensure!(
        listed.value.to_string().contains("\"usable\":false"),
        "flipped: {}",
        listed.value
    );

    fs::remove_file(&points(&copy(stage, "gap")?)?[1])?;
    let listed = ask("gap", &["points"])?;
    ensure!(
        listed.value.to_string().contains("deleted by somebody"),
        "gap: {}",
        listed.value
    );
    refused(
        "gap",
        &ask("gap", &["vault", "check"])?,
        "vault-damaged",
        &[],
    )?;

    let packs = copy(stage, "packs")?.join("repository/data");
    fs::remove_dir_all(&packs)?;
    let answer = ask("packs", &verify)?;
    ensure!(
        answer.code == Some(1) && !answer.problems().is_empty(),
        "parts gone: {}",
        answer.value
    );

    let root = copy(stage, "newer")?.join("refloat.json");
    let text = fs::read_to_string(&root)?.replace("\"format\": 1", "\"format\": 9");
    fs::write(&root, text)?;
    refused(
        "newer format",
        &ask("newer", &verify)?,
        "vault-format-newer",
        &["refloat.json", "9"],
    )?;

    other_keys(stage, &address("other"))?;
    for name in ["flipped", "gap", "packs", "newer", "other"] {
        fs::remove_dir_all(bucket(stage)?.join(name))?;
    }
    Ok(())
}

/// The keys of another vault do not open this one, and a key file that was cut off says so.
fn other_keys(stage: &Stage<'_>, other: &str) -> Result<()> {
    let scratch = stage.testbed.scratch();
    let path = |name: &str| scratch.join(name).display().to_string();
    let (recovery, root) = (path("other.key"), path("other-root.key"));
    let made = stage.refloat.answer(
        None,
        &[
            "vault",
            "init",
            "--recovery-key-file",
            &recovery,
            "--root-key-file",
            &root,
        ],
        &[("REFLOAT_VAULT", other)],
    )?;
    ensure!(made.code == Some(0), "a second vault: {}", made.value);
    let answer = stage
        .refloat
        .answer(None, &["points", "--recovery-key", &recovery], &[])?;
    refused("key of another vault", &answer, "vault-wrong-key", &[])?;
    let text = fs::read_to_string(&recovery)?;
    fs::write(&recovery, &text[..text.len() - 60])?;
    let answer = stage
        .refloat
        .answer(None, &["points", "--recovery-key", &recovery], &[])?;
    refused("key cut off", &answer, "key-file", &["other.key"])?;
    let answer = stage
        .refloat
        .answer(None, &["points", "--recovery-key", &root], &[])?;
    refused("key of another kind", &answer, "key-file", &["root key"])
}

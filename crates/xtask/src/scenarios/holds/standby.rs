//! A primary with its standby: the standby is held and copied, and comes back as a primary with a standby of its own.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::Stage;
use crate::captured::Captured;
use crate::ledger::until_let_go;
use crate::printer::say;
use crate::shop::Shop;
use crate::testbed::Site;

const MANIFESTS: &str = include_str!("../../../../../testbed/scenarios/pair/pair.yaml");

/// So often the standby is backed up while it lags again.
const TRIES: u32 = 4;

struct Pair<'a> {
    stage: &'a Stage<'a>,
}

impl Pair<'_> {
    fn kubectl(&self, site: Site, arguments: &[&str], input: &str) -> Result<String> {
        Shop::new(self.stage.ground, site).kubectl(arguments, input)
    }

    fn sql(&self, site: Site, pod: &str, sql: &str) -> Result<String> {
        let exec = [
            "-n",
            "pair",
            "exec",
            "-i",
            pod,
            "--",
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "pair",
        ];
        Ok(self.kubectl(site, &exec, sql)?.trim().to_owned())
    }

    fn ready(&self, site: Site) -> Result<()> {
        let wait = [
            "-n",
            "pair",
            "rollout",
            "status",
            "statefulset/db",
            "--timeout=180s",
        ];
        self.kubectl(site, &wait, "").map(drop)
    }

    /// Waits until the standby streams and has replayed everything.
    fn caught_up(&self, site: Site) -> Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn();";
        let begun = Instant::now();
        while self.sql(site, "db-0", sql)? != "1" {
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "the standby does not catch up"
            );
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The lag that is told is the last one that was measured, for ten seconds and more: small again after some more rows. They go into a
    /// table of their own, as others are counted.
    fn lags_little(&self) -> Result<()> {
        let write = "INSERT INTO beside VALUES (0); SELECT coalesce(extract(epoch FROM max(replay_lag)), 0) < 0.5 FROM pg_stat_replication;";
        let begun = Instant::now();
        while self.sql(Site::Primary, "db-0", write)? != "t" {
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "the standby stays behind"
            );
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Waits until no session of ours is in either database, and nothing that it left.
    fn let_go(&self) -> Result<()> {
        until_let_go(&|ours| {
            let left = ["db-0", "db-1"].map(|pod| self.sql(Site::Primary, pod, ours));
            left.into_iter().collect()
        })
    }

    /// A backup of the standby: taken again while its lag was too much once more, small as it was just before.
    fn backup_of_standby(&self) -> Result<(Value, String)> {
        for _ in 1..TRIES {
            let made = self.backup("held")?;
            let (_, evidence) = &made;
            let lagged = evidence.contains("copied from the primary: db-1 is ")
                && evidence.contains(" bytes behind");
            if !lagged {
                return Ok(made);
            }
            say(format_args!("  again: {evidence}"));
            self.caught_up(Site::Primary)?;
            self.lags_little()?;
        }
        self.backup("held")
    }

    /// A backup; its point as `points` shows it and what of the member was checked.
    fn backup(&self, minimum: &str) -> Result<(Value, String)> {
        let refloat = &self.stage.refloat;
        let words = [
            "backup",
            "--protection",
            "pair",
            "-n",
            "pair",
            "--minimum-mode",
            minimum,
        ];
        let captured = Captured {
            testbed: self.stage.testbed,
            refloat,
            protection: "pair",
        };
        let take = || refloat.answer(Some(Site::Primary), &words, &[]);
        let made = captured.take(&take, &|| self.let_go())?;
        ensure!(made.code == Some(0), "backup: {} {}", made.value, made.said);
        let evidence = made.value.pointer("/members/0/evidence").cloned();
        Ok((made.value, evidence.unwrap_or_default().to_string()))
    }

    fn recover(&self) -> Result<()> {
        let made = self.stage.refloat.answer(
            Some(Site::Recovery),
            &["recover", "--protection", "pair", "--isolated", "--yes"],
            &[],
        )?;
        ensure!(
            made.code == Some(0),
            "recover: {} {}",
            made.value,
            made.said
        );
        self.ready(Site::Recovery)?;
        self.caught_up(Site::Recovery)
    }

    fn clear(&self, site: Site) -> Result<()> {
        let delete = [
            "delete",
            "namespace",
            "pair",
            "--ignore-not-found",
            "--timeout=120s",
        ];
        self.kubectl(site, &delete, "").map(drop)
    }
}

pub(in crate::scenarios) fn standby(stage: &Stage<'_>) -> Result<()> {
    let pair = Pair { stage };
    pair.kubectl(
        Site::Primary,
        &["apply", "--server-side", "-f", "-"],
        MANIFESTS,
    )?;
    pair.ready(Site::Primary)?;
    pair.sql(
        Site::Primary,
        "db-0",
        "CREATE EXTENSION amcheck; CREATE TABLE numbers AS SELECT n, md5(n::text) AS text FROM generate_series(1, 200000) AS n; \
         CREATE INDEX ON numbers (text); CREATE TABLE beside (n int);",
    )?;
    pair.caught_up(Site::Primary)?;
    pair.lags_little()?;
    copied(&pair)?;
    passed_over(&pair)?;
    promoted(&pair)?;
    pair.clear(Site::Primary)?;
    stage.nothing_left(Site::Primary)
}

/// The standby is copied, and comes back as a primary with a standby that is rebuilt from it.
fn copied(pair: &Pair<'_>) -> Result<()> {
    let (made, evidence) = pair.backup_of_standby()?;
    ensure!(
        evidence.contains("copied from a standby: db-1"),
        "the standby was not taken: {evidence}"
    );
    let findings = made
        .get("findings")
        .cloned()
        .unwrap_or_default()
        .to_string();
    ensure!(
        findings.contains("replica-left-out") && findings.contains("pair/data-db-1"),
        "nothing is said of what comes back empty: {findings}"
    );
    pair.recover().context("the copy of the standby")?;
    let role = pair.sql(
        Site::Recovery,
        "db-0",
        "SELECT pg_is_in_recovery()::text || ' ' || count(*) || ' ' || sum(n) FROM numbers;",
    )?;
    ensure!(role == "false 200000 20000100000", "what came back: {role}");
    let check = [
        "-n",
        "pair",
        "exec",
        "db-0",
        "--",
        "pg_amcheck",
        "-U",
        "pair",
        "-d",
        "pair",
        "--heapallindexed",
    ];
    let found = pair.kubectl(Site::Recovery, &check, "")?;
    ensure!(found.trim().is_empty(), "pg_amcheck: {found}");
    let twice = pair.sql(
        Site::Recovery,
        "db-1",
        "SELECT pg_is_in_recovery()::text || ' ' || count(*) FROM numbers;",
    )?;
    ensure!(twice == "true 200000", "the rebuilt standby: {twice}");
    say("  a standby was copied, and came back as a primary with a standby rebuilt from it");
    pair.clear(Site::Recovery)
}

/// A standby that lags is not taken, and what it lacks is in the copy.
fn passed_over(pair: &Pair<'_>) -> Result<()> {
    pair.sql(Site::Primary, "db-1", "SELECT pg_wal_replay_pause();")?;
    pair.sql(
        Site::Primary,
        "db-0",
        "INSERT INTO numbers SELECT n, md5(n::text) FROM generate_series(200001, 400000) AS n;",
    )?;
    thread::sleep(Duration::from_secs(2));
    pair.sql(
        Site::Primary,
        "db-0",
        "INSERT INTO numbers VALUES (400001, 'last');",
    )?;
    let (_, evidence) = pair.backup("atomic-volume")?;
    ensure!(
        evidence.contains("copied from the primary: db-1 is"),
        "a standby that lags was taken: {evidence}"
    );
    pair.recover().context("the copy of the primary")?;
    let rows = pair.sql(Site::Recovery, "db-0", "SELECT count(*) FROM numbers;")?;
    ensure!(rows == "400001", "what came back of the primary: {rows}");
    say("  a standby that lags was passed over");
    pair.clear(Site::Recovery)
}

/// The standby is promoted while its volume is cut: its copy would not be one of a standby, and is thrown away.
fn promoted(pair: &Pair<'_>) -> Result<()> {
    pair.sql(Site::Primary, "db-1", "SELECT pg_wal_replay_resume();")?;
    pair.caught_up(Site::Primary)?;
    pair.lags_little()?;
    let control = pair.stage.testbed.control_file(Site::Primary);
    std::fs::write(&control, r#"{ "cut_delay_seconds": 4 }"#)?;
    let words = [
        "backup",
        "--protection",
        "pair",
        "-n",
        "pair",
        "--minimum-mode",
        "held",
        "-o",
        "json",
    ];
    let mut child = pair
        .stage
        .refloat
        .command(Some(Site::Primary), &words)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let begun = Instant::now();
    let cutting = ["-n", "pair", "get", "volumesnapshots", "-o", "name"];
    while pair.kubectl(Site::Primary, &cutting, "")?.trim().is_empty() {
        let waits = child.try_wait()?.is_none() && begun.elapsed() < Duration::from_mins(1);
        ensure!(waits, "nothing is cut");
        thread::sleep(Duration::from_millis(50));
    }
    pair.sql(Site::Primary, "db-1", "SELECT pg_promote();")?;
    let done = child.wait_with_output()?;
    std::fs::write(&control, "{}")?;
    let said = String::from_utf8_lossy(&done.stdout);
    ensure!(
        done.status.code() == Some(1) && said.contains("hold-lost"),
        "a copy of a server that was promoted meanwhile: {} {said}",
        done.status
    );
    say("  a standby that was promoted while it was cut was thrown away");
    Ok(())
}

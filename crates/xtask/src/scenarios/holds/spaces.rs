//! Data, WAL and a tablespace on a volume each, written into and checkpointed while they are cut one after the other.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::super::Stage;
use crate::captured::Captured;
use crate::ledger::{handle, until_let_go};
use crate::refloat::Answer;
use crate::shop::Shop;
use crate::testbed::Site;

const MANIFESTS: &str = include_str!("../../../../../testbed/scenarios/spaces/spaces.yaml");
/// Writes into both tables in one transaction, with checkpoints between, until it is killed.
const WRITER: &str = "while :; do psql -Xq -U spaces -c 'WITH one AS (INSERT INTO here DEFAULT VALUES RETURNING n) INSERT INTO there SELECT n FROM one' \
     -c 'CHECKPOINT'; done";

const READY: [&str; 6] = [
    "-n",
    "spaces",
    "rollout",
    "status",
    "statefulset/db",
    "--timeout=180s",
];

struct Spaces<'a> {
    stage: &'a Stage<'a>,
}

impl Spaces<'_> {
    fn kubectl(&self, site: Site, arguments: &[&str], input: &str) -> Result<String> {
        Shop::new(self.stage.ground, site).kubectl(arguments, input)
    }

    fn sql(&self, site: Site, sql: &str) -> Result<String> {
        let psql = "exec psql -XqAt -v ON_ERROR_STOP=1 -U spaces";
        let exec = ["-n", "spaces", "exec", "-i", "db-0", "--", "sh", "-c", psql];
        Ok(self.kubectl(site, &exec, sql)?.trim().to_owned())
    }

    fn open(&self) -> Result<()> {
        let apply = ["apply", "--server-side", "-f", "-"];
        self.kubectl(Site::Primary, &apply, MANIFESTS)?;
        self.kubectl(Site::Primary, &READY, "")?;
        self.sql(
            Site::Primary,
            "CREATE EXTENSION amcheck; CREATE TABLESPACE one LOCATION '/space/one';",
        )?;
        self.sql(
            Site::Primary,
            "CREATE TABLE here (n bigserial PRIMARY KEY); CREATE TABLE there (n bigint PRIMARY KEY) TABLESPACE one;",
        )?;
        Ok(())
    }

    /// Waits for rows: more than are asked for of the copy.
    fn until_written(&self) -> Result<()> {
        let begun = Instant::now();
        let enough = "SELECT count(*) >= 20 FROM here;";
        while self.sql(Site::Primary, enough)? != "t" {
            ensure!(
                begun.elapsed() < Duration::from_mins(2),
                "the writer writes nothing"
            );
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Waits until no session of ours is in the database, and nothing that it left.
    fn let_go(&self) -> Result<()> {
        until_let_go(&|ours| Ok(vec![self.sql(Site::Primary, ours)?]))
    }

    /// A backup under load; the volume of the tablespace is cut late.
    fn backup(&self) -> Result<()> {
        let mut writer = self.stage.testbed.kubectl(Site::Primary);
        let mut writer = writer
            .args(["-n", "spaces", "exec", "db-0", "--", "sh", "-c", WRITER])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let backup = self.until_written().and_then(|()| self.captured());
        writer.kill()?;
        writer.wait()?;
        let backup = backup?;
        ensure!(backup.code == Some(0), "{} {}", backup.value, backup.said);
        let evidence = backup.value.pointer("/members/0/evidence").cloned();
        let evidence = evidence.unwrap_or(Value::Null).to_string();
        ensure!(evidence.contains("1 tablespaces"), "{evidence}");
        Ok(())
    }

    fn captured(&self) -> Result<Answer> {
        let control = self.stage.testbed.control_file(Site::Primary);
        let late = handle(self.stage.ground, "spaces", "space-db-0")?;
        let faults = json!({ "cut_delay_seconds": 0.7, "only_volume": late });
        fs::write(&control, faults.to_string())?;
        let words = [
            "backup",
            "--protection",
            "spaces",
            "-n",
            "spaces",
            "--minimum-mode",
            "held",
        ];
        let refloat = &self.stage.refloat;
        let captured = Captured {
            testbed: self.stage.testbed,
            refloat,
            protection: "spaces",
        };
        let take = || refloat.answer(Some(Site::Primary), &words, &[]);
        let backup = captured.take(&take, &|| self.let_go());
        fs::write(&control, "{}")?;
        backup
    }

    /// What came back: both tables have the same rows, and every page is sound.
    fn judge(&self) -> Result<()> {
        let apart = self.sql(
            Site::Recovery,
            "SELECT (SELECT count(*) FROM here) > 10, (SELECT count(*) FROM (SELECT n FROM here EXCEPT SELECT n FROM there) AS a), \
             (SELECT count(*) FROM (SELECT n FROM there EXCEPT SELECT n FROM here) AS b);",
        )?;
        ensure!(apart == "t|0|0", "the tables differ: {apart}");
        let check = "pg_amcheck -U spaces -d spaces --heapallindexed";
        let exec = ["-n", "spaces", "exec", "db-0", "--", "sh", "-c", check];
        let found = self.kubectl(Site::Recovery, &exec, "")?;
        ensure!(found.trim().is_empty(), "pg_amcheck: {found}");
        Ok(())
    }
}

pub(in crate::scenarios) fn tablespaces(stage: &Stage<'_>) -> Result<()> {
    let spaces = Spaces { stage };
    spaces.open()?;
    spaces.backup()?;
    let words = ["recover", "--protection", "spaces", "--isolated", "--yes"];
    let recovered = stage.refloat.answer(Some(Site::Recovery), &words, &[])?;
    ensure!(
        recovered.code == Some(0),
        "{} {}",
        recovered.value,
        recovered.said
    );
    spaces.kubectl(Site::Recovery, &READY, "")?;
    spaces.judge()?;
    for site in Site::ALL {
        let delete = [
            "delete",
            "namespace",
            "spaces",
            "--ignore-not-found",
            "--timeout=120s",
        ];
        spaces.kubectl(site, &delete, "")?;
    }
    stage.nothing_left(Site::Primary)
}

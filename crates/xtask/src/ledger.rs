//! The ledger: two databases on three volumes and a writer beside them; how writers fared, and a judge of copies.

mod writers;

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use writers::{Load, Waited, Written};

use crate::ground::Ground;
use crate::shop::Shop;
use crate::testbed::{Site, output};

const MANIFESTS: &str = include_str!("../../../testbed/scenarios/ledger/ledger.yaml");
const POSTGRES: &str = include_str!("../../../testbed/scenarios/ledger/postgres.sql");
const MARIADB: &str = include_str!("../../../testbed/scenarios/ledger/mariadb.sql");
/// Sum of all balances in either database.
const SUM: &str = "10000000";
/// A database is ready again after this time.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// Sessions of ours in PostgreSQL, and slots, which they leave. Its own deadline ends a session that is idle, within 5 s.
const OURS: &str = "SELECT 'session ' || pid || ' ' || state || \
    CASE WHEN state = 'idle' AND state_change < now() - interval '15 s' THEN ' past its deadline' ELSE '' END \
    FROM pg_stat_activity WHERE application_name LIKE 'refloat %' \
    UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots;";
/// Sessions of ours are gone after this time.
const LET_GO_LIMIT: Duration = Duration::from_mins(1);

/// Waits until these questions find nothing of ours; fails at once for a session that its server should have ended.
pub(crate) fn until_let_go(look: &dyn Fn(&str) -> Result<Vec<String>>) -> Result<()> {
    let begun = Instant::now();
    loop {
        let left = look(OURS)?;
        if left.iter().all(String::is_empty) {
            return Ok(());
        }
        let is_past = left.iter().any(|left| left.contains("past its deadline"));
        ensure!(
            !is_past && begun.elapsed() < LET_GO_LIMIT,
            "still held: {left:?}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

/// Seconds since 1970, as the writer's clock says too: it is this machine's.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

pub(crate) struct Ledger<'a> {
    ground: &'a Ground,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(ground: &'a Ground) -> Self {
        Self { ground }
    }

    /// kubectl at a site; what it printed.
    pub(crate) fn kubectl(&self, site: Site, arguments: &[&str], input: &str) -> Result<String> {
        Shop::new(self.ground, site).kubectl(arguments, input)
    }

    /// Opens it unless it is there.
    pub(crate) fn open_once(&self) -> Result<()> {
        let mut command = self.ground.kubectl(Site::Primary);
        command.args([
            "get",
            "namespace",
            "ledger",
            "--ignore-not-found",
            "-o",
            "name",
        ]);
        let begun = !output(command)?.trim().is_empty();
        if begun && self.is_filled()? {
            return Ok(());
        }
        if begun {
            self.clear(Site::Primary)?;
        }
        self.open().context("the ledger does not open")
    }

    /// False when its opening ended before both databases were filled.
    fn is_filled(&self) -> Result<bool> {
        let sets = ["statefulset/pg", "statefulset/maria"];
        let get = [
            &["-n", "ledger", "get", "--ignore-not-found", "-o", "name"],
            &sets[..],
        ]
        .concat();
        if self.kubectl(Site::Primary, &get, "")?.lines().count() < sets.len() {
            return Ok(false);
        }
        self.ready(Site::Primary)?;
        let postgres = "SELECT count(*) FROM pg_tables WHERE tablename = 'log';";
        let mariadb = "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'ledger' AND TABLE_NAME IN ('log', 'visits');";
        Ok(self.postgres(Site::Primary, postgres)? == "1"
            && self.mariadb(Site::Primary, mariadb)? == "2")
    }

    /// Brings both databases up and fills them.
    pub(crate) fn open(&self) -> Result<()> {
        let site = Site::Primary;
        let class = format!("storageClassName: {}", self.ground.storage_class);
        let manifests = MANIFESTS.replace("storageClassName: btrfs", &class);
        self.kubectl(site, &["apply", "--server-side", "-f", "-"], &manifests)?;
        self.ready(site)?;
        self.postgres(site, POSTGRES)?;
        self.mariadb(site, MARIADB)?;
        Ok(())
    }

    /// Waits until both databases are ready, and answer.
    pub(crate) fn ready(&self, site: Site) -> Result<()> {
        for set in ["statefulset/pg", "statefulset/maria"] {
            let wait = ["-n", "ledger", "rollout", "status", set, "--timeout=180s"];
            self.kubectl(site, &wait, "")?;
        }
        let begun = Instant::now();
        loop {
            let one = "SELECT 1;";
            let answers = self
                .postgres(site, one)
                .and_then(|first| Ok([first, self.mariadb(site, one)?]));
            match answers {
                Ok(answers) if answers.iter().all(|answer| answer == "1") => return Ok(()),
                answers => ensure!(
                    begun.elapsed() < READY_LIMIT,
                    "a database does not answer: {answers:?}"
                ),
            }
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// The pod's uid, and `True` when it is ready; empty when it is not there.
    pub(crate) fn pod(&self, pod: &str) -> Result<(String, String)> {
        let path = "jsonpath={.metadata.uid} {.status.conditions[?(@.type==\"Ready\")].status}";
        let get = [
            "-n",
            "ledger",
            "get",
            "pod",
            pod,
            "--ignore-not-found",
            "-o",
            path,
        ];
        let found = self.kubectl(Site::Primary, &get, "")?;
        let (uid, ready) = found.trim().split_once(' ').unwrap_or((found.trim(), ""));
        Ok((uid.to_owned(), ready.to_owned()))
    }

    /// Waits until another pod than this one has its place, and is ready.
    pub(crate) fn until_replaced(&self, pod: &str, uid: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let (now, ready) = self.pod(pod)?;
            if !now.is_empty() && now != uid && ready == "True" {
                return self.ready(Site::Primary);
            }
            ensure!(
                begun.elapsed() < READY_LIMIT,
                "{pod} was {uid}, is {now}, ready: {ready}"
            );
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Statements in PostgreSQL; the answer.
    pub(crate) fn postgres(&self, site: Site, sql: &str) -> Result<String> {
        let exec = [
            "-n",
            "ledger",
            "exec",
            "-i",
            "pg-0",
            "--",
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "ledger",
            "-d",
            "ledger",
        ];
        Ok(self.kubectl(site, &exec, sql)?.trim().to_owned())
    }

    /// Statements in MariaDB; the answer.
    pub(crate) fn mariadb(&self, site: Site, sql: &str) -> Result<String> {
        let client = "MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb --no-defaults --socket=/run/mysqld/mysqld.sock \
                      -uroot --batch --skip-column-names ledger";
        let exec = [
            "-n", "ledger", "exec", "-i", "maria-0", "--", "sh", "-c", client,
        ];
        Ok(self.kubectl(site, &exec, sql)?.trim().to_owned())
    }

    /// A command in a pod of the ledger; what it printed.
    pub(crate) fn in_pod(&self, site: Site, pod: &str, words: &[&str]) -> Result<String> {
        let exec = [&["-n", "ledger", "exec", pod, "--"], words].concat();
        self.kubectl(site, &exec, "")
    }

    /// Waits until no session of ours is in a database of the primary, and nothing that it left.
    pub(crate) fn let_go(&self) -> Result<()> {
        // A probe of the kubelet may be among them for a moment.
        let mariadb = "SELECT CONCAT('session ', ID, ' ', COMMAND, ' ', COALESCE(INFO, '')) FROM information_schema.PROCESSLIST \
            WHERE USER = 'root' AND HOST = 'localhost' AND ID <> CONNECTION_ID();";
        until_let_go(&|ours| {
            let postgres = self.postgres(Site::Primary, ours)?;
            Ok(vec![postgres, self.mariadb(Site::Primary, mariadb)?])
        })
    }

    /// Which runs of its pods these are: others once a pod was made anew, or its server began anew in it.
    pub(crate) fn runs(&self) -> Result<String> {
        let path = "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount};{end}";
        let pods = ["-n", "ledger", "get", "pods", "-o", path];
        self.kubectl(Site::Primary, &pods, "")
    }

    /// Fails when something is held still, or a pod is not in this run any more.
    pub(crate) fn let_go_in(&self, runs: &str) -> Result<()> {
        self.let_go()?;
        let now = self.runs()?;
        ensure!(now == runs, "a server began anew: {runs} and {now}");
        Ok(())
    }

    /// Removes the ledger from a site.
    pub(crate) fn clear(&self, site: Site) -> Result<()> {
        let delete = [
            "delete",
            "namespace",
            "ledger",
            "--ignore-not-found",
            "--timeout=120s",
        ];
        self.kubectl(site, &delete, "").map(drop)
    }

    /// Judges what came back at a site: what is wrong with it, nothing when all is well.
    pub(crate) fn judge(&self, site: Site) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |what: &str, found: Result<String>, good: &dyn Fn(&str) -> bool| match found
        {
            Ok(found) if good(&found) => {}
            Ok(found) => wrong.push(format!("{what}: {found}")),
            Err(error) => wrong.push(format!("{what}: {error:#}")),
        };
        let sum = "SELECT sum(balance) FROM accounts;";
        let holes = "SELECT count(*) FROM (SELECT worker FROM log GROUP BY worker HAVING count(*) <> max(n)) AS holes;";
        check("sum in PostgreSQL", self.postgres(site, sum), &|found| {
            found == SUM
        });
        check(
            "holes in PostgreSQL",
            self.postgres(site, holes),
            &|found| found == "0",
        );
        check("sum in MariaDB", self.mariadb(site, sum), &|found| {
            found == SUM
        });
        check("holes in MariaDB", self.mariadb(site, holes), &|found| {
            found == "0"
        });
        let amcheck = [
            "-n",
            "ledger",
            "exec",
            "pg-0",
            "--",
            "pg_amcheck",
            "-U",
            "ledger",
            "-d",
            "ledger",
            "--heapallindexed",
        ];
        check("pg_amcheck", self.kubectl(site, &amcheck, ""), &|found| {
            found.trim().is_empty()
        });
        let check_all = "MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb-check --no-defaults --socket=/run/mysqld/mysqld.sock \
                         -uroot --all-databases --extended 2>&1 | grep -v ' OK$' || true";
        let exec = [
            "-n", "ledger", "exec", "maria-0", "--", "sh", "-c", check_all,
        ];
        check("mariadb-check", self.kubectl(site, &exec, ""), &|found| {
            found.trim().is_empty()
        });
        match self.mirror(site) {
            Ok(None) => {}
            Ok(Some(apart)) => wrong.push(apart),
            Err(error) => wrong.push(format!("mirror: {error:#}")),
        }
        wrong
    }

    /// Of each worker MariaDB has as many transfers as PostgreSQL, or one less: it is written second, and PostgreSQL is
    /// stopped before MariaDB's writers are let go.
    fn mirror(&self, site: Site) -> Result<Option<String>> {
        let sql = "SELECT worker, max(n) FROM log GROUP BY worker ORDER BY worker;";
        let parse = |text: String| -> Vec<(String, i64)> {
            text.lines()
                .filter_map(|line| {
                    let (worker, n) = line.split_once(['|', '\t'])?;
                    Some((worker.to_owned(), n.parse().ok()?))
                })
                .collect()
        };
        let (first, second) = (
            parse(self.postgres(site, sql)?),
            parse(self.mariadb(site, sql)?),
        );
        if first.is_empty() || first.len() != second.len() {
            bail!("the workers differ: {first:?} and {second:?}");
        }
        let apart = first
            .iter()
            .zip(&second)
            .find(|((_, first), (_, second))| !(0..=1).contains(&(first - second)));
        Ok(apart.map(|(first, second)| {
            format!(
                "mirror: worker {} has {} in PostgreSQL and {} in MariaDB",
                first.0, first.1, second.1
            )
        }))
    }

    /// The storage's id of a claim's volume.
    pub(crate) fn volume(&self, claim: &str) -> Result<String> {
        handle(self.ground, "ledger", claim)
    }
}

/// The storage's id of the volume of a claim at the primary.
pub(crate) fn handle(ground: &Ground, namespace: &str, claim: &str) -> Result<String> {
    let mut command = ground.kubectl(Site::Primary);
    let path = "jsonpath={.spec.volumeName}";
    command.args(["-n", namespace, "get", "pvc", claim, "-o", path]);
    let volume = output(command)?;
    let mut command = ground.kubectl(Site::Primary);
    let path = "jsonpath={.spec.csi.volumeHandle}";
    command.args(["get", "pv", volume.trim(), "-o", path]);
    let handle = output(command).context("the volume has no handle")?;
    Ok(handle.trim().to_owned())
}

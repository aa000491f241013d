//! The ledger: two databases on three volumes and a writer beside them; how writers fared, and a judge of copies.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::ground::Ground;
use crate::shop::Shop;
use crate::testbed::{Site, output};

const MANIFESTS: &str = include_str!("../../../testbed/scenarios/ledger/ledger.yaml");
const WRITER: &str = include_str!("../../../testbed/scenarios/ledger/writer.yaml");
const SCRIPT: &str = include_str!("../../../testbed/scenarios/ledger/writer.pl");
const POSTGRES: &str = include_str!("../../../testbed/scenarios/ledger/postgres.sql");
const MARIADB: &str = include_str!("../../../testbed/scenarios/ledger/mariadb.sql");
/// Sum of all balances in either database.
const SUM: &str = "10000000";

/// Which databases the writer works in, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// `pg`, `maria`, `pg,maria`; groups of workers apart: `pg|maria`.
    pub(crate) engines: &'static str,
    pub(crate) workers: u32,
    /// Between two transfers of a worker.
    pub(crate) pause: Duration,
}

/// A transfer as its writer saw it: when it began and how long it took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) maria: bool,
    pub(crate) began: f64,
    pub(crate) took: f64,
}

/// How writers fared after a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    /// The longest wait that was running at the moment or began later, in seconds; what was waited before the moment does
    /// not count.
    pub(crate) seconds: f64,
    /// When that wait began and ended, in seconds from the moment.
    pub(crate) from_to: (f64, f64),
    /// True when they were waiting already at the moment.
    pub(crate) frozen: bool,
}

/// A longer time in which nobody finishes a transfer is a wait: transfers take milliseconds, a busy machine some tens.
const GAP_SECONDS: f64 = 0.4;

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
        if output(command)?.trim().is_empty() {
            self.open().context("the ledger does not open")?;
        }
        self.ready(Site::Primary)
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

    /// Waits until both databases are ready.
    pub(crate) fn ready(&self, site: Site) -> Result<()> {
        for set in ["statefulset/pg", "statefulset/maria"] {
            let wait = ["-n", "ledger", "rollout", "status", set, "--timeout=180s"];
            self.kubectl(site, &wait, "")?;
        }
        Ok(())
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

    /// Starts the writer, in a namespace of its own; one that runs is replaced.
    pub(crate) fn write(&self, load: Load) -> Result<()> {
        self.quiet()?;
        let manifests = WRITER
            .replace("value: \"4\"", &format!("value: \"{}\"", load.workers))
            .replace(
                "value: \"pg,maria\"",
                &format!("value: \"{}\"", load.engines),
            )
            .replace(
                "{ name: PAUSE, value: \"0\" }",
                &format!("{{ name: PAUSE, value: \"{}\" }}", load.pause.as_secs_f64()),
            );
        let site = Site::Primary;
        let apply = ["apply", "--server-side", "-f", "-"];
        self.kubectl(site, &apply, &manifests)?;
        let map = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "writer", "namespace": "writer" },
            "data": { "writer.pl": SCRIPT },
        });
        self.kubectl(site, &apply, &map.to_string())?;
        let wait = [
            "-n",
            "writer",
            "wait",
            "--for=condition=Ready",
            "pod/writer",
            "--timeout=60s",
        ];
        self.kubectl(site, &wait, "")?;
        // From the first transfers on it counts.
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.written()?.len() < 20 {
            ensure!(
                Instant::now() < deadline,
                "the writer writes nothing: {}",
                self.errors()?
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Stops the writer.
    pub(crate) fn quiet(&self) -> Result<()> {
        let delete = [
            "-n",
            "writer",
            "delete",
            "pod/writer",
            "--ignore-not-found",
            "--force",
            "--grace-period=0",
        ];
        self.kubectl(Site::Primary, &delete, "").map(drop)
    }

    fn errors(&self) -> Result<String> {
        let tail = [
            "-n",
            "writer",
            "exec",
            "writer",
            "--",
            "tail",
            "-n",
            "3",
            "/tmp/errors",
        ];
        self.kubectl(Site::Primary, &tail, "")
    }

    /// Every transfer so far.
    pub(crate) fn written(&self) -> Result<Vec<Written>> {
        let cat = "cat /tmp/log.* 2>/dev/null || true";
        let all = self.kubectl(
            Site::Primary,
            &["-n", "writer", "exec", "writer", "--", "sh", "-c", cat],
            "",
        )?;
        let line = |line: &str| {
            let mut words = line.split(' ');
            Some(Written {
                maria: words.next()? == "maria",
                began: words.nth(1)?.parse().ok()?,
                took: words.next()?.parse().ok()?,
            })
        };
        let mut all: Vec<Written> = all.lines().filter_map(line).collect();
        all.sort_by(|a, b| (a.began + a.took).total_cmp(&(b.began + b.took)));
        Ok(all)
    }

    /// How long after this moment writers of either engine were made to wait at a stretch: the longest gap in which nobody
    /// finished a transfer. A gap that begins later than `until` does not count.
    pub(crate) fn back_after(&self, moment: f64, until: f64) -> Result<Waited> {
        let written = self.written()?;
        let mut waited = Waited {
            seconds: 0.0,
            from_to: (0.0, 0.0),
            frozen: false,
        };
        for maria in [false, true] {
            let ends: Vec<f64> = written
                .iter()
                .filter(|one| one.maria == maria)
                .map(|one| one.began + one.took)
                .collect();
            ensure!(
                ends.last().is_some_and(|last| *last > until),
                "nobody writes into {} any more: {}",
                if maria { "MariaDB" } else { "PostgreSQL" },
                self.errors()?
            );
            for pair in ends.windows(2) {
                let [before, after] = pair else { continue };
                if *after <= moment || *before >= until {
                    continue;
                }
                let frozen = moment - before > GAP_SECONDS;
                waited.frozen |= frozen;
                let seconds = after - before.max(moment);
                if after - before > GAP_SECONDS && seconds > waited.seconds {
                    waited.seconds = seconds;
                    waited.from_to = (before - moment, after - moment);
                }
            }
        }
        Ok(waited)
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

//! Writers into the ledger from outside of what is protected, and how they fared.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Ledger;
use crate::testbed::Site;

const WRITER: &str = include_str!("../../../../testbed/scenarios/ledger/writer.yaml");
const SCRIPT: &str = include_str!("../../../../testbed/scenarios/ledger/writer.pl");

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
/// Writers have begun after this time.
const BEGIN_LIMIT: Duration = Duration::from_mins(3);
/// Who writes at all finishes a transfer within this time.
const WRITTEN_LIMIT: Duration = Duration::from_mins(2);

impl Ledger<'_> {
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
        self.make_place()?;
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
            "--timeout=180s",
        ];
        self.kubectl(site, &wait, "")?;
        // From the first transfers on it counts.
        let begun = Instant::now();
        while self.written()?.len() < 20 {
            ensure!(
                begun.elapsed() < BEGIN_LIMIT,
                "the writer writes nothing: {}",
                self.errors()?
            );
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The writer's namespace, once pods are admitted there.
    fn make_place(&self) -> Result<()> {
        let namespace = serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "writer" },
        });
        let apply = ["apply", "--server-side", "-f", "-"];
        self.kubectl(Site::Primary, &apply, &namespace.to_string())?;
        let account = [
            "-n",
            "writer",
            "get",
            "serviceaccount/default",
            "--ignore-not-found",
            "-o",
            "name",
        ];
        let begun = Instant::now();
        while self.kubectl(Site::Primary, &account, "")?.trim().is_empty() {
            ensure!(
                begun.elapsed() < BEGIN_LIMIT,
                "the writer's namespace has no service account"
            );
            thread::sleep(Duration::from_millis(200));
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

    /// Every transfer so far, once writers of either engine finished one after this moment: they may be on their way still.
    fn written_until(&self, until: f64) -> Result<Vec<Written>> {
        let begun = Instant::now();
        loop {
            let written = self.written()?;
            let still =
                [("PostgreSQL", false), ("MariaDB", true)]
                    .into_iter()
                    .find(|(_, maria)| {
                        let mut of_engine = written.iter().filter(|one| one.maria == *maria);
                        !of_engine.any(|one| one.began + one.took > until)
                    });
            let Some((engine, _)) = still else {
                return Ok(written);
            };
            ensure!(
                begun.elapsed() < WRITTEN_LIMIT,
                "nobody writes into {engine} any more: {}",
                self.errors()?
            );
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// How long after this moment writers of either engine were made to wait at a stretch: the longest gap in which nobody
    /// finished a transfer. A gap that begins later than `until` does not count.
    pub(crate) fn back_after(&self, moment: f64, until: f64) -> Result<Waited> {
        let written = self.written_until(until)?;
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
}

//! Velero beside it, on the same volumes: CSI snapshots, and the pre and post hooks that are published for databases.
//!
//! Velero runs as a process of this machine, as a pod would; what it guaranteed is read from the writers and the snapshots.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::ledger::{Ledger, now};
use crate::printer::say;
use crate::shop::Shop;
use crate::testbed::{Site, Testbed, output, velero_programs};

pub(super) const VERSIONS: &str =
    "Velero 1.18.3 with velero-plugin-for-aws 1.14.3, at its defaults, feature EnableCSI";
/// Pre and post commands by pod and container, as they are published (FTWRL in one client and `UNLOCK TABLES` in
/// another; `pg_backup_start` in one psql and `pg_backup_stop` in another), written so that they run in these images.
const HOOKS: [(&str, &str, &str, &str); 2] = [
    (
        "maria-0",
        "mariadb",
        "MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb -uroot -e 'FLUSH TABLES WITH READ LOCK'",
        "MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb -uroot -e 'UNLOCK TABLES'",
    ),
    (
        "pg-0",
        "postgres",
        "psql -v ON_ERROR_STOP=1 -U ledger -d ledger -c \"SELECT pg_backup_start('velero')\"",
        "psql -v ON_ERROR_STOP=1 -U ledger -d ledger -c 'SELECT pg_backup_stop()'",
    ),
];

/// What came of one backup by Velero.
pub(super) struct Measured {
    phase: String,
    hooks: String,
    seconds: f64,
    /// Claim, and milliseconds between the transfers that ended right before and right after its cut.
    cuts: Vec<(String, f64)>,
    /// MariaDB's transfers between the first and the last cut.
    between: usize,
    spread_milliseconds: f64,
}

impl Measured {
    pub(super) fn page(&self) -> String {
        let mut text = format!(
            "\n## Velero on the same volumes\n{VERSIONS}. Hooks: `{}` before and `{}` after, and `{}` before and `{}` after. One backup, \
             both databases written into.\n\n- It ended `{}` after {:.1} s; hooks: {}.\n",
            HOOKS[0].2, HOOKS[0].3, HOOKS[1].2, HOOKS[1].3, self.phase, self.seconds, self.hooks
        );
        for (claim, gap) in &self.cuts {
            text.push_str(&format!(
                "- `{claim}` was cut between two transfers that ended {gap:.1} ms apart: {}.\n",
                if *gap < 100.0 {
                    "writers were writing, no lock was held"
                } else {
                    "writers may have waited"
                }
            ));
        }
        text.push_str(&format!(
            "- The first and the last cut lie {:.0} ms apart; {} transfers ended in MariaDB between them.\n",
            self.spread_milliseconds, self.between
        ));
        text
    }
}

/// Velero at one site: its server ends with the measurement.
pub(super) struct Velero<'a> {
    ground: &'a Ground,
    site: Site,
    program: PathBuf,
    server: Child,
}

impl Drop for Velero<'_> {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl<'a> Velero<'a> {
    /// Installs it and starts its server, at its defaults.
    pub(super) fn start(testbed: &Testbed, ground: &'a Ground, site: Site) -> Result<Self> {
        Self::start_with(testbed, ground, site, &[])
    }

    /// The same, the server with flags of its own.
    pub(super) fn start_with(
        testbed: &Testbed,
        ground: &'a Ground,
        site: Site,
        flags: &[&str],
    ) -> Result<Self> {
        let (program, plugin) = velero_programs()?;
        let plugins = ground.scratch().join("velero-plugins");
        fs::create_dir_all(&plugins)?;
        fs::copy(&plugin, plugins.join("velero-plugin-for-aws"))?;
        command(&program, ground, site, &["install", "--crds-only"])?;
        let shop = Shop::new(ground, site);
        // What an earlier server said of its storage would be taken for this one's word.
        let earlier = "backupstoragelocation.velero.io/default";
        let words = ["-n", "velero", "delete", earlier, "--ignore-not-found"];
        shop.kubectl(&words, "")?;
        set_up(testbed, &shop)?;
        let server = serve(testbed, (ground, site), &program, &plugins, flags)?;
        let velero = Self {
            ground,
            site,
            program,
            server,
        };
        velero.available()?;
        Ok(velero)
    }

    /// Process of the server.
    pub(super) fn process(&self) -> u32 {
        self.server.id()
    }

    /// What its client says.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String> {
        command(&self.program, self.ground, self.site, arguments)
    }

    /// One of its objects.
    pub(super) fn object(&self, kind: &str, name: &str) -> Result<Value> {
        let mut command = self.ground.kubectl(self.site);
        command.args(["-n", "velero", "get", kind, name, "-o", "json"]);
        Ok(serde_json::from_str(&output(command)?)?)
    }

    fn available(&self) -> Result<()> {
        let begun = Instant::now();
        while phase(&self.object("backupstoragelocation", "default")?) != "Available" {
            ensure!(
                begun.elapsed() < Duration::from_mins(2),
                "Velero does not reach its storage"
            );
            thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }
}

fn command(program: &Path, ground: &Ground, site: Site, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command
        .arg("--kubeconfig")
        .arg(ground.kubeconfig(site))
        .args(["--namespace", "velero"])
        .args(arguments);
    output(command)
}

pub(super) fn measure(testbed: &Testbed, ground: &Ground, ledger: &Ledger<'_>) -> Result<Measured> {
    let velero = Velero::start(testbed, ground, Site::Primary)?;
    let shop = Shop::new(ground, Site::Primary);
    for (pod, container, before, after) in HOOKS {
        for (when, command) in [("pre", before), ("post", after)] {
            let words = json!(["/bin/sh", "-c", command]).to_string();
            for (key, value) in [("container", container), ("command", words.as_str())] {
                let annotation = format!("{when}.hook.backup.velero.io/{key}={value}");
                shop.kubectl(
                    &[
                        "-n",
                        "ledger",
                        "annotate",
                        "--overwrite",
                        "pod",
                        pod,
                        &annotation,
                    ],
                    "",
                )?;
            }
        }
    }
    say("  a backup by Velero");
    let begun = now();
    velero.run(&[
        "backup",
        "create",
        "rival",
        "--include-namespaces",
        "ledger",
    ])?;
    let mut cuts = BTreeMap::new();
    let backup = ended(&velero, &mut cuts)?;
    let seconds = now() - begun;
    thread::sleep(Duration::from_secs(1));
    told(ledger, &backup, cuts, seconds)
}

fn set_up(testbed: &Testbed, shop: &Shop<'_>) -> Result<()> {
    let store = testbed.object_store()?;
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "velero" } },
        // A restore ends at once when there is none, although the server is not in it.
        {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "velero", "namespace": "velero" },
            "spec": {
                "replicas": 0, "selector": { "matchLabels": { "app": "velero" } },
                "template": {
                    "metadata": { "labels": { "app": "velero" } },
                    "spec": { "containers": [{ "name": "velero", "image": "refloat.local/client:1" }] },
                },
            },
        },
        {
            "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": { "name": "default", "namespace": "velero" },
            "spec": {
                "provider": "aws", "default": true,
                "objectStorage": { "bucket": store.bucket, "prefix": "velero" },
                "config": { "region": store.region, "s3ForcePathStyle": "true", "s3Url": store.endpoint, "checksumAlgorithm": "" },
            },
        },
    ]});
    shop.kubectl(&["apply", "-f", "-"], &objects.to_string())?;
    let label = [
        "label",
        "--overwrite",
        "volumesnapshotclass",
        "btrfs",
        "velero.io/csi-volumesnapshot-class=true",
    ];
    shop.kubectl(&label, "").map(drop)
}

fn serve(
    testbed: &Testbed,
    (ground, site): (&Ground, Site),
    velero: &Path,
    plugins: &Path,
    flags: &[&str],
) -> Result<Child> {
    let store = testbed.object_store()?;
    let log = File::create(ground.scratch().join("velero.log"))?;
    Command::new(velero)
        .arg("server")
        .arg("--kubeconfig")
        .arg(ground.kubeconfig(site))
        .args(["--namespace", "velero", "--features", "EnableCSI"])
        .args(["--metrics-address", "127.0.0.1:0", "--profiler-address", ""])
        .arg("--plugin-dir")
        .arg(plugins)
        .args(flags)
        .env("AWS_ACCESS_KEY_ID", &store.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &store.secret_key)
        .env("VELERO_NAMESPACE", "velero")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start velero")
}

pub(super) fn phase(object: &Value) -> &str {
    object
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// The backup once it has ended; cuts are seen while it runs, since Velero takes the contents away.
fn ended(velero: &Velero<'_>, seen: &mut BTreeMap<String, f64>) -> Result<Value> {
    let begun = Instant::now();
    loop {
        seen.extend(cuts(velero.ground)?);
        let backup = velero.object("backup.velero.io", "rival")?;
        if matches!(
            phase(&backup),
            "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation"
        ) {
            return Ok(backup);
        }
        if begun.elapsed() > Duration::from_mins(5) {
            bail!("Velero's backup does not end: {}", phase(&backup));
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Claims of the ledger and when Velero's snapshots of them were cut, in seconds since 1970.
fn cuts(ground: &Ground) -> Result<Vec<(String, f64)>> {
    let list = |kind: &str| -> Result<Value> {
        let mut command = ground.kubectl(Site::Primary);
        command.args(["get", kind, "--all-namespaces", "-o", "json"]);
        Ok(serde_json::from_str(&output(command)?)?)
    };
    let contents = list("volumesnapshotcontents")?;
    let volumes = list("persistentvolumes")?;
    let items = |list: &Value| {
        list.get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let volumes = items(&volumes);
    let mut found = Vec::new();
    for content in items(&contents) {
        let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str);
        let handle = text("/spec/source/volumeHandle");
        let claim = volumes
            .iter()
            .find(|volume| {
                handle.is_some()
                    && volume
                        .pointer("/spec/csi/volumeHandle")
                        .and_then(Value::as_str)
                        == handle
            })
            .and_then(|volume| volume.pointer("/spec/claimRef/name")?.as_str());
        let cut = content
            .pointer("/status/creationTime")
            .and_then(Value::as_i64);
        if let (Some(claim), Some(cut)) = (claim, cut) {
            let cut = Duration::from_nanos(u64::try_from(cut)?);
            found.push((claim.to_owned(), cut.as_secs_f64()));
        }
    }
    Ok(found)
}

fn told(
    ledger: &Ledger<'_>,
    backup: &Value,
    seen: BTreeMap<String, f64>,
    seconds: f64,
) -> Result<Measured> {
    let mut cuts: Vec<(String, f64)> = seen.into_iter().collect();
    cuts.sort_by(|a, b| a.1.total_cmp(&b.1));
    ensure!(cuts.len() == 3, "Velero cut {cuts:?}: {backup}");
    let written = ledger.written()?;
    let around = |claim: &str, cut: f64| {
        let maria = claim.contains("maria");
        let ends = written
            .iter()
            .filter(|one| one.maria == maria)
            .map(|one| one.began + one.took);
        let before = ends.clone().filter(|&end| end <= cut).fold(0.0, f64::max);
        let after = ends.filter(|&end| end > cut).fold(f64::MAX, f64::min);
        (after - before) * 1000.0
    };
    let (first, last) = (cuts[0].1, cuts[2].1);
    let hooks = backup
        .pointer("/status/hookStatus")
        .cloned()
        .unwrap_or_default();
    let number = |key: &str| hooks.get(key).and_then(Value::as_u64).unwrap_or(0);
    Ok(Measured {
        phase: phase(backup).to_owned(),
        hooks: format!(
            "{} run, {} failed",
            number("hooksAttempted"),
            number("hooksFailed")
        ),
        seconds,
        between: written
            .iter()
            .filter(|one| one.maria && one.began > first && one.began + one.took < last)
            .count(),
        spread_milliseconds: (last - first) * 1000.0,
        cuts: cuts
            .iter()
            .map(|(claim, cut)| (claim.clone(), around(claim, *cut)))
            .collect(),
    })
}

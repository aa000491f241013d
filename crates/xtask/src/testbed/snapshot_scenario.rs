//! A database on a volume of the testbed's CSI driver, and a snapshot of it.
//!
//! Holds what the self-test asks of the driver, the sidecars, DNS and `exec`; none of Refloat itself. It leaves the database running.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::lifecycle::Testbed;
use super::place::Site;
use super::units::DRIVER_NAME;
use super::{command, images, site};
use crate::printer::say;

const NAMESPACE: &str = "selftest";
const TIME_MAX: Duration = Duration::from_mins(2);

/// Start the database, write to it, and snapshot its volume.
pub(crate) fn run(testbed: &Testbed, site: Site) -> Result<()> {
    let scenario = Scenario { testbed, site };
    let start = Instant::now();
    let storage = scenario.class("storageclass", "provisioner")?;
    let snapshots = scenario.class("volumesnapshotclass", "driver")?;
    scenario.apply(&database(&storage))?;
    scenario.kubectl(&[
        "-n",
        NAMESPACE,
        "rollout",
        "status",
        "statefulset/database",
        "--timeout=120s",
    ])?;
    say(format_args!(
        "  database Ready after {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    scenario.psql("create table t as select generate_series(1, 1000) as n")?;
    ensure!(
        scenario.psql("select count(*) from t")? == "1000",
        "the database does not hold what was written"
    );
    let service =
        "getent hosts database.selftest.svc.cluster.local kubernetes.default.svc.cluster.local";
    // CoreDNS is told of a Service a moment after it is made.
    let deadline = Instant::now() + TIME_MAX;
    site::wait(deadline, "DNS of the services in a pod", || {
        let resolved = scenario.in_database(&["sh", "-c", service]);
        Ok(resolved
            .is_ok_and(|said| said.lines().count() == 2)
            .then_some(()))
    })?;

    scenario.take("cut", &snapshots)
}

/// Snapshot the volume of the database that `run` left, under another name.
pub(crate) fn snapshot_again(testbed: &Testbed, site: Site, name: &str) -> Result<()> {
    let scenario = Scenario { testbed, site };
    let class = scenario.class("volumesnapshotclass", "driver")?;
    scenario.take(name, &class)
}

struct Scenario<'a> {
    testbed: &'a Testbed,
    site: Site,
}

impl Scenario<'_> {
    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.testbed.kubectl(self.site);
        command.args(arguments);
        Ok(command::output(command)?.trim().to_owned())
    }

    fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).context("kubectl printed no JSON")
    }

    fn apply(&self, objects: &Value) -> Result<()> {
        let mut command = self.testbed.kubectl(self.site);
        command
            .args(["apply", "--server-side", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = command.spawn().context("cannot start kubectl")?;
        let mut input = child.stdin.take().context("kubectl has an input")?;
        input
            .write_all(&serde_json::to_vec(objects)?)
            .context("cannot write to kubectl")?;
        drop(input);
        let status = child.wait().context("cannot wait for kubectl")?;
        ensure!(status.success(), "kubectl apply failed ({status})");
        Ok(())
    }

    /// The one class that is our driver's.
    fn class(&self, kind: &str, field: &str) -> Result<String> {
        let classes = self.get(&[kind])?;
        let ours = classes["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|class| class[field] == DRIVER_NAME);
        let name = ours.and_then(|class| class["metadata"]["name"].as_str());
        Ok(name
            .with_context(|| format!("no {kind} is {DRIVER_NAME}'s"))?
            .to_owned())
    }

    fn in_database(&self, words: &[&str]) -> Result<String> {
        self.kubectl(&[&["-n", NAMESPACE, "exec", "database-0", "--"], words].concat())
    }

    fn psql(&self, statement: &str) -> Result<String> {
        self.in_database(&[
            "psql",
            "-U",
            "postgres",
            "-h",
            "127.0.0.1",
            "-qtAc",
            statement,
        ])
    }

    fn take(&self, name: &str, class: &str) -> Result<()> {
        let start = Instant::now();
        self.apply(&snapshot(name, class))?;
        let deadline = start + TIME_MAX;
        let (handle, created) = site::wait(deadline, "the snapshot's cut", || self.cut(name))?;
        say(format_args!(
            "  snapshot {handle} cut at {created}, seen after {:.2} s",
            start.elapsed().as_secs_f64()
        ));
        site::wait(deadline, "the snapshot's readiness", || self.is_ready(name))
    }

    /// Handle and time of the cut, once the snapshot's content tells both.
    fn cut(&self, name: &str) -> Result<Option<(String, String)>> {
        let contents = self.get(&["volumesnapshotcontent"])?;
        let ours = contents["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|content| {
                let reference = &content["spec"]["volumeSnapshotRef"];
                reference["namespace"] == NAMESPACE && reference["name"] == name
            });
        let Some(status) = ours.map(|content| &content["status"]) else {
            return Ok(None);
        };
        let handle = status["snapshotHandle"].as_str();
        let created = status["creationTime"].as_i64();
        Ok(handle
            .zip(created)
            .map(|(handle, created)| (handle.to_owned(), created.to_string())))
    }

    fn is_ready(&self, name: &str) -> Result<Option<()>> {
        let snapshot = self.get(&["-n", NAMESPACE, "volumesnapshot", name])?;
        Ok((snapshot["status"]["readyToUse"] == true).then_some(()))
    }
}

fn snapshot(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "volumeSnapshotClassName": class,
            "source": { "persistentVolumeClaimName": "data-database-0" },
        },
    })
}

const START: &str = "\
set -e
data=/data/pgdata
programs=/usr/lib/postgresql/15/bin
if [ ! -s $data/PG_VERSION ]; then
  mkdir -p $data
  chown postgres: $data
  su postgres -c \"$programs/initdb --auth=trust --no-sync -D $data\"
fi
mkdir -p /var/run/postgresql
chown postgres: /var/run/postgresql
exec su postgres -c \"exec $programs/postgres -D $data\"
";

fn database(storage_class: &str) -> Value {
    let labels = json!({ "app": "database" });
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [{
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": NAMESPACE },
        }, {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "database", "namespace": NAMESPACE },
            "spec": { "selector": labels, "ports": [{ "port": 5432 }] },
        }, {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": { "name": "database", "namespace": NAMESPACE },
            "spec": {
                "serviceName": "database",
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "terminationGracePeriodSeconds": 5,
                        "containers": [{
                            "name": "postgres",
                            "image": images::POSTGRES_NAME,
                            "imagePullPolicy": "Never",
                            "command": ["sh", "-c", START],
                            "readinessProbe": {
                                "exec": { "command": ["pg_isready", "-h", "127.0.0.1"] },
                                "periodSeconds": 1,
                            },
                            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
                        }],
                    },
                },
                "volumeClaimTemplates": [{
                    "metadata": { "name": "data" },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": storage_class,
                        "resources": { "requests": { "storage": "1Gi" } },
                    },
                }],
            },
        }],
    })
}

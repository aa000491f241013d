//! The shop: its manifests applied, its database filled.

use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::ground::Ground;
use crate::printer::say;
use crate::testbed::{NOT_LISTED, Site, is_not_sent, output};

const MANIFESTS: &str = include_str!("../../../testbed/scenarios/shop/shop.yaml");
const SCHEMA: &str = include_str!("../../../testbed/scenarios/shop/schema.sql");
/// kubectl's words for psql in the shop's database.
pub(crate) const PSQL: &[&str] = &[
    "-n",
    "shop",
    "exec",
    "-i",
    "db-0",
    "--",
    "psql",
    "-XqAt",
    "-v",
    "ON_ERROR_STOP=1",
    "-U",
    "shop",
    "-d",
    "shop",
];
/// Last words of kubectl when its command had no answer, and for how long it is asked again: refused, given up while it read, or
/// ended by `timeout` (timeout(1)).
const UNANSWERED: [(&str, Duration); 3] = [
    ("exit code 1", Duration::from_secs(15)),
    ("exit code 3", Duration::from_secs(15)),
    ("exit code 124", LIMIT),
];
/// Longest wait for a kind to be listed whose definition is established, and for a connection to the web application.
const LIMIT: Duration = Duration::from_mins(2);
/// Bytes that one account takes, row and index together, about.
const ACCOUNT_BYTES: u32 = 560;

pub(crate) struct Shop<'a> {
    ground: &'a Ground,
    site: Site,
}

impl<'a> Shop<'a> {
    pub(crate) fn new(ground: &'a Ground, site: Site) -> Self {
        Self { ground, site }
    }

    /// kubectl at this site with an input; what it printed. One that could send nothing is run again.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        let begun = Instant::now();
        loop {
            let mut command = self.ground.kubectl(self.site);
            let mut child = command
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .context("cannot start kubectl")?;
            let mut stdin = child.stdin.take().context("kubectl has no input")?;
            // One that ends before it has read all says why.
            let written = stdin.write_all(input.as_bytes());
            drop(stdin);
            let done = child.wait_with_output()?;
            if done.status.success() {
                written.context("kubectl has not read its input")?;
                return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
            }
            let said = String::from_utf8_lossy(&done.stderr);
            ensure!(
                is_not_sent(&said, begun),
                "kubectl {}: {said}",
                arguments.join(" ")
            );
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// The same, again while the API server does not list a kind: it lists what it serves a moment after a definition is established.
    pub(crate) fn kubectl_once_listed(&self, arguments: &[&str], input: &str) -> Result<String> {
        let begun = Instant::now();
        loop {
            match self.kubectl(arguments, input) {
                Err(error) if error.to_string().contains(NOT_LISTED) && begun.elapsed() < LIMIT => {
                    thread::sleep(Duration::from_millis(300));
                }
                ended => return ended,
            }
        }
    }

    /// Brings the shop up and fills its database with about this many MiB.
    pub(crate) fn open(&self, mebibytes: u32) -> Result<()> {
        let start = Instant::now();
        // The custom resource comes with its definition: the first apply may be too early for it.
        let class = format!("storageClassName: {}", self.ground.storage_class);
        let manifests = MANIFESTS.replace("storageClassName: btrfs", &class);
        let apply = ["apply", "--server-side", "-f", "-"];
        if self.kubectl(&apply, &manifests).is_err() {
            self.kubectl(
                &[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=120s",
                    "crd/campaigns.shop.example.com",
                ],
                "",
            )?;
            self.kubectl_once_listed(&apply, &manifests)?;
        }
        self.rolled_out("statefulset/db")?;
        let accounts = mebibytes.saturating_mul(1024 * 1024) / ACCOUNT_BYTES;
        self.sql(SCHEMA)?;
        self.sql(&format!(
            "INSERT INTO accounts SELECT n, 1000, repeat(md5(n::text), 15) FROM generate_series(1, {accounts}) AS n; ANALYZE;"
        ))?;
        self.rolled_out("deployment/web")?;
        self.rolled_out("deployment/campaign-operator")?;
        // It writes the campaign's ConfigMap before it says so.
        let campaign = "campaigns.shop.example.com/summer";
        let ready = ["wait", "--for=condition=Ready", "--timeout=180s", campaign];
        self.kubectl(&[&["-n", "shop"], &ready[..]].concat(), "")?;
        let size = self.sql("SELECT pg_size_pretty(pg_database_size('shop'))")?;
        say(format_args!(
            "  open after {:.1} s: {accounts} accounts, {} of data",
            start.elapsed().as_secs_f64(),
            size.trim()
        ));
        Ok(())
    }

    /// The manifests applied once more, without effect: what would come of it.
    pub(crate) fn applied_again(&self) -> Result<serde_json::Value> {
        let class = format!("storageClassName: {}", self.ground.storage_class);
        let manifests = MANIFESTS.replace("storageClassName: btrfs", &class);
        let dry = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "-o",
            "json",
            "-f",
            "-",
        ];
        let said = self.kubectl(&dry, &manifests)?;
        serde_json::from_str(&said).context("kubectl printed no JSON")
    }

    /// Waits until a workload is rolled out.
    pub(crate) fn rolled_out(&self, what: &str) -> Result<()> {
        self.kubectl(
            &["-n", "shop", "rollout", "status", what, "--timeout=180s"],
            "",
        )?;
        Ok(())
    }

    /// Statements in the shop's database; the answer.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        self.kubectl(PSQL, sql)
    }
}

/// A statement in a site's shop; the answer.
pub(crate) fn query(ground: &Ground, site: Site, sql: &str) -> Result<String> {
    let mut command = ground.kubectl(site);
    command.args(PSQL).args(["-c", sql]);
    Ok(output(command)?.trim().to_owned())
}

/// Asks the web application in a namespace through its Service once, from inside the cluster: its address and its name are under test, too.
pub(crate) fn web_answer(ground: &Ground, site: Site, namespace: &str) -> Result<String> {
    web_answer_within(ground, site, namespace, 10)
}

/// The same, no longer than so many seconds, and two for the connection.
pub(crate) fn web_answer_within(
    ground: &Ground,
    site: Site,
    namespace: &str,
    seconds: u32,
) -> Result<String> {
    let script = format!(
        "exec 3<>/dev/tcp/web/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && {{ timeout {seconds} cat <&3 || exit 3; }}"
    );
    let whole = (seconds + 2).to_string();
    let mut command = ground.kubectl(site);
    command.args(["-n", namespace, "exec", "db-0", "--"]);
    command.args(["timeout", &whole, "bash", "-c", &script]);
    let answer = output(command)?;
    ensure!(
        answer.starts_with("HTTP/1.0 200"),
        "the web application says {answer}"
    );
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}

/// Asks the web application in a namespace, again while no answer comes; whatever is answered counts.
///
/// kube-proxy follows a Service's endpoints with a second's delay. A connection that begins while it changes its tables may be tracked
/// without the change, and then times out however often its first packet is sent again.
pub(crate) fn web_answer_once_connected(
    ground: &Ground,
    site: Site,
    namespace: &str,
) -> Result<String> {
    let begun = Instant::now();
    loop {
        match web_answer(ground, site, namespace) {
            Err(error) if begun.elapsed() < patience(&format!("{error:#}")) => {
                say("  no answer of the web application yet");
                thread::sleep(Duration::from_secs(1));
            }
            answered => return answered,
        }
    }
}

/// For how long a question that ended so is asked again: without an answer only, that is no connection, none in time, or a connection
/// that said nothing.
fn patience(error: &str) -> Duration {
    let mut ends = UNANSWERED.iter();
    let end = ends.find(|(end, _)| error.trim_end().ends_with(end));
    end.map_or(Duration::ZERO, |(_, patience)| *patience)
}

//! What is measured, in which order: each of ours between two of the bare loop.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::bare::{self, Calls, NAMESPACE};
use super::{Arguments, rival};
use crate::bench::watched::{self, Requests};
use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::Refloat;
use crate::testbed::{Site, Testbed, output};

/// Calls in flight of the bare loop; the fastest counts.
const IN_FLIGHT: [u32; 2] = [16, 64];
/// Requests in a second at which both tools are compared.
pub(super) const LIMIT: u32 = 100;

/// One way of bringing the objects back.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) what: String,
    pub(super) seconds: f64,
    /// Highest resident size of the tool's process; none for the bare loop.
    pub(super) peak_kib: Option<u64>,
    /// What the API server was asked meanwhile; none for the bare loop.
    pub(super) requests: Option<Requests>,
}

/// All of one etcd.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) kubernetes: String,
    pub(super) backup: Option<Run>,
    pub(super) plan: Option<Run>,
    /// Into an empty namespace: the bare loop before, ours, the bare loop after, and the others.
    pub(super) empty: Vec<Run>,
    /// Over objects that are there.
    pub(super) existing: Vec<Run>,
}

impl Measured {
    /// Refloat's commands with their highest sizes in KiB.
    pub(super) fn ours(&self) -> impl Iterator<Item = (&str, u64)> {
        let alone = [&self.backup, &self.plan].into_iter().flatten();
        let recovered = self.empty.iter().chain(&self.existing);
        let recovered = recovered.filter(|run| run.what.starts_with("refloat"));
        alone
            .chain(recovered)
            .filter_map(|run| Some((run.what.as_str(), run.peak_kib?)))
    }
}

/// Removes the namespace with all that is in it.
pub(super) fn clear(ground: &Ground, site: Site) -> Result<()> {
    let mut command = ground.kubectl(site);
    command.args([
        "delete",
        "namespace",
        NAMESPACE,
        "--ignore-not-found",
        "--timeout=1200s",
    ]);
    output(command).map(drop)
}

fn make_namespace(ground: &Ground, site: Site) -> Result<()> {
    let mut command = ground.kubectl(site);
    command.args(["create", "namespace", NAMESPACE]);
    output(command).map(drop)
}

struct Bench<'a> {
    arguments: &'a Arguments,
    ground: &'a Ground,
    refloat: &'a Refloat<'a>,
    bare: &'a Path,
}

impl Bench<'_> {
    fn loop_of(&self, calls: Calls) -> Result<Run> {
        let mut best: Option<Run> = None;
        for (number, in_flight) in IN_FLIGHT.into_iter().enumerate() {
            if calls == Calls::Create {
                if number > 0 {
                    clear(self.ground, Site::Recovery)?;
                }
                make_namespace(self.ground, Site::Recovery)?;
            }
            let secrets = self.arguments.secrets;
            let seconds = bare::run(
                self.bare,
                self.ground,
                Site::Recovery,
                secrets,
                calls,
                in_flight,
            )?;
            let run = Run {
                what: format!("bare loop, {in_flight} in flight"),
                seconds,
                peak_kib: None,
                requests: None,
            };
            say(format_args!("  {}: {seconds:.1} s", run.what));
            if best.as_ref().is_none_or(|best| run.seconds < best.seconds) {
                best = Some(run);
            }
        }
        best.context("no bare loop ran")
    }

    /// Runs refloat; its time, its size, and what it asked the API server for.
    fn refloat(&self, what: &str, site: Site, words: &[&str]) -> Result<Run> {
        let words = [words, &["--output", "json"]].concat();
        let went = watched::run(self.ground, self.refloat, what, site, &words)?;
        Ok(Run {
            what: what.to_owned(),
            seconds: went.seconds,
            peak_kib: Some(went.peak_kib),
            requests: Some(went.requests),
        })
    }

    fn recover(&self, what: &str, more: &[&str]) -> Result<Run> {
        let mut words = vec![
            "recover",
            "--protection",
            NAMESPACE,
            "--source-dead",
            "a measurement",
            "--yes",
        ];
        words.extend_from_slice(more);
        self.refloat(what, Site::Recovery, &words)
    }
}

pub(super) fn measure(
    arguments: &Arguments,
    testbed: &Testbed,
    binary: &Path,
    bare: &Path,
) -> Result<Measured> {
    let ground = Ground::of_testbed(testbed)?;
    let refloat = Refloat::prepare(&ground, binary.to_owned(), "speed")?;
    refloat.make_vault()?;
    let bench = Bench {
        arguments,
        ground: &ground,
        refloat: &refloat,
        bare,
    };
    let mut measured = Measured {
        kubernetes: ground.kubernetes_version(Site::Recovery)?,
        ..Measured::default()
    };
    make_namespace(&ground, Site::Primary)?;
    bare::run(
        bare,
        &ground,
        Site::Primary,
        arguments.secrets,
        Calls::CreatePlain,
        64,
    )?;
    measured.backup = Some(bench.refloat(
        "backup",
        Site::Primary,
        &[
            "backup",
            "--protection",
            NAMESPACE,
            "--namespace",
            NAMESPACE,
        ],
    )?);
    let plan = [
        "plan",
        "--protection",
        NAMESPACE,
        "--source-dead",
        "a measurement",
    ];
    measured.plan = Some(bench.refloat("plan", Site::Recovery, &plan)?);
    measured.empty.push(bench.loop_of(Calls::Create)?);
    clear(&ground, Site::Recovery)?;
    measured.empty.push(bench.recover("refloat", &[])?);
    check(&bench)?;
    clear(&ground, Site::Recovery)?;
    let quick = ["--preflight", "quick"];
    let what = "refloat, `--preflight quick`";
    measured.empty.push(bench.recover(what, &quick)?);
    // Over what is there: a read for each, by both.
    measured.existing.push(bench.loop_of(Calls::Get)?);
    measured
        .existing
        .push(bench.recover("refloat, `--existing skip`", &["--existing", "skip"])?);
    measured.existing.push(bench.loop_of(Calls::Get)?);
    clear(&ground, Site::Recovery)?;
    measured.empty.push(bench.loop_of(Calls::Create)?);
    if !arguments.without_limits {
        let limit = LIMIT.to_string();
        let limited = ["--requests-per-second", limit.as_str()];
        clear(&ground, Site::Recovery)?;
        let what = format!("refloat, at most {LIMIT} requests/s");
        measured.empty.push(bench.recover(&what, &limited)?);
        let skip = [limited[0], limited[1], "--existing", "skip"];
        measured.existing.push(bench.recover(&what, &skip)?);
    }
    if !arguments.without_velero {
        rival::measure(testbed, &ground, &mut measured)?;
    }
    Ok(measured)
}

/// What came back is what was there: each object, to the letter of its data.
fn check(bench: &Bench<'_>) -> Result<()> {
    let digest = |site: Site| -> Result<(usize, String)> {
        let mut command = bench.ground.kubectl(site);
        command.args(["-n", NAMESPACE, "get", "secrets", "-o", "json"]);
        let list: Value = serde_json::from_str(&output(command)?)?;
        let items = list
            .get("items")
            .and_then(Value::as_array)
            .context("no items")?;
        let data: Vec<Value> = items
            .iter()
            .map(|item| {
                json!([
                    item.pointer("/metadata/name"),
                    item.pointer("/metadata/labels"),
                    item.get("type"),
                    item.get("data")
                ])
            })
            .collect();
        let text = serde_json::to_string(&data)?;
        Ok((
            data.len(),
            hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text)),
        ))
    };
    let (before, after) = (digest(Site::Primary)?, digest(Site::Recovery)?);
    ensure!(
        before == after && before.0 == bench.arguments.secrets as usize,
        "{} Secrets were there and {} came back, or they differ",
        before.0,
        after.0
    );
    Ok(())
}

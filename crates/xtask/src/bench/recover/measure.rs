//! What is measured, in which order: the bare loop and ours in turn, as often as is asked for.

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

/// Calls in flight of the bare loop; the faster one counts.
const IN_FLIGHT: [u32; 2] = [16, 64];
/// Requests in a second at which both tools are compared.
pub(super) const LIMIT: u32 = 100;

/// One way of bringing the objects back.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) what: String,
    /// Of each time that it ran.
    pub(super) times: Vec<f64>,
    /// Highest resident size of the tool's process; none for the bare loop.
    pub(super) peak_kib: Option<u64>,
    /// What the API server was asked meanwhile, the last time; none for the bare loop.
    pub(super) requests: Option<Requests>,
}

impl Run {
    /// The middle one of its times in seconds, or the mean of the middle two.
    pub(super) fn seconds(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        let middle = times.len() / 2;
        match times.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => times[middle],
            _ => f64::midpoint(times[middle - 1], times[middle]),
        }
    }

    /// Its shortest and its longest time, if it ran more than once.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let shortest = self.times.iter().copied().min_by(f64::total_cmp)?;
        let longest = self.times.iter().copied().max_by(f64::total_cmp)?;
        (self.times.len() > 1).then_some((shortest, longest))
    }
}

/// One more time of what has run before, or the first one.
fn add(runs: &mut Vec<Run>, run: Run) {
    match runs.iter_mut().find(|before| before.what == run.what) {
        Some(before) => {
            before.times.extend(run.times);
            before.peak_kib = before.peak_kib.max(run.peak_kib);
            before.requests = run.requests;
        }
        None => runs.push(run),
    }
}

/// All of one etcd.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) kubernetes: String,
    pub(super) backup: Option<Run>,
    pub(super) plan: Option<Run>,
    /// Into an empty namespace: the bare loop, ours, and the others.
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
    /// The bare loop with each number of calls in flight, once more.
    fn loops(&self, calls: Calls, runs: &mut Vec<Run>) -> Result<()> {
        for in_flight in IN_FLIGHT {
            if calls == Calls::Create {
                clear(self.ground, Site::Recovery)?;
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
            let what = format!("bare loop, {in_flight} in flight");
            say(format_args!("  {what}: {seconds:.1} s"));
            let run = Run {
                what,
                times: vec![seconds],
                peak_kib: None,
                requests: None,
            };
            add(runs, run);
        }
        Ok(())
    }

    /// Runs refloat; its time, its size, and what it asked the API server for.
    fn refloat(&self, what: &str, site: Site, words: &[&str]) -> Result<Run> {
        let words = [words, &["--output", "json"]].concat();
        let went = watched::run(self.ground, self.refloat, what, site, &words)?;
        Ok(Run {
            what: what.to_owned(),
            times: vec![went.seconds],
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
    into_nothing(&bench, &mut measured.empty)?;
    over_what_is_there(&bench, &mut measured.existing)?;
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

/// In turn into an empty namespace. In the end the objects are there.
fn into_nothing(bench: &Bench<'_>, runs: &mut Vec<Run>) -> Result<()> {
    for round in 0..bench.arguments.rounds {
        bench.loops(Calls::Create, runs)?;
        clear(bench.ground, Site::Recovery)?;
        add(runs, bench.recover("refloat", &[])?);
        if round == 0 {
            check(bench)?;
        }
        clear(bench.ground, Site::Recovery)?;
        let quick = ["--preflight", "quick"];
        add(runs, bench.recover("refloat, `--preflight quick`", &quick)?);
    }
    Ok(())
}

/// In turn over what is there: a read for each, or fewer.
fn over_what_is_there(bench: &Bench<'_>, runs: &mut Vec<Run>) -> Result<()> {
    for _ in 0..bench.arguments.rounds {
        bench.loops(Calls::Get, runs)?;
        let skip = ["--existing", "skip"];
        add(runs, bench.recover("refloat, `--existing skip`", &skip)?);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn took(what: &str, seconds: f64, peak_kib: u64) -> Run {
        Run {
            what: what.to_owned(),
            times: vec![seconds],
            peak_kib: Some(peak_kib),
            requests: None,
        }
    }

    #[test]
    fn the_middle_time_counts_and_the_highest_size() {
        let mut runs = Vec::new();
        for (seconds, peak_kib) in [(9.0, 3), (1.0, 5), (2.0, 4)] {
            add(&mut runs, took("refloat", seconds, peak_kib));
        }
        add(&mut runs, took("Velero", 7.0, 9));
        let [ours, rival] = &runs[..] else {
            panic!("{runs:?}");
        };
        assert_eq!((ours.seconds(), ours.peak_kib), (2.0, Some(5)));
        assert_eq!(ours.range(), Some((1.0, 9.0)));
        assert_eq!((rival.seconds(), rival.range()), (7.0, None));
        add(&mut runs, took("Velero", 8.0, 9));
        assert!((runs[1].seconds() - 7.5).abs() < f64::EPSILON);
    }
}

//! What is measured, in which order.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::compare::{Kind, compare};
use super::create::{at_rest, create};
use super::objects::Size;
use crate::bench::watched::{self, Went};
use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::Refloat;
use crate::testbed::{Site, Testbed};

/// Name of the protection.
const PROTECTION: &str = "mixed";

/// What came of it.
pub(super) struct Measured {
    /// The clusters' version.
    pub(super) kubernetes: String,
    /// Command and how it went.
    pub(super) commands: Vec<(&'static str, Went)>,
    /// What was there and came back.
    pub(super) kinds: Vec<Kind>,
    /// Requests a second that the API servers get when nobody asks for anything: primary and recovery.
    pub(super) at_rest: [f64; 2],
    /// Seconds from the first call of the bare loop at the source until all Deployments were available.
    pub(super) available: f64,
    pub(super) phases: Vec<Phase>,
}

/// A phase of the recovery, as refloat tells it.
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) steps: u64,
    pub(super) seconds: f64,
}

/// The phases in what `recover --output json` printed.
fn phases(said: &[u8]) -> Result<Vec<Phase>> {
    let report: Value = serde_json::from_slice(said).context("refloat printed no JSON")?;
    let phases = report.get("phases").and_then(Value::as_array);
    let one = |phase: &Value| {
        Some(Phase {
            name: phase.get("phase")?.as_str()?.to_owned(),
            steps: phase.get("steps")?.as_u64()?,
            seconds: phase.get("seconds")?.as_f64()?,
        })
    };
    let all: Option<Vec<Phase>> = phases.and_then(|phases| phases.iter().map(one).collect());
    all.context("refloat told no phases of its recovery")
}

pub(super) fn measure(
    size: Size,
    testbed: &Testbed,
    binary: &Path,
    bare: &Path,
) -> Result<Measured> {
    let ground = Ground::of_testbed(testbed)?;
    let refloat = Refloat::prepare(&ground, binary.to_owned(), PROTECTION)?;
    refloat.make_vault()?;
    let available = create(size, &ground, bare)?;
    let rest = [
        at_rest(&ground, Site::Primary)?,
        at_rest(&ground, Site::Recovery)?,
    ];
    let namespaces = size.namespace_names();
    let mut backup = vec!["backup", "--protection", PROTECTION];
    for namespace in &namespaces {
        backup.extend(["--namespace", namespace]);
    }
    let after = ["--protection", PROTECTION, "--source-dead", "a measurement"];
    let plan = [&["plan"][..], &after].concat();
    let quick = ["--preflight", "quick"];
    let plan_quick = [&plan[..], &quick].concat();
    let plan_json = [&plan_quick[..], &["--output", "json"]].concat();
    let last = ["--yes", "--output", "json"];
    let recover = [&["recover"][..], &after, &last].concat();
    let runs: [(&'static str, Site, &[&str]); 5] = [
        ("backup", Site::Primary, &backup),
        ("plan", Site::Recovery, &plan),
        ("plan --preflight quick", Site::Recovery, &plan_quick),
        (
            "plan --preflight quick --output json",
            Site::Recovery,
            &plan_json,
        ),
        ("recover", Site::Recovery, &recover),
    ];
    let mut commands = Vec::new();
    for (what, site, words) in runs {
        commands.push((what, watched::run(&ground, &refloat, what, site, words)?));
    }
    let phases = match commands.last() {
        Some((_, recovered)) => phases(&recovered.said)?,
        None => Vec::new(),
    };
    say("  comparing what came back with what was there");
    Ok(Measured {
        kubernetes: ground.kubernetes_version(Site::Recovery)?,
        commands,
        kinds: compare(size, &ground)?,
        at_rest: rest,
        available,
        phases,
    })
}

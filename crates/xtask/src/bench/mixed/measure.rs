//! What is measured, in which order.

use std::path::Path;

use anyhow::Result;

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
    /// Command and how it went.
    pub(super) commands: Vec<(&'static str, Went)>,
    /// What was there and came back.
    pub(super) kinds: Vec<Kind>,
    /// Requests a second that the API servers get when nobody asks for anything: primary and recovery.
    pub(super) at_rest: [f64; 2],
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
    create(size, &ground, bare)?;
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
    let recover = [&["recover"][..], &after, &quick, &["--yes"]].concat();
    let runs: [(&'static str, Site, &[&str]); 5] = [
        ("backup", Site::Primary, &backup),
        ("plan", Site::Recovery, &plan),
        ("plan --preflight quick", Site::Recovery, &plan_quick),
        (
            "plan --preflight quick --output json",
            Site::Recovery,
            &plan_json,
        ),
        ("recover --preflight quick", Site::Recovery, &recover),
    ];
    let mut commands = Vec::new();
    for (what, site, words) in runs {
        commands.push((what, watched::run(&ground, &refloat, what, site, words)?));
    }
    say("  comparing what came back with what was there");
    Ok(Measured {
        commands,
        kinds: compare(size, &ground)?,
        at_rest: rest,
    })
}

//! What only real clusters can show, each scenario by name, on a testbed of its own.
//!
//! Holds the list and the stage that scenarios share. Called by `cargo xtask test`.

mod bad_input;
mod bulk;
mod cuts;
mod disasters;
mod duel;
mod existing;
mod fidelity;
mod gates;
mod hard;
mod heard;
mod holds;
mod killed;
mod mappings;
mod operators;
mod owners;
mod plan;
mod preflight;
mod probes;
mod selections;
mod state;
mod store;
mod target;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::{Refloat, build};
use crate::shop::Shop;
use crate::testbed::{Site, Testbed};

/// Name of the testbed that scenarios run on.
const TESTBED: &str = "scenarios";

/// What scenarios work with: both sites up, the shop open at the primary, a vault with both sites.
pub(crate) struct Stage<'a> {
    pub(crate) testbed: &'a Testbed,
    pub(crate) ground: &'a Ground,
    pub(crate) refloat: Refloat<'a>,
    pub(crate) shop: Shop<'a>,
}

type Scenario = (&'static str, fn(&Stage<'_>) -> Result<()>);

/// All of them, in the order in which they run.
const SCENARIOS: &[Scenario] = &[
    ("simulation: a real API server answers alike", fidelity::run),
    (
        "backup: bad kubeconfigs and missing rights",
        bad_input::kubeconfigs,
    ),
    (
        "backup: bad names, volumes and snapshot classes",
        bad_input::volumes,
    ),
    ("backup: a database that cannot be taken", cuts::databases),
    ("backup: cuts that fail or never come", cuts::cuts),
    ("backup: a store that refuses", store::refusing),
    ("backup: the engine killed at any moment", killed::backup),
    ("backup: two engines at once", killed::two_at_once),
    (
        "backup: the store dies in the middle of a part",
        store::dying,
    ),
    ("restic: lists, checks and restores a part", store::restic),
    ("vault: wrong keys, newer formats, damage", store::damaged),
    ("recover: a target that does not fit", target::unfit),
    ("recover: under other names, with patches", mappings::run),
    (
        "recover: objects that are hard, into a namespace that is going, and under other names",
        hard::run,
    ),
    (
        "preflight: everything that is wrong is told at once",
        preflight::run,
    ),
    ("plan: read by people and programs", plan::read),
    (
        "recover: the engine killed at ten moments",
        killed::recovery,
    ),
    (
        "recover: over what is there, and taken away again",
        existing::run,
    ),
    ("recover: what operators made", owners::run),
    (
        "recover: one volume beside the living one",
        selections::one_volume,
    ),
    ("recover: two goes", selections::two_goes),
    (
        "backup and recover: a mover without an image",
        target::without_image,
    ),
    ("recover: a target without space", target::without_space),
    ("gates: a user's own, and one that stays closed", gates::run),
    ("capture: the engine killed at any moment", holds::engine),
    ("testbed: a site is cut off and joined again", holds::site),
    ("capture: links cut silently", holds::links),
    ("capture: programs of the cluster restart", holds::restarts),
    (
        "capture: sessions end before their proof",
        holds::broken_sessions,
    ),
    ("capture: databases go away", holds::databases),
    ("capture: no connection is free", holds::no_connections),
    ("capture: the snapshot sidecar is dead", holds::sidecar),
    ("capture: one of three cuts fails", holds::cuts),
    ("capture: a wrong clock", holds::clock),
    ("capture: hooks of the user's own", holds::hook),
    ("capture: tablespaces", holds::tablespaces),
    ("capture: a standby is preferred", holds::standby),
    ("capture: copies recovered and judged", holds::judged),
    ("capture: two engines at once", holds::two_at_once),
    ("probes: by exec, by a pod, refused, blocked", probes::run),
    (
        "recover: an application behind webhooks and its operator",
        operators::run,
    ),
];

/// How much is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// What CI plays.
    Usual,
    /// Everything there is.
    Long,
}

/// Names of all scenarios.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS
        .iter()
        .map(|(name, _)| *name)
        .chain([disasters::NAME])
}

/// Runs those whose name holds `only`; the names of the ones that failed, and how many ran.
pub(crate) fn run(only: &[String], length: Length) -> Result<(usize, Vec<String>)> {
    let (count, failed) = run_listed(only)?;
    let (more, failed_too) = disasters::run(only, length)?;
    Ok((count + more, [failed, failed_too].concat()))
}

fn run_listed(only: &[String]) -> Result<(usize, Vec<String>)> {
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|(name, _)| crate::test::is_wanted(only, name))
        .collect();
    if chosen.is_empty() {
        return Ok((0, Vec::new()));
    }
    let binary = build()?;
    Testbed::down(TESTBED)?;
    let outcome = on_stage(&chosen, binary);
    Testbed::down(TESTBED)?;
    outcome
}

fn on_stage(chosen: &[&Scenario], binary: PathBuf) -> Result<(usize, Vec<String>)> {
    let testbed = Testbed::up(TESTBED)?;
    testbed.load_refloat(&binary)?;
    let ground = Ground::of_testbed(&testbed)?;
    let stage = Stage {
        refloat: Refloat::prepare(&ground, binary, "scenarios")?,
        shop: Shop::new(&ground, Site::Primary),
        testbed: &testbed,
        ground: &ground,
    };
    stage.shop.open(48).context("the shop does not open")?;
    stage.refloat.make_vault()?;
    let mut failed = Vec::new();
    for (name, scenario) in chosen {
        let start = Instant::now();
        let outcome = scenario(&stage);
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => say(format_args!("ok      {name} ({seconds:.0} s)")),
            Err(error) => {
                say(format_args!("FAILED  {name} ({seconds:.0} s): {error:#}"));
                failed.push((*name).to_owned());
            }
        }
    }
    Ok((chosen.len(), failed))
}

//! `cargo xtask sim`: the whole engine under random applications and random mishaps; the work is done by `refloat-sim` in
//! the test kit.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::refloat::cargo;

/// What builds and starts the runner.
const RUNNER: &[&str] = &[
    "run",
    "--quiet",
    "--locked",
    "--package",
    "refloat-testkit",
    "--profile",
    "sim",
    "--features",
    "planted-bugs",
    "--bin",
    "refloat-sim",
    "--",
];

/// Simulation.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// One run, told line by line
    #[arg(long, conflicts_with_all = ["time", "runs", "from", "bugs", "replay"])]
    seed: Option<u64>,
    /// With `--seed`: with this bug planted
    #[arg(long, requires = "seed", value_name = "BUG")]
    bug: Option<String>,
    /// Random runs for so long: `90s`, `10m`, `1h`
    #[arg(long = "for", value_name = "TIME")]
    time: Option<String>,
    /// So many runs
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// The first seed; the clock's when it is left out
    #[arg(long)]
    from: Option<u64>,
    /// Whether each planted bug is found, and after how many runs
    #[arg(long, conflicts_with_all = ["time", "runs", "from", "replay"])]
    bugs: bool,
    /// Every kept seed
    #[arg(long, conflicts_with_all = ["time", "runs", "from"])]
    replay: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(RUNNER);
    let values = [
        ("--seed", arguments.seed.map(|seed| seed.to_string())),
        ("--bug", arguments.bug.clone()),
        ("--for", arguments.time.clone()),
        ("--runs", arguments.runs.map(|runs| runs.to_string())),
        ("--from", arguments.from.map(|from| from.to_string())),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            command.args([name, &value]);
        }
    }
    for (name, is_set) in [("--bugs", arguments.bugs), ("--replay", arguments.replay)] {
        if is_set {
            command.arg(name);
        }
    }
    let status = command.status().context("cannot start cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

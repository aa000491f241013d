//! `cargo xtask bench shop`: how long until a shop with a database, a web application and an operator *works* again, and what dies on
//! the way; by refloat and by Velero, in the cluster that it was in.

mod judge;
mod measure;
mod page;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use crate::printer::{print, say};
use crate::refloat::build_release;
use crate::testbed::Testbed;

const TESTBED: &str = "shop-bench";
/// Where the result is kept.
const PAGE: &str = "docs/src/reference/shop-speed.md";
/// MiB that the shop's volume of 2 GiB has room for.
const SIZE_MAX: u32 = 1200;

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// MiB of data in the shop's database
    #[arg(long, default_value_t = 64)]
    size: u32,
    /// So often by each tool, in turn
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Seconds that a shop has until it works; then it is told what was seen instead
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Leave Velero out; it takes minutes to build
    #[arg(long)]
    without_velero: bool,
    /// This refloat instead of one that is built for speed
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    refloat: Option<PathBuf>,
    /// Write the result into the documentation
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.runs > 0, "`--runs` is at least 1");
    ensure!(
        arguments.size <= SIZE_MAX,
        "`--size {}` does not fit the shop's volume: at most {SIZE_MAX}",
        arguments.size
    );
    let binary = match &arguments.refloat {
        Some(binary) => binary.clone(),
        None => build_release()?,
    };
    Testbed::down(TESTBED)?;
    let outcome =
        Testbed::up(TESTBED).and_then(|testbed| measure::measure(arguments, &testbed, &binary));
    Testbed::down(TESTBED)?;
    let page = page::page(arguments, &outcome?);
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    Ok(ExitCode::SUCCESS)
}

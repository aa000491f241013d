//! `cargo xtask bench recover`: how fast objects come back, beside a bare loop that makes the same calls (the ceiling) and beside
//! Velero, on the same API server with the same objects.

mod bare;
mod measure;
mod page;
mod rival;

use std::fs;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::bench::{bare as bare_loop, limits};
use crate::printer::{print, say};
use crate::refloat::build_release;
use crate::testbed::{Etcd, Testbed};

use measure::Measured;

const TESTBED: &str = "bench";
/// Where the result is kept.
const PAGE: &str = "docs/src/reference/speed.md";

/// Whether etcd waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fsync {
    /// It does not.
    Off,
    /// It does, as in production.
    On,
    /// Once so, once so.
    Both,
}

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Secrets that come back
    #[arg(long, default_value_t = 31_000)]
    secrets: u32,
    /// Times that the bare loop and Refloat run in turn; the middle one counts. What is limited and Velero run once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Etcd with or without fsync; what is written about the other stays
    #[arg(long, value_enum, default_value = "both")]
    fsync: Fsync,
    /// Leave out what is limited to 100 requests a second; it takes minutes
    #[arg(long)]
    without_limits: bool,
    /// Leave Velero out; it takes minutes to build, and many to restore
    #[arg(long)]
    without_velero: bool,
    /// Write the result into the documentation
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(
        arguments.secrets > 0 && arguments.rounds > 0,
        "`--secrets` and `--rounds` are at least 1"
    );
    let binary = build_release()?;
    let bare = bare_loop::build()?;
    let modes: &[Etcd] = match arguments.fsync {
        Fsync::Off => &[Etcd::Fast],
        Fsync::On => &[Etcd::Durable],
        Fsync::Both => &[Etcd::Fast, Etcd::Durable],
    };
    let mut all: Vec<(Etcd, Measured)> = Vec::new();
    for mode in modes {
        Testbed::down(TESTBED)?;
        let outcome = Testbed::up_with(TESTBED, *mode)
            .and_then(|testbed| measure::measure(arguments, &testbed, &binary, &bare));
        Testbed::down(TESTBED)?;
        all.push((*mode, outcome?));
    }
    let before = fs::read_to_string(PAGE).unwrap_or_default();
    let page = page::page(arguments, &all, &before);
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    for missed in all.iter().flat_map(|(etcd, one)| page::missed(*etcd, one)) {
        say(format_args!("missed  {missed}"));
    }
    let ours = all.iter().flat_map(|(_, measured)| measured.ours());
    Ok(limits::judge(ours))
}

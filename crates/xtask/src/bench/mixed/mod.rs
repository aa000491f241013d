//! `cargo xtask bench mixed`: what many objects of many kinds cost from end to end: backup, plan, recovery, each a command of its own.

mod compare;
mod create;
mod measure;
mod objects;
mod page;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use crate::bench::{bare, limits};
use crate::printer::{print, say};
use crate::refloat::build_release;
use crate::testbed::{Etcd, Testbed};

use objects::{PER_APPLICATION, Size};

const TESTBED: &str = "mixed";
/// Where the result is kept.
const PAGE: &str = "docs/src/reference/mixed.md";

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Objects of the made-up applications; whole applications, and their namespaces and one definition beside
    #[arg(long, default_value_t = 66_000)]
    objects: u32,
    /// This refloat instead of one that is built for speed
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    refloat: Option<PathBuf>,
    /// Write the result into the documentation
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(
        arguments.objects >= PER_APPLICATION,
        "`--objects` is at least {PER_APPLICATION}: one application"
    );
    let size = Size::of(arguments.objects);
    let binary = match &arguments.refloat {
        Some(binary) => binary.clone(),
        None => build_release()?,
    };
    let bare = bare::build()?;
    Testbed::down(TESTBED)?;
    let outcome = Testbed::up_with(TESTBED, Etcd::Fast)
        .and_then(|testbed| measure::measure(size, &testbed, &binary, &bare));
    Testbed::down(TESTBED)?;
    let measured = outcome?;
    let page = page::page(arguments, size, &measured);
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    let commands = measured.commands.iter();
    Ok(limits::judge(
        commands.map(|(what, went)| (*what, went.peak_kib)),
    ))
}

//! `cargo xtask bench …`: measurements side by side in one run, never timed tests.

mod bare;
mod freeze;
mod gates;
mod limits;
mod mixed;
mod plan;
mod recover;
mod shop;
mod velero;
pub(crate) mod watched;
mod windows;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// What writers notice of a hold: PostgreSQL and MariaDB, inside holds and outside, and Velero beside it
    Freeze(freeze::Arguments),
    /// How soon a recovery notices that what it waits for is ready, with an observer beside it
    Gates(gates::Arguments),
    /// What many objects of many kinds cost: backup, plan and recovery, each with its time, requests and memory
    Mixed(mixed::Arguments),
    /// How fast a big recovery is planned and shown; needs no cluster
    Plan(plan::Arguments),
    /// How fast objects come back, beside a bare loop that makes the same calls and beside Velero
    Recover(recover::Arguments),
    /// How soon an application with an operator works again, and what dies on the way; by refloat and by Velero
    Shop(shop::Arguments),
}

pub(crate) fn run(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Freeze(arguments) => freeze::run(arguments),
        Bench::Gates(arguments) => gates::run(arguments),
        Bench::Mixed(arguments) => mixed::run(arguments),
        Bench::Plan(arguments) => plan::run(arguments),
        Bench::Recover(arguments) => recover::run(arguments),
        Bench::Shop(arguments) => shop::run(arguments),
    }
}

//! Every command a developer or CI runs: `cargo xtask <verb>`.
//!
//! Holds the list of verbs and nothing else; each verb is one module beside this file with `Arguments` and `run`.

mod bench;
mod captured;
mod codegen;
mod demo;
mod ground;
mod ledger;
mod printer;
mod refloat;
mod scenarios;
mod shop;
mod sim;
mod test;
mod testbed;
mod tidy;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every command a developer or CI runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The main job for real: a live application, its cluster destroyed, back at another site
    Demo(demo::Arguments),
    /// Every test: what CI runs
    Test(test::Arguments),
    /// The whole engine under random applications and random mishaps, by seed; planted bugs
    Sim(sim::Arguments),
    /// Copies of two databases under full load, each recovered and judged; and the same without holds
    Torture(torture::Arguments),
    /// Measurements side by side, with results for the documentation
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Write images for your own clusters into a directory (OCI layouts in tar files): refloat's, and those of the demo's shop
    Images { directory: std::path::PathBuf },
    /// Walls, sizes and names of the house
    Tidy,
    /// Write what is generated: CRDs, reference pages
    Codegen(codegen::Arguments),
    /// Two real Kubernetes sites and an S3 server on this machine
    Testbed(testbed::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Bench(bench) => bench::run(&bench),
        Verb::Sim(arguments) => sim::run(&arguments),
        Verb::Torture(arguments) => torture::run(&arguments),
        Verb::Images { directory } => testbed::write_images(&directory),
        Verb::Tidy => tidy::run(),
        Verb::Codegen(arguments) => codegen::run(&arguments),
        Verb::Testbed(arguments) => testbed::run(arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            printer::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

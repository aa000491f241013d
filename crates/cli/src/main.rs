//! `refloat`: the command line, and the mover inside a pod. Composition root: the only place that knows all rooms.

mod commands;
mod config;
mod failure;
mod meter;
mod printer;
mod progress;
mod protection;
mod recovery;
mod seat;
mod waits;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::config::Config;
use crate::printer::Printer;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const _: () = assert!(
    !refloat_core::planted::PLANTED_BUGS,
    "the product is never built with bugs that can be planted: leave out the feature `planted-bugs`"
);

/// Disaster recovery for stateful Kubernetes workloads.
///
/// Refloat takes copies of databases and volumes that the application can be recovered from, gets them to another site,
/// and brings them back in order, each step waiting until what it needs is ready.
#[derive(Debug, Parser)]
#[command(
    name = "refloat",
    version,
    propagate_version = true,
    max_term_width = 110
)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return usage(&answer),
    };
    let printer = Printer::new(cli.config.output);
    refloat_world::install_tls_provider();
    start_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return printer.failure(&failure::Failure::bug("runtime", &error)),
    };
    match runtime.block_on(commands::run(cli.command, &cli.config, &printer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => printer.failure(&failure),
    }
}

/// Help and version are answers; wrong words are the user's to mend, so not clap's own 2.
fn usage(answer: &clap::Error) -> ExitCode {
    if let Err(error) = answer.print() {
        tracing::debug!(%error, "output was not written");
    }
    if answer.use_stderr() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Logs go to stderr, warnings only unless `RUST_LOG` says otherwise.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,rustic_core=error"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

//! One file per verb. Each has its arguments and a `run` that returns its result or a failure.

mod backup;
mod completion;
mod gc;
mod heartbeat;
mod mover;
mod plan;
mod points;
mod probe;
mod recover;
mod reference;
mod rollback;
mod status;
mod vault;
mod verify;

use clap::Subcommand;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::Printer;

/// What refloat can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, join, list and check a vault
    #[command(subcommand)]
    Vault(vault::Command),
    /// Take a recovery point of a protection and seal it in the vault
    Backup(backup::Arguments),
    /// List recovery points
    Points(points::Arguments),
    /// Prove that this site can read a point, and record it
    Verify(verify::Arguments),
    /// Show what a recovery would do, and why
    Plan(plan::Arguments),
    /// Bring a point back
    Recover(recover::Arguments),
    /// Take away again what a recovery created, and nothing else
    Rollback(rollback::Arguments),
    /// Show what would be lost now, and which runs are not finished
    Status(status::Arguments),
    /// List what dead runs left, and remove it
    Gc(gc::Arguments),
    /// Print shell completion
    Completion(completion::Arguments),
    /// Print a page of the book that is made from the code
    #[command(hide = true)]
    Reference(reference::Arguments),
    /// Ask a service inside a cluster
    #[command(subcommand)]
    Probe(probe::Command),
    /// Inside a mover pod
    #[command(subcommand, hide = true)]
    Mover(mover::Command),
}

/// Runs a command.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    printer: &Printer,
) -> Result<(), Failure> {
    if printer.output().is_picture() && !matches!(command, Command::Plan(_)) {
        return Err(Failure::refuse(
            "output-unsupported",
            "only a plan can be drawn",
            "use `--output table`, `json` or `yaml` with this command",
        ));
    }
    match command {
        Command::Vault(command) => vault::run(command, config, *printer).await,
        Command::Backup(arguments) => Box::pin(backup::run(arguments, config, *printer)).await,
        Command::Points(arguments) => points::run(arguments, config, *printer).await,
        Command::Verify(arguments) => verify::run(arguments, config, *printer).await,
        Command::Plan(arguments) => plan::run(arguments, config, *printer).await,
        Command::Recover(arguments) => Box::pin(recover::run(arguments, config, *printer)).await,
        Command::Rollback(arguments) => Box::pin(rollback::run(arguments, config, *printer)).await,
        Command::Status(arguments) => status::run(arguments, config, *printer).await,
        Command::Gc(arguments) => Box::pin(gc::run(arguments, config, *printer)).await,
        Command::Completion(arguments) => {
            completion::run(&arguments, *printer);
            Ok(())
        }
        Command::Reference(arguments) => {
            reference::run(&arguments, *printer);
            Ok(())
        }
        Command::Probe(command) => probe::run(command, config, *printer).await,
        Command::Mover(command) => mover::run(command).await,
    }
}

//! `refloat completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::printer::Printer;

/// Arguments of `refloat completion`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, printer: Printer) {
    let mut command = crate::Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "refloat", &mut script);
    printer.document(&String::from_utf8_lossy(&script));
}

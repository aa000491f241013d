//! `cargo xtask testbed`: two real Kubernetes sites and an S3 server on this machine.
//!
//! This file holds the verb's words. `lifecycle` is what other verbs call; everything else is below it.

mod addresses;
mod cache;
mod census;
mod certificates;
mod command;
mod configuration;
mod control_groups;
mod faults;
mod files;
mod image_store;
mod images;
mod leftovers;
mod librarian;
mod lifecycle;
mod lock;
mod mounts;
mod network;
mod object_store;
mod packages;
mod place;
mod processes;
mod readiness;
mod record;
mod requirements;
mod selftest;
mod site;
mod snapshot_scenario;
mod supervisor;
mod tools;
mod unit;
mod units;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

pub(crate) use command::{is_not_sent, output};
pub(crate) use faults::From;
pub(crate) use librarian::image as librarian_image;
pub(crate) use lifecycle::Testbed;
pub(crate) use place::Site;
pub(crate) use processes::send as send_signal;
pub(crate) use readiness::NOT_LISTED;
pub(crate) use record::Etcd;
pub(crate) use tools::velero as velero_programs;

use crate::ground::Ground;
use crate::printer::{print, say};
use place::StateDirectory;
use supervisor::Condition;

/// Two real Kubernetes sites and an S3 server on this machine.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which testbed; each has its own networks and state
    #[arg(long, default_value = "refloat", global = true)]
    name: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring both sites and the S3 server up, or what of them is missing
    Up {
        /// etcd flushes to the disk, as in production; chosen once
        #[arg(long)]
        durable: bool,
    },
    /// Remove all of it from the machine
    Down,
    /// Tell how its parts are; exit code 1 if one is not ready
    Status,
    /// Destroy a site: every process killed, its disks gone
    Kill { site: Site },
    /// Cut a site off from something, silently: no connection is closed
    Partition {
        site: Site,
        /// From what
        #[arg(long, value_enum, default_value = "others")]
        from: From,
    },
    /// Join the links of a site that was cut off
    Heal { site: Site },
    /// Run a command in a site's network, with KUBECONFIG set
    Exec {
        site: Site,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print the path of a site's kubeconfig, for use from this machine
    Kubeconfig { site: Site },
    /// Print what refloat and kubectl need to know of a site, for `eval`
    Env { site: Site },
    /// Build refloat and load the image of it that movers run into both sites
    LoadRefloat,
    /// Load an image (OCI layout in a tar file) into both sites
    LoadImage { tar: PathBuf },
    /// Prove on a testbed of its own name that it works, survives and leaves nothing
    Selftest,
    /// Keep the programs of a testbed running
    #[command(hide = true)]
    Supervise { state: PathBuf },
}

/// Write the images that somebody else's clusters need: refloat's release build, and the shop's two.
pub(crate) fn write_images(directory: &Path) -> Result<ExitCode> {
    let binary = crate::refloat::build_release()?;
    packages::ensure()?;
    let cache = cache::Cache::open()?;
    let made = images::ensure(&cache, &tools::ensure(&cache)?)?;
    std::fs::create_dir_all(directory)?;
    for (name, image) in [
        ("refloat.tar", images::refloat(&cache, &binary)?),
        ("postgres.tar", made.postgres),
        ("client.tar", made.client),
    ] {
        let to = directory.join(name);
        std::fs::copy(&image, &to).with_context(|| format!("cannot write {}", to.display()))?;
        say(format_args!("wrote {}", to.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Install the Debian packages that a testbed and the tests need.
pub(crate) fn install() -> Result<()> {
    requirements::check()?;
    packages::ensure()
}

/// Prove that a testbed works, survives and leaves nothing.
pub(crate) fn selftest(name: &str) -> Result<()> {
    selftest::run(name)
}

/// Do what the verb's words say.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let name = &arguments.name;
    match arguments.action {
        Action::Up { durable } => {
            let etcd = if durable { Etcd::Durable } else { Etcd::Fast };
            let testbed = Testbed::up_with(name, etcd)?;
            for site in Site::ALL {
                say(format_args!(
                    "  export KUBECONFIG={}",
                    testbed.kubeconfig(site).display()
                ));
            }
            say(format_args!(
                "  S3: {}",
                testbed.state().object_store().display()
            ));
        }
        Action::Down => {
            Testbed::down(name)?;
            say(format_args!("testbed {name} is gone"));
        }
        Action::Status => return status(&Testbed::open(name)?),
        Action::Kill { site } => {
            Testbed::open(name)?.kill(site)?;
            say(format_args!("{site} is destroyed"));
        }
        Action::Partition { site, from } => {
            Testbed::open(name)?.partition(site, from)?;
            say(format_args!(
                "{site} is cut off; `cargo xtask testbed heal {site} --name {name}` joins it"
            ));
        }
        Action::Heal { site } => {
            Testbed::open(name)?.heal(site)?;
            say(format_args!("{site} is joined again"));
        }
        Action::Exec { site, command } => return exec(&Testbed::open(name)?, site, &command),
        Action::Kubeconfig { site } => print(Testbed::open(name)?.kubeconfig(site).display())?,
        Action::Env { site } => environment(&Testbed::open(name)?, site)?,
        Action::LoadRefloat => {
            let binary = crate::refloat::build()?;
            Testbed::open(name)?.load_refloat(&binary)?;
            say(format_args!(
                "loaded refloat.local/refloat:dev, made of {}",
                binary.display()
            ));
        }
        Action::LoadImage { tar } => Testbed::open(name)?.load_image(&tar)?,
        Action::Selftest => selftest::run(name)?,
        Action::Supervise { state } => supervisor::supervise(&StateDirectory::at(state))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines for a shell: kubeconfig, vault and credentials, image, and a PATH with the testbed's kubectl.
fn environment(testbed: &Testbed, site: Site) -> Result<()> {
    let ground = Ground::of_testbed(testbed)?;
    let programs = testbed.state().programs();
    print(format_args!("export PATH=\"{}:$PATH\"", programs.display()))?;
    print(format_args!(
        "export KUBECONFIG='{}'",
        testbed.kubeconfig(site).display()
    ))?;
    for (variable, value) in ground.environment("hand") {
        print(format_args!("export {variable}='{value}'"))?;
    }
    Ok(())
}

fn exec(testbed: &Testbed, site: Site, command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("a command is needed")?;
    let mut command = testbed.command_in(site, program)?;
    command
        .stdin(std::process::Stdio::inherit())
        .args(arguments);
    Err(command.exec()).with_context(|| format!("cannot run {}", program.display()))
}

fn status(testbed: &Testbed) -> Result<ExitCode> {
    for (unit, report) in supervisor::read_status(testbed.state())? {
        let condition = match report.condition {
            Condition::Waiting => "waiting".to_owned(),
            Condition::Running { process } => format!("running, process {process}"),
            Condition::Ended { how } => format!("ended: {how}"),
        };
        print(format_args!(
            "{unit:36} {condition} (restarts: {})",
            report.restarts
        ))?;
    }
    for site in Site::ALL {
        let address = testbed.record().addresses.api_server(site);
        let faults = testbed.control_file(site);
        print(format_args!(
            "{site}: https://{address}, CSI faults by {}",
            faults.display()
        ))?;
    }
    let store = testbed.object_store()?;
    print(format_args!(
        "s3: {}, bucket {}",
        store.endpoint, store.bucket
    ))?;
    let missing = testbed.missing()?;
    for what in &missing {
        print(format_args!("NOT READY: {what}"))?;
    }
    Ok(if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

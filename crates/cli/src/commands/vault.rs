//! `refloat vault init|join|list|check`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use refloat_core::driver::Problem;
use refloat_core::names::SiteName;
use refloat_mover::MoverEngine;
use refloat_vault::format::{RecoveryKey, RootKey};
use refloat_vault::store::Vault;
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, Table, moment};
use crate::seat::{open_vault, read_key, repository_engine, store_location, vault_failure};

/// What can be done with a vault.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a vault; its keys are written to files first
    Init(Init),
    /// Let a site join: makes its key
    Join(Join),
    /// Show sites and protections
    List,
    /// Check every signature and chain, and that every part is there
    Check(Check),
}

/// Arguments of `refloat vault init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// New file for the recovery key: keep it where the clusters are not
    #[arg(long, value_name = "FILE")]
    recovery_key_file: PathBuf,
    /// New file for the root key, needed only to let sites join: keep it offline
    #[arg(long, value_name = "FILE")]
    root_key_file: PathBuf,
}

/// Arguments of `refloat vault join`.
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// Name of the site
    #[arg(long)]
    site: SiteName,
    /// The root key's file
    #[arg(long, value_name = "FILE")]
    root_key_file: PathBuf,
    /// New file for the site's key
    #[arg(long, value_name = "FILE")]
    site_key_file: PathBuf,
}

/// Arguments of `refloat vault check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Read and hash every byte, too
    #[arg(long)]
    read_data: bool,
}

pub(super) async fn run(
    command: Command,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    match command {
        Command::Init(arguments) => init(&arguments, config, printer).await,
        Command::Join(arguments) => join(&arguments, config, printer).await,
        Command::List => list(config, printer).await,
        Command::Check(arguments) => check(&arguments, config, printer).await,
    }
}

/// Writes a key for its owner only; a file that is there is never overwritten.
fn write_key(path: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|error| Failure::file(path, &error))
}

async fn init(arguments: &Init, config: &Config, printer: Printer) -> Result<(), Failure> {
    let location = store_location(&config.vault)?;
    let store = location.store().map_err(|error| vault_failure(&error))?;
    let created = Vault::init_begin(&store, &location.prefix_path())
        .await
        .map_err(|error| vault_failure(&error))?;
    // The keys are kept before the vault exists: a vault without its key would be lost.
    write_key(&arguments.recovery_key_file, &created.recovery.write())?;
    write_key(&arguments.root_key_file, &created.root.write())?;
    let prefix = location.prefix_path();
    let vault = Vault::init_finish(store, prefix, &created, Timestamp::now())
        .await
        .map_err(|error| vault_failure(&error))?;
    let engine = repository_engine(&vault, &created.recovery.repository);
    let made = tokio::task::spawn_blocking(move || engine.initialise())
        .await
        .map_err(|error| Failure::bug("worker-lost", &error))?;
    made.map_err(|error| Failure::refuse(error.code(), error.to_string(), error.hint()))?;
    let result = json!({
        "vault": vault.id(),
        "recovery_key_file": arguments.recovery_key_file,
        "root_key_file": arguments.root_key_file,
    });
    printer.result(&result, || {
        format!(
            "vault {} is made\nrecovery key: {} (keep it where the clusters are not)\nroot key: {} (keep it offline)\n\
             next: `refloat vault join --site NAME ...` for each cluster\n",
            vault.id(),
            arguments.recovery_key_file.display(),
            arguments.root_key_file.display()
        )
    });
    Ok(())
}

async fn join(arguments: &Join, config: &Config, printer: Printer) -> Result<(), Failure> {
    let path = config.vault.recovery_key.as_ref().ok_or_else(|| {
        Failure::refuse(
            "key-missing",
            "a site joins with the recovery key and the root key",
            "give `--recovery-key FILE`",
        )
    })?;
    if arguments.site_key_file.exists() {
        return Err(Failure::refuse(
            "file-exists",
            format!("{} is there already", arguments.site_key_file.display()),
            "name a new file: keys are never overwritten",
        ));
    }
    let recovery = read_key(path, RecoveryKey::read)?;
    let root = read_key(&arguments.root_key_file, RootKey::read)?;
    let location = store_location(&config.vault)?;
    let store = location.store().map_err(|error| vault_failure(&error))?;
    let mut vault = Vault::open(store, location.prefix_path(), &recovery)
        .await
        .map_err(|error| vault_failure(&error))?;
    let key = vault
        .join(&root, &recovery, &arguments.site, Timestamp::now())
        .await
        .map_err(|error| vault_failure(&error))?;
    write_key(&arguments.site_key_file, &key.write())?;
    let result = json!({ "site": arguments.site, "site_key_file": arguments.site_key_file });
    printer.result(&result, || {
        format!(
            "site {} has joined; its key: {}\n",
            arguments.site,
            arguments.site_key_file.display()
        )
    });
    Ok(())
}

async fn list(config: &Config, printer: Printer) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let mut sites = Table::new(&["SITE", "JOINED", "KEY", "LAST SEEN"]);
    let mut values = Vec::new();
    for (entry, trusted) in access.vault.sites() {
        let seen = access
            .vault
            .heartbeat(&entry.site)
            .await
            .map_err(|error| vault_failure(&error))?;
        let word = if trusted {
            "signed by the root"
        } else {
            "NOT TRUSTED"
        };
        sites.row(vec![
            entry.site.to_string(),
            moment(entry.joined),
            word.to_owned(),
            seen.as_ref()
                .map_or("never".to_owned(), |seen| moment(seen.at)),
        ]);
        values.push(json!({
            "site": entry.site, "joined": entry.joined, "trusted": trusted,
            "seen": seen.map(|seen| seen.at),
        }));
    }
    let protections = access.protections(None).await?;
    let result = json!({
        "vault": access.vault.id(), "created": access.vault.created(),
        "sites": values, "protections": protections,
    });
    printer.result(&result, || {
        let names: Vec<String> = protections.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        format!(
            "vault {}\n{}protections: {names}\n",
            access.vault.id(),
            sites.render()
        )
    });
    Ok(())
}

async fn check(arguments: &Check, config: &Config, printer: Printer) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let mut problems: Vec<String> = Vec::new();
    for (entry, trusted) in access.vault.sites() {
        if !trusted {
            problems.push(format!(
                "the key of site {} is not signed by the root",
                entry.site
            ));
        }
    }
    let mut checked = 0_u64;
    let protections = access.protections(None).await?;
    for protection in protections {
        let chain = access.chain(&protection).await?;
        problems.extend(chain.warnings);
        for listed in chain.points {
            checked += 1;
            match listed.point {
                Err(error) => problems.push(error.to_string()),
                Ok(point) => {
                    let verified = super::verify::check_point(
                        &access,
                        &point.document,
                        arguments.read_data,
                        printer,
                    )
                    .await;
                    if let Err(failure) = verified {
                        if is_of_store(&failure) {
                            return Err(failure);
                        }
                        let said = failure.problems.into_iter().map(|one| one.message);
                        problems.extend(said.map(|text| format!("{}: {text}", listed.id)));
                    }
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(damaged(&problems));
    }
    printer.result(&json!({ "points": checked }), || {
        format!("{checked} points checked: signatures, chains and parts are good\n")
    });
    Ok(())
}

/// The store is what failed, not what it holds: nothing is known to be damaged.
fn is_of_store(failure: &Failure) -> bool {
    let codes = [
        "mover-store-failed",
        "mover-store-timeout",
        "mover-store-denied",
        "mover-store-credentials",
    ];
    let mut problems = failure.problems.iter();
    problems.any(|one| codes.contains(&one.code.as_str()))
}

/// One problem for each damage: a program that reads the answer reads one document.
fn damaged(found: &[String]) -> Failure {
    let hint = "do not prune anything; recover from points that verify, and find out who could write to the bucket";
    let problems: Vec<Problem> = found
        .iter()
        .map(|message| Problem::stuck("vault-damaged", message, hint))
        .collect();
    problems.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seat::part_problem;
    use refloat_mover::PartError;

    #[test]
    fn a_store_that_fails_is_no_damage() {
        let is_of_store = |error: &PartError| is_of_store(&part_problem(error).into());
        assert!(is_of_store(&PartError::StoreTimeout {
            operation: "read",
            object: "data/00".to_owned(),
            seconds: 60,
        }));
        let gone = PartError::PackMissing {
            part: "shop/data".to_owned(),
            pack: "00".to_owned(),
        };
        assert!(!is_of_store(&gone));
        assert!(!is_of_store(&PartError::Panicked {
            step: "reading",
            message: "damaged".to_owned(),
        }));
    }
}

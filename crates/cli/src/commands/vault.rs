//! `refloat vault init|join|list|check`.

mod check;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use refloat_core::names::SiteName;
use refloat_mover::MoverEngine;
use refloat_vault::format::{RecoveryKey, RootKey};
use refloat_vault::store::Vault;
use serde_json::json;

use self::check::{Check, check};
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

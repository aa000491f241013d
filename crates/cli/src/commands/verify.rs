//! `refloat verify`: the site that needs a point proves that it can read it.

use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use refloat_core::driver::Problem;
use refloat_core::names::SiteName;
use refloat_mover::{Amount, Control, MoverEngine, PartReference, ProgressSink, ReadData};
use refloat_vault::format::{PointDocument, Verification};
use serde::Serialize;

use super::heartbeat;
use crate::config::Config;
use crate::failure::Failure;
use crate::meter::Meter;
use crate::printer::{Printer, bytes, duration};
use crate::recovery::{Pick, pick};
use crate::seat::{
    Access, open_vault, part_problem, read_point_objects, repository_engine, vault_failure,
};

/// Arguments of `refloat verify`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pick: Pick,
    /// The site that verifies; it must be the one of `--site-key`
    #[arg(long, value_name = "NAME")]
    site: Option<SiteName>,
    /// Read, decrypt and hash every byte, too
    #[arg(long)]
    read_data: bool,
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Checked {
    parts: u64,
    bytes: u64,
    bytes_read: u64,
    objects: u64,
}

/// Checks one point: its objects can be read, and every part is in the repository (with every byte, if asked).
pub(super) async fn check_point(
    access: &Access,
    document: &PointDocument,
    read_data: bool,
    printer: Printer,
) -> Result<Checked, Failure> {
    let secret = &access.recovery.repository;
    let objects = read_point_objects(&access.vault, secret, &document.content).await?;
    let mut checked = Checked {
        objects: objects.len() as u64,
        parts: 1,
        ..Checked::default()
    };
    let expected = document
        .content
        .objects
        .as_ref()
        .map_or(0, |stored| stored.count);
    if checked.objects != expected {
        return Err(Problem::stuck(
            "objects-missing",
            format!(
                "the point says {expected} objects, {} are there",
                checked.objects
            ),
            "take another point",
        )
        .into());
    }
    let read = if read_data {
        ReadData::Full
    } else {
        ReadData::Metadata
    };
    for part in &document.content.parts {
        printer.note(&format!(
            "checking part {} ({})",
            part.id,
            bytes(part.bytes)
        ));
        let reference = PartReference {
            part: part.id.clone(),
            snapshot_id: part.snapshot.clone(),
            tree_id: part.tree.clone(),
            amount: Some(Amount {
                files: part.files,
                bytes: part.bytes,
            }),
        };
        let engine = repository_engine(&access.vault, secret);
        let meter = Arc::new(Meter::new(printer, &part.id));
        let control = Control {
            progress: Some(Arc::clone(&meter) as Arc<dyn ProgressSink>),
            ..Control::default()
        };
        let verified =
            tokio::task::spawn_blocking(move || engine.verify(&reference, read, &control))
                .await
                .map_err(|error| Failure::bug("worker-lost", &error))?;
        meter.finish();
        let verified = verified.map_err(|error| part_problem(&error))?;
        checked.parts += 1;
        checked.bytes += verified.amount.bytes;
        checked.bytes_read += verified.bytes_read;
    }
    Ok(checked)
}

/// Every part that a member names is there, so that a plan can be made of it.
fn check_complete(document: &PointDocument) -> Result<(), Failure> {
    let content = &document.content;
    for member in &content.members {
        for part in &member.parts {
            if !content.parts.iter().any(|one| one.id == *part) {
                return Err(Failure::refuse(
                    "part-missing",
                    format!(
                        "{} names the part {part}, which the point does not hold",
                        member.name
                    ),
                    "take another point",
                ));
            }
        }
    }
    Ok(())
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let key = access.site_key()?;
    if let Some(site) = &arguments.site
        && *site != key.site
    {
        return Err(Failure::refuse(
            "site-key-other",
            format!("the site key is of site `{}`, not `{site}`", key.site),
            "give the key of the site that must be able to recover",
        ));
    }
    let began = Timestamp::now();
    let point = pick(&access, &arguments.pick).await?;
    check_complete(&point.document)?;
    let checked = check_point(&access, &point.document, arguments.read_data, printer).await?;
    let verification = Verification {
        format: 1,
        point: point.document.id.clone(),
        envelope: point.envelope.clone(),
        site: key.site.clone(),
        checked: Timestamp::now(),
        read_data: arguments.read_data,
        parts: checked.parts,
        bytes_read: checked.bytes_read,
        refloat_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    access
        .vault
        .write_verification(key, &verification)
        .await
        .map_err(|error| vault_failure(&error))?;
    if let Some(warning) = heartbeat::give(&access, &point.document.id, "verified").await {
        printer.note(&warning);
    }
    printer.result(&verification, || {
        format!(
            "site {} can read point {}: {} objects, {} in {} volumes{}, in {}\n",
            key.site,
            point.document.id,
            checked.objects,
            bytes(checked.bytes),
            checked.parts - 1,
            if arguments.read_data {
                ", every byte read and hashed".to_owned()
            } else {
                "; structure and sizes checked (`--read-data` reads every byte)".to_owned()
            },
            duration(Timestamp::now().duration_since(began))
        )
    });
    Ok(())
}

//! `refloat points`.

use clap::Args;
use jiff::Timestamp;
use refloat_core::backup::Mode;
use refloat_core::names::ProtectionName;
use refloat_vault::store::Listed;
use serde::Serialize;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, Table, bytes, moment};
use crate::seat::open_vault;

/// Arguments of `refloat points`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only points of this protection
    #[arg(long, value_name = "NAME")]
    protection: Option<ProtectionName>,
}

/// One point, as programs read it.
#[derive(Debug, Serialize)]
struct Row {
    point: String,
    usable: bool,
    why_not: Option<String>,
    site: Option<String>,
    sealed: Option<Timestamp>,
    earliest_cut: Option<Timestamp>,
    mode: Option<Mode>,
    bytes: u64,
    objects: u64,
    verified: Vec<VerifiedBy>,
}

#[derive(Debug, Serialize)]
struct VerifiedBy {
    site: String,
    checked: Timestamp,
    read_data: bool,
}

fn row(listed: &Listed) -> Row {
    let verified = listed
        .verified
        .iter()
        .map(|one| VerifiedBy {
            site: one.site.to_string(),
            checked: one.checked,
            read_data: one.read_data,
        })
        .collect();
    match &listed.point {
        Ok(point) => {
            let content = &point.document.content;
            Row {
                point: listed.id.to_string(),
                usable: true,
                why_not: None,
                site: Some(point.signer.to_string()),
                sealed: Some(point.document.sealed),
                earliest_cut: content.earliest_cut(),
                mode: content.weakest_mode(),
                bytes: content.parts.iter().map(|part| part.bytes).sum(),
                objects: content.objects.as_ref().map_or(0, |objects| objects.count),
                verified,
            }
        }
        Err(error) => Row {
            point: listed.id.to_string(),
            usable: false,
            why_not: Some(error.to_string()),
            site: None,
            sealed: None,
            earliest_cut: None,
            mode: None,
            bytes: 0,
            objects: 0,
            verified,
        },
    }
}

#[derive(Debug, Serialize)]
struct Points {
    points: Vec<Row>,
    warnings: Vec<String>,
}

fn table(points: &Points) -> String {
    if points.points.is_empty() && points.warnings.is_empty() {
        return "no points yet; make one with `refloat backup`\n".to_owned();
    }
    let mut table = Table::new(&[
        "POINT",
        "CUT",
        "MODE",
        "SITE",
        "DATA",
        "OBJECTS",
        "VERIFIED BY",
    ]);
    for row in &points.points {
        let verified: Vec<String> = row
            .verified
            .iter()
            .map(|by| {
                format!(
                    "{}{}",
                    by.site,
                    if by.read_data { " (all data)" } else { "" }
                )
            })
            .collect();
        table.row(vec![
            row.point.clone(),
            row.earliest_cut.map_or("-".to_owned(), moment),
            row.mode.map_or("-", Mode::as_str).to_owned(),
            row.site.clone().unwrap_or_else(|| "-".to_owned()),
            bytes(row.bytes),
            row.objects.to_string(),
            match &row.why_not {
                Some(why) => format!("NOT USABLE: {why}"),
                None if verified.is_empty() => "nobody".to_owned(),
                None => verified.join(", "),
            },
        ]);
    }
    let mut text = table.render();
    for warning in &points.warnings {
        text.push_str(&format!("WARNING: {warning}\n"));
    }
    text
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let protections = access.protections(arguments.protection).await?;
    let mut points = Points {
        points: Vec::new(),
        warnings: Vec::new(),
    };
    for protection in protections {
        let chain = access.chain(&protection).await?;
        points.points.extend(chain.points.iter().map(row));
        points.warnings.extend(chain.warnings);
    }
    printer.result(&points, || table(&points));
    Ok(())
}

//! `refloat points`.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use refloat_core::backup::{CaptureTimes, Held, Mode, PointContent};
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
    /// What the store does not give now; it says nothing of the point.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withheld: Vec<String>,
    site: Option<String>,
    sealed: Option<Timestamp>,
    earliest_cut: Option<Timestamp>,
    mode: Option<Mode>,
    bytes: u64,
    objects: u64,
    verified: Vec<VerifiedBy>,
    capture: Option<CaptureTimes>,
    members: Vec<MemberRow>,
}

/// One member of a point: how it was taken, under what, and when its volumes were cut.
#[derive(Debug, Serialize)]
struct MemberRow {
    name: String,
    driver: String,
    mode: Mode,
    held: Option<Held>,
    evidence: Vec<String>,
    cuts: BTreeMap<String, Timestamp>,
}

fn members(content: &PointContent) -> Vec<MemberRow> {
    let cut = |id: &String| {
        let part = content.parts.iter().find(|part| part.id == *id)?;
        Some((id.clone(), part.cut))
    };
    let members = content.members.iter().map(|member| MemberRow {
        name: member.name.clone(),
        driver: member.driver.clone(),
        mode: member.mode,
        held: member.held.clone(),
        evidence: member.evidence.clone(),
        cuts: member.parts.iter().filter_map(cut).collect(),
    });
    members.collect()
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
    let withheld = listed.withheld().map(ToString::to_string).collect();
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
                capture: content.capture.clone(),
                members: members(content),
                verified,
                withheld,
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
            capture: None,
            members: Vec::new(),
            verified,
            withheld,
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
        let mut verified: Vec<String> = row
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
        verified.extend_from_slice(&row.withheld);
        table.row(vec![
            row.point.clone(),
            row.earliest_cut.map_or("-".to_owned(), moment),
            row.mode.map_or("-", Mode::as_str).to_owned(),
            row.site.clone().unwrap_or_else(|| "-".to_owned()),
            bytes(row.bytes),
            row.objects.to_string(),
            match &row.why_not {
                Some(why) if row.withheld.is_empty() => format!("NOT USABLE: {why}"),
                Some(why) => why.clone(),
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

/// Each member of each point: its mode, how long it was held, how that was proven, and its cuts.
fn wide(points: &Points) -> String {
    let mut table = Table::new(&[
        "POINT", "MEMBER", "DRIVER", "MODE", "HELD", "CUTS", "ALIGNED", "PROOF",
    ]);
    for row in &points.points {
        for member in &row.members {
            let cuts = member.cuts.values().min().zip(member.cuts.values().max());
            table.row(vec![
                row.point.clone(),
                member.name.clone(),
                member.driver.clone(),
                member.mode.as_str().to_owned(),
                member.held.as_ref().map_or("-".to_owned(), |held| {
                    let for_milliseconds = held.released.duration_since(held.since).as_millis();
                    let frozen = if held.freezes {
                        "writers waited"
                    } else {
                        "nothing waited"
                    };
                    format!("{for_milliseconds} ms, {frozen}")
                }),
                cuts.map_or("-".to_owned(), |(first, last)| {
                    let apart = last.duration_since(*first).as_millis();
                    match member.cuts.len() {
                        1 => first.strftime("%F %H:%M:%S%.3f").to_string(),
                        count => format!(
                            "{count} from {}, {apart} ms apart",
                            first.strftime("%F %H:%M:%S%.3f")
                        ),
                    }
                }),
                row.capture
                    .as_ref()
                    .map_or("-", |times| yes_or_no(times.aligned))
                    .to_owned(),
                member
                    .held
                    .as_ref()
                    .map_or_else(|| checked(&member.evidence), |held| held.proof.clone()),
            ]);
        }
        if let Some(times) = &row.capture {
            table.row(vec![
                row.point.clone(),
                "(all)".to_owned(),
                String::new(),
                String::new(),
                format!("{} ms", times.held_milliseconds),
                format!(
                    "barrier {} ms, slowest cut {} ms",
                    times.barrier_milliseconds, times.slowest_cut_milliseconds
                ),
                yes_or_no(times.aligned).to_owned(),
                String::new(),
            ]);
        }
    }
    table.render()
}

/// What was checked of a member that was not held: why it is no better, or how much holds.
fn checked(evidence: &[String]) -> String {
    let against: Vec<&str> = evidence
        .iter()
        .filter_map(|line| line.strip_prefix("not: "))
        .collect();
    if against.is_empty() && evidence.is_empty() {
        "-".to_owned()
    } else if against.is_empty() {
        format!("{} conditions hold", evidence.len())
    } else {
        against.join("; ")
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
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
    for chain in access.chains(&protections).await? {
        points.points.extend(chain.points.iter().map(row));
        points.warnings.extend(chain.warnings);
    }
    printer.result(&points, || {
        let mut text = table(&points);
        if printer.is_wide() {
            text.push('\n');
            text.push_str(&wide(&points));
        }
        text
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seat::points::{good, withheld};

    #[test]
    fn a_point_that_is_not_given_is_not_called_unusable() {
        let text = table(&Points {
            points: [good(1), withheld(2)].iter().map(row).collect(),
            warnings: Vec::new(),
        });
        assert!(text.contains("cannot be read now"), "{text}");
        assert!(!text.contains("NOT USABLE"), "{text}");
    }
}

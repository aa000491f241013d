//! `refloat status`: what would be lost now, and which runs are not finished.

use clap::Args;
use jiff::Timestamp;
use refloat_core::names::{ProtectionName, SiteName};
use refloat_vault::format::PointId;
use refloat_vault::store::{Chain, Listed};
use serde::Serialize;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, Table, moment, seconds};
use crate::seat::{open_vault, unfinished_runs};

/// Arguments of `refloat status`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this protection
    #[arg(long, value_name = "NAME")]
    protection: Option<ProtectionName>,
}

#[derive(Debug, Serialize)]
struct Status {
    at: Timestamp,
    protections: Vec<Row>,
    unfinished_runs: Vec<Unfinished>,
    /// Runs that have no end, as far as is marked, and whose journals cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable_runs: Vec<Unreadable>,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    run: String,
    why: String,
}

/// One protection as seen by one site that could recover it.
#[derive(Debug, Serialize)]
struct Row {
    protection: String,
    recovery_site: Option<String>,
    /// Newest point that this site has verified.
    verified_point: Option<String>,
    /// Age of its earliest cut in seconds: what would be lost now.
    loss_seconds: Option<f64>,
    /// Newest sealed point, verified or not.
    sealed_point: Option<String>,
    sealed_loss_seconds: Option<f64>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Unfinished {
    run: String,
    kind: String,
    protection: String,
    site: String,
    last: Option<Timestamp>,
    writer: String,
    /// False when its engine is dead; `refloat gc` or the same command again takes it over.
    engine_may_live: bool,
    /// After which phase it is paused, as was wanted: nobody drives it until `refloat recover --protection NAME --continue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_after: Option<String>,
    stuck: Vec<String>,
}

fn age(now: Timestamp, cut: Option<Timestamp>) -> Option<f64> {
    cut.map(|cut| now.duration_since(cut).as_secs_f64())
}

/// Newer points than the one that a site's loss is told from, and why they do not count.
fn passed_over(chain: &Chain, from: Option<&Listed>, site: Option<&SiteName>) -> Vec<String> {
    let is_newer = |id: &PointId| from.is_none_or(|from| id.sequence > from.id.sequence);
    let newer = chain.points.iter().filter(|listed| is_newer(&listed.id));
    newer
        .flat_map(|listed| {
            let point = listed.point.as_ref().err();
            let point = point.map(|error| format!("passed over {}: {error}", listed.id));
            let unread = listed.unread.iter().filter(|(by, _)| Some(by) == site);
            let unread = unread.map(|(by, error)| {
                format!(
                    "whether {by} has verified {} is not known: {error}",
                    listed.id
                )
            });
            point.into_iter().chain(unread)
        })
        .collect()
}

/// One row for every site but the one that made the newest point; one without a site when nobody has verified.
fn rows(
    protection: &ProtectionName,
    chain: &Chain,
    sites: &[SiteName],
    now: Timestamp,
) -> Vec<Row> {
    let newest = chain.points.iter().rev().find_map(|listed| {
        let point = listed.point.as_ref().ok()?;
        Some((listed.id.to_string(), point))
    });
    let source = newest.as_ref().map(|(_, point)| point.signer.clone());
    let sealed_loss = newest
        .as_ref()
        .and_then(|(_, point)| age(now, point.document.content.earliest_cut()));
    let row = |site: Option<&SiteName>| {
        let verified = chain.points.iter().rev().find(|listed| {
            listed.point.is_ok()
                && site.is_some_and(|site| listed.verified.iter().any(|one| one.site == *site))
        });
        let cut = verified
            .and_then(|listed| listed.point.as_ref().ok())
            .and_then(|point| point.document.content.earliest_cut());
        Row {
            protection: protection.to_string(),
            recovery_site: site.map(ToString::to_string),
            verified_point: verified.map(|listed| listed.id.to_string()),
            loss_seconds: age(now, cut),
            sealed_point: newest.as_ref().map(|(id, _)| id.clone()),
            sealed_loss_seconds: sealed_loss,
            warnings: [chain.warnings.clone(), passed_over(chain, verified, site)].concat(),
        }
    };
    let others: Vec<Row> = sites
        .iter()
        .filter(|site| Some(*site) != source.as_ref())
        .map(|site| row(Some(site)))
        .collect();
    if others.is_empty() {
        vec![row(None)]
    } else {
        others
    }
}

fn loss(count: Option<f64>, nothing: &str) -> String {
    count.map_or_else(|| nothing.to_owned(), seconds)
}

fn table(status: &Status) -> String {
    if status.protections.is_empty() {
        return "nothing is protected: everything would be lost; start with `refloat backup`\n"
            .to_owned();
    }
    let mut table = Table::new(&[
        "PROTECTION",
        "RECOVERY SITE",
        "LOSS NOW",
        "FROM POINT",
        "SEALED ONLY",
        "LOSS IF IT IS GOOD",
    ]);
    for row in &status.protections {
        table.row(vec![
            row.protection.clone(),
            row.recovery_site
                .clone()
                .unwrap_or_else(|| "NONE".to_owned()),
            loss(row.loss_seconds, "EVERYTHING"),
            row.verified_point
                .clone()
                .unwrap_or_else(|| "none verified".to_owned()),
            row.sealed_point.clone().unwrap_or_else(|| "-".to_owned()),
            loss(row.sealed_loss_seconds, "-"),
        ]);
    }
    let mut text = table.render();
    for row in &status.protections {
        for warning in &row.warnings {
            text.push_str(&format!("WARNING: {warning}\n"));
        }
        if row.verified_point.is_none() {
            text.push_str(&format!(
                "{}: no other site has proven that it can read a point: run `refloat verify --protection {}` there\n",
                row.protection, row.protection
            ));
        }
    }
    for run in &status.unfinished_runs {
        text.push_str(&format!(
            "unfinished {} {} of {} at {}, last written {}: {}{}\n",
            run.kind,
            run.run,
            run.protection,
            run.site,
            run.last.map_or_else(|| "never".to_owned(), moment),
            match (&run.paused_after, run.engine_may_live) {
                (Some(phase), _) => format!(
                    "paused after {phase}: `refloat recover --protection {} --continue` goes on",
                    run.protection
                ),
                (None, true) => "it is being driven".to_owned(),
                (None, false) => "nobody drives it".to_owned(),
            },
            if run.stuck.is_empty() {
                String::new()
            } else {
                format!("; stuck: {}", run.stuck.join("; "))
            }
        ));
    }
    for run in &status.unreadable_runs {
        text.push_str(&format!("unreadable {}: {}\n", run.run, run.why));
    }
    text
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let now = Timestamp::now();
    let sites: Vec<SiteName> = access
        .vault
        .sites()
        .into_iter()
        .filter(|(_, trusted)| *trusted)
        .map(|(entry, _)| entry.site)
        .collect();
    let protections = access.protections(arguments.protection).await?;
    let mut status = Status {
        at: now,
        protections: Vec::new(),
        unfinished_runs: Vec::new(),
        unreadable_runs: Vec::new(),
    };
    let chains = access.chains(&protections).await?;
    for (protection, chain) in protections.iter().zip(&chains) {
        let rows = rows(protection, chain, &sites, now);
        status.protections.extend(rows);
    }
    let open = unfinished_runs(&access.vault, None).await?;
    let unreadable = open.unreadable.into_iter();
    status.unreadable_runs = unreadable
        .map(|one| Unreadable {
            run: one.run.to_string(),
            why: one.why,
        })
        .collect();
    for one in open.unfinished {
        status.unfinished_runs.push(Unfinished {
            run: one.run.to_string(),
            kind: format!("{:?}", one.kind).to_lowercase(),
            protection: one.protection.to_string(),
            site: one.site.to_string(),
            last: one.last,
            writer: one.writer,
            paused_after: one.paused.map(|phase| phase.name().to_owned()),
            engine_may_live: one.may_live.is_some() && one.paused.is_none(),
            stuck: one.stuck,
        });
    }
    printer.result(&status, || table(&status));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seat::points::{good, withheld};

    #[test]
    fn a_newer_point_that_is_passed_over_is_told() {
        let shop = ProtectionName::new("shop").expect("a name");
        let chain = Chain {
            points: vec![good(1), withheld(2)],
            warnings: Vec::new(),
        };
        let rows = rows(&shop, &chain, &[], Timestamp::UNIX_EPOCH);
        assert_eq!(rows[0].sealed_point.as_deref(), Some("shop/1"));
        let told = rows[0].warnings.join("\n");
        assert!(told.starts_with("passed over shop/2: "), "{told}");
        assert!(told.contains("cannot be read now"), "{told}");
    }
}

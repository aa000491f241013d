//! `cargo xtask bench freeze`: what writers notice while their database is held.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::velero;
use super::windows::{Fared, Window, fared};
use crate::ground::Ground;
use crate::ledger::{Ledger, Load, now};
use crate::printer::{print, say};
use crate::refloat::{Refloat, build_release};
use crate::testbed::{Site, Testbed, output};

const TESTBED: &str = "bench";
/// Where the result is kept.
const PAGE: &str = "docs/src/reference/freeze.md";
/// MariaDB's writers may wait for the slowest cut and this long.
const FREEZE_MILLISECONDS: u64 = 150;

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Holds of each database
    #[arg(long, default_value_t = 20)]
    holds: u32,
    /// Leave Velero out; it takes minutes to build
    #[arg(long)]
    without_velero: bool,
    /// Write the result into the documentation
    #[arg(long)]
    write: bool,
}

/// What came of one engine.
struct Measured {
    engine: &'static str,
    inside: Fared,
    outside: Fared,
    /// Of each capture: held, slowest cut, in milliseconds.
    captures: Vec<(u64, u64)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.holds > 0, "`--holds` is at least 1");
    let binary = build_release()?;
    Testbed::down(TESTBED)?;
    let outcome = on_testbed(arguments, binary);
    Testbed::down(TESTBED)?;
    let page = outcome?;
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn on_testbed(arguments: &Arguments, binary: std::path::PathBuf) -> Result<String> {
    let testbed = Testbed::up(TESTBED)?;
    testbed.load_refloat(&binary)?;
    let ground = Ground::of_testbed(&testbed)?;
    let refloat = Refloat::prepare(&ground, binary, "freeze")?;
    refloat.make_vault()?;
    let ledger = Ledger::new(&ground);
    ledger.open()?;
    let file = protection(ground.scratch())?;
    let mut measured = Vec::new();
    for engine in ["pg", "maria"] {
        ledger.write(Load {
            engines: engine,
            workers: 4,
            pause: Duration::from_millis(2),
        })?;
        measured.push(measure(arguments, &refloat, &ledger, &file, engine)?);
    }
    let rival = if arguments.without_velero {
        None
    } else {
        ledger.write(Load {
            engines: "pg,maria",
            workers: 4,
            pause: Duration::from_millis(2),
        })?;
        Some(velero::measure(&testbed, &ground, &ledger)?)
    };
    let versions = versions(&ledger, &ground)?;
    Ok(page(arguments, &measured, rival.as_ref(), &versions))
}

fn protection(scratch: &Path) -> Result<String> {
    let path = scratch.join("freeze.yaml");
    let file = json!({
        "apiVersion": "refloat.io/v1alpha1", "kind": "Protection",
        "metadata": { "name": "ledger" },
        "spec": { "namespaces": ["ledger"], "minimumMode": "held" },
    });
    fs::write(&path, file.to_string())?;
    Ok(path.display().to_string())
}

/// Holds, and after each one a window of the same length behind the same checkpoints.
fn measure(
    arguments: &Arguments,
    refloat: &Refloat<'_>,
    ledger: &Ledger<'_>,
    file: &str,
    engine: &'static str,
) -> Result<Measured> {
    let (mut inside, mut outside, mut captures) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..arguments.holds {
        let made = refloat.answer(Some(Site::Primary), &["backup", "-f", file], &[])?;
        ensure!(made.code == Some(0), "backup: {} {}", made.value, made.said);
        let window = held(&made.value, &format!("ledger/{engine}"))?;
        inside.push(window);
        let point = made
            .value
            .get("point")
            .and_then(Value::as_str)
            .unwrap_or("");
        captures.push(times(refloat, point)?);
        // As the capture does: a checkpoint to prepare, one to start.
        for _ in 0..2 {
            ledger.postgres(Site::Primary, "CHECKPOINT;")?;
        }
        let from = now();
        let length = window.to - window.from;
        outside.push(Window {
            from,
            to: from + length,
        });
        thread::sleep(Duration::from_secs_f64(length + 0.2));
        say(format_args!(
            "  {engine}: hold {} of {}, {:.0} ms",
            number + 1,
            arguments.holds,
            length * 1000.0
        ));
    }
    let written = ledger.written()?;
    Ok(Measured {
        engine,
        inside: fared(&written, &inside),
        outside: fared(&written, &outside),
        captures,
    })
}

fn held(made: &Value, member: &str) -> Result<Window> {
    let members = made.get("members").and_then(Value::as_array);
    let held = members
        .into_iter()
        .flatten()
        .find(|one| one.get("name").and_then(Value::as_str) == Some(member))
        .and_then(|one| one.get("held"))
        .with_context(|| format!("{member} was not held: {made}"))?;
    let time = |key: &str| -> Result<f64> {
        let text = held.get(key).and_then(Value::as_str).unwrap_or_default();
        let time: Timestamp = text.parse()?;
        Ok(time.as_duration().as_secs_f64())
    };
    Ok(Window {
        from: time("since")?,
        to: time("released")?,
    })
}

/// Held, and the slowest cut, in milliseconds.
fn times(refloat: &Refloat<'_>, point: &str) -> Result<(u64, u64)> {
    let found = refloat.answer(
        Some(Site::Primary),
        &["points", "--protection", "ledger"],
        &[],
    )?;
    let points = found.value.get("points").and_then(Value::as_array);
    let capture = points
        .into_iter()
        .flatten()
        .find(|one| one.get("point").and_then(Value::as_str) == Some(point))
        .and_then(|one| one.get("capture"))
        .with_context(|| format!("point {point} tells no times"))?;
    let number = |key: &str| capture.get(key).and_then(Value::as_u64).context("no times");
    Ok((
        number("held_milliseconds")?,
        number("slowest_cut_milliseconds")?,
    ))
}

fn versions(ledger: &Ledger<'_>, ground: &Ground) -> Result<String> {
    let mut command = ground.kubectl(Site::Primary);
    command.args(["version", "-o", "json"]);
    let kubernetes: Value = serde_json::from_str(&output(command)?)?;
    Ok(format!(
        "PostgreSQL {}, MariaDB {}, Kubernetes {}, the testbed's CSI driver on btrfs (a loop device), two cores for both \
         sites, databases and writers",
        ledger.postgres(Site::Primary, "SHOW server_version;")?,
        ledger.mariadb(Site::Primary, "SELECT VERSION();")?,
        kubernetes
            .pointer("/serverVersion/gitVersion")
            .and_then(Value::as_str)
            .unwrap_or("?")
    ))
}

fn row(name: &str, fared: &Fared) -> String {
    format!(
        "| {name} | {} | {:.1} | {} | {:.1} | {:.0} |\n",
        fared.windows,
        fared.seconds,
        fared.transfers,
        fared.p99_milliseconds,
        fared.gap_milliseconds
    )
}

fn page(
    arguments: &Arguments,
    measured: &[Measured],
    rival: Option<&velero::Measured>,
    versions: &str,
) -> String {
    let mut text = format!(
        "# What writers notice of a hold\n\nWritten by `cargo xtask bench freeze --holds {} --write`; times are of that one run.\n\n\
         {versions}.\n\nTwo databases on three volumes, four writers without pause but 2 ms between transfers, each transfer a \
         transaction with two updates and an insert, first all in PostgreSQL, then all in MariaDB. Each backup holds both. \
         *Inside*: from the moment a database was held until the statement that lets go was issued. *Outside*: as many windows of \
         the same lengths, each behind two checkpoints of PostgreSQL as a backup makes them, and no backup running.\n\n\
         | | windows | seconds | transfers | p99, ms | longest gap, ms |\n|---|---|---|---|---|---|\n",
        arguments.holds
    );
    for one in measured {
        text.push_str(&row(&format!("{} inside", one.engine), &one.inside));
        text.push_str(&row(&format!("{} outside", one.engine), &one.outside));
    }
    text.push_str(&verdicts(measured));
    if let Some(rival) = rival {
        text.push_str(&rival.page());
    }
    text
}

fn verdicts(measured: &[Measured]) -> String {
    let mut text = String::from("\n");
    for one in measured {
        let over: Vec<u64> = one
            .captures
            .iter()
            .map(|(held, cut)| held.saturating_sub(*cut))
            .collect();
        let most = over.iter().max().copied().unwrap_or(0);
        let within = over
            .iter()
            .filter(|&&over| over <= FREEZE_MILLISECONDS)
            .count();
        let (longest, slowest) = one
            .captures
            .iter()
            .fold((0, 0), |(held, cut), one| (held.max(one.0), cut.max(one.1)));
        text.push_str(&format!(
            "- While {} was written into: last held to last release {longest} ms at most, the slowest cut {slowest} ms; beyond its \
             own slowest cut a capture took {most} ms at most ({within} of {} within {FREEZE_MILLISECONDS} ms).\n",
            one.engine,
            one.captures.len()
        ));
        if one.engine == "pg" {
            let ratio = |inside: f64, outside: f64| inside / outside.max(0.001);
            text.push_str(&format!(
                "- PostgreSQL inside against outside: p99 × {:.2}, longest gap × {:.2}.\n",
                ratio(one.inside.p99_milliseconds, one.outside.p99_milliseconds),
                ratio(one.inside.gap_milliseconds, one.outside.gap_milliseconds)
            ));
        }
    }
    text
}

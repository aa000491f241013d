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
use crate::ledger::{Ledger, Load, Written, now};
use crate::printer::{print, say};
use crate::refloat::{Refloat, build_release};
use crate::testbed::{Site, Testbed};

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

/// What came of it.
struct Measured {
    /// Engine; inside holds, around cuts without holds, outside.
    engines: Vec<(&'static str, [Fared; 3])>,
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
    let files = [
        protection(ground.scratch(), "when-needed", "held")?,
        protection(ground.scratch(), "never", "crash")?,
    ];
    ledger.write(Load {
        engines: "pg|maria",
        workers: 4,
        pause: Duration::from_millis(2),
    })?;
    let measured = measure(arguments, &refloat, &ledger, &files)?;
    say(verdicts(&measured));
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

fn protection(scratch: &Path, holds: &str, minimum: &str) -> Result<String> {
    let path = scratch.join(format!("freeze-{holds}.yaml"));
    let file = json!({
        "apiVersion": "refloat.io/v1alpha1", "kind": "Protection",
        "metadata": { "name": "ledger" },
        "spec": { "namespaces": ["ledger"], "minimumMode": minimum, "capture": { "holds": holds } },
    });
    fs::write(&path, file.to_string())?;
    Ok(path.display().to_string())
}

/// Engines, and whether their transfers are MariaDB's.
const ENGINES: [(&str, bool); 2] = [("pg", false), ("maria", true)];

/// Holds, and after each one the same cuts without a hold, and a quiet window, each of the same length behind the same
/// checkpoints.
fn measure(
    arguments: &Arguments,
    refloat: &Refloat<'_>,
    ledger: &Ledger<'_>,
    [holding, never]: &[String; 2],
) -> Result<Measured> {
    let mut windows: [[Vec<Window>; 3]; 2] = Default::default();
    let mut captures = Vec::new();
    for number in 0..arguments.holds {
        let backup = backup(refloat, holding)?;
        let mut lengths = Vec::new();
        for ((engine, _), [inside, ..]) in ENGINES.iter().zip(&mut windows) {
            let window = held(&backup, &format!("ledger/{engine}"))?;
            lengths.push(window.to - window.from);
            inside.push(window);
        }
        captures.push(times(refloat, &backup)?);
        let cut = cuts(refloat, &self::backup(refloat, never)?)?;
        for (length, [_, cuts, _]) in lengths.iter().zip(&mut windows) {
            cuts.push(Window {
                from: cut.to - length,
                to: cut.to,
            });
        }
        // As the capture does: a checkpoint to prepare, one to start.
        for _ in 0..2 {
            ledger.postgres(Site::Primary, "CHECKPOINT;")?;
        }
        let from = now();
        for (length, [.., outside]) in lengths.iter().zip(&mut windows) {
            outside.push(Window {
                from,
                to: from + length,
            });
        }
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        thread::sleep(Duration::from_secs_f64(longest + 0.2));
        say(format_args!(
            "  hold {} of {}: PostgreSQL {:.0} ms, MariaDB {:.0} ms",
            number + 1,
            arguments.holds,
            lengths[0] * 1000.0,
            lengths[1] * 1000.0
        ));
    }
    let written = ledger.written()?;
    let of_engine = |((engine, maria), windows): (&(&'static str, bool), &[Vec<Window>; 3])| {
        let own = written.iter().copied().filter(|one| one.maria == *maria);
        let own: Vec<Written> = own.collect();
        (
            *engine,
            windows.each_ref().map(|windows| fared(&own, windows)),
        )
    };
    Ok(Measured {
        engines: ENGINES.iter().zip(&windows).map(of_engine).collect(),
        captures,
    })
}

fn backup(refloat: &Refloat<'_>, file: &str) -> Result<Value> {
    let answer = refloat.answer(Some(Site::Primary), &["backup", "-f", file], &[])?;
    ensure!(
        answer.code == Some(0),
        "backup: {} {}",
        answer.value,
        answer.said
    );
    Ok(answer.value)
}

/// From when the first cut was asked for until the last one was made.
fn cuts(refloat: &Refloat<'_>, backup: &Value) -> Result<Window> {
    let point = point(refloat, backup)?;
    let members = point.get("members").and_then(Value::as_array);
    let cuts = members.into_iter().flatten();
    let cuts = cuts
        .filter_map(|member| member.get("cuts")?.as_object())
        .flatten();
    let mut to = 0.0_f64;
    for (_, cut) in cuts {
        let cut: Timestamp = cut.as_str().unwrap_or_default().parse()?;
        to = to.max(cut.as_duration().as_secs_f64());
    }
    ensure!(to > 0.0, "the point tells no cuts: {point}");
    Ok(Window { from: to, to })
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

/// A backup's point as `points` shows it.
fn point(refloat: &Refloat<'_>, backup: &Value) -> Result<Value> {
    let name = backup.get("point");
    let found = refloat.answer(
        Some(Site::Primary),
        &["points", "--protection", "ledger"],
        &[],
    )?;
    let points = found.value.get("points").and_then(Value::as_array);
    let point = points
        .into_iter()
        .flatten()
        .find(|one| one.get("point") == name);
    point
        .cloned()
        .with_context(|| format!("there is no point {name:?}"))
}

/// Held, and the slowest cut, in milliseconds.
fn times(refloat: &Refloat<'_>, backup: &Value) -> Result<(u64, u64)> {
    let point = point(refloat, backup)?;
    let number = |key: &str| {
        let number = point
            .pointer(&format!("/capture/{key}"))
            .and_then(Value::as_u64);
        number.with_context(|| format!("the point does not tell {key}"))
    };
    Ok((
        number("held_milliseconds")?,
        number("slowest_cut_milliseconds")?,
    ))
}

fn versions(ledger: &Ledger<'_>, ground: &Ground) -> Result<String> {
    Ok(format!(
        "PostgreSQL {}, MariaDB {}, Kubernetes {}, the testbed's CSI driver on btrfs (a loop device), two cores for both \
         sites, databases and writers",
        ledger.postgres(Site::Primary, "SHOW server_version;")?,
        ledger.mariadb(Site::Primary, "SELECT VERSION();")?,
        ground.kubernetes_version(Site::Primary)?
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
    measured: &Measured,
    rival: Option<&velero::Measured>,
    versions: &str,
) -> String {
    let mut text = format!(
        "# What writers notice of a hold\n\nWritten by `cargo xtask bench freeze --holds {} --write`; times are of that one run.\n\n\
         {versions}.\n\nTwo databases on three volumes; two writers in PostgreSQL and two in MariaDB, 2 ms between two transfers of a \
         writer, each a transaction with two updates and an insert. Each backup holds both databases. *Inside*: from the moment a \
         database was held until the statement that lets go was issued. *Cuts alone*: the same backup with `capture.holds: never`, in as many \
         windows of the same lengths that end with the last cut. *Outside*: as many again, each behind two checkpoints of PostgreSQL as a \
         backup makes them, and no backup running. A gap is the longest time between two transfers, of \
         any writer of that database, that ended one after the other.\n\n\
         | | windows | seconds | transfers | p99, ms | longest gap, ms |\n|---|---|---|---|---|---|\n",
        arguments.holds
    );
    for (engine, fared) in &measured.engines {
        for (name, fared) in ["inside", "cuts alone", "outside"].iter().zip(fared) {
            text.push_str(&row(&format!("{engine} {name}"), fared));
        }
    }
    text.push_str(&verdicts(measured));
    if let Some(rival) = rival {
        text.push_str(&rival.page());
    }
    text
}

fn verdicts(measured: &Measured) -> String {
    let over: Vec<u64> = measured
        .captures
        .iter()
        .map(|(held, cut)| held.saturating_sub(*cut))
        .collect();
    let within = over
        .iter()
        .filter(|&&over| over <= FREEZE_MILLISECONDS)
        .count();
    let (longest, slowest) = measured
        .captures
        .iter()
        .fold((0, 0), |(held, cut), one| (held.max(one.0), cut.max(one.1)));
    let mut text = format!(
        "\n- From the last hold that held to the last release: {longest} ms at most; the slowest cut took {slowest} ms. Beyond its own \
         slowest cut a capture took {} ms at most ({within} of {} within {FREEZE_MILLISECONDS} ms).\n",
        over.iter().max().copied().unwrap_or(0),
        over.len()
    );
    if let Some((_, [inside, cuts, outside])) =
        measured.engines.iter().find(|(engine, _)| *engine == "pg")
    {
        let ratio = |inside: f64, other: f64| inside / other.max(0.001);
        for (name, other) in [("cuts alone", cuts), ("outside", outside)] {
            text.push_str(&format!(
                "- PostgreSQL inside against {name}: p99 × {:.2}, longest gap × {:.2}.\n",
                ratio(inside.p99_milliseconds, other.p99_milliseconds),
                ratio(inside.gap_milliseconds, other.gap_milliseconds)
            ));
        }
    }
    text
}

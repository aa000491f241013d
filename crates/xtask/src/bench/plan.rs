//! `cargo xtask bench plan`: how fast a big recovery is planned and shown.
//!
//! The generator and the clock are an example of the test kit; it runs several times, each in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::printer::{print, say};
use crate::refloat::cargo;
use crate::testbed::output;

const EXAMPLE: &str = "plan_speed";
/// Where the result is kept.
const PAGE: &str = "docs/src/reference/plan-speed.md";
/// Planning and the table together may take this long.
const LIMIT_SECONDS: f64 = 2.0;
/// Stages that the limit is about.
const LIMITED: &[&str] = &[
    "plan",
    "what is at the target",
    "index and estimate",
    "table",
];

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Objects of the made-up application
    #[arg(long, default_value_t = 100_000)]
    objects: u32,
    /// So often; the medians count
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Write the result into the documentation
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(arguments.objects > 0, "`--objects` is at least 1");
    ensure!(arguments.runs > 0, "`--runs` is at least 1");
    let binary = build()?;
    let runs: Vec<Value> = (0..arguments.runs)
        .map(|_| measure(&binary, arguments.objects))
        .collect::<Result<_>>()?;
    let page = page(arguments, &runs)?;
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the example for speed; cargo says where it lies.
fn build() -> Result<PathBuf> {
    say("building the measurement");
    let built = cargo()
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "refloat-testkit",
        ])
        .args(["--example", EXAMPLE])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(built.status.success(), "the measurement does not build");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .find(|path| path.ends_with(EXAMPLE))
        .context("cargo named no executable of the measurement")
}

fn measure(binary: &Path, objects: u32) -> Result<Value> {
    let mut command = Command::new(binary);
    command.arg(objects.to_string());
    serde_json::from_str(&output(command)?).context("the measurement printed no JSON")
}

/// A number that every run has; the median.
fn median(runs: &[Value], pointer: &str) -> Result<f64> {
    let mut all: Vec<f64> = runs
        .iter()
        .map(|run| run.pointer(pointer).and_then(Value::as_f64))
        .collect::<Option<_>>()
        .with_context(|| format!("the measurement says nothing of {pointer}"))?;
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}

/// Median of every stage, in seconds.
fn stages(runs: &[Value]) -> Result<Vec<(String, f64)>> {
    let names = runs[0].get("stages").and_then(Value::as_array);
    let names = names.context("the measurement has no stages")?;
    names
        .iter()
        .enumerate()
        .map(|(place, stage)| {
            let name = stage.get("stage").and_then(Value::as_str).unwrap_or("?");
            let seconds = median(runs, &format!("/stages/{place}/seconds"))?;
            Ok((name.to_owned(), seconds))
        })
        .collect()
}

fn rustc() -> Result<String> {
    let mut command = Command::new("rustc");
    command.arg("--version");
    Ok(output(command)?.trim().to_owned())
}

fn page(arguments: &Arguments, runs: &[Value]) -> Result<String> {
    let number = |pointer: &str| median(runs, pointer);
    let stages = stages(runs)?;
    let limited: f64 = stages
        .iter()
        .filter(|(name, _)| LIMITED.contains(&name.as_str()))
        .map(|(_, seconds)| seconds)
        .sum();
    let verdict = if limited <= LIMIT_SECONDS {
        "within"
    } else {
        "beyond"
    };
    let rows: Vec<String> = stages
        .iter()
        .map(|(name, seconds)| format!("| {name} | {:.0} ms |\n", seconds * 1000.0))
        .collect();
    Ok(format!(
        "# How fast a big recovery is planned

Written by `cargo xtask bench plan --objects {} --runs {} --write`: medians of {} runs, each a process of its own; the rules are asked on a second thread,
built with `--release` by {}.

A made-up application of {:.0} objects in 60 namespaces: Secrets and ConfigMaps (two of three), Deployments that read them, mount volumes and name
databases, Services, Ingresses, accounts with roles, custom resources of six kinds with their operators, ReplicaSets that their owners make anew, 500
volumes and 50 databases. Its plan has {:.0} steps and {:.0} edges; {:.0} objects are left out. The table has {:.0} lines, the JSON {:.0} MB.

| Stage | Time |
|---|---|
{}
Planning and the table take {:.2} s together, {verdict} the limit of {LIMIT_SECONDS:.0} s. Reading the stored objects (the first line) is not in it, nor is
reading the cluster and the vault. Peak of memory up to the table: {:.0} MiB, the stored objects (twice: as
bytes and as read) among it; with all stages, the earlier plan of the comparison among them, {:.0} MiB.
",
        arguments.objects,
        arguments.runs,
        arguments.runs,
        rustc()?,
        number("/objects")?,
        number("/steps")?,
        number("/edges")?,
        number("/left_out")?,
        number("/lines")?,
        number("/json_bytes")? / 1e6,
        rows.concat(),
        limited,
        number("/peak_kib")? / 1024.0,
        number("/peak_kib_all")? / 1024.0,
    ))
}

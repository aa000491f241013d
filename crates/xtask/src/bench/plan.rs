//! `cargo xtask bench plan`: how fast a big recovery is planned and shown.
//!
//! The generator and the clock are an example of the test kit; it runs several times, each in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::limits;
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

/// The stage before them. With it they are what is aimed at for inventory and plan together, as far as no cluster is needed: within
/// [`LIMIT_SECONDS`] as well, which is told and does not fail the bench.
const READING: &str = "read the stored objects";

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
    let stages = stages(&runs)?;
    let page = page(arguments, &runs, &stages)?;
    print(format_args!("{page}"))?;
    if arguments.write {
        fs::write(PAGE, page)?;
        say(format_args!("wrote {PAGE}"));
    }
    let what = "s for planning and the table";
    Ok(limits::judge_number(what, limited(&stages), LIMIT_SECONDS))
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

/// Seconds of the stages that the limit is about.
fn limited(stages: &[(String, f64)]) -> f64 {
    let limited = stages.iter().filter(|(name, _)| is_limited(name));
    limited.map(|(_, seconds)| seconds).sum()
}

fn is_limited(stage: &str) -> bool {
    LIMITED.contains(&stage)
}

/// What is within its limit and what is not, and where the time goes.
fn verdicts(stages: &[(String, f64)]) -> String {
    let planning = limited(stages);
    let mut parts: Vec<&(String, f64)> = stages
        .iter()
        .filter(|(name, _)| name == READING || is_limited(name))
        .collect();
    parts.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let whole: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    let shares: Vec<String> = parts
        .iter()
        .map(|(name, seconds)| format!("{name} {:.0} %", seconds / whole * 100.0))
        .collect();
    format!(
        "Planning and the table take {planning:.2} s together, {} the limit of {LIMIT_SECONDS:.0} s. With reading the stored objects (the first line) it is \
         {whole:.2} s, {}\nthe {LIMIT_SECONDS:.0} s that the design wants for inventory and plan together: {}.\nReading the cluster and the vault is in neither.",
        limits::verdict(planning, LIMIT_SECONDS),
        limits::verdict(whole, LIMIT_SECONDS),
        shares.join(", ")
    )
}

fn page(arguments: &Arguments, runs: &[Value], stages: &[(String, f64)]) -> Result<String> {
    let number = |pointer: &str| median(runs, pointer);
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
{} Peak of memory up to the table: {:.0} MiB, the stored objects (twice: as
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
        verdicts(stages),
        number("/peak_kib")? / 1024.0,
        number("/peak_kib_all")? / 1024.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reading_takes_is_told_beside_the_limit_of_planning() {
        let stages = |reading: f64| {
            let all = [
                (READING, reading),
                ("plan", 1.4),
                ("what is at the target", 0.1),
                ("index and estimate", 0.2),
                ("table", 0.1),
                ("JSON", 9.0),
            ];
            all.map(|(name, seconds)| (name.to_owned(), seconds))
        };
        let text = verdicts(&stages(1.8));
        assert!(text.contains("take 1.80 s together, within the limit of 2 s."));
        assert!(text.contains("it is 3.60 s, beyond\nthe 2 s"), "{text}");
        assert!(text.contains("read the stored objects 50 %, plan 39 %, index and estimate 6 %"));
        assert!(!text.contains("JSON"));
        assert!(verdicts(&stages(0.1)).contains("it is 1.90 s, within"));
        assert!((limited(&stages(1.8)) - 1.8).abs() < 1e-9);
    }
}

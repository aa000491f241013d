//! `cargo xtask test`: every test there is, in stages from fast to slow, counted. CI runs this and nothing else.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::printer::{print, say};
use crate::refloat::cargo;
use crate::{scenarios, testbed, tidy};

/// Every test.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only the stages and scenarios whose name holds this text; once for each
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Leave out what needs real clusters
    #[arg(long)]
    skip_testbed: bool,
    /// Many more disasters than CI plays; takes a quarter of an hour longer
    #[arg(long)]
    long: bool,
}

/// Tests that passed and names of those that failed.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
}

/// A stage that is one command.
struct Stage {
    name: &'static str,
    directory: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const fn cargo_stage(name: &'static str, arguments: &'static [&'static str]) -> Stage {
    Stage {
        name,
        directory: ".",
        program: "cargo",
        arguments,
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    }
}

const fn go_stage(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
) -> Stage {
    Stage {
        name,
        directory: "testbed/csi",
        program,
        arguments,
        environment: &[],
    }
}

const GO_TEST: &str = "go test";

const STAGES: &[Stage] = &[
    cargo_stage("fmt", &["fmt", "--all", "--check"]),
    cargo_stage(
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
    cargo_stage(
        "test",
        &["test", "--workspace", "--locked", "--no-fail-fast"],
    ),
    cargo_stage(
        "sim",
        &[
            "run",
            "--locked",
            "--package",
            "refloat-testkit",
            "--profile",
            "sim",
            "--features",
            "planted-bugs",
            "--bin",
            "refloat-sim",
            "--",
            "--stage",
        ],
    ),
    cargo_stage("doc", &["doc", "--workspace", "--no-deps", "--locked"]),
    go_stage("go vet", "go", &["vet", "./..."]),
    Stage {
        directory: "testbed/librarian",
        ..go_stage("go vet of the librarian", "go", &["vet", "./..."])
    },
    go_stage(GO_TEST, "go", &["test", "-count=1", "./..."]),
];

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let begun = Instant::now();
    let mut tally = Tally::default();
    if !arguments.skip_testbed {
        testbed::install().context("without a fit machine: `cargo xtask test --skip-testbed`")?;
    }
    let wanted = |name: &str| is_wanted(&arguments.only, name);
    // The CSI driver's tests mount a file system of their own.
    let possible = |stage: &&Stage| stage.name != GO_TEST || !arguments.skip_testbed;
    for stage in STAGES
        .iter()
        .filter(possible)
        .filter(|stage| wanted(stage.name))
    {
        command_stage(stage, &mut tally)?;
    }
    if wanted("tidy") {
        check_stage("tidy", &mut tally, || tidy::check(Path::new(".")));
    }
    if wanted("codegen") {
        check_stage("codegen", &mut tally, crate::codegen::check);
    }
    if !arguments.skip_testbed {
        real(arguments, &wanted, &mut tally);
    }
    for name in &tally.failed {
        say(format_args!("FAILED: {name}"));
    }
    say(format_args!(
        "{:.0} s in all",
        begun.elapsed().as_secs_f64()
    ));
    print(format_args!(
        "{} passed, {} failed",
        tally.passed,
        tally.failed.len()
    ))?;
    Ok(if tally.failed.is_empty() && tally.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether a name holds one of these texts; all do when there is none.
pub(crate) fn is_wanted(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|only| name.contains(only.as_str()))
}

/// What needs real clusters.
fn real(arguments: &Arguments, wanted: &dyn Fn(&str) -> bool, tally: &mut Tally) {
    if wanted("testbed selftest") {
        scenario("testbed selftest", tally, || testbed::selftest("selftest"));
    }
    if wanted("demo") {
        scenario("demo", tally, || crate::demo::scenario("story"));
    }
    let length = if arguments.long {
        scenarios::Length::Long
    } else {
        scenarios::Length::Usual
    };
    match scenarios::run(&arguments.only, length) {
        Ok((count, failed)) => {
            tally.passed += count - failed.len();
            tally.failed.extend(failed);
        }
        Err(error) => {
            say(format_args!("FAILED  scenarios: {error:#}"));
            tally.failed.push("scenarios".to_owned());
        }
    }
}

fn scenario(name: &str, tally: &mut Tally, run: impl FnOnce() -> Result<()>) {
    say(format_args!("== {name}"));
    let start = Instant::now();
    match run() {
        Ok(()) => {
            tally.passed += 1;
            say(format_args!(
                "ok      {name} ({:.0} s)",
                start.elapsed().as_secs_f64()
            ));
        }
        Err(error) => {
            say(format_args!("FAILED  {name}: {error:#}"));
            tally.failed.push(name.to_owned());
        }
    }
}

/// A check that lists what is wrong.
fn check_stage(name: &str, tally: &mut Tally, check: impl FnOnce() -> Result<Vec<String>>) {
    scenario(name, tally, || {
        let wrong = check()?;
        for line in &wrong {
            say(format_args!("  {line}"));
        }
        anyhow::ensure!(wrong.is_empty(), "{} things are wrong", wrong.len());
        Ok(())
    });
}

fn log(name: &str) -> Result<PathBuf> {
    let directory = Path::new("target/xtask-test");
    fs::create_dir_all(directory)?;
    Ok(directory.join(format!("{}.log", name.replace(' ', "-"))))
}

/// Runs a command with its output in a log; counts the tests that it reports, or itself as one.
fn command_stage(stage: &Stage, tally: &mut Tally) -> Result<()> {
    say(format_args!("== {}", stage.name));
    let start = Instant::now();
    let path = log(stage.name)?;
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = match stage.program {
        "cargo" => cargo(),
        other => Command::new(other),
    };
    let status = command
        .args(stage.arguments)
        .current_dir(stage.directory)
        .envs(stage.environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("cannot start {}", stage.program))?;
    let (mut passed, failed) = count(&path)?;
    if passed == 0 && failed.is_empty() && status.success() {
        passed = 1;
    }
    tally.passed += passed;
    let seconds = start.elapsed().as_secs_f64();
    if status.success() && failed.is_empty() {
        say(format_args!(
            "ok      {}: {passed} passed ({seconds:.0} s)",
            stage.name
        ));
        return Ok(());
    }
    show_end(&path)?;
    say(format_args!(
        "FAILED  {} ({seconds:.0} s); all of it: {}",
        stage.name,
        path.display()
    ));
    if failed.is_empty() {
        tally.failed.push(stage.name.to_owned());
    }
    tally.failed.extend(failed);
    Ok(())
}

/// Reads cargo's and Go's reports: how many tests passed, names of those that failed.
fn count(path: &Path) -> Result<(usize, Vec<String>)> {
    let mut passed = 0;
    let mut failed = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        let name = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"));
        failed.extend(name.map(str::to_owned));
        if let Some(rest) = line.strip_prefix("test result: ")
            && let Some(number) = rest.split(' ').nth(1)
        {
            passed += number.parse::<usize>().unwrap_or(0);
        }
        if let Some(name) = line.strip_prefix("--- FAIL: ") {
            failed.push(name.to_owned());
        }
    }
    Ok((passed, failed))
}

fn show_end(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(80)..] {
        say(format_args!("  | {line}"));
    }
    Ok(())
}

//! `refloat-sim`: runs of the simulation by seed, by time or by number; kept seeds; the planted bugs. Called by
//! `cargo xtask sim`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Parser;
use refloat_core::planted::{Bug, plant};
use refloat_testkit::chaos::{Coverage, RUNS_PER_APPLICATION, Runner};

/// The whole engine under random applications and random mishaps.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Parser)]
struct Arguments {
    /// One run, told line by line
    #[arg(long, conflicts_with_all = ["time", "runs", "from", "bugs", "replay"])]
    seed: Option<u64>,
    /// Random runs for so long: `90s`, `10m`, `1h`
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// So many runs
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// The first seed; the clock's when it is left out
    #[arg(long)]
    from: Option<u64>,
    /// Whether each planted bug is found, and after how many runs
    #[arg(long, conflicts_with_all = ["time", "runs", "from", "replay"])]
    bugs: bool,
    /// With `--seed`: with this bug planted
    #[arg(long, requires = "seed")]
    bug: Option<String>,
    /// Every kept seed
    #[arg(long, conflicts_with_all = ["time", "runs", "from"])]
    replay: bool,
    /// What `cargo xtask test` runs: kept seeds, a fixed set of seeds, coverage, planted bugs
    #[arg(long)]
    stage: bool,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [('s', 1_u64), ('m', 60), ('h', 3600)];
    units
        .iter()
        .find_map(|(unit, seconds)| {
            let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
            number.checked_mul(*seconds).filter(|all| *all > 0)
        })
        .map(Duration::from_secs)
        .ok_or_else(|| "a number above 0 and s, m or h".to_owned())
}

/// Runs in which a planted bug must be found.
const BUG_RUNS_MAX: u64 = 10_000;
/// Runs of the fixed set.
const STAGE_RUNS: u64 = 3_000;

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is a finding; it is told with its seed.
    panic::set_hook(Box::new(|_| {}));
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    if let Some(seed) = arguments.seed {
        let bug = arguments.bug.as_deref().map(named).transpose()?;
        plant(bug);
        return Ok(one(seed));
    }
    if arguments.stage {
        return stage(arguments);
    }
    if arguments.bugs {
        return Ok(bugs(arguments.threads));
    }
    let mut good = replay()?.is_empty();
    if arguments.replay {
        return Ok(good);
    }
    let runs = match (arguments.runs, arguments.time) {
        (None, None) => 1_000,
        (runs, _) => runs.unwrap_or(u64::MAX),
    };
    let from = arguments.from.map_or_else(by_the_clock, Ok)?;
    let many = many(from, runs, arguments);
    println!("{}", many.coverage.table());
    println!(
        "{} runs from seed {from} in {:.0} s: {:.0} runs per second; {} of {} pairs hit",
        many.runs,
        many.took.as_secs_f64(),
        many.rate(),
        Coverage::possible() - many.coverage.missing().len(),
        Coverage::possible(),
    );
    for (seed, wrong) in &many.failed {
        println!("FAILED seed {seed}: {wrong}");
        if !arguments.keep_going {
            keep(*seed, wrong)?;
        }
    }
    good &= many.failed.is_empty();
    Ok(good)
}

/// A first seed that nobody has run yet.
fn by_the_clock() -> Result<u64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    Ok(now.as_secs() * 1_000_000)
}

fn named(name: &str) -> Result<Bug> {
    let found = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
    found.with_context(|| format!("no bug is called {name}: {:?}", Bug::ALL))
}

/// One seed, told.
fn one(seed: u64) -> bool {
    let outcome = Runner::default().story(seed);
    for line in &outcome.story {
        println!("{line}");
    }
    match outcome.wrong {
        None => println!("seed {seed}: as promised"),
        Some(ref wrong) => println!("FAILED seed {seed}: {wrong}"),
    }
    outcome.wrong.is_none()
}

/// What came of many runs.
struct Many {
    runs: u64,
    took: Duration,
    coverage: Coverage,
    failed: Vec<(u64, String)>,
}

impl Many {
    fn rate(&self) -> f64 {
        let runs = u32::try_from(self.runs).unwrap_or(u32::MAX);
        f64::from(runs) / self.took.as_secs_f64().max(0.001)
    }
}

fn many(from: u64, runs: u64, arguments: &Arguments) -> Many {
    let begun = Instant::now();
    // A thread takes the runs of one application at a time: they share what is made once.
    let next = AtomicU64::new(from / RUNS_PER_APPLICATION);
    let last = from.saturating_add(runs);
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Many {
        runs: 0,
        took: Duration::ZERO,
        coverage: Coverage::default(),
        failed: Vec::new(),
    });
    thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                let mut runner = Runner::default();
                while !stop.load(Ordering::Relaxed) {
                    let application = next.fetch_add(1, Ordering::Relaxed);
                    let first = application * RUNS_PER_APPLICATION;
                    let over = arguments.time.is_some_and(|time| begun.elapsed() > time);
                    if first >= last || over {
                        break;
                    }
                    for seed in first.max(from)..(first + RUNS_PER_APPLICATION).min(last) {
                        let outcome = runner.run(seed);
                        let mut total = total.lock().expect("no thread panics while it counts");
                        total.runs += 1;
                        total.coverage.add(&outcome.hits);
                        if let Some(wrong) = outcome.wrong {
                            total.failed.push((seed, wrong));
                            if !arguments.keep_going {
                                stop.store(true, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    let mut total = total
        .into_inner()
        .expect("no thread panics while it counts");
    total.took = begun.elapsed();
    total.failed.sort();
    total
}

/// Writes a failing seed down, to be replayed for ever.
fn keep(seed: u64, wrong: &str) -> Result<()> {
    let path = kept().join(format!("{seed}.txt"));
    fs::create_dir_all(kept())?;
    fs::write(&path, format!("seed: {seed}\nviolated: {wrong}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("kept in {}", path.display());
    println!("the story: cargo xtask sim --seed {seed}");
    Ok(())
}

/// Kept seeds that still fail.
fn replay() -> Result<Vec<String>> {
    let mut failed = Vec::new();
    let mut seeds = BTreeSet::new();
    for entry in fs::read_dir(kept()).into_iter().flatten() {
        let path = entry?.path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.extension().is_some_and(|one| one == "txt") {
            let Ok(seed) = name.parse::<u64>() else {
                bail!("{}: its name is no seed", path.display());
            };
            seeds.insert(seed);
        }
    }
    for seed in &seeds {
        let outcome = Runner::default().run(*seed);
        report(
            &format!("kept seed {seed}"),
            outcome.wrong.as_deref(),
            &mut failed,
        );
    }
    Ok(failed)
}

/// One line as the test harness of Rust writes it, so that `cargo xtask test` can count it.
fn report(name: &str, wrong: Option<&str>, failed: &mut Vec<String>) {
    if let Some(wrong) = wrong {
        println!("{name}: {wrong}");
        println!("test {name} ... FAILED");
        failed.push(name.to_owned());
    } else {
        println!("test {name} ... ok");
    }
}

/// Runs until a bug is found: how many it took, and what was seen.
fn hunt(bug: Bug) -> Option<(u64, String)> {
    plant(Some(bug));
    let mut runner = Runner::default();
    let found = (0..BUG_RUNS_MAX).find_map(|seed| Some((seed + 1, runner.run(seed).wrong?)));
    plant(None);
    found
}

fn hunts(threads: usize) -> Vec<(Bug, Option<(u64, String)>)> {
    let next = AtomicU64::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    let Some(bug) = Bug::ALL.get(index) else {
                        break;
                    };
                    let hunted = (*bug, hunt(*bug));
                    found
                        .lock()
                        .expect("no thread panics while it counts")
                        .push(hunted);
                }
            });
        }
    });
    let mut found = found
        .into_inner()
        .expect("no thread panics while it counts");
    found.sort();
    found
}

fn bugs(threads: usize) -> bool {
    let found = hunts(threads);
    for (bug, found) in &found {
        match found {
            Some((runs, wrong)) => println!("{:24} {runs:>6} runs   {wrong}", format!("{bug:?}")),
            None => println!(
                "{:24}  NOT FOUND in {BUG_RUNS_MAX} runs",
                format!("{bug:?}")
            ),
        }
    }
    found.iter().all(|(_, found)| found.is_some())
}

/// What `cargo xtask test` runs, a line for each test.
fn stage(arguments: &Arguments) -> Result<bool> {
    let mut failed = replay()?;
    let all = many(
        0,
        STAGE_RUNS,
        &Arguments {
            keep_going: true,
            time: None,
            ..Arguments::parse_from(["refloat-sim"])
        },
    );
    for (seed, wrong) in &all.failed {
        report(&format!("seed {seed}"), Some(wrong), &mut failed);
    }
    println!("{}", all.coverage.table());
    println!("{} runs in {:.0} s", all.runs, all.took.as_secs_f64());
    for (deed, mishap) in all.coverage.missing() {
        report(
            &format!("pair {deed} × {mishap}"),
            Some("was never hit"),
            &mut failed,
        );
    }
    // All runs are one test, and so are all pairs.
    let mut passed =
        usize::from(all.failed.is_empty()) + usize::from(all.coverage.missing().is_empty());
    for (bug, found) in hunts(arguments.threads) {
        match found {
            Some((runs, wrong)) => {
                println!("{:24} {runs:>6} runs   {wrong}", format!("{bug:?}"));
                passed += 1;
            }
            None => report(
                &format!("planted bug {bug:?}"),
                Some("was not found"),
                &mut failed,
            ),
        }
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {passed} passed; {} failed",
        failed.len()
    );
    Ok(failed.is_empty())
}

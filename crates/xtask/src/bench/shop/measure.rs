//! A shop, one backup of it by each tool, and then again and again: everything of it deleted, and brought back.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::Arguments;
use super::judge::{Judge, Left, Seen};
use crate::bench::velero::{Velero, phase};
use crate::bench::watched::Watched;
use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::Refloat;
use crate::shop::{Shop, web_answer};
use crate::testbed::{Site, Testbed};

/// Orders in the shop, so that the sums say something.
const ORDERS: u32 = 500;
/// Longer than this a backup by Velero is not waited for.
const BACKUP: Duration = Duration::from_mins(5);
/// The discount of the first run; the next has one more.
const DISCOUNT: u32 = 20;

/// Who brought it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Refloat,
    Velero,
}

/// How the tool itself ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// In its own words.
    pub(super) word: String,
    pub(super) seconds: f64,
    pub(super) peak_kib: u64,
}

/// One time that the shop came back, or did not.
#[derive(Debug)]
pub(super) struct Return {
    pub(super) tool: Tool,
    pub(super) ended: Ended,
    pub(super) seen: Seen,
    pub(super) left: Left,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    /// The cluster's version.
    pub(super) kubernetes: String,
    /// Each time that the shop came back, in their order.
    pub(super) all: Vec<Return>,
}

pub(super) fn measure(arguments: &Arguments, testbed: &Testbed, binary: &Path) -> Result<Measured> {
    testbed.load_refloat(binary)?;
    let ground = Ground::of_testbed(testbed)?;
    let refloat = Refloat::prepare(&ground, binary.to_owned(), "shop-speed")?;
    refloat.make_vault()?;
    let expected = open(&ground, arguments.size)?;
    refloat.backup(Site::Primary, "atomic-volume")?;
    let velero = if arguments.without_velero {
        None
    } else {
        Some(Velero::start(testbed, &ground, Site::Primary)?)
    };
    if let Some(velero) = &velero {
        backed_up(velero)?;
    }
    let mut all = Vec::new();
    let mut discount = DISCOUNT;
    for run in 0..arguments.runs {
        for tool in [Tool::Refloat, Tool::Velero] {
            let velero = match (tool, &velero) {
                (Tool::Velero, None) => continue,
                (Tool::Velero, Some(velero)) => Some(velero),
                (Tool::Refloat, _) => None,
            };
            destroy(&ground).context("the disaster")?;
            discount += 1;
            let judge = Judge {
                ground: &ground,
                expected: &expected,
                discount,
                patience: Duration::from_secs(arguments.patience),
            };
            let back = bring_back(tool, &judge, |begun| match velero {
                Some(velero) => restore(velero, run, judge.patience, begun),
                None => recover(&ground, &refloat, begun),
            })?;
            tell(&back);
            all.push(back);
        }
    }
    Ok(Measured {
        kubernetes: ground.kubernetes_version(Site::Primary)?,
        all,
    })
}

/// Opens the shop; what its web application says.
fn open(ground: &Ground, size: u32) -> Result<String> {
    let shop = Shop::new(ground, Site::Primary);
    shop.open(size)?;
    shop.sql(&format!(
        "INSERT INTO orders SELECT n, 1 + n % 1000, 1 + (n + 7) % 1000, 1, repeat('x', 200) FROM generate_series(1, {ORDERS}) AS n; CHECKPOINT;"
    ))?;
    let said = web_answer(ground, Site::Primary, "shop")?;
    ensure!(
        said.contains(&format!("orders={ORDERS} ")),
        "the shop does not work before the disaster: {said}"
    );
    Ok(said)
}

/// Deletes everything of the shop, and waits until its volume is gone, too.
fn destroy(ground: &Ground) -> Result<()> {
    ground.clear(Site::Primary)?;
    let shop = Shop::new(ground, Site::Primary);
    let claims = [
        "get",
        "persistentvolumes",
        "-o",
        "jsonpath={.items[*].spec.claimRef.namespace}",
    ];
    let begun = Instant::now();
    while shop
        .kubectl(&claims, "")?
        .split(' ')
        .any(|namespace| namespace == "shop")
    {
        ensure!(
            begun.elapsed() < Duration::from_mins(2),
            "the shop's volume stays"
        );
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Runs a tool with the judge beside it.
fn bring_back(
    tool: Tool,
    judge: &Judge<'_>,
    act: impl FnOnce(Instant) -> Result<Ended>,
) -> Result<Return> {
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let (ended, seen) = thread::scope(|scope| {
        let watching = scope.spawn(|| judge.watch(begun, &over));
        let ended = act(begun);
        if ended.is_err() {
            over.store(true, Ordering::Relaxed);
        }
        let seen = watching.join().map_err(|_| anyhow!("the judge panicked"));
        Ok::<_, anyhow::Error>((ended?, seen?))
    })?;
    Ok(Return {
        tool,
        ended,
        seen,
        left: judge.afterwards()?,
    })
}

/// Refloat at its defaults, to its end.
fn recover(ground: &Ground, refloat: &Refloat<'_>, begun: Instant) -> Result<Ended> {
    let words = [
        "recover",
        "--protection",
        "shop",
        "--source-dead",
        "all of the shop is deleted",
        "--yes",
    ];
    let messages = fs::File::create(ground.scratch().join("recover.txt"))?;
    let mut command: Command = refloat.command(Some(Site::Primary), &words);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(messages.try_clone()?)
        .stderr(messages)
        .spawn()
        .context("cannot start refloat")?;
    let watched = Watched::of(child.id());
    let status = child.wait()?;
    let seconds = begun.elapsed().as_secs_f64();
    if !status.success() {
        let said = fs::read_to_string(ground.scratch().join("recover.txt"))?;
        say(format_args!("{said}"));
    }
    Ok(Ended {
        word: if status.success() {
            "done".to_owned()
        } else {
            status.to_string()
        },
        seconds,
        peak_kib: watched.peak(),
    })
}

/// One backup by Velero.
fn backed_up(velero: &Velero<'_>) -> Result<()> {
    velero.run(&["backup", "create", "shop", "--include-namespaces", "shop"])?;
    let begun = Instant::now();
    let backup = ended(velero, "backup.velero.io", "shop", BACKUP)?;
    ensure!(
        phase(&backup) == "Completed",
        "Velero's backup did not end well within {} s: {backup}",
        BACKUP.as_secs()
    );
    say(format_args!(
        "  Velero's backup: {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Velero at its defaults, until it says that it is done.
fn restore(velero: &Velero<'_>, run: u32, patience: Duration, begun: Instant) -> Result<Ended> {
    let name = format!("shop-{run}");
    let watched = Watched::from_now(velero.process())?;
    velero.run(&["restore", "create", &name, "--from-backup", "shop"])?;
    let restore = ended(velero, "restore.velero.io", &name, patience)?;
    let seconds = begun.elapsed().as_secs_f64();
    let count = |key: &str| restore.pointer(key).and_then(Value::as_u64).unwrap_or(0);
    Ok(Ended {
        word: format!(
            "{}, {} errors, {} warnings",
            phase(&restore),
            count("/status/errors"),
            count("/status/warnings")
        ),
        seconds,
        peak_kib: watched.peak(),
    })
}

/// A backup or a restore once it has ended, or as it is when it has had its time.
fn ended(velero: &Velero<'_>, kind: &str, name: &str, patience: Duration) -> Result<Value> {
    let begun = Instant::now();
    loop {
        let object = velero.object(kind, name)?;
        let over = matches!(
            phase(&object),
            "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation"
        );
        if over || begun.elapsed() > patience {
            return Ok(object);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn tell(back: &Return) {
    let works = back.seen.works();
    let works = works.map_or_else(|| "never".to_owned(), |at| format!("after {at:.1} s"));
    say(format_args!(
        "  {:?}: {} after {:.1} s; the shop works {works}; {} restarts; {:?}",
        back.tool, back.ended.word, back.ended.seconds, back.left.restarts, back.left.events
    ));
}

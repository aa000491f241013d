//! A recovery of several hundred objects and a database, while the engine, the API server, etcd or a link dies: the end is
//! the same each time.
//!
//! Plays on a testbed of its own whose etcd flushes to the disk. Called by `cargo xtask test`: a few blows in CI, many with
//! `--long`.

mod moments;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use self::moments::{Blow, IN_CI, LONG, Moment};
use super::{Length, Stage, bulk, duel, killed, state};
use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::{Refloat, build};
use crate::shop::Shop;
use crate::testbed::{Etcd, From, Site, Testbed};

const TESTBED: &str = "disasters";
/// How long a link is cut: longer than a call may take to notice it.
const CUT: Duration = Duration::from_secs(9);
/// A blow that comes when all is done hits nothing: the next one is dealt so many percent earlier, so often.
const EARLIER: u32 = 8;
const BLOWS_MAX: u32 = 4;
/// What was on its way when a blow was dealt is told by then.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// A recovery that takes longer than this hangs.
const RECOVERY_LIMIT: Duration = Duration::from_mins(4);

pub(super) const RECOVER: [&str; 6] = [
    "recover",
    "--protection",
    "shop",
    "--source-dead",
    "a disaster",
    "--yes",
];

type Play<'a> = (
    String,
    Box<dyn Fn(&Stage<'_>, &BTreeMap<String, Value>) -> Result<()> + 'a>,
);

/// Name of the whole, for `--only`.
pub(super) const NAME: &str = "disasters: a recovery of 300 objects";

/// Plays them; how many, and which failed.
pub(super) fn run(only: &[String], length: Length) -> Result<(usize, Vec<String>)> {
    if !crate::test::is_wanted(only, NAME) {
        return Ok((0, Vec::new()));
    }
    let moments: Vec<Moment> = match length {
        Length::Usual => IN_CI.to_vec(),
        Length::Long => IN_CI.iter().chain(LONG).copied().collect(),
    };
    let binary = build()?;
    Testbed::down(TESTBED)?;
    let outcome = on_stage(&moments, binary);
    Testbed::down(TESTBED)?;
    outcome
}

fn on_stage(moments: &[Moment], binary: PathBuf) -> Result<(usize, Vec<String>)> {
    let testbed = Testbed::up_with(TESTBED, Etcd::Durable)?;
    testbed.load_refloat(&binary)?;
    let ground = Ground::of_testbed(&testbed)?;
    let stage = Stage {
        refloat: Refloat::prepare(&ground, binary, "disasters")?,
        shop: Shop::new(&ground, Site::Primary),
        testbed: &testbed,
        ground: &ground,
    };
    stage.shop.open(24).context("the shop does not open")?;
    let bulk = json!({ "apiVersion": "v1", "kind": "List", "items": bulk::objects() });
    stage
        .shop
        .kubectl(&["create", "-f", "-"], &bulk.to_string())?;
    // One of them has two owners.
    let hotfix = ["-n", "shop", "patch", bulk::OWNED, "--field-manager=hotfix"];
    let patch = ["--type=merge", "--patch", r#"{"data":{"hot":"fix"}}"#];
    stage.shop.kubectl(&[&hotfix[..], &patch].concat(), "")?;
    stage.refloat.make_vault()?;
    stage.ensure_points(1)?;

    let begun = Instant::now();
    bulk::frugally(&stage)?;
    let expected = state::of(&ground, Site::Recovery)?;
    bulk::owners(&stage)?;
    ensure!(expected.len() > 300, "only {} objects", expected.len());
    say(format_args!(
        "  undisturbed: {} objects in {:.1} s",
        expected.len(),
        begun.elapsed().as_secs_f64()
    ));
    stage.clear(Site::Recovery)?;

    let mut failed = Vec::new();
    let mut plays: Vec<Play<'_>> = vec![
        ("two engines at once".to_owned(), Box::new(duel::at_once)),
        (
            "an engine that was frozen".to_owned(),
            Box::new(duel::frozen),
        ),
    ];
    for (blow, percent) in moments {
        let name = format!("{blow:?} dies at {percent} %");
        let play = move |stage: &Stage<'_>, expected: &BTreeMap<String, Value>| {
            disaster(stage, *blow, *percent, expected)
        };
        plays.push((name, Box::new(play)));
    }
    for (name, play) in &plays {
        let name = format!("{NAME}, {name}");
        let begun = Instant::now();
        let outcome = play(&stage, &expected);
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => say(format_args!("ok      {name} ({seconds:.0} s)")),
            Err(error) => {
                say(format_args!("FAILED  {name} ({seconds:.0} s): {error:#}"));
                failed.push(name);
                // The next one begins on clean ground.
                testbed.heal(Site::Recovery)?;
                testbed.wait_until_ready(Site::Recovery)?;
                let rest = Recovery::start(&stage)?.finish()?;
                say(format_args!("  (run to its end: {})", rest.success));
                stage.clear(Site::Recovery)?;
            }
        }
    }
    Ok((plays.len(), failed))
}

/// A recovery that runs.
pub(super) struct Recovery {
    child: Child,
    lines: mpsc::Receiver<(Instant, String)>,
    pub(super) said: String,
    /// Steps that were told to be done, and when.
    told: Vec<(Instant, String)>,
    /// From then on it may take no longer than the limit.
    pub(super) begun: Instant,
}

/// How a recovery ended.
pub(super) struct Ended {
    pub(super) success: bool,
    pub(super) said: String,
    told: Vec<(Instant, String)>,
}

impl Recovery {
    pub(super) fn start(stage: &Stage<'_>) -> Result<Self> {
        let mut child = stage
            .refloat
            .command(Some(Site::Recovery), &RECOVER)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stderr.take().context("no stderr")?);
        let (sender, lines) = mpsc::channel();
        // Read at once: a line's time is when it was said, not when somebody looks at it.
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            said: String::new(),
            told: Vec::new(),
            begun: Instant::now(),
        })
    }

    /// Reads on until this part of the steps is done; false when it or its time ended before.
    pub(super) fn until(&mut self, percent: u32) -> bool {
        loop {
            let left = RECOVERY_LIMIT.saturating_sub(self.begun.elapsed());
            let Ok((at, line)) = self.lines.recv_timeout(left) else {
                return false;
            };
            self.said.push_str(&line);
            self.said.push('\n');
            let Some((done, total)) = steps(&line) else {
                continue;
            };
            self.told.push((at, line));
            if done * 100 >= total * percent {
                return true;
            }
        }
    }

    /// Kills it, and waits until the site is ready; how it ended when it had ended before, or its journal had and only its process had not.
    fn kill(mut self, stage: &Stage<'_>) -> Result<Option<Ended>> {
        let was_running = self.child.try_wait()?.is_none();
        if was_running {
            self.child.kill()?;
        }
        let mut ended = self.finish()?;
        stage.testbed.wait_until_ready(Site::Recovery)?;
        if was_running {
            if killed::is_recovery_open(stage)? {
                return Ok(None);
            }
            ended.success = true;
        }
        Ok(Some(ended))
    }

    /// Why it went no further: it has ended, or it hangs.
    pub(super) fn why_no_further(&self) -> &'static str {
        if self.begun.elapsed() < RECOVERY_LIMIT {
            "it ended"
        } else {
            "it hangs"
        }
    }

    pub(super) fn process(&self) -> Result<i32> {
        i32::try_from(self.child.id()).context("a process id beyond any kernel's")
    }

    pub(super) fn finish(mut self) -> Result<Ended> {
        self.until(101);
        // It still writes its report when it has said all. One that hangs is ended.
        while self.child.try_wait()?.is_none() {
            if self.begun.elapsed() >= RECOVERY_LIMIT {
                self.child.kill()?;
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let status = self.child.wait()?;
        ensure!(
            self.begun.elapsed() < RECOVERY_LIMIT,
            "it took {:.0} s: {}",
            self.begun.elapsed().as_secs_f64(),
            self.said
        );
        Ok(Ended {
            success: status.success(),
            said: std::mem::take(&mut self.said),
            told: std::mem::take(&mut self.told),
        })
    }
}

/// A play that fails leaves none behind that goes on.
impl Drop for Recovery {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `[12/340]` in a line.
fn steps(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once('[')?;
    let (numbers, _) = rest.split_once(']')?;
    let (done, total) = numbers.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// One blow, at this part of the steps or, where there was nothing left for it to hit, earlier.
fn disaster(
    stage: &Stage<'_>,
    blow: Blow,
    percent: u32,
    expected: &BTreeMap<String, Value>,
) -> Result<()> {
    let mut moment = percent;
    for _ in 0..BLOWS_MAX {
        let (ended, hit) = strike(stage, blow, moment)?;
        ensure!(ended.success, "it did not complete: {}", ended.said);
        same_end(stage, expected)?;
        if hit {
            return Ok(());
        }
        say(format_args!(
            "  {blow:?} died at {moment} % when all was done: once more, earlier"
        ));
        moment = moment.saturating_sub(EARLIER);
    }
    bail!("it hit nothing, {BLOWS_MAX} times")
}

/// How the recovery ended, and whether there was something to do still when the blow was dealt.
fn strike(stage: &Stage<'_>, blow: Blow, percent: u32) -> Result<(Ended, bool)> {
    let mut recovery = Recovery::start(stage)?;
    ensure!(
        recovery.until(percent),
        "{} before {percent} %: {}",
        recovery.why_no_further(),
        recovery.said
    );
    // Not always right after a step was told.
    thread::sleep(Duration::from_millis(u64::from(percent * 37 % 230)));
    let signal = |unit: &str| stage.testbed.signal(Site::Recovery, unit, Signal::SIGKILL);
    match blow {
        Blow::Engine => return again(stage, recovery),
        Blow::EngineAndApiServer => {
            signal("kube-apiserver")?;
            thread::sleep(Duration::from_millis(400));
            return again(stage, recovery);
        }
        Blow::ApiServer => signal("kube-apiserver")?,
        Blow::Etcd => signal("etcd")?,
        Blow::Link => stage.testbed.partition(Site::Recovery, From::Engine)?,
        Blow::StoreLink => stage.testbed.partition(Site::Recovery, From::Others)?,
    }
    let dealt = Instant::now();
    if matches!(blow, Blow::Link | Blow::StoreLink) {
        thread::sleep(CUT);
        stage.testbed.heal(Site::Recovery)?;
    }
    let ended = recovery.finish()?;
    let hit = is_hit(blow, dealt, &ended.told);
    Ok((ended, hit))
}

/// Whether a step was done after the blow: of the movers' link, one that needs it.
fn is_hit(blow: Blow, dealt: Instant, told: &[(Instant, String)]) -> bool {
    let later = told.iter().filter(|(at, _)| *at > dealt + ON_ITS_WAY);
    let mut lines = later.map(|(_, line)| line);
    match blow {
        Blow::StoreLink => lines.any(|line| line.contains("fill a volume")),
        Blow::Engine | Blow::ApiServer | Blow::Etcd | Blow::Link | Blow::EngineAndApiServer => {
            lines.next().is_some()
        }
    }
}

/// What came back is what came back undisturbed, and nothing else is left; then the ground is cleared.
pub(super) fn same_end(stage: &Stage<'_>, expected: &BTreeMap<String, Value>) -> Result<()> {
    stage.testbed.wait_until_ready(Site::Recovery)?;
    let found = state::of(stage.ground, Site::Recovery)?;
    let differences = state::differences(expected, &found);
    ensure!(
        differences.is_empty(),
        "the end states differ: {differences:?}"
    );
    bulk::owners(stage)?;
    stage.nothing_left(Site::Recovery)?;
    stage.clear(Site::Recovery)
}

/// The engine dies, and another one goes on; one that had ended by itself was not hit.
fn again(stage: &Stage<'_>, recovery: Recovery) -> Result<(Ended, bool)> {
    if let Some(ended) = recovery.kill(stage)? {
        return Ok((ended, false));
    }
    let ended = Recovery::start(stage)?.finish()?;
    ensure!(
        ended.said.contains("going on with recovery"),
        "it did not go on: {}",
        ended.said
    );
    Ok((ended, true))
}

#[cfg(test)]
mod tests;

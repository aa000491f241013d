//! Engines that die while they hold, and two that hold at once.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::Stage;
use super::database::CUT_DELAY_SECONDS;
use super::{AFTER_DEATH_SECONDS_MAX, Kill, Running, Scene};
use crate::captured::{is_late, is_silent};
use crate::printer::say;
use crate::testbed::Site;

/// Moments of a capture, after its preparations, at which its engine is killed.
const KILLS: u32 = 8;
/// More of them, while both databases are held, while too few came when writers waited: a slow machine holds later.
const MORE_KILLS: u32 = 4;
/// So many engines are begun at most: one that ended before it could be killed does not count.
const TRIES: u32 = 3 * (KILLS + MORE_KILLS);
/// Writers that wait have waited visibly so long after the first volume is being cut.
const FROZEN_AFTER: Duration = Duration::from_millis(700);
/// So many must come when writers waited.
const FROZEN_MIN: u32 = 2;
/// So often two engines are begun while a session was silent for too long and neither made a point.
const PAIRS: u32 = 2;
/// Between two of these moments; the whole capture takes about three seconds here.
const STRIDE: Duration = Duration::from_millis(400);

/// `kill -9` from the opening of the first session to the last cut: writers go on, and the next engine cleans up.
pub(in crate::scenarios) fn engine(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    let mut points = scene.points()?;
    let (mut killed, mut frozen, mut longest) = (0, 0, 0.0_f64);
    for _ in 0..TRIES {
        if killed >= KILLS && (frozen >= FROZEN_MIN || killed >= KILLS + MORE_KILLS) {
            break;
        }
        let running = begin_nth(&scene, killed)?;
        let what = format!("killed as number {killed}");
        match running.kill()? {
            Kill::Killed(moment) => {
                let waited = scene.writers_back(&what, moment, AFTER_DEATH_SECONDS_MAX)?;
                longest = longest.max(waited.seconds);
                frozen += u32::from(waited.frozen);
                killed += 1;
            }
            Kill::EndedBefore(answer) => {
                let made = answer.code == Some(0);
                ensure!(
                    made || is_late(&answer),
                    "{what}: {} {}",
                    answer.value,
                    answer.said
                );
                points += usize::from(made);
                say("  it ended before it was killed");
            }
        }
        scene.let_go(&what)?;
    }
    ensure!(killed >= KILLS, "only {killed} engines were killed");
    ensure!(
        frozen >= FROZEN_MIN,
        "only {frozen} engines were killed while writers waited"
    );
    say(format_args!(
        "  {killed} engines killed, {frozen} of them while writers waited; all went on within {longest:.1} s"
    ));
    scene.sound("after the kills", points)
}

/// A backup at the moment at which the engine with this number is killed.
fn begin_nth(scene: &Scene<'_>, number: u32) -> Result<Running> {
    let is_late_one = number >= KILLS;
    let seconds = if is_late_one { CUT_DELAY_SECONDS } else { 1 };
    scene.faults(&json!({ "cut_delay_seconds": seconds }))?;
    // The engines before were killed, and left theirs.
    let left = scene.snapshots()?;
    let mut running = scene.begin()?;
    for member in ["prepare mariadb", "prepare postgresql"] {
        if !running.said.contains(member) {
            running.until_said(member)?;
        }
    }
    if is_late_one {
        scene.until_cutting_beside(&mut running, &left)?;
        thread::sleep(FROZEN_AFTER);
    } else {
        thread::sleep(STRIDE * number);
    }
    Ok(running)
}

/// Two engines hold the same databases for two protections, and two for one protection: each ends with a point or is
/// refused, and nobody disturbs the other's hold.
pub(in crate::scenarios) fn two_at_once(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    scene.faults(&json!({ "cut_delay_seconds": 1 }))?;
    for other in ["ledger-two", "ledger"] {
        let mut sealed = 0;
        for _ in 0..PAIRS {
            let (made, silent) = pair(&scene, other)?;
            sealed = made;
            scene.let_go(other)?;
            stage.nothing_left(Site::Primary)?;
            if sealed > 0 || !silent {
                break;
            }
        }
        ensure!(sealed >= 1, "{other}: neither made a point");
        say(format_args!("  beside {other}: {sealed} of 2 made a point"));
    }
    let points = scene.points()?;
    scene.sound("two engines", points)
}

/// Two engines at once: how many made a point, and whether a session was silent for too long.
fn pair(scene: &Scene<'_>, other: &str) -> Result<(u32, bool)> {
    let first = scene.begin()?;
    let second = scene.begin_as(other)?;
    let (first, second) = (first.finish()?, second.finish()?);
    let (mut sealed, mut silent) = (0, false);
    for answer in [&first, &second] {
        if answer.code == Some(0) {
            sealed += 1;
            continue;
        }
        say(format_args!("  beside {other}: {}", answer.value));
        let codes = answer.problems();
        let known = ["hold-refused", "hold-slow", "backup-running"];
        let by_silence = is_silent(answer);
        silent |= by_silence;
        ensure!(
            by_silence || (answer.code == Some(1) && codes.iter().any(|code| known.contains(code))),
            "{other}: {} {}",
            answer.value,
            answer.said
        );
    }
    Ok((sealed, silent))
}

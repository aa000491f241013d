//! Engines that die while they hold, and two that hold at once.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::Stage;
use super::{AFTER_DEATH_SECONDS_MAX, Scene};
use crate::printer::say;
use crate::testbed::Site;

/// Moments of a capture, after its preparations, at which its engine is killed.
const KILLS: u32 = 8;
/// More of them, later ones, while too few came when writers waited: a slow machine holds later.
const MORE_KILLS: u32 = 4;
/// So many must come when writers waited.
const FROZEN_MIN: u32 = 2;
/// Between two of these moments; the whole capture takes about three seconds here.
const STRIDE: Duration = Duration::from_millis(400);

/// `kill -9` from the opening of the first session to the last cut: writers go on, and the next engine cleans up.
pub(in crate::scenarios) fn engine(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    let points = scene.points()?;
    scene.faults(&json!({ "cut_delay_seconds": 1 }))?;
    let (mut killed, mut frozen, mut longest) = (0, 0, 0.0_f64);
    let mut number = 0;
    while number < KILLS || (frozen < FROZEN_MIN && number < KILLS + MORE_KILLS) {
        let mut running = scene.begin()?;
        for member in ["prepare mariadb", "prepare postgresql"] {
            if !running.said.contains(member) {
                running.until_said(member)?;
            }
        }
        thread::sleep(STRIDE * number);
        let (was_running, moment) = running.kill()?;
        killed += u32::from(was_running);
        let what = format!(
            "killed {:.1} s into the capture",
            (STRIDE * number).as_secs_f64()
        );
        let waited = scene.writers_back(&what, moment, AFTER_DEATH_SECONDS_MAX)?;
        longest = longest.max(waited.seconds);
        frozen += u32::from(waited.frozen);
        scene.let_go(&what)?;
        number += 1;
    }
    ensure!(
        killed == number,
        "only {killed} of {number} engines were killed while they ran"
    );
    ensure!(
        frozen >= FROZEN_MIN,
        "only {frozen} engines were killed while writers waited"
    );
    say(format_args!(
        "  {killed} engines killed, {frozen} of them while writers waited; all went on within {longest:.1} s"
    ));
    scene.sound("after the kills", points)
}

/// Two engines hold the same databases for two protections, and two for one protection: each ends with a point or is
/// refused, and nobody disturbs the other's hold.
pub(in crate::scenarios) fn two_at_once(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    scene.faults(&json!({ "cut_delay_seconds": 1 }))?;
    for other in ["ledger-two", "ledger"] {
        let first = scene.begin()?;
        let second = scene.begin_as(other)?;
        let (first, second) = (first.finish()?, second.finish()?);
        let mut sealed = 0;
        for answer in [&first, &second] {
            if answer.code == Some(0) {
                sealed += 1;
                continue;
            }
            let codes = answer.problems();
            let known = ["hold-refused", "hold-slow", "backup-running"];
            ensure!(
                answer.code == Some(1) && codes.iter().any(|code| known.contains(code)),
                "{other}: {} {}",
                answer.value,
                answer.said
            );
        }
        ensure!(
            sealed >= 1,
            "{other}: neither made a point: {} and {}",
            first.value,
            second.value
        );
        say(format_args!("  beside {other}: {sealed} of 2 made a point"));
        scene.let_go(other)?;
        stage.nothing_left(Site::Primary)?;
    }
    let points = scene.points()?;
    scene.sound("two engines", points)
}

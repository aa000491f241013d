//! Links that are cut silently while databases are held, and programs of the cluster that restart.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;

use super::super::Stage;
use super::database::CUT_DELAY_SECONDS;
use super::{AFTER_CUT_SECONDS_MAX, AFTER_DEATH_SECONDS_MAX, Scene};
use crate::ledger::now;
use crate::printer::say;
use crate::testbed::{From, Site};

/// No connection is closed, no packet passes: while the first session opens, while both hold, around the proof.
pub(in crate::scenarios) fn links(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    for from in [From::Kubelet, From::Engine] {
        // What must break a hold comes long before the cuts are there, on a slow machine too.
        for (when, cut_seconds, delay) in [
            ("opening", 1, 0),
            ("holding", CUT_DELAY_SECONDS, 700),
            ("proving", 1, 1250),
        ] {
            let points = scene.points()?;
            scene.faults(&json!({ "cut_delay_seconds": cut_seconds }))?;
            let mut running = scene.begin()?;
            if when == "opening" {
                for member in ["prepare mariadb", "prepare postgresql"] {
                    if !running.said.contains(member) {
                        running.until_said(member)?;
                    }
                }
            } else {
                scene.until_cutting(&mut running)?;
            }
            thread::sleep(Duration::from_millis(delay));
            stage.testbed.partition(Site::Primary, from)?;
            let moment = now();
            thread::sleep(Duration::from_secs_f64(AFTER_CUT_SECONDS_MAX + 1.0));
            let healing = now();
            stage.testbed.heal(Site::Primary)?;
            let what = format!("cut off from {from:?} while {when}");
            let answer = running.finish()?;
            // Writers are in the cluster: their link is whole, and their log is read after the healing, and after what held only then.
            scene.writers_back(&what, moment, AFTER_CUT_SECONDS_MAX)?;
            let sealed = usize::from(answer.code == Some(0));
            ensure!(
                sealed == 1 || answer.code == Some(1),
                "{what}: {} {}",
                answer.value,
                answer.said
            );
            // A cut between the proof and the end of the capture may leave a copy that is good. So may one before the first session opens:
            // what waited for the link held only after it.
            let good = match when {
                "opening" => sealed == 1 && scene.newest_held_since(healing)?,
                other => other == "proving",
            };
            ensure!(
                sealed == 0 || good,
                "{what}: a point was sealed although the hold was lost: {}",
                answer.said
            );
            say(format_args!("  {what}: {}", ended(&answer)));
            scene.sound(&what, points + sealed)?;
        }
    }
    Ok(())
}

fn ended(answer: &crate::refloat::Answer) -> String {
    match answer.problems().first() {
        Some(code) => format!("refused with `{code}`"),
        None => "a point".to_owned(),
    }
}

/// A site that is cut off from the other one and from the S3 server reaches neither, and both once it is healed.
pub(in crate::scenarios) fn site(stage: &Stage<'_>) -> Result<()> {
    let store = stage.testbed.record().addresses.object_store();
    let other = stage.testbed.record().addresses.api_server(Site::Recovery);
    let reaches = |address: std::net::SocketAddr| -> Result<bool> {
        let mut command = stage.testbed.command_in(Site::Primary, "timeout")?;
        let connect = format!("exec 3<>/dev/tcp/{}/{}", address.ip(), address.port());
        command.args(["2", "bash", "-c", &connect]);
        Ok(command
            .stderr(std::process::Stdio::null())
            .status()?
            .success())
    };
    for cut in [false, true, false] {
        if cut {
            stage.testbed.partition(Site::Primary, From::Others)?;
        } else {
            stage.testbed.heal(Site::Primary)?;
        }
        for address in [store, other] {
            let begun = Instant::now();
            // Who is reached may be slow to answer.
            while !cut && !reaches(address)? {
                ensure!(
                    begun.elapsed() < Duration::from_mins(1),
                    "{address} is not reached, and was not cut off"
                );
                thread::sleep(Duration::from_millis(500));
            }
            ensure!(
                !cut || !reaches(address)?,
                "{address} is reached, and was cut off"
            );
        }
    }
    Ok(())
}

/// The API server and the kubelet are killed while both databases are held; a supervisor starts them anew.
pub(in crate::scenarios) fn restarts(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    for program in ["kubelet", "kube-apiserver", "csi-driver"] {
        let points = scene.points()?;
        // A driver that restarts begins its cut anew, and may be in time; the others break the hold, long before the cut is there.
        let cut_seconds = if program == "csi-driver" {
            2
        } else {
            CUT_DELAY_SECONDS
        };
        scene.faults(&json!({ "cut_delay_seconds": cut_seconds }))?;
        let mut running = scene.begin()?;
        scene.until_cutting(&mut running)?;
        thread::sleep(Duration::from_millis(300));
        stage
            .testbed
            .signal(Site::Primary, program, Signal::SIGKILL)?;
        let moment = now();
        let answer = running.finish()?;
        let sealed = usize::from(answer.code == Some(0));
        // A driver that restarts cuts late, within the hold; whoever carries the session ends it.
        let bound = if program == "csi-driver" {
            9.0
        } else {
            AFTER_DEATH_SECONDS_MAX
        };
        ensure!(
            sealed == 1 || answer.code == Some(1),
            "{program}: {} {}",
            answer.value,
            answer.said
        );
        ensure!(
            sealed == 0 || program == "csi-driver",
            "{program}: a point was sealed although the hold was lost: {}",
            answer.said
        );
        stage.testbed.wait_until_ready(Site::Primary)?;
        scene.ledger.ready(Site::Primary)?;
        let what = format!("{program} restarts while it is held");
        scene.writers_back(&what, moment, bound)?;
        say(format_args!("  {what}: {}", ended(&answer)));
        scene.sound(&what, points + sealed)?;
    }
    Ok(())
}

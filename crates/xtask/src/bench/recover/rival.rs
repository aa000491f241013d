//! Velero beside it: the same objects, on the same API server, at its defaults.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::bare::NAMESPACE;
use super::measure::{Measured, Run, clear, requests};
use crate::bench::velero::{VERSIONS, Velero, phase};
use crate::bench::watched::Watched;
use crate::ground::Ground;
use crate::printer::say;
use crate::testbed::{Site, Testbed};

/// Longer than this a backup or a restore by Velero is not waited for.
const PATIENCE: Duration = Duration::from_mins(90);

/// What is there now is backed up, restored into an empty namespace, and once more over what is there.
pub(super) fn measure(testbed: &Testbed, ground: &Ground, measured: &mut Measured) -> Result<()> {
    let velero = Velero::start(testbed, ground, Site::Recovery)?;
    velero.run(&[
        "backup",
        "create",
        "many",
        "--include-namespaces",
        NAMESPACE,
    ])?;
    ended(&velero, "backup.velero.io", "many")?;
    clear(ground, Site::Recovery)?;
    measured.empty.push(restore(&velero, ground, "empty")?);
    measured
        .existing
        .push(restore(&velero, ground, "existing")?);
    Ok(())
}

fn ended(velero: &Velero<'_>, kind: &str, name: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let object = velero.object(kind, name)?;
        match phase(&object) {
            "Completed" => return Ok(()),
            bad @ ("PartiallyFailed" | "Failed" | "FailedValidation") => {
                anyhow::bail!("Velero's {kind} {name} ended {bad}: {object}")
            }
            _ => {}
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "Velero's {kind} {name} does not end"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

fn restore(velero: &Velero<'_>, ground: &Ground, name: &str) -> Result<Run> {
    let before = requests(ground, Site::Recovery)?;
    let watched = Watched::from_now(velero.process())?;
    let begun = Instant::now();
    velero.run(&["restore", "create", name, "--from-backup", "many"])?;
    ended(velero, "restore.velero.io", name)?;
    let seconds = begun.elapsed().as_secs_f64();
    say(format_args!("  Velero: {seconds:.1} s"));
    Ok(Run {
        what: VERSIONS.to_owned(),
        seconds,
        peak_kib: Some(watched.peak()),
        requests: Some(requests(ground, Site::Recovery)? - before),
    })
}

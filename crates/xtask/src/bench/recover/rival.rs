//! Velero beside it: the same objects, on the same API server, at its defaults, and with its limits out of the way.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::bare::NAMESPACE;
use super::measure::{Measured, Run, clear};
use crate::bench::velero::{Velero, phase};
use crate::bench::watched::{Requests, Watched};
use crate::ground::Ground;
use crate::printer::say;
use crate::testbed::{Site, Testbed};

/// Longer than this a backup or a restore by Velero is not waited for.
const PATIENCE: Duration = Duration::from_mins(90);

/// Velero in the tables, and the flags of its server. Its default for `--client-qps` and for `--client-burst` is 100
/// (velero v1.18.3, `pkg/cmd/server/config/config.go`), so the first is it at its defaults and at the limit, both.
const SERVERS: [(&str, &[&str]); 2] = [
    ("Velero 1.18.3 at its defaults: 100 requests/s", &[]),
    (
        "Velero 1.18.3, its limits out of the way",
        &["--client-qps", "10000", "--client-burst", "10000"],
    ),
];

/// What is there now is backed up; then, for each server, restored into an empty namespace, and once more over what is there.
pub(super) fn measure(testbed: &Testbed, ground: &Ground, measured: &mut Measured) -> Result<()> {
    for (number, (what, flags)) in SERVERS.into_iter().enumerate() {
        let velero = Velero::start_with(testbed, ground, Site::Recovery, flags)?;
        if number == 0 {
            let names = ["--include-namespaces", NAMESPACE];
            velero.run(&[&["backup", "create", "many"], &names[..]].concat())?;
            ended(&velero, "backup.velero.io", "many")?;
        }
        clear(ground, Site::Recovery)?;
        let back = |name: &str| restore(&velero, ground, what, &format!("{name}-{number}"));
        measured.empty.push(back("empty")?);
        measured.existing.push(back("existing")?);
    }
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

fn restore(velero: &Velero<'_>, ground: &Ground, what: &str, name: &str) -> Result<Run> {
    let before = Requests::until_now(ground, Site::Recovery)?;
    let watched = Watched::from_now(velero.process())?;
    let begun = Instant::now();
    velero.run(&["restore", "create", name, "--from-backup", "many"])?;
    ended(velero, "restore.velero.io", name)?;
    let seconds = begun.elapsed().as_secs_f64();
    say(format_args!("  {what}: {seconds:.1} s"));
    Ok(Run {
        what: what.to_owned(),
        times: vec![seconds],
        peak_kib: Some(watched.peak()),
        requests: Some(Requests::until_now(ground, Site::Recovery)?.since(&before)),
    })
}

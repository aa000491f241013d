//! The checks that the simulated API server passes, against a real one: so the simulation cannot drift from what it stands for.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::Stage;
use crate::printer::say;
use crate::refloat::cargo;
use crate::testbed::Site;

/// Fewer checks than this, and something was left out.
const CHECKS_MIN: usize = 90;

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    let done = cargo()
        .args(["run", "--quiet", "--locked", "--package", "refloat-testkit"])
        .args(["--features", "real", "--bin", "refloat-fidelity", "--"])
        .arg("--kubeconfig")
        .arg(stage.ground.kubeconfig(Site::Recovery))
        .stdin(Stdio::null())
        .output()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&done.stdout);
    let said_too = String::from_utf8_lossy(&done.stderr);
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("FAILED"))
        .collect();
    ensure!(
        done.status.success(),
        "a real API server answers otherwise: {} {said_too}",
        failed.join("; ")
    );
    let last = said
        .lines()
        .chain(said_too.lines())
        .find(|line| line.contains(" passed, "));
    let last = last.context("it does not say how many passed")?;
    let passed = last
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    ensure!(
        passed.is_some_and(|passed: usize| passed >= CHECKS_MIN),
        "too few checks: {last}"
    );
    say(format_args!("  {last}"));
    Ok(())
}

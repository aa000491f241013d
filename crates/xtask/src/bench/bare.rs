//! The bare loop: `refloat-bare` of the test kit, built for speed; it makes the calls that it is given and nothing else.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::ground::Ground;
use crate::refloat::cargo;
use crate::testbed::Site;

/// Builds it; cargo says where it lies.
pub(super) fn build() -> Result<PathBuf> {
    let built = cargo()
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "refloat-testkit",
        ])
        .args(["--features", "real", "--bin", "refloat-bare"])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(built.status.success(), "the bare loop does not build");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .find(|path| path.ends_with("refloat-bare"))
        .context("cargo named no executable `refloat-bare`")
}

/// What all calls of a loop are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
}

/// Makes all calls, each with a `path` and, for a POST, a `body`; the seconds that the loop took.
pub(super) fn send(
    program: &Path,
    (ground, site): (&Ground, Site),
    verb: Verb,
    in_flight: u32,
    calls: impl IntoIterator<Item = Value>,
) -> Result<f64> {
    let verb = match verb {
        Verb::Get => "get",
        Verb::Post => "post",
    };
    let mut child = std::process::Command::new(program)
        .arg("--kubeconfig")
        .arg(ground.kubeconfig(site))
        .args(["--in-flight", &in_flight.to_string(), verb])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the bare loop")?;
    let mut input = child.stdin.take().context("no stdin")?;
    let mut count = 0_u32;
    for call in calls {
        writeln!(input, "{call}").context("the bare loop does not listen")?;
        count += 1;
    }
    drop(input);
    let done = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stdout);
    ensure!(done.status.success(), "the bare loop ended badly: {said}");
    let value: Value = serde_json::from_str(&said)?;
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    ensure!(
        number("failed") == Some(0.0) && number("calls") == Some(f64::from(count)),
        "the bare loop failed: {value}"
    );
    number("seconds").context("the bare loop names no time")
}

//! The bare loop: `refloat-bare` of the test kit, built for speed, and the calls that it makes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::refloat::cargo;
use crate::testbed::Site;

/// Namespace of the many objects.
pub(super) const NAMESPACE: &str = "many";

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

/// What is done with the many objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// Created at the source, as an application would.
    CreatePlain,
    /// Created as a recovery creates them: with two annotations more.
    Create,
    /// Read.
    Get,
}

/// One Secret of about half a kilobyte, no two alike.
fn secret(number: u32, calls: Calls) -> Value {
    let name = format!("secret-{number:06}");
    let mut metadata = json!({
        "name": name, "namespace": NAMESPACE,
        "labels": { "app.kubernetes.io/name": "many", "app.kubernetes.io/instance": name },
    });
    if calls == Calls::Create {
        metadata["annotations"] = json!({
            "refloat.io/recovery": "restore-0123456789ab-1",
            "refloat.io/digest": format!("{number:064x}"),
        });
    }
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
        "stringData": { "username": format!("user-{number}"), "password": format!("{number:0128x}") },
    })
}

fn line(number: u32, calls: Calls) -> Value {
    let collection = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    match calls {
        Calls::CreatePlain => json!({ "path": collection, "body": secret(number, calls) }),
        Calls::Create => json!({
            "path": format!("{collection}?fieldManager=refloat-bare"), "body": secret(number, calls),
        }),
        Calls::Get => json!({ "path": format!("{collection}/secret-{number:06}") }),
    }
}

/// Seconds that the loop took.
pub(super) fn run(
    program: &Path,
    ground: &Ground,
    site: Site,
    secrets: u32,
    calls: Calls,
    in_flight: u32,
) -> Result<f64> {
    let verb = if calls == Calls::Get { "get" } else { "post" };
    let mut child = std::process::Command::new(program)
        .arg("--kubeconfig")
        .arg(ground.kubeconfig(site))
        .args(["--in-flight", &in_flight.to_string(), verb])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the bare loop")?;
    let mut input = child.stdin.take().context("no stdin")?;
    for number in 0..secrets {
        writeln!(input, "{}", line(number, calls))?;
    }
    drop(input);
    let done = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stdout);
    ensure!(done.status.success(), "the bare loop ended badly: {said}");
    let value: Value = serde_json::from_str(&said)?;
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    ensure!(
        number("failed") == Some(0.0) && number("calls") == Some(f64::from(secrets)),
        "the bare loop failed: {value}"
    );
    number("seconds").context("the bare loop names no time")
}

//! Refloat as a user runs it: the binary, its keys in a directory, its words and its answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::ground::Ground;
use crate::printer::say;
use crate::testbed::Site;

/// Cargo as the user starts it: what it tells its own children would make it build some crates anew each time.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    let of_xtask = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
        "CARGO_PRIMARY_",
    ];
    for (name, _) in std::env::vars() {
        if of_xtask.iter().any(|start| name.starts_with(start)) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds the binary as developers do.
pub(crate) fn build() -> Result<PathBuf> {
    build_with(&[])
}

/// Builds the binary for users.
pub(crate) fn build_release() -> Result<PathBuf> {
    build_with(&["--release"])
}

/// Builds the binary; cargo says where it lies.
fn build_with(options: &[&str]) -> Result<PathBuf> {
    say("building refloat");
    let built = cargo()
        .args(["build", "--package", "refloat-cli", "--locked"])
        .arg("--message-format=json-render-diagnostics")
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(built.status.success(), "refloat does not build");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .find(|path| path.ends_with("refloat"))
        .context("cargo named no executable `refloat`")
}

pub(crate) struct Refloat<'a> {
    ground: &'a Ground,
    binary: PathBuf,
    keys: PathBuf,
    prefix: String,
}

/// How a call of refloat ended.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Exit code; none when it was killed.
    pub(crate) code: Option<i32>,
    /// The JSON that it printed, `Null` when none.
    pub(crate) value: Value,
    /// What it said beside.
    pub(crate) said: String,
}

impl Answer {
    /// Codes of the problems that it printed.
    pub(crate) fn problems(&self) -> Vec<&str> {
        self.value
            .get("problems")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|problem| problem.get("code")?.as_str())
            .collect()
    }
}

fn show(arguments: &[&str]) {
    say(format_args!("  $ refloat {}", arguments.join(" ")));
}

impl<'a> Refloat<'a> {
    /// Makes a directory for the keys.
    pub(crate) fn prepare(ground: &'a Ground, binary: PathBuf, prefix: &str) -> Result<Self> {
        let keys = ground.scratch().join(format!("keys-{prefix}"));
        if keys.exists() {
            fs::remove_dir_all(&keys)?;
        }
        fs::create_dir_all(&keys)?;
        Ok(Self {
            ground,
            binary,
            keys,
            prefix: prefix.to_owned(),
        })
    }

    /// The binary.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A key file's path: `recovery.key`, `root.key`, `primary.sitekey`.
    pub(crate) fn key(&self, name: &str) -> String {
        self.keys.join(name).display().to_string()
    }

    /// refloat with everything it needs in its environment.
    pub(crate) fn command(&self, site: Option<Site>, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .envs(self.ground.environment(&self.prefix))
            .env_remove("KUBECONFIG");
        if let Some(site) = site {
            let key = self.keys.join(format!("{}.sitekey", site.name()));
            command
                .env("KUBECONFIG", self.ground.kubeconfig(site))
                .env("REFLOAT_SITE_KEY", key);
        }
        command
    }

    /// Runs it quietly; how it ended. The environment's changes come last.
    pub(crate) fn answer(
        &self,
        site: Option<Site>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Answer> {
        let done = self
            .command(site, arguments)
            .args(["--output", "json"])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .context("cannot start refloat")?;
        Ok(Answer {
            code: done.status.code(),
            value: serde_json::from_slice(&done.stdout).unwrap_or_default(),
            said: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// Runs it with its messages on our standard error; its result as JSON.
    pub(crate) fn json(&self, site: Option<Site>, arguments: &[&str]) -> Result<Value> {
        show(arguments);
        let done = self
            .command(site, arguments)
            .args(["--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start refloat")?;
        let said = String::from_utf8_lossy(&done.stdout);
        ensure!(
            done.status.success(),
            "refloat {} failed ({}): {said}",
            arguments.join(" "),
            done.status
        );
        serde_json::from_str(&said).with_context(|| format!("refloat printed no JSON: {said}"))
    }

    fn text(&self, site: Option<Site>, arguments: &[&str]) -> Result<()> {
        show(arguments);
        let done = self
            .command(site, arguments)
            .stdin(Stdio::null())
            .status()
            .context("cannot start refloat")?;
        ensure!(
            done.success(),
            "refloat {} failed ({done})",
            arguments.join(" ")
        );
        Ok(())
    }

    /// Root key, recovery key, and a key for each site.
    pub(crate) fn make_vault(&self) -> Result<()> {
        let (recovery, root) = (self.key("recovery.key"), self.key("root.key"));
        self.text(
            None,
            &[
                "vault",
                "init",
                "--recovery-key-file",
                &recovery,
                "--root-key-file",
                &root,
            ],
        )?;
        for site in Site::ALL {
            let file = self.key(&format!("{}.sitekey", site.name()));
            self.text(
                None,
                &[
                    "vault",
                    "join",
                    "--site",
                    site.name(),
                    "--recovery-key",
                    &recovery,
                    "--root-key-file",
                    &root,
                    "--site-key-file",
                    &file,
                ],
            )?;
        }
        Ok(())
    }

    pub(crate) fn backup(&self, site: Site, minimum_mode: &str) -> Result<Value> {
        self.json(
            Some(site),
            &[
                "backup",
                "--protection",
                "shop",
                "--namespace",
                "shop",
                "--minimum-mode",
                minimum_mode,
            ],
        )
    }

    pub(crate) fn verify(&self, site: Site) -> Result<()> {
        self.text(
            Some(site),
            &["verify", "--protection", "shop", "--read-data"],
        )
    }

    /// The newest point as `refloat points` shows it.
    pub(crate) fn newest_point(&self) -> Result<Value> {
        let points = self.json(Some(Site::Recovery), &["points", "--protection", "shop"])?;
        points
            .pointer("/points")
            .and_then(Value::as_array)
            .and_then(|all| all.last())
            .cloned()
            .context("there is no point")
    }

    pub(crate) fn show_plan(&self, site: Site) -> Result<()> {
        self.text(
            Some(site),
            &[
                "plan",
                "--protection",
                "shop",
                "--source-dead",
                "the disaster of the demo",
            ],
        )
    }

    pub(crate) fn recover(&self, site: Site) -> Result<Value> {
        self.json(
            Some(site),
            &[
                "recover",
                "--protection",
                "shop",
                "--source-dead",
                "the disaster of the demo",
                "--yes",
            ],
        )
    }
}

/// Time per phase and the critical path, from the recovery's report.
pub(crate) fn tell_times(recovery: &Value) {
    let seconds = |value: &Value| value.as_f64().unwrap_or_default();
    for phase in recovery
        .get("phases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        say(format_args!(
            "  {:<28} {:>6.1} s",
            phase
                .get("phase")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            phase.get("seconds").map_or(0.0, seconds)
        ));
    }
    let path: Vec<String> = recovery
        .get("critical_path")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|step| {
            format!(
                "{} ({:.1} s, its gate {:.1} s)",
                step.get("step").and_then(Value::as_str).unwrap_or_default(),
                step.get("seconds").map_or(0.0, seconds),
                step.get("gate_seconds").map_or(0.0, seconds)
            )
        })
        .collect();
    say(format_args!("  critical path: {}", path.join(" → ")));
}

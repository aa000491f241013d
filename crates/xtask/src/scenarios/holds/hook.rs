//! An application that no driver knows, held by hooks: a pair of freeze and thaw, and one command; the engine killed and
//! cut off while it is frozen.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::super::Stage;
use super::{AFTER_CUT_SECONDS_MAX, AFTER_DEATH_SECONDS_MAX};
use crate::captured::Captured;
use crate::ledger::now;
use crate::printer::say;
use crate::testbed::{From, Site};

const MANIFESTS: &str = include_str!("../../../../../testbed/scenarios/files/files.yaml");

struct Files<'a> {
    stage: &'a Stage<'a>,
}

impl Files<'_> {
    fn in_pod(&self, script: &str) -> Result<String> {
        let exec = ["-n", "files", "exec", "counter-0", "--", "sh", "-c", script];
        Ok(self.stage.shop.kubectl(&exec, "")?.trim().to_owned())
    }

    fn is_frozen(&self) -> Result<bool> {
        Ok(self.in_pod("[ -e /data/frozen ] && echo yes || echo no")? == "yes")
    }

    fn protection(&self, hook: &Value) -> Result<String> {
        let mut of = json!({ "kind": "StatefulSet", "name": "counter" });
        for (key, value) in hook.as_object().into_iter().flatten() {
            of[key] = value.clone();
        }
        let file = json!({
            "apiVersion": "refloat.io/v1alpha1", "kind": "Protection",
            "metadata": { "name": "files" },
            "spec": { "namespaces": ["files"], "minimumMode": "held", "capture": { "hooks": [of] } },
        });
        let path = self.stage.testbed.scratch().join("files.yaml");
        fs::write(&path, file.to_string())?;
        Ok(path.display().to_string())
    }

    /// Whole backups are held while they are cut, and let go.
    fn whole(&self, hook: &Value) -> Result<()> {
        let file = self.protection(hook)?;
        let refloat = &self.stage.refloat;
        let words = ["backup", "-f", &file];
        let captured = Captured {
            testbed: self.stage.testbed,
            refloat,
            protection: "files",
        };
        let take = || refloat.answer(Some(Site::Primary), &words, &[]);
        let backup = captured.take(&take, &|| self.until_thawed("a refused capture"))?;
        ensure!(
            backup.code == Some(0),
            "{hook}: {} {}",
            backup.value,
            backup.said
        );
        let mode = backup.value.get("mode").and_then(Value::as_str);
        ensure!(mode == Some("held"), "its mode is {mode:?}");
        ensure!(!self.is_frozen()?, "{hook}: it was not let go");
        self.stage.nothing_left(Site::Primary)
    }

    /// A backup that is frozen while a volume is cut for ten seconds: what breaks it comes before, on a slow machine too.
    fn frozen(&self, hook: &Value) -> Result<std::process::Child> {
        let file = self.protection(hook)?;
        let control = self.stage.testbed.control_file(Site::Primary);
        fs::write(&control, json!({ "cut_delay_seconds": 10 }).to_string())?;
        let mut child = self
            .stage
            .refloat
            .command(Some(Site::Primary), &["backup", "-f", &file, "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        while !self.is_frozen()? {
            if child.try_wait()?.is_some() || begun.elapsed() > Duration::from_mins(3) {
                bail!("{hook}: it was never frozen");
            }
        }
        Ok(child)
    }

    fn until_thawed(&self, what: &str) -> Result<()> {
        let begun = Instant::now();
        while self.is_frozen()? {
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "{what}: it stays frozen"
            );
        }
        Ok(())
    }

    /// When it was thawed, seen by the application itself: the time of the marker's removal.
    fn thawed_after(&self, moment: f64, bound: f64, what: &str) -> Result<()> {
        self.until_thawed(what)?;
        // The directory changes when the marker goes, and not again.
        let changed: f64 = self.in_pod("stat -c %.Z /data")?.parse()?;
        let after = (changed - moment).max(0.0);
        say(format_args!("  {what}: thawed after {after:.1} s"));
        ensure!(
            after <= bound,
            "{what}: thawed after {after:.1} s, and {bound} s are allowed"
        );
        fs::write(self.stage.testbed.control_file(Site::Primary), "{}")?;
        Ok(())
    }
}

pub(in crate::scenarios) fn hook(stage: &Stage<'_>) -> Result<()> {
    let files = Files { stage };
    stage
        .shop
        .kubectl(&["apply", "--server-side", "-f", "-"], MANIFESTS)?;
    let wait = [
        "-n",
        "files",
        "rollout",
        "status",
        "statefulset/counter",
        "--timeout=120s",
    ];
    stage.shop.kubectl(&wait, "")?;
    let freeze = json!({
        "freeze": ["touch", "/data/frozen"], "thaw": ["rm", "-f", "/data/frozen"],
    });
    let hold = json!({
        "hold": ["sh", "-c", "touch /data/frozen; echo locked; cat >/dev/null; rm -f /data/frozen"],
    });
    for hook in [&freeze, &hold] {
        files.whole(hook)?;
        let mut child = files.frozen(hook)?;
        child.kill()?;
        let moment = now();
        child.wait()?;
        files.thawed_after(moment, AFTER_DEATH_SECONDS_MAX, "the engine killed")?;
        let mut child = files.frozen(hook)?;
        stage.testbed.partition(Site::Primary, From::Kubelet)?;
        let moment = now();
        thread::sleep(Duration::from_secs_f64(AFTER_CUT_SECONDS_MAX + 1.0));
        stage.testbed.heal(Site::Primary)?;
        files.thawed_after(moment, AFTER_CUT_SECONDS_MAX, "cut off from the kubelet")?;
        let ended = child.wait()?;
        ensure!(
            ended.code() == Some(1),
            "a point was made although the hold was lost: {ended}"
        );
        files.whole(hook)?;
    }
    let broken = json!({ "hold": ["sh", "-c", "echo locked; sleep 0.1"] });
    let file = files.protection(&broken)?;
    fs::write(
        stage.testbed.control_file(Site::Primary),
        json!({ "cut_delay_seconds": 2 }).to_string(),
    )?;
    let answer = stage
        .refloat
        .answer(Some(Site::Primary), &["backup", "-f", &file], &[])?;
    fs::write(stage.testbed.control_file(Site::Primary), "{}")?;
    super::super::bad_input::refused(
        "a hook that ends by itself",
        &answer,
        "hold-lost",
        &["files/counter", "ended by itself"],
    )?;
    stage.nothing_left(Site::Primary)?;
    let delete = ["delete", "namespace", "files", "--timeout=120s"];
    stage.shop.kubectl(&delete, "").map(drop)
}

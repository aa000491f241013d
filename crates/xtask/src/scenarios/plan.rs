//! A plan as people and programs read it, of a real point and a real target.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use super::bad_input::refused;
use crate::testbed::{Site, output};

/// What `refloat plan` printed, and how it ended.
struct Printed {
    code: Option<i32>,
    text: String,
    said: String,
}

impl Stage<'_> {
    fn plan(&self, arguments: &[&str]) -> Result<Printed> {
        let done = self
            .refloat
            .command(Some(Site::Recovery), &asking(arguments))
            .stdin(Stdio::null())
            .output()
            .context("cannot start refloat")?;
        Ok(Printed {
            code: done.status.code(),
            text: String::from_utf8_lossy(&done.stdout).into_owned(),
            said: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// A plan with these arguments is refused with this problem, in these words.
    fn refuses(&self, what: &str, arguments: &[&str], code: &str, words: &[&str]) -> Result<()> {
        let answer = self
            .refloat
            .answer(Some(Site::Recovery), &asking(arguments), &[])?;
        refused(what, &answer, code, words)
    }

    fn at_target(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.testbed.kubectl(Site::Recovery);
        command.args(arguments);
        output(command)
    }
}

/// Asks for a plan of the shop's recovery, with these arguments.
fn asking<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let plan = [
        "plan",
        "--protection",
        "shop",
        "--source-dead",
        "a scenario",
    ];
    [&plan, arguments].concat()
}

impl Printed {
    fn holds(&self, what: &str, code: i32, words: &[&str]) -> Result<()> {
        ensure!(
            self.code == Some(code),
            "{what}: exit code {:?} instead of {code}: {}{}",
            self.code,
            self.text,
            self.said
        );
        for word in words {
            ensure!(
                self.text.contains(word),
                "{what} does not say `{word}`: {}{}",
                self.text,
                self.said
            );
        }
        Ok(())
    }
}

pub(super) fn read(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    printed(stage)?;
    explained(stage)?;
    seen(stage)?;
    compared(stage)?;
    in_the_way(stage)
}

fn printed(stage: &Stage<'_>) -> Result<()> {
    let table = [
        "estimate: about",
        "  volumes: ",
        "→ fill shop/data-db-0",
        "write Deployment.apps shop/web",
        "taken for dead",
    ];
    stage.plan(&[])?.holds("the table", 0, &table)?;
    let json = stage.plan(&["-o", "json"])?;
    json.holds("JSON", 0, &[])?;
    let value: Value = serde_json::from_str(&json.text)?;
    let problems = value.get("problems").and_then(Value::as_array);
    ensure!(problems.is_some_and(Vec::is_empty), "{problems:?}");
    let forms: [(&str, &[&str]); 3] = [
        ("yaml", &["document: refloat.io/plan", "digest: "]),
        ("dot", &["digraph plan {", "VOLUME_BEFORE_POD"]),
        ("mermaid", &["flowchart LR", "VOLUME_BEFORE_POD"]),
    ];
    for (form, words) in forms {
        let shown = stage.plan(&["-o", form, "--all"])?;
        shown.holds(form, 0, words)?;
        ensure!(
            !shown.text.contains("bm90LWEtc2VjcmV0"),
            "a Secret is in {form}"
        );
    }
    ensure!(
        !json.text.contains("bm90LWEtc2VjcmV0"),
        "a Secret is in the JSON"
    );
    let other = stage
        .refloat
        .command(Some(Site::Recovery), &["status", "-o", "dot"])
        .output()?;
    let said = String::from_utf8_lossy(&other.stderr);
    ensure!(said.contains("output-unsupported"), "status drew: {said}");
    Ok(())
}

fn explained(stage: &Stage<'_>) -> Result<()> {
    let chain = [
        "Deployment.apps shop/web waits for ready shop/db",
        "by DATABASE_BEFORE_CLIENT (",
    ];
    stage
        .plan(&["--explain", "deploy/web", "sts/db"])?
        .holds("the chain", 0, &chain)?;
    let one = [
        "phase: 4 storage",
        "waits for Namespace shop",
        "2 steps wait for it",
    ];
    stage
        .plan(&["--explain", "pvc/data-db-0"])?
        .holds("the step", 0, &one)?;
    let unknown = stage.plan(&["--explain", "deploy/wbe"])?;
    ensure!(
        unknown.code == Some(1)
            && unknown
                .said
                .contains("did you mean: Deployment.apps shop/web"),
        "{}",
        unknown.said
    );
    Ok(())
}

/// An operator that names no database was seen talking to one: as Hubble writes it, since no Cilium runs here.
fn seen(stage: &Stage<'_>) -> Result<()> {
    let file = stage.testbed.scratch().join("flows.json");
    let path = file.display().to_string();
    let asked = [
        "--connections",
        &path,
        "--explain",
        "deploy/campaign-operator",
        "sts/db",
    ];
    let flow = |service: &str| {
        json!({ "flow": {
            "time": "2026-11-20T10:00:00Z", "verdict": "FORWARDED", "Type": "L3_L4", "is_reply": false,
            "l4": { "TCP": { "source_port": 40822, "destination_port": 5432 } },
            "source": {
                "namespace": "shop", "pod_name": "campaign-operator-7d8f-x2x4",
                "workloads": [{ "kind": "Deployment", "name": "campaign-operator" }],
            },
            "destination_service": { "namespace": "shop", "name": service },
        }, "node_name": "node-1" })
    };
    fs::write(&file, format!("{}\n{}\n", flow("db"), flow("db")))?;
    let chain = [
        "Deployment.apps shop/campaign-operator waits for ready shop/db",
        "by SEEN_CONNECTION (high): Hubble saw it connect to Service shop/db 2 times",
    ];
    stage.plan(&asked)?.holds("what was seen", 0, &chain)?;
    fs::write(&file, flow("nobody").to_string())?;
    let useless = stage.plan(&asked[..2])?;
    useless.holds("what adds nothing", 0, &["they add nothing"])?;
    fs::write(&file, "web talks to db")?;
    stage.refuses(
        "no JSON",
        &["--connections", &path],
        "connections-file",
        &["flows.json", "hubble observe"],
    )
}

fn compared(stage: &Stage<'_>) -> Result<()> {
    let file = stage.testbed.scratch().join("plan.json");
    let path = file.display().to_string();
    fs::write(&file, stage.plan(&["-o", "json"])?.text)?;
    stage
        .plan(&["--diff", &path, "--exit-code"])?
        .holds("the same", 0, &["no difference"])?;
    let skip = ["--existing", "skip", "--diff", &path, "--exit-code"];
    stage
        .plan(&skip)?
        .holds("another goal", 1, &["existing: \"fail\" → \"skip\""])?;
    stage
        .plan(&skip[..4])?
        .holds("another goal", 0, &["changed"])?;
    fs::write(&file, "no JSON")?;
    stage.refuses("no JSON", &["--diff", &path], "plan-file", &["plan.json"])
}

/// What stands against a recovery stands beside its plan.
fn in_the_way(stage: &Stage<'_>) -> Result<()> {
    stage.at_target(&["create", "namespace", "shop"])?;
    let mine = [
        "-n",
        "shop",
        "create",
        "configmap",
        "mine",
        "--from-literal=a=b",
    ];
    stage.at_target(&mine)?;
    let shown = stage.plan(&[]);
    let json = stage.plan(&["-o", "json"]);
    stage.clear(Site::Recovery)?;
    let shown = shown?;
    let words = [
        "at the target already",
        "ConfigMap shop/mine",
        "write Deployment.apps shop/web",
    ];
    shown.holds("a plan with problems", 1, &words)?;
    ensure!(shown.said.contains("namespace-in-use"), "{}", shown.said);
    let value: Value = serde_json::from_str(&json?.text)?;
    let code = value.pointer("/problems/0/code").and_then(Value::as_str);
    ensure!(code == Some("namespace-in-use"), "{code:?}");
    let first = value.pointer("/plan/steps/0/id");
    ensure!(first.is_some(), "there is no plan beside its problems");
    Ok(())
}

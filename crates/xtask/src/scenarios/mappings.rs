//! A point recovered under other names: namespace, host, storage class, registry, patches; and strategic patches beside the API server's own answers.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use super::bad_input::refused;
use crate::shop;
use crate::testbed::{Site, output};

const DRILL: &str = "shop-drill";
/// Another class of the same storage, at the recovery site alone.
const CLASS: &str = "drill-fast";
/// The registry of the shop's images, and the one that the recovery site's node has them of.
const REGISTRY: (&str, &str) = ("refloat.local", "mirror.refloat.local/drill");
/// The shop's images.
const IMAGES: [&str; 2] = ["client:1", "postgres:15"];
const DEAD: [&str; 2] = ["--source-dead", "a scenario"];

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    alike(stage)?;
    let outcome = ready(stage).and_then(|()| drill(stage));
    kubectl(
        stage,
        Site::Recovery,
        &[
            "delete",
            "namespace",
            DRILL,
            "--ignore-not-found",
            "--timeout=120s",
        ],
    )?;
    stage.clear(Site::Recovery)?;
    let class = ["delete", "storageclass", CLASS, "--ignore-not-found"];
    kubectl(stage, Site::Recovery, &class)?;
    outcome
}

/// Gives the recovery site what the drill is mapped to.
fn ready(stage: &Stage<'_>) -> Result<()> {
    let mut class = object(stage, Site::Recovery, "shop", "storageclass/btrfs")?;
    class["metadata"] = json!({ "name": CLASS });
    let class = file(stage, "class.yaml", &[class])?;
    kubectl(stage, Site::Recovery, &["create", "-f", &class])?;
    let (old, new) = REGISTRY;
    for image in IMAGES {
        let mut tag = stage.testbed.command_in(Site::Recovery, "ctr")?;
        tag.args(["images", "tag", "--force"]);
        tag.args([format!("{old}/{image}"), format!("{new}/{image}")]);
        output(tag)?;
    }
    Ok(())
}

fn kubectl(stage: &Stage<'_>, site: Site, arguments: &[&str]) -> Result<String> {
    let mut command = stage.testbed.kubectl(site);
    command.args(arguments);
    output(command)
}

fn object(stage: &Stage<'_>, site: Site, namespace: &str, what: &str) -> Result<Value> {
    let said = kubectl(stage, site, &["-n", namespace, "get", what, "-o", "json"])?;
    serde_json::from_str(&said).context("kubectl printed no JSON")
}

/// Writes values as a file; YAML takes JSON.
fn file(stage: &Stage<'_>, name: &str, values: &[Value]) -> Result<String> {
    let path = stage.testbed.scratch().join(name);
    let all: Vec<String> = values.iter().map(Value::to_string).collect();
    fs::write(&path, all.join("\n---\n"))?;
    Ok(path.display().to_string())
}

fn plan(stage: &Stage<'_>, arguments: &[&str]) -> Result<Value> {
    let all = [&["plan", "--protection", "shop"], &DEAD[..], arguments].concat();
    stage.refloat.json(Some(Site::Recovery), &all)
}

/// The object that a step of a plan writes.
fn written<'a>(plan: &'a Value, step: &str) -> Result<&'a Value> {
    plan["plan"]["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["id"] == step)
        .map(|one| &one["work"]["object"])
        .with_context(|| format!("the plan has no step `{step}`"))
}

/// Strategic patches, by what they change: the part of the object that is compared.
fn strategic() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let pod = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    vec![
        (
            "apps",
            "Deployment",
            "web",
            pod(json!({
                "containers": [{ "name": "web",
                    "env": [{ "name": "PGUSER", "value": "other" }, { "name": "PGDATABASE", "$patch": "delete" }, { "name": "MODE", "value": "drill" }],
                    "ports": [{ "containerPort": 8080, "name": "http" }],
                    "args": ["one"] }],
                "volumes": [{ "name": "scratch", "emptyDir": {} }],
                "tolerations": [{ "key": "a", "operator": "Exists" }],
                "imagePullSecrets": [{ "name": "pull" }],
                "terminationGracePeriodSeconds": null,
            })),
        ),
        (
            "apps",
            "StatefulSet",
            "db",
            pod(json!({
                "containers": [{ "name": "postgres", "env": [{ "$patch": "replace" }, { "name": "ONLY", "value": "one" }],
                    "volumeMounts": [{ "mountPath": "/var/lib/postgresql/data", "readOnly": true }],
                    "readinessProbe": { "$patch": "replace", "exec": { "command": ["true"] }, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3 } }],
                "nodeSelector": { "a": "b" },
            })),
        ),
        (
            "apps",
            "Deployment",
            "campaign-operator",
            json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
        ),
        (
            "",
            "Service",
            "web",
            json!({ "spec": { "ports": [
            { "port": 80, "targetPort": 9090 }, { "port": 81, "name": "more", "protocol": "TCP", "targetPort": 81 },
        ] } }),
        ),
        (
            "rbac.authorization.k8s.io",
            "RoleBinding",
            "web",
            json!({ "subjects": [
            { "kind": "User", "name": "a", "apiGroup": "rbac.authorization.k8s.io" },
        ] }),
        ),
        (
            "networking.k8s.io",
            "Ingress",
            "web",
            json!({ "spec": { "rules": [{ "host": "other.example.com" }] } }),
        ),
    ]
}

/// What Refloat makes of strategic patches is what the API server makes of them.
fn alike(stage: &Stage<'_>) -> Result<()> {
    let patches: Vec<Value> = strategic()
        .into_iter()
        .map(|(group, kind, name, patch)| {
            json!({ "target": { "group": group, "kind": kind, "name": name }, "type": "strategic", "patch": patch })
        })
        .collect();
    let patches = file(stage, "strategic.yaml", &patches)?;
    // The server is to be compared with, not to be pleased: no node has such labels.
    let planned = plan(stage, &["--preflight", "warn", "--patch", &patches])?;
    for (group, kind, name, patch) in strategic() {
        let step = match group {
            "" => format!("write {kind} shop/{name}"),
            group => format!("write {kind}.{group} shop/{name}"),
        };
        let ours = written(&planned, &step)?;
        let patch = patch.to_string();
        let arguments = [
            "-n",
            "shop",
            "patch",
            kind,
            name,
            "--type=strategic",
            "--dry-run=server",
            "-o",
            "json",
            "--patch",
            &patch,
        ];
        let theirs: Value = serde_json::from_str(&kubectl(stage, Site::Primary, &arguments)?)?;
        for part in [
            "/spec/template",
            "/spec/strategy",
            "/spec/ports",
            "/spec/rules",
            "/subjects",
        ] {
            let (mut ours, mut theirs) =
                (ours.pointer(part).cloned(), theirs.pointer(part).cloned());
            // The server fills in what was removed: its default.
            for one in [&mut ours, &mut theirs].into_iter().flatten() {
                if let Some(spec) = one.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.entry("terminationGracePeriodSeconds")
                        .or_insert(json!(30));
                }
            }
            ensure!(
                ours == theirs,
                "{step} {part}: {ours:?}, the API server has {theirs:?}"
            );
        }
    }
    Ok(())
}

/// The shop beside where it was: other namespace, other host, its configuration patched.
fn drill(stage: &Stage<'_>) -> Result<()> {
    let operator = object(stage, Site::Primary, "shop", "deployment/campaign-operator")?;
    let script = operator["spec"]["template"]["spec"]["containers"][0]["args"][0]
        .as_str()
        .context("the operator has no script")?
        .replace("--namespace shop ", &format!("--namespace {DRILL} "));
    let (old, new) = REGISTRY;
    let mapping = |patches: &[Value]| {
        json!({
            "namespaces": { "shop": DRILL }, "hosts": { "shop.example.com": "shop.dr.example.com" },
            "storageClasses": { "btrfs": CLASS }, "registries": { old: new }, "patches": patches,
        })
    };
    // First without patches: what still names the old namespace is told.
    let bare = file(stage, "bare.yaml", &[mapping(&[])])?;
    let told = plan(stage, &["--mappings", &bare])?;
    let warnings = told["warnings"].to_string();
    for place in [
        "ConfigMap shop-drill/web-settings (data.DATABASE_HOST)",
        "Deployment.apps shop-drill/campaign-operator",
    ] {
        ensure!(
            warnings.contains(place),
            "no warning names {place}: {warnings}"
        );
    }
    let mended = file(
        stage,
        "mended.yaml",
        &[mapping(&[
            json!({ "target": { "kind": "ConfigMap", "name": "web-settings" }, "type": "merge",
                "patch": { "data": { "DATABASE_HOST": format!("db.{DRILL}.svc.cluster.local"), "GREETING": "only a drill" } } }),
            json!({ "target": { "kind": "Deployment", "name": "campaign-*" }, "type": "json", "patch": [
                { "op": "replace", "path": "/spec/template/spec/containers/0/args/0", "value": script }] }),
        ])],
    )?;
    let quiet = plan(stage, &["--mappings", &mended])?;
    let warnings = quiet["warnings"].to_string();
    ensure!(
        !warnings.contains("old name"),
        "still a warning: {warnings}"
    );
    let plain = plan(stage, &[])?;
    ensure!(
        plain["plan"]["run"] != quiet["plan"]["run"],
        "two places, one run: {}",
        plain["plan"]["run"]
    );
    let all = [&["recover", "--protection", "shop", "--yes"], &DEAD[..]].concat();
    let twice = [
        &all[..],
        &["--mappings", &mended, "--map-namespace", "shop=other"],
    ]
    .concat();
    let answer = stage.refloat.answer(Some(Site::Recovery), &twice, &[])?;
    refused(
        "one namespace twice",
        &answer,
        "mapping-twice",
        &["shop-drill", "other"],
    )?;
    let all = [&all[..], &["--mappings", &mended]].concat();
    stage.refloat.json(Some(Site::Recovery), &all)?;
    came_back(stage)?;
    let answer = stage.refloat.answer(Some(Site::Recovery), &all, &[])?;
    refused("once more", &answer, "namespace-in-use", &[DRILL])?;
    Ok(())
}

fn came_back(stage: &Stage<'_>) -> Result<()> {
    let count = "SELECT count(*) FROM accounts";
    let there = shop::query(stage.ground, Site::Primary, count)?;
    let mut psql = shop::PSQL.to_vec();
    psql[1] = DRILL;
    let back = kubectl(stage, Site::Recovery, &[&psql[..], &["-c", count]].concat())?;
    ensure!(
        back.trim() == there,
        "{there} accounts, {} came back",
        back.trim()
    );
    let said = shop::web_answer_once_connected(stage.ground, Site::Recovery, DRILL)?;
    ensure!(said.contains("only a drill"), "the web answers {said}");
    for binding in ["rolebinding/web", "clusterrolebinding/campaign-operator"] {
        let binding = object(stage, Site::Recovery, DRILL, binding)?;
        let subject = &binding["subjects"][0]["namespace"];
        ensure!(subject == DRILL, "its subject is in {subject}");
    }
    mapped(stage)?;
    let ingress = object(stage, Site::Recovery, DRILL, "ingress/web")?;
    let host = &ingress["spec"]["rules"][0]["host"];
    ensure!(host == "shop.dr.example.com", "its host is {host}");
    let old = kubectl(
        stage,
        Site::Recovery,
        &[
            "get",
            "namespace",
            "shop",
            "--ignore-not-found",
            "-o",
            "name",
        ],
    )?;
    ensure!(old.trim().is_empty(), "the old namespace is there too");
    let web = kubectl(
        stage,
        Site::Recovery,
        &[
            "-n",
            DRILL,
            "get",
            "deployment/web",
            "-o",
            "json",
            "--show-managed-fields",
        ],
    )?;
    ensure!(
        web.contains("\"manager\": \"kubectl\""),
        "its owner is another: {web}"
    );
    Ok(())
}

/// Volumes of the other class, pods that run images of the other registry.
fn mapped(stage: &Stage<'_>) -> Result<()> {
    let set = object(stage, Site::Recovery, DRILL, "statefulset/db")?;
    let template = &set["spec"]["volumeClaimTemplates"][0]["spec"];
    let claim = object(
        stage,
        Site::Recovery,
        DRILL,
        "persistentvolumeclaim/data-db-0",
    )?;
    let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default();
    let volume = object(
        stage,
        Site::Recovery,
        DRILL,
        &format!("persistentvolume/{volume}"),
    )?;
    for (what, spec) in [
        ("template", template),
        ("claim", &claim["spec"]),
        ("volume", &volume["spec"]),
    ] {
        let class = &spec["storageClassName"];
        ensure!(class == CLASS, "the {what} is of class {class}");
    }
    let pods = object(stage, Site::Recovery, DRILL, "pods")?;
    let pods = pods["items"].as_array().context("no list of pods")?;
    ensure!(pods.len() >= 3, "only {} pods", pods.len());
    for pod in pods {
        let image = pod["spec"]["containers"][0]["image"].as_str();
        let image = image.unwrap_or_default();
        ensure!(
            image.starts_with(&format!("{}/", REGISTRY.1)) && pod["status"]["phase"] == "Running",
            "{} runs {image}: {}",
            pod["metadata"]["name"],
            pod["status"]
        );
    }
    Ok(())
}

//! An application whose operator answers for everything about it: its webhooks refuse what nobody answers for, it converts between
//! versions, serves an API of its own, fills in defaults, and makes objects itself before it is asked.

use std::cell::Cell;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Stage;
use super::bad_input::refused;
use super::heard::Heard;
use crate::shop::Shop;
use crate::testbed::{Site, librarian_image};

const GROUND: &str = include_str!("../../../../testbed/scenarios/library/ground.yaml");
const STOCK: &str = include_str!("../../../../testbed/scenarios/library/stock.yaml");
const IN_LIBRARY: [&str; 2] = ["-n", "library"];

const API: &str = "apiservice/v1.counts.library.example.com";
const WRITE_API: &str = "write APIService.apiregistration.k8s.io v1.counts.library.example.com";
/// What a namespace leaves behind when it is deleted.
const LEFT_BEHIND: &[&str] = &[
    "validatingwebhookconfiguration/librarian",
    "mutatingwebhookconfiguration/librarian",
    API,
];
/// The rest: objects while there is somebody to convert them, then those who do.
const THE_REST: &[&str] = &[
    "customresourcedefinition/books.library.example.com",
    "customresourcedefinition/tiers.library.example.com",
    "namespace/library",
    "clusterrole/librarian",
    "clusterrolebinding/librarian",
];

const RECOVER: &[&str] = &[
    "recover",
    "--protection",
    "library",
    "--source-dead",
    "a scenario",
    "--yes",
];

/// The library at one site.
struct Library<'a> {
    stage: &'a Stage<'a>,
    site: Site,
    hands: Shop<'a>,
}

impl<'a> Library<'a> {
    fn at(stage: &'a Stage<'a>, site: Site) -> Self {
        Self {
            stage,
            site,
            hands: Shop::new(stage.ground, site),
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.hands.kubectl(arguments, "")
    }

    fn object(&self, what: &str) -> Result<Value> {
        let words = [&IN_LIBRARY[..], &["get", what, "-o", "json"]].concat();
        serde_json::from_str(&self.kubectl(&words)?).context("kubectl printed no JSON")
    }

    fn text(&self, what: &str, path: &str) -> Result<String> {
        let path = format!("jsonpath={{{path}}}");
        self.kubectl(&[&IN_LIBRARY[..], &["get", what, "-o", &path]].concat())
    }

    fn open(&self) -> Result<()> {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let made = authority()?;
        let certificate = STANDARD.encode(made.cert.pem());
        let key = STANDARD.encode(made.signing_key.serialize_pem());
        let ground = GROUND.replace("KEY }", &format!("{key} }}"));
        let filled = |text: &str| text.replace("CERTIFICATE", &certificate);
        self.hands.kubectl(&apply, &filled(&ground))?;
        self.rolled_out()?;
        // The API server calls a webhook a moment after it is told of it.
        self.until("the stock is there", || {
            self.hands.kubectl(&apply, &filled(STOCK)).map(|_| true)
        })?;
        let long_ago = "{\"status\":{\"lastScheduleTime\":\"2020-01-01T04:00:00Z\"}}";
        let status = [
            "patch",
            "cronjob/stocktaking",
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        self.kubectl(&[&IN_LIBRARY[..], &status, &[long_ago]].concat())?;
        self.until("the books are shelved", || self.is_shelved())
    }

    fn rolled_out(&self) -> Result<()> {
        let words = [
            "rollout",
            "status",
            "deployment/librarian",
            "--timeout=120s",
        ];
        self.kubectl(&[&IN_LIBRARY[..], &words].concat())?;
        Ok(())
    }

    fn is_shelved(&self) -> Result<bool> {
        let places = self.text("books", ".items[*].spec.place")?;
        let ready = self.text("books", ".items[*].status.conditions[0].status")?;
        Ok(places == "stacks stacks" && ready == "True True")
    }

    fn until(&self, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        loop {
            let last = is_so();
            if matches!(last, Ok(true)) {
                return Ok(());
            }
            ensure!(
                start.elapsed() < Duration::from_mins(3),
                "never seen at {}: {what}; the last look: {last:?}",
                self.site
            );
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Whether the API server lists the API that the operator serves.
    fn is_served(&self) -> Result<bool> {
        let group = "--api-group=counts.library.example.com";
        let list = ["api-resources", group, "-o", "name"];
        Ok(!self.kubectl(&list)?.is_empty())
    }

    /// Waits until its API is served. The API server looks for it whenever its APIService changes, and else each minute: so it is changed.
    fn until_served(&self) -> Result<()> {
        let (changed, count) = (Cell::new(Instant::now()), Cell::new(0));
        self.until("its API is served", || {
            if changed.get().elapsed() > Duration::from_secs(5) {
                changed.set(Instant::now());
                count.set(count.get() + 1);
                let word = format!("example.com/looked-for={}", count.get());
                self.kubectl(&["annotate", "--overwrite", API, &word])?;
            }
            self.is_served()
        })
    }

    fn delete(&self, all: &[&str]) -> Result<()> {
        for what in all {
            self.kubectl(&["delete", what, "--ignore-not-found", "--timeout=120s"])?;
        }
        Ok(())
    }

    fn recover(&self, more: &[&str]) -> Result<crate::refloat::Answer> {
        let words = [RECOVER, more].concat();
        self.stage.refloat.answer(Some(self.site), &words, &[])
    }

    /// Everything is as at the source, and the operator is at work.
    fn is_back(&self, source: &Library<'_>) -> Result<()> {
        for (what, path) in [
            ("book/whale", ".spec.pages"),
            ("book/whale", ".spec.copies"),
            ("book/whale", ".spec.place"),
            ("book/island", ".spec.pages"),
            ("book/island", ".spec.copies"),
            ("books.v1alpha1.library.example.com/island", ".spec.length"),
            ("tier/public", ".spec"),
            ("tier/rare", ".spec"),
            ("configmap/card-whale", ".data"),
            ("cronjob/stocktaking", ".spec"),
        ] {
            let (before, now) = (source.text(what, path)?, self.text(what, path)?);
            ensure!(
                !now.is_empty() && now == before,
                "{what} {path}: {before}, and now {now}"
            );
        }
        let title = self.text("tier/public", ".spec.title")?;
        ensure!(
            title == "as a user says",
            "the operator's own tier: {title}"
        );
        let book = self.text("book/whale", ".metadata.uid")?;
        let owner = self.text("configmap/card-whale", ".metadata.ownerReferences[*].uid")?;
        ensure!(
            owner == book,
            "the card's owner is {owner}, the book is {book}"
        );
        let available = "jsonpath={.status.conditions[?(@.type==\"Available\")].status}";
        let service = ["get", API, "-o", available];
        self.until("its API is there", || Ok(self.kubectl(&service)? == "True"))?;
        let jobs = self.object("jobs")?;
        ensure!(
            jobs["items"].as_array().is_some_and(Vec::is_empty),
            "a missed run was made up for: {jobs}"
        );
        Ok(())
    }

    /// The recovery has seen a pod of the operator lead, and went on for no other reason.
    fn is_led(&self, said: &str) -> Result<()> {
        known_to_be_ready(said, "write Deployment.apps library/librarian")?;
        let holder = self.text("lease/librarian", ".spec.holderIdentity")?;
        let pods = self.text("pods", ".items[*].metadata.name")?;
        ensure!(
            pods.split(' ')
                .any(|pod| holder.starts_with(&format!("{pod}_"))),
            "the Lease is held by `{holder}`, the pods are {pods}"
        );
        Ok(())
    }

    /// The webhooks are asked and answer.
    fn is_guarded(&self) -> Result<()> {
        let tier = "{apiVersion: library.example.com/v1, kind: Tier, metadata: {name: other, namespace: library}, spec: {priority: 20}}";
        let start = Instant::now();
        loop {
            let Err(refused) = self.hands.kubectl(&["create", "-f", "-"], tier) else {
                bail!("a second tier of one priority was let in");
            };
            let said = refused.to_string();
            if said.contains("overlaps with existing Tier rare") {
                return Ok(());
            }
            // A webhook that is slow is asked again; any other word is wrong.
            let is_late = ["timeout", "deadline exceeded"]
                .iter()
                .any(|words| said.contains(words));
            ensure!(
                is_late && start.elapsed() < Duration::from_mins(1),
                "a second tier of one priority is refused otherwise: {said}"
            );
            thread::sleep(Duration::from_secs(1));
        }
    }
}

/// This step is done, and not because its time was over.
fn known_to_be_ready(said: &str, step: &str) -> Result<()> {
    let mut lines = said.lines();
    let line = lines.find(|line| line.contains(step) && line.contains('['));
    ensure!(
        line.is_some_and(|line| !line.contains("not known to be ready")),
        "{step}: {line:?} of {said}"
    );
    Ok(())
}

/// A backup while nobody answers for an API, until somebody does.
fn away_for_a_moment(source: &Library<'_>) -> Result<()> {
    // One that is asked at a port that its Service does not have is not there.
    let to_port = |port: u16| {
        let patch = json!({ "spec": { "service": { "port": port } } }).to_string();
        source.kubectl(&["patch", API, "--type=merge", "-p", &patch])
    };
    source.until_served()?;
    to_port(444)?;
    source.until("its API is away", || Ok(!source.is_served()?))?;
    let words = ["backup", "--protection", "library", "-n", "library"];
    let mut backup = Heard::start(source.stage, source.site, &words)?;
    let waits = "APIService v1.counts.library.example.com does not answer";
    let waits = backup.says(|line| line.contains(waits) && line.contains("waiting"));
    to_port(443)?;
    ensure!(waits, "nobody says what is waited for: {}", backup.said);
    source.until_served()?;
    backup.succeeds()?;
    Ok(())
}

/// Backed up and recovered into an empty site, nothing told and nothing left to a person.
pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.testbed.load_image(&librarian_image()?)?;
    let (source, target) = (
        Library::at(stage, Site::Primary),
        Library::at(stage, Site::Recovery),
    );
    let outcome = played(stage, &source, &target);
    for library in [&target, &source] {
        library.delete(LEFT_BEHIND)?;
        library.delete(THE_REST)?;
    }
    outcome
}

fn played(stage: &Stage<'_>, source: &Library<'_>, target: &Library<'_>) -> Result<()> {
    source.open()?;
    away_for_a_moment(source)?;
    let done = target.recover(&[])?;
    ensure!(
        done.code == Some(0),
        "the recovery: {} {}",
        done.value,
        done.said
    );
    target.is_back(source)?;
    target.is_guarded()?;
    target.is_led(&done.said)?;
    known_to_be_ready(&done.said, WRITE_API)?;
    stage.nothing_left(Site::Recovery)?;
    left_behind(source, target)?;
    stage.nothing_left(Site::Recovery)?;
    distrusted(source, target)?;
    stage.nothing_left(Site::Recovery)
}

fn authority() -> Result<rcgen::CertifiedKey<rcgen::KeyPair>> {
    let names = vec!["librarian.library.svc".to_owned()];
    Ok(rcgen::generate_simple_self_signed(names)?)
}

/// Into an empty site, with another certificate in the webhooks' configuration than the operator has: its pods are ready and so is its
/// Service, and nothing that it is asked about is written until a person mends the configuration.
fn distrusted(source: &Library<'_>, target: &Library<'_>) -> Result<()> {
    target.delete(LEFT_BEHIND)?;
    target.delete(THE_REST)?;
    let hooks = "validatingwebhookconfiguration/librarian";
    let place = "/webhooks/0/clientConfig/caBundle";
    let replace = |bundle: &str| json!([{ "op": "replace", "path": place, "value": bundle }]);
    let patch = json!({
        "target": { "kind": "ValidatingWebhookConfiguration", "name": "librarian" },
        "type": "json", "patch": replace(&STANDARD.encode(authority()?.cert.pem())),
    });
    let file = target.stage.testbed.scratch().join("distrusted.yaml");
    fs::write(&file, patch.to_string())?;
    let mut words = RECOVER.to_vec();
    let file = file.display().to_string();
    words.extend(["--patch", &file]);
    let mut recovery = Heard::start(target.stage, target.site, &words)?;
    let waits = |line: &str| line.contains("failed calling webhook") && line.contains("x509");
    ensure!(
        recovery.says(waits),
        "nobody says that the webhook is not trusted: {}",
        recovery.said
    );
    let heard = &recovery.said;
    ensure!(
        heard.contains("write Deployment.apps library/librarian")
            && !heard.contains("write Book.library.example.com"),
        "it waits in another order: {heard}"
    );
    let books = ["get", "books", "-n", "library", "-o", "name"];
    let books = target.kubectl(&books)?;
    ensure!(books.is_empty(), "written before their webhook: {books}");
    let bundle = "jsonpath={.webhooks[0].clientConfig.caBundle}";
    let trusted = source.kubectl(&["get", hooks, "-o", bundle])?;
    let mended = replace(&trusted).to_string();
    target.kubectl(&["patch", hooks, "--type=json", "-p", &mended])?;
    let heard = recovery.succeeds()?;
    target.is_back(source)?;
    target.is_guarded()?;
    target.is_led(&heard)
}

/// Once more, where webhooks and an API were left of which nobody answers: one that stands before its own backend is named.
fn left_behind(source: &Library<'_>, target: &Library<'_>) -> Result<()> {
    // A namespace does not end while the cluster's list of APIs is not whole: this one is put back afterwards.
    let words = ["get", API, "-o", "json"];
    let mut api: Value = serde_json::from_str(&target.kubectl(&words)?)?;
    let name = api["metadata"]["name"].clone();
    api["metadata"] = json!({ "name": name });
    target.delete(&[API])?;
    target.delete(THE_REST)?;
    target
        .hands
        .kubectl(&["create", "-f", "-"], &api.to_string())?;
    let told = target.recover(&["--existing", "skip"])?;
    let words = [
        "Secret library/librarian-tls",
        "kinds.library.example.com",
        "only answers when it is there",
    ];
    refused("its own webhook", &told, "webhook-not-answering", &words)?;
    let there = ["get", "namespace/library", "--ignore-not-found"];
    ensure!(target.kubectl(&there)?.is_empty(), "something was written");
    target.delete(&LEFT_BEHIND[..1])?;
    let done = target.recover(&["--existing", "skip"])?;
    ensure!(
        done.code == Some(0),
        "over what was left: {} {}",
        done.value,
        done.said
    );
    target.is_back(source)?;
    target.is_guarded()
}

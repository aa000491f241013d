//! What must be seen of the hard objects once they are back, under whatever names.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Hard;
use crate::testbed::Site;

/// Where everything is looked at.
const HERE: Site = Site::Recovery;

impl Hard<'_> {
    /// Everything that is to be there is, as it is to be, and nothing that is not.
    pub(super) fn came_back(&self, hard: &str, peer: &str) -> Result<()> {
        self.jobs(hard)?;
        self.services(hard)?;
        self.configuration(hard)?;
        self.rights(hard, peer)?;
        self.volume(hard)?;
        self.stage.nothing_left(HERE)
    }

    fn get(&self, namespace: &str, what: &str) -> Result<Value> {
        self.json(HERE, &["-n", namespace, "get", what])
    }

    fn names(&self, namespace: &str, kind: &str) -> Result<Vec<String>> {
        let names = self.kubectl(HERE, &["-n", namespace, "get", kind, "-o", "name"])?;
        Ok(names
            .lines()
            .filter_map(|line| Some(line.split_once('/')?.1.to_owned()))
            .collect())
    }

    /// What had ended has not run again; what had not has, once.
    fn jobs(&self, hard: &str) -> Result<()> {
        let start = Instant::now();
        let names = loop {
            let names = self.names(hard, "jobs")?;
            // The one with a time to live goes by itself.
            if !names.contains(&"sweep".to_owned()) || start.elapsed() > Duration::from_mins(2) {
                break names;
            }
            thread::sleep(Duration::from_millis(300));
        };
        ensure!(names == ["import", "later"], "the Jobs are {names:?}");
        let import = self.get(hard, "job/import")?;
        ensure!(
            import["status"]["succeeded"] == 1,
            "it did not run: {}",
            import["status"]
        );
        let later = self.get(hard, "job/later")?;
        ensure!(
            later["spec"]["suspend"] == true,
            "it is not suspended any more"
        );
        self.get(hard, "cronjob/nightly")?;
        let pods = self.names(hard, "pods")?;
        let ran: Vec<&String> = pods
            .iter()
            .filter(|name| {
                ["once", "seed-", "migrate-", "nightly-", "later-"]
                    .iter()
                    .any(|one| name.starts_with(one))
            })
            .collect();
        ensure!(ran.is_empty(), "these ran again: {ran:?}");
        ensure!(pods.contains(&"runner".to_owned()), "no runner in {pods:?}");
        Ok(())
    }

    fn services(&self, hard: &str) -> Result<()> {
        let door = self.get(hard, "service/door")?;
        let port = &door["spec"]["ports"][0]["nodePort"];
        ensure!(port.is_u64() && *port != 30555, "its node port is {port}");
        let address = &door["spec"]["clusterIP"];
        ensure!(
            *address != self.address.as_str(),
            "it has its old address {address}"
        );
        let theirs = self.get("hard-theirs", "service/door")?;
        ensure!(
            theirs["spec"]["ports"][0]["nodePort"] == 30555,
            "somebody lost a port"
        );
        let balanced = self.get(hard, "service/balanced")?;
        let spec = &balanced["spec"];
        ensure!(
            spec["externalTrafficPolicy"] == "Local"
                && spec["healthCheckNodePort"]
                    .as_u64()
                    .is_some_and(|port| port > 0),
            "the balanced Service is {spec}"
        );
        let headless = self.get(hard, "service/keeper")?;
        ensure!(
            headless["spec"]["clusterIP"] == "None",
            "the headless Service has an address"
        );
        Ok(())
    }

    fn configuration(&self, hard: &str) -> Result<()> {
        self.wait(HERE, hard, "secret/worker-token", "jsonpath={.data.token}")?;
        let token = self.get(hard, "secret/worker-token")?;
        let before = self.json(Site::Primary, &["-n", "hard", "get", "secret/worker-token"])?;
        ensure!(
            token["data"]["token"] != before["data"]["token"],
            "it has the token of another cluster"
        );
        let account = self.get(hard, "serviceaccount/worker")?;
        let of = &token["metadata"]["annotations"]["kubernetes.io/service-account.uid"];
        ensure!(
            *of == account["metadata"]["uid"],
            "the token is another account's: {of}"
        );
        for (what, key) in [
            ("configmap/release", "version"),
            ("secret/sealed", "password"),
        ] {
            let object = self.get(hard, what)?;
            let before = self.json(Site::Primary, &["-n", "hard", "get", what])?;
            ensure!(
                object["immutable"] == true && object["data"][key] == before["data"][key],
                "{what} is {object}"
            );
        }
        let held = self.get(hard, "configmap/held")?;
        ensure!(
            held["data"]["held"] == "yes" && held["metadata"]["finalizers"].is_null(),
            "what was held is {held}"
        );
        let generated = self.get(hard, &format!("configmap/{}", self.generated))?;
        ensure!(
            generated["data"]["generated"] == "yes",
            "what was given its name is {generated}"
        );
        Ok(())
    }

    /// Subjects follow; what is shared is as it was.
    fn rights(&self, hard: &str, peer: &str) -> Result<()> {
        let own = self.get("default", "clusterrolebinding/hard-own")?;
        let group = format!("system:serviceaccounts:{hard}");
        let subjects = &own["subjects"];
        ensure!(
            subjects[0]["namespace"] == hard
                && subjects[1]["namespace"] == peer
                && subjects[2]["name"] == group.as_str(),
            "the subjects are {subjects}"
        );
        self.get("default", "clusterrole/hard-own")?;
        for (binding_in, subject_in) in [(hard, peer), (peer, hard)] {
            let binding = self.get(binding_in, "rolebinding/reads")?;
            ensure!(
                binding["roleRef"]["name"] == "hard-shared"
                    && binding["subjects"][0]["namespace"] == subject_in,
                "the binding in {binding_in} is {binding}"
            );
        }
        for shared in ["clusterrole/hard-shared", "clusterrolebinding/hard-mixed"] {
            let shared = self.get("default", shared)?;
            let marked = shared["metadata"]["annotations"].get("refloat.io/recovery");
            ensure!(marked.is_none(), "what others share was written: {shared}");
        }
        Ok(())
    }

    /// The data are the source's; the claim is its set's, the volume is retained.
    fn volume(&self, hard: &str) -> Result<()> {
        let read = ["-n", hard, "exec", "keeper-0", "--", "cat", "/data/word"];
        let word = self.kubectl(HERE, &read)?;
        ensure!(word == "made at primary", "the volume says {word:?}");
        let claim = self.get(hard, "persistentvolumeclaim/data-keeper-0")?;
        ensure!(
            claim["status"]["phase"] == "Bound",
            "the claim is {}",
            claim["status"]
        );
        let set = self.get(hard, "statefulset/keeper")?;
        let owner = &claim["metadata"]["ownerReferences"][0]["uid"];
        ensure!(
            *owner == set["metadata"]["uid"],
            "the claim's owner is {owner}"
        );
        let name = claim["spec"]["volumeName"].as_str().context("no volume")?;
        let volume = self.get("default", &format!("persistentvolume/{name}"))?;
        let spec = &volume["spec"];
        ensure!(
            spec["persistentVolumeReclaimPolicy"] == "Retain"
                && spec["claimRef"]["namespace"] == hard,
            "the volume is {spec}"
        );
        let labels = &volume["metadata"]["labels"];
        ensure!(labels.is_null(), "the volume has labels: {labels}");
        Ok(())
    }

    /// Volumes of the class that retains.
    pub(super) fn volumes(&self, site: Site) -> Result<Vec<Value>> {
        let all = self.json(site, &["get", "persistentvolumes"])?;
        let all = all["items"].as_array().cloned().unwrap_or_default();
        let ours = all
            .into_iter()
            .filter(|volume| volume["spec"]["storageClassName"] == "hard-slow");
        Ok(ours.collect())
    }

    /// The volume of before was retained, and nobody has touched or taken it.
    pub(super) fn kept_volumes(&self) -> Result<()> {
        let mut found: Vec<(String, String)> = self
            .volumes(HERE)?
            .iter()
            .map(|volume| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (
                    text(&volume["status"]["phase"]),
                    text(&volume["spec"]["claimRef"]["namespace"]),
                )
            })
            .collect();
        found.sort();
        let pair = |phase: &str, namespace: &str| (phase.to_owned(), namespace.to_owned());
        let expected = [pair("Bound", "hard-drill"), pair("Released", "hard")];
        ensure!(found == expected, "the volumes are {found:?}");
        Ok(())
    }
}

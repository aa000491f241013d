//! Two namespaces full of objects that other tools lose, run again or trip over, recovered into a namespace of the same name that is
//! still going, and once more under other names.

mod place;
mod seen;

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Stage;
use super::bad_input::refused;
use crate::shop::Shop;
use crate::testbed::Site;

const SHARED: &str = include_str!("../../../../../testbed/scenarios/hard/shared.yaml");
const BROKEN: &str = include_str!("../../../../../testbed/scenarios/hard/broken.yaml");
/// What a recovery of the protection is told.
const OF: [&str; 4] = ["--protection", "hard", "--source-dead", "a scenario"];
/// A recovery beside an API that is away ends within this time. Others stall for ten minutes at each of their looks at what is served
/// (velero#7516).
const BESIDE_BROKEN_MAX: Duration = Duration::from_mins(5);
/// What holds the namespace that is going.
const HOLDER: &str = "example.com/keep";

struct Hard<'a> {
    stage: &'a Stage<'a>,
    /// Address of the Service `door`, in the source's range.
    address: String,
    /// Name that the API server gave to a ConfigMap.
    generated: String,
}

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    let mut hard = Hard {
        stage,
        address: String::new(),
        generated: String::new(),
    };
    let outcome = hard.play();
    hard.clear(Site::Primary)?;
    hard.clear(Site::Recovery)?;
    outcome
}

impl Hard<'_> {
    fn play(&mut self) -> Result<()> {
        self.open()?;
        self.back_up()?;
        self.prepare()?;
        self.told_before()?;
        self.waits_for_what_is_going()?;
        self.came_back("hard", "hard-peer")?;
        self.destroy()?;
        self.recover_beside_what_is_broken()?;
        self.came_back("hard-drill", "hard-peer-drill")?;
        self.kept_volumes()
    }

    fn kubectl(&self, site: Site, arguments: &[&str]) -> Result<String> {
        let said = Shop::new(self.stage.ground, site).kubectl(arguments, "")?;
        Ok(said.trim().to_owned())
    }

    fn create(&self, site: Site, manifests: &str) -> Result<String> {
        let create = ["create", "-o", "name", "-f", "-"];
        let said = Shop::new(self.stage.ground, site).kubectl(&create, manifests)?;
        Ok(said.trim().to_owned())
    }

    fn json(&self, site: Site, arguments: &[&str]) -> Result<Value> {
        let said = self.kubectl(site, &[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&said).context("kubectl printed no JSON")
    }

    fn wait(&self, site: Site, namespace: &str, what: &str, until: &str) -> Result<()> {
        let until = format!("--for={until}");
        let wait = ["-n", namespace, "wait", what, &until, "--timeout=180s"];
        self.kubectl(site, &wait)?;
        Ok(())
    }

    /// What is shared with others must be there; a port that is to be kept must be free.
    fn told_before(&self) -> Result<()> {
        let plan = |more: &[&str]| {
            let all = [&["plan"], &OF[..], more].concat();
            self.stage.refloat.answer(Some(Site::Recovery), &all, &[])
        };
        let lacks = plan(&["--preflight", "quick"])?;
        let missing = [
            "ClusterRole.rbac.authorization.k8s.io hard-shared",
            "hard-mixed",
        ];
        refused("shared rights", &lacks, "required-missing", &missing)?;
        self.create(Site::Recovery, SHARED)?;
        let taken = plan(&["--preserve-node-ports"])?;
        let words = ["30555", "already allocated"];
        refused("a taken port", &taken, "object-invalid", &words)?;
        let planned = plan(&[])?;
        ensure!(
            planned.code == Some(0),
            "the plan: {} {}",
            planned.value,
            planned.said
        );
        let left_out = planned.value["left_out"].to_string();
        for word in [
            "a Job that has failed",
            "a Job that is finished",
            "a Pod that has ended",
        ] {
            ensure!(left_out.contains(word), "`{word}` is not told: {left_out}");
        }
        Ok(())
    }

    /// One step waits for the namespace to go, and says what holds it; then everything comes.
    fn waits_for_what_is_going(&self) -> Result<()> {
        let log = self.stage.testbed.scratch().join("hard.log");
        let all = [&["recover", "--yes"], &OF[..]].concat();
        let mut child = self
            .stage
            .refloat
            .command(Some(Site::Recovery), &all)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let start = Instant::now();
        let said = loop {
            let said = fs::read_to_string(&log)?;
            let ended = child.try_wait()?.is_some();
            if said.contains(HOLDER) || ended || start.elapsed() > Duration::from_mins(3) {
                break said;
            }
            thread::sleep(Duration::from_millis(200));
        };
        let there = ["-n", "hard", "get", "serviceaccounts,secrets", "-o", "name"];
        let there = self.kubectl(Site::Recovery, &there)?;
        let free = [
            "-n",
            "hard",
            "patch",
            "configmap/held",
            "--type=merge",
            "-p",
            "{\"metadata\":{\"finalizers\":null}}",
        ];
        self.kubectl(Site::Recovery, &free)?;
        let ended = child.wait()?;
        let whole = fs::read_to_string(&log)?;
        ensure!(
            said.contains(HOLDER),
            "it does not say what it waits for: {whole}"
        );
        ensure!(!there.contains("worker"), "written into what goes: {there}");
        ensure!(ended.success(), "it did not go on: {whole}");
        let waiting = whole.lines().filter(|line| line.contains("being deleted"));
        let strange: Vec<&str> = waiting
            .filter(|line| !line.contains("Namespace hard"))
            .collect();
        ensure!(
            strange.is_empty(),
            "more waits than the namespace: {strange:?}"
        );
        Ok(())
    }

    /// Under other names, while an API of the target is away.
    fn recover_beside_what_is_broken(&self) -> Result<()> {
        self.create(Site::Recovery, BROKEN)?;
        let api = "apiservice/v1beta1.external.metrics.k8s.io";
        self.wait(Site::Recovery, "default", api, "condition=Available=False")?;
        let names = [
            "--map-namespace",
            "hard=hard-drill",
            "--map-namespace",
            "hard-peer=hard-peer-drill",
        ];
        let all = [&["recover", "--yes"], &OF[..], &names].concat();
        let start = Instant::now();
        let answer = self.stage.refloat.answer(Some(Site::Recovery), &all, &[])?;
        let took = start.elapsed();
        self.kubectl(Site::Recovery, &["delete", api])?;
        ensure!(
            answer.code == Some(0),
            "under other names: {} {}",
            answer.value,
            answer.said
        );
        in_time(took, &answer.said)?;
        let old = [
            "get",
            "namespaces",
            "hard",
            "hard-peer",
            "--ignore-not-found",
            "-o",
            "name",
        ];
        let old = self.kubectl(Site::Recovery, &old)?;
        ensure!(old.is_empty(), "the old names are there too: {old}");
        Ok(())
    }
}

/// That it has not stalled at the API that is away.
fn in_time(took: Duration, said: &str) -> Result<()> {
    ensure!(
        took <= BESIDE_BROKEN_MAX,
        "beside an API that is away the recovery took {:.0} s, {:.0} are allowed: does it wait for that API? {said}",
        took.as_secs_f64(),
        BESIDE_BROKEN_MAX.as_secs_f64()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_of_ten_minutes_is_no_success() {
        assert!(in_time(BESIDE_BROKEN_MAX, "").is_ok());
        let stalled = in_time(Duration::from_mins(10), "waiting").expect_err("it stalled");
        assert!(stalled.to_string().contains("took 600 s, 300 are allowed"));
    }
}

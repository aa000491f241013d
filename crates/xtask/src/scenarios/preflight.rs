//! A target on which a dozen things are wrong: one look names each of them with its fix, and none on a target that fits.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Stage;
use super::bad_input::refused;
use crate::refloat::Answer;
use crate::shop::Shop;
use crate::testbed::Site;

/// Everything that is wrong.
const WRONG: &str = include_str!("../../../../testbed/scenarios/preflight.yaml");
/// What is refused by the policy as soon as the API server knows it.
const PROBE: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-settings, namespace: shop}}";
/// What must be told, and words of it.
const TOLD: &[(&str, &[&str])] = &[
    ("storage-class-missing", &["btrfs", "--map-storage-class"]),
    (
        "fields-dropped",
        &["Campaign.shop.example.com shop/summer", "spec.discount"],
    ),
    (
        "quota-exceeded",
        &[
            "ResourceQuota shop/small",
            "pods: 3 needed, 1 left",
            "requests.storage: 2Gi needed, 1Gi left",
        ],
    ),
    ("quota-needs-requests", &["limits.cpu", "LimitRange"]),
    (
        "pod-security",
        &[
            "restricted",
            "runAsNonRoot",
            "pod-security.kubernetes.io/enforce",
        ],
    ),
    (
        "admission-denied",
        &["ConfigMap shop/web-settings", "no settings here"],
    ),
    (
        "webhook-not-answering",
        &["services.nobody.example.com", "default/nobody"],
    ),
    (
        "taint-not-tolerated",
        &["example.com/reserved:NoSchedule", "kubectl taint"],
    ),
];

struct Target<'a> {
    stage: &'a Stage<'a>,
    /// For kubectl with input.
    hands: Shop<'a>,
}

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    stage.ensure_points(1)?;
    stage.clear(Site::Recovery)?;
    let target = Target {
        stage,
        hands: Shop::new(stage.ground, Site::Recovery),
    };
    target.is_clean("before")?;
    let class = target.kubectl(&["get", "storageclass", "btrfs", "-o", "json"], "")?;
    let told = target
        .break_it()
        .and_then(|()| target.plan(&["--existing", "skip"]));
    target.mend(&class)?;
    let told = told?;
    for (code, words) in TOLD {
        refused(code, &told, code, words)?;
    }
    let hints = told
        .value
        .get("problems")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for problem in hints {
        let hint = problem
            .get("hint")
            .and_then(Value::as_str)
            .unwrap_or_default();
        ensure!(hint.len() > 10, "a problem without a fix: {problem}");
    }
    target.is_clean("after")
}

impl Target<'_> {
    fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.hands.kubectl(arguments, input)
    }

    fn plan(&self, more: &[&str]) -> Result<Answer> {
        let all = [
            &[
                "plan",
                "--protection",
                "shop",
                "--source-dead",
                "a scenario",
            ],
            more,
        ]
        .concat();
        self.stage.refloat.answer(Some(Site::Recovery), &all, &[])
    }

    /// A target that fits: nothing is told, and nothing that was tried is there.
    fn is_clean(&self, when: &str) -> Result<()> {
        let answer = self.plan(&[])?;
        let warnings = answer
            .value
            .pointer("/preflight/warnings")
            .and_then(Value::as_array);
        let tried = answer
            .value
            .pointer("/preflight/tried")
            .and_then(Value::as_u64);
        ensure!(
            answer.code == Some(0) && warnings.is_some_and(Vec::is_empty) && tried > Some(10),
            "a false alarm {when}: {} {}",
            answer.value,
            answer.said
        );
        let left = [
            "get",
            "namespace/shop",
            "clusterrole/campaign-operator",
            "crd/campaigns.shop.example.com",
        ];
        let left = self.kubectl(
            &[&left[..], &["--ignore-not-found", "-o", "name"]].concat(),
            "",
        )?;
        ensure!(
            left.trim().is_empty(),
            "a plan left something behind: {left}"
        );
        Ok(())
    }

    fn break_it(&self) -> Result<()> {
        self.kubectl(&["apply", "--server-side", "-f", "-"], WRONG)?;
        self.kubectl(&["delete", "storageclass", "btrfs"], "")?;
        self.kubectl(
            &["taint", "node", "--all", "example.com/reserved=:NoSchedule"],
            "",
        )?;
        self.kubectl(
            &[
                "wait",
                "--for=condition=Established",
                "--timeout=120s",
                "crd/campaigns.shop.example.com",
            ],
            "",
        )?;
        // A policy, a quota's status and a new kind are known a moment after they are written.
        let start = Instant::now();
        let group = "--api-group=shop.example.com";
        let listed = ["api-resources", group, "-o", "name"];
        loop {
            let is_listed = self
                .kubectl(&listed, "")
                .is_ok_and(|names| names.contains("campaigns"));
            let denied = self
                .kubectl(&["create", "--dry-run=server", "-f", "-"], PROBE)
                .is_err_and(|error| error.to_string().contains("no settings here"));
            let counted = [
                "-n",
                "shop",
                "get",
                "resourcequota",
                "small",
                "-o",
                "jsonpath={.status.hard}",
            ];
            if is_listed && denied && !self.kubectl(&counted, "")?.is_empty() {
                return Ok(());
            }
            ensure!(
                start.elapsed() < Duration::from_mins(2),
                "the policy, the quota or the new kind does not work"
            );
            thread::sleep(Duration::from_millis(300));
        }
    }

    fn mend(&self, class: &str) -> Result<()> {
        self.kubectl(&["taint", "node", "--all", "example.com/reserved-"], "")?;
        self.kubectl(
            &["delete", "--ignore-not-found", "--timeout=180s", "-f", "-"],
            WRONG,
        )?;
        self.kubectl(&["apply", "-f", "-"], class)?;
        Ok(())
    }
}

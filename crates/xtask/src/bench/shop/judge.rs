//! Whether the shop works, and what died on the way: asked from outside, the same of both tools.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::ground::Ground;
use crate::shop::{Shop, web_answer, web_answer_within};
use crate::testbed::{Site, output};

/// A question takes no longer than this, and two seconds more for its connection: one that began before the Service had its address in the
/// network's tables hangs, and would hide for how long the shop has answered.
const ANSWER_SECONDS: u32 = 1;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(200);
/// A shop that works is left alone so long before its restarts are counted.
const STEADY: Duration = Duration::from_secs(15);
/// Reasons of events that tell of something that was started before what it needs.
const BAD: [&str; 6] = [
    "BackOff",
    "Unhealthy",
    "Failed",
    "FailedMount",
    "FailedScheduling",
    "ProvisioningFailed",
];

/// What was seen of one shop that came back, in seconds since the tool was started.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The web application answered through its Service with the whole data.
    pub(super) answers: Option<f64>,
    /// The operator did what its resource says, after that was changed.
    pub(super) operates: Option<f64>,
    /// What was said last when it did not answer as it should.
    pub(super) last: String,
}

impl Seen {
    /// Both.
    pub(super) fn works(&self) -> Option<f64> {
        Some(self.answers?.max(self.operates?))
    }
}

/// What was there when all was over.
#[derive(Debug)]
pub(super) struct Left {
    /// Restarts of all containers of all pods.
    pub(super) restarts: u64,
    /// Bad events by reason.
    pub(super) events: BTreeMap<String, u64>,
    /// The web application still answered with the whole data.
    pub(super) still_answers: bool,
}

/// Looks until the shop works, until it is over, or until it has had its time.
pub(super) struct Judge<'a> {
    pub(super) ground: &'a Ground,
    /// What the web application said before the disaster.
    pub(super) expected: &'a str,
    /// What the campaign is changed to: another discount each time.
    pub(super) discount: u32,
    pub(super) patience: Duration,
}

impl Judge<'_> {
    /// Watches from now on.
    pub(super) fn watch(&self, begun: Instant, over: &AtomicBool) -> Seen {
        let mut seen = Seen::default();
        let mut asked = false;
        while seen.works().is_none()
            && begun.elapsed() < self.patience
            && !over.load(Ordering::Relaxed)
        {
            if seen.answers.is_none() {
                match web_answer_within(self.ground, Site::Primary, "shop", ANSWER_SECONDS) {
                    Ok(answer) if answer == self.expected => {
                        seen.answers = Some(begun.elapsed().as_secs_f64());
                    }
                    Ok(other) => seen.last = other,
                    Err(error) => seen.last = format!("{error:#}"),
                }
            }
            // Not before: an operator that is asked while the tool still restores would be disturbed.
            if seen.answers.is_some() && seen.operates.is_none() {
                asked = asked || self.ask().is_ok();
                if asked && self.is_done().unwrap_or(false) {
                    seen.operates = Some(begun.elapsed().as_secs_f64());
                }
            }
            thread::sleep(PAUSE);
        }
        seen
    }

    fn ask(&self) -> Result<()> {
        let change = format!(r#"{{"spec":{{"discount":{}}}}}"#, self.discount);
        let words = [
            "-n",
            "shop",
            "patch",
            "campaigns.shop.example.com",
            "summer",
            "--type=merge",
            "-p",
            &change,
        ];
        let shop = Shop::new(self.ground, Site::Primary);
        shop.kubectl(&words, "").map(drop)
    }

    fn is_done(&self) -> Result<bool> {
        let words = [
            "-n",
            "shop",
            "get",
            "configmap",
            "campaign-summer",
            "-o",
            "jsonpath={.data.discount}",
        ];
        let shop = Shop::new(self.ground, Site::Primary);
        Ok(shop.kubectl(&words, "")?.trim() == self.discount.to_string())
    }

    /// What is left to see once it has been steady for a while.
    pub(super) fn afterwards(&self) -> Result<Left> {
        thread::sleep(STEADY);
        let answer = web_answer(self.ground, Site::Primary, "shop").unwrap_or_default();
        let pods = list(self.ground, "pods")?;
        let restarts = pods
            .iter()
            .filter_map(|pod| pod.pointer("/status/containerStatuses")?.as_array())
            .flatten()
            .filter_map(|status| status.get("restartCount")?.as_u64())
            .sum();
        let mut events: BTreeMap<String, u64> = BTreeMap::new();
        for event in list(self.ground, "events")? {
            let reason = event.get("reason").and_then(Value::as_str);
            let Some(reason) = reason.filter(|reason| BAD.contains(reason)) else {
                continue;
            };
            // Some write a count, some a series, and some say it once.
            let count = event
                .get("count")
                .or_else(|| event.pointer("/series/count"));
            let count = count.and_then(Value::as_u64).unwrap_or(1);
            *events.entry(reason.to_owned()).or_default() += count;
        }
        Ok(Left {
            restarts,
            events,
            still_answers: answer == self.expected,
        })
    }
}

fn list(ground: &Ground, what: &str) -> Result<Vec<Value>> {
    let mut command = ground.kubectl(Site::Primary);
    command.args(["-n", "shop", "get", what, "-o", "json"]);
    let list: Value = serde_json::from_str(&output(command)?).context("kubectl printed no JSON")?;
    let items = list.get("items").and_then(Value::as_array).cloned();
    items.with_context(|| format!("no list of {what}"))
}

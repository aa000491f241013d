//! What a mover's Job, its pods and the events around them say. Reads live objects, decides nothing.

use serde_json::Value;

use super::mover::MoverReport;
use crate::driver::{Problem, Verdict, Why};
use crate::readiness::images::{self, Lack};

/// Annotation of a mover's Job: how often the run had been resumed when it was made.
pub(super) const ANNOTATION_ATTEMPT: &str = "refloat.io/attempt";

/// How a mover's Job ended.
pub(super) struct MoverEnd {
    /// It gave up.
    pub(super) failed: bool,
}

/// True when a Job was made before the run was last resumed.
pub(super) fn is_of_before(job: &Value, attempt: u32) -> bool {
    let made = job
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(ANNOTATION_ATTEMPT)?.as_str()?.parse::<u32>().ok());
    made.unwrap_or(0) < attempt
}

/// The end of a Job; `None` while it goes on.
pub(super) fn end(job: &Value) -> Option<MoverEnd> {
    let failed = job
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| {
            let is = |key: &str, value: &str| condition.get(key) == Some(&Value::from(value));
            is("type", "Failed") && is("status", "True")
        });
    let succeeded = job.pointer("/status/succeeded").and_then(Value::as_u64) > Some(0);
    (failed || succeeded).then_some(MoverEnd { failed })
}

/// The newest report among a job's pods: success first.
pub(super) fn report(pods: &[&Value]) -> Option<MoverReport> {
    let reports: Vec<MoverReport> = pods
        .iter()
        .filter_map(|pod| {
            let text = pod
                .pointer("/status/containerStatuses/0/state/terminated/message")?
                .as_str()?;
            serde_json::from_str(text).ok()
        })
        .collect();
    let done = reports
        .iter()
        .find(|report| matches!(report, MoverReport::Done { .. }));
    done.or(reports.last()).cloned()
}

pub(super) fn running(pod: &Value) -> Option<String> {
    pod.pointer("/status/containerStatuses/0/state/running")?;
    Some(pod.pointer("/metadata/name")?.as_str()?.to_owned())
}

fn waiting_reason(pod: &Value) -> Option<(&str, &str)> {
    let waiting = pod.pointer("/status/containerStatuses/0/state/waiting")?;
    let text = |key: &str| waiting.get(key).and_then(Value::as_str).unwrap_or("");
    Some((text("reason"), text("message")))
}

/// Whether a Job made a pod.
pub(super) fn is_of(pod: &Value, job: &Value) -> bool {
    let uid = job.pointer("/metadata/uid");
    let owners = pod.pointer("/metadata/ownerReferences");
    let mut owners = owners.and_then(Value::as_array).into_iter().flatten();
    uid.is_some() && owners.any(|owner| owner.get("uid") == uid)
}

/// The image that a Job's pod runs.
pub(super) fn image(job: &Value) -> Option<&str> {
    job.pointer("/spec/template/spec/containers/0/image")?
        .as_str()
}

/// What a mover whose image cannot be had comes to; `None` for one that has it, or is not asked for it yet.
pub(super) fn no_image(pod: &Value) -> Option<Verdict> {
    const CODE: &str = "mover-image";
    let (reason, message) = waiting_reason(pod)?;
    let lack = images::lack(reason, message)?;
    let what = format!("the mover's image cannot be had: {reason}: {message}");
    let hint = "give an image that this cluster can pull with `--mover-image`";
    let problem = Problem::stuck(CODE, what.clone(), hint);
    Some(match lack {
        Lack::ForGood => Verdict::Stuck(problem),
        Lack::ForNow => {
            let why = Why::new(CODE, what).taking("the image can be pulled");
            Verdict::Wait(why.failing(problem, images::PULL_SECONDS))
        }
    })
}

/// The newest warning about a claim.
pub(super) fn newest_warning<'a>(events: &'a [Value], claim: &str) -> Option<&'a str> {
    let text = |event: &'a Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    events
        .iter()
        .filter(|event| {
            text(event, "/type") == Some("Warning")
                && text(event, "/involvedObject/kind") == Some("PersistentVolumeClaim")
                && text(event, "/involvedObject/name") == Some(claim)
        })
        .max_by_key(|event| text(event, "/lastTimestamp").unwrap_or_default())
        .and_then(|event| text(event, "/message"))
}

pub(super) fn pending_reason(part: &str, pods: &[&Value]) -> String {
    for pod in pods {
        if let Some((reason, _)) = waiting_reason(pod).filter(|(reason, _)| !reason.is_empty()) {
            return format!("{part}: the mover pod starts ({reason})");
        }
        let unscheduled = pod
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .and_then(|all| {
                all.iter().find(|condition| {
                    condition.get("type").and_then(Value::as_str) == Some("PodScheduled")
                        && condition.get("status").and_then(Value::as_str) == Some("False")
                })
            });
        if let Some(message) = unscheduled.and_then(|condition| condition.get("message")) {
            let message = message.as_str().unwrap_or_default();
            return format!("{part}: the mover pod is not scheduled: {message}");
        }
    }
    format!("{part}: the mover pod starts")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mover_gets_its_time_for_an_image_that_may_still_come() {
        let pod = |message: &str| {
            let waiting = json!({ "reason": "ImagePullBackOff", "message": message });
            json!({ "status": { "containerStatuses": [{ "state": { "waiting": waiting } }] } })
        };
        let Some(Verdict::Wait(why)) = no_image(&pod("Back-off pulling image \"x\"")) else {
            panic!("it does not wait");
        };
        let failing = why.failing.expect("it fails when it stays");
        assert_eq!(
            (failing.problem.code.as_str(), failing.seconds),
            ("mover-image", 120)
        );
        assert!(matches!(
            no_image(&pod(
                "Back-off pulling image \"x\": ErrImagePull: x: not found"
            )),
            Some(Verdict::Stuck(_))
        ));
        assert_eq!(no_image(&json!({})), None);
    }

    #[test]
    fn a_job_is_of_before_when_the_run_was_resumed_since() {
        let made = |attempt: &str| json!({ "metadata": { "annotations": { ANNOTATION_ATTEMPT: attempt } } });
        assert!(!is_of_before(&made("0"), 0));
        assert!(is_of_before(&made("0"), 1));
        assert!(!is_of_before(&made("1"), 1));
        // One of an engine that did not note it.
        assert!(!is_of_before(&json!({}), 0));
        assert!(is_of_before(&json!({}), 1));
    }
}

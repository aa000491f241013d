//! Gates of users' own on workloads of a random application: a condition, or a command, as annotations.

use serde_json::json;

use super::Drawing;
use crate::sim::WARM;

/// A condition that holds once all replicas are ready.
pub(in super::super) const ALL_READY: &str =
    "has(object.status) && object.status.readyReplicas == object.spec.replicas";

impl Drawing<'_> {
    /// Drawn last, so that an application without gates is the same as before there were any.
    pub(super) fn gates(&mut self) {
        let mut lines = Vec::new();
        for (resource, object) in &mut self.made.objects {
            if resource.kind != "Deployment" {
                continue;
            }
            let annotations = &mut object["metadata"]["annotations"];
            let gate = match self.lots.below(5) {
                0 => ("refloat.io/gate-cel", ALL_READY.to_owned()),
                1 => ("refloat.io/gate-exec", json!([WARM]).to_string()),
                _ => continue,
            };
            annotations[gate.0] = json!(gate.1);
            lines.push(format!(
                "{} on Deployment {}",
                gate.0, object["metadata"]["name"]
            ));
        }
        for line in lines {
            self.say(line);
        }
    }
}

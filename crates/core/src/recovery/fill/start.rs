//! The objects by which a volume is moved: the claim that is filled, the mover's Job and its order.

use serde_json::{Value, json};

use super::{Direction, Filling, claim_resource, job_resource};
use crate::driver::{Effect, FieldOwner, Verdict};
use crate::names::{LABEL_RUN, LABEL_STEP, SYSTEM_NAMESPACE};
use crate::recovery::mover::{Edit, MoverOrder, VOLUME_MOUNT, container, vault_secret_name};
use crate::recovery::signs::ANNOTATION_ATTEMPT;
use crate::run::{RunPlan, Step};

impl Filling {
    pub(super) fn start(
        &self,
        plan: &RunPlan,
        step: &Step,
        attempt: u32,
        edits: &[Edit],
        claim_exists: bool,
    ) -> Verdict {
        let mut effects = Vec::new();
        if let (Direction::Restore, false, Some(spec)) =
            (self.direction, claim_exists, &self.claim_spec)
        {
            effects.push(Effect::Create {
                resource: claim_resource(),
                object: json!({
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": self.metadata(plan, step),
                    "spec": spec,
                }),
                owner: FieldOwner::refloat(),
            });
        }
        effects.push(Effect::Create {
            resource: job_resource(),
            object: self.job_object(plan, step, attempt, edits),
            owner: FieldOwner::refloat(),
        });
        Verdict::Act(effects)
    }

    fn metadata(&self, plan: &RunPlan, _step: &Step) -> Value {
        json!({
            "name": self.object_name(&plan.run),
            "namespace": SYSTEM_NAMESPACE,
            "labels": {
                LABEL_RUN: plan.run.as_str(),
                LABEL_STEP: match self.direction {
                    Direction::Backup => "move",
                    Direction::Restore => "fill",
                },
                "app.kubernetes.io/managed-by": "refloat",
            },
            "annotations": { "refloat.io/part": self.part },
        })
    }

    fn job_object(&self, plan: &RunPlan, step: &Step, attempt: u32, edits: &[Edit]) -> Value {
        let order = MoverOrder {
            direction: self.direction,
            path: VOLUME_MOUNT.to_owned(),
            protection: plan.protection.to_string(),
            run: plan.run.to_string(),
            site: plan.site.to_string(),
            part: self.part.clone(),
            snapshot: self.snapshot.clone(),
            tree: self.tree.clone(),
            edits: edits.to_vec(),
        };
        let order = serde_json::to_string(&order).expect("an order is plain data");
        let read_only = self.direction == Direction::Backup;
        let mut metadata = self.metadata(plan, step);
        metadata["annotations"][ANNOTATION_ATTEMPT] = json!(attempt.to_string());
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {
                "backoffLimit": 2,
                "activeDeadlineSeconds": step.limit_seconds,
                "ttlSecondsAfterFinished": 86_400,
                "template": {
                    "metadata": { "labels": metadata["labels"] },
                    "spec": {
                        "restartPolicy": "Never",
                        "nodeSelector": { "kubernetes.io/os": "linux" },
                        "automountServiceAccountToken": false,
                        "enableServiceLinks": false,
                        "terminationGracePeriodSeconds": 2,
                        "containers": [container(&plan.mover_image, &order, read_only)],
                        "volumes": [
                            {
                                "name": "volume",
                                "persistentVolumeClaim": {
                                    "claimName": self.object_name(&plan.run),
                                    "readOnly": read_only,
                                },
                            },
                            {
                                "name": "vault",
                                "secret": {
                                    "secretName": vault_secret_name(&plan.run),
                                    "defaultMode": 0o400,
                                },
                            },
                            { "name": "scratch", "emptyDir": {} },
                        ],
                    },
                },
            },
        })
    }
}

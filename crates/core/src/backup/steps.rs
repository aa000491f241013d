//! The steps of a backup and what follows what: check, capture, move, seal, clean up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::goal::BackupGoal;
use super::members::{Members, part_id};
use super::point::PointContent;
use crate::capture::{Capturing, Cut, Limits};
use crate::driver::{Claim, Op};
use crate::planted::{self, Bug};
use crate::recovery::{Direction, Filling};
use crate::run::{Edge, Needs, Phase, RunKind, RunPlan, Step, Work};

/// The step that captures.
pub(super) const CAPTURE: &str = "capture";

impl Members {
    pub(super) fn steps(&self, goal: &BackupGoal, draft: &PointContent) -> RunPlan {
        let mut steps = vec![
            Builder::new("system-namespace", Phase::Check, Work::SystemNamespace)
                .titled("make sure that Refloat's namespace exists")
                .build(),
            Builder::new("vault-access", Phase::Check, Work::VaultAccess)
                .titled("give movers access to the vault")
                .after("system-namespace", "SYSTEM_NAMESPACE_FIRST")
                .build(),
        ];
        let checks = self.check_steps(goal);
        let check_ids: Vec<String> = checks.iter().map(|step| step.id.clone()).collect();
        steps.extend(checks);
        steps.extend(self.capture_steps(goal, &check_ids));
        steps.extend(self.move_steps(goal));
        steps.push(
            Builder::new("store-objects", Phase::Move, Work::StoreObjects)
                .titled("list and store the objects")
                .limited(1800)
                .after(CAPTURE, "OBJECTS_AFTER_LAST_CUT")
                .build(),
        );
        let draft = serde_json::to_value(draft).expect("a point is plain data with text keys");
        let mut parts = self.ids("move");
        if planted::is(Bug::SealsBeforeParts) {
            parts.clear();
        }
        steps.push(
            Builder::new("seal", Phase::Seal, Work::Seal { draft })
                .titled("sign the point")
                .after("store-objects", "SEAL_LAST")
                .after_all(&parts, "SEAL_LAST")
                .build(),
        );
        steps.extend(self.clean_steps(goal));
        RunPlan {
            kind: RunKind::Backup,
            run: goal.run.clone(),
            protection: goal.protection.clone(),
            site: goal.site.clone(),
            point: None,
            mover_image: goal.mover_image.clone(),
            steps,
        }
    }

    fn ids(&self, verb: &str) -> Vec<String> {
        self.volumes
            .iter()
            .map(|volume| format!("{verb} {}", part_id(&volume.thing)))
            .collect()
    }

    fn check_steps(&self, goal: &BackupGoal) -> Vec<Step> {
        let mut steps = Vec::new();
        for volume in &self.volumes {
            let id = part_id(&volume.thing);
            let inputs = volume_inputs(goal);
            let work = driver_work(Op::Check, volume, inputs);
            let step = Builder::new(&format!("check volume {id}"), Phase::Check, work)
                .titled(&format!("check that volume {id} can be cut"))
                .limited(60);
            steps.push(step.build());
        }
        for engine in &self.engines {
            let id = part_id(&engine.thing);
            let volumes: Vec<Value> = self
                .volumes
                .iter()
                .filter(|volume| engine.volumes.contains(&volume.thing))
                .map(|volume| json!({ "claim": part_id(&volume.thing), "settings": volume.settings }))
                .collect();
            let inputs = BTreeMap::from([
                ("minimum_mode".to_owned(), json!(goal.minimum_mode)),
                ("holds".to_owned(), json!(goal.holds)),
                ("volumes".to_owned(), Value::Array(volumes)),
            ]);
            let work = driver_work(Op::Check, engine, inputs);
            let step = Builder::new(&format!("check {id}"), Phase::Check, work)
                .titled(&format!("check {} {id} and decide its mode", engine.driver))
                .limited(60);
            steps.push(step.build());
        }
        steps
    }

    fn capture_steps(&self, goal: &BackupGoal, checks: &[String]) -> Vec<Step> {
        let mut steps = Vec::new();
        for engine in &self.engines {
            let id = part_id(&engine.thing);
            let inputs =
                BTreeMap::from([("hold_seconds_max".to_owned(), json!(goal.hold_seconds_max))]);
            let work = driver_work(Op::Capture, engine, inputs);
            let step = Builder::new(&format!("prepare {id}"), Phase::Capture, work)
                .titled(&format!("prepare {} {id}", engine.driver))
                .limited(300)
                .after_all(checks, "CHECK_BEFORE_CAPTURE")
                .after("vault-access", "VAULT_BEFORE_CAPTURE");
            steps.push(step.build());
        }
        let prepared: Vec<String> = steps.iter().map(|step| step.id.clone()).collect();
        steps.push(
            Builder::new(CAPTURE, Phase::Capture, self.capturing(goal, &prepared))
                .titled(&self.capture_title())
                .limited(goal.cut_seconds_max)
                .after("vault-access", "VAULT_BEFORE_CAPTURE")
                .after_all(checks, "CHECK_BEFORE_CAPTURE")
                .after_all(&prepared, "PREPARE_BEFORE_CAPTURE")
                .build(),
        );
        steps
    }

    fn capturing(&self, goal: &BackupGoal, prepared: &[String]) -> Work {
        let cuts = self.volumes.iter().map(|volume| Cut {
            part: part_id(&volume.thing),
            claim: volume.clone(),
            inputs: volume_inputs(goal),
        });
        Work::Capture(Capturing {
            cuts: cuts.collect(),
            prepared_by: prepared.to_vec(),
            limits: Limits {
                cut_seconds_max: goal.cut_seconds_max,
                hold_seconds_max: goal.hold_seconds_max,
            },
        })
    }

    fn capture_title(&self) -> String {
        match self.volumes.as_slice() {
            [one] => format!("capture volume {}", part_id(&one.thing)),
            several => format!("capture {} volumes", several.len()),
        }
    }

    fn move_steps(&self, goal: &BackupGoal) -> Vec<Step> {
        let mut steps = Vec::new();
        for volume in &self.volumes {
            let id = part_id(&volume.thing);
            let expose = driver_work(Op::Expose, volume, volume_inputs(goal));
            let step = Builder::new(&format!("expose {id}"), Phase::Move, expose)
                .titled(&format!("expose the cut of {id} to a mover"))
                .limited(1800)
                .after("system-namespace", "SYSTEM_NAMESPACE_FIRST")
                .after(CAPTURE, "CAPTURE_BEFORE_EXPOSE");
            steps.push(step.build());
            let filling = Filling {
                direction: Direction::Backup,
                part: id.clone(),
                claim_spec: None,
                snapshot: None,
                tree: None,
                bytes: None,
            };
            let step = Builder::new(&format!("move {id}"), Phase::Move, Work::Fill(filling))
                .titled(&format!("move {id} into the vault"))
                .limited(goal.move_seconds_max)
                .after("vault-access", "VAULT_BEFORE_MOVER")
                .after(&format!("expose {id}"), "EXPOSE_BEFORE_MOVE");
            steps.push(step.build());
        }
        steps
    }

    fn clean_steps(&self, goal: &BackupGoal) -> Vec<Step> {
        let mut steps = Vec::new();
        for engine in &self.engines {
            let member = part_id(&engine.thing);
            let work = Work::Release {
                capture: CAPTURE.to_owned(),
                member: member.clone(),
            };
            let step = Builder::new(&format!("release {member}"), Phase::Clean, work)
                .titled(&format!("make sure that {member} is not held"))
                .limited(300 + goal.hold_seconds_max)
                .after("seal", "RELEASE_AFTER_SEAL");
            steps.push(Step {
                cleanup: true,
                ..step.build()
            });
        }
        for volume in &self.volumes {
            let id = part_id(&volume.thing);
            let work = driver_work(Op::Reap, volume, BTreeMap::new());
            let step = Builder::new(&format!("reap {id}"), Phase::Clean, work)
                .titled(&format!("remove the mover and the snapshot of {id}"))
                .limited(300)
                .after("seal", "REAP_AFTER_SEAL");
            steps.push(Step {
                cleanup: true,
                ..step.build()
            });
        }
        let end = Builder::new("vault-access-end", Phase::Clean, Work::VaultAccessEnd)
            .titled("take the movers' access to the vault away")
            .after("seal", "REAP_AFTER_SEAL")
            .after_all(&self.ids("reap"), "MOVERS_GONE_FIRST");
        steps.push(Step {
            cleanup: true,
            ..end.build()
        });
        steps
    }
}

fn volume_inputs(goal: &BackupGoal) -> BTreeMap<String, Value> {
    let mut inputs = BTreeMap::new();
    if let Some(class) = &goal.snapshot_class {
        inputs.insert("snapshot_class".to_owned(), json!(class));
    }
    inputs
}

fn driver_work(op: Op, claim: &Claim, inputs: BTreeMap<String, Value>) -> Work {
    Work::Driver {
        op,
        claim: claim.clone(),
        inputs,
    }
}

/// Builds a step.
struct Builder {
    step: Step,
}

impl Builder {
    fn new(id: &str, phase: Phase, work: Work) -> Self {
        Self {
            step: Step {
                id: id.to_owned(),
                phase,
                title: id.to_owned(),
                needs: Needs::default(),
                work,
                limit_seconds: 120,
                cleanup: false,
            },
        }
    }

    fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.step.title);
        self
    }

    fn limited(mut self, seconds: u32) -> Self {
        self.step.limit_seconds = seconds;
        self
    }

    fn after(mut self, on: &str, rule: &str) -> Self {
        self.step
            .needs
            .insert(Edge::new(on, rule, "order of a backup"));
        self
    }

    fn after_all(mut self, on: &[String], rule: &str) -> Self {
        for one in on {
            self = self.after(one, rule);
        }
        self
    }

    fn build(self) -> Step {
        self.step
    }
}

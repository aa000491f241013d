//! From an inventory to the steps of a backup: who is a member, and what follows what.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::point::{Finding, Member, Mode, Part, PointContent, Required};
use crate::driver::{Claim, Driver, Op, Problem, Role};
use crate::inventory::{Inventory, Thing, ThingId};
use crate::names::{ProtectionName, RunId, SiteName};
use crate::recovery::{Direction, Filling};
use crate::run::{Edge, Phase, RunKind, RunPlan, Step, Work};

/// What the user wants of a backup.
#[derive(Debug, Clone)]
pub struct BackupGoal {
    /// Which protection.
    pub protection: ProtectionName,
    /// Where it runs.
    pub site: SiteName,
    /// This attempt.
    pub run: RunId,
    /// Protected namespaces.
    pub namespaces: Vec<String>,
    /// Weakest mode that is good enough.
    pub minimum_mode: Mode,
    /// What the user says about engines.
    pub overrides: Vec<EngineOverride>,
    /// Volumes that are left out on purpose, as `namespace/name`.
    pub excluded_volumes: BTreeSet<String>,
    /// VolumeSnapshotClass to use; `None` for the default one of the volume's driver.
    pub snapshot_class: Option<String>,
    /// Longest wait for a cut.
    pub cut_seconds_max: u32,
    /// Longest time for one volume's bytes.
    pub move_seconds_max: u32,
    /// Image of the movers.
    pub mover_image: String,
    /// The protection as the user gave it, for the point.
    pub spec: Value,
    /// When the run begins.
    pub began: Timestamp,
    /// Identity of the cluster.
    pub cluster_uid: String,
    /// Cluster-scoped things that the target must have.
    pub required: Vec<Required>,
    /// Cluster-scoped things that the point carries.
    pub owned: Vec<ThingId>,
}

/// Settings for one engine that replace what its driver found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOverride {
    /// Kind and name of the workload, namespace when it matters.
    pub kind: String,
    /// Name of the workload.
    pub name: String,
    /// Namespace; any when `None`.
    pub namespace: Option<String>,
    /// `container`, `user`, `database`.
    pub settings: BTreeMap<String, String>,
}

/// A planned backup.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its steps.
    pub plan: RunPlan,
    /// What is known of the point before it is made.
    pub draft: PointContent,
}

/// Every claim on the things of these namespaces: engines first, then volumes that a claim needs or nobody claims.
pub fn claims(
    inventory: &Inventory,
    namespaces: &[String],
    drivers: &[&'static dyn Driver],
) -> Vec<Claim> {
    let inside = |thing: &&Thing| {
        thing
            .namespace()
            .is_some_and(|namespace| namespaces.iter().any(|one| one == namespace))
    };
    inventory
        .iter()
        .filter(inside)
        .filter_map(|thing| {
            drivers
                .iter()
                .find_map(|driver| driver.claim(thing, inventory))
        })
        .collect()
}

/// Plans a backup, or says everything that stands against it.
pub fn plan(
    inventory: &Inventory,
    goal: &BackupGoal,
    drivers: &[&'static dyn Driver],
) -> Result<Planned, Vec<Problem>> {
    let mut problems = Vec::new();
    for namespace in &goal.namespaces {
        let id = ThingId::cluster("", "Namespace", namespace);
        if inventory.get(&id).is_none() {
            problems.push(Problem::stuck(
                "namespace-missing",
                format!("namespace `{namespace}` does not exist in this cluster"),
                "check the name and the kubeconfig context",
            ));
        }
    }
    for unread in &inventory.unread {
        let place = unread.namespace.as_deref().unwrap_or("all namespaces");
        problems.push(Problem::stuck(
            "inventory-incomplete",
            format!(
                "{} in {place} could not be read: {}",
                unread.resource.plural, unread.message
            ),
            "grant `get` and `list`, or repair the API: a point without these objects may not be recoverable",
        ));
    }
    let mut members = Members::find(inventory, goal, drivers, &mut problems);
    members.check_modes(goal, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let draft = members.draft(inventory, goal);
    let plan = members.steps(goal, &draft);
    Ok(Planned { plan, draft })
}

struct Members {
    engines: Vec<Claim>,
    volumes: Vec<Claim>,
    findings: Vec<Finding>,
}

fn part_id(claim: &ThingId) -> String {
    format!(
        "{}/{}",
        claim.namespace.as_deref().unwrap_or_default(),
        claim.name
    )
}

impl Members {
    fn find(
        inventory: &Inventory,
        goal: &BackupGoal,
        drivers: &[&'static dyn Driver],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut members = Self {
            engines: Vec::new(),
            volumes: Vec::new(),
            findings: Vec::new(),
        };
        for mut claim in claims(inventory, &goal.namespaces, drivers) {
            if claim.role == Role::Volume {
                if goal.excluded_volumes.contains(&part_id(&claim.thing)) {
                    members.findings.push(Finding {
                        code: "volume-excluded".to_owned(),
                        thing: claim.thing.to_string(),
                        message: "left out by the protection: its data will not come back"
                            .to_owned(),
                    });
                } else {
                    members.volumes.push(claim);
                }
                continue;
            }
            for wanted in &goal.overrides {
                let here = wanted.kind == claim.thing.kind
                    && wanted.name == claim.thing.name
                    && (wanted.namespace.is_none() || wanted.namespace == claim.thing.namespace);
                if here {
                    claim.settings.extend(wanted.settings.clone());
                }
            }
            members.engines.push(claim);
        }
        members.check_claimed(inventory, goal, problems);
        members
    }

    /// Every PersistentVolumeClaim must be somebody's.
    fn check_claimed(
        &mut self,
        inventory: &Inventory,
        goal: &BackupGoal,
        problems: &mut Vec<Problem>,
    ) {
        for claim in inventory.of_kind("", "PersistentVolumeClaim") {
            let id = claim.id();
            let inside = claim
                .namespace()
                .is_some_and(|namespace| goal.namespaces.iter().any(|one| one == namespace));
            let known = self.volumes.iter().any(|volume| volume.thing == id)
                || goal.excluded_volumes.contains(&part_id(&id));
            if inside && !known {
                problems.push(Problem::stuck(
                    "volume-unprotected",
                    format!("no driver can protect {id}"),
                    "leave it out on purpose with `exclude.volumes` (or `--exclude-volume`), or move it to a CSI driver with snapshots",
                ));
            }
        }
    }

    fn engine_of(&self, volume: &ThingId) -> Option<&Claim> {
        self.engines
            .iter()
            .find(|engine| engine.volumes.contains(volume))
    }

    /// A volume that no engine claims is crash-consistent at best.
    fn check_modes(&mut self, goal: &BackupGoal, problems: &mut Vec<Problem>) {
        for volume in &self.volumes {
            if self.engine_of(&volume.thing).is_some() {
                continue;
            }
            self.findings.push(Finding {
                code: "volume-crash-consistent".to_owned(),
                thing: volume.thing.to_string(),
                message: "no driver knows the application on it: the copy is crash-consistent"
                    .to_owned(),
            });
            if goal.minimum_mode > Mode::Crash {
                problems.push(Problem::stuck(
                    "mode-too-weak",
                    format!(
                        "{}: no driver knows the application on it, so its copy can only be `crash`; the protection asks for `{}`",
                        volume.thing,
                        goal.minimum_mode.as_str()
                    ),
                    "allow it with `minimumMode: crash` (or `--minimum-mode crash`), or leave the volume out with `exclude.volumes`",
                ));
            }
        }
    }

    fn draft(&self, inventory: &Inventory, goal: &BackupGoal) -> PointContent {
        let parts = self
            .volumes
            .iter()
            .map(|volume| draft_part(volume, inventory, goal))
            .collect();
        let engines = self.engines.iter().map(|claim| Member {
            name: part_id(&claim.thing),
            driver: claim.driver.clone(),
            thing: claim.thing.clone(),
            mode: Mode::Crash,
            evidence: Vec::new(),
            engine: BTreeMap::new(),
            settings: claim.settings.clone(),
            parts: claim.volumes.iter().map(part_id).collect(),
        });
        let plain = self
            .volumes
            .iter()
            .filter(|volume| self.engine_of(&volume.thing).is_none())
            .map(|volume| Member {
                name: format!("volume {}", part_id(&volume.thing)),
                driver: volume.driver.clone(),
                thing: volume.thing.clone(),
                mode: Mode::Crash,
                evidence: Vec::new(),
                engine: BTreeMap::new(),
                settings: volume.settings.clone(),
                parts: vec![part_id(&volume.thing)],
            });
        PointContent {
            protection: goal.protection.clone(),
            site: goal.site.clone(),
            run: goal.run.clone(),
            namespaces: goal.namespaces.clone(),
            spec: goal.spec.clone(),
            kubernetes_version: inventory.kubernetes_version.clone(),
            cluster_uid: goal.cluster_uid.clone(),
            began: goal.began,
            members: engines.chain(plain).collect(),
            parts,
            objects: None,
            required: goal.required.clone(),
            owned: goal.owned.clone(),
            findings: self.findings.clone(),
        }
    }

    fn steps(&self, goal: &BackupGoal, draft: &PointContent) -> RunPlan {
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
        let cuts = self.ids("cut");
        steps.push(
            Builder::new("store-objects", Phase::Move, Work::StoreObjects)
                .titled("list and store the objects")
                .limited(1800)
                .after_all(&cuts, "OBJECTS_AFTER_LAST_CUT")
                .after_all(&check_ids, "CHECK_BEFORE_CAPTURE")
                .build(),
        );
        let draft = serde_json::to_value(draft).expect("a point is plain data with text keys");
        steps.push(
            Builder::new("seal", Phase::Seal, Work::Seal { draft })
                .titled("sign the point")
                .after("store-objects", "SEAL_LAST")
                .after_all(&self.ids("move"), "SEAL_LAST")
                .build(),
        );
        steps.extend(self.clean_steps());
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
            let work = driver_work(Op::Capture, engine, BTreeMap::new());
            let step = Builder::new(&format!("prepare {id}"), Phase::Capture, work)
                .titled(&format!("checkpoint {} {id}", engine.driver))
                .limited(300)
                .after_all(checks, "CHECK_BEFORE_CAPTURE")
                .after("vault-access", "VAULT_BEFORE_CAPTURE");
            steps.push(step.build());
        }
        for volume in &self.volumes {
            let id = part_id(&volume.thing);
            let work = driver_work(Op::Capture, volume, volume_inputs(goal));
            let mut step = Builder::new(&format!("cut {id}"), Phase::Capture, work)
                .titled(&format!("cut volume {id}"))
                .limited(goal.cut_seconds_max)
                .after("vault-access", "VAULT_BEFORE_CAPTURE")
                .after_all(checks, "CHECK_BEFORE_CAPTURE");
            if let Some(engine) = self.engine_of(&volume.thing) {
                let engine = format!("prepare {}", part_id(&engine.thing));
                step = step.after(&engine, "ENGINE_BEFORE_CUT");
            }
            steps.push(step.build());
        }
        steps
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
                .after(&format!("cut {id}"), "CUT_BEFORE_EXPOSE");
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

    fn clean_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
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

fn draft_part(volume: &Claim, inventory: &Inventory, goal: &BackupGoal) -> Part {
    let claim = inventory.get(&volume.thing);
    let text = |pointer: &str| {
        claim
            .and_then(|claim| claim.text(pointer))
            .unwrap_or_default()
            .to_owned()
    };
    let setting = |key: &str| volume.settings.get(key).cloned().unwrap_or_default();
    Part {
        id: part_id(&volume.thing),
        driver: volume.driver.clone(),
        claim: claim.map_or(Value::Null, |claim| claim.object.clone()),
        storage_class: text("/spec/storageClassName"),
        csi_driver: setting("csi_driver"),
        capacity: text("/status/capacity/storage"),
        cut: goal.began,
        snapshot_handle: String::new(),
        snapshot: String::new(),
        tree: String::new(),
        files: 0,
        bytes: 0,
        bytes_added: 0,
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
                needs: BTreeSet::new(),
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

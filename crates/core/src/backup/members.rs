//! Who is a member of a backup: claimed engines, volumes, and what is known of the point before it is made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::gates;
use super::goal::{BackupGoal, Hook};
use super::point::{Finding, Member, Mode, Part, PointContent};
use crate::driver::{Claim, Driver, Problem, Role};
use crate::inventory::{Inventory, Thing, ThingId};
use crate::readiness::user::UserGate;

/// Every claim on the things of these namespaces: engines first, then volumes that a claim needs or nobody claims.
pub fn claims(
    inventory: &Inventory,
    namespaces: &[String],
    hooks: &[Hook],
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
            let hooked = hooks.iter().find(|hook| hook.is_about(thing));
            let hooked = hooked.map(|hook| hook.on(thing));
            let thing = hooked.as_ref().unwrap_or(thing);
            drivers
                .iter()
                .find_map(|driver| driver.claim(thing, inventory))
        })
        .collect()
}

pub(super) struct Members {
    pub(super) engines: Vec<Claim>,
    pub(super) volumes: Vec<Claim>,
    findings: Vec<Finding>,
    gates: Vec<UserGate>,
}

pub(super) fn part_id(claim: &ThingId) -> String {
    format!(
        "{}/{}",
        claim.namespace.as_deref().unwrap_or_default(),
        claim.name
    )
}

impl Members {
    pub(super) fn find(
        inventory: &Inventory,
        goal: &BackupGoal,
        drivers: &[&'static dyn Driver],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut members = Self {
            engines: Vec::new(),
            volumes: Vec::new(),
            findings: Vec::new(),
            gates: Vec::new(),
        };
        for mut claim in claims(inventory, &goal.namespaces, &goal.hooks, drivers) {
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
        check_hooks(&members.engines, goal, problems);
        members.gates = gates::check(inventory, goal, &mut members.findings, problems);
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
            let phase = claim.text("/status/phase").unwrap_or("Pending");
            if inside && !known && phase != "Bound" {
                problems.push(Problem::stuck(
                    "volume-not-bound",
                    format!("{id} is not bound (phase {phase}): there is nothing to copy"),
                    "see `kubectl describe persistentvolumeclaim`, or leave it out with `exclude.volumes` (or `--exclude-volume`)",
                ));
            } else if inside && !known {
                problems.push(Problem::stuck(
                    "volume-unprotected",
                    format!("no driver can protect {id}"),
                    "leave it out on purpose with `exclude.volumes` (or `--exclude-volume`), or move it to a CSI driver with snapshots",
                ));
            }
        }
    }

    pub(super) fn engine_of(&self, volume: &ThingId) -> Option<&Claim> {
        self.engines
            .iter()
            .find(|engine| engine.volumes.contains(volume))
    }

    /// A volume that no engine claims is crash-consistent at best.
    pub(super) fn check_modes(&mut self, goal: &BackupGoal, problems: &mut Vec<Problem>) {
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

    pub(super) fn draft(&self, inventory: &Inventory, goal: &BackupGoal) -> PointContent {
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
            held: None,
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
                held: None,
            });
        PointContent {
            protection: goal.protection.clone(),
            site: goal.site.clone(),
            run: goal.run.clone(),
            namespaces: goal.namespaces.clone(),
            spec: goal.spec.clone(),
            kubernetes_version: inventory.kubernetes_version.clone(),
            cluster_uid: goal.cluster_uid.clone(),
            architectures: architectures(inventory),
            began: goal.began,
            members: engines.chain(plain).collect(),
            parts,
            capture: None,
            objects: None,
            required: goal.required.clone(),
            owned: goal.owned.clone(),
            findings: self.findings.clone(),
            gates: self.gates.clone(),
        }
    }
}

/// Of the nodes, each once.
pub(super) fn architectures(inventory: &Inventory) -> Vec<String> {
    let of_node = |node: &Thing| {
        node.text("/status/nodeInfo/architecture")
            .filter(|architecture| !architecture.is_empty())
            .map(str::to_owned)
    };
    let all: BTreeSet<String> = inventory.of_kind("", "Node").filter_map(of_node).collect();
    all.into_iter().collect()
}

/// A hook that holds nothing would be missed only when the copy is needed.
fn check_hooks(engines: &[Claim], goal: &BackupGoal, problems: &mut Vec<Problem>) {
    for hook in &goal.hooks {
        let by_hook = |claim: &Claim| {
            let thing = &claim.thing;
            let same = thing.kind == hook.kind
                && thing.name == hook.name
                && (hook.namespace.is_none() || hook.namespace == thing.namespace);
            let words = claim.settings.values();
            same && words
                .into_iter()
                .any(|word| hook.annotations.values().any(|own| own == word))
        };
        if !engines.iter().any(by_hook) {
            problems.push(Problem::stuck(
                "hook-without-workload",
                format!(
                    "the hook for {} {} holds nothing: no StatefulSet or Deployment of that name is in the protected namespaces, or the hook has neither `hold` nor `freeze` and `thaw`",
                    hook.kind, hook.name
                ),
                "correct `capture.hooks` in the protection: `kind`, `name`, `namespace`, and the commands",
            ));
        }
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
        claim: claim.map_or(Value::Null, Thing::as_read),
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

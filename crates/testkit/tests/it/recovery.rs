//! A recovery into an empty site, undisturbed: everything is back, in its order, under its owners.

use std::cell::RefCell;

use refloat_core::drive::{Drive, DriveError, Observer};
use refloat_core::inventory::Thing;
use refloat_core::json::Json;
use refloat_core::names::{ANNOTATION_DIGEST, ANNOTATION_RECOVERY};
use refloat_core::plan::plan;
use refloat_core::run::{End, Record, RunPlan, Work};
use refloat_testkit::sim::SimWorld;
use serde_json::Value;

use crate::driving::{drive, leftovers, resume, resume_before};
use crate::site::{self, Sealed};

/// One recovery: its target, its plan, its journal.
pub(crate) struct Recovery {
    pub(crate) world: SimWorld,
    pub(crate) plan: RunPlan,
    pub(crate) records: RefCell<Vec<Record>>,
}

impl Recovery {
    pub(crate) fn of(sealed: &Sealed) -> Self {
        let world = site::target();
        let planned = plan(
            "shop/1",
            &sealed.point,
            &sealed.objects,
            &world.inventory(),
            &site::goal("restore-1"),
        )
        .unwrap();
        Self {
            world,
            plan: planned.plan,
            records: RefCell::default(),
        }
    }

    pub(crate) fn drive(&self) -> Result<Drive, DriveError> {
        drive(&self.world, &self.plan, &self.records)
    }

    pub(crate) fn resume(&self) -> Result<Drive, DriveError> {
        self.world.plan_fault(None);
        resume(&self.world, &self.plan, &self.records)
    }

    /// The same before the eyes of somebody.
    pub(crate) fn resume_before(&self, observer: &impl Observer) -> Result<Drive, DriveError> {
        self.world.plan_fault(None);
        resume_before(&self.world, &self.plan, &self.records, observer)
    }

    /// Goes on under the fault that was planned.
    pub(crate) fn resume_faulty(&self) -> Result<Drive, DriveError> {
        resume(&self.world, &self.plan, &self.records)
    }

    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.world
            .inventory()
            .iter()
            .find(|thing| thing.resource.kind == kind && thing.name() == name)
            .map(Thing::as_read)
    }
}

pub(crate) fn sealed() -> Sealed {
    site::sealed(&site::source())
}

pub(crate) const COMPLETED: Result<Drive, DriveError> = Ok(Drive::Ended(End::Completed));

fn is_annotated(object: &Json, key: &str) -> bool {
    object
        .pointer("/metadata/annotations")
        .is_some_and(|all| all.get(key).is_some())
}

#[test]
fn an_undisturbed_recovery_brings_everything_back() {
    let sealed = sealed();
    let recovery = Recovery::of(&sealed);
    assert_eq!(recovery.drive(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    recovery.world.with_store(|store| {
        assert_eq!(store.refusals, Vec::<String>::new());
    });
    let target = recovery.world.inventory();
    for step in &recovery.plan.steps {
        let Work::Write(writing) = &step.work else {
            continue;
        };
        let id = writing.target().id();
        let object = &target.get(&id).unwrap_or_else(|| panic!("{id}")).object;
        let mark =
            is_annotated(object, ANNOTATION_RECOVERY) && is_annotated(object, ANNOTATION_DIGEST);
        assert_eq!(mark, !writing.adopt, "{id}");
    }
    let all = [
        "Namespace shop",
        "Secret shop/database",
        "ConfigMap shop/web",
        "Service shop/db",
        "Service shop/web",
        "ServiceAccount shop/cache-operator",
        "Role.rbac.authorization.k8s.io shop/cache-operator",
        "RoleBinding.rbac.authorization.k8s.io shop/cache-operator",
        "CustomResourceDefinition.apiextensions.k8s.io caches.shop.example.com",
        "Deployment.apps shop/cache-operator",
        "Cache.shop.example.com shop/sessions",
        "ConfigMap shop/sessions-rendered",
        "PersistentVolumeClaim shop/data-db-0",
        "StatefulSet.apps shop/db",
        "Deployment.apps shop/web",
        "Ingress.networking.k8s.io shop/web",
    ];
    let there: Vec<String> = target.iter().map(|thing| thing.id().to_string()).collect();
    for id in all {
        assert!(there.contains(&id.to_owned()), "{id} is not in {there:?}");
    }
}

#[test]
fn the_claim_is_bound_to_the_filled_volume_whose_policy_is_restored() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.settle(5);
    let inventory = recovery.world.inventory();
    let volumes: Vec<_> = inventory.of_kind("", "PersistentVolume").collect();
    assert_eq!(volumes.len(), 1, "one volume and no other");
    let volume = volumes[0];
    let claim = inventory
        .find("", "PersistentVolumeClaim", "shop", "data-db-0")
        .unwrap();
    assert_eq!(claim.text("/spec/volumeName"), Some(volume.name()));
    assert_eq!(claim.text("/status/phase"), Some("Bound"));
    assert_eq!(volume.text("/spec/claimRef/uid"), Some(claim.uid()));
    let policy = volume.text("/spec/persistentVolumeReclaimPolicy");
    assert_eq!(policy, Some("Delete"));
    assert_eq!(volume.annotation("refloat.io/reclaim-policy"), None);
    assert_eq!(
        volume.annotation("sim.refloat.io/data"),
        Some("7000000000000000001"),
        "the volume holds the database of the source"
    );
}

#[test]
fn every_object_has_its_old_owner_and_none_of_its_old_cluster() {
    let sealed = sealed();
    let recovery = Recovery::of(&sealed);
    assert_eq!(recovery.drive(), COMPLETED);
    let target = recovery.world.inventory();
    let mut compared = 0;
    for step in &recovery.plan.steps {
        let Work::Write(writing) = &step.work else {
            continue;
        };
        let id = writing.target().id();
        let (old, new) = (sealed.objects.get(&id).unwrap(), target.get(&id).unwrap());
        assert_ne!(old.uid(), "", "{id}");
        let Some(entry) = old.list("/metadata/managedFields").first() else {
            continue;
        };
        if writing.adopt {
            continue;
        }
        compared += 1;
        let now = &new.list("/metadata/managedFields")[0];
        assert_eq!(now["manager"], entry["manager"], "{id}");
        assert_eq!(now["operation"], entry["operation"], "{id}");
    }
    assert!(compared >= 12, "only {compared} were compared");
    let service = recovery.object("Service", "web").unwrap();
    assert_eq!(service.pointer("/spec/ports/0/nodePort"), None);
}

/// Where a line of the history is; panics with the whole history when it is not there.
fn at(history: &[String], line: &str) -> usize {
    history
        .iter()
        .position(|one| one == line)
        .unwrap_or_else(|| panic!("no `{line}` in {history:#?}"))
}

#[test]
fn nothing_is_created_before_its_gate_is_open() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    let history = recovery.world.history.borrow().clone();
    let definition =
        "established CustomResourceDefinition.apiextensions.k8s.io caches.shop.example.com";
    let pairs = [
        ("psql answers in shop/db-0", "create Deployment shop/web"),
        (
            "bound PersistentVolumeClaim shop/data-db-0",
            "create StatefulSet shop/db",
        ),
        ("create Service shop/db", "create StatefulSet shop/db"),
        (definition, "create Cache shop/sessions"),
        (definition, "create Deployment shop/cache-operator"),
        (
            "ready Deployment.apps shop/cache-operator",
            "create Cache shop/sessions",
        ),
        (
            "create RoleBinding shop/cache-operator",
            "create Deployment shop/cache-operator",
        ),
        (
            "create ServiceAccount shop/cache-operator",
            "create RoleBinding shop/cache-operator",
        ),
        ("create Secret shop/database", "create Deployment shop/web"),
        ("create ConfigMap shop/web", "create Deployment shop/web"),
        ("ready Deployment.apps shop/web", "create Ingress shop/web"),
    ];
    for (first, second) in pairs {
        let found = history.iter().any(|one| one.starts_with(first));
        assert!(found, "no `{first}` in {history:#?}");
        let first_at = history.iter().position(|one| one.starts_with(first));
        assert!(
            first_at < Some(at(&history, second)),
            "{first} < {second}: {history:#?}"
        );
    }
    let later: Vec<&String> = history[at(&history, "create Ingress shop/web") + 1..]
        .iter()
        .filter(|one| one.starts_with("create "))
        .collect();
    assert_eq!(
        later,
        ["create Cache shop/sessions"],
        "what users do not reach"
    );
    let held: Vec<_> = history
        .iter()
        .filter(|one| one.starts_with("held back") || one.starts_with("refused"))
        .collect();
    assert!(held.is_empty(), "{held:?}");
}

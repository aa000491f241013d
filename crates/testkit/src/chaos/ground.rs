//! What the runs of one application start from: its two sites, the plans, the sealed point, and the wanted end.
//!
//! Made once per application and used by many runs; everything in it comes from the application's seed.

use std::collections::{BTreeMap, BTreeSet};

use refloat_core::backup::{self, BackupGoal, Holds, Mode, PointContent};
use refloat_core::driver::ObjectRef;
use refloat_core::inventory::{Inventory, Resource, scope};
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_core::plan::{self, Evidence, Goal, Mappings, Selection};
use refloat_core::recovery::Existing;
use refloat_core::run::RunPlan;
use serde_json::{Value, json};

use super::application::Application;
use super::live::drivers;
use super::lots::Lots;
use super::state::{State, state};
use super::ways::Way;
use super::ways::names::{self, Names};
use crate::sim::{SimWorld, Store, resource};

/// Annotation of a simulated volume: what lies on it.
pub(super) const DATA: &str = "sim.refloat.io/data";

/// Where the runs of one application start from.
pub(super) struct Ground {
    pub(super) application: Application,
    source: Store,
    pub(super) backup: RunPlan,
}

/// What an undisturbed backup brought.
pub(super) struct Sealed {
    pub(super) point: PointContent,
    objects: Inventory,
}

fn seed(store: &mut Store, kind: &str, name: &str, body: Value) {
    let resource = resource(kind);
    let mut object = body;
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(kind);
    object["metadata"]["name"] = json!(name);
    store.seed(&resource, object);
}

/// What both sites have of their own.
fn classes(store: &mut Store) {
    seed(store, "Namespace", "kube-system", json!({}));
    let provisioner = json!({ "provisioner": "btrfs.csi.refloat.io" });
    seed(store, "StorageClass", "btrfs", provisioner);
    let controller = json!({ "spec": { "controller": "k8s.io/nginx" } });
    seed(store, "IngressClass", "nginx", controller);
}

fn source(application: &Application) -> SimWorld {
    let mut store = Store::default();
    classes(&mut store);
    let class = json!({
        "metadata": { "annotations": { "snapshot.storage.kubernetes.io/is-default-class": "true" } },
        "driver": "btrfs.csi.refloat.io", "deletionPolicy": "Delete",
    });
    seed(&mut store, "VolumeSnapshotClass", "btrfs", class);
    for (resource, object) in &application.objects {
        store.seed(resource, object.clone());
    }
    let world = SimWorld::new(store);
    world
        .databases
        .borrow_mut()
        .extend(application.databases.clone());
    world.settle(100);
    world.with_store(|store| {
        for (namespace, owner, name) in &application.children {
            let owner = ObjectRef::namespaced(resource("Deployment"), namespace, owner);
            let uid = store.get(&owner).map(|live| live["metadata"]["uid"].clone());
            let references = json!([{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": owner.name, "uid": uid, "controller": true,
            }]);
            let metadata = json!({ "namespace": namespace, "ownerReferences": references });
            seed(store, "ConfigMap", name, json!({ "metadata": metadata }));
        }
        for (namespace, name) in &application.claim_owners {
            own_claims(store, namespace, name);
        }
        fill(store);
        age(store);
    });
    world
}

/// A resource owns the claims of its namespace, as an operator's does that makes them.
fn own_claims(store: &mut Store, namespace: &str, name: &str) {
    let all: Vec<(ObjectRef, Value)> = store
        .iter()
        .filter(|(reference, _)| reference.namespace.as_deref() == Some(namespace))
        .map(|(reference, object)| (reference.clone(), object.clone()))
        .collect();
    let is_owner = |one: &&(ObjectRef, Value)| one.0.resource.kind == "Cache" && one.0.name == name;
    let Some((_, owner)) = all.iter().find(is_owner) else {
        return;
    };
    let owners = json!([{
        "apiVersion": owner["apiVersion"], "kind": "Cache", "name": name, "uid": owner["metadata"]["uid"],
    }]);
    for (reference, _) in &all {
        if reference.resource.kind == "PersistentVolumeClaim" {
            store.change(
                reference,
                &json!({ "metadata": { "ownerReferences": owners } }),
            );
        }
    }
}

/// Each volume holds something of its own; those of one workload hold the same, as servers of one database do.
fn fill(store: &mut Store) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let volumes: Vec<(ObjectRef, String)> = store
        .iter()
        .filter(|(reference, _)| reference.resource.kind == "PersistentVolume")
        .map(|(reference, object)| {
            let text = |key: &str| object["spec"]["claimRef"][key].as_str().unwrap_or_default();
            let claim = text("name").trim_end_matches(|one: char| one.is_ascii_digit());
            (reference.clone(), format!("{}/{claim}", text("namespace")))
        })
        .collect();
    for (volume, of) in volumes {
        let next = known.len();
        let number = *known.entry(of).or_insert(next);
        let data = format!("70000000000000{number:05}");
        let written = json!({ "metadata": { "annotations": { DATA: data } } });
        store.change(&volume, &written);
    }
}

/// Everything is old: what a run makes is told from it by its time.
fn age(store: &mut Store) {
    let all: Vec<ObjectRef> = store
        .iter()
        .map(|(reference, _)| reference.clone())
        .collect();
    let old = json!({ "metadata": { "creationTimestamp": "2025-12-01T00:00:00Z" } });
    for reference in all {
        store.change(&reference, &old);
    }
}

/// The second site as it is before a recovery that goes this way.
pub(super) fn target(way: &Way) -> Store {
    let mut store = Store::default();
    "8000000000000000008".clone_into(&mut store.new_database);
    classes(&mut store);
    for (resource, object) in &way.there {
        store.seed(resource, object.clone());
    }
    let world = SimWorld::new(store);
    world.settle(way.settles);
    world.with_store(|store| store.clone())
}

pub(super) fn run_id(name: &str) -> RunId {
    RunId::new(name).expect("a constant name keeps the rules")
}

/// The goal of a backup that is called this.
fn backup_goal(application: &Application, inventory: &Inventory, run: &str) -> BackupGoal {
    let reach = scope(inventory, &application.namespaces);
    BackupGoal {
        protection: ProtectionName::new("chaos").expect("a constant name keeps the rules"),
        site: SiteName::new("primary").expect("a constant name keeps the rules"),
        run: run_id(run),
        namespaces: application.namespaces.clone(),
        minimum_mode: Mode::Crash,
        overrides: Vec::new(),
        holds: Holds::WhenNeeded,
        hooks: Vec::new(),
        gates: Vec::new(),
        excluded_volumes: BTreeSet::new(),
        snapshot_class: None,
        cut_seconds_max: 60,
        hold_seconds_max: HOLD_SECONDS_MAX,
        move_seconds_max: 600,
        mover_image: "refloat.local/refloat:dev".to_owned(),
        spec: json!({}),
        began: "2026-01-01T00:00:00Z"
            .parse()
            .expect("a constant time is well formed"),
        cluster_uid: "cluster-a".to_owned(),
        required: reach.required,
        owned: reach.owned,
    }
}

/// Longest time for which writers may wait.
pub(super) const HOLD_SECONDS_MAX: u32 = 20;

fn restore_goal(existing: Existing, mappings: Mappings) -> Goal {
    Goal {
        run: run_id("restore-1"),
        site: SiteName::new("secondary").expect("a constant name keeps the rules"),
        evidence: Some(Evidence::SourceDead {
            reason: "the data centre is gone".to_owned(),
        }),
        existing,
        node_ports: plan::NodePorts::Anew,
        storage_classes: BTreeMap::new(),
        mappings,
        mover_image: "refloat.local/refloat:dev".to_owned(),
        cluster_uid: "cluster-b".to_owned(),
        selection: Selection::default(),
        skip_gates: std::collections::BTreeSet::new(),
        connections: refloat_core::plan::Connections::default(),
    }
}

impl Ground {
    /// Builds an application's sites and plans its backup.
    pub(super) fn of(seed: u64) -> Result<Self, String> {
        let application = Application::draw(&mut Lots::new(seed));
        let world = source(&application);
        let inventory = world.inventory();
        let goal = backup_goal(&application, &inventory, "backup-1");
        let planned = backup::plan(&inventory, &goal, drivers())
            .map_err(|problems| format!("the backup cannot be planned: {problems:?}"))?;
        Ok(Self {
            source: world.with_store(|store| store.clone()),
            backup: planned.plan,
            application,
        })
    }

    /// The first site as it is before a backup.
    pub(super) fn source(&self) -> SimWorld {
        self.site(&self.source, &Names::new())
    }

    /// A site with the databases of this application, under these names.
    pub(super) fn site(&self, store: &Store, names: &Names) -> SimWorld {
        let world = SimWorld::new(store.clone());
        let databases = self.application.databases.iter();
        let databases =
            databases.map(|(pod, database)| (names::placed(names, pod), database.clone()));
        world.databases.borrow_mut().extend(databases);
        world
    }

    /// The state of the first site while nothing is done to it.
    pub(super) fn source_state(&self) -> State {
        state(&self.source())
    }

    /// A later backup of the same site.
    pub(super) fn next_backup(&self, world: &SimWorld) -> Result<RunPlan, String> {
        let inventory = world.inventory();
        let goal = backup_goal(&self.application, &inventory, "backup-9");
        backup::plan(&inventory, &goal, drivers())
            .map(|planned| planned.plan)
            .map_err(|problems| format!("the next backup cannot be planned: {problems:?}"))
    }

    /// The point that an undisturbed backup sealed in this world.
    pub(super) fn sealed(&self, world: &SimWorld) -> Result<Sealed, String> {
        let body = world.sealed.borrow().first().cloned();
        let point: PointContent = serde_json::from_value(body.unwrap_or_default())
            .map_err(|error| format!("the sealed point cannot be read: {error}"))?;
        let now = world.inventory();
        let stored = now.into_things().filter(|thing| {
            let of = thing.namespace().unwrap_or(thing.name());
            let inside = self.application.namespaces.iter().any(|one| one == of);
            inside && (thing.namespace().is_some() || thing.id().is("", "Namespace"))
                || point.owned.contains(&thing.id())
        });
        let files = backup::pack(stored, "v1.34.4");
        let objects = backup::unpack(files).map_err(|error| error.to_string())?;
        Ok(Sealed { point, objects })
    }
}

impl Sealed {
    /// The recovery that goes this way into a site.
    pub(super) fn planned(
        &self,
        way: &Way,
        application: &Application,
        target: &Store,
    ) -> Result<RunPlan, String> {
        let target = target.inventory();
        let plan = |existing| {
            let goal = restore_goal(existing, names::mappings(&way.names, application));
            plan::plan("chaos/1", &self.point, &self.objects, &target, &goal)
        };
        if way.existing != Existing::Fail {
            let said = plan(Existing::Fail).err().unwrap_or_default();
            let mut there = way.there.iter();
            let expected = if there.any(|(_, object)| object["metadata"]["namespace"].is_string()) {
                "namespace-in-use"
            } else {
                "already-exists"
            };
            if said.iter().all(|problem| problem.code != expected) {
                return Err(format!("it was not refused as {expected}: {said:?}"));
            }
        }
        plan(way.existing)
            .map(|planned| planned.plan)
            .map_err(|problems| format!("the recovery cannot be planned: {problems:?}"))
    }
}

/// A kind that the simulated server serves from the beginning, by group version and kind.
pub(super) fn volumes() -> Resource {
    resource("PersistentVolume")
}

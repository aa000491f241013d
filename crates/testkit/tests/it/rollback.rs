//! What a recovery created goes again, dependents first, and nothing of others: after a whole recovery, a broken one, and with an
//! engine that dies anywhere.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use refloat_core::drive::{Drive, Engine, Journal, JournalError, TURN_STEPS_MAX};
use refloat_core::driver::Problem;
use refloat_core::inventory::ThingId;
use refloat_core::names::{ANNOTATION_RECLAIM_POLICY, RunId, SiteName};
use refloat_core::plan::{
    Changed, Data, RollbackGoal, RolledBack, left_behind, rollback, rollback_look,
};
use refloat_core::recovery::Existing;
use refloat_core::run::{End, Progress, Record, Workers};
use refloat_core::world::World;
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Fault, Quiet, SimJournal, SimWorld, block_on, resource};
use serde_json::{Value, json};

use crate::driving::{drive, resume};
use crate::existing::recovery_over;
use crate::recovery::{COMPLETED, Recovery, sealed};

pub(crate) fn planned(
    recovery: &Recovery,
    changed: Changed,
    data: Data,
) -> Result<RolledBack, Vec<Problem>> {
    let seen = block_on(recovery.world.see(&rollback_look(&recovery.plan)));
    let progress = Progress::of(recovery.records.borrow().iter());
    let goal = RollbackGoal {
        run: RunId::new("rollback-restore-1-1").unwrap(),
        site: SiteName::new("secondary").unwrap(),
        changed,
        data,
    };
    let served = recovery.world.inventory().served;
    rollback(&recovery.plan, &progress, &seen, &served, &goal)
}

/// Everything that is there, without what comes and goes with others.
fn there(world: &SimWorld) -> BTreeMap<String, Value> {
    world.settle(30);
    let all = world.inventory();
    all.iter()
        .filter(|thing| thing.namespace() != Some("refloat-system"))
        .filter(|thing| {
            !matches!(
                thing.resource.kind.as_str(),
                "Event" | "EndpointSlice" | "Endpoints"
            )
        })
        .map(|thing| {
            (
                thing.id().to_string(),
                thing.object["metadata"]["uid"].to_value(),
            )
        })
        .collect()
}

fn names(all: &BTreeMap<String, Value>) -> BTreeSet<&str> {
    all.keys().map(String::as_str).collect()
}

#[test]
fn a_recovery_into_an_empty_site_leaves_nothing_but_the_data() {
    let sealed = sealed();
    for data in [Data::Keep, Data::Remove] {
        let recovery = Recovery::of(&sealed);
        let before = there(&recovery.world);
        assert_eq!(recovery.drive(), COMPLETED);
        let rolled = planned(&recovery, Changed::Refuse, data).unwrap();
        assert_eq!(rolled.untouched, []);
        let records = RefCell::default();
        assert_eq!(drive(&recovery.world, &rolled.plan, &records), COMPLETED);
        let progress = Progress::of(records.borrow().iter());
        assert_eq!(left_behind(&rolled.plan, &progress), []);
        let after = there(&recovery.world);
        let more: Vec<&str> = names(&after).difference(&names(&before)).copied().collect();
        let volumes: Vec<&&str> = more
            .iter()
            .filter(|id| id.starts_with("PersistentVolume "))
            .collect();
        assert_eq!(volumes.len(), usize::from(data == Data::Keep), "{more:?}");
        assert_eq!(
            more.len() - volumes.len(),
            1,
            "only Refloat's namespace: {more:?}"
        );
        for volume in volumes {
            let name = volume.trim_start_matches("PersistentVolume ");
            let volume = recovery.object("PersistentVolume", name).unwrap();
            assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        }
    }
}

#[test]
fn dependents_go_before_what_they_need() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
    recovery.world.history.borrow_mut().clear();
    assert_eq!(
        drive(&recovery.world, &rolled.plan, &RefCell::default()),
        COMPLETED
    );
    let history = recovery.world.history.borrow().clone();
    let at = |line: &str| {
        let found = history.iter().position(|one| one == line);
        found.unwrap_or_else(|| panic!("no `{line}` in {history:#?}"))
    };
    for (first, second) in [
        (
            "delete Ingress.networking.k8s.io shop/web",
            "delete Deployment.apps shop/web",
        ),
        (
            "delete Deployment.apps shop/web",
            "delete StatefulSet.apps shop/db",
        ),
        (
            "delete StatefulSet.apps shop/db",
            "delete PersistentVolumeClaim shop/data-db-0",
        ),
        (
            "delete Cache.shop.example.com shop/sessions",
            "delete Deployment.apps shop/cache-operator",
        ),
        (
            "delete PersistentVolumeClaim shop/data-db-0",
            "delete Namespace shop",
        ),
    ] {
        assert!(at(first) < at(second), "{first} < {second}: {history:#?}");
    }
}

#[test]
fn what_others_put_there_stays_with_its_namespace() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.with_store(|store| {
        let mine = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "mine", "namespace": "shop" }, "data": { "a": "b" },
        });
        store.seed(&resource("ConfigMap"), mine);
    });
    let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
    let records = RefCell::default();
    assert_eq!(drive(&recovery.world, &rolled.plan, &records), COMPLETED);
    assert!(recovery.object("ConfigMap", "mine").is_some());
    assert_eq!(recovery.object("ConfigMap", "web"), None);
    let progress = Progress::of(records.borrow().iter());
    let left = left_behind(&rolled.plan, &progress);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].0, "Namespace shop");
    assert!(left[0].1.contains("ConfigMap shop/mine"), "{left:?}");
}

#[test]
fn what_was_updated_stays_and_what_was_changed_since_is_asked_about() {
    let recovery = recovery_over(&sealed(), Existing::Update);
    assert_eq!(recovery.drive(), COMPLETED);
    recovery.world.with_store(|store| {
        let service =
            refloat_core::driver::ObjectRef::namespaced(resource("Service"), "shop", "web");
        let mut object = store.get(&service).cloned().unwrap();
        object["metadata"]["labels"] = json!({});
        object["spec"]["selector"] = json!({ "app": "another" });
        store.remove(&service);
        store.seed(&resource("Service"), object);
    });
    // Created again by somebody, with all annotations: another object.
    let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
    let why = |id: &ThingId| {
        rolled
            .untouched
            .iter()
            .find(|(one, _)| one == id)
            .map(|(_, why)| why.as_str())
    };
    let in_shop =
        |group: &str, kind: &str, name: &str| ThingId::namespaced(group, kind, "shop", name);
    assert!(
        why(&in_shop("", "ConfigMap", "web"))
            .unwrap()
            .contains("updated")
    );
    assert!(
        why(&in_shop("apps", "Deployment", "web"))
            .unwrap()
            .contains("updated")
    );
    assert!(
        why(&in_shop("", "Service", "web"))
            .unwrap()
            .contains("created it again")
    );
    assert_eq!(
        drive(&recovery.world, &rolled.plan, &RefCell::default()),
        COMPLETED
    );
    for (kind, name) in [
        ("ConfigMap", "web"),
        ("Deployment", "web"),
        ("Service", "web"),
        ("Namespace", "shop"),
    ] {
        assert!(recovery.object(kind, name).is_some(), "{kind} {name}");
    }
    for (kind, name) in [("StatefulSet", "db"), ("Service", "db"), ("Ingress", "web")] {
        assert_eq!(recovery.object(kind, name), None, "{kind} {name}");
    }
}

#[test]
fn a_recovery_that_is_stuck_half_way_goes_too() {
    let mut recovery = Recovery::of(&sealed());
    for step in &mut recovery.plan.steps {
        step.limit_seconds = 30;
    }
    let starting = "psql: error: FATAL:  the database system is starting up";
    let database = refloat_testkit::sim::Database {
        failure: Some((2, starting.to_owned())),
        ..Default::default()
    };
    recovery
        .world
        .databases
        .borrow_mut()
        .insert("shop/db-0".to_owned(), database);
    assert!(matches!(recovery.drive(), Ok(Drive::Stuck(_))));
    let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
    assert_eq!(
        drive(&recovery.world, &rolled.plan, &RefCell::default()),
        COMPLETED
    );
    assert_eq!(recovery.object("Namespace", "shop"), None);
}

#[test]
fn an_engine_that_dies_anywhere_goes_on_to_the_same_end() {
    let sealed = sealed();
    for kind in [
        Fault::CrashBefore as fn(usize) -> Fault,
        Fault::CrashAfter,
        Fault::CrashAtEntry,
    ] {
        for place in 1.. {
            let recovery = Recovery::of(&sealed);
            assert_eq!(recovery.drive(), COMPLETED);
            let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
            recovery.world.plan_fault(Some(kind(place)));
            let records: RefCell<Vec<Record>> = RefCell::default();
            let end = drive(&recovery.world, &rolled.plan, &records);
            let how = format!("{:?}", kind(place));
            let died = recovery.world.is_dead();
            if died {
                recovery.world.plan_fault(None);
                assert_eq!(
                    resume(&recovery.world, &rolled.plan, &records),
                    COMPLETED,
                    "{how}"
                );
            } else {
                assert_eq!(end, COMPLETED, "{how}");
            }
            assert_eq!(recovery.object("Namespace", "shop"), None, "{how}");
            if !died {
                assert!(place > 10, "only {place}");
                break;
            }
        }
    }
}

/// Volumes that no claim leads to, and those that remember the end of a hand-over that never comes.
fn orphans(world: &SimWorld) -> Vec<String> {
    world.settle(30);
    let inventory = world.inventory();
    let claims: BTreeSet<(&str, &str)> = inventory
        .of_kind("", "PersistentVolumeClaim")
        .filter_map(|claim| Some((claim.uid(), claim.text("/spec/volumeName")?)))
        .collect();
    let volumes = inventory.of_kind("", "PersistentVolume");
    volumes
        .filter(|volume| {
            let claim = volume.text("/spec/claimRef/uid").unwrap_or_default();
            !claims.contains(&(claim, volume.name()))
                || volume.annotation(ANNOTATION_RECLAIM_POLICY).is_some()
        })
        .map(|volume| volume.id().to_string())
        .collect()
}

/// Gives a recovery up, as `refloat rollback` does before it plans.
/// A store that is away for a while when the namespace is to go, and somebody who puts something into it meanwhile.
struct Away<'a> {
    journal: SimJournal<'a>,
    is_over: bool,
}

impl Journal for Away<'_> {
    async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.journal.append(records).await?;
        let goes = |effect: &String| effect.starts_with("delete Namespace shop ");
        let goes = |record: &Record| matches!(record, Record::Intent { effects, .. } if effects.iter().any(goes));
        if !self.is_over && records.iter().any(goes) {
            self.is_over = true;
            let world = self.journal.world;
            world.settle(100);
            let mine = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "mine", "namespace": "shop" },
            });
            world.with_store(|store| store.seed(&resource("ConfigMap"), mine));
        }
        Ok(())
    }
}

#[test]
fn what_was_seen_before_the_store_was_away_is_looked_at_again() {
    let recovery = Recovery::of(&sealed());
    assert_eq!(recovery.drive(), COMPLETED);
    let rolled = planned(&recovery, Changed::Refuse, Data::Keep).unwrap();
    let records = RefCell::default();
    let world = &recovery.world;
    let mut journal = Away {
        journal: SimJournal {
            world,
            records: &records,
        },
        is_over: false,
    };
    let mut engine = Engine {
        world,
        journal: &mut journal,
        observer: &Quiet,
        workers: Workers { drivers: CATALOGUE },
        turn_steps_max: TURN_STEPS_MAX,
    };
    let mut progress = Progress::default();
    let end = block_on(engine.drive(&rolled.plan, &mut progress));
    assert!(journal.is_over, "the namespace was to go: {end:?}");
    assert!(recovery.object("ConfigMap", "mine").is_some(), "{end:?}");
    assert!(recovery.object("Namespace", "shop").is_some(), "{end:?}");
}

fn give_up(recovery: &Recovery, how: &str) {
    let at = recovery.world.now();
    let why = "clean-up".to_owned();
    let problem = Problem::stuck("abandoned", "its engine died", "run it again");
    recovery.records.borrow_mut().extend([
        Record::Resumed {
            at,
            why,
            evidence: None,
        },
        Record::Failing { at, problem },
    ]);
    assert_eq!(recovery.drive(), Ok(Drive::Ended(End::Failed)), "{how}");
}

#[test]
fn given_up_anywhere_it_leaves_no_volume_that_nobody_has() {
    let sealed = sealed();
    let mut half_way = 0;
    for kind in [Fault::CrashBefore as fn(usize) -> Fault, Fault::CrashAfter] {
        for place in 1.. {
            let recovery = Recovery::of(&sealed);
            recovery.world.plan_fault(Some(kind(place)));
            let end = recovery.drive();
            if !recovery.world.is_dead() {
                assert_eq!(end, COMPLETED);
                break;
            }
            let how = format!("{:?}", kind(place));
            recovery.world.plan_fault(None);
            recovery.world.settle(30);
            half_way += usize::from(!orphans(&recovery.world).is_empty());
            give_up(&recovery, &how);
            assert_eq!(orphans(&recovery.world), Vec::<String>::new(), "{how}");
            let rolled = planned(&recovery, Changed::Refuse, Data::Remove).unwrap();
            let records = RefCell::default();
            let end = drive(&recovery.world, &rolled.plan, &records);
            assert_eq!(end, COMPLETED, "{how}");
            let volumes = there(&recovery.world);
            let volumes = volumes.keys().filter(|id| id.starts_with("PersistentV"));
            assert_eq!(volumes.collect::<Vec<_>>(), Vec::<&String>::new(), "{how}");
        }
    }
    assert!(half_way > 6, "only {half_way} times in a hand-over");
}

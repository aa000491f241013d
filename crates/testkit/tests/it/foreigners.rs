//! A rollback removes what the recovery created and nothing else, whatever else is there: random foreign objects, before the recovery and
//! after it, in their own namespace and among what was created, owned, adopted, alike, and in the place of what was created.

use std::cell::RefCell;
use std::collections::BTreeMap;

use refloat_core::driver::ObjectRef;
use refloat_core::inventory::Resource;
use refloat_core::names::ANNOTATION_RECOVERY;
use refloat_core::plan::{Changed, Data, plan};
use refloat_core::recovery::Existing;
use refloat_core::run::{Progress, Record, Work};
use refloat_testkit::chaos::Lots;
use refloat_testkit::sim::{Fault, SimWorld, resource};
use serde_json::{Value, json};

use crate::driving::{drive, resume};
use crate::existing::in_use;
use crate::recovery::{COMPLETED, Recovery};
use crate::rollback::planned;
use crate::site::{self, Sealed};

const RUNS: u64 = 80;
/// Kinds that nothing happens by when there is one more of them.
const QUIET: &[&str] = &["ConfigMap", "Secret", "ServiceAccount", "Role"];

/// A world with strangers in it.
struct Crowd {
    recovery: Recovery,
    lots: Lots,
    /// What must stay.
    theirs: BTreeMap<ObjectRef, Value>,
    /// What was done, for who reads a failure.
    deeds: Vec<String>,
}

fn at(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::namespaced(resource(kind), namespace, name)
}

fn seed(world: &SimWorld, reference: &ObjectRef, metadata: Value, body: &Value) {
    let mut object = body.clone();
    object["apiVersion"] = json!(reference.resource.api_version());
    object["kind"] = json!(reference.resource.kind);
    object["metadata"] = metadata;
    object["metadata"]["name"] = json!(reference.name);
    if let Some(namespace) = &reference.namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    world.with_store(|store| store.seed(&reference.resource, object));
}

fn live(world: &SimWorld, reference: &ObjectRef) -> Option<Value> {
    world.with_store(|store| store.get(reference).cloned())
}

fn owner(live: &Value, controller: bool) -> Value {
    json!([{
        "apiVersion": live["apiVersion"], "kind": live["kind"], "name": live["metadata"]["name"],
        "uid": live["metadata"]["uid"], "controller": controller, "blockOwnerDeletion": true,
    }])
}

impl Crowd {
    fn of(sealed: &Sealed, number: u64) -> Self {
        let mut lots = Lots::new(number);
        let is_used = lots.chance(35);
        let world = if is_used { in_use() } else { site::target() };
        let mut goal = site::goal("restore-1");
        if is_used {
            goal.existing = *lots.pick(&[Existing::Skip, Existing::Update]);
        }
        let target = world.inventory();
        let planned = plan("shop/1", &sealed.point, &sealed.objects, &target, &goal).unwrap();
        let mut crowd = Self {
            recovery: Recovery {
                world,
                plan: planned.plan,
                records: RefCell::default(),
            },
            lots,
            theirs: BTreeMap::new(),
            deeds: vec![format!("{:?}, in use: {is_used}", goal.existing)],
        };
        let other = ObjectRef::cluster(resource("Namespace"), "other");
        seed(crowd.world(), &other, json!({}), &json!({}));
        crowd.world().settle(3);
        crowd.theirs_is(&other);
        for kind in ["ConfigMap", "Secret", "Deployment"] {
            let mine = at(
                kind,
                "shop",
                if kind == "ConfigMap" {
                    "mine"
                } else {
                    "database"
                },
            );
            let web = at(kind, "shop", "web");
            for one in [mine, web] {
                if live(crowd.world(), &one).is_some() {
                    crowd.theirs_is(&one);
                }
            }
        }
        crowd.stranger("other");
        crowd
    }

    fn world(&self) -> &SimWorld {
        &self.recovery.world
    }

    fn theirs_is(&mut self, reference: &ObjectRef) {
        let object = live(self.world(), reference).unwrap();
        self.theirs.insert(reference.clone(), object);
    }

    /// What was there before may have been given the content of the point.
    fn look_again(&mut self) {
        let all: Vec<ObjectRef> = self.theirs.keys().cloned().collect();
        for one in all {
            let before = self.theirs[&one]["metadata"]["uid"].clone();
            self.theirs_is(&one);
            assert_eq!(self.theirs[&one]["metadata"]["uid"], before, "{}", one.id());
        }
    }

    /// Somebody's own ConfigMap.
    fn stranger(&mut self, namespace: &str) -> ObjectRef {
        let map = at(
            "ConfigMap",
            namespace,
            &format!("theirs-{}", self.deeds.len()),
        );
        seed(
            self.world(),
            &map,
            json!({}),
            &json!({ "data": { "whose": "theirs" } }),
        );
        self.deeds.push(format!("{} is theirs", map.id()));
        self.theirs_is(&map);
        map
    }

    /// What the recovery has created so far.
    fn created(&self) -> Vec<(ObjectRef, Value)> {
        let run = json!(self.recovery.plan.run.as_str());
        let steps = self.recovery.plan.steps.iter();
        let written = steps.filter_map(|step| match &step.work {
            Work::Write(writing) => Some(writing.target()),
            _ => None,
        });
        written
            .filter_map(|one| {
                let live = live(self.world(), &one)?;
                Some((one, live))
            })
            .filter(|(_, live)| {
                live["metadata"]["annotations"].get(ANNOTATION_RECOVERY) == Some(&run)
            })
            .collect()
    }

    /// One thing that somebody does after the recovery.
    fn meddle(&mut self) {
        let created = self.created();
        let inside: Vec<&(ObjectRef, Value)> = created
            .iter()
            .filter(|(one, _)| one.namespace.is_some())
            .collect();
        let quiet: Vec<&(ObjectRef, Value)> = inside
            .iter()
            .copied()
            .filter(|(one, _)| QUIET.contains(&one.resource.kind.as_str()))
            .collect();
        if quiet.is_empty() {
            return;
        }
        let (one, object) = *self.lots.pick(&quiet);
        match self.lots.below(6) {
            0 => drop(self.stranger("shop")),
            1 => self.copy(one, object),
            // What is owned by what goes, goes with it: that is what they said.
            2 => {
                let (owning, live) = *self.lots.pick(&inside);
                let map = at("ConfigMap", "shop", &format!("owned-{}", self.deeds.len()));
                let owners = owner(live, self.lots.chance(50));
                seed(
                    self.world(),
                    &map,
                    json!({ "ownerReferences": owners }),
                    &json!({}),
                );
                self.deeds
                    .push(format!("{} is owned by {}", map.id(), owning.id()));
            }
            3 => {
                let theirs = self.stranger("shop");
                let owners = owner(&live(self.world(), &theirs).unwrap(), true);
                let map = at("ConfigMap", "shop", &format!("owned-{}", self.deeds.len()));
                seed(
                    self.world(),
                    &map,
                    json!({ "ownerReferences": owners }),
                    &json!({}),
                );
                self.deeds
                    .push(format!("{} is owned by {}", map.id(), theirs.id()));
                self.theirs_is(&map);
            }
            // Adopted: it is the recovery's all the same.
            4 => {
                let theirs = self.stranger("shop");
                let owners = owner(&live(self.world(), &theirs).unwrap(), false);
                let adopts = json!({ "metadata": { "ownerReferences": owners } });
                self.world().with_store(|store| store.change(one, &adopts));
                self.deeds
                    .push(format!("{} is adopted by {}", one.id(), theirs.id()));
            }
            _ if self.knows(one) => self.again(one, object),
            _ => {}
        }
    }

    /// A copy under another name, with all labels and all that Refloat has written on it.
    fn copy(&mut self, one: &ObjectRef, object: &Value) {
        let name = format!("copy-{}", self.deeds.len());
        let copy = at(&one.resource.kind, "shop", &name);
        let kept = ["labels", "annotations"];
        let metadata: serde_json::Map<String, Value> = kept
            .iter()
            .map(|key| ((*key).to_owned(), object["metadata"][*key].clone()))
            .filter(|(_, value)| !value.is_null())
            .collect();
        self.put(&copy, metadata.into(), object);
        self.deeds.push(format!("{} is a copy", copy.id()));
        self.theirs_is(&copy);
    }

    /// Created again, with every mark of the first one: the uid in the journal tells them apart.
    fn again(&mut self, one: &ObjectRef, object: &Value) {
        let mut metadata = object["metadata"].clone();
        let own = [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "ownerReferences",
        ];
        for key in own {
            metadata.as_object_mut().unwrap().remove(key);
        }
        self.world().with_store(|store| store.remove(one));
        self.put(one, metadata, object);
        self.deeds.push(format!("{} is created again", one.id()));
        self.theirs_is(one);
    }

    /// Whether the journal has the uid of what was created; of an engine that died in that very moment it has not.
    fn knows(&self, one: &ObjectRef) -> bool {
        let progress = Progress::of(self.recovery.records.borrow().iter());
        let step = format!("write {}", one.id());
        let done = progress.outcome(&step);
        done.is_some_and(|outcome| outcome.text("uid").is_some())
            || progress.deeds(&step).created().is_some()
    }

    fn put(&self, reference: &ObjectRef, metadata: Value, like: &Value) {
        let mut body = like.clone();
        body.as_object_mut().unwrap().remove("metadata");
        seed(self.world(), reference, metadata, &body);
    }

    /// The rollback, now and then with an engine that dies in it.
    fn roll_back(&mut self) {
        let rolled = planned(&self.recovery, Changed::Refuse, Data::Keep).unwrap();
        self.deeds.push("the rollback is planned".to_owned());
        for _ in 0..self.lots.below(3) {
            self.meddle();
        }
        let records: RefCell<Vec<Record>> = RefCell::default();
        if self.lots.chance(40) {
            let place = 1 + self.lots.below(25);
            self.world().plan_fault(Some(Fault::CrashAfter(place)));
            self.deeds
                .push(format!("the rollback dies after effect {place}"));
        }
        let end = drive(self.world(), &rolled.plan, &records);
        if self.world().is_dead() {
            self.world().plan_fault(None);
            assert_eq!(resume(self.world(), &rolled.plan, &records), COMPLETED);
        } else {
            assert_eq!(end, COMPLETED, "{:?}", self.deeds);
        }
        self.world().plan_fault(None);
        self.world().settle(80);
    }
}

fn holder(resource: &Resource) -> bool {
    matches!(
        resource.kind.as_str(),
        "Namespace" | "CustomResourceDefinition"
    )
}

#[test]
fn a_rollback_removes_what_the_recovery_created_and_nothing_else() {
    let sealed = crate::owners::sealed("kind");
    let mut done = 0;
    for number in 0..RUNS {
        let mut crowd = Crowd::of(&sealed, number);
        if crowd.lots.chance(30) {
            let place = 1 + crowd.lots.below(60);
            crowd.world().plan_fault(Some(Fault::CrashAfter(place)));
            crowd
                .deeds
                .push(format!("the recovery dies after effect {place}"));
        }
        drop(crowd.recovery.drive());
        crowd.world().plan_fault(None);
        crowd.world().settle(40);
        crowd.look_again();
        for _ in 0..crowd.lots.below(7) {
            crowd.meddle();
        }
        let created: Vec<(ObjectRef, Value)> = crowd
            .created()
            .into_iter()
            .filter(|(one, _)| !crowd.theirs.contains_key(one))
            .collect();
        crowd.roll_back();
        let how = format!("run {number}: {:#?}", crowd.deeds);
        for (one, before) in &crowd.theirs {
            let now = live(crowd.world(), one);
            let now = now.unwrap_or_else(|| panic!("{} is gone; {how}", one.id()));
            assert_eq!(
                now["metadata"]["uid"],
                before["metadata"]["uid"],
                "{}; {how}",
                one.id()
            );
            assert_eq!(now["data"], before["data"], "{}; {how}", one.id());
            done += 1;
        }
        let is_used = crowd
            .theirs
            .keys()
            .any(|one| one.namespace.as_deref() == Some("shop"));
        for (one, before) in &created {
            let now = live(crowd.world(), one);
            let is_there =
                now.is_some_and(|now| now["metadata"]["uid"] == before["metadata"]["uid"]);
            let may_stay = is_used && holder(&one.resource) && one.name == "shop";
            assert_eq!(is_there, may_stay, "{}; {how}", one.id());
        }
    }
    assert!(done > 250, "only {done} strangers");
}

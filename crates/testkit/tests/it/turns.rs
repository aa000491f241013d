//! Whoever has decided waits for nobody who wants to see more, and events of a namespace are not read at every look.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use refloat_core::drive::{Drive, Engine};
use refloat_core::driver::{
    Claim, Driver, Effect, Facts, FieldOwner, ListRequest, Op, Outcome, Query, Role, Seen, Task,
    Verdict, Why,
};
use refloat_core::inventory::{Inventory, Thing};
use refloat_core::plan::plan;
use refloat_core::run::{Progress, Record, RunPlan, Step, Work, Workers};
use refloat_core::world::{Batches, Changed, Results, World};
use refloat_drivers::CATALOGUE;
use refloat_testkit::sim::{Quiet, SimJournal, SimWorld, block_on, resource};
use serde_json::{Value, json};

use crate::overheard::Overheard;
use crate::recovery::COMPLETED;
use crate::site;

/// One look: what was asked, when, and how many steps were done by then.
struct Look {
    queries: Vec<Query>,
    at: Duration,
    done: usize,
}

/// What was looked at, and waited for.
struct Notes<'a> {
    records: &'a RefCell<Vec<Record>>,
    looks: RefCell<Vec<Look>>,
    /// What was waited for after the first look at pods, each time.
    waits: RefCell<Vec<Vec<Query>>>,
}

impl World for Overheard<'_, Notes<'_>> {
    async fn see(&self, queries: &[Query]) -> Seen {
        self.notes.looks.borrow_mut().push(Look {
            queries: queries.to_vec(),
            at: self.inner.elapsed(),
            done: done(&self.notes.records.borrow()),
        });
        self.inner.see(queries).await
    }
    async fn act(&self, batches: Batches) -> Results {
        self.inner.settle(1);
        self.inner.act(batches).await
    }
    fn now(&self) -> Timestamp {
        self.inner.now()
    }
    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }
    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed {
        if self
            .notes
            .looks
            .borrow()
            .iter()
            .any(|look| lists(look, "Pod"))
        {
            self.notes.waits.borrow_mut().push(on.to_vec());
        }
        self.inner.pause(at_most, on).await
    }
}

fn done(records: &[Record]) -> usize {
    let all = records.iter();
    all.filter(|one| matches!(one, Record::Done { .. })).count()
}

/// A recovery of these objects into a namespace that is there, side by side.
fn planned(world: &SimWorld, objects: &[Value]) -> RunPlan {
    let source = site::source();
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    world.with_store(|store| store.seed(&resource("Namespace"), namespace));
    world.settle(20);
    for object in objects {
        let kind = object["kind"].as_str().unwrap();
        source.with_store(|store| store.seed(&resource(kind), object.clone()));
    }
    let sealed = site::sealed(&source);
    let goal = site::goal("restore-1");
    let planned = plan(
        "shop/1",
        &sealed.point,
        &sealed.objects,
        &world.inventory(),
        &goal,
    );
    let mut plan = planned.unwrap().plan;
    let name = |object: &Value| format!("shop/{}", object["metadata"]["name"].as_str().unwrap());
    let wanted: Vec<String> = objects.iter().map(name).collect();
    let is_wanted = |step: &Step| {
        step.id.starts_with("write ") && wanted.iter().any(|name| step.id.ends_with(name))
    };
    plan.steps.retain(is_wanted);
    assert_eq!(plan.steps.len(), objects.len());
    for step in &mut plan.steps {
        step.needs.retain(|_| false);
        step.limit_seconds = 30;
    }
    plan
}

/// What an engine did.
struct Driven {
    end: Drive,
    looks: Vec<Look>,
    /// Pods were watched in each pause after the first look at them.
    always_watched: bool,
}

fn drive(plan: &RunPlan, world: &SimWorld) -> Driven {
    let records = RefCell::default();
    let noting = Overheard {
        inner: world,
        notes: Notes {
            records: &records,
            looks: RefCell::default(),
            waits: RefCell::default(),
        },
    };
    let mut journal = SimJournal {
        world,
        records: &records,
    };
    let mut drivers: Vec<&'static dyn Driver> = CATALOGUE.to_vec();
    drivers.extend([&Looks as &dyn Driver, &Writes]);
    let mut engine = Engine {
        world: &noting,
        journal: &mut journal,
        observer: &Quiet,
        workers: Workers { drivers: &drivers },
        turn_steps_max: 16,
    };
    let end = block_on(engine.drive(plan, &mut Progress::default()));
    let waits = noting.notes.waits.into_inner();
    let watches_pods = |on: &Vec<Query>| on.iter().any(|query| is_list(query, "Pod"));
    let driven = Driven {
        end: end.unwrap(),
        looks: noting.notes.looks.into_inner(),
        always_watched: waits.iter().all(watches_pods),
    };
    assert!(!waits.is_empty());
    driven
}

fn deployment(env_from: &Value) -> Value {
    let labels = json!({ "app": "slow" });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "slow", "namespace": "shop" },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "one", "image": "slow:1", "envFrom": env_from }] },
        } },
    })
}

fn lists(look: &Look, kind: &str) -> bool {
    look.queries.iter().any(|query| is_list(query, kind))
}

fn is_list(query: &Query, kind: &str) -> bool {
    matches!(query, Query::List(request) if request.resource.kind == kind)
}

fn all(kind: &str) -> ListRequest {
    ListRequest {
        resource: resource(kind),
        namespace: Some("shop".to_owned()),
        labels: BTreeMap::new(),
    }
}

/// When events were read.
fn events(looks: &[Look]) -> Vec<Duration> {
    let reads = looks.iter().filter(|look| lists(look, "Event"));
    reads.map(|look| look.at).collect()
}

fn least_pause(times: &[Duration]) -> Duration {
    let pauses = times.windows(2).map(|two| two[1].saturating_sub(two[0]));
    pauses.min().unwrap()
}

/// Lets a driver do the work of a step that writes this kind.
fn driven_by(driver: &str, kind: &str, step: &mut Step) {
    let Work::Write(writing) = &step.work else {
        return;
    };
    if writing.resource.kind != kind {
        return;
    }
    let claim = Claim {
        driver: driver.to_owned(),
        role: Role::Database,
        thing: writing.target().id().clone(),
        volumes: Vec::new(),
        settings: BTreeMap::new(),
        notes: Vec::new(),
    };
    step.work = Work::Driver {
        op: Op::Ready,
        claim,
        inputs: BTreeMap::default(),
    };
}

/// A Secret and a Deployment are written side by side; both are looked at in the next turn, and the Deployment wants to see its pods.
#[test]
fn who_has_decided_waits_for_nobody_who_wants_to_see_more() {
    let world = site::target();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "quick", "namespace": "shop" } });
    let plan = planned(&world, &[secret, deployment(&json!([]))]);
    let Driven { end, looks, .. } = drive(&plan, &world);
    assert_eq!(Ok(end), COMPLETED);
    let first = looks.iter().position(|look| lists(look, "Pod")).unwrap();
    assert_eq!(
        looks[first].done, 1,
        "the Secret is done before pods are read"
    );
    let objects = looks[..first].iter().flat_map(|look| &look.queries);
    assert_eq!(
        objects
            .filter(|one| matches!(one, Query::Object(_)))
            .count(),
        0,
        "what was seen of the Deployment is not read again"
    );
}

#[test]
fn events_are_read_every_two_seconds_at_most() {
    let world = site::target();
    let missing = json!([{ "secretRef": { "name": "nobody-has-it" } }]);
    let plan = planned(&world, &[deployment(&missing)]);
    let Driven { end, looks, .. } = drive(&plan, &world);
    assert!(matches!(end, Drive::Stuck(_)), "{end:?}");
    let read = events(&looks);
    assert!(read.len() > 2, "{read:?}");
    assert!(least_pause(&read) >= Duration::from_secs(2), "{read:?}");
}

#[test]
fn who_asked_for_pods_asks_for_them_at_once_the_next_time() {
    let world = site::target();
    let missing = json!([{ "secretRef": { "name": "nobody-has-it" } }]);
    let plan = planned(&world, &[deployment(&missing)]);
    let looks = drive(&plan, &world).looks;
    let is_alone = |look: &&Look| look.queries.len() == 1 && lists(look, "Pod");
    assert_eq!(looks.iter().filter(is_alone).count(), 1, "the first time");
    let both = |look: &&Look| look.queries.len() == 2 && lists(look, "Pod");
    assert!(looks.iter().filter(both).count() > 5);
}

/// Looks at pods first; what is `slow` then looks at Secrets, and waits for ever.
struct Looks;

impl Driver for Looks {
    fn facts(&self) -> &'static Facts {
        &Facts {
            id: "looks",
            summary: "looks",
            role: Role::Database,
            versions: "",
            permissions: &[],
        }
    }
    fn claim(&self, _: &Thing, _: &Inventory) -> Option<Claim> {
        None
    }
    fn look(&self, _: &Task<'_>) -> Vec<Query> {
        Vec::new()
    }
    fn decide(&self, task: &Task<'_>, seen: &Seen, _: Timestamp) -> Verdict {
        let is_slow = task.claim.thing.name == "slow";
        for kind in ["Pod", "Secret"].into_iter().take(1 + usize::from(is_slow)) {
            let list = Query::List(all(kind));
            if !seen.has(&list) {
                return Verdict::Look(vec![list]);
            }
        }
        if is_slow {
            Verdict::Wait(Why::new("never", "never"))
        } else {
            Verdict::Done(Outcome::default())
        }
    }
}

/// Reads Secrets, and makes one more at each look, up to a hundred.
struct Writes;

impl Driver for Writes {
    fn facts(&self) -> &'static Facts {
        &Facts {
            id: "writes",
            summary: "writes",
            role: Role::Database,
            versions: "",
            permissions: &[],
        }
    }
    fn claim(&self, _: &Thing, _: &Inventory) -> Option<Claim> {
        None
    }
    fn look(&self, _: &Task<'_>) -> Vec<Query> {
        vec![Query::List(all("Secret"))]
    }
    fn decide(&self, _: &Task<'_>, seen: &Seen, _: Timestamp) -> Verdict {
        let count = seen.list(&all("Secret")).unwrap().len();
        if count >= 100 {
            return Verdict::Done(Outcome::default());
        }
        Verdict::Act(vec![Effect::Create {
            resource: resource("Secret"),
            object: json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": { "name": format!("made-{count}"), "namespace": "shop" },
            }),
            owner: FieldOwner::refloat(),
        }])
    }
}

/// Each turn ends early, because somebody has something to do in it.
#[test]
fn events_that_a_turn_has_no_time_for_are_read_every_two_seconds_at_most() {
    let world = site::target();
    let missing = json!([{ "secretRef": { "name": "nobody-has-it" } }]);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "busy", "namespace": "shop" } });
    let mut plan = planned(&world, &[deployment(&missing), secret]);
    for step in &mut plan.steps {
        driven_by("writes", "Secret", step);
    }
    let Driven { end, looks, .. } = drive(&plan, &world);
    assert!(matches!(end, Drive::Stuck(_)), "{end:?}");
    let read = events(&looks);
    assert!(read.len() > 2, "{read:?}");
    assert!(least_pause(&read) >= Duration::from_secs(2), "{read:?}");
}

/// One is done in the turn in which the other, which has looked at pods as well, wants to see more.
#[test]
fn who_wanted_to_see_more_when_a_turn_ended_is_woken_by_what_it_saw() {
    let world = site::target();
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": "shop" } });
    let mut plan = planned(&world, &[secret("quick"), secret("slow")]);
    for step in &mut plan.steps {
        driven_by("looks", "Secret", step);
    }
    let driven = drive(&plan, &world);
    assert!(matches!(driven.end, Drive::Stuck(_)), "{:?}", driven.end);
    assert!(driven.always_watched);
}

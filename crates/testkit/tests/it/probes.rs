//! A probe by a pod in a simulated cluster, its engine killed after every effect: it ends in a yes, and nothing is left.

use refloat_core::driver::{Effected, LOOK_ROUNDS_MAX, Outcome, Seen, Verdict};
use refloat_core::inventory::Resource;
use refloat_core::names::{LABEL_RUN, RunId};
use refloat_core::probe::{self, Ask, Cause, Probe, ProbeAnswer, ProbeTask};
use refloat_core::world::World as _;
use refloat_testkit::sim::{SimWorld, Store, block_on};
use serde_json::{Value, json};

fn world() -> SimWorld {
    let mut store = Store::default();
    let namespace = Resource::cluster("v1", "Namespace", "namespaces");
    for name in ["shop", "refloat-system"] {
        store.seed(&namespace, json!({ "metadata": { "name": name } }));
    }
    store.seed(
        &Resource::namespaced("v1", "Service", "services"),
        json!({
            "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
        }),
    );
    store.seed(
        &Resource::namespaced("v1", "Pod", "pods"),
        json!({
            "metadata": { "name": "web-1", "namespace": "shop", "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
            "status": { "phase": "Running" },
        }),
    );
    let world = SimWorld::new(store);
    world.act_without_journal();
    world.settle(20);
    world
}

fn probe_pods(world: &SimWorld) -> usize {
    world.with_store(|store| {
        let labelled = |object: &Value| {
            object
                .pointer("/metadata/labels")
                .is_some_and(|all| all.get(LABEL_RUN).is_some())
        };
        store.iter().filter(|(_, object)| labelled(object)).count()
    })
}

/// Asks until there is a yes; each engine dies after so many effects, and the next one knows nothing of it. How many effects there were.
fn ask(world: &SimWorld, effects_per_life: usize) -> usize {
    let run = RunId::new("recovery-1").unwrap();
    let asked = Probe::new("web", None, Ask::Http(probe::Http::default()));
    let (mut attempt, mut ran, mut effects_left, mut count) =
        (0, None::<Outcome>, effects_per_life, 0);
    let mut last = String::new();
    for _ in 0..400 {
        let task = ProbeTask {
            run: &run,
            step: "gate",
            attempt,
            namespace: "shop",
            probe: &asked,
            image: "refloat:1",
            ran: ran.as_ref(),
        };
        match decided(world, &task) {
            Verdict::Done(_) => return count,
            Verdict::Wait(why) => {
                last = why.message;
                if count > 6 {
                    world.with_store(|store| store.probe_answer = ProbeAnswer::yes("simulated", 1));
                }
                block_on(world.pause(std::time::Duration::from_secs(1), &[]));
            }
            Verdict::Act(effects) => {
                for effect in effects {
                    let done = block_on(world.act([vec![effect]].into()));
                    count += 1;
                    if let Some(Ok(Effected::Kept(outcome))) = done.into_iter().flatten().next() {
                        ran = Some(outcome);
                    }
                    effects_left -= 1;
                    if effects_left == 0 {
                        // The last life is long enough.
                        let lives = attempt + 1;
                        (attempt, ran, effects_left) =
                            (lives, None, if lives < 3 { effects_per_life } else { 1000 });
                        break;
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it never ends: {last}");
}

fn decided(world: &SimWorld, task: &ProbeTask<'_>) -> Verdict {
    let (mut seen, mut queries) = (Seen::default(), probe::look(task));
    for _ in 0..=LOOK_ROUNDS_MAX {
        seen.extend(block_on(world.see(&queries)));
        match probe::decide(task, &seen, world.now()) {
            Verdict::Look(more) => queries = more,
            verdict => return verdict,
        }
    }
    panic!("it never stops looking");
}

#[test]
fn killed_after_any_effect_it_ends_in_a_yes_and_leaves_nothing() {
    for effects_per_life in 1..8 {
        let world = world();
        let refused = ProbeAnswer::no(Cause::Refused, "nobody listens", 1);
        world.with_store(|store| store.probe_answer = refused);
        let count = ask(&world, effects_per_life);
        assert!(count >= 6, "a no is asked again: {count} effects");
        assert_eq!(
            probe_pods(&world),
            0,
            "with {effects_per_life} effects per life"
        );
    }
}

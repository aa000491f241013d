//! The checks that run against a real API server, against the simulated one.

use refloat_testkit::fidelity::{self, Outcome};
use refloat_testkit::sim::{SimWorld, Store, block_on, resource};
use serde_json::json;

fn server() -> SimWorld {
    let mut store = Store::default();
    for name in ["default", "kube-system"] {
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
        });
        store.seed(&resource("Namespace"), body);
    }
    let world = SimWorld::new(store);
    world.settle(2);
    world.act_without_journal();
    world
}

/// What is left on a server where only two namespaces were.
fn left(world: &SimWorld) -> Vec<String> {
    world.settle(30);
    world.with_store(|store| {
        let own = |place: &str| matches!(place, "default" | "kube-system");
        store
            .iter()
            .filter(|(object, _)| {
                let place = object.namespace.as_deref().unwrap_or(&object.name);
                !own(place)
            })
            .map(|(object, _)| object.id().to_string())
            .collect()
    })
}

fn failures(outcomes: &[Outcome]) -> Vec<String> {
    outcomes
        .iter()
        .filter_map(|outcome| {
            Some(format!(
                "{}: {}",
                outcome.name,
                outcome.found.as_ref().err()?
            ))
        })
        .collect()
}

#[test]
fn the_simulated_server_answers_as_a_real_one() {
    let world = server();
    let mut outcomes = Vec::new();
    block_on(fidelity::run(&world, None, |outcome| {
        outcomes.push(outcome);
    }));
    assert_eq!(failures(&outcomes), Vec::<String>::new());
    assert!(outcomes.len() >= 45, "only {} checks", outcomes.len());
    assert_eq!(left(&world), Vec::<String>::new());
}

#[test]
fn the_world_port_answers_as_the_real_one() {
    let world = server();
    let mut outcomes = Vec::new();
    block_on(fidelity::run_world(&world, &world, None, |outcome| {
        outcomes.push(outcome);
    }));
    assert_eq!(failures(&outcomes), Vec::<String>::new());
    assert!(outcomes.len() >= 15, "only {} checks", outcomes.len());
    assert_eq!(left(&world), Vec::<String>::new());
}

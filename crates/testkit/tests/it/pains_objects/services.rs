//! Addresses and ports that somebody at the target has already, and fields that never change (Velero's restore reference on node
//! ports, its unreleased 9653).

use refloat_core::driver::ObjectRef;
use refloat_core::json::Json;
use refloat_core::plan::{NodePorts, plan};
use refloat_core::recovery::Existing;
use refloat_testkit::sim::{Store, resource};
use serde_json::{Value, json};

use super::{planned, put, recovered, recovery, sealed_with, target_with};
use crate::recovery::COMPLETED;
use crate::site::{self, Sealed};

const ADDRESS: &str = "10.96.0.77";

fn services(store: &mut Store) {
    let ports = json!([{ "port": 80, "nodePort": 30080 }]);
    let door = json!({ "spec": {
        "type": "NodePort", "clusterIP": ADDRESS, "clusterIPs": [ADDRESS], "ports": ports,
    } });
    put(store, "Service", "door", door);
    for (name, check) in [("balanced", json!(31234)), ("never-balanced", Value::Null)] {
        let spec = json!({ "spec": {
            "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": check,
            "ports": [{ "port": 443 }],
        }, "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } } });
        put(store, "Service", name, spec);
    }
}

/// Somebody at the target has the address and the port.
fn taken(store: &mut Store) {
    put(store, "Namespace", "theirs", json!({}));
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "door", "namespace": "theirs" },
        "spec": {
            "type": "NodePort", "clusterIP": ADDRESS, "ports": [{ "port": 80, "nodePort": 30080 }],
        },
    });
    store.seed(&resource("Service"), theirs);
}

fn sealed() -> Sealed {
    sealed_with(services)
}

#[test]
fn a_node_port_and_an_address_that_are_taken_are_given_anew() {
    let sealed = sealed();
    let recovery = recovered(&sealed, target_with(taken));
    // Nobody balances at the simulated target: that gate does not open.
    drop(recovery.drive());
    let all = recovery.world.inventory();
    let ours = all.find("", "Service", "shop", "door").unwrap();
    assert_ne!(ours.text("/spec/clusterIP"), Some(ADDRESS));
    let port = ours.at("/spec/ports/0/nodePort").and_then(Json::as_u64);
    assert!(port.is_some_and(|port| port != 30080), "{port:?}");
    let theirs = all.find("", "Service", "theirs", "door").unwrap();
    assert_eq!(theirs.text("/spec/clusterIP"), Some(ADDRESS));
    recovery.world.with_store(|store| {
        assert_eq!(
            store.refusals,
            Vec::<String>::new(),
            "nothing was tried in vain"
        );
    });
}

#[test]
fn a_node_port_that_is_to_be_kept_and_is_taken_is_told_before_anything_is_done() {
    let sealed = sealed();
    let world = target_with(taken);
    let mut goal = site::goal("restore-1");
    goal.node_ports = NodePorts::Preserve;
    let refused = plan(
        "shop/1",
        &sealed.point,
        &sealed.objects,
        &world.inventory(),
        &goal,
    );
    let problems = refused.unwrap_err();
    assert!(problems.iter().all(|one| one.code == "node-port-taken"));
    let ours = problems
        .iter()
        .find(|one| one.message.starts_with("Service shop/door "));
    let ours = ours.unwrap_or_else(|| panic!("not told: {problems:?}"));
    for word in ["30080", "Service theirs/door"] {
        assert!(ours.message.contains(word), "{word}: {problems:?}");
    }
    assert!(ours.hint.contains("--preserve-node-ports"), "{ours:?}");
}

#[test]
fn a_node_port_that_is_free_is_kept_when_asked_for() {
    let sealed = sealed();
    let world = target_with(|_| ());
    let planned = planned(&sealed, &world, |goal| {
        goal.node_ports = NodePorts::Preserve;
    });
    let (recovery, _) = recovery(world, planned);
    drop(recovery.drive());
    let door = recovery.object("Service", "door").unwrap();
    assert_eq!(door["spec"]["ports"][0]["nodePort"], 30080);
}

#[test]
fn a_health_check_port_is_given_anew_and_a_null_one_breaks_nothing() {
    let sealed = sealed();
    let recovery = recovered(&sealed, target_with(|_| ()));
    drop(recovery.drive());
    for name in ["balanced", "never-balanced"] {
        let service = recovery.object("Service", name);
        let service = service.unwrap_or_else(|| panic!("{name} is not there"));
        assert_eq!(service["spec"]["externalTrafficPolicy"], "Local", "{name}");
        assert_ne!(
            service["spec"].get("healthCheckNodePort"),
            Some(&json!(31234))
        );
    }
}

/// What never changes is named with the way out when it is to be updated, and created anew when it is to be replaced.
#[test]
fn fields_that_never_change_stop_an_update_and_not_a_replacement() {
    let sealed = sealed_with(|store| {
        put(
            store,
            "ConfigMap",
            "release",
            json!({ "data": { "version": "2" }, "immutable": true }),
        );
    });
    for existing in [Existing::Skip, Existing::Update, Existing::Replace] {
        let world = target_with(|store| {
            put(store, "Namespace", "shop", json!({}));
            put(
                store,
                "ConfigMap",
                "release",
                json!({ "data": { "version": "1" }, "immutable": true }),
            );
        });
        let planned = planned(&sealed, &world, |goal| goal.existing = existing);
        let (recovery, _) = recovery(world, planned);
        let ended = recovery.drive();
        let place = ObjectRef::namespaced(resource("ConfigMap"), "shop", "release");
        let live = recovery
            .world
            .with_store(|store| store.get(&place).cloned());
        let version = live.unwrap()["data"]["version"].clone();
        if existing == Existing::Update {
            let Ok(refloat_core::drive::Drive::Stuck(problem)) = ended else {
                panic!("not stuck: {ended:?}");
            };
            assert_eq!(problem.code, "field-immutable");
            assert!(problem.message.contains("ConfigMap shop/release"));
        } else {
            assert_eq!(ended, COMPLETED, "{existing:?}");
        }
        let expected = if existing == Existing::Replace {
            "2"
        } else {
            "1"
        };
        assert_eq!(version, expected, "{existing:?}");
    }
}

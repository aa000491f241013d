//! What users of other tools suffer from when objects come back: owners, finalizers, namespaces, Jobs, volumes, ports, other names.
//!
//! Each test is named after a pain and cites it; the page `docs/src/reference/pains-objects.md` lists them with those that are
//! proven elsewhere.

mod jobs;
mod namespaces;
mod services;
mod volumes;

use std::cell::RefCell;

use refloat_core::inventory::LeftOut;
use refloat_core::plan::{Goal, Planned, plan};
use refloat_testkit::sim::{SimWorld, Store, resource};
use serde_json::{Value, json};

use crate::recovery::Recovery;
use crate::site::{self, Sealed};

/// Puts an object into the shop, or into the cluster.
fn put(store: &mut Store, kind: &str, name: &str, body: Value) {
    let resource = resource(kind);
    let mut object = json!({
        "apiVersion": resource.api_version(), "kind": kind, "metadata": { "name": name },
    });
    if resource.namespaced {
        object["metadata"]["namespace"] = json!("shop");
    }
    let Value::Object(body) = body else {
        panic!("the body of {kind} {name} is no map");
    };
    for (key, value) in body {
        match key.as_str() {
            "labels" | "annotations" | "finalizers" | "ownerReferences" => {
                object["metadata"][key] = value;
            }
            _ => object[key] = value,
        }
    }
    store.seed(&resource, object);
}

/// The shop with more in it, sealed.
fn sealed_with(change: impl FnOnce(&mut Store)) -> Sealed {
    let source = site::source();
    source.with_store(change);
    site::sealed(&source)
}

/// The second site, prepared.
fn target_with(change: impl FnOnce(&mut Store)) -> SimWorld {
    let world = site::target();
    world.with_store(change);
    world.settle(2);
    world
}

/// Plans a recovery of the point into a target.
fn planned(sealed: &Sealed, world: &SimWorld, change: impl FnOnce(&mut Goal)) -> Planned {
    let mut goal = site::goal("restore-1");
    change(&mut goal);
    let target = world.inventory();
    plan("shop/1", &sealed.point, &sealed.objects, &target, &goal).unwrap()
}

/// The recovery of a plan, and what it leaves out.
fn recovery(world: SimWorld, planned: Planned) -> (Recovery, Vec<LeftOut>) {
    let recovery = Recovery {
        world,
        plan: planned.plan,
        records: RefCell::default(),
    };
    (recovery, planned.left_out)
}

/// A plain recovery of the point into a target.
fn recovered(sealed: &Sealed, world: SimWorld) -> Recovery {
    let planned = planned(sealed, &world, |_| ());
    recovery(world, planned).0
}

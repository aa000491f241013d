//! The rules about steps of Refloat's own, each by its name: what it draws, and what it does not.

use serde_json::json;

use super::fixture::{case, part};
use super::ground::{drawn, expect_none, object, planned};
use crate::backup::Mode;
use crate::plan::Planned;
use crate::run::Confidence::Certain;

const FILL: &str = "fill shop/data-db-0";
const HAND_OVER: &str = "hand over shop/data-db-0";
const REAP: &str = "reap shop/data-db-0";

/// The small application with a second volume that belongs to nothing.
fn two_volumes() -> Planned {
    let mut case = case();
    case.point.parts.push(part("shop/other"));
    case.plan().unwrap()
}

#[track_caller]
fn certain(planned: &Planned, step: &str, on: &str, rule: &str) {
    assert_eq!(drawn(planned, step, on, rule).confidence, Certain);
}

#[test]
fn what_is_in_refloats_namespace_waits_for_it() {
    let planned = planned([]);
    let rule = "SYSTEM_NAMESPACE_FIRST";
    certain(&planned, "vault-access", "system-namespace", rule);
    certain(&planned, FILL, "system-namespace", rule);
    let first = planned.plan.step("system-namespace").unwrap();
    assert!(first.needs.is_empty(), "{:?}", first.needs);
}

#[test]
fn a_mover_waits_for_the_access_to_the_vault() {
    let planned = two_volumes();
    for fill in [FILL, "fill shop/other"] {
        certain(&planned, fill, "vault-access", "VAULT_BEFORE_MOVER");
    }
}

#[test]
fn a_held_databases_volume_waits_for_what_its_files_need_and_no_other_does() {
    let amend = "amend shop/db";
    assert!(
        two_volumes().plan.step(amend).is_none(),
        "it was not held: its files need nothing"
    );
    let mut case = case();
    case.point.parts.push(part("shop/other"));
    case.point.members[0].mode = Mode::Held;
    let planned = case.plan().unwrap();
    certain(&planned, FILL, amend, "AMEND_BEFORE_FILL");
    expect_none(&planned, "fill shop/other", amend);
}

#[test]
fn a_volume_is_handed_over_when_it_is_filled_and_its_mover_goes_then() {
    let planned = two_volumes();
    certain(&planned, HAND_OVER, FILL, "FILL_BEFORE_HAND_OVER");
    certain(&planned, REAP, HAND_OVER, "REAP_AFTER_HAND_OVER");
    expect_none(&planned, HAND_OVER, "fill shop/other");
    expect_none(&planned, REAP, "hand over shop/other");
}

#[test]
fn a_database_is_asked_when_it_is_written() {
    let planned = planned([]);
    let (ready, written) = ("ready shop/db", "StatefulSet.apps shop/db");
    certain(&planned, ready, written, "DATABASE_WRITTEN_BEFORE_ASKED");
    expect_none(&planned, ready, "Deployment.apps shop/web");
}

#[test]
fn an_object_is_linked_when_it_and_its_owner_are_there() {
    // What its controller makes is not carried, unless that is gone.
    let owners = json!([
        { "kind": "Gone", "name": "gone", "uid": "gone", "controller": true },
        { "kind": "ConfigMap", "name": "mine", "uid": "ConfigMap-shop-mine" },
    ]);
    let planned = planned([
        object("ConfigMap", "shop/mine", json!({})),
        object("ConfigMap", "shop/owned", json!({ "owners": owners })),
    ]);
    let link = "link ConfigMap shop/owned to ConfigMap shop/mine";
    for on in ["ConfigMap shop/owned", "ConfigMap shop/mine"] {
        certain(&planned, link, on, "LINK_AFTER_BOTH");
    }
    expect_none(&planned, link, "Secret shop/database");
}

#[test]
fn the_access_to_the_vault_ends_when_no_mover_is_left() {
    let planned = two_volumes();
    for on in ["vault-access", REAP, "reap shop/other"] {
        certain(&planned, "vault-access-end", on, "MOVERS_GONE_FIRST");
    }
}

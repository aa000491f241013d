//! When a recovered server counts as ready.

use std::collections::BTreeMap;

use refloat_core::driver::Op;
use serde_json::{Value, json};

use super::scene::{Scene, good};
use crate::postgresql::restore::position;

fn scene(key: &str, value: Value) -> Scene {
    let mut scene = good();
    scene.said[key] = value;
    scene
}

fn expecting(key: &str, value: &str) -> Scene {
    let mut scene = good();
    let engine = BTreeMap::from([(key, value)]);
    scene.inputs.insert("engine".to_owned(), json!(engine));
    scene
}

#[test]
fn a_server_that_takes_writes_and_is_the_same_is_ready() {
    let outcome = good().outcome(Op::Ready);
    assert_eq!(
        outcome.text("system_identifier"),
        Some("7000000000000000001")
    );
    expecting("system_identifier", "7000000000000000001").outcome(Op::Ready);
}

#[test]
fn a_server_in_recovery_or_without_writes_is_waited_for() {
    assert_eq!(
        scene("in_recovery", json!(true)).wait(Op::Ready),
        "database-recovering"
    );
    assert_eq!(
        scene("in_recovery", Value::Null).wait(Op::Ready),
        "database-recovering"
    );
    assert_eq!(
        scene("read_only", json!("on")).wait(Op::Ready),
        "database-read-only"
    );
    assert_eq!(
        scene("transaction", Value::Null).wait(Op::Ready),
        "database-read-only"
    );
}

#[test]
fn another_server_is_refused() {
    let problem = expecting("system_identifier", "42").problem(Op::Ready);
    assert_eq!(problem.code, "database-other");
    assert!(
        problem.message.contains("7000000000000000001"),
        "{problem:?}"
    );
    assert!(problem.message.contains("42"), "{problem:?}");
}

#[test]
fn a_server_that_stands_before_its_own_copy_is_refused() {
    for older in ["0/3000149", "1/0", "A/0"] {
        let problem = expecting("redo_lsn", older).problem(Op::Ready);
        assert_eq!(problem.code, "database-older", "{older}");
    }
    for known in ["0/3000148", "0/3000028", "0/0", "nonsense"] {
        expecting("redo_lsn", known).outcome(Op::Ready);
    }
}

#[test]
fn positions_are_read_as_postgresql_writes_them() {
    assert_eq!(position("0/0"), Some(0));
    assert_eq!(position("16/B374D848"), Some(0x16_B374_D848));
    assert_eq!(position("FFFFFFFF/FFFFFFFF"), Some(u64::MAX));
    for bad in [
        "",
        "16",
        "16/",
        "/1",
        "16/G",
        "1FFFFFFFF/0",
        "0/1FFFFFFFF",
        "0/0/0",
    ] {
        assert_eq!(position(bad), None, "{bad}");
    }
}

//! What is unread for a moment, and who waits for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refloat_core::inventory::Unread;
use serde_json::json;

use crate::fake::{Say, Server, status};
use crate::inventories::{cluster, discovery, group, resource, scope};

/// A cluster with one group of its own server, which is away until it has been asked so often.
async fn waking(asked_before: usize) -> Server {
    let times = AtomicUsize::new(0);
    Server::start(move |asked| {
        if asked.path != "/apis" {
            return cluster(asked);
        }
        let is_away = times.fetch_add(1, Ordering::SeqCst) < asked_before;
        let version = if is_away {
            json!([{"version": "v1", "freshness": "Stale", "resources": []}])
        } else {
            let kinds = json!([resource("counts", "Count", "Namespaced", &["create"])]);
            json!([{"version": "v1", "freshness": "Current", "resources": kinds}])
        };
        let groups = discovery(&json!([group("away.io", &version)]));
        Some(Say::Json(200, groups))
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_is_waited_for() {
    let server = waking(1).await;
    let longest = Duration::from_secs(20);
    let mut told = Vec::new();
    let inventory = server
        .cluster()
        .await
        .patient_inventory(
            &scope(&["shop"]),
            longest,
            |_| true,
            |line| {
                told.push(line.to_owned());
            },
        )
        .await
        .unwrap();
    assert_eq!(
        inventory.unread.iter().filter(|one| one.is_api()).count(),
        0
    );
    assert!(inventory.served.iter().any(|one| one.kind == "Count"));
    assert_eq!(
        told,
        [
            "the server behind APIService v1.away.io does not answer: what it serves is not known; waiting, 20 s at most"
        ]
    );
}

#[tokio::test]
async fn a_server_that_stays_away_is_told_of_in_the_end() {
    let server = waking(usize::MAX).await;
    let inventory = server
        .cluster()
        .await
        .patient_inventory(
            &scope(&["shop"]),
            Duration::from_millis(1),
            |_| true,
            |_| (),
        )
        .await
        .unwrap();
    let away: Vec<bool> = inventory.unread.iter().map(Unread::is_api).collect();
    assert_eq!(away, [true]);
}

/// A cluster of which the calls to one path fail so often.
async fn failing(path: &'static str, times: usize) -> Server {
    let left = AtomicUsize::new(times);
    Server::start(move |asked| {
        let took = |left: usize| left.checked_sub(1);
        let fails = asked.path == path
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, took)
                .is_ok();
        let answer = status(503, "ServiceUnavailable", "not now", &json!({}));
        match asked.path.as_str() {
            _ if fails => Some(Say::Json(503, answer)),
            "/apis" => Some(Say::Json(200, discovery(&json!([])))),
            _ => cluster(asked),
        }
    })
    .await
}

/// How often the path is asked for until all is read, and what is told on the way.
async fn patience(path: &'static str, times: usize) -> (usize, Vec<String>, bool) {
    let server = failing(path, times).await;
    let mut told = Vec::new();
    let looked = server
        .cluster()
        .await
        .patient_inventory(
            &scope(&["shop"]),
            Duration::from_secs(20),
            |_| true,
            |line| {
                told.push(line.to_owned());
            },
        )
        .await;
    let calls = server.calls().into_iter();
    let whole = looked.is_ok_and(|inventory| inventory.unread.is_empty());
    (calls.filter(|call| call.path == path).count(), told, whole)
}

#[tokio::test]
async fn what_fails_for_a_moment_is_asked_again() {
    assert_eq!(patience("/apis", 2).await, (3, vec![], true), "at once");
    let (calls, told, whole) = patience("/apis", 4).await;
    assert_eq!((calls, told.len(), whole), (5, 1, true), "{told:?}");
    let (calls, told, whole) = patience("/api/v1/namespaces/shop/configmaps", 4).await;
    assert_eq!((calls, whole), (5, true), "{told:?}");
    assert!(
        told[0].starts_with("configmaps in shop could not be read: ")
            && told[0].ends_with("waiting, 20 s at most"),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_not_waited_for() {
    // A kind is forbidden, and a server is away.
    let server = Server::start(cluster).await;
    let inventory = server
        .cluster()
        .await
        .patient_inventory(
            &scope(&["shop"]),
            Duration::from_mins(10),
            |_| true,
            |line| {
                panic!("{line}");
            },
        )
        .await
        .unwrap();
    assert_eq!(inventory.unread.len(), 2);
}

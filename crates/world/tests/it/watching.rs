//! A pause ends when what is waited for changes; what cannot be watched is polled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use refloat_core::driver::{ObjectRef, Query};
use refloat_core::inventory::Resource;
use refloat_core::world::{Changed, World};
use refloat_world::Cluster;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fake::{Asked, Rest, Say, Server, status};

/// What comes at all comes within this time.
const LONG: Duration = Duration::from_mins(1);
/// A pause that ends within the other has not come to its end.
const LONGER: Duration = Duration::from_mins(3);

fn deployment(name: &str) -> ObjectRef {
    let resource = Resource::namespaced("apps/v1", "Deployment", "deployments");
    ObjectRef::namespaced(resource, "shop", name)
}

fn on() -> Vec<Query> {
    vec![Query::Object(deployment("web"))]
}

const PATH: &str = "/apis/apps/v1/namespaces/shop/deployments";

fn is_watch(asked: &Asked) -> bool {
    asked.is("GET", PATH) && asked.query.contains("watch=true")
}

fn is_list(asked: &Asked) -> bool {
    asked.is("GET", PATH) && !asked.query.contains("watch=true")
}

fn list(version: &str) -> Say {
    Say::Json(
        200,
        json!({ "items": [], "metadata": { "resourceVersion": version } }),
    )
}

fn event(kind: &str, name: &str) -> Value {
    json!({ "type": kind, "object": { "metadata": { "name": name, "namespace": "shop", "resourceVersion": "8" } } })
}

/// Pauses until something is told, as the engine does.
async fn told(cluster: &Cluster, what: impl Fn(&Changed) -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < LONG, "nothing was told");
        let changed = cluster.pause(Duration::from_millis(500), &on()).await;
        if what(&changed) {
            return begun.elapsed();
        }
    }
}

/// Pauses until nothing is polled any more: the watch is open.
async fn until_open(cluster: &Cluster) {
    let begun = Instant::now();
    loop {
        let quiet = cluster.pause(Duration::from_millis(600), &on()).await;
        if quiet.is_empty() {
            return;
        }
        assert!(begun.elapsed() < LONG, "{quiet:?}");
    }
}

fn names(changed: &Changed, name: &str) -> bool {
    changed.objects.contains_key(&deployment(name))
}

fn names_kind(changed: &Changed) -> bool {
    changed.concerns(&Query::Object(deployment("any")))
}

#[tokio::test]
async fn a_change_ends_the_pause() {
    let (tell, said) = watch::channel(false);
    let server = Server::start(move |asked| {
        if is_watch(asked) {
            assert!(asked.query.contains("resourceVersion=7"), "{}", asked.query);
            let first = vec![event("BOOKMARK", "")];
            let then = vec![event("MODIFIED", "web"), event("DELETED", "old")];
            return Some(Say::Lines(first, said.clone(), then, Rest::StaysOpen));
        }
        is_list(asked).then(|| list("7"))
    })
    .await;
    let cluster = server.cluster().await;
    told(&cluster, names_kind).await;
    until_open(&cluster).await;
    tell.send(true).unwrap();
    let begun = Instant::now();
    let mut pauses = 0;
    let mut missing = vec!["web", "old"];
    while !missing.is_empty() {
        let changed = cluster.pause(LONGER, &on()).await;
        pauses += 1;
        missing.retain(|name| !names(&changed, name));
        if !changed.objects.is_empty() {
            assert!(changed.kinds.is_empty(), "what is watched is not polled");
        }
        assert!(begun.elapsed() < LONG, "it woke nobody");
    }
    // One for a watch that has just begun, and one for each of the two when they do not come at once.
    assert!(pauses <= 3, "{pauses} pauses");
    assert_eq!(server.calls().iter().filter(|one| is_watch(one)).count(), 1);
}

#[tokio::test]
async fn what_may_not_be_watched_is_polled() {
    let server = Server::start(|asked| {
        let refusal = status(403, "Forbidden", "no watch for you", &json!({}));
        is_watch(asked)
            .then_some(Say::Json(403, refusal))
            .or_else(|| is_list(asked).then(|| list("7")))
    })
    .await;
    let cluster = server.cluster().await;
    let mut fastest = LONG;
    for _ in 0..3 {
        let begun = Instant::now();
        let changed = cluster.pause(LONGER, &on()).await;
        assert!(names_kind(&changed), "{changed:?}");
        assert!(begun.elapsed() < LONG);
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
}

#[tokio::test]
async fn after_a_gap_everything_of_the_kind_may_have_changed() {
    for end in ["410", "broken line", "end"] {
        let watches = AtomicUsize::new(0);
        let (tell, said) = watch::channel(false);
        let server = Server::start(move |asked| {
            if !is_watch(asked) {
                return is_list(asked).then(|| list("7"));
            }
            if watches.fetch_add(1, Ordering::SeqCst) > 0 {
                let nothing = Say::Lines(Vec::new(), said.clone(), Vec::new(), Rest::StaysOpen);
                return Some(nothing);
            }
            let expired = status(410, "Expired", "too old resource version", &json!({}));
            let line = match end {
                "410" => json!({ "type": "ERROR", "object": expired }),
                "broken line" => json!("nothing that is an event"),
                _ => event("BOOKMARK", ""),
            };
            Some(Say::Lines(Vec::new(), said.clone(), vec![line], Rest::Ends))
        })
        .await;
        let cluster = server.cluster().await;
        told(&cluster, names_kind).await;
        until_open(&cluster).await;
        tell.send(true).unwrap();
        told(&cluster, names_kind).await;
        // Open again: nothing is polled any more.
        until_open(&cluster).await;
        let lists = server.calls().iter().filter(|one| is_list(one)).count();
        assert!(lists >= 2, "{end}: it went on from where it was");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_polled_for() {
    let server = Server::start(|asked| is_list(asked).then_some(Say::Nothing)).await;
    let cluster = server.cluster().await;
    let changed = cluster.pause(Duration::from_secs(5), &on()).await;
    assert!(names_kind(&changed));
}

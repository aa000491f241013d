//! First looks at many objects of a kind: by its list, and when not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refloat_core::driver::{Effect, FieldOwner, ObjectRef, Precondition, Propagation, Query};
use refloat_core::world::World as _;
use refloat_world::Cluster;
use serde_json::{Value, json};

use crate::fake::{Asked, Say, Server, config_map, config_maps, status};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
/// Objects in a page of the server's.
const PAGE: usize = 150;

fn name(number: usize) -> String {
    format!("map-{number:04}")
}

fn object(number: usize) -> ObjectRef {
    ObjectRef::namespaced(config_maps(), "shop", &name(number))
}

fn item(name: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "shop" } })
}

/// A page of these names, which ends with the token that its next begins with.
fn page(names: &[String], query: &str) -> Say {
    let from: usize = query
        .split_once("continue=")
        .and_then(|(_, token)| token.split('&').next()?.parse().ok())
        .unwrap_or(0);
    let to = names.len().min(from + PAGE);
    let token = if to == names.len() {
        String::new()
    } else {
        to.to_string()
    };
    let items: Vec<Value> = names[from..to].iter().map(|name| item(name)).collect();
    Say::Json(
        200,
        json!({ "metadata": { "continue": token }, "items": items }),
    )
}

/// A server that has these objects, listed in this order.
async fn server(names: Vec<String>) -> Server {
    Server::start(move |asked: &Asked| {
        if asked.method == "DELETE" {
            return Some(Say::Json(200, json!({ "kind": "Status" })));
        }
        if asked.method == "POST" {
            return Some(Say::Json(201, asked.body.clone()));
        }
        match asked.path.strip_prefix(MAPS)?.strip_prefix('/') {
            None => Some(page(&names, &asked.query)),
            Some(one) if names.iter().any(|name| name == one) => {
                Some(Say::Json(200, config_map(one)))
            }
            Some(_) => Some(Say::Json(404, status(404, "NotFound", "none", &json!({})))),
        }
    })
    .await
}

/// Looks at these for the first time; which of them are there.
async fn look(cluster: &Cluster, numbers: impl Iterator<Item = usize>) -> Vec<bool> {
    let objects: Vec<ObjectRef> = numbers.map(object).collect();
    let queries: Vec<Query> = objects.iter().cloned().map(Query::Object).collect();
    let seen = cluster.see_first(&queries).await;
    let live = |one: &ObjectRef| seen.object(one).unwrap().cloned();
    let found: Vec<Option<Value>> = objects.iter().map(live).collect();
    for (object, found) in objects.iter().zip(&found) {
        if let Some(found) = found {
            assert_eq!(found["metadata"]["name"], object.name.as_str());
            assert_eq!(found["kind"], "ConfigMap");
        }
    }
    found.iter().map(Option::is_some).collect()
}

/// Pages and single objects that were read.
fn reads(server: &Server) -> (usize, usize) {
    let calls = server.calls();
    let read = calls.iter().filter(|call| call.method == "GET");
    let (pages, single): (Vec<&Asked>, Vec<&Asked>) = read.partition(|call| call.path == MAPS);
    (pages.len(), single.len())
}

#[tokio::test]
async fn many_of_a_kind_are_read_by_its_list_that_goes_on_from_look_to_look() {
    let names: Vec<String> = (0..400).filter(|number| *number != 7).map(name).collect();
    let server = server(names).await;
    let cluster = server.cluster().await;
    let first = look(&cluster, 0..200).await;
    assert!(!first[7]);
    assert_eq!(first.iter().filter(|there| **there).count(), 199);
    assert_eq!(reads(&server), (2, 0));
    assert_eq!(look(&cluster, 200..400).await, [true; 200]);
    assert_eq!(reads(&server), (3, 0));
    assert_eq!(look(&cluster, 400..500).await, [false; 100], "past its end");
    assert_eq!(reads(&server), (3, 0));
}

/// Somebody else took the last one's place in the turn that it was read for.
#[tokio::test]
async fn the_last_of_a_page_is_there_for_who_asks_once_more() {
    let server = server((0..400).map(name).collect()).await;
    let cluster = server.cluster().await;
    assert_eq!(look(&cluster, 0..PAGE).await, [true; PAGE]);
    assert_eq!(look(&cluster, PAGE - 1..300).await, [true; 151]);
}

/// Each page ends with another token, and holds nothing.
#[tokio::test]
async fn a_list_that_goes_on_without_objects_is_left() {
    let tokens = AtomicUsize::new(0);
    let server = Server::start(move |asked: &Asked| {
        let one = asked.path.strip_prefix(MAPS)?.strip_prefix('/');
        Some(match one {
            None => {
                let token = tokens.fetch_add(1, Ordering::Relaxed).to_string();
                Say::Json(
                    200,
                    json!({ "metadata": { "continue": token }, "items": [] }),
                )
            }
            Some(one) => Say::Json(200, config_map(one)),
        })
    })
    .await;
    let cluster = server.cluster().await;
    let looked = tokio::time::timeout(Duration::from_mins(1), look(&cluster, 0..120)).await;
    assert_eq!(looked.unwrap(), [true; 120]);
}

/// The first turn of a run reads what it wants at once.
#[tokio::test]
async fn a_list_passes_over_what_comes_before() {
    let server = server((0..1200).map(name).collect()).await;
    let cluster = server.cluster().await;
    assert_eq!(look(&cluster, 512..1024).await, [true; 512]);
    let pages = 1024_usize.div_ceil(PAGE);
    assert_eq!(reads(&server), (pages, 0));
    look(&cluster, 1024..1200).await;
    assert_eq!(reads(&server), (1200_usize.div_ceil(PAGE), 0));
}

#[tokio::test]
async fn few_are_read_one_by_one() {
    let server = server((0..400).map(name).collect()).await;
    assert_eq!(look(&server.cluster().await, 0..99).await, [true; 99]);
    assert_eq!(reads(&server), (0, 99));
}

#[tokio::test]
async fn what_was_written_since_the_list_began_is_read_itself() {
    let server = server((0..400).map(name).collect()).await;
    let cluster = server.cluster().await;
    look(&cluster, 0..120).await;
    let create = |number| Effect::Create {
        resource: config_maps(),
        object: config_map(&name(number)),
        owner: FieldOwner::refloat(),
    };
    let batches = vec![vec![create(130)], vec![create(300)]];
    assert!(
        cluster
            .act(batches.into())
            .await
            .iter()
            .flatten()
            .all(Result::is_ok)
    );
    look(&cluster, 120..400).await;
    assert_eq!(reads(&server), (3, 2));
}

#[tokio::test]
async fn a_list_that_began_before_something_was_deleted_is_of_no_use() {
    let server = server((0..400).map(name).collect()).await;
    let cluster = server.cluster().await;
    look(&cluster, 0..120).await;
    let delete = Effect::Delete {
        object: object(390),
        precondition: Precondition::default(),
        propagation: Propagation::Background,
    };
    assert!(cluster.perform(&delete).await.is_ok());
    let (pages, _) = reads(&server);
    look(&cluster, 120..400).await;
    assert_eq!(reads(&server).0, pages + 3, "from its begin");
}

#[tokio::test]
async fn a_list_that_is_refused_or_in_another_order_is_not_used() {
    let mut shuffled: Vec<String> = (0..200).map(name).collect();
    shuffled.swap(20, 30);
    let server = server(shuffled).await;
    assert_eq!(look(&server.cluster().await, 0..200).await, [true; 200]);
    let (pages, single) = reads(&server);
    assert_eq!((pages, single), (1, 200));

    let server = Server::start(|asked: &Asked| {
        let one = asked.path.strip_prefix(MAPS)?.strip_prefix('/');
        Some(match one {
            None => Say::Json(403, status(403, "Forbidden", "no lists", &json!({}))),
            Some(one) => Say::Json(200, config_map(one)),
        })
    })
    .await;
    let cluster = server.cluster().await;
    assert_eq!(look(&cluster, 0..120).await, [true; 120]);
    look(&cluster, 120..240).await;
    assert_eq!(reads(&server), (1, 240), "it is not tried again");
}

#[tokio::test]
async fn a_list_of_what_nobody_asks_for_is_left() {
    let strangers = (0..2000).map(|number| format!("a-{number:04}"));
    let names: Vec<String> = strangers.chain((0..120).map(name)).collect();
    let server = server(names).await;
    let cluster = server.cluster().await;
    assert_eq!(look(&cluster, 0..120).await, [true; 120]);
    let (pages, single) = reads(&server);
    assert_eq!((pages, single), (1000_usize.div_ceil(PAGE), 120));
    look(&cluster, 0..120).await;
    assert_eq!(reads(&server), (pages, 240));
}

//! Objects, lists, logs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use refloat_core::driver::{Class, ListRequest, LogRequest, ObjectRef, Query};
use refloat_core::world::World as _;
use serde_json::json;

use crate::fake::{Say, Server, config_map, config_maps, status};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

fn list() -> ListRequest {
    ListRequest {
        resource: config_maps(),
        namespace: Some("shop".to_owned()),
        labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
    }
}

fn item(name: &str) -> serde_json::Value {
    json!({"metadata": {"name": name, "namespace": "shop"}})
}

#[tokio::test]
async fn an_object_is_there_or_not_or_refused() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/shop/configmaps/there" => Some(Say::Json(200, config_map("there"))),
        "/api/v1/namespaces/shop/configmaps/nonsense" => Some(Say::Text(200, "<html>")),
        _ => None,
    })
    .await;
    let cluster = server.cluster().await;
    let object = |name: &str| ObjectRef::namespaced(config_maps(), "shop", name);
    let queries = ["there", "absent", "nonsense", ""].map(|name| Query::Object(object(name)));
    let seen = cluster.see(&queries).await;
    assert_eq!(
        seen.object(&object("there")),
        Ok(Some(&config_map("there")))
    );
    assert_eq!(seen.object(&object("absent")), Ok(None));
    assert_eq!(
        seen.object(&object("nonsense")).unwrap_err().code,
        "server-error"
    );
    let nameless = seen.object(&object("")).unwrap_err();
    assert_eq!(
        (nameless.code.as_str(), nameless.class),
        ("call-malformed", Class::Bug)
    );
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_its_items_get_their_kind() {
    let server = Server::start(|asked| {
        (asked.path == MAPS).then(|| {
            let second = asked.query.contains("continue=next%2Bpage");
            let page = if second {
                json!({"metadata": {}, "items": [item("c")]})
            } else {
                json!({"metadata": {"continue": "next+page"}, "items": [item("a"), item("b")]})
            };
            Say::Json(200, page)
        })
    })
    .await;
    let found = server.cluster().await.list(&list()).await.unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|object| (object["kind"].as_str(), object["metadata"]["name"].as_str()))
        .collect();
    assert_eq!(
        names,
        ["a", "b", "c"].map(|name| (Some("ConfigMap"), Some(name)))
    );
    assert_eq!(found[0]["apiVersion"], "v1");
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert!(
            call.query.contains("labelSelector=app%3Dweb"),
            "{}",
            call.query
        );
        assert!(call.query.contains("limit=500"), "{}", call.query);
    }
}

#[tokio::test]
async fn a_list_that_expires_is_begun_again_once_and_counts_nothing_twice() {
    let round = AtomicU32::new(0);
    let server = Server::start(move |asked| {
        if asked.path != MAPS {
            return None;
        }
        if !asked.query.contains("continue") {
            round.fetch_add(1, Ordering::Relaxed);
            let first = json!({"metadata": {"continue": "t"}, "items": [item("a")]});
            return Some(Say::Json(200, first));
        }
        Some(if round.load(Ordering::Relaxed) == 1 {
            Say::Json(410, status(410, "Expired", "too old", &json!({})))
        } else {
            Say::Json(200, json!({"metadata": {}, "items": [item("b")]}))
        })
    })
    .await;
    let found = server.cluster().await.list(&list()).await.unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn a_list_that_expires_always_or_goes_in_circles_ends() {
    for (answer, code) in [(410, "expired"), (200, "server-error")] {
        let server = Server::start(move |asked| {
            let expires = answer == 410 && asked.query.contains("continue");
            (asked.path == MAPS).then(|| {
                if expires {
                    Say::Json(410, status(410, "Expired", "too old", &json!({})))
                } else {
                    Say::Json(200, json!({"metadata": {"continue": "t"}, "items": []}))
                }
            })
        })
        .await;
        let problem = server.cluster().await.list(&list()).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.class), (code, Class::Retry));
    }
}

#[tokio::test]
async fn an_empty_list_of_go_is_a_list_and_a_list_without_items_is_none() {
    let server = Server::start(|asked| {
        (asked.path == MAPS).then(|| Say::Json(200, json!({"metadata": {}, "items": null})))
    })
    .await;
    assert_eq!(server.cluster().await.list(&list()).await, Ok(Vec::new()));
    let server =
        Server::start(|asked| (asked.path == MAPS).then(|| Say::Json(200, json!({"ok": true}))))
            .await;
    assert!(server.cluster().await.list(&list()).await.is_err());
}

#[tokio::test]
async fn a_busy_server_is_asked_again_a_bounded_number_of_times() {
    let tries = AtomicU32::new(0);
    let server = Server::start(move |asked| {
        (asked.path == MAPS).then(|| match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Say::Later(429, 0),
            1 => Say::Nothing,
            _ => Say::Json(200, json!({"items": [item("a")]})),
        })
    })
    .await;
    assert_eq!(server.cluster().await.list(&list()).await.unwrap().len(), 1);
    let server = Server::start(|asked| (asked.path == MAPS).then_some(Say::Later(429, 0))).await;
    let problem = server.cluster().await.list(&list()).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("throttled", Class::Retry)
    );
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn the_log_of_a_pod_with_several_containers_is_that_of_the_default_one() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/shop/pods/web/log" if asked.query.contains("container=main") => {
            Some(Say::Text(200, "one\ntwo\n"))
        }
        "/api/v1/namespaces/shop/pods/web/log" => Some(Say::Json(
            400,
            status(
                400,
                "BadRequest",
                "a container name must be specified for pod web, choose one of: [side main]",
                &json!({}),
            ),
        )),
        "/api/v1/namespaces/shop/pods/web" => Some(Say::Json(
            200,
            json!({"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "main"}},
                "spec": {"containers": [{"name": "side"}, {"name": "main"}]}}),
        )),
        _ => None,
    })
    .await;
    let cluster = server.cluster().await;
    let log = |pod: &str| LogRequest {
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        lines_max: 20,
    };
    let queries = [Query::Log(log("web")), Query::Log(log("gone"))];
    let seen = cluster.see(&queries).await;
    assert_eq!(seen.log(&log("web")), Ok("one\ntwo\n"));
    assert_eq!(seen.log(&log("gone")).unwrap_err().code, "pod-missing");
    assert!(
        server
            .calls()
            .iter()
            .any(|call| call.query.contains("tailLines=20"))
    );
}

#[tokio::test]
async fn a_list_that_does_not_say_where_it_goes_on_is_no_end_of_it() {
    let server = Server::start(|asked| {
        let odd = json!({"metadata": {"continue": 7}, "items": [item("a")]});
        (asked.path == MAPS).then_some(Say::Json(200, odd))
    })
    .await;
    let problem = server.cluster().await.list(&list()).await.unwrap_err();
    assert_eq!(problem.code, "server-error", "{problem:?}");
}

//! Creations that are tried only, and whether a kind is served.

use std::time::{Duration, Instant};

use refloat_core::driver::{Class, Query, REHEARSAL_RUNNING, RehearsalRequest};
use refloat_core::world::World as _;
use serde_json::json;
use tokio::sync::watch;

use crate::fake::{Rest, Say, Server, config_map, config_maps, status};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

fn rehearsal(name: &str) -> RehearsalRequest {
    RehearsalRequest {
        resource: config_maps(),
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
        object: config_map(name).to_string(),
    }
}

#[tokio::test]
async fn what_the_server_would_take_or_has_already_is_a_yes() {
    let server = Server::start(|asked| {
        let name = asked.body["metadata"]["name"].as_str().unwrap_or_default();
        let denied = "admission webhook \"v.x.io\" denied the request: no";
        let there = "configmaps \"there\" already exists";
        asked.is("POST", MAPS).then(|| match name {
            "denied" => Say::Json(403, status(403, "Forbidden", denied, &json!({}))),
            "there" => Say::Json(409, status(409, "AlreadyExists", there, &json!({}))),
            name => Say::Json(201, config_map(name)),
        })
    })
    .await;
    let cluster = server.cluster().await;
    let queries = ["new", "there", "denied"].map(|name| Query::Rehearsal(rehearsal(name)));
    let seen = cluster.see(&queries).await;
    assert_eq!(seen.rehearsed(&rehearsal("new")), Ok(()));
    assert_eq!(seen.rehearsed(&rehearsal("there")), Ok(()));
    let denied = seen.rehearsed(&rehearsal("denied")).unwrap_err();
    assert_eq!(denied.code, "admission-denied");
    assert!(
        server
            .calls()
            .iter()
            .all(|call| call.query.contains("dryRun=All")),
        "{:?}",
        server.calls()
    );
}

#[tokio::test]
async fn a_webhook_that_hangs_keeps_nothing_waiting_and_is_asked_once() {
    let (tell, told) = watch::channel(false);
    let server = Server::start(move |asked| {
        let slow = Say::Lines(
            Vec::new(),
            told.clone(),
            vec![config_map("web")],
            Rest::Ends,
        );
        asked.is("POST", MAPS).then_some(slow)
    })
    .await;
    let cluster = server.cluster().await;
    let query = Query::Rehearsal(rehearsal("web"));
    for _ in 0..2 {
        let seen = cluster.see(std::slice::from_ref(&query)).await;
        let problem = seen.rehearsed(&rehearsal("web")).unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.class),
            (REHEARSAL_RUNNING, Class::Wait)
        );
    }
    tell.send(true).unwrap();
    let since = Instant::now();
    loop {
        let seen = cluster.see(std::slice::from_ref(&query)).await;
        if seen.rehearsed(&rehearsal("web")) == Ok(()) {
            break;
        }
        assert!(since.elapsed() < Duration::from_mins(1), "no answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // An answer that lay for five seconds is asked for anew.
    let lay = since.elapsed() > Duration::from_secs(5);
    assert!(lay || server.calls().len() == 1, "it is asked once");
}

#[tokio::test]
async fn a_kind_is_served_when_one_of_it_can_be_listed() {
    let all = "/api/v1/configmaps";
    let server = Server::start(move |asked| {
        let items = json!({ "metadata": { "continue": "more" }, "items": [config_map("web")] });
        (asked.path == all).then_some(Say::Json(200, items))
    })
    .await;
    let cluster = server.cluster().await;
    let seen = cluster.see(&[Query::Served(config_maps())]).await;
    assert_eq!(seen.served(&config_maps()), Ok(()));
    let calls = server.calls();
    assert_eq!(calls.len(), 1, "no more pages: {calls:?}");
    assert!(calls[0].query.contains("limit=1"), "{}", calls[0].query);
    let empty = Server::start(|asked| {
        let gone = "the server could not find the requested resource";
        let answer = status(404, "NotFound", gone, &json!({}));
        (asked.path == "/api/v1/configmaps").then_some(Say::Json(404, answer))
    })
    .await;
    let seen = empty
        .cluster()
        .await
        .see(&[Query::Served(config_maps())])
        .await;
    let refused = seen.served(&config_maps()).unwrap_err();
    assert_eq!(refused.code, "kind-not-served");
}

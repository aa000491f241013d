//! Get, list, watch, discovery.

use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use super::{Api, Checked, Ground, done, ensure, refused, same, says, text, version};
use crate::sim::resource;
use crate::sim::server::{Request, Verb};

/// How long a watch is listened to, the first time and again.
const WATCH_SECONDS: [u64; 4] = [1, 5, 20, 60];

pub(super) async fn what_is_not_there_is_named<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let reply = ground.get(&ground.at("ConfigMap", "none")).await;
    refused(&reply, 404, "NotFound")?;
    says(&reply, "configmaps \"none\" not found")?;
    same("kind", text(&reply.body, "/details/kind"), "configmaps")?;
    same("name", text(&reply.body, "/details/name"), "none")?;
    let reply = ground.get(&ground.at("Deployment", "none")).await;
    says(&reply, "deployments.apps \"none\" not found")?;
    same("group", text(&reply.body, "/details/group"), "apps")
}

pub(super) async fn a_kind_that_nobody_serves_has_no_details<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let nobody = Resource::namespaced("nobody.example.com/v1", "Thing", "things");
    let unknown = Resource::namespaced("apps/v1", "Thing", "things");
    for resource in [nobody, unknown] {
        let object = ground.custom(&resource, "one");
        for verb in [Verb::Get, Verb::Delete] {
            let reply = ground.call(Request::on_object(verb, &object)).await;
            same("code", reply.code, 404)?;
            same("kind", text(&reply.body, "/details/kind"), "")?;
        }
        let body = Ground::<A>::whole(&object, json!({}));
        let request = Request::on_kind(Verb::Create, &resource, Some(&ground.namespace));
        let reply = ground.call(request.sending(body)).await;
        same("code of a create", reply.code, 404)?;
        same("kind", text(&reply.body, "/details/kind"), "")?;
    }
    Ok(())
}

async fn maps<A: Api>(ground: &Ground<'_, A>, names: &[&str]) -> Checked {
    for name in names {
        let labels = json!({ "metadata": { "labels": { "name": name } } });
        ground.create(&ground.at("ConfigMap", name), labels).await?;
    }
    Ok(())
}

fn listing<A: Api>(ground: &Ground<'_, A>) -> Request {
    let maps = resource("ConfigMap");
    Request::on_kind(Verb::List, &maps, Some(&ground.namespace)).with("labelSelector", "name")
}

fn names(list: &Value) -> Vec<String> {
    let items = list.get("items").and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .map(|item| text(item, "/metadata/name").to_owned())
        .collect()
}

pub(super) async fn pages_are_of_one_moment<A: Api>(ground: &Ground<'_, A>) -> Checked {
    maps(ground, &["a", "b", "c", "e"]).await?;
    let first = done(ground.call(listing(ground).with("limit", "2")).await)?;
    same(
        "first page",
        names(&first),
        vec!["a".to_owned(), "b".to_owned()],
    )?;
    maps(ground, &["d"]).await?;
    done(ground.delete(&ground.at("ConfigMap", "e"), json!({})).await)?;
    let token = text(&first, "/metadata/continue");
    ensure(!token.is_empty(), || "no continue".to_owned())?;
    let request = listing(ground).with("limit", "2").with("continue", token);
    let second = done(ground.call(request).await)?;
    same(
        "second page",
        names(&second),
        vec!["c".to_owned(), "e".to_owned()],
    )?;
    same("versions", version(&second), version(&first))?;
    // Other objects come after a full page, if not such with the label.
    let token = text(&second, "/metadata/continue");
    if !token.is_empty() {
        let request = listing(ground).with("limit", "2").with("continue", token);
        let third = done(ground.call(request).await)?;
        same("third page", names(&third).len(), 0)?;
        same("no fourth", text(&third, "/metadata/continue"), "")?;
    }
    let now = done(ground.call(listing(ground)).await)?;
    same("now", names(&now).join(" "), "a b c d".to_owned())
}

pub(super) async fn a_list_is_by_labels<A: Api>(ground: &Ground<'_, A>) -> Checked {
    maps(ground, &["a", "b", "c"]).await?;
    for (selector, wanted) in [
        ("name=b", "b"),
        ("name in (a,c)", "a c"),
        ("name,name!=a", "b c"),
        ("name,name notin (a,b)", "c"),
        ("name=none", ""),
    ] {
        let request = listing(ground).with("labelSelector", selector);
        let list = done(ground.call(request).await)?;
        same(selector, names(&list).join(" "), wanted.to_owned())?;
    }
    Ok(())
}

pub(super) async fn a_list_of_a_missing_namespace_is_empty<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let none = ground.unique("none");
    let request = Request::on_kind(Verb::List, &resource("ConfigMap"), Some(&none));
    let list = done(ground.call(request).await)?;
    same("items", names(&list).len(), 0)?;
    same("kind", text(&list, "/kind"), "ConfigMapList")
}

pub(super) async fn a_continue_that_makes_no_sense_is_refused<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let request = listing(ground)
        .with("limit", "1")
        .with("continue", "nonsense");
    refused(&ground.call(request).await, 400, "BadRequest")
}

pub(super) async fn a_version_of_the_future_is_a_timeout<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    let request = listing(ground).with("resourceVersion", "900000000000");
    let reply = ground.call(request).await;
    refused(&reply, 504, "Timeout")?;
    says(&reply, "Too large resource version")
}

fn told(events: &[Value]) -> String {
    let each = |event: &Value| {
        let name = text(event, "/object/metadata/name");
        format!("{} {name}", text(event, "/type"))
    };
    events
        .iter()
        .filter(|event| text(event, "/type") != "BOOKMARK")
        .map(each)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a watch says: a longer one is begun anew until so many events came, because a slow server tells the last ones late.
async fn watched<A: Api>(
    ground: &Ground<'_, A>,
    since: &str,
    selector: &str,
    count: usize,
) -> Vec<Value> {
    let request = Request {
        verb: Verb::Watch,
        ..listing(ground)
    };
    let request = request
        .with("resourceVersion", since)
        .with("labelSelector", selector);
    let mut events = Vec::new();
    for seconds in WATCH_SECONDS {
        events = ground.api.watch(&request, seconds).await;
        if events.len() >= count {
            break;
        }
    }
    events
}

pub(super) async fn a_watch_tells_what_happened_since<A: Api>(ground: &Ground<'_, A>) -> Checked {
    maps(ground, &["before"]).await?;
    let since = version(&ground.read(&ground.at("ConfigMap", "before")).await?);
    maps(ground, &["a"]).await?;
    let a = ground.at("ConfigMap", "a");
    let patched = done(
        ground
            .patch(&a, "one", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    done(
        ground
            .patch(&a, "one", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    done(ground.delete(&a, json!({})).await)?;
    let events = watched(ground, &since, "name", 3).await;
    same(
        "events",
        told(&events),
        "ADDED a, MODIFIED a, DELETED a".to_owned(),
    )?;
    same(
        "version of the change",
        version(&events[1]["object"]),
        version(&patched),
    )?;
    let (changed, deleted) = (version(&events[1]["object"]), version(&events[2]["object"]));
    let newer = deleted.parse::<u64>().ok() > changed.parse::<u64>().ok();
    ensure(newer, || {
        format!("deleted at {deleted}, changed at {changed}")
    })?;
    same("last state", text(&events[2], "/object/data/x"), "1")
}

pub(super) async fn a_watch_by_labels_tells_comings_and_goings<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    maps(ground, &["a"]).await?;
    let a = ground.at("ConfigMap", "a");
    let since = version(&ground.read(&a).await?);
    let label = |value: &str| json!({ "metadata": { "labels": { "in": value } } });
    done(ground.patch(&a, "one", label("yes")).await)?;
    done(
        ground
            .patch(&a, "one", json!({ "data": { "x": "1" } }))
            .await,
    )?;
    done(ground.patch(&a, "one", label("no")).await)?;
    done(ground.delete(&a, json!({})).await)?;
    let events = watched(ground, &since, "in=yes", 3).await;
    same(
        "events",
        told(&events),
        "ADDED a, MODIFIED a, DELETED a".to_owned(),
    )
}

pub(super) async fn a_watch_without_version_begins_with_all<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    maps(ground, &["a", "b"]).await?;
    let events = watched(ground, "0", "name", 2).await;
    same("events", told(&events), "ADDED a, ADDED b".to_owned())
}

pub(super) async fn a_bookmark_has_a_version_and_nothing_else<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    maps(ground, &["a"]).await?;
    let since = version(&ground.read(&ground.at("ConfigMap", "a")).await?);
    let request = Request {
        verb: Verb::Watch,
        ..listing(ground)
    };
    let request = request
        .with("resourceVersion", since)
        .with("allowWatchBookmarks", "true");
    // It comes shortly before a watch ends, which a slow server may miss.
    let (mut events, mut mark) = (Vec::new(), None);
    for seconds in [5, 20, 60] {
        events = ground.api.watch(&request, seconds).await;
        let is_mark = |event: &&Value| text(event, "/type") == "BOOKMARK";
        mark = events.iter().find(is_mark).cloned();
        if mark.is_some() {
            break;
        }
    }
    let mark = mark.ok_or_else(|| format!("no bookmark in {events:?}"))?;
    same("kind", text(&mark, "/object/kind"), "ConfigMap")?;
    same("name", text(&mark, "/object/metadata/name"), "")?;
    ensure(version(&mark["object"]).parse::<u64>().is_ok(), || {
        mark.to_string()
    })
}

pub(super) async fn a_watch_from_before_its_history_is_expired<A: Api>(
    ground: &Ground<'_, A>,
) -> Checked {
    maps(ground, &["a"]).await?;
    if !ground.api.forget().await {
        // A real server forgets after some minutes.
        return Ok(());
    }
    let events = watched(ground, "1", "name", 1).await;
    same("events", events.len(), 1)?;
    same("type", text(&events[0], "/type"), "ERROR")?;
    same("reason", text(&events[0], "/object/reason"), "Expired")?;
    same("code", events[0].pointer("/object/code"), Some(&json!(410)))
}

pub(super) async fn a_group_says_what_it_serves<A: Api>(ground: &Ground<'_, A>) -> Checked {
    let request = Request::on_kind(Verb::Discover, &resource("Deployment"), None);
    let body = done(ground.call(request).await)?;
    same("groupVersion", text(&body, "/groupVersion"), "apps/v1")?;
    let all = body.get("resources").and_then(Value::as_array);
    let found = all.into_iter().flatten().any(|one| {
        text(one, "/name") == "deployments" && one.get("namespaced") == Some(&json!(true))
    });
    ensure(found, || body.to_string())?;
    let nobody = Resource::namespaced("nobody.example.com/v1", "Thing", "things");
    let reply = ground
        .call(Request::on_kind(Verb::Discover, &nobody, None))
        .await;
    same("code", reply.code, 404)
}

//! What the engine meets at the World port: which answer, which code, which class.

use std::collections::BTreeMap;

use refloat_core::driver::{
    Answer, Class, Effect, Effected, FieldOwner, ListRequest, ObjectRef, Patch, Precondition,
    Problem, Propagation, Query,
};
use refloat_core::inventory::{Resource, fold_answer};
use refloat_core::world::World;
use serde_json::{Value, json};

pub(super) use super::pauses::a_pause_ends_with_the_names_of_what_changed;
pub(super) use super::trials::{a_creation_that_is_tried_creates_nothing, a_kind_is_served_or_not};
use super::{Api, Checked, Ground, done, ensure, same, text, webhooks};
use crate::sim::resource;

type Acted = Result<Effected, Problem>;

async fn act<W: World>(world: &W, effect: Effect) -> Acted {
    let mut all = world.act([vec![effect]].into()).await;
    all.pop()
        .and_then(|mut batch| batch.pop())
        .unwrap_or_else(|| Err(Problem::stuck("none", "no answer at all", "")))
}

pub(super) async fn see<W: World>(world: &W, query: Query) -> Result<Answer, String> {
    let seen = world.see(std::slice::from_ref(&query)).await;
    seen.answer(&query)
        .cloned()
        .ok_or_else(|| "no answer".to_owned())
}

fn create<A: Api>(object: &ObjectRef, body: Value, apply: bool) -> Effect {
    Effect::Create {
        resource: object.resource.clone(),
        object: Ground::<A>::whole(object, body),
        owner: FieldOwner {
            manager: "owner".to_owned(),
            apply,
        },
    }
}

fn patch(object: &ObjectRef, patch: Patch, precondition: Precondition) -> Effect {
    Effect::Patch {
        object: object.clone(),
        patch,
        precondition,
        subresource: None,
    }
}

fn is(acted: &Acted, code: &str, class: Class) -> Checked {
    match acted {
        Err(problem) => same(
            "problem",
            (problem.code.as_str(), problem.class),
            (code, class),
        ),
        Ok(effected) => Err(format!("no problem but {effected:?}")),
    }
}

pub(super) async fn a_create_creates_once<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    once(world, ground, false).await
}

pub(super) async fn a_create_by_apply_creates_once<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    once(world, ground, true).await
}

async fn once<W: World, A: Api>(world: &W, ground: &Ground<'_, A>, apply: bool) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let effect = || create::<A>(&map, json!({ "data": { "x": "1" } }), apply);
    let Ok(Effected::Created(made)) = act(world, effect()).await else {
        return Err("not created".to_owned());
    };
    let operation = if apply { "Apply" } else { "Update" };
    same(
        "manager",
        text(&made, "/metadata/managedFields/0/manager"),
        "owner",
    )?;
    same(
        "operation",
        text(&made, "/metadata/managedFields/0/operation"),
        operation,
    )?;
    for body in [
        json!({ "data": { "x": "1" } }),
        json!({ "data": { "x": "2" } }),
    ] {
        match act(world, create::<A>(&map, body, apply)).await {
            Ok(Effected::Exists(live)) => same("live", &live, &made)?,
            other => return Err(format!("{other:?}")),
        }
    }
    // A world tells who owns which fields as text.
    let mut live = ground.read(&map).await?;
    fold_answer(&mut live);
    same("unchanged", live, made)
}

pub(super) async fn an_invalid_create_is_stuck<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    for apply in [false, true] {
        let place = ground.at("Deployment", "a");
        let acted = act(world, create::<A>(&place, json!({ "spec": {} }), apply)).await;
        is(&acted, "invalid", Class::Stuck)?;
        let claim = ground.at("PersistentVolumeClaim", "a");
        let acted = act(world, create::<A>(&claim, json!({ "spec": {} }), apply)).await;
        is(&acted, "invalid", Class::Stuck)?;
    }
    Ok(())
}

pub(super) async fn a_create_in_no_namespace_is_stuck<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let none = ObjectRef::namespaced(resource("ConfigMap"), &ground.unique("none"), "a");
    for apply in [false, true] {
        let acted = act(world, create::<A>(&none, json!({}), apply)).await;
        is(&acted, "namespace-missing", Class::Stuck)?;
    }
    same(
        "read",
        see(world, Query::Object(none)).await?,
        Answer::Object(None),
    )
}

pub(super) async fn a_create_in_a_going_namespace_is_tried_again<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let namespace = ObjectRef::cluster(resource("Namespace"), &ground.unique("going"));
    ground.create(&namespace, json!({})).await?;
    let held = json!({ "metadata": { "finalizers": ["example.com/hold"] } });
    let map = ObjectRef::namespaced(resource("ConfigMap"), &namespace.name, "held");
    ground.create(&map, held).await?;
    done(ground.delete(&namespace, json!({})).await)?;
    let new = ObjectRef::namespaced(resource("Secret"), &namespace.name, "new");
    for apply in [false, true] {
        let acted = act(world, create::<A>(&new, json!({}), apply)).await;
        is(&acted, "namespace-terminating", Class::Retry)?;
    }
    let none = json!({ "metadata": { "finalizers": null } });
    done(ground.patch(&map, "one", none).await).map(drop)
}

pub(super) async fn a_kind_that_is_not_served_is_stuck_to_read_and_tried_again_to_write<
    W: World,
    A: Api,
>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let nobody = Resource::namespaced("nobody.example.com/v1", "Thing", "things");
    let thing = ground.custom(&nobody, "a");
    for apply in [false, true] {
        let acted = act(world, create::<A>(&thing, json!({}), apply)).await;
        is(&acted, "kind-not-served", Class::Retry)?;
    }
    let list = ListRequest {
        resource: nobody,
        namespace: Some(ground.namespace.clone()),
        labels: BTreeMap::new(),
    };
    match see(world, Query::List(list)).await? {
        Answer::Refused(problem) => same(
            "list",
            (problem.code.as_str(), problem.class),
            ("kind-not-served", Class::Stuck),
        )?,
        other => return Err(format!("{other:?}")),
    }
    same(
        "object",
        see(world, Query::Object(thing.clone())).await?,
        Answer::Object(None),
    )?;
    let delete = Effect::Delete {
        object: thing,
        precondition: Precondition::default(),
        propagation: Propagation::Background,
    };
    same("delete", act(world, delete).await, Ok(Effected::Deleted))
}

pub(super) async fn a_patch_is_for_the_object_that_was_read<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({ "data": { "x": "1" } })).await?;
    let change = |value: &str| Patch::Merge(json!({ "data": { "x": value } }));
    let read = Precondition::as_read(&made);
    match act(world, patch(&map, change("2"), read.clone())).await {
        Ok(Effected::Patched(live)) => same("data", text(&live, "/data/x"), "2")?,
        other => return Err(format!("{other:?}")),
    }
    let acted = act(world, patch(&map, change("3"), read)).await;
    is(&acted, "conflict", Class::Retry)?;
    done(ground.delete(&map, json!({})).await)?;
    ground.create(&map, json!({ "data": { "x": "4" } })).await?;
    let uid = Precondition::same_uid(&made);
    let acted = act(world, patch(&map, change("5"), uid)).await;
    is(&acted, "conflict", Class::Retry)?;
    same("data", text(&ground.read(&map).await?, "/data/x"), "4")
}

pub(super) async fn a_json_patch_is_guarded_and_tested<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({ "data": { "x": "1" } })).await?;
    let change = |tested: &str| {
        Patch::Json(json!([
            { "op": "test", "path": "/data/x", "value": tested },
            { "op": "replace", "path": "/data/x", "value": "2" },
        ]))
    };
    let acted = act(world, patch(&map, change("0"), Precondition::default())).await;
    is(&acted, "conflict", Class::Retry)?;
    let other = Precondition {
        uid: Some("another".to_owned()),
        resource_version: None,
    };
    let acted = act(world, patch(&map, change("1"), other)).await;
    is(&acted, "conflict", Class::Retry)?;
    let old = Precondition {
        uid: None,
        resource_version: Some("1".to_owned()),
    };
    let acted = act(world, patch(&map, change("1"), old)).await;
    is(&acted, "conflict", Class::Retry)?;
    let read = Precondition::as_read(&made);
    match act(world, patch(&map, change("1"), read)).await {
        Ok(Effected::Patched(live)) => same("data", text(&live, "/data/x"), "2")?,
        other => return Err(format!("{other:?}")),
    }
    let wrong = Patch::Json(json!([{ "op": "remove", "path": "/data/none" }]));
    let acted = act(world, patch(&map, wrong, Precondition::default())).await;
    is(&acted, "invalid", Class::Stuck)
}

pub(super) async fn a_patch_of_nothing_is_tried_again<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "none");
    let change = Patch::Merge(json!({ "data": { "x": "1" } }));
    let acted = act(world, patch(&map, change, Precondition::default())).await;
    is(&acted, "not-found", Class::Retry)
}

pub(super) async fn a_patch_of_what_is_immutable_is_stuck<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let body = json!({ "immutable": true, "data": { "x": "1" } });
    ground.create(&map, body).await?;
    let change = Patch::Merge(json!({ "data": { "x": "2" } }));
    let acted = act(world, patch(&map, change, Precondition::default())).await;
    is(&acted, "invalid", Class::Stuck)
}

pub(super) async fn a_patch_of_status_is_of_status<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let claim = ground.at("PersistentVolumeClaim", "a");
    let body = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    } });
    ground.create(&claim, body).await?;
    let effect = Effect::Patch {
        object: claim,
        patch: Patch::Merge(json!({
            "spec": { "storageClassName": "other" },
            "status": { "capacity": { "storage": "3Gi" } },
        })),
        precondition: Precondition::default(),
        subresource: Some("status".to_owned()),
    };
    match act(world, effect).await {
        Ok(Effected::Patched(live)) => {
            same("class", text(&live, "/spec/storageClassName"), "none")?;
            same("capacity", text(&live, "/status/capacity/storage"), "3Gi")
        }
        other => Err(format!("{other:?}")),
    }
}

pub(super) async fn a_delete_is_for_the_object_that_was_read<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    let made = ground.create(&map, json!({})).await?;
    let delete = |precondition: Precondition| Effect::Delete {
        object: map.clone(),
        precondition,
        propagation: Propagation::Background,
    };
    let other = Precondition {
        uid: Some("another".to_owned()),
        resource_version: None,
    };
    is(&act(world, delete(other)).await, "conflict", Class::Retry)?;
    let uid = Precondition::same_uid(&made);
    same(
        "delete",
        act(world, delete(uid)).await,
        Ok(Effected::Deleted),
    )?;
    same("gone", ground.get(&map).await.code, 404)
}

pub(super) async fn a_delete_of_nothing_is_done<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let effect = Effect::Delete {
        object: ground.at("ConfigMap", "none"),
        precondition: Precondition::default(),
        propagation: Propagation::Background,
    };
    same("delete", act(world, effect).await, Ok(Effected::Deleted))
}

pub(super) async fn a_webhook_that_fails_is_tried_again<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    webhooks::put_up(ground, "Fail", &["CREATE"]).await?;
    webhooks::until_called(ground).await?;
    for apply in [false, true] {
        let effect = create::<A>(&ground.at("ConfigMap", "a"), json!({}), apply);
        is(&act(world, effect).await, "webhook-failed", Class::Retry)?;
    }
    Ok(())
}

pub(super) async fn lists_are_typed_and_by_labels<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    for name in ["a", "b"] {
        let labels = json!({ "metadata": { "labels": { "name": name, "all": "yes" } } });
        ground.create(&ground.at("ConfigMap", name), labels).await?;
    }
    for (key, value, count) in [("all", "yes", 2), ("name", "b", 1), ("name", "c", 0)] {
        let request = ListRequest {
            resource: resource("ConfigMap"),
            namespace: Some(ground.namespace.clone()),
            labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        };
        let Answer::List(items) = see(world, Query::List(request)).await? else {
            return Err("no list".to_owned());
        };
        same(value, items.len(), count)?;
        let typed = items
            .iter()
            .all(|item| text(item, "/kind") == "ConfigMap" && text(item, "/apiVersion") == "v1");
        ensure(typed, || json!(items).to_string())?;
    }
    Ok(())
}

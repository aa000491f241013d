//! What the World port says of kinds and creations that are tried only.

use refloat_core::driver::{Answer, ObjectRef, Query, REHEARSAL_RUNNING, RehearsalRequest};
use refloat_core::inventory::Resource;
use refloat_core::world::World;
use serde_json::json;

use super::worlds::see;
use super::{Api, Checked, Ground, same, webhooks};
use crate::sim::resource;

/// How often a trial is looked at whose end is not told yet.
const LOOKS_MAX: usize = 300;

/// `yes`, or the code of the refusal.
fn words(answer: Answer) -> Result<String, String> {
    match answer {
        Answer::Yes => Ok("yes".to_owned()),
        Answer::Refused(problem) => Ok(problem.code),
        other => Err(format!("{other:?}")),
    }
}

pub(super) async fn a_kind_is_served_or_not<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    ground
        .create(&ground.at("ConfigMap", "a"), json!({}))
        .await?;
    for (kind, expected) in [
        (resource("ConfigMap"), "yes"),
        (resource("Namespace"), "yes"),
        (
            Resource::namespaced("v7", "ConfigMap", "configmaps"),
            "kind-not-served",
        ),
        (
            Resource::namespaced("nobody.example.com/v1", "Thing", "things"),
            "kind-not-served",
        ),
    ] {
        let told = words(see(world, Query::Served(kind)).await?)?;
        same("served", told.as_str(), expected)?;
    }
    Ok(())
}

fn rehearsal<A: Api>(place: &ObjectRef) -> Query {
    Query::Rehearsal(RehearsalRequest {
        resource: place.resource.clone(),
        namespace: place.namespace.clone(),
        name: place.name.clone(),
        object: Ground::<A>::whole(place, json!({})).to_string(),
    })
}

/// What comes of a trial: it is looked at again while the server has not said it.
async fn tried<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
    place: &ObjectRef,
) -> Result<String, String> {
    for _ in 0..LOOKS_MAX {
        let told = words(see(world, rehearsal::<A>(place)).await?)?;
        if told != REHEARSAL_RUNNING {
            return Ok(told);
        }
        ground.api.pause().await;
    }
    Err(format!("it is never said what comes of {}", place.name))
}

pub(super) async fn a_creation_that_is_tried_creates_nothing<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let (map, there) = (ground.at("ConfigMap", "a"), ground.at("ConfigMap", "there"));
    ground.create(&there, json!({})).await?;
    let nowhere = ObjectRef::namespaced(resource("ConfigMap"), &ground.unique("none"), "a");
    let thing = Resource::namespaced("nobody.example.com/v1", "Thing", "things");
    for (place, expected) in [
        (&map, "yes"),
        (&there, "yes"),
        (&ground.at("Deployment", "empty"), "invalid"),
        (&nowhere, "namespace-missing"),
        (&ground.custom(&thing, "a"), "kind-not-served"),
    ] {
        let told = tried(world, ground, place).await?;
        same(&place.name, told.as_str(), expected)?;
    }
    same("created", ground.get(&map).await.code, 404)?;
    webhooks::put_up(ground, "Fail", &["CREATE"]).await?;
    webhooks::until_called(ground).await?;
    for place in [&map, &there] {
        let told = tried(world, ground, place).await?;
        same(&place.name, told.as_str(), "webhook-failed")?;
    }
    Ok(())
}

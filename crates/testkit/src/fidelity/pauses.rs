//! What a pause at the World port brings: names, from a watch that is really open.

use std::time::Duration;

use refloat_core::driver::Query;
use refloat_core::world::World;
use serde_json::json;

use super::{Api, Checked, Ground, done, ensure, same};

const PAUSE: Duration = Duration::from_millis(100);
/// A busy server takes long to open a watch: a minute of them.
const PAUSES_MAX: usize = 600;

pub(super) async fn a_pause_ends_with_the_names_of_what_changed<W: World, A: Api>(
    world: &W,
    ground: &Ground<'_, A>,
) -> Checked {
    let map = ground.at("ConfigMap", "a");
    ground.create(&map, json!({ "data": { "x": "1" } })).await?;
    let on = [Query::Object(map.clone())];
    let mut is_open = false;
    for _ in 0..PAUSES_MAX {
        // While it is not watched, its kind is named after each pause.
        if world.pause(PAUSE, &on).await.kinds.is_empty() {
            is_open = true;
            break;
        }
    }
    ensure(is_open, || {
        "no watch is opened: it is polled for ever".to_owned()
    })?;
    done(
        ground
            .patch(&map, "somebody", json!({ "data": { "x": "2" } }))
            .await,
    )?;
    for _ in 0..PAUSES_MAX {
        let changed = world.pause(PAUSE, &on).await;
        if changed.objects.contains_key(&map) {
            return same("polled", changed.kinds.is_empty(), true);
        }
    }
    Err("the change was not told".to_owned())
}

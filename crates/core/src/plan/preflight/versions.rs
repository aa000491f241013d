//! Kinds that the target serves in another version than they were read in.

use super::finding::{Raised, Weight};
use super::scene::Scene;

pub(super) fn check(scene: &Scene<'_>, raised: &mut Raised) {
    for (id, thing) in scene.written() {
        let Some(served) = scene.context.serves(&id.group, &id.kind) else {
            continue;
        };
        if served.version == thing.resource.version || scene.target.served.contains(&thing.resource)
        {
            continue;
        }
        raised.about(
            Weight::Warning,
            "version-differs",
            id,
            format!(
                "read as {}, written as {}: the target serves no other",
                thing.resource.api_version(),
                served.api_version()
            ),
            "nothing, if no `fields-dropped` or `object-invalid` is told of it: then the new version takes it as it is",
        );
    }
}

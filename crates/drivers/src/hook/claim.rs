//! Which workloads are held by a hook: those whose annotations say how.

use std::collections::BTreeMap;

use refloat_core::driver::{Claim, Role};
use refloat_core::inventory::{Inventory, Thing};
use refloat_core::names::{
    ANNOTATION_FREEZE, ANNOTATION_HOLD, ANNOTATION_HOLD_CONTAINER, ANNOTATION_THAW,
};

use crate::workload::{mounted_volumes, volumes};

/// Claims a workload with a hook and the volumes of all its containers. A malformed hook is claimed too, so that the
/// check can say what is wrong with it.
pub(super) fn claim(thing: &Thing, inventory: &Inventory) -> Option<Claim> {
    let id = thing.id();
    if !id.is("apps", "StatefulSet") && !id.is("apps", "Deployment") {
        return None;
    }
    let annotation = |name: &str| {
        ["/metadata", "/spec/template/metadata"]
            .iter()
            .find_map(|place| {
                let all = thing.object.pointer(place)?.get("annotations")?;
                all.get(name)?.as_str().map(str::to_owned)
            })
    };
    let words = [
        ("hold", annotation(ANNOTATION_HOLD)),
        ("freeze", annotation(ANNOTATION_FREEZE)),
        ("thaw", annotation(ANNOTATION_THAW)),
    ];
    if words.iter().all(|(_, words)| words.is_none()) {
        return None;
    }
    let mut settings: BTreeMap<String, String> = words
        .into_iter()
        .filter_map(|(key, words)| Some((key.to_owned(), words?)))
        .collect();
    let spec = thing.pod_spec()?;
    let containers = spec.get("containers")?.as_array()?;
    let first = || containers.first()?.get("name")?.as_str().map(str::to_owned);
    let container = annotation(ANNOTATION_HOLD_CONTAINER).or_else(first)?;
    settings.insert("container".to_owned(), container);
    let mounted: Vec<&str> = containers.iter().flat_map(mounted_volumes).collect();
    Some(Claim {
        driver: super::FACTS.id.to_owned(),
        role: Role::Database,
        thing: id,
        volumes: volumes(thing, spec, &mounted, inventory),
        settings,
        notes: Vec::new(),
    })
}

//! A recovery under another namespace, whole: every driver, gate and hand-over goes by the new name.

use std::cell::RefCell;

use refloat_core::plan::plan;

use crate::driving::leftovers;
use crate::recovery::{COMPLETED, Recovery, sealed};
use crate::site;

#[test]
fn a_point_comes_back_under_another_namespace() {
    let sealed = sealed();
    let world = site::target();
    let mut goal = site::goal("restore-1");
    let drill = ("shop".to_owned(), "shop-drill".to_owned());
    goal.mappings.namespaces.extend([drill]);
    let inventory = world.inventory();
    let planned = plan("shop/1", &sealed.point, &sealed.objects, &inventory, &goal).unwrap();
    let recovery = Recovery {
        world,
        plan: planned.plan,
        records: RefCell::default(),
    };
    assert_eq!(recovery.drive(), COMPLETED);
    assert_eq!(leftovers(&recovery.world), Vec::<String>::new());
    let there: Vec<String> = recovery
        .world
        .inventory()
        .iter()
        .map(|thing| thing.id().to_string())
        .collect();
    for id in [
        "Namespace shop-drill",
        "PersistentVolumeClaim shop-drill/data-db-0",
        "StatefulSet.apps shop-drill/db",
        "Deployment.apps shop-drill/web",
        "Cache.shop.example.com shop-drill/sessions",
    ] {
        assert!(there.contains(&id.to_owned()), "{id} is not in {there:?}");
    }
    let old: Vec<&String> = there
        .iter()
        .filter(|id| id.contains(" shop/") || id.ends_with(" shop"))
        .collect();
    assert_eq!(old, Vec::<&String>::new(), "something went to the old name");
}

//! What the list of steps folds, and what stands beside it: what is left out, there already, mapped.

use serde_json::json;

use super::{around, crowded};
use crate::plan::tests::fixture::{case, thing};
use crate::plan::{Around, Detail, Fate, attempt};
use crate::recovery::Existing;

#[test]
fn much_alike_is_one_line_unless_all_is_asked_for() {
    let planned = crowded().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let folded = view.tree(Detail::Folded);
    assert!(
        folded.contains("\n  Secret (1,205 in shop)\n      after Namespace shop\n"),
        "{folded}"
    );
    assert!(
        folded.contains("\n  fill (13 in shop, 650.0 MiB)\n"),
        "{folded}"
    );
    assert!(folded.contains("--all"), "{folded}");
    assert!(!folded.contains("token-0007"), "{folded}");
    assert!(
        folded.contains("write Deployment.apps shop/web"),
        "{folded}"
    );
    assert!(folded.lines().count() < 80, "{folded}");
    let all = view.tree(Detail::All);
    assert!(all.contains("  write Secret shop/token-0007\n"));
    assert!(!all.contains("--all"));
}

#[test]
fn what_is_left_out_is_grouped_by_its_reason() {
    let mut case = case();
    for number in 0..5 {
        let owner = json!([{ "kind": "ReplicaSet", "name": format!("web-{number}"),
            "uid": "Deployment-web", "controller": true }]);
        let mut pod = thing("Pod", &format!("web-{number}"), &json!({}));
        pod.edit(|it| it["metadata"]["ownerReferences"] = owner);
        case.objects.insert(pod);
    }
    let planned = case.plan().unwrap();
    let text = planned.render();
    let wanted = "  made by its owner ReplicaSet (5)\n      Pod shop/web-0\n      Pod shop/web-1\n      Pod shop/web-2\n      and 2 more\n";
    assert!(text.contains(wanted), "{text}");
    let around = Around::default();
    let all = planned.view(&around).tree(Detail::All);
    assert!(all.contains("      Pod shop/web-4\n"), "{all}");
}

#[test]
fn what_is_at_the_target_already_stands_beside_the_plan_with_its_problems() {
    let mut case = case();
    let mut mine = thing("ConfigMap", "mine", &json!({}));
    mine.edit(|it| it["metadata"]["uid"] = json!("mine"));
    let mut owned = thing("Secret", "owned", &json!({}));
    owned.edit(|it| it["metadata"]["ownerReferences"] = json!([{ "uid": "mine" }]));
    for there in [
        mine,
        owned,
        thing("Secret", "database", &json!({})),
        thing("ServiceAccount", "default", &json!({})),
        thing("PersistentVolumeClaim", "data-db-0", &json!({})),
    ] {
        case.target.insert(there);
    }
    let (planned, problems) = attempt(
        "shop/12",
        &case.point,
        &case.objects,
        &case.target,
        &case.goal,
    );
    let planned = planned.expect("it can be planned");
    assert_eq!(problems[0].code, "namespace-in-use");
    assert!(
        case.plan().is_err(),
        "a plan with problems is not to be performed"
    );
    let around = Around::of(&planned, &case.target, &case.goal, problems);
    let fates: Vec<(Fate, String)> = around
        .conflicts
        .iter()
        .map(|one| (one.fate, one.thing.to_string()))
        .collect();
    let wanted = [
        (
            Fate::Stops,
            "PersistentVolumeClaim shop/data-db-0".to_owned(),
        ),
        (Fate::Stops, "Secret shop/database".to_owned()),
        (Fate::InTheWay, "ConfigMap shop/mine".to_owned()),
    ];
    assert_eq!(fates, wanted);
    let view = planned.view(&around);
    let text = view.tree(Detail::Folded);
    assert!(text.contains("at the target already (3)\n"), "{text}");
    let value = serde_json::to_value(view.document()).unwrap();
    assert_eq!(value["problems"][0]["code"], "namespace-in-use");
    assert_eq!(value["conflicts"][0]["fate"], "stops");
    case.goal.existing = Existing::Skip;
    let planned = case.plan().unwrap();
    let around = Around::of(&planned, &case.target, &case.goal, Vec::new());
    let kept: Vec<Fate> = around.conflicts.iter().map(|one| one.fate).collect();
    assert_eq!(kept, [Fate::Kept, Fate::Kept, Fate::LeftAlone]);
}

#[test]
fn mapped_names_are_told_with_how_often_they_are_used() {
    let mut case = case();
    case.target
        .insert(thing("StorageClass", "fast", &json!({})));
    let map = ("slow".to_owned(), "fast".to_owned());
    case.goal.storage_classes.extend([map]);
    let planned = case.plan().unwrap();
    let around = around(&case, &planned);
    let text = planned.view(&around).tree(Detail::Folded);
    let wanted = "mapped (1)\n  StorageClass slow -> fast: 1 object\n";
    assert!(text.contains(wanted), "{text}");
}

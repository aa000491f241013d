//! What words mean in a point, what is left of the plan, and what is missing.

use std::collections::BTreeMap;

use serde_json::json;

use super::{at_home, codes, ids, problems, said, selecting};
use crate::backup::Mode;
use crate::driver::FieldOwner;
use crate::plan::tests::fixture::{Case, database, part, thing, workload};
use crate::run::{Phase, Work};

const VOLUME: [&str; 6] = [
    "fill shop/data-db-0",
    "hand over shop/data-db-0",
    "reap shop/data-db-0",
    "system-namespace",
    "vault-access",
    "vault-access-end",
];

fn only(words: &str) -> Vec<String> {
    let planned = selecting(&[words], &[]).plan();
    let planned = planned.unwrap_or_else(|problems| panic!("{words}: {problems:?}"));
    ids(&planned).into_iter().map(str::to_owned).collect()
}

#[test]
fn one_volume_is_its_three_steps_and_the_way_to_the_vault() {
    for words in [
        "pvc/data-db-0",
        "persistentvolumeclaims/shop/data-db-0",
        "phase:storage",
        "kind:PersistentVolumeClaim",
    ] {
        assert_eq!(only(words), VOLUME, "{words}");
    }
}

#[test]
fn one_object_is_its_step_alone_without_the_keys_of_the_vault() {
    assert_eq!(only("cm/web"), ["write ConfigMap shop/web"]);
    assert_eq!(only("kind:secret"), ["write Secret shop/database"]);
}

#[test]
fn labels_mean_objects_and_volumes() {
    let mut case = selecting(&["label:app=x"], &[]);
    case.point.parts[0].claim["metadata"]["labels"] = json!({ "app": "x" });
    case.objects.insert(thing(
        "ConfigMap",
        "x",
        &json!({ "metadata": { "name": "x", "namespace": "shop", "labels": { "app": "x" } } }),
    ));
    let planned = case.plan().unwrap();
    assert!(ids(&planned).contains("write ConfigMap shop/x"));
    assert!(ids(&planned).contains("hand over shop/data-db-0"));
    assert_eq!(planned.plan.steps.len(), 7);
}

#[test]
fn a_whole_namespace_is_everything_of_it() {
    let mut case = selecting(&["namespace:shop", "crd/caches.shop.example.com"], &[]);
    let mut whole = selecting(&[], &[]);
    for case in [&mut case, &mut whole] {
        case.target
            .remove(&crate::inventory::ThingId::cluster("", "Namespace", "shop"));
    }
    let (case, whole) = (case.plan().unwrap(), whole.plan().unwrap());
    assert_eq!(ids(&case), ids(&whole));
    assert_eq!(case.plan.digest(), whole.plan.digest());
}

#[test]
fn words_that_mean_nothing_here_are_told_with_what_is_near() {
    for (words, message, near) in [
        (
            "pvc/data-db-1",
            "nothing in the point",
            "persistentvolumeclaim/shop/data-db-0",
        ),
        ("pvc/web", "nothing in the point", "configmap/shop/web"),
        ("deploy/wep", "nothing in the point", "deployment/shop/web"),
        (
            "deployment/other/web",
            "nothing in the point",
            "deployment/shop/web",
        ),
        ("kind:Widget", "nothing in the point", "kind:Secret"),
        ("namespace:shpo", "nothing in the point", "namespace:shop"),
        ("phase:queues", "nothing in the point", "phase:storage"),
        (
            "label:nothing=here",
            "nothing in the point",
            "lists what there is",
        ),
        (
            "job/migrate",
            "is not carried: a Job that is finished",
            "lists",
        ),
    ] {
        let case = selecting(&[words], &[]);
        assert_eq!(codes(&case), ["selection-unknown"], "{words}");
        let said = said(&case);
        assert!(said.contains(message), "{words}: {said}");
        let found = said.contains(near) || words == "kind:Widget" || words == "job/migrate";
        assert!(found, "{words}: {said}");
    }
}

#[test]
fn a_volume_without_a_copy_is_told_as_such() {
    let mut case = selecting(&["pvc/cache"], &[]);
    case.objects.insert(thing(
        "PersistentVolumeClaim",
        "cache",
        &json!({ "spec": {} }),
    ));
    let said = said(&case);
    assert!(
        said.contains("the point holds no copy of PersistentVolumeClaim shop/cache"),
        "{said}"
    );
}

#[test]
fn one_name_in_two_namespaces_is_ambiguous_until_it_is_said_which() {
    let two = |words: &str| {
        let mut case = selecting(&[words], &[]);
        let mut other = thing("ConfigMap", "web", &json!({}));
        other.edit(|it| it["metadata"]["namespace"] = json!("blog"));
        case.objects.insert(other);
        case.point.namespaces.push("blog".to_owned());
        let mut namespace = thing("Namespace", "blog", &json!({}));
        case.target.insert(namespace.clone());
        namespace.edit(|it| it["metadata"]["uid"] = json!("blog"));
        case.objects.insert(namespace);
        case
    };
    let said = said(&two("cm/web"));
    for part in [
        "selection-ambiguous",
        "configmap/blog/web",
        "configmap/shop/web",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let planned = two("cm/blog/web").plan().unwrap();
    assert_eq!(
        ids(&planned).into_iter().collect::<Vec<_>>(),
        ["write ConfigMap blog/web"]
    );
}

#[test]
fn what_a_chosen_thing_needs_must_be_at_the_target_or_chosen_too() {
    let case = selecting(&["deployment/web"], &[]);
    let needs = problems(&case);
    let told: Vec<&str> = needs.iter().map(|one| one.message.as_str()).collect();
    for need in [
        "Secret shop/database",
        "ConfigMap shop/web",
        "Service shop/web",
        "StatefulSet.apps shop/db",
    ] {
        let found = told
            .iter()
            .any(|one| one.contains(&format!("needs {need}")));
        assert!(found, "{need}: {told:?}");
    }
    assert_eq!(told.len(), 4, "each once, and no namespace: {told:?}");
    assert!(needs.iter().all(|one| one.code == "selection-needs"));
    assert!(needs[0].hint.contains("--with-needs"));
    let mut there = selecting(&["deployment/web"], &[]);
    for (kind, name) in [("Secret", "database"), ("ConfigMap", "web")] {
        there.target.insert(thing(kind, name, &json!({})));
    }
    there.target.insert(thing("Service", "web", &json!({})));
    there
        .target
        .insert(workload("StatefulSet", "db", &json!({})));
    let planned = there.plan().unwrap();
    assert_eq!(
        ids(&planned).into_iter().collect::<Vec<_>>(),
        ["write Deployment.apps shop/web"]
    );
}

#[test]
fn needs_are_drawn_in_but_for_what_is_there_and_what_is_skipped() {
    let with_needs = |skip: &[&str]| {
        let mut case = selecting(&["deployment/web"], skip);
        case.goal.selection.with_needs = true;
        case
    };
    let planned = with_needs(&[]).plan().unwrap();
    let ids = ids(&planned);
    for step in [
        "write Deployment.apps shop/web",
        "write Secret shop/database",
        "write StatefulSet.apps shop/db",
        "ready shop/db",
        "hand over shop/data-db-0",
    ] {
        assert!(ids.contains(step), "{step}: {ids:?}");
    }
    assert!(!ids.contains("write Namespace shop"), "it is there");
    assert!(!ids.contains("write Ingress.networking.k8s.io shop/web"));
    let skipping = with_needs(&["secret/database"]);
    let said = said(&skipping);
    assert!(said.contains("needs Secret shop/database"), "{said}");
    assert!(said.contains("do not skip it"), "{said}");
    assert_eq!(codes(&skipping).len(), 1, "{said}");
}

#[test]
fn a_volume_without_its_namespace_is_told() {
    let mut case = selecting(&["pvc/data-db-0"], &[]);
    case.target
        .remove(&crate::inventory::ThingId::cluster("", "Namespace", "shop"));
    assert!(
        said(&case).contains("needs Namespace shop"),
        "{}",
        said(&case)
    );
}

#[test]
fn what_is_skipped_must_be_at_the_target_when_others_need_it() {
    let mut case = selecting(&[], &["secret/database"]);
    assert_eq!(codes(&case), ["selection-needs"]);
    case.target.insert(thing("Secret", "database", &json!({})));
    let planned = case.plan().unwrap();
    assert!(!ids(&planned).contains("write Secret shop/database"));
    assert!(ids(&planned).contains("write Deployment.apps shop/web"));
    assert_eq!(
        codes(&selecting(&[], &["namespace:shop", "kind:crd"])),
        ["selection-empty"]
    );
}

#[test]
fn only_what_is_chosen_must_be_free() {
    let mut case = selecting(&["cm/web"], &[]);
    case.target.insert(thing("Secret", "database", &json!({})));
    assert_eq!(
        case.plan().unwrap().plan.steps.len(),
        1,
        "others are not looked at"
    );
    case.target.insert(thing("ConfigMap", "web", &json!({})));
    let said = said(&case);
    assert!(
        said.contains("already-exists: ConfigMap shop/web"),
        "{said}"
    );
    assert!(said.contains("--as NAME"), "{said}");
}

#[test]
fn a_volume_that_is_there_is_never_written_over() {
    let mut case = selecting(&["pvc/data-db-0"], &[]);
    case.goal.existing = crate::recovery::Existing::Skip;
    case.target
        .insert(thing("PersistentVolumeClaim", "data-db-0", &json!({})));
    let said = said(&case);
    assert!(said.contains("already-exists"), "{said}");
    assert!(!said.contains("--existing skip"), "{said}");
}

fn renamed(words: &str, name: &str) -> Case {
    let mut case = at_home(selecting(&[words], &[]));
    case.goal.selection.renamed = Some(name.parse().unwrap());
    case.target
        .insert(workload("StatefulSet", "db", &json!({ "containers": [] })));
    case.target
        .insert(thing("PersistentVolumeClaim", "data-db-0", &json!({})));
    case.target.insert(thing("ConfigMap", "web", &json!({})));
    case
}

#[test]
fn a_volume_comes_back_beside_itself_under_another_name() {
    let mut case = renamed("pvc/data-db-0", "data-0-yesterday");
    case.point.parts[0].claim["metadata"]["labels"] =
        json!({ "app": "db", "app.kubernetes.io/instance": "shop" });
    let planned = case.plan().unwrap();
    assert_eq!(ids(&planned).into_iter().collect::<Vec<_>>(), VOLUME);
    for id in ["hand over shop/data-db-0", "reap shop/data-db-0"] {
        let Work::Driver { claim, inputs, .. } = &planned.plan.step(id).unwrap().work else {
            panic!("{id}");
        };
        assert_eq!(claim.thing.name, "data-0-yesterday", "{id}");
        assert_eq!(inputs["part"], "shop/data-db-0", "{id}");
    }
    let Work::Driver { inputs, .. } = &planned.plan.step("hand over shop/data-db-0").unwrap().work
    else {
        panic!("it hands nothing over");
    };
    assert_eq!(inputs["claim"]["metadata"]["name"], "data-0-yesterday");
    assert_eq!(
        inputs["claim"]["metadata"]["labels"],
        json!({ "app": "db" }),
        "who deploys the old one does not take it for its own"
    );
    assert_eq!(
        planned.warnings.len(),
        1,
        "the versions: {:?}",
        planned.warnings
    );
}

#[test]
fn an_object_under_another_name_is_nobodys() {
    let mut case = renamed("cm/web", "web-yesterday");
    case.objects.insert(thing(
        "ConfigMap",
        "web",
        &json!({ "metadata": {
            "name": "web", "namespace": "shop",
            "annotations": { "argocd.argoproj.io/tracking-id": "shop", "mine": "x" },
            "managedFields": [{ "manager": "argocd", "operation": "Apply", "fieldsV1": {}, "time": "2026-01-01T00:00:00Z" }],
        } }),
    ));
    let planned = case.plan().unwrap();
    let Work::Write(writing) = &planned.plan.steps[0].work else {
        panic!("it writes nothing");
    };
    assert_eq!(writing.target().name, "web-yesterday");
    assert_eq!(writing.owner, FieldOwner::refloat());
    assert!(writing.managers.is_empty());
    let annotations = &writing.object["metadata"]["annotations"];
    assert_eq!(annotations, &json!({ "mine": "x" }));
}

#[test]
fn another_name_is_for_one_thing_that_may_have_one() {
    for (words, code) in [
        ("phase:namespaces", "as-needs-one"),
        ("deployment/web", "as-not-possible"),
        ("sts/db", "as-not-possible"),
        ("crd/caches.shop.example.com", "as-not-possible"),
    ] {
        let case = renamed(words, "other");
        assert!(
            codes(&case).contains(&code.to_owned()),
            "{words}: {}",
            said(&case)
        );
    }
    let mut taken = renamed("pvc/data-db-0", "taken");
    taken
        .target
        .insert(thing("PersistentVolumeClaim", "taken", &json!({})));
    assert_eq!(codes(&taken), ["already-exists"]);
    assert!(said(&taken).contains("shop/taken"), "{}", said(&taken));
}

#[test]
fn a_name_that_a_statefulset_would_take_is_warned_of() {
    for (name, warned) in [
        ("data-db-3", true),
        ("data-db-03", true),
        ("data-0-yesterday", false),
        ("data-db-", false),
        ("data-db-3-yesterday", false),
        ("data-db-three", false),
    ] {
        let Ok(name) = name.parse::<crate::plan::NewName>() else {
            continue;
        };
        let planned = renamed("pvc/data-db-0", name.as_str()).plan().unwrap();
        let found = planned
            .warnings
            .iter()
            .any(|one| one.contains("StatefulSet.apps shop/db"));
        assert_eq!(found, warned, "{name}");
    }
}

#[test]
fn a_volume_of_a_held_database_keeps_what_its_files_need_and_asks_for_the_others() {
    let mut case = selecting(&["pvc/data-db-0"], &[]);
    let mut member = database("db");
    member.mode = Mode::Held;
    member.parts.push("shop/wal-db-0".to_owned());
    case.point.members = vec![member];
    case.point.parts.push(part("shop/wal-db-0"));
    let planned = case.plan().unwrap();
    assert!(ids(&planned).contains("amend shop/db"));
    let fill = planned.plan.step("fill shop/data-db-0").unwrap();
    assert!(fill.needs.iter().any(|edge| edge.on == "amend shop/db"));
    assert!(
        !ids(&planned).contains("ready shop/db"),
        "no server is started"
    );
    let warned = planned
        .warnings
        .iter()
        .any(|one| one.contains("shop/wal-db-0"));
    assert!(warned, "{:?}", planned.warnings);
    let told = planned.selected.join("\n");
    assert!(told.contains("held copy of postgresql shop/db"), "{told}");
}

#[test]
fn what_only_others_require_of_the_target_is_not_asked_for() {
    let ingress_class =
        crate::inventory::ThingId::cluster("networking.k8s.io", "IngressClass", "nginx");
    let class = crate::inventory::ThingId::cluster("storage.k8s.io", "StorageClass", "slow");
    let mut case = selecting(&["cm/web"], &[]);
    case.target.remove(&ingress_class);
    case.target.remove(&class);
    assert_eq!(codes(&case), Vec::<String>::new());
    let mut volume = selecting(&["pvc/data-db-0"], &[]);
    volume.target.remove(&class);
    assert_eq!(codes(&volume), ["storage-class-missing"]);
    let mut ingress = selecting(&["kind:Ingress"], &[]);
    ingress.goal.selection.with_needs = true;
    ingress.objects.insert(thing(
        "Ingress",
        "web",
        &json!({ "spec": { "ingressClassName": "nginx" } }),
    ));
    ingress.target.remove(&ingress_class);
    assert_eq!(codes(&ingress), ["required-missing"]);
}

#[test]
fn phases_are_those_of_the_plan() {
    let whole = selecting(&[], &[]);
    let mut counts: BTreeMap<Phase, usize> = BTreeMap::new();
    let mut bare = whole;
    bare.target
        .remove(&crate::inventory::ThingId::cluster("", "Namespace", "shop"));
    for step in bare.plan().unwrap().plan.steps {
        if matches!(step.work, Work::Write(_)) {
            *counts.entry(step.phase).or_default() += 1;
        }
    }
    for (phase, count) in counts {
        let mut case = selecting(&[&format!("phase:{}", phase.name())], &[]);
        case.goal.selection.with_needs = false;
        for thing in case.objects.iter() {
            if thing.resource.kind != "Namespace" {
                continue;
            }
            assert_eq!(thing.name(), "shop");
        }
        let found = case
            .plan()
            .map_or_else(|_| 0, |planned| planned.plan.steps.len());
        assert!(
            found == 0 || found >= count - 1,
            "{phase:?}: {found} of {count}"
        );
    }
}

//! What is shown of a plan beside the tree of the small application: folds, explanations, differences, documents, pictures,
//! estimates.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fixture::{Case, case, part, thing, workload};
use crate::driver::Outcome;
use crate::inventory::ThingId;
use crate::plan::{
    Around, Detail, Direction, Fate, Language, Moves, Planned, attempt, document_of,
};
use crate::recovery::{Direction as Way, Existing, Filling};
use crate::run::{Confidence, Edge, Phase, Progress, Record, RunKind, RunPlan, Step, Work};

const EXPLAINED: &str = include_str!("../../../tests/golden/explain-web.txt");

fn around(case: &Case, planned: &Planned) -> Around {
    let mut around = Around::of(planned, &case.target, &case.goal, Vec::new());
    around.seal_key = b"key".to_vec();
    around
}

fn document(case: &Case) -> Value {
    let planned = case.plan().unwrap();
    let around = around(case, &planned);
    serde_json::to_value(planned.view(&around).document()).unwrap()
}

/// What changed from the one case to the other.
fn difference(before: &Value, now: &Case) -> crate::plan::Difference {
    let planned = now.plan().unwrap();
    let around = around(now, &planned);
    planned.view(&around).difference(before).unwrap()
}

#[test]
fn one_step_and_chains_of_steps_are_explained() {
    let planned = case().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let find = |words: &str| view.find(words).unwrap();
    let shown = [
        view.explain(find("Deployment/shop/web"), find("StatefulSet/shop/db"))
            .text(),
        view.explain(find("sts shop/db"), find("deploy/web")).text(),
        view.explain(find("Secret shop/database"), find("cm/shop/web"))
            .text(),
        view.explain_one(find("ing/web")).text(false),
        view.explain_one(find("fill shop/data-db-0")).text(false),
        view.explain_one(find("ready shop/db")).text(false),
        view.explain_one(find("ns shop")).text(false),
    ]
    .join("\n");
    assert_eq!(shown, EXPLAINED, "it reads now:\n{shown}");
}

#[test]
fn a_step_is_found_by_all_that_people_write() {
    let mut case = case();
    case.objects.insert(thing("Secret", "web", &json!({})));
    let planned = case.plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    for (words, id) in [
        (
            "write Deployment.apps shop/web",
            "write Deployment.apps shop/web",
        ),
        ("Deployment.apps shop/web", "write Deployment.apps shop/web"),
        ("Deployment/shop/web", "write Deployment.apps shop/web"),
        ("deployment shop/web", "write Deployment.apps shop/web"),
        ("deployments.apps/web", "write Deployment.apps shop/web"),
        ("deploy/web", "write Deployment.apps shop/web"),
        (" DEPLOY  shop/web ", "write Deployment.apps shop/web"),
        ("svc db", "write Service shop/db"),
        ("ns/shop", "write Namespace shop"),
        ("sa/shop/default", "write ServiceAccount shop/default"),
        ("pvc/data-db-0", "hand over shop/data-db-0"),
        ("fill shop/data-db-0", "fill shop/data-db-0"),
        ("vault-access", "vault-access"),
        ("sessions", "write Cache.shop.example.com shop/sessions"),
        (
            "shop/sessions",
            "write Cache.shop.example.com shop/sessions",
        ),
        (
            "caches/sessions",
            "write Cache.shop.example.com shop/sessions",
        ),
        (
            "crd/caches.shop.example.com",
            "write CustomResourceDefinition.apiextensions.k8s.io caches.shop.example.com",
        ),
    ] {
        let found = view
            .find(words)
            .unwrap_or_else(|problem| panic!("{words}: {} {}", problem.message, problem.hint));
        assert_eq!(found.id, id, "{words}");
    }
}

#[test]
fn what_is_ambiguous_lists_candidates_and_what_is_unknown_what_is_written_alike() {
    let planned = case().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    for (words, code, hint) in [
        (
            "web",
            "step-ambiguous",
            "ConfigMap shop/web, Service shop/web, Deployment.apps shop/web",
        ),
        ("shop/db", "step-ambiguous", "Service shop/db"),
        ("deploy/wbe", "step-unknown", "Deployment.apps shop/web"),
        (
            "deployment/shop/wep",
            "step-unknown",
            "did you mean: Deployment.apps shop/web",
        ),
        ("fill shop/data-db-1", "step-unknown", "fill shop/data-db-0"),
        (
            "Deployment/other/web",
            "step-unknown",
            "Deployment.apps shop/web",
        ),
        ("", "step-unknown", "`refloat plan --all`"),
        ("/", "step-unknown", "`refloat plan --all`"),
        ("a/b/c/d", "step-unknown", "`refloat plan --all`"),
        ("\u{1b}[2J'\"; ☃", "step-unknown", "`refloat plan --all`"),
    ] {
        let problem = view.find(words).expect_err(words);
        assert_eq!(problem.code, code, "{words}");
        assert!(problem.hint.contains(hint), "{words}: {}", problem.hint);
    }
}

/// Many Secrets in the shop's namespace.
fn crowded() -> Case {
    let mut case = case();
    for number in 0..1_204 {
        let name = format!("token-{number:04}");
        case.objects.insert(thing("Secret", &name, &json!({})));
    }
    for number in 0..12 {
        let id = format!("shop/bulk-{number:02}");
        case.point.parts.push(part(&id));
    }
    case
}

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

/// A backup's plan and journal: each part moved in so many seconds.
fn moved(seconds: &[(&str, i64)]) -> (RunPlan, Progress) {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let steps: Vec<Step> = seconds
        .iter()
        .map(|(id, _)| Step {
            id: format!("move {id}"),
            phase: Phase::Move,
            title: String::new(),
            needs: crate::run::Needs::default(),
            work: Work::Fill(Filling {
                direction: Way::Backup,
                part: (*id).to_owned(),
                claim_spec: None,
                snapshot: None,
                tree: None,
                bytes: None,
            }),
            limit_seconds: 600,
            cleanup: false,
        })
        .collect();
    let records = seconds.iter().flat_map(|(id, took)| {
        let step = format!("move {id}");
        [
            Record::Began {
                at: at(100),
                step: step.clone(),
            },
            Record::Done {
                at: at(100 + took),
                step,
                outcome: Outcome::default(),
            },
        ]
    });
    let records: Vec<Record> = records.collect();
    let plan = RunPlan {
        kind: RunKind::Backup,
        run: crate::names::RunId::new("backup-1").unwrap(),
        protection: crate::names::ProtectionName::new("shop").unwrap(),
        site: crate::names::SiteName::new("primary").unwrap(),
        point: None,
        mover_image: String::new(),
        steps,
    };
    (plan, Progress::of(&records))
}

#[test]
fn an_estimate_rests_on_what_the_backup_measured_and_says_so() {
    const MIB: u64 = 1024 * 1024;
    let mut case = case();
    case.point.parts.push(part("shop/more"));
    case.point.parts[1].bytes = 100 * MIB;
    let planned = case.plan().unwrap();
    let seconds = |around: &Around, id: &str| {
        let view = planned.view(around);
        let explained = view.explain_one(view.find(id).unwrap());
        explained.estimated_seconds
    };
    let mut around = Around::default();
    assert!((seconds(&around, "fill shop/data-db-0") - 6.0).abs() < 0.01);
    let (plan, progress) = moved(&[("shop/data-db-0", 25), ("shop/old", 7)]);
    // `shop/old` was in the vault already: how long it took says nothing.
    let parts = [
        ("shop/data-db-0", 50 * MIB, 50 * MIB),
        ("shop/old", 900 * MIB, 10),
    ];
    around.moves = Moves::measured(&plan, &progress, parts);
    assert!((seconds(&around, "fill shop/data-db-0") - 25.0).abs() < 0.01);
    assert!(
        (seconds(&around, "fill shop/more") - 50.0).abs() < 0.01,
        "2 MiB/s"
    );
    let view = planned.view(&around);
    let estimate = view.estimate();
    assert!(
        estimate.basis[0].contains("backup-1"),
        "{:?}",
        estimate.basis
    );
    assert!(
        estimate.basis[0].contains("2.0 MiB/s"),
        "{:?}",
        estimate.basis
    );
    assert_eq!(
        estimate.chain.first().map(String::as_str),
        Some("system-namespace")
    );
    assert!(estimate.chain.contains(&"fill shop/data-db-0".to_owned()));
    assert!(
        estimate.seconds > 25.0 && estimate.seconds < 120.0,
        "{estimate:?}"
    );
    around.moves = Moves::measured(&plan, &progress, [("shop/old", 900 * MIB, 10)]);
    let basis = planned.view(&around).estimate().basis;
    assert!(basis[0].contains("assumed"), "{basis:?}");
}

/// A Secret with what must never be seen, in all places where tools put it.
fn with_secret(word: &str) -> Case {
    let mut case = case();
    let mut secret = thing(
        "Secret",
        "database",
        &json!({ "data": { "password": word }, "stringData": { "again": word } }),
    );
    secret.edit(|it| {
        it["metadata"]["annotations"] = json!({
            "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":\"{word}\"}}"),
            "objectset.rio.cattle.io/applied": word,
        });
    });
    case.objects.insert(secret);
    case
}

#[test]
fn what_a_secret_holds_is_in_no_output_and_its_change_is_seen() {
    let one = with_secret("hunter2");
    let planned = one.plan().unwrap();
    let around_one = around(&one, &planned);
    let view = planned.view(&around_one);
    let before = document(&one);
    let other = with_secret("correct-horse");
    let changed = difference(&before, &other);
    assert!(changed.differs);
    let entry = changed
        .changed
        .iter()
        .find(|one| one.step == "write Secret shop/database")
        .expect("the Secret changed");
    assert!(entry.secret);
    // An earlier document that holds what it should not is not shown either.
    let mut leaky = before.clone();
    for step in leaky["plan"]["steps"].as_array_mut().unwrap() {
        if step["id"] == "write Secret shop/database" {
            step["work"]["object"]["data"] = json!({ "password": "hunter2" });
        }
    }
    let leak = difference(&leaky, &other);
    let shown = [
        view.tree(Detail::All),
        view.graph(Language::Dot, Detail::All),
        view.graph(Language::Mermaid, Detail::All),
        before.to_string(),
        document(&other).to_string(),
        document_of(&planned.plan, b"key").to_string(),
        changed.text(),
        serde_json::to_string(&changed).unwrap(),
        leak.text(),
        serde_json::to_string(&leak).unwrap(),
        view.explain_one(view.find("secret/database").unwrap())
            .text(true),
    ]
    .join("\n");
    for word in ["hunter2", "correct-horse"] {
        assert!(!shown.contains(word), "{word} is shown");
    }
    assert!(
        changed
            .text()
            .contains("what it holds: changed (not shown)")
    );
    let mut keyless = around(&one, &planned);
    keyless.seal_key = Vec::new();
    let without = serde_json::to_value(planned.view(&keyless).document()).unwrap();
    assert!(
        !without.to_string().contains("sealed"),
        "no key, no seal to guess against"
    );
    assert_eq!(difference(&without, &other).secrets_not_compared, 1);
}

#[test]
fn a_difference_names_steps_fields_edges_and_what_is_left_out() {
    let before = document(&case());
    let same = difference(&before, &case());
    assert!(!same.differs, "{same:?}");
    assert!(same.text().starts_with("no difference"), "{}", same.text());
    let mut later = case();
    later.objects.insert(thing("Secret", "more", &json!({})));
    later
        .objects
        .remove(&ThingId::namespaced("", "ConfigMap", "shop", "web"));
    later
        .objects
        .remove(&ThingId::namespaced("batch", "Job", "shop", "migrate"));
    let mut web = workload(
        "Deployment",
        "web",
        &json!({ "containers": [{ "name": "web", "image": "a/b~c:2" }] }),
    );
    web.edit(|it| it["spec"]["replicas"] = json!(3));
    later.objects.insert(web);
    later.goal.mover_image = "refloat.local/refloat:next".to_owned();
    let changed = difference(&before, &later);
    assert_eq!(changed.added, ["write Secret shop/more"]);
    assert_eq!(changed.removed, ["write ConfigMap shop/web"]);
    assert_eq!(changed.left_out_removed.len(), 1, "{changed:?}");
    let text = changed.text();
    for wanted in [
        "+ Secret shop/more\n",
        "- ConfigMap shop/web\n",
        "~ Deployment.apps shop/web\n",
        "    /spec/replicas: 1 → 3\n",
        "    /spec/template/spec/containers/0/image: new, \"a/b~c:2\"\n",
        "    no longer waits for ConfigMap shop/web (REFERENCE_BEFORE_READER)\n",
        "- left out: Job.batch shop/migrate",
        "mover_image: \"refloat.local/refloat:dev\" → \"refloat.local/refloat:next\"\n",
        "1 step added, 1 removed, 1 changed\n",
    ] {
        assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
    }
}

#[test]
fn what_changed_in_the_same_way_everywhere_is_told_once() {
    let before = document(&crowded());
    let mut later = crowded();
    later.goal.existing = Existing::Skip;
    let text = difference(&before, &later).text();
    assert!(
        text.contains("    existing: \"fail\" → \"skip\"\n"),
        "{text}"
    );
    assert!(text.lines().count() < 10, "{text}");
}

#[test]
fn a_journals_plan_is_an_earlier_plan_and_so_is_an_older_refloats_document() {
    let plan = case().plan().unwrap().plan;
    let mut later = case();
    later.goal.run = crate::names::RunId::new("restore-2").unwrap();
    let earlier = document_of(&plan, b"key");
    assert!(!difference(&earlier, &later).differs);
    // Written before documents had a name and a version.
    let old = json!({
        "digest": plan.digest(), "plan": plan, "left_out": [], "warnings": [],
    });
    let changed = difference(&old, &later);
    assert_eq!(changed.changed, []);
    assert_eq!(changed.secrets_not_compared, 1);
    // What is written now can be read as a plan again.
    let read: RunPlan = serde_json::from_value(document(&case())["plan"].clone()).unwrap();
    assert_eq!(read.steps.len(), plan.steps.len());
}

#[test]
fn what_is_no_plan_is_refused_as_an_earlier_plan() {
    let planned = case().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let good = serde_json::to_value(view.document()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        value
    };
    for (value, code) in [
        (json!(null), "plan-file"),
        (json!([]), "plan-file"),
        (json!("plan"), "plan-file"),
        (json!({ "plan": { "steps": "many" } }), "plan-file"),
        (json!({ "plan": { "steps": [{}] } }), "plan-file"),
        (
            json!({ "plan": { "steps": [{ "id": "a" }, { "id": "a" }] } }),
            "plan-file",
        ),
        (
            json!({ "document": "refloat.io/point", "plan": { "steps": [] } }),
            "plan-file",
        ),
        (with(&|value| value["version"] = json!(2)), "plan-newer"),
        (with(&|value| value["version"] = json!("x")), "plan-newer"),
    ] {
        let problem = view.difference(&value).expect_err("it is no plan");
        assert_eq!(problem.code, code, "{value}");
    }
    // Nonsense inside of steps is a difference, not a failure, and moves no cursor.
    let odd = with(&|value| {
        value["plan"]["steps"][0] = json!({ "id": "\u{1b}[2J", "needs": 7, "work": [] });
        value["plan"]["steps"][1]["needs"] = json!({ "on": [] });
        value["plan"]["steps"][1]["work"] = json!("nothing");
        value["left_out"] = json!([7, { "thing": "x" }]);
    });
    let text = view.difference(&odd).unwrap().text();
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn pictures_hold_phases_rules_and_names_with_anything_in_them() {
    let mut planned = case().plan().unwrap();
    let odd = "write Thing shop/a\"b\\c|d`e#f<g>.h";
    let mut step = planned.plan.steps[0].clone();
    step.id = odd.to_owned();
    step.phase = Phase::Traffic;
    step.needs
        .insert(Edge::new("vault-access", "ODD_\"RULE", "x").with(Confidence::Medium));
    planned.plan.steps.push(step);
    let around = Around::default();
    let view = planned.view(&around);
    let dot = view.graph(Language::Dot, Detail::Folded);
    for wanted in [
        "digraph plan {\n",
        "    label=\"4 storage\";\n",
        "[label=\"Deployment.apps shop/web\"];\n",
        "[label=\"Thing shop/a\\\"b\\\\c|d`e#f<g>.h\"];\n",
        "[label=\"FILL_BEFORE_HAND_OVER\"];\n",
        "[label=\"ODD_\\\"RULE\", style=dashed];\n",
        "[label=\"DATABASE_BEFORE_CLIENT\", style=dashed];\n",
    ] {
        assert!(dot.contains(wanted), "no {wanted:?} in\n{dot}");
    }
    assert!(!dot.contains("GUARD_BEFORE_ALL"), "{dot}");
    let mermaid = view.graph(Language::Mermaid, Detail::Folded);
    for wanted in [
        "flowchart LR\n",
        "[\"4 storage\"]\n",
        "[\"Thing shop/a#quot;b#92;c#124;d#96;e#35;f#lt;g#gt;.h\"]\n",
        " -->|\"FILL_BEFORE_HAND_OVER\"| n",
        " -.->|\"ODD_#quot;RULE\"| n",
    ] {
        assert!(mermaid.contains(wanted), "no {wanted:?} in\n{mermaid}");
    }
}

#[test]
fn a_big_picture_is_drawn_by_kind_and_says_so() {
    let planned = crowded().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let folded = view.graph(Language::Mermaid, Detail::Folded);
    assert!(folded.contains("[\"Secret (1,205)\"]\n"), "{folded}");
    assert!(folded.contains("drawn by kind"), "{folded}");
    assert!(folded.lines().count() < 100, "{folded}");
    let all = view.graph(Language::Dot, Detail::All);
    assert!(all.contains("[label=\"Secret shop/token-0007\"];"));
}

#[test]
fn the_document_is_complete_and_the_same_each_time() {
    let value = document(&case());
    assert_eq!(value["document"], "refloat.io/plan");
    assert_eq!(value["version"], 1);
    assert_eq!(value["digest"], case().plan().unwrap().plan.digest());
    assert_eq!(value, document(&case()));
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    for key in [
        "conflicts",
        "digest",
        "document",
        "estimate",
        "left_out",
        "mapped",
        "phases",
        "plan",
        "problems",
        "selected",
        "version",
        "warnings",
    ] {
        assert!(keys.iter().any(|one| *one == key), "no {key} in {keys:?}");
    }
    let steps = value["plan"]["steps"].as_array().unwrap();
    let bytes: BTreeMap<&str, u64> = value["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| {
            (
                phase["label"].as_str().unwrap(),
                phase["bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(bytes["4 storage"], 50 * 1024 * 1024);
    assert!(
        steps
            .iter()
            .all(|step| step["estimated_seconds"].is_number())
    );
}

#[test]
fn the_other_way_round_is_told_with_its_chain() {
    let planned = case().plan().unwrap();
    let around = Around::default();
    let view = planned.view(&around);
    let explained = view.explain(view.find("sts/db").unwrap(), view.find("ing/web").unwrap());
    assert_eq!(explained.direction, Direction::TheOtherWayRound);
    assert!(explained.chain.len() > 1);
    let itself = view.find("sts/db").unwrap();
    assert_eq!(view.explain(itself, itself).direction, Direction::Neither);
}

//! What differs from an earlier plan, without a word of what Secrets hold.

use serde_json::{Value, json};

use super::{around, crowded, difference, document};
use crate::inventory::ThingId;
use crate::plan::tests::fixture::{Case, case, thing, workload};
use crate::plan::{Around, Detail, Language, document_of};
use crate::recovery::Existing;
use crate::run::RunPlan;

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

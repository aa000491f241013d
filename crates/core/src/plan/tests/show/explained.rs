//! How steps are found by what people write, and explained one by one and as chains.

use serde_json::json;

use crate::plan::tests::fixture::{case, thing};
use crate::plan::{Around, Direction};

const EXPLAINED: &str = include_str!("../../../../tests/golden/explain-web.txt");

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

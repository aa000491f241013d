//! What Flux says of the order, from a namespace of its own.

use serde_json::{Value, json};

use super::ground::{deployment, expect, expect_none, object, planned, with};
use crate::inventory::Thing;
use crate::run::Confidence::High;

const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const HELM: &str = "helm.toolkit.fluxcd.io";
const RULE: &str = "FLUX_DEPENDS_ON";

/// A Deployment that was applied by this resource of `flux-system`.
fn of(group: &str, source: &str, name: &str) -> Thing {
    let mut thing = deployment(name, json!({ "containers": [] }));
    thing.edit(|it| it["metadata"]["labels"] = labels(group, source));
    thing
}

fn labels(group: &str, source: &str) -> Value {
    json!({ format!("{group}/name"): source, format!("{group}/namespace"): "flux-system" })
}

/// A resource of Flux in its own namespace, as a point keeps it.
fn source(kind: &str, name: &str, spec: &Value) -> Thing {
    let group = if kind == "HelmRelease" {
        HELM
    } else {
        KUSTOMIZE
    };
    object(
        &format!("{group}/v1 {kind}"),
        &format!("flux-system/{name}"),
        json!({ "spec": spec }),
    )
}

fn id(name: &str) -> String {
    format!("Deployment.apps shop/{name}")
}

fn warnings(things: Vec<Thing>) -> Vec<String> {
    let all = planned(things).warnings.into_iter();
    all.filter(|one| one.contains("Flux")).collect()
}

#[test]
fn flux_orders_from_a_namespace_that_is_not_protected_and_does_not_come_back_itself() {
    for (kind, group) in [("Kustomization", KUSTOMIZE), ("HelmRelease", HELM)] {
        let planned = planned([
            of(group, "infra", "base"),
            of(group, "apps", "front"),
            source(kind, "infra", &json!({})),
            source(
                kind,
                "apps",
                &json!({ "dependsOn": [null, { "name": "infra" }] }),
            ),
        ]);
        let evidence = format!("{kind}.{group} flux-system/apps: spec.dependsOn[1]");
        expect(&planned, &id("front"), &id("base"), RULE, High, &evidence);
        expect_none(&planned, &id("base"), &id("front"));
        let mut steps = planned.plan.steps.iter();
        assert!(!steps.any(|step| step.id.contains("flux-system")));
        let mut all = planned.warnings.iter();
        assert!(
            !all.any(|one| one.contains("Flux")),
            "{:?}",
            planned.warnings
        );
    }
}

#[test]
fn an_order_of_flux_that_the_point_lacks_is_worth_a_word() {
    let things = || vec![of(KUSTOMIZE, "infra", "base"), of(HELM, "apps", "front")];
    let one = warnings(things());
    assert_eq!(one.len(), 1, "{one:?}");
    let first = "HelmRelease.helm.toolkit.fluxcd.io flux-system/apps and 1 other,";
    assert!(one[0].contains(first), "{one:?}");
    let mut known = things();
    known.push(source("Kustomization", "infra", &json!({})));
    known.push(source("HelmRelease", "apps", &json!({})));
    assert_eq!(warnings(known), [""; 0]);
}

#[test]
fn fluxs_order_follows_a_namespace_under_another_name() {
    let own = |name: &str, spec: Value| {
        object(
            "kustomize.toolkit.fluxcd.io/v1 Kustomization",
            &format!("shop/{name}"),
            json!({ "spec": spec }),
        )
    };
    let of_shop = |source: &str, name: &str| {
        let mut thing = of(KUSTOMIZE, source, name);
        thing.edit(|it| {
            it["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/namespace"] = json!("shop");
        });
        thing
    };
    let on = json!([{ "name": "infra", "namespace": "shop" }]);
    let mut case = with([
        of_shop("infra", "base"),
        of_shop("apps", "front"),
        own("infra", json!({})),
        own("apps", json!({ "dependsOn": on })),
    ]);
    let namespaces = &mut case.goal.mappings.namespaces;
    namespaces.insert("shop".to_owned(), "drill".to_owned());
    let planned = case.plan().unwrap();
    let evidence = "Kustomization.kustomize.toolkit.fluxcd.io drill/apps: spec.dependsOn[0]";
    let id = |name: &str| format!("Deployment.apps drill/{name}");
    expect(&planned, &id("front"), &id("base"), RULE, High, evidence);
    let mut all = planned.warnings.iter();
    assert!(
        !all.any(|one| one.contains("Flux")),
        "{:?}",
        planned.warnings
    );
}

/// A resource of Flux that another one applied.
fn nested(kind: &str, name: &str, by: &str) -> Thing {
    let mut thing = source(kind, name, &json!({}));
    thing.edit(|it| it["metadata"]["labels"] = labels(KUSTOMIZE, by));
    thing
}

fn health(spec: &Value) -> Vec<Thing> {
    vec![
        of(KUSTOMIZE, "infra", "base"),
        of(HELM, "release", "chart"),
        of(HELM, "other", "second"),
        of(KUSTOMIZE, "apps", "front"),
        deployment("stranger", json!({ "containers": [] })),
        nested("HelmRelease", "release", "infra"),
        nested("HelmRelease", "other", "infra"),
        source("Kustomization", "infra", spec),
        source(
            "Kustomization",
            "apps",
            &json!({ "dependsOn": [{ "name": "infra" }] }),
        ),
    ]
}

#[test]
fn what_makes_a_kustomization_healthy_is_waited_for() {
    let check = |kind: &str, namespace: &str, name: &str| {
        let version = match kind {
            "HelmRelease" => "helm.toolkit.fluxcd.io/v2",
            "Cache" => "shop.example.com/v1",
            _ => "apps/v1",
        };
        json!({ "apiVersion": version, "kind": kind, "namespace": namespace, "name": name })
    };
    let checks = json!([
        null, { "kind": 7, "name": "stranger" }, check("Deployment", "elsewhere", "stranger"),
        check("Deployment", "shop", "stranger"), check("HelmRelease", "flux-system", "release"),
        check("Cache", "shop", "sessions"), check("Deployment", "shop", "front"),
    ]);
    let healthy = planned(health(&json!({ "healthChecks": checks })));
    let on = "Kustomization.kustomize.toolkit.fluxcd.io flux-system/apps: spec.dependsOn[0]";
    let infra = "Kustomization.kustomize.toolkit.fluxcd.io flux-system/infra";
    let named = format!("{on}, {infra}: spec.healthChecks[3]");
    expect(&healthy, &id("front"), &id("stranger"), RULE, High, &named);
    let cache = format!("{on}, {infra}: spec.healthChecks[5]");
    let sessions = "Cache.shop.example.com shop/sessions";
    expect(&healthy, &id("front"), sessions, RULE, High, &cache);
    expect(&healthy, &id("front"), &id("chart"), RULE, High, on);
    expect(&healthy, &id("front"), &id("base"), RULE, High, on);
    expect_none(&healthy, &id("front"), &id("second"));
    let waiting = planned(health(&json!({ "wait": true, "healthChecks": checks })));
    for name in ["base", "chart", "second"] {
        expect(&waiting, &id("front"), &id(name), RULE, High, on);
    }
    expect_none(&waiting, &id("front"), &id("stranger"));
    let plain = planned(health(&json!({ "wait": "true", "healthChecks": 7 })));
    for name in ["chart", "second", "stranger"] {
        expect_none(&plain, &id("front"), &id(name));
    }
}

#[test]
fn what_a_kustomization_applies_through_others_waits_with_it() {
    let on = |name: &str| json!({ "dependsOn": [{ "name": name }] });
    let mut apps = source("Kustomization", "apps", &on("empty"));
    // The root of an installation applies itself.
    apps.edit(|it| it["metadata"]["labels"] = labels(KUSTOMIZE, "apps"));
    let planned = planned([
        of(KUSTOMIZE, "infra", "base"),
        of(HELM, "release", "chart"),
        nested("HelmRelease", "release", "apps"),
        apps,
        source("Kustomization", "empty", &on("infra")),
        source("Kustomization", "infra", &on("empty")),
    ]);
    let evidence = "Kustomization.kustomize.toolkit.fluxcd.io flux-system/apps: spec.dependsOn[0]";
    expect(&planned, &id("chart"), &id("base"), RULE, High, evidence);
}

#[test]
fn what_a_point_keeps_for_the_order_does_not_come_back_under_another_name() {
    for new in ["flux-system", "drill"] {
        let mut case = with([
            of(KUSTOMIZE, "apps", "front"),
            source("Kustomization", "apps", &json!({})),
        ]);
        let namespaces = &mut case.goal.mappings.namespaces;
        namespaces.insert("shop".to_owned(), new.to_owned());
        let planned = case.plan().unwrap();
        let steps = || planned.plan.steps.iter();
        assert!(
            steps().any(|step| step.id.contains(&format!("{new}/front"))),
            "{new}"
        );
        assert!(
            !steps().any(|step| step.id.contains("Kustomization")),
            "{new}"
        );
    }
}

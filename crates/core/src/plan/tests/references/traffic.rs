//! What brings users in is last, but for a Service that its workload cannot start without.

use serde_json::{Value, json};

use super::{API, api};
use crate::inventory::Thing;
use crate::plan::Planned;
use crate::plan::tests::ground::{
    deployment, drawn, expect, expect_none, object, planned, service, with_env, workload,
};
use crate::run::Confidence::{Certain, Medium};
use crate::run::{Phase, Work};

const FIRST: &str = "SERVICE_BEFORE_WORKLOAD";
const LAST: &str = "TRAFFIC_LAST";

fn balancer(name: &str, selector: &Value) -> Thing {
    let spec = json!({ "type": "LoadBalancer", "selector": selector });
    object("Service", &format!("shop/{name}"), json!({ "spec": spec }))
}

fn args(args: &[&str]) -> Value {
    json!({ "containers": [{ "name": "main", "args": args }] })
}

#[test]
fn a_controller_that_is_told_the_name_of_its_service_has_it_first() {
    let controller = "Deployment.apps shop/controller";
    let balanced = "Service shop/controller";
    let with = |pod: Value| {
        let selector = json!({ "app": "controller" });
        let planned = planned([
            deployment("controller", pod),
            balancer("controller", &selector),
        ]);
        assert_eq!(planned.broken, []);
        planned
    };
    for pod in [
        args(&["--publish-service=$(POD_NAMESPACE)/controller"]),
        args(&["--publish-service", "shop/controller"]),
        args(&["-external-service=controller"]),
        with_env(&[("CONTROLLER_PUBLISH_SERVICE", "shop/controller")]),
    ] {
        let planned = with(pod);
        let evidence = format!("{balanced}: it selects the pods of a workload that names it");
        expect(&planned, controller, balanced, FIRST, Certain, &evidence);
        expect_none(&planned, balanced, controller);
        expect_none(&planned, balanced, ANOTHER);
    }
    for pod in [
        args(&["controller"]),
        args(&["--root=/srv/controller"]),
        args(&["--publish-service=other/controller"]),
        with_env(&[("APP_NAME", "controller")]),
        json!({ "containers": 7 }),
    ] {
        let planned = with(pod);
        drawn(&planned, balanced, controller, LAST);
        expect_none(&planned, controller, balanced);
    }
}

/// Another workload of the namespace.
const ANOTHER: &str = "Deployment.apps shop/web";

fn phase(planned: &Planned, id: &str) -> Phase {
    planned.plan.step(&format!("write {id}")).unwrap().phase
}

#[test]
fn the_address_of_one_member_is_there_before_the_member() {
    let pod = json!({ "app": "ring", "statefulset.kubernetes.io/pod-name": "ring-0" });
    let gone = json!({ "statefulset.kubernetes.io/pod-name": "gone-0" });
    let planned = planned([
        workload("apps/v1 StatefulSet", "ring", &json!({ "containers": [] })),
        balancer("ring-0", &pod),
        balancer("gone-0", &gone),
    ]);
    let (set, member) = ("StatefulSet.apps shop/ring", "Service shop/ring-0");
    let evidence = format!("{member}: spec.selector selects its pods");
    expect(&planned, set, member, FIRST, Certain, &evidence);
    expect_none(&planned, member, ANOTHER);
    assert_eq!(phase(&planned, member), Phase::Namespaces);
    expect_none(&planned, set, "Service shop/gone-0");
}

#[test]
fn a_way_in_to_a_service_that_an_operator_makes_waits_for_its_resource() {
    let owner = json!([{ "kind": "Cache", "name": "sessions", "uid": "Cache-sessions", "controller": true }]);
    let backend =
        json!([{ "http": { "paths": [{ "backend": { "service": { "name": "sessions" } } }] } }]);
    let planned = planned([
        object("Service", "shop/sessions", json!({ "owners": owner })),
        object(
            "networking.k8s.io/v1 Ingress",
            "shop/in",
            json!({ "spec": { "rules": backend } }),
        ),
    ]);
    let way = "Ingress.networking.k8s.io shop/in";
    let evidence = format!("{way}: spec.rules[0].http.paths[0].backend.service");
    let cache = "Cache.shop.example.com shop/sessions";
    expect(&planned, way, cache, LAST, Certain, &evidence);
    expect_none(&planned, way, ANOTHER);
}

#[test]
fn a_gateway_waits_for_the_resource_behind_its_routes() {
    let owner = json!([{ "kind": "Cache", "name": "sessions", "uid": "Cache-sessions", "controller": true }]);
    let route = json!({
        "parentRefs": [{ "name": "edge" }], "rules": [{ "backendRefs": [{ "name": "sessions" }] }],
    });
    let group = "gateway.networking.k8s.io";
    let planned = planned([
        object("Service", "shop/sessions", json!({ "owners": owner })),
        object(
            &format!("{group}/v1 Gateway"),
            "shop/edge",
            json!({ "spec": {} }),
        ),
        object(
            &format!("{group}/v1 HTTPRoute"),
            "shop/sessions",
            json!({ "spec": route }),
        ),
    ]);
    let edge = format!("Gateway.{group} shop/edge");
    let evidence = format!("HTTPRoute.{group} shop/sessions: spec.rules[0].backendRefs[0]");
    let cache = "Cache.shop.example.com shop/sessions";
    expect(&planned, &edge, cache, LAST, Certain, &evidence);
}

#[test]
fn ways_in_of_other_makers_are_last_too() {
    let ways = [
        (
            "route.openshift.io/v1 Route",
            json!({ "to": { "kind": "Service", "name": "api" } }),
        ),
        (
            "route.openshift.io/v1 Route",
            json!({ "alternateBackends": [{ "kind": "Service", "name": "api" }] }),
        ),
        (
            "traefik.containo.us/v1alpha1 IngressRouteTCP",
            json!({ "routes": [{ "services": [{ "name": "api", "port": 80 }] }] }),
        ),
        (
            "traefik.io/v1alpha1 IngressRoute",
            json!({ "routes": [{ "services": [{ "name": "api", "port": 80 }] }] }),
        ),
        (
            "projectcontour.io/v1 HTTPProxy",
            json!({ "routes": [{ "services": [{ "name": "api", "port": 80 }] }] }),
        ),
        (
            "networking.istio.io/v1 VirtualService",
            json!({ "gateways": ["edge"], "http": [{ "route": [{ "destination": { "host": "api.shop.svc" } }] }] }),
        ),
    ];
    for (kind, spec) in ways {
        let way = object(kind, "shop/in", json!({ "spec": spec }));
        let id = way.id().to_string();
        let planned = planned([api(json!({ "containers": [] })), service("api", &[80]), way]);
        assert_eq!(drawn(&planned, &id, API, LAST).confidence, Certain);
        drawn(&planned, &id, "Service shop/api", LAST);
        expect_none(&planned, &id, ANOTHER);
        assert_eq!(phase(&planned, &id), Phase::Traffic);
    }
    let names = object(
        "externaldns.k8s.io/v1alpha1 DNSEndpoint",
        "shop/in",
        json!({}),
    );
    let inside = json!({ "gateways": ["mesh"], "http": [{ "route": [{ "destination": { "host": "api" } }] }] });
    let mesh = object(
        "networking.istio.io/v1 VirtualService",
        "shop/mesh",
        json!({ "spec": inside }),
    );
    let away = json!({ "gateways": ["edge"], "http": [{ "route": [{ "destination": { "host": "api.bank" } }] }] });
    let away = object(
        "networking.istio.io/v1 VirtualService",
        "shop/away",
        json!({ "spec": away }),
    );
    let [of_names, of_mesh, of_away] = [&names, &mesh, &away].map(|one| one.id().to_string());
    let answers = service("api", &[80]);
    let planned = planned([api(json!({ "containers": [] })), answers, names, mesh, away]);
    for unknown in [of_names, of_away] {
        assert_eq!(drawn(&planned, &unknown, API, LAST).confidence, Medium);
    }
    expect_none(&planned, &of_mesh, API);
}

#[test]
fn an_address_is_not_waited_for_where_the_workload_waits_for_the_service() {
    let told = |args: Value| {
        let mut service = balancer("controller", &json!({ "app": "controller" }));
        service.edit(|it| {
            it["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } });
        });
        let planned = planned([deployment("controller", args), service]);
        let step = planned.plan.step("write Service shop/controller").unwrap();
        match &step.work {
            Work::Write(writing) => writing.told.address,
            other => panic!("{other:?}"),
        }
    };
    assert!(told(args(&["--verbose"])));
    assert!(!told(args(&["--publish-service=shop/controller"])));
}

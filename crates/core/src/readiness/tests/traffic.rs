//! Services, Ingresses, Gateways and routes.

use serde_json::{Value, json};

use super::super::Told;
use super::Scene;

const ADDRESS: Told = Told {
    status: true,
    ready: false,
    address: true,
    phase: None,
};
const NONE: Told = Told {
    status: false,
    ready: false,
    address: false,
    phase: None,
};

#[test]
fn a_load_balancer_waits_for_its_address_and_no_other_service_waits() {
    let service = |kind: &str, status: Value| json!({ "metadata": { "name": "x" }, "spec": { "type": kind, "selector": { "a": "b" } }, "status": status });
    let given = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
    let cases = [
        (
            service("LoadBalancer", json!({})),
            NONE,
            0,
            "closed no-address",
        ),
        (
            service("LoadBalancer", json!({})),
            NONE,
            30,
            "assumed no-address",
        ),
        (
            service("LoadBalancer", json!({})),
            ADDRESS,
            500,
            "closed no-address",
        ),
        (service("LoadBalancer", given), ADDRESS, 0, "open"),
        (service("ClusterIP", json!({})), NONE, 0, "open"),
        (service("NodePort", json!({})), ADDRESS, 0, "open"),
        (json!({ "spec": {} }), NONE, 0, "open"),
    ];
    for (live, told, seconds, expected) in cases {
        let scene = Scene::of("v1", "Service", live.clone());
        assert_eq!(
            scene.told(told).after(seconds).says(),
            expected,
            "{live} {seconds}"
        );
    }
    let by_hand = json!({ "spec": { "type": "LoadBalancer", "externalIPs": ["192.0.2.1"] } });
    assert_eq!(Scene::of("v1", "Service", by_hand).says(), "open");
}

#[test]
fn an_ingress_waits_for_an_address_only_if_it_had_one() {
    let bare = json!({ "metadata": { "name": "x" }, "status": { "loadBalancer": {} } });
    let given = json!({ "status": { "loadBalancer": { "ingress": [{ "hostname": "x" }] } } });
    let cases = [
        (&bare, NONE, 0, "open"),
        (&bare, ADDRESS, 0, "closed no-address"),
        (&bare, ADDRESS, 119, "closed no-address"),
        (&bare, ADDRESS, 120, "assumed no-address"),
        (&given, ADDRESS, 0, "open"),
    ];
    for (live, told, seconds, expected) in cases {
        let scene = Scene::of("networking.k8s.io/v1", "Ingress", live.clone());
        assert_eq!(
            scene.told(told).after(seconds).says(),
            expected,
            "{live} {seconds}"
        );
    }
}

fn route(parents: &Value) -> Scene {
    let live =
        json!({ "metadata": { "name": "x", "generation": 2 }, "status": { "parents": parents } });
    Scene::of("gateway.networking.k8s.io/v1", "HTTPRoute", live)
}

#[test]
fn a_route_is_accepted_by_each_parent_for_its_newest_spec() {
    let parent = |accepted: &str, resolved: &str, observed: u64| {
        json!({ "conditions": [
            { "type": "Accepted", "status": accepted, "observedGeneration": observed },
            { "type": "ResolvedRefs", "status": resolved, "observedGeneration": observed },
        ] })
    };
    let good = parent("True", "True", 2);
    let cases = [
        (json!([good]), "open"),
        (json!([]), "closed not-ready"),
        (
            json!([good, parent("False", "True", 2)]),
            "closed not-ready",
        ),
        (
            json!([good, parent("True", "False", 2)]),
            "closed not-ready",
        ),
        (json!([parent("True", "True", 1)]), "closed not-ready"),
    ];
    for (parents, expected) in cases {
        assert_eq!(route(&parents).says(), expected, "{parents}");
    }
    let accepted = Told {
        ready: true,
        ..NONE
    };
    let nobody = || route(&json!([])).after(60);
    assert_eq!(nobody().says(), "assumed not-ready");
    assert_eq!(nobody().told(accepted).says(), "closed not-ready");
}

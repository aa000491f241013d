//! Network policies against the rules of `networking.k8s.io/v1`.

use serde_json::{Value, json};

use crate::probe::policy::{End, Port, Who, not_let_in, not_let_out};

fn policy(name: &str, spec: &Value) -> Value {
    json!({ "metadata": { "name": name, "namespace": "shop" }, "spec": spec })
}

/// Whether a probe pod of `refloat-system` at 10.9.0.7 is kept from `shop/db` at port 5432.
fn keeps_out(spec: &Value) -> bool {
    let pod = json!({
        "metadata": { "labels": { "app": "db" } },
        "spec": { "containers": [{ "ports": [{ "name": "sql", "containerPort": 5432 }] }] },
    });
    let probe = json!({ "labels": { "app.kubernetes.io/managed-by": "refloat" } });
    let system = json!({ "kubernetes.io/metadata.name": "refloat-system" });
    let shop = json!({ "kubernetes.io/metadata.name": "shop" });
    let server = End {
        namespace: "shop",
        namespace_labels: Some(&shop),
        who: Who::Pod(&pod["metadata"]),
        address: None,
    };
    let client = End {
        namespace: "refloat-system",
        namespace_labels: Some(&system),
        who: Who::Pod(&probe),
        address: "10.9.0.7".parse().ok(),
    };
    let port = Port {
        number: 5432,
        protocol: "TCP",
        pod: Some(&pod),
    };
    let names = not_let_in(&[policy("p", spec)], server, client, port);
    assert!(names.is_empty() || names == ["p"]);
    !names.is_empty()
}

#[test]
fn a_policy_keeps_out_what_no_rule_lets_in() {
    let selects = json!({ "matchLabels": { "app": "db" } });
    let from = |peer: Value| json!({ "podSelector": selects, "ingress": [{ "from": [peer] }] });
    let port = |port: Value| json!({ "podSelector": {}, "ingress": [{ "ports": [port] }] });
    let system = json!({ "matchLabels": { "kubernetes.io/metadata.name": "refloat-system" } });
    let ours = json!({ "matchLabels": { "app.kubernetes.io/managed-by": "refloat" } });
    let kept_out = [
        json!({ "podSelector": {} }),
        json!({ "podSelector": selects, "policyTypes": ["Ingress"] }),
        json!({ "podSelector": selects, "policyTypes": ["Ingress", "Egress"], "egress": [{}] }),
        json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["db"] }] } }),
        from(json!({ "podSelector": {} })),
        from(json!({ "namespaceSelector": { "matchLabels": { "team": "x" } } })),
        from(
            json!({ "namespaceSelector": system, "podSelector": { "matchLabels": { "app": "x" } } }),
        ),
        from(json!({ "ipBlock": { "cidr": "10.8.0.0/16" } })),
        from(json!({ "ipBlock": { "cidr": "10.9.0.0/16", "except": ["10.9.0.0/24"] } })),
        from(json!({ "ipBlock": { "cidr": "fd00::/8" } })),
        from(json!({ "ipBlock": { "cidr": "nonsense" } })),
        port(json!({ "port": 80 })),
        port(json!({ "port": 5432, "protocol": "UDP" })),
        port(json!({ "port": "metrics" })),
        port(json!({ "port": 5000, "endPort": 5431 })),
    ];
    for spec in kept_out {
        assert!(keeps_out(&spec), "{spec}");
    }
    let let_in = [
        json!({ "podSelector": { "matchLabels": { "app": "web" } } }),
        json!({ "podSelector": {}, "policyTypes": ["Egress"] }),
        json!({ "podSelector": {}, "ingress": [{}] }),
        json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["db"] }] } }),
        json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "DoesNotExist" }] } }),
        json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "Nonsense" }] } }),
        from(json!({ "namespaceSelector": {} })),
        from(json!({ "namespaceSelector": system, "podSelector": ours })),
        from(json!({ "ipBlock": { "cidr": "10.9.0.0/24" } })),
        from(json!({ "ipBlock": { "cidr": "0.0.0.0/0" } })),
        from(json!({ "ipBlock": { "cidr": "10.9.0.7/32" } })),
        port(json!({ "port": 5432 })),
        port(json!({ "port": "sql", "protocol": "TCP" })),
        port(json!({ "port": 5000, "endPort": 6000 })),
        port(json!({ "protocol": "TCP" })),
    ];
    for spec in let_in {
        assert!(!keeps_out(&spec), "{spec}");
    }
}

#[test]
fn one_policy_that_lets_in_is_enough() {
    let pod = json!({ "labels": {} });
    let server = End {
        namespace: "shop",
        namespace_labels: None,
        who: Who::Pod(&pod),
        address: None,
    };
    let port = Port {
        number: 80,
        protocol: "TCP",
        pod: None,
    };
    let deny = policy("deny", &json!({ "podSelector": {} }));
    let allow = policy("allow", &json!({ "podSelector": {}, "ingress": [{}] }));
    let other =
        json!({ "metadata": { "name": "far", "namespace": "far" }, "spec": { "podSelector": {} } });
    assert_eq!(
        not_let_in(&[deny.clone(), other], server, server, port),
        ["deny"]
    );
    assert!(not_let_in(&[deny, allow], server, server, port).is_empty());
}

#[test]
fn a_policy_of_the_clients_place_keeps_it_in() {
    let pod = json!({ "labels": { "a": "b" } });
    let client = End {
        namespace: "shop",
        namespace_labels: None,
        who: Who::Pod(&pod),
        address: None,
    };
    let outside = End {
        namespace: "",
        namespace_labels: None,
        who: Who::Outside,
        address: "192.0.2.1".parse().ok(),
    };
    let names = End {
        who: Who::Unknown,
        address: None,
        ..outside
    };
    let port = |number, protocol| Port {
        number,
        protocol,
        pod: None,
    };
    let out =
        |spec: Value, to, port| !not_let_out(&[policy("p", &spec)], client, to, port).is_empty();
    let inside_only = json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": [{ "namespaceSelector": {} }] }] });
    assert!(out(inside_only.clone(), outside, port(443, "TCP")));
    assert!(!out(inside_only, names, port(53, "UDP")));
    let web_only = json!({ "podSelector": {}, "egress": [{ "ports": [{ "port": 443 }] }] });
    assert!(!out(web_only.clone(), outside, port(443, "TCP")));
    assert!(out(web_only, names, port(53, "UDP")));
    assert!(!out(
        json!({ "podSelector": {} }),
        outside,
        port(443, "TCP")
    ));
}

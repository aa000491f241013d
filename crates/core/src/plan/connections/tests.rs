//! What documents tell, and what is none.

use serde_json::{Value, json};

mod lines;

use super::*;

fn workload(namespace: &str, kind: &str, name: &str) -> Workload {
    Workload {
        namespace: namespace.to_owned(),
        kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        name: name.to_owned(),
    }
}

/// A flow from `shop/web` to a pod of `shop/db`, as Hubble 1.16 writes it, with other fields.
fn flow(changes: &Value) -> Value {
    let mut flow = json!({
        "time": "2026-11-20T10:00:00.123456789Z", "uuid": "6b0e…", "verdict": "FORWARDED",
        "ethernet": { "source": "aa:bb", "destination": "cc:dd" },
        "IP": { "source": "10.0.0.7", "destination": "10.0.0.9", "ipVersion": "IPv4" },
        "l4": { "TCP": { "source_port": 40822, "destination_port": 5432, "flags": { "SYN": true } } },
        "source": {
            "ID": 1129, "identity": 34212, "cluster_name": "default", "namespace": "shop",
            "labels": ["k8s:app=web"], "pod_name": "web-7d8f-x2x4", "workloads": [{ "name": "web", "kind": "Deployment" }],
        },
        "destination": {
            "ID": 77, "identity": 4711, "namespace": "shop", "labels": ["k8s:app=db"], "pod_name": "db-0",
            "workloads": [{ "name": "db", "kind": "StatefulSet" }],
        },
        "Type": "L3_L4", "node_name": "node-1", "event_type": { "type": 4, "sub_type": 3 },
        "traffic_direction": "EGRESS", "trace_observation_point": "TO_STACK", "is_reply": false,
        "Summary": "TCP Flags: SYN",
    });
    for (key, value) in changes.as_object().unwrap() {
        flow[key] = value.clone();
    }
    json!({ "flow": flow, "node_name": "node-1", "time": "2026-11-20T10:00:00Z" })
}

fn read(documents: &[Value]) -> Vec<(Connection, u64)> {
    let mut connections = Connections::default();
    for document in documents {
        connections.add(document).unwrap();
    }
    let all = connections.iter();
    all.map(|(one, times)| (one.clone(), times)).collect()
}

fn peers(documents: &[Value]) -> Vec<(Peer, Witness, u64)> {
    let all = read(documents).into_iter();
    all.map(|(one, times)| (one.peer, one.witness, times))
        .collect()
}

fn service(namespace: &str, name: &str) -> Peer {
    Peer::Service {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

#[test]
fn a_flow_tells_who_began_to_talk_to_whom() {
    let found = read(&[flow(&json!({})), flow(&json!({}))]);
    let expected = Connection {
        client: Client::Workload(workload("shop", "Deployment", "web")),
        peer: Peer::Workload(workload("shop", "StatefulSet", "db")),
        witness: Witness::Hubble,
    };
    assert_eq!(found, [(expected, 2)]);
    let named = flow(&json!({ "destination_service": { "name": "db", "namespace": "shop" } }));
    assert_eq!(
        peers(std::slice::from_ref(&named)),
        [(service("shop", "db"), Witness::Hubble, 1)]
    );
    let bare = named["flow"].clone();
    assert_eq!(
        peers(&[bare]),
        [(service("shop", "db"), Witness::Hubble, 1)]
    );
}

#[test]
fn a_question_to_the_dns_tells_the_name() {
    let asked = |kind: &str| {
        flow(&json!({
            "Type": "L7", "is_reply": kind == "RESPONSE",
            "l4": { "UDP": { "source_port": 1, "destination_port": 53 } },
            "l7": { "type": kind, "dns": { "query": "db.shop.svc.cluster.local.", "qtypes": ["A"] } },
            "destination_service": { "name": "kube-dns", "namespace": "kube-system" },
        }))
    };
    let name = Peer::Name("db.shop.svc.cluster.local".to_owned());
    let documents = [asked("REQUEST"), asked("RESPONSE")];
    assert_eq!(peers(&documents), [(name, Witness::Dns, 1)]);
    let mut refused = asked("REQUEST");
    refused["flow"]["verdict"] = json!("DROPPED");
    assert_eq!(peers(&[refused]), [], "it was never answered");
}

#[test]
fn what_did_not_go_through_or_came_back_or_is_of_nobody_tells_nothing() {
    for changes in [
        json!({ "verdict": "DROPPED" }),
        json!({ "verdict": "ERROR" }),
        json!({ "verdict": null }),
        json!({ "is_reply": true }),
        json!({ "is_reply": null }),
        json!({ "l4": { "UDP": { "destination_port": 53 } } }),
        json!({ "l4": null }),
        json!({ "source": { "identity": 2, "labels": ["reserved:world"] } }),
        json!({ "destination": { "identity": 2, "labels": ["reserved:world"] } }),
    ] {
        assert_eq!(peers(&[flow(&changes)]), [], "{changes}");
    }
    for other in ["node_status", "lost_events", "agent_event", "debug_event"] {
        assert_eq!(peers(&[json!({ (other): {}, "node_name": "n" })]), []);
    }
}

fn series(metric: &Value, value: &str) -> Value {
    let vector = json!([{ "metric": metric, "value": [1_795_000_000.5, value] }]);
    json!({ "status": "success", "data": { "resultType": "vector", "result": vector } })
}

#[test]
fn what_prometheus_knows_of_istio_is_read() {
    let metric = json!({
        "__name__": "istio_tcp_connections_opened_total", "reporter": "source",
        "source_workload": "web", "source_workload_namespace": "shop",
        "destination_workload": "db", "destination_workload_namespace": "shop",
        "destination_service_name": "db", "destination_service_namespace": "shop",
    });
    let found = read(&[series(&metric, "14")]);
    let client = Client::Workload(workload("shop", "", "web"));
    assert_eq!(found[0].0.client, client);
    assert_eq!(found[0].0.peer, service("shop", "db"));
    assert_eq!((found[0].0.witness, found[0].1), (Witness::Istio, 14));
    let mut unknown = metric.clone();
    unknown["destination_service_name"] = json!("unknown");
    let by_pods = Peer::Workload(workload("shop", "", "db"));
    assert_eq!(
        peers(&[series(&unknown, "1e3")]),
        [(by_pods, Witness::Istio, 1000)]
    );
    unknown["source_workload"] = json!("unknown");
    assert_eq!(peers(&[series(&unknown, "1")]), []);
    for nothing in ["0", "NaN", "+Inf"] {
        assert_eq!(peers(&[series(&metric, nothing)]), [], "{nothing}");
    }
    let matrix = json!([{ "metric": metric, "values": [[1, "3"], [2, "5"]] }]);
    let matrix =
        json!({ "status": "success", "data": { "resultType": "matrix", "result": matrix } });
    assert_eq!(peers(&[matrix])[0].2, 5);
}

#[test]
fn what_tells_of_no_connection_is_refused_in_words() {
    for (document, expected) in [
        (json!(7), "neither a flow of Hubble"),
        (json!([]), "neither a flow of Hubble"),
        (json!({}), "neither a flow of Hubble"),
        (json!({ "flow": 7 }), "a flow of Hubble: "),
        (json!({ "flow": { "source": "web" } }), "a flow of Hubble: "),
        (
            json!({ "status": "error", "error": "parse error" }),
            "Prometheus answered an error: parse error",
        ),
        (
            json!({ "status": "success", "data": { "result": 7 } }),
            "an answer of Prometheus: ",
        ),
    ] {
        let refused = Connections::default().add(&document).unwrap_err();
        assert!(refused.contains(expected), "{document}: {refused}");
    }
}

#[test]
fn names_that_no_service_of_a_cluster_has_are_not_kept() {
    let asked =
        |host: &str| flow(&json!({ "l7": { "type": "REQUEST", "dns": { "query": host } } }));
    for host in [
        "4.3.2.1.in-addr.arpa.",
        "www.example.com.",
        "www.example.com.shop.svc.cluster.local.",
    ] {
        assert_eq!(peers(&[asked(host)]), [], "{host}");
    }
    for host in [
        "db",
        "db.shop.",
        "db-0.db.shop",
        "db.shop.svc.",
        "db.shop.svc.other.example.",
        "db-0.db.shop.svc.cluster.local.",
    ] {
        assert_eq!(peers(&[asked(host)]).len(), 1, "{host}");
    }
}

#[test]
fn names_follow_their_namespaces() {
    let mut connections = Connections::default();
    let named = flow(&json!({ "destination_service": { "name": "db", "namespace": "shop" } }));
    for document in [flow(&json!({})), named] {
        connections.add(&document).unwrap();
    }
    let mappings = Mappings {
        namespaces: BTreeMap::from([("shop".to_owned(), "drill".to_owned())]),
        ..Mappings::default()
    };
    let mapped = connections.mapped(&mappings);
    let peers: Vec<&Peer> = mapped.iter().map(|(one, _)| &one.peer).collect();
    let by_pods = Peer::Workload(workload("drill", "StatefulSet", "db"));
    assert_eq!(peers, [&service("drill", "db"), &by_pods]);
    let web = Client::Workload(workload("drill", "Deployment", "web"));
    assert!(mapped.iter().all(|(one, _)| one.client == web));
    let namespace = |old: &str| old.replace("shop", "drill");
    for (host, expected) in [
        ("db.shop.svc.cluster.local", "db.drill.svc.cluster.local"),
        (
            "db-0.db.shop.svc.cluster.local",
            "db-0.db.drill.svc.cluster.local",
        ),
        ("db.shop", "db.drill"),
        ("shop", "shop"),
        ("www.shop.example", "www.shop.example"),
    ] {
        assert_eq!(mapped_host(host, &namespace), expected);
    }
}

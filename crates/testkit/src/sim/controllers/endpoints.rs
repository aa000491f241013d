//! EndpointSlices of Services with selectors: the pods that are ready.

use crate::sim::look::Look as _;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, is_going, list, text};
use crate::sim::server::resource;

pub(super) fn service(store: &mut Store, reference: &ObjectRef, object: &Value) {
    let Some(selector) = object.at("/spec/selector").and_then(Value::as_object) else {
        return;
    };
    if selector.is_empty() || is_going(object) {
        return;
    }
    let endpoints: Vec<Value> = store
        .seen_of(&resource("Pod"))
        .into_iter()
        .filter(|(pod, _)| pod.namespace == reference.namespace)
        .filter(|(_, live)| {
            let labels = live.at("/metadata/labels");
            let has = |(key, value): (&String, &Value)| {
                labels.and_then(|all| all.get(key)) == Some(value)
            };
            selector.iter().all(has)
        })
        .filter_map(|(pod, live)| {
            let address = text(&live, "/status/podIP")?.to_owned();
            let ready = !is_going(&live)
                && list(&live, "/status/conditions").any(|one| {
                    text(one, "/type") == Some("Ready") && text(one, "/status") == Some("True")
                });
            Some(json!({
                "addresses": [address], "conditions": { "ready": ready },
                "targetRef": { "kind": "Pod", "name": pod.name, "namespace": pod.namespace },
            }))
        })
        .collect();
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    let name = format!("{}-slice", reference.name);
    let slice = ObjectRef::namespaced(resource("EndpointSlice"), namespace, &name);
    let Some(live) = store.seen(&slice).cloned() else {
        let body = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": name, "namespace": namespace,
                "labels": {
                    "kubernetes.io/service-name": reference.name,
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
                "ownerReferences": super::owner(object),
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": object.at("/spec/ports"),
        });
        store.make(&slice.resource, body);
        return;
    };
    if list(&live, "/endpoints").ne(endpoints.iter()) {
        store.write(&slice, &live, json!({ "endpoints": endpoints }));
    }
}

//! Who is asked: the Service that a host name means, and the pods behind it. Reads live objects, decides nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::{Ask, ProbeTask};
use crate::driver::{ListRequest, ObjectRef, Problem, Query, Seen};
use crate::inventory::Resource;

/// The Service that a name means inside a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) service: String,
    /// Of a name like `db-0.db.shop.svc` the pod.
    pub(super) pod: Option<String>,
    /// It can be nothing else: `web` or `web.shop.svc`, whereas `example.com` may be a name of the world outside.
    pub(super) certain: bool,
}

/// Which Service is meant, by the rules of DNS for Services (Kubernetes documentation, "DNS for Services and Pods").
pub(super) fn place(task: &ProbeTask<'_>) -> Option<Place> {
    let host = task.probe.host.as_str();
    if host.parse::<IpAddr>().is_ok() || host.ends_with('.') {
        return None;
    }
    let place = |pod: Option<&str>, service: &str, namespace: &str, certain| {
        Some(Place {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            pod: pod.map(str::to_owned),
            certain,
        })
    };
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        ["localhost"] => None,
        [service] => place(None, service, task.namespace, true),
        [service, namespace] => place(None, service, namespace, false),
        [service, namespace, "svc", ..] => place(None, service, namespace, true),
        [pod, service, namespace, "svc", ..] => place(Some(pod), service, namespace, true),
        _ => None,
    }
}

impl Place {
    fn service_object(&self) -> ObjectRef {
        let resource = Resource::namespaced("v1", "Service", "services");
        ObjectRef::namespaced(resource, &self.namespace, &self.service)
    }

    fn pod_list(&self) -> ListRequest {
        ListRequest {
            resource: Resource::namespaced("v1", "Pod", "pods"),
            namespace: Some(self.namespace.clone()),
            labels: BTreeMap::new(),
        }
    }

    /// The name that means the same in every namespace.
    fn absolute(&self, host: &str) -> String {
        if host.contains(".svc") {
            return host.to_owned();
        }
        format!("{}.{}.svc", self.service, self.namespace)
    }
}

/// What is read about who is asked.
pub(super) fn look(task: &ProbeTask<'_>) -> Vec<Query> {
    place(task).map_or_else(Vec::new, |place| {
        vec![
            Query::Object(place.service_object()),
            Query::List(place.pod_list()),
        ]
    })
}

/// Who is asked, as far as the cluster knows.
#[derive(Debug)]
pub(super) enum Target<'s> {
    /// Somebody whom the cluster does not know: an address, a name of the world outside.
    Elsewhere,
    /// A Service that is not there.
    Missing(Place),
    /// A Service and the pods behind it that run; those that are ready first. `selects` is false for a Service without pods of its own.
    Service {
        place: Place,
        service: &'s Value,
        selects: bool,
        pods: Vec<&'s Value>,
    },
}

/// Who is asked. Without the right to read Services and pods it is somebody unknown.
pub(super) fn target<'s>(task: &ProbeTask<'_>, seen: &'s Seen) -> Result<Target<'s>, Problem> {
    let Some(place) = place(task) else {
        return Ok(Target::Elsewhere);
    };
    let Some(service) = seen.object(&place.service_object())? else {
        return Ok(if place.certain {
            Target::Missing(place)
        } else {
            Target::Elsewhere
        });
    };
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let selector = selector.filter(|selector| !selector.is_empty());
    let mut pods: Vec<&Value> = seen
        .list(&place.pod_list())?
        .iter()
        .filter(|pod| {
            selector.is_some_and(|selector| {
                selector
                    .iter()
                    .all(|(key, value)| label(pod, key) == value.as_str())
            })
        })
        .filter(|pod| {
            let wanted = place.pod.as_deref();
            wanted.is_none_or(|wanted| text(pod, "/metadata/name") == Some(wanted))
        })
        .filter(|pod| {
            text(pod, "/status/phase") == Some("Running")
                && pod.pointer("/metadata/deletionTimestamp").is_none()
        })
        .collect();
    pods.sort_by_key(|pod| {
        (
            !is_ready(pod),
            text(pod, "/metadata/name").map(str::to_owned),
        )
    });
    Ok(Target::Service {
        place,
        service,
        selects: selector.is_some(),
        pods,
    })
}

impl Target<'_> {
    /// The host as a pod of any namespace has to say it.
    pub(super) fn host(&self, task: &ProbeTask<'_>) -> String {
        let host = &task.probe.host;
        match self {
            Self::Service { place, .. } => place.absolute(host),
            Self::Elsewhere | Self::Missing(_) => match (&task.probe.ask, place(task)) {
                (Ask::Dns { .. }, Some(place)) if place.certain => place.absolute(host),
                _ => host.clone(),
            },
        }
    }
}

pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten()
}

pub(super) fn label<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object.pointer("/metadata/labels")?.get(key)?.as_str()
}

pub(super) fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions").any(|condition| {
        text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True")
    })
}

/// The port of a pod to which a Service's port leads.
pub(super) fn pod_port(service: &Value, pod: &Value, port: u16) -> u16 {
    let of_service = list(service, "/spec/ports")
        .find(|one| one.get("port").and_then(Value::as_u64) == Some(u64::from(port)));
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    let Some(target) = of_service.and_then(|one| one.get("targetPort")) else {
        return port;
    };
    if let Some(number) = number(target) {
        return number;
    }
    list(pod, "/spec/containers")
        .flat_map(|container| list(container, "/ports"))
        .find(|one| one.get("name") == Some(target))
        .and_then(|one| number(one.get("containerPort")?))
        .unwrap_or(port)
}

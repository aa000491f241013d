//! Admission: namespaces that are missing or going, and webhooks that nobody answers for.

use crate::sim::look::Look as _;
use refloat_core::driver::ObjectRef;
use serde_json::Value;

use super::catalogue::{Served, resource};
use super::selectors::selects;
use super::{Reply, Request, Server, list, status, text};

/// Annotation of a simulated configuration: fields (JSON pointers, a space between) that its webhooks refuse in what is created.
const ONLY_LATER: &str = "sim.refloat.io/only-later";
/// Annotation of a simulated configuration: a field that what is created may share with no object of its kind, itself included.
const UNIQUE: &str = "sim.refloat.io/unique";

/// Refuses what is to be created in a namespace that is not there or is going.
pub(super) fn namespace(server: &Server, kind: &Served, place: &ObjectRef) -> Result<(), Reply> {
    let Some(namespace) = &place.namespace else {
        return Ok(());
    };
    let parent = ObjectRef::cluster(resource("Namespace"), namespace);
    let Some(live) = server.objects.get(&parent) else {
        let namespaces = server.kinds.served(&parent.resource)?;
        return Err(status::not_found(&namespaces, namespace));
    };
    if live.at("/metadata/deletionTimestamp").is_some() {
        return Err(status::terminating(kind, &place.name, namespace));
    }
    Ok(())
}

/// What built-in plugins add.
pub(super) fn mutate(kind: &Served, object: &mut Value) {
    if !kind.is_custom() && kind.resource.kind == "Pod" {
        let account = object.at("/spec/serviceAccountName").is_none();
        if account && object.get("spec").is_some_and(Value::is_object) {
            object["spec"]["serviceAccountName"] = Value::from("default");
        }
    }
}

/// Webhooks of an update, of the object itself or of its status.
pub(super) fn webhooks_of_update(
    server: &Server,
    kind: &Served,
    request: &Request,
    stage: &str,
    object: &Value,
) -> Result<(), Reply> {
    let subresource = request.subresource.as_deref();
    call_all(server, kind, ("UPDATE", subresource), stage, object)
}

/// Calls the webhooks that match; one that cannot be called fails the request unless its policy is `Ignore`.
pub(super) fn webhooks(
    server: &Server,
    kind: &Served,
    operation: &str,
    stage: &str,
    object: &Value,
) -> Result<(), Reply> {
    call_all(server, kind, (operation, None), stage, object)
}

fn call_all(
    server: &Server,
    kind: &Served,
    operation: (&str, Option<&str>),
    stage: &str,
    object: &Value,
) -> Result<(), Reply> {
    if kind.resource.group == "admissionregistration.k8s.io" {
        return Ok(());
    }
    let configurations = resource(&format!("{stage}WebhookConfiguration"));
    for (_, configuration) in server.objects.of_kind(&configurations) {
        for webhook in list(configuration, "/webhooks") {
            if !list(webhook, "/rules")
                .iter()
                .any(|rule| covers(rule, kind, operation))
                || !is_selected(server, kind, webhook, object)
            {
                continue;
            }
            let name = text(webhook, "/name").unwrap_or_default();
            let Some(trouble) = trouble(server, webhook) else {
                match denial(server, kind, configuration, operation, object) {
                    Some(why) => return Err(status::denied(name, &why)),
                    None => continue,
                }
            };
            if text(webhook, "/failurePolicy") == Some("Ignore") {
                continue;
            }
            return Err(status::internal(&format!(
                "failed calling webhook \"{name}\": failed to call webhook: {trouble}"
            )));
        }
    }
    Ok(())
}

/// Why a webhook that answers says no.
fn denial(
    server: &Server,
    kind: &Served,
    configuration: &Value,
    operation: (&str, Option<&str>),
    object: &Value,
) -> Option<String> {
    let annotations = configuration.at("/metadata/annotations")?;
    let told = |key: &str| annotations.get(key).and_then(Value::as_str);
    if operation != ("CREATE", None) {
        return None;
    }
    let mut later = told(ONLY_LATER).into_iter().flat_map(str::split_whitespace);
    if let Some(pointer) = later.find(|pointer| object.at(pointer).is_some()) {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        return Some(format!("{field}: Forbidden: must not be present on create"));
    }
    let pointer = told(UNIQUE)?;
    let value = object.at(pointer)?;
    let mut others = server.objects.of_kind(&kind.resource);
    let (other, _) = others.find(|(_, live)| live.at(pointer) == Some(value))?;
    Some(format!(
        "{value} overlaps with existing {} {}",
        kind.resource.kind, other.name
    ))
}

fn covers(rule: &Value, kind: &Served, (operation, subresource): (&str, Option<&str>)) -> bool {
    let has = |key: &str, wanted: &str| {
        list(rule, key)
            .iter()
            .any(|one| one == "*" || one.as_str() == Some(wanted))
    };
    let plural = &kind.resource.plural;
    let named = match subresource {
        Some(subresource) => format!("{plural}/{subresource}"),
        None => plural.clone(),
    };
    let resources = list(rule, "/resources").iter().any(|one| {
        one == "*/*" || one.as_str() == Some(&named) || one == "*" && subresource.is_none()
    });
    resources
        && has("/operations", operation)
        && has("/apiGroups", &kind.resource.group)
        && has("/apiVersions", &kind.resource.version)
}

fn is_selected(server: &Server, kind: &Served, webhook: &Value, object: &Value) -> bool {
    let labels = object.at("/metadata/labels");
    if !selects(webhook.get("objectSelector"), labels) {
        return false;
    }
    let selector = webhook.get("namespaceSelector");
    if !kind.resource.namespaced {
        return kind.resource.kind != "Namespace" || selects(selector, labels);
    }
    let namespace = text(object, "/metadata/namespace").unwrap_or_default();
    let namespace = ObjectRef::cluster(resource("Namespace"), namespace);
    let labels = server
        .objects
        .get(&namespace)
        .and_then(|live| live.at("/metadata/labels"));
    selects(selector, labels)
}

/// Why a webhook cannot be called: its Service is missing, or nobody is behind it.
fn trouble(server: &Server, webhook: &Value) -> Option<String> {
    let service = webhook.at("/clientConfig/service")?;
    let (namespace, name) = (text(service, "/namespace")?, text(service, "/name")?);
    let url = format!("Post \"https://{name}.{namespace}.svc:443/?timeout=10s\"");
    let place = ObjectRef::namespaced(resource("Service"), namespace, name);
    if server.objects.get(&place).is_none() {
        return Some(format!("{url}: service \"{name}\" not found"));
    }
    let slices = resource("EndpointSlice");
    let ready = server.objects.of_kind(&slices).any(|(slice, live)| {
        slice.namespace.as_deref() == Some(namespace)
            && live
                .at("/metadata/labels")
                .and_then(|labels| labels.get("kubernetes.io/service-name"))
                .and_then(Value::as_str)
                == Some(name)
            && list(live, "/endpoints")
                .iter()
                .any(|one| one.at("/conditions/ready") != Some(&Value::Bool(false)))
    });
    (!ready).then(|| format!("{url}: no endpoints available for service \"{name}\""))
}

//! Which objects the API server asks a webhook about when they are created: rules and selectors of admission configurations.

use serde_json::json;

use crate::inventory::{Resource, Thing};
use crate::json::{Json, Tree};

/// Group of admission configurations: no webhook is asked about them.
pub(super) const GROUP: &str = "admissionregistration.k8s.io";

/// Groups of Kubernetes itself: a creation of theirs can always be tried.
const OWN_GROUPS: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "batch",
    "policy",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// True for a group that Kubernetes itself serves.
pub(super) fn is_own(group: &str) -> bool {
    OWN_GROUPS.contains(&group)
}

fn text<'a>(value: &'a Json, pointer: &str) -> Option<&'a str> {
    value.at(pointer)?.text()
}

fn elements<'a>(value: &'a Json, pointer: &str) -> &'a [Json] {
    value.at(pointer).map_or(&[], Tree::items)
}

/// A pod as a workload makes it.
pub(super) fn pod_of(workload: &Thing) -> Option<Thing> {
    if workload.id().is("", "Pod") {
        return None;
    }
    workload.pod_spec()?;
    let template = match workload.resource.kind.as_str() {
        "CronJob" => "/spec/jobTemplate/spec/template/metadata/labels",
        _ => "/spec/template/metadata/labels",
    };
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": workload.name(), "namespace": workload.namespace(), "labels": workload.at(template),
        },
    });
    Thing::new(Resource::namespaced("v1", "Pod", "pods"), object)
}

/// True when a rule of a webhook names this kind.
pub(super) fn may_be_asked(hook: &Json, group: &str, plural: &str) -> bool {
    elements(hook, "/rules")
        .iter()
        .any(|rule| names(rule, "/apiGroups", group) && names(rule, "/resources", plural))
}

/// True when a rule of a webhook names this kind by its very group.
pub(super) fn is_about(hook: &Json, group: &str, plural: &str) -> bool {
    elements(hook, "/rules").iter().any(|rule| {
        let mut groups = elements(rule, "/apiGroups").iter().filter_map(Tree::text);
        groups.any(|one| one == group) && names(rule, "/resources", plural)
    })
}

fn names(rule: &Json, key: &str, wanted: &str) -> bool {
    elements(rule, key)
        .iter()
        .filter_map(Tree::text)
        .any(|one| one == "*" || one == "*/*" || one == wanted)
}

/// Whether a webhook is asked about the creation of a thing; `labels_of` are those of a namespace. What its conditions let through is
/// the server's to say.
pub(super) fn is_asked<'a>(
    hook: &Json,
    thing: &Thing,
    labels_of: impl Fn(&str) -> Option<&'a Json>,
) -> bool {
    let id = thing.id();
    if id.group == GROUP {
        return false;
    }
    let by_rule = elements(hook, "/rules").iter().any(|rule| {
        let scope = match text(rule, "/scope") {
            Some("Namespaced") => id.namespace.is_some(),
            Some("Cluster") => id.namespace.is_none(),
            _ => true,
        };
        scope
            && names(rule, "/apiGroups", &id.group)
            && names(rule, "/resources", &thing.resource.plural)
            && names(rule, "/operations", "CREATE")
    });
    let in_namespace = match (&id.namespace, id.is("", "Namespace")) {
        (Some(namespace), _) => selects(
            hook.get("namespaceSelector"),
            labels_of(namespace),
            Some(namespace),
        ),
        (None, true) => selects(
            hook.get("namespaceSelector"),
            thing.object.pointer("/metadata/labels"),
            Some(&id.name),
        ),
        (None, false) => true,
    };
    by_rule
        && in_namespace
        && selects(
            hook.get("objectSelector"),
            thing.object.pointer("/metadata/labels"),
            None,
        )
}

/// Whether a label selector takes these labels; every namespace has its name as a label.
fn selects(selector: Option<&Json>, labels: Option<&Json>, namespace: Option<&str>) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    let label = |key: &str| match (key, namespace) {
        ("kubernetes.io/metadata.name", Some(name)) => Some(name),
        _ => labels.and_then(|labels| labels.get(key)?.as_str()),
    };
    let equal = selector.get("matchLabels").and_then(Json::as_object);
    let equal = equal
        .into_iter()
        .flatten()
        .all(|(key, value)| label(key) == value.as_str());
    equal
        && elements(selector, "/matchExpressions").iter().all(|one| {
            let has = label(text(one, "/key").unwrap_or_default());
            let listed = has.is_some_and(|has| {
                elements(one, "/values")
                    .iter()
                    .any(|value| value.as_str() == Some(has))
            });
            match text(one, "/operator") {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => has.is_some(),
                Some("DoesNotExist") => has.is_none(),
                _ => true,
            }
        })
}

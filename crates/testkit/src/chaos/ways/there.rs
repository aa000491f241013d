//! What is at the second site beforehand: some of the application's objects, each as it is in the point or otherwise, and objects of others.

use refloat_core::inventory::Resource;
use serde_json::{Map, Value, json};

use crate::chaos::application::{Application, OPERATOR_NAME};
use crate::chaos::lots::Lots;
use crate::sim::resource;

/// Kinds that can be updated and replaced. What holds data is never, and a StatefulSet makes claims.
const KINDS: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Deployment",
    "Ingress",
    "CronJob",
    "NetworkPolicy",
    "CustomResourceDefinition",
];

/// Who wrote what is there.
const WRITERS: &[&str] = &["kubectl-client-side-apply", "helm", "terraform"];

pub(super) fn draw(lots: &mut Lots, application: &Application) -> Vec<(Resource, Value)> {
    let share = *lots.pick(&[30, 60, 100]);
    let mut all = Vec::new();
    for (resource, object) in &application.objects {
        if !KINDS.contains(&resource.kind.as_str()) || !lots.chance(share) {
            continue;
        }
        let mut object = object.clone();
        if lots.chance(70) {
            let writer = *lots.pick(WRITERS);
            object["metadata"]["managedFields"] = json!([{
                "manager": writer, "operation": "Update", "time": "2025-12-01T00:00:00Z",
                "apiVersion": resource.api_version(), "fieldsType": "FieldsV1",
                "fieldsV1": { "f:spec": {}, "f:data": {} },
            }]);
        }
        if lots.chance(80) {
            vary(lots, &resource.kind, &mut object);
        }
        if !loses_its_claim(application, &object) && !is_asked(resource, &object) {
            all.push((resource.clone(), object));
        }
    }
    for namespace in &application.namespaces {
        if all.is_empty() || lots.chance(40) {
            all.push(of_others(namespace, "others"));
        }
    }
    all
}

/// What mounts a claim that has an owner would lose it to a rollback: the claim is collected with its owner.
fn loses_its_claim(application: &Application, object: &Value) -> bool {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let mounts = object["spec"]["template"]["spec"]["volumes"].is_array();
    mounts && application.claim_owners.contains_key(namespace)
}

/// The Service behind a webhook: with a label more in its selector, which an update keeps, nobody would answer any more.
fn is_asked(resource: &Resource, object: &Value) -> bool {
    resource.kind == "Service" && object["metadata"]["name"] == OPERATOR_NAME
}

/// Something that the point knows nothing of.
fn of_others(namespace: &str, name: &str) -> (Resource, Value) {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace },
        "data": { "whose": "others" },
    });
    (resource("ConfigMap"), object)
}

/// Makes it another object of that name: a field more, a field less, another value.
fn vary(lots: &mut Lots, kind: &str, object: &mut Value) {
    for _ in 0..=lots.below(2) {
        match lots.below(4) {
            0 => object["metadata"]["labels"]["mine"] = json!("yes"),
            1 => object["metadata"]["annotations"]["example.com/mine"] = json!("yes"),
            _ => content(lots, kind, object),
        }
    }
}

fn content(lots: &mut Lots, kind: &str, object: &mut Value) {
    let first = lots.chance(50);
    match kind {
        "ConfigMap" | "Secret" => data(lots, object),
        "Deployment" if first => object["spec"]["replicas"] = json!(1 + lots.below(3)),
        "Deployment" => {
            let template = &mut object["spec"]["template"];
            template["metadata"]["annotations"]["example.com/mine"] = json!("yes");
            template["spec"]["containers"][0]["image"] = json!("mine.local/another:0");
        }
        "Service" if first => object["spec"]["selector"]["mine"] = json!("yes"),
        "Service" => object["spec"]["ports"] = json!([{ "name": "mine", "port": 8080 }]),
        "Role" | "ClusterRole" => {
            let rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] });
            object["rules"] = json!([rule]);
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let subject =
                json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mine" });
            object["subjects"] = json!([subject]);
        }
        "CronJob" if first => object["spec"]["suspend"] = json!(true),
        "CronJob" => object["spec"]["schedule"] = json!("@monthly"),
        "NetworkPolicy" => object["spec"]["policyTypes"] = json!(["Ingress", "Egress"]),
        "Ingress" => object["spec"]["rules"] = json!([{ "host": "mine.example.com" }]),
        _ => object["metadata"]["labels"]["mine"] = json!("yes"),
    }
}

/// Another value, a key more, or a key less.
fn data(lots: &mut Lots, object: &mut Value) {
    let text = json!("bWluZQ==");
    let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) else {
        object["data"] = Value::Object(Map::from_iter([("mine".to_owned(), text)]));
        return;
    };
    let key = data.keys().next().cloned().unwrap_or_default();
    match lots.below(3) {
        0 => data.insert("mine".to_owned(), text),
        1 => data.insert(key, text),
        _ => data.remove(&key),
    };
}

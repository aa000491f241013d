//! Made-up applications: what each has, and in which proportions. Pure; called by `create`, `compare` and `page`.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Objects of one application.
pub(super) const PER_APPLICATION: u32 = SECRETS + CONFIG_MAPS + OTHERS;
const SECRETS: u32 = 20;
const CONFIG_MAPS: u32 = 16;
/// One each of the other kinds.
const OTHERS: u32 = 8;
const APPLICATIONS_PER_NAMESPACE: u32 = 50;
/// Fewer applications than fill so many namespaces are spread over them.
const NAMESPACES_MIN: u32 = 3;
/// One Service of so many takes an address; the others are headless.
const ADDRESS_EVERY: u32 = 10;

/// What all that is made here is found by.
pub(super) const SELECTOR: &str = "app.kubernetes.io/part-of=mixed";
/// The custom resources' definition; nobody acts on them.
pub(super) const DEFINITION: &str = "contracts.mixed.example.com";
/// Field manager of whoever creates.
const INSTALLER: &str = "helm";
/// Field managers that come later, and how many ConfigMaps of an application have a field of theirs.
pub(super) const LATER: [(&str, u32); 2] = [("argocd-controller", 4), ("hotfix", 2)];

/// Kinds, as kubectl names them, and how many of each an application has.
pub(super) const KINDS: [(&str, u32); 10] = [
    ("secrets", SECRETS),
    ("configmaps", CONFIG_MAPS),
    ("serviceaccounts", 1),
    ("roles.rbac.authorization.k8s.io", 1),
    ("rolebindings.rbac.authorization.k8s.io", 1),
    ("services", 1),
    ("networkpolicies.networking.k8s.io", 1),
    ("deployments.apps", 1),
    ("cronjobs.batch", 1),
    (DEFINITION, 1),
];

/// How many of all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) applications: u32,
    pub(super) namespaces: u32,
}

impl Size {
    /// As many whole applications as so many objects allow.
    pub(super) fn of(objects: u32) -> Self {
        let applications = (objects / PER_APPLICATION).max(1);
        let namespaces = applications.div_ceil(APPLICATIONS_PER_NAMESPACE);
        Self {
            applications,
            namespaces: namespaces.max(NAMESPACES_MIN),
        }
    }

    /// Objects of all applications.
    pub(super) fn objects(self) -> u32 {
        self.applications * PER_APPLICATION
    }

    pub(super) fn namespace_names(self) -> Vec<String> {
        (0..self.namespaces).map(namespace_name).collect()
    }

    fn all(self) -> impl Iterator<Item = Application> {
        (0..self.applications).map(move |number| Application {
            number,
            namespace: namespace_name(number % self.namespaces),
        })
    }
}

fn namespace_name(number: u32) -> String {
    format!("mixed-{number:03}")
}

struct Application {
    number: u32,
    namespace: String,
}

/// Text that is not worth compressing, the same for the same seed.
fn noise(seed: &str, characters: usize) -> String {
    let mut text = String::new();
    let mut block = Sha256::digest(seed);
    while text.len() < characters {
        text.push_str(&hex::encode(block));
        block = Sha256::digest(block);
    }
    text.truncate(characters);
    text
}

/// Calls that make the namespaces.
pub(super) fn namespaces(size: Size) -> impl Iterator<Item = Value> {
    size.namespace_names().into_iter().map(|name| {
        json!({ "path": "/api/v1/namespaces", "body": {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/part-of": "mixed" } },
        } })
    })
}

/// The call that makes the custom resources' definition.
pub(super) fn definition() -> Value {
    json!({ "path": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "body": {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": DEFINITION },
        "spec": {
            "group": "mixed.example.com", "scope": "Namespaced",
            "names": { "kind": "Contract", "plural": "contracts", "singular": "contract", "listKind": "ContractList" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object",
                "properties": { "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            } } }],
        },
    } })
}

/// Calls that make what is in the namespaces.
pub(super) fn contents(size: Size) -> impl Iterator<Item = Value> {
    size.all().flat_map(|application| application.calls())
}

/// What a later manager applies, an object each.
pub(super) fn applied(size: Size, manager: &str, of_each: u32) -> Vec<Value> {
    let one = |application: &Application, number: u32| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": application.config_map(number), "namespace": application.namespace },
            "data": { manager: format!("set by {manager}") },
        })
    };
    size.all()
        .flat_map(|application| {
            let numbers = 0..of_each.min(CONFIG_MAPS);
            let objects: Vec<Value> = numbers.map(|number| one(&application, number)).collect();
            objects
        })
        .collect()
}

impl Application {
    fn name(&self) -> String {
        format!("application-{:05}", self.number)
    }

    fn config_map(&self, number: u32) -> String {
        format!("{}-settings-{number}", self.name())
    }

    fn secret(&self, number: u32) -> String {
        format!("{}-secret-{number}", self.name())
    }

    /// One call: an object of this application.
    fn call(&self, group: &str, (kind, plural): (&str, &str), name: &str, body: Value) -> Value {
        let root = if group.contains('/') { "/apis" } else { "/api" };
        let mut object = json!({
            "apiVersion": group, "kind": kind,
            "metadata": {
                "name": name, "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/part-of": "mixed", "app.kubernetes.io/instance": self.name(),
                    "app.kubernetes.io/managed-by": "Helm",
                },
                "annotations": { "meta.helm.sh/release-name": self.name() },
            },
        });
        if let (Some(object), Value::Object(body)) = (object.as_object_mut(), body) {
            object.extend(body);
        }
        let path = format!(
            "{root}/{group}/namespaces/{}/{plural}?fieldManager={INSTALLER}",
            self.namespace
        );
        json!({ "path": path, "body": object })
    }

    fn calls(&self) -> Vec<Value> {
        let mut all = self.secrets();
        all.extend(self.config_maps());
        all.extend(self.rights());
        all.extend(self.network());
        all.extend(self.workloads());
        let terms = json!({ "spec": {
            "customer": noise(&self.name(), 24), "seats": self.number % 97 + 1,
            "accountSecretRef": { "name": self.secret(1) },
        } });
        let kind = ("Contract", "contracts");
        all.push(self.call("mixed.example.com/v1", kind, &self.name(), terms));
        all
    }

    fn secrets(&self) -> Vec<Value> {
        let one = |number: u32| {
            let name = self.secret(number);
            let body = if number.is_multiple_of(10) {
                json!({
                    "type": "kubernetes.io/tls",
                    "stringData": { "tls.crt": noise(&name, 1800), "tls.key": noise(&format!("{name} key"), 1700) },
                })
            } else {
                json!({
                    "type": "Opaque",
                    "stringData": { "username": noise(&name, 12), "password": noise(&name, 128) },
                })
            };
            self.call("v1", ("Secret", "secrets"), &name, body)
        };
        (0..SECRETS).map(one).collect()
    }

    fn config_maps(&self) -> Vec<Value> {
        let one = |number: u32| {
            let name = self.config_map(number);
            let long = if number % 8 == 7 { 4000 } else { 400 };
            let data = json!({ "data": {
                "MODE": format!("mode-{}", self.number % 7), "LIMIT": self.number.to_string(),
                "application.properties": noise(&name, long),
            } });
            self.call("v1", ("ConfigMap", "configmaps"), &name, data)
        };
        (0..CONFIG_MAPS).map(one).collect()
    }

    fn rights(&self) -> Vec<Value> {
        let (name, group) = (self.name(), "rbac.authorization.k8s.io");
        let rules = json!({ "rules": [
            { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [self.config_map(0)], "verbs": ["get", "watch"] },
        ] });
        let binding = json!({
            "roleRef": { "apiGroup": group, "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": self.namespace }],
        });
        let version = format!("{group}/v1");
        vec![
            self.call(
                "v1",
                ("ServiceAccount", "serviceaccounts"),
                &name,
                json!({}),
            ),
            self.call(&version, ("Role", "roles"), &name, rules),
            self.call(&version, ("RoleBinding", "rolebindings"), &name, binding),
        ]
    }

    fn network(&self) -> Vec<Value> {
        let (name, labels) = (self.name(), json!({ "app": self.name() }));
        let mut service =
            json!({ "spec": { "selector": labels, "ports": [{ "name": "http", "port": 80 }] } });
        if !self.number.is_multiple_of(ADDRESS_EVERY) {
            service["spec"]["clusterIP"] = "None".into();
        }
        let policy = json!({ "spec": {
            "podSelector": { "matchLabels": labels }, "policyTypes": ["Ingress"],
            "ingress": [{ "ports": [{ "port": 80 }] }],
        } });
        let kind = ("NetworkPolicy", "networkpolicies");
        vec![
            self.call("v1", ("Service", "services"), &name, service),
            self.call("networking.k8s.io/v1", kind, &name, policy),
        ]
    }

    /// Nothing of it runs: no replicas, and jobs that are suspended.
    fn workloads(&self) -> Vec<Value> {
        let (name, labels) = (self.name(), json!({ "app": self.name() }));
        let password = json!({ "secretKeyRef": { "name": self.secret(1), "key": "password" } });
        let container = json!({
            "name": "main", "image": "refloat.local/client:1", "imagePullPolicy": "Never", "command": ["sleep", "infinity"],
            "envFrom": [{ "configMapRef": { "name": self.config_map(0) } }, { "secretRef": { "name": self.secret(2) } }],
            "env": [
                { "name": "PASSWORD", "valueFrom": password },
                { "name": "MODE", "valueFrom": { "configMapKeyRef": { "name": self.config_map(1), "key": "MODE" } } },
            ],
            "volumeMounts": [{ "name": "tls", "mountPath": "/tls" }],
        });
        let pod = json!({
            "serviceAccountName": name, "containers": [container],
            "volumes": [{ "name": "tls", "secret": { "secretName": self.secret(0) } }],
        });
        let deployment = json!({ "spec": {
            "replicas": 0, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod },
        } });
        let mut once = pod;
        once["restartPolicy"] = "Never".into();
        let job = json!({ "spec": {
            "schedule": "0 4 * * *", "suspend": true,
            "jobTemplate": { "spec": { "template": { "spec": once } } },
        } });
        vec![
            self.call("apps/v1", ("Deployment", "deployments"), &name, deployment),
            self.call("batch/v1", ("CronJob", "cronjobs"), &name, job),
        ]
    }
}

//! Workloads of a random application: clients of databases, files with and without hooks, plain ones.

use refloat_core::names::{ANNOTATION_FREEZE, ANNOTATION_HOLD, ANNOTATION_THAW};
use serde_json::{Value, json};

use super::{Drawing, ONCE, deployment, stateful_set};

impl Drawing<'_> {
    pub(super) fn workloads(&mut self) {
        for index in 0..=self.lots.below(3) {
            let namespace = self.namespace();
            self.client(&namespace, &format!("web{index}"));
        }
        if self.lots.chance(40) {
            let namespace = self.namespace();
            self.files(&namespace);
        }
        if self.lots.chance(30) {
            let namespace = self.namespace();
            self.uploads(&namespace);
        }
        if self.lots.chance(35) {
            let namespace = self.namespace();
            self.once(&namespace);
        }
    }

    /// Where a client finds a database, as its configuration says.
    fn address(&mut self, namespace: &str) -> Option<String> {
        if self.servers.is_empty() || self.lots.chance(25) {
            return None;
        }
        let (of, server) = self.lots.pick(&self.servers).clone();
        let near = of == namespace && self.lots.chance(60);
        let host = if near {
            server
        } else {
            format!("{server}.{of}.svc")
        };
        Some(format!("postgres://app@{host}:5432/app"))
    }

    /// A Deployment that names a database in its environment, in a ConfigMap, or nowhere.
    fn client(&mut self, namespace: &str, name: &str) {
        let mut container = json!({ "name": "web", "image": "refloat.local/web:1" });
        let mut said = "which database is not said".to_owned();
        if let Some(address) = self.address(namespace) {
            said.clone_from(&address);
            if self.lots.chance(50) {
                let map = format!("{name}-settings");
                let body = json!({ "data": { "url": address } });
                self.put("ConfigMap", Some(namespace), &map, body);
                container["envFrom"] = json!([{ "configMapRef": { "name": map } }]);
            } else {
                container["env"] = json!([{ "name": "URL", "value": address }]);
            }
        }
        let starts = self.lots.below(7);
        let replicas = u32::try_from(1 + self.lots.below(2)).unwrap_or(1);
        let body = deployment(
            name,
            replicas,
            starts,
            &json!({ "containers": [container] }),
        );
        self.put("Deployment", Some(namespace), name, body);
        self.say(format!("client {namespace}/{name}: {said}"));
        if self.lots.chance(70) {
            self.service(namespace, name, false);
            if self.lots.chance(60) {
                self.ingress(namespace, name);
            }
        }
        if self.lots.chance(20) {
            let child = (
                namespace.to_owned(),
                name.to_owned(),
                format!("{name}-child"),
            );
            self.made.children.push(child);
        }
    }

    fn ingress(&mut self, namespace: &str, name: &str) {
        let backend = json!({ "service": { "name": name, "port": { "number": 80 } } });
        let paths = json!([{ "path": "/", "pathType": "Prefix", "backend": backend }]);
        let spec =
            json!({ "ingressClassName": "nginx", "rules": [{ "http": { "paths": paths } }] });
        self.put("Ingress", Some(namespace), name, json!({ "spec": spec }));
    }

    /// A StatefulSet that no driver knows; sometimes it says itself how it is held.
    fn files(&mut self, namespace: &str) {
        let container = json!({
            "name": "files", "image": "files:1",
            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
        });
        let pod = json!({ "containers": [container] });
        let mut body = stateful_set("files", 1, &pod, &["data"]);
        let hook = match self.lots.below(3) {
            0 => {
                body["annotations"] = json!({ ANNOTATION_HOLD: r#"["lock"]"# });
                "with a hold of its own"
            }
            1 => {
                body["annotations"] = json!({
                    ANNOTATION_FREEZE: r#"["freeze"]"#, ANNOTATION_THAW: r#"["thaw"]"#,
                });
                "frozen and thawed"
            }
            _ => "without a hook",
        };
        self.put("StatefulSet", Some(namespace), "files", body);
        self.say(format!("files {namespace}/files: {hook}"));
    }

    /// A Deployment with a claim of its own.
    fn uploads(&mut self, namespace: &str) {
        let claim = json!({ "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "btrfs",
            "resources": { "requests": { "storage": "2Gi" } },
        } });
        self.put("PersistentVolumeClaim", Some(namespace), "uploads", claim);
        let pod = json!({
            "containers": [{
                "name": "uploads", "image": "uploads:1",
                "volumeMounts": [{ "name": "all", "mountPath": "/uploads" }],
            }],
            "volumes": [{ "name": "all", "persistentVolumeClaim": { "claimName": "uploads" } }],
        });
        let body = deployment("uploads", 1, 1, &pod);
        self.put("Deployment", Some(namespace), "uploads", body);
        self.say(format!("uploads {namespace}/uploads"));
    }

    /// A workload with a command that may not be given twice.
    fn once(&mut self, namespace: &str) {
        let pod: Value = json!({ "containers": [{ "name": "tally", "image": "tally:1" }] });
        let mut body = stateful_set("tally", 1, &pod, &[]);
        body["annotations"] = json!({ ONCE: "tally" });
        self.put("StatefulSet", Some(namespace), "tally", body);
        self.say(format!(
            "tally {namespace}/tally: a command that may be given once"
        ));
    }
}

//! How fast a big recovery is planned and shown: a made-up inventory of mixed objects, each stage timed, the peak of memory.
//!
//! `plan_speed OBJECTS`: prints one line of JSON. Called by `cargo xtask bench plan`, built for speed. Holds the generator and the
//! clock; what is measured is `refloat-core` alone.

use std::io::Write as _;
use std::time::Instant;

use refloat_core::backup::{self, Member, Mode, Part, PointContent};
use refloat_core::inventory::{Inventory, Resource, Thing, ThingId};
use refloat_core::names::{ProtectionName, RunId, SiteName};
use refloat_core::plan::{
    Around, Detail, Evidence, Goal, Language, Mappings, NodePorts, Selection, plan,
};
use refloat_core::recovery::Existing;
use refloat_testkit::sim::resource;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error>;

const NAMESPACES: usize = 60;
const VOLUMES: usize = 500;
const DATABASES: usize = 50;
/// Custom kinds, each with an operator.
const CUSTOM_KINDS: usize = 6;
/// Of a hundred objects so many are of a kind; what is left are ConfigMaps.
const SECRETS: usize = 34;
const DEPLOYMENTS: usize = 8;
const SERVICES: usize = 8;
const INGRESSES: usize = 3;
const CUSTOM: usize = 6;
const ACCOUNTS: usize = 5;
const ROLES: usize = 4;
const REPLICA_SETS: usize = 8;

fn namespace(number: usize) -> String {
    format!("team-{:02}", number % NAMESPACES)
}

fn custom(kind: usize) -> Resource {
    Resource::namespaced(
        &format!("kind{kind}.example.com/v1"),
        &format!("Widget{kind}"),
        &format!("widget{kind}s"),
    )
}

struct Maker {
    things: Vec<Thing>,
}

impl Maker {
    #[allow(
        clippy::needless_pass_by_value,
        reason = "bodies are written where they are used"
    )]
    fn put(&mut self, resource: Resource, namespace: Option<&str>, name: &str, body: Value) {
        let mut object = json!({
            "apiVersion": resource.api_version(), "kind": resource.kind,
            "metadata": {
                "name": name, "uid": format!("{}-{}-{name}", resource.kind, namespace.unwrap_or("")),
                "labels": { "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm" },
                "resourceVersion": "1000", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{
                    "manager": "helm", "operation": "Update", "apiVersion": resource.api_version(),
                    "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
                    "fieldsV1": { "f:data": {}, "f:spec": {}, "f:metadata": { "f:labels": {} } },
                }],
            },
        });
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        for (key, value) in body.as_object().into_iter().flatten() {
            if key == "metadata" {
                for (key, value) in value.as_object().into_iter().flatten() {
                    object["metadata"][key] = value.clone();
                }
            } else {
                object[key] = value.clone();
            }
        }
        self.things.extend(Thing::new(resource, object));
    }

    /// What every namespace has, and the custom kinds with their operators.
    fn ground(&mut self) {
        for number in 0..NAMESPACES {
            let name = namespace(number);
            self.put(resource("Namespace"), None, &name, json!({}));
            let account = resource("ServiceAccount");
            self.put(account, Some(&name), "default", json!({}));
        }
        for kind in 0..CUSTOM_KINDS {
            self.operator(kind);
        }
    }

    fn operator(&mut self, kind: usize) {
        let names = custom(kind);
        let (group, name, plural) = (&names.group, &names.kind, &names.plural);
        let (home, own) = (namespace(kind), format!("operator-{kind}"));
        let at = Some(home.as_str());
        self.put(
            resource("CustomResourceDefinition"),
            None,
            &format!("{plural}.{group}"),
            json!({ "spec": { "group": group, "scope": "Namespaced",
                "names": { "kind": name, "plural": plural } } }),
        );
        self.put(resource("ServiceAccount"), at, &own, json!({}));
        self.put(
            resource("ClusterRole"),
            None,
            &own,
            json!({ "rules": [{ "apiGroups": [group], "resources": [plural], "verbs": ["update", "patch"] }] }),
        );
        self.put(
            resource("ClusterRoleBinding"),
            None,
            &own,
            json!({ "roleRef": { "kind": "ClusterRole", "name": own },
                "subjects": [{ "kind": "ServiceAccount", "name": own, "namespace": home }] }),
        );
        let pod = json!({ "serviceAccountName": own, "containers": [{ "name": "operator" }] });
        self.put(resource("Deployment"), at, &own, workload(&own, &pod));
    }

    fn database(&mut self, number: usize) {
        let (home, name) = (namespace(number), format!("db-{number}"));
        let at = Some(home.as_str());
        let pod = json!({ "containers": [{ "name": "postgres", "image": "postgres:16",
            "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }] }] });
        let mut set = workload(&name, &pod);
        set["spec"]["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" } }]);
        self.put(resource("StatefulSet"), at, &name, set);
        let ports = json!({ "selector": { "app": name }, "ports": [{ "port": 5432 }] });
        self.put(resource("Service"), at, &name, json!({ "spec": ports }));
    }

    fn claim(&mut self, number: usize) {
        let (home, name) = claim_of(number);
        let spec = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": { "requests": { "storage": "10Gi" } } });
        let kind = resource("PersistentVolumeClaim");
        self.put(kind, Some(&home), &name, json!({ "spec": spec }));
    }

    /// One of the mixed rest.
    fn mixed(&mut self, number: usize) {
        let (hundred, place) = (number / 100, number % 100);
        let mut from = 0;
        let mut in_share = |share: usize| {
            let inside = (from..from + share).contains(&place);
            from += share;
            inside
        };
        let home = namespace(hundred);
        let at = Some(home.as_str());
        // Of one hundred all are of one namespace, so that they can name one another.
        let named = |place: usize| format!("app-{hundred}-{place}");
        let own = named(place);
        if in_share(SECRETS) {
            let data = json!({ "username": "dXNlcg==", "password": format!("{number:0128x}") });
            self.put(
                resource("Secret"),
                at,
                &own,
                json!({ "type": "Opaque", "data": data }),
            );
        } else if in_share(DEPLOYMENTS) {
            let deployment = self.deployment(hundred, place - SECRETS);
            self.put(resource("Deployment"), at, &own, deployment);
        } else if in_share(SERVICES) {
            let app = named(place - DEPLOYMENTS);
            let ports = json!({ "selector": { "app": app }, "ports": [{ "port": 80 }] });
            self.put(resource("Service"), at, &own, json!({ "spec": ports }));
        } else if in_share(INGRESSES) {
            let service = named(place - SERVICES);
            let path = json!({ "path": "/", "backend": { "service": { "name": service } } });
            let rules =
                json!([{ "host": format!("{own}.example.com"), "http": { "paths": [path] } }]);
            self.put(
                resource("Ingress"),
                at,
                &own,
                json!({ "spec": { "rules": rules } }),
            );
        } else if in_share(CUSTOM) {
            let spec = json!({ "secretRef": { "name": named(place % SECRETS) }, "size": place });
            self.put(
                custom(place % CUSTOM_KINDS),
                at,
                &own,
                json!({ "spec": spec }),
            );
        } else if in_share(ACCOUNTS) {
            self.put(resource("ServiceAccount"), at, &own, json!({}));
        } else if in_share(ROLES) {
            let rules =
                json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }]);
            self.put(resource("Role"), at, &own, json!({ "rules": rules }));
            let subject = named(place - ACCOUNTS);
            self.put(
                resource("RoleBinding"),
                at,
                &own,
                json!({ "roleRef": { "kind": "Role", "name": own },
                    "subjects": [{ "kind": "ServiceAccount", "name": subject, "namespace": home }] }),
            );
        } else if in_share(REPLICA_SETS) {
            let deployment = named(SECRETS + place % DEPLOYMENTS);
            let uid = format!("Deployment-{home}-{deployment}");
            let owners = json!([{ "kind": "Deployment", "name": deployment, "uid": uid, "controller": true }]);
            let body = json!({ "metadata": { "ownerReferences": owners }, "spec": {} });
            self.put(resource("ReplicaSet"), at, &own, body);
        } else {
            let data = json!({ "settings.yaml": format!("mode: production\nnumber: {number}\n") });
            self.put(resource("ConfigMap"), at, &own, json!({ "data": data }));
        }
    }

    /// Reads a Secret and a ConfigMap, names its namespace's database; some mount a volume.
    fn deployment(&self, hundred: usize, place: usize) -> Value {
        let secret = format!("app-{hundred}-{place}");
        let map = format!("app-{hundred}-{}", 99 - place);
        let app = format!("app-{hundred}-{}", SECRETS + place);
        let account = SECRETS + DEPLOYMENTS + SERVICES + INGRESSES + CUSTOM + place % ACCOUNTS;
        let host = format!("db-{}.{}.svc", hundred % NAMESPACES, namespace(hundred));
        let volume = hundred * DEPLOYMENTS + place;
        let mut pod = json!({
            "serviceAccountName": format!("app-{hundred}-{account}"),
            "containers": [{
                "name": "app", "image": "registry.example.com/app:1.2.3",
                "env": [
                    { "name": "DATABASE_HOST", "value": host },
                    { "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": secret, "key": "password" } } },
                ],
                "envFrom": [{ "configMapRef": { "name": map } }],
                "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
            }],
        });
        let (home, claim) = claim_of(DATABASES + volume);
        if DATABASES + volume < VOLUMES && home == namespace(hundred) {
            pod["volumes"] =
                json!([{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }]);
        }
        workload(&app, &pod)
    }
}

fn workload(app: &str, pod: &Value) -> Value {
    json!({ "spec": {
        "replicas": 2, "selector": { "matchLabels": { "app": app } },
        "template": { "metadata": { "labels": { "app": app } }, "spec": pod },
    } })
}

/// Those of databases come first.
fn claim_of(number: usize) -> (String, String) {
    if number < DATABASES {
        (namespace(number), format!("data-db-{number}-0"))
    } else {
        let hundred = (number - DATABASES) / DEPLOYMENTS;
        (namespace(hundred), format!("files-{number}"))
    }
}

fn objects(count: usize) -> Inventory {
    let mut maker = Maker { things: Vec::new() };
    maker.ground();
    (0..DATABASES).for_each(|number| maker.database(number));
    (0..VOLUMES).for_each(|number| maker.claim(number));
    let mut number = 0;
    while maker.things.len() < count {
        maker.mixed(number);
        number += 1;
    }
    maker.things.truncate(count);
    let mut inventory = Inventory::of(maker.things);
    "v1.34.4".clone_into(&mut inventory.kubernetes_version);
    inventory
}

fn part(number: usize) -> Result<Part, Failure> {
    let (namespace, name) = claim_of(number);
    Ok(Part {
        id: format!("{namespace}/{name}"),
        driver: "csi-snapshot".to_owned(),
        claim: json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "resources": { "requests": { "storage": "10Gi" } } } }),
        storage_class: "fast".to_owned(),
        csi_driver: "csi.example.com".to_owned(),
        capacity: "10Gi".to_owned(),
        cut: "2026-01-01T00:00:00Z".parse()?,
        snapshot_handle: "handle".to_owned(),
        snapshot: format!("{number:064x}"),
        tree: format!("{number:064x}"),
        files: 1_000,
        bytes: 4 << 30,
        bytes_added: 4 << 30,
    })
}

fn member(number: usize) -> Member {
    let (namespace, name) = (namespace(number), format!("db-{number}"));
    Member {
        name: format!("{namespace}/{name}"),
        driver: "postgresql".to_owned(),
        thing: ThingId::namespaced("apps", "StatefulSet", &namespace, &name),
        mode: Mode::AtomicVolume,
        evidence: Vec::new(),
        engine: std::collections::BTreeMap::new(),
        settings: std::collections::BTreeMap::new(),
        parts: vec![format!("{namespace}/data-{name}-0")],
        held: None,
    }
}

fn point(objects: &Inventory) -> Result<PointContent, Failure> {
    let owned = objects.iter().map(Thing::id);
    Ok(PointContent {
        protection: ProtectionName::new("everything")?,
        site: SiteName::new("primary")?,
        run: RunId::new("backup-1")?,
        namespaces: (0..NAMESPACES).map(namespace).collect(),
        spec: json!({}),
        kubernetes_version: "v1.34.4".to_owned(),
        cluster_uid: "cluster-a".to_owned(),
        began: "2026-01-01T00:00:00Z".parse()?,
        members: (0..DATABASES).map(member).collect(),
        parts: (0..VOLUMES).map(part).collect::<Result<_, _>>()?,
        capture: None,
        objects: None,
        required: Vec::new(),
        owned: owned
            .filter(|id| id.namespace.is_none() && id.kind != "Namespace")
            .collect(),
        findings: Vec::new(),
        architectures: Vec::new(),
        gates: Vec::new(),
    })
}

fn target(objects: &Inventory) -> Inventory {
    let class = json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "fast" } });
    let mut target = Inventory::of(Thing::new(resource("StorageClass"), class));
    for thing in objects.iter() {
        if !target.served.contains(&thing.resource) {
            target.served.push(thing.resource.clone());
        }
    }
    "v1.34.4".clone_into(&mut target.kubernetes_version);
    target
}

fn goal() -> Result<Goal, Failure> {
    Ok(Goal {
        run: RunId::new("restore-1")?,
        site: SiteName::new("secondary")?,
        evidence: Some(Evidence::SourceDead {
            reason: "a measurement".to_owned(),
        }),
        existing: Existing::Fail,
        storage_classes: std::collections::BTreeMap::new(),
        mover_image: "refloat.local/refloat:dev".to_owned(),
        cluster_uid: "cluster-b".to_owned(),
        node_ports: NodePorts::Anew,
        mappings: Mappings::default(),
        selection: Selection::default(),
        skip_gates: std::collections::BTreeSet::new(),
        connections: refloat_core::plan::Connections::default(),
    })
}

/// Peak of this process's memory, in KiB.
fn peak() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    Ok(digits.ok_or("no VmHWM")?.parse()?)
}

/// Counts what is written, and keeps nothing.
struct Counted(u64);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Stages(Vec<Value>);

impl Stages {
    fn time<T>(&mut self, name: &str, work: impl FnOnce() -> T) -> T {
        let (start, used) = (Instant::now(), cpu_seconds());
        let done = work();
        let seconds = start.elapsed().as_secs_f64();
        self.0.push(
            json!({ "stage": name, "seconds": seconds, "cpu_seconds": cpu_seconds() - used }),
        );
        done
    }
}

/// CPU time of this process so far, all threads, in seconds: proc(5), fields 14 and 15 in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields.skip(11).take(2).flat_map(str::parse::<f64>).sum();
    ticks / 100.0
}

fn measure(count: usize) -> Result<Value, Failure> {
    let made = objects(count);
    let point = point(&made)?;
    let (target, goal) = (target(&made), goal()?);
    let stored: Vec<_> = backup::pack(made.into_things(), "v1.34.4").collect();
    let mut stages = Stages(Vec::new());
    let objects = stages.time("read the stored objects", || backup::unpack(stored));
    let objects = objects.map_err(|problem| format!("{problem:?}"))?;
    let planned = stages.time("plan", || {
        plan("everything/1", &point, &objects, &target, &goal)
    });
    let planned = planned.map_err(|problems| format!("{problems:?}"))?;
    let around = stages.time("what is at the target", || {
        Around::of(&planned, &target, &goal, Vec::new())
    });
    let view = stages.time("index and estimate", || planned.view(&around));
    let folded = stages.time("table", || view.tree(Detail::Folded));
    let peak_kib = peak()?;
    stages.time("table with --all", || view.tree(Detail::All));
    stages.time("digest", || planned.plan.digest());
    let mut counted = Counted(0);
    stages.time("JSON", || {
        serde_json::to_writer(&mut counted, &view.document())
    })?;
    let (web, database) = ("deploy/app-0-34", "sts/db-0");
    stages.time("explain one", || -> Result<(), Failure> {
        view.explain_one(view.find(web)?).text(false);
        Ok(())
    })?;
    stages.time("explain two", || -> Result<(), Failure> {
        view.explain(view.find(web)?, view.find(database)?).text();
        Ok(())
    })?;
    stages.time("mermaid", || view.graph(Language::Mermaid, Detail::Folded));
    let earlier = serde_json::to_value(view.document())?;
    let difference = stages.time("difference", || view.difference(&earlier))?;
    let edges: usize = planned.plan.steps.iter().map(|step| step.needs.len()).sum();
    Ok(json!({
        "objects": objects.len(), "steps": planned.plan.steps.len(), "edges": edges,
        "left_out": planned.left_out.len(), "stages": stages.0,
        "peak_kib": peak_kib, "peak_kib_all": peak()?,
        "lines": folded.lines().count(), "json_bytes": counted.0, "differs": difference.differs,
    }))
}

fn main() -> Result<(), Failure> {
    let count = std::env::args().nth(1).ok_or("plan_speed OBJECTS")?;
    let value = measure(count.parse()?)?;
    writeln!(std::io::stdout(), "{value}")?;
    Ok(())
}

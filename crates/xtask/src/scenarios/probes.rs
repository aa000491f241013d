//! Probes of real servers: by their own clients and by pods, and each no with its own reason. Afterwards nothing is left.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use crate::printer::say;
use crate::testbed::Site;

const NAMESPACE: &str = r"
apiVersion: v1
kind: Namespace
metadata: { name: probes }
---
apiVersion: v1
kind: Secret
metadata: { name: passwords, namespace: probes }
stringData: { root: not-a-secret }
";
/// A MariaDB that needs no volume.
const MARIADB: &str = r"{ name: mariadb, image: refloat.local/mariadb:10.11,
  env: [{ name: MARIADB_ROOT_PASSWORD, valueFrom: { secretKeyRef: { name: passwords, key: root } } }],";
/// One that lets nobody in without TLS. Its certificate is its own.
const MARIADB_TLS: &str = r"{ name: mariadb, image: refloat.local/mariadb:10.11,
  args: [--ssl-cert=/tls/certificate, --ssl-key=/tls/key, --require-secure-transport=ON],
  volumeMounts: [{ name: tls, mountPath: /tls }],
  env: [{ name: MARIADB_ROOT_PASSWORD, valueFrom: { secretKeyRef: { name: passwords, key: root } } }],";
/// The same of PostgreSQL, which takes no key that others may read.
const POSTGRES_TLS: &str = r#"{ name: postgres, image: refloat.local/postgres:15,
  command: [sh, -c, "install -o postgres -m 600 /tls/key /tmp/key && exec postgres-entrypoint -c ssl=on -c ssl_cert_file=/tls/certificate
    -c ssl_key_file=/tmp/key -c hba_file=/tls/rules"],
  volumeMounts: [{ name: tls, mountPath: /tls }],
  env: [{ name: POSTGRES_PASSWORD, valueFrom: { secretKeyRef: { name: passwords, key: root } } }],"#;
const RULES: &str = "local all all trust\nhostssl all all all scram-sha-256\n";
const REDIS: &str = r#"{ name: redis, image: refloat.local/client:1,
  command: [redis-server, --bind, "0.0.0.0", --save, "", --requirepass, $(REDIS_PASSWORD)],
  env: [{ name: REDIS_PASSWORD, valueFrom: { secretKeyRef: { name: passwords, key: root } } }],"#;
/// It answers gRPC's health check beside its own protocol (etcd documentation, "Monitoring").
const ETCD: &str = r#"{ name: etcd, image: refloat.local/client:1,
  command: [etcd, "--data-dir=/tmp/etcd", "--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://etcd:2379"],"#;
/// A policy that lets nobody in to the shop's web server.
const POLICY: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: nobody, namespace: shop }
spec:
  podSelector: { matchLabels: { app: web } }
";
/// What a probe says when the machine was too slow for its question: it is asked again.
const UNHEARD: [&str; 4] = [
    "probe-silent",
    "probe-timed-out",
    "probe-name-unasked",
    "probe-asking",
];

/// A Deployment of one such container, and its Service.
fn server(name: &str, port: u16, container: &str) -> String {
    format!(
        r"
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: probes }}
spec:
  selector: {{ app: {name} }}
  ports: [{{ port: {port} }}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name}, namespace: probes }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      terminationGracePeriodSeconds: 1
      volumes: [{{ name: tls, secret: {{ secretName: tls }} }}]
      containers:
        - {container}
            imagePullPolicy: Never,
            readinessProbe: {{ tcpSocket: {{ port: {port} }}, periodSeconds: 1 }} }}
"
    )
}

/// What the servers with TLS need.
fn tls() -> Result<String> {
    let names = ["maria-tls".to_owned(), "postgres-tls".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "tls", "namespace": "probes" },
        "stringData": {
            "certificate": made.cert.pem(), "key": made.signing_key.serialize_pem(), "rules": RULES,
        },
    });
    Ok(format!("\n{secret}\n"))
}

struct Asking<'a>(&'a Stage<'a>);

impl Asking<'_> {
    fn ask(&self, namespace: &str, probe: &Value, seconds: &str) -> Result<crate::refloat::Answer> {
        let text = probe.to_string();
        let words = [
            "probe",
            "ask",
            "--namespace",
            namespace,
            "--seconds",
            seconds,
            &text,
        ];
        self.0.refloat.answer(Some(Site::Primary), &words, &[])
    }

    /// It says yes, in this way.
    fn yes(&self, namespace: &str, probe: &Value, way: &str) -> Result<()> {
        let answer = self.ask(namespace, probe, "30")?;
        let heard = answer.value.get("way").and_then(Value::as_str);
        ensure!(
            answer.code == Some(0) && heard == Some(way),
            "{probe}: {} {}",
            answer.value,
            answer.said
        );
        say(format_args!(
            "  yes, by {way}: {} {}",
            probe["ask"], answer.value["said"]
        ));
        self.0.nothing_left(Site::Primary)
    }

    /// The answer to a question, which is asked again while nobody was heard.
    fn heard(&self, namespace: &str, probe: &Value) -> Result<crate::refloat::Answer> {
        for _ in 0..5 {
            let answer = self.ask(namespace, probe, "1")?;
            let is_unheard = matches!(answer.problems()[..], [code] if UNHEARD.contains(&code));
            if answer.code != Some(1) || !is_unheard {
                return Ok(answer);
            }
        }
        self.ask(namespace, probe, "1")
    }

    /// It says no, for this reason, in these words.
    fn no(&self, namespace: &str, probe: &Value, code: &str, words: &str) -> Result<()> {
        let answer = self.heard(namespace, probe)?;
        ensure!(
            answer.code == Some(1) && answer.problems() == [code],
            "{probe}: {} {}",
            answer.value,
            answer.said
        );
        ensure!(answer.value.to_string().contains(words), "{}", answer.value);
        say(format_args!(
            "  no: {}",
            answer.value["problems"][0]["message"]
        ));
        self.0.nothing_left(Site::Primary)
    }
}

pub(super) fn run(stage: &Stage<'_>) -> Result<()> {
    let asking = Asking(stage);
    let servers = [
        NAMESPACE.to_owned(),
        tls()?,
        server("maria", 3306, MARIADB),
        server("maria-tls", 3306, MARIADB_TLS),
        server("postgres-tls", 5432, POSTGRES_TLS),
        server("redis", 6379, REDIS),
        server("etcd", 2379, ETCD),
    ];
    stage
        .shop
        .kubectl(&["apply", "-f", "-"], &servers.join("---"))?;
    the_shop(&asking)?;
    for name in ["maria", "maria-tls", "postgres-tls", "redis", "etcd"] {
        let deployment = format!("deployment/{name}");
        let wait = ["rollout", "status", &deployment, "--timeout=180s"];
        stage
            .shop
            .kubectl(&[&["-n", "probes"], &wait[..]].concat(), "")?;
    }
    mariadb(stage, &asking)?;
    with_tls_only(&asking)?;
    redis_and_grpc(&asking)?;
    ways_that_are_closed(stage, &asking)?;
    stage
        .shop
        .kubectl(&["delete", "namespace", "probes", "--wait=false"], "")?;
    Ok(())
}

fn the_shop(asking: &Asking<'_>) -> Result<()> {
    let shop_password = json!({ "secret": "db-credentials", "password-key": "password" });
    let sql = |query: &str, expected: &str| json!({ "query": query, "expected": expected, "user": "shop" });
    let orders = "SELECT count(*) > 0 FROM accounts";
    asking.yes(
        "shop",
        &json!({ "host": "db", "ask": { "postgresql": sql(orders, "t") } }),
        "exec",
    )?;
    asking.yes(
        "shop",
        &json!({ "host": "db", "way": "pod", "credentials": shop_password, "ask": { "postgresql": sql(orders, "t") } }),
        "pod",
    )?;
    asking.no(
        "shop",
        &json!({ "host": "db", "ask": { "postgresql": sql("SELECT 'f'", "t") } }),
        "probe-other-answer",
        "not `t`",
    )?;
    asking.yes(
        "shop",
        &json!({ "host": "web", "ask": { "http": { "text": "balance=" } } }),
        "pod",
    )?;
    asking.no(
        "shop",
        &json!({ "host": "web", "ask": { "http": { "text": "closed" } } }),
        "probe-other-answer",
        "without",
    )?;
    asking.yes(
        "shop",
        &json!({ "host": "db", "ask": { "dns": {} } }),
        "pod",
    )?;
    asking.no(
        "shop",
        &json!({ "host": "db", "ask": { "grpc": {} }, "port": 5432 }),
        "probe-closed",
        "closed",
    )?;
    Ok(())
}

fn mariadb(stage: &Stage<'_>, asking: &Asking<'_>) -> Result<()> {
    asking.yes(
        "probes",
        &json!({ "host": "maria", "ask": { "mysql": {} } }),
        "exec",
    )?;
    // Its root comes only over the local socket.
    let make = "CREATE USER prober@'%' IDENTIFIED BY 'not-a-secret'";
    let client =
        format!("MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --user=root --execute \"{make}\"");
    for name in ["maria", "maria-tls"] {
        let deployment = format!("deployment/{name}");
        stage.shop.kubectl(
            &[
                "-n",
                "probes",
                "exec",
                &deployment,
                "--",
                "sh",
                "-c",
                &client,
            ],
            "",
        )?;
        asking.yes("probes", &mariadb_by_pod(name, "prober"), "pod")?;
        let nobody = mariadb_by_pod(name, "nobody");
        asking.no("probes", &nobody, "probe-unauthorized", "denied")?;
    }
    Ok(())
}

fn mariadb_by_pod(host: &str, user: &str) -> Value {
    json!({
        "host": host, "way": "pod", "ask": { "mysql": { "user": user } },
        "credentials": { "secret": "passwords", "password-key": "root" },
    })
}

fn with_tls_only(asking: &Asking<'_>) -> Result<()> {
    let question = |sql: &Value| {
        json!({
            "host": "postgres-tls", "way": "pod", "ask": { "postgresql": sql },
            "credentials": { "secret": "passwords", "password-key": "root" },
        })
    };
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let by_tls = question(&json!({ "query": query, "expected": "t" }));
    asking.yes("probes", &by_tls, "pod")?;
    let nobody = question(&json!({ "user": "nobody" }));
    asking.no("probes", &nobody, "probe-unauthorized", "nobody")
}

fn redis_and_grpc(asking: &Asking<'_>) -> Result<()> {
    let redis = json!({ "host": "redis", "ask": "redis" });
    asking.yes("probes", &redis, "exec")?;
    let by_pod = json!({
        "host": "redis", "way": "pod", "ask": "redis",
        "credentials": { "secret": "passwords", "password-key": "root" },
    });
    asking.yes("probes", &by_pod, "pod")?;
    let unnamed = json!({ "host": "redis", "way": "pod", "ask": "redis" });
    asking.no("probes", &unnamed, "probe-unauthorized", "NOAUTH")?;
    let health = |service: &str| json!({ "host": "etcd", "port": 2379, "ask": { "grpc": { "service": service } } });
    asking.yes("probes", &health(""), "pod")?;
    asking.no(
        "probes",
        &health("nobody"),
        "probe-bad-question",
        "unknown service",
    )?;
    let plain = json!({ "host": "redis", "port": 6379, "ask": { "grpc": {} } });
    asking.no("probes", &plain, "probe-other-protocol", "redis")?;
    asking.yes(
        "probes",
        &json!({ "host": "redis", "port": 6379, "ask": "tcp" }),
        "pod",
    )
}

/// A port where nobody listens, and one behind a policy. The testbed's network enforces no policies: a rule that drops does it in
/// its place, and the policy object tells why.
fn ways_that_are_closed(stage: &Stage<'_>, asking: &Asking<'_>) -> Result<()> {
    let pod = stage.shop.kubectl(
        &[
            "-n",
            "shop",
            "get",
            "pod",
            "-l",
            "app=web",
            "-o",
            "jsonpath={.items[0].status.podIP}",
        ],
        "",
    )?;
    let pod = pod.trim().parse().context("the pod has no address")?;
    let refused = json!({ "host": pod, "port": 9, "ask": "tcp" });
    asking.no("shop", &refused, "probe-refused", "refused")?;
    stage.shop.kubectl(&["apply", "-f", "-"], POLICY)?;
    stage.testbed.swallow(Site::Primary, pod, 8080)?;
    let blocked = json!({ "host": "web", "ask": { "http": {} }, "try-seconds": 2 });
    let heard = asking.no(
        "shop",
        &blocked,
        "probe-blocked-by-policy",
        "NetworkPolicy nobody",
    );
    stage.testbed.heal(Site::Primary)?;
    stage
        .shop
        .kubectl(&["-n", "shop", "delete", "networkpolicy", "nobody"], "")?;
    heard?;
    asking.yes(
        "shop",
        &json!({ "host": "web", "ask": { "http": {} } }),
        "pod",
    )
}

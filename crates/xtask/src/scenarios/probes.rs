//! Probes of real servers: by their own clients and by pods, and each no with its own reason. Afterwards nothing is left.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stage;
use crate::printer::say;
use crate::testbed::Site;

/// A MariaDB that needs no volume, and a policy that lets nobody in to the shop's web server.
const MARIADB: &str = r"
apiVersion: v1
kind: Namespace
metadata: { name: probes }
---
apiVersion: v1
kind: Secret
metadata: { name: passwords, namespace: probes }
stringData: { root: not-a-secret }
---
apiVersion: v1
kind: Service
metadata: { name: maria, namespace: probes }
spec:
  selector: { app: maria }
  ports: [{ port: 3306 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: maria, namespace: probes }
spec:
  selector: { matchLabels: { app: maria } }
  template:
    metadata: { labels: { app: maria } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: mariadb
          image: refloat.local/mariadb:10.11
          imagePullPolicy: Never
          env:
            - name: MARIADB_ROOT_PASSWORD
              valueFrom: { secretKeyRef: { name: passwords, key: root } }
          ports: [{ containerPort: 3306 }]
          readinessProbe:
            tcpSocket: { port: 3306 }
            periodSeconds: 1
";
/// A Redis with a password; and an etcd, which answers gRPC's health check beside its own protocol (etcd documentation, "Monitoring").
const REDIS_AND_ETCD: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: redis, namespace: probes }
spec:
  selector: { app: redis }
  ports: [{ port: 6379 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: redis, namespace: probes }
spec:
  selector: { matchLabels: { app: redis } }
  template:
    metadata: { labels: { app: redis } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: redis
          image: refloat.local/client:1
          imagePullPolicy: Never
          command: [redis-server, --bind, "0.0.0.0", --save, "", --requirepass, $(REDIS_PASSWORD)]
          env:
            - name: REDIS_PASSWORD
              valueFrom: { secretKeyRef: { name: passwords, key: root } }
          readinessProbe:
            tcpSocket: { port: 6379 }
            periodSeconds: 1
---
apiVersion: v1
kind: Service
metadata: { name: etcd, namespace: probes }
spec:
  selector: { app: etcd }
  ports: [{ port: 2379 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: etcd, namespace: probes }
spec:
  selector: { matchLabels: { app: etcd } }
  template:
    metadata: { labels: { app: etcd } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: etcd
          image: refloat.local/client:1
          imagePullPolicy: Never
          command:
            - etcd
            - --data-dir=/tmp/etcd
            - --listen-client-urls=http://0.0.0.0:2379
            - --advertise-client-urls=http://etcd:2379
          readinessProbe:
            tcpSocket: { port: 2379 }
            periodSeconds: 1
"#;
const POLICY: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: nobody, namespace: shop }
spec:
  podSelector: { matchLabels: { app: web } }
";

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

    /// It says no, for this reason, in these words.
    fn no(&self, namespace: &str, probe: &Value, code: &str, words: &str) -> Result<()> {
        let answer = self.ask(namespace, probe, "1")?;
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
    stage.shop.kubectl(&["apply", "-f", "-"], MARIADB)?;
    the_shop(&asking)?;
    mariadb(stage, &asking)?;
    redis_and_grpc(stage, &asking)?;
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
    stage.shop.kubectl(
        &[
            "-n",
            "probes",
            "rollout",
            "status",
            "deployment/maria",
            "--timeout=60s",
        ],
        "",
    )?;
    asking.yes(
        "probes",
        &json!({ "host": "maria", "ask": { "mysql": {} } }),
        "exec",
    )?;
    // Its root comes only over the local socket.
    let make = "CREATE USER prober@'%' IDENTIFIED BY 'not-a-secret'";
    let client =
        format!("MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --user=root --execute \"{make}\"");
    stage.shop.kubectl(
        &[
            "-n",
            "probes",
            "exec",
            "deployment/maria",
            "--",
            "sh",
            "-c",
            &client,
        ],
        "",
    )?;
    let by_pod = |user: &str| {
        json!({
            "host": "maria", "way": "pod", "ask": { "mysql": { "user": user } },
            "credentials": { "secret": "passwords", "password-key": "root" },
        })
    };
    asking.yes("probes", &by_pod("prober"), "pod")?;
    asking.no("probes", &by_pod("nobody"), "probe-unauthorized", "denied")?;
    Ok(())
}

fn redis_and_grpc(stage: &Stage<'_>, asking: &Asking<'_>) -> Result<()> {
    stage.shop.kubectl(&["apply", "-f", "-"], REDIS_AND_ETCD)?;
    for deployment in ["deployment/redis", "deployment/etcd"] {
        stage.shop.kubectl(
            &[
                "-n",
                "probes",
                "rollout",
                "status",
                deployment,
                "--timeout=60s",
            ],
            "",
        )?;
    }
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

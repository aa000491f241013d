//! Databases of a random application: PostgreSQL on one or two volumes or with a standby, MariaDB.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Drawing, stateful_set};
use crate::sim::Database;

impl Drawing<'_> {
    pub(super) fn databases(&mut self) {
        for index in 0..self.lots.below(4) {
            let namespace = self.namespace();
            match self.lots.below(5) {
                0 | 1 => self.postgresql(&namespace, &format!("pg{index}")),
                2 => self.postgresql_on_two(&namespace, &format!("wide{index}")),
                3 => self.postgresql_pair(&namespace, &format!("pair{index}")),
                _ => self.mariadb(&namespace, &format!("maria{index}")),
            }
        }
    }

    /// Service, Secret and StatefulSet of a server.
    fn server(
        &mut self,
        namespace: &str,
        name: &str,
        replicas: u32,
        container: &Value,
        volumes: &[&str],
    ) {
        let headless = self.lots.chance(50);
        self.service(namespace, name, headless);
        let secret = format!("{name}-password");
        let body = json!({ "type": "Opaque", "data": { "password": "eA==" } });
        self.put("Secret", Some(namespace), &secret, body);
        let mut container = container.clone();
        let password = json!({ "secretKeyRef": { "name": secret, "key": "password" } });
        container["env"] = json!([{ "name": "PASSWORD", "valueFrom": password }]);
        let pod = json!({ "containers": [container] });
        let body = stateful_set(name, replicas, &pod, volumes);
        self.put("StatefulSet", Some(namespace), name, body);
        self.servers.push((namespace.to_owned(), name.to_owned()));
        self.say(format!(
            "database {namespace}/{name}: {replicas} × {}",
            volumes.join(", ")
        ));
    }

    fn starts(&mut self) -> SignedDuration {
        SignedDuration::from_secs(*self.lots.pick(&[1, 2, 5, 12]))
    }

    fn postgresql(&mut self, namespace: &str, name: &str) {
        let container = json!({
            "name": "postgres", "image": "refloat.local/postgres:15",
            "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }],
        });
        self.server(namespace, name, 1, &container, &["data"]);
        let database = Database {
            starts: self.starts(),
            // Without it no copy is consistent without a hold.
            full_page_writes: self.lots.chance(70),
            ..Database::default()
        };
        let pod = format!("{namespace}/{name}-0");
        self.made.databases.insert(pod, database);
    }

    fn postgresql_on_two(&mut self, namespace: &str, name: &str) {
        let container = json!({
            "name": "postgres", "image": "postgres:15",
            "volumeMounts": [
                { "name": "data", "mountPath": "/var/lib/postgresql/data" },
                { "name": "wal", "mountPath": "/wal" },
            ],
        });
        self.server(namespace, name, 1, &container, &["data", "wal"]);
        let database = Database {
            starts: self.starts(),
            places: "0 data /var/lib/postgresql/data/pgdata\n1 wal /wal/pg_wal\n".to_owned(),
            ..Database::default()
        };
        let pod = format!("{namespace}/{name}-0");
        self.made.databases.insert(pod, database);
    }

    fn postgresql_pair(&mut self, namespace: &str, name: &str) {
        let container = json!({
            "name": "postgres", "image": "postgres:15",
            "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }],
        });
        self.server(namespace, name, 2, &container, &["data"]);
        let behind = *self.lots.pick(&[0.1, 60.0]);
        let primary = Database {
            replicas: json!([{
                "address": format!("ip-of-{name}-1"), "state": "streaming",
                "behind_bytes": 0, "behind_seconds": behind,
            }]),
            ..Database::default()
        };
        let standby = Database {
            in_recovery: true,
            ..Database::default()
        };
        for (ordinal, database) in [primary, standby].into_iter().enumerate() {
            let pod = format!("{namespace}/{name}-{ordinal}");
            self.made.databases.insert(pod, database);
        }
    }

    fn mariadb(&mut self, namespace: &str, name: &str) {
        let container = json!({
            "name": "mariadb", "image": "mariadb:10.11",
            "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/mysql" }],
        });
        self.server(namespace, name, 1, &container, &["data"]);
        let database = Database {
            // While it starts the simulated server speaks as PostgreSQL does.
            starts: SignedDuration::ZERO,
            places: "/var/lib/mysql\n".repeat(4),
            ..Database::default()
        };
        let pod = format!("{namespace}/{name}-0");
        self.made.databases.insert(pod, database);
    }
}

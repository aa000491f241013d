//! What is known to be a database, a queue or a cache: kinds of operators with the Services that they make, images, ports.
//!
//! A table of outside facts; decides nothing. Called by `resolving`, `phases` and the rules about databases.

use crate::json::Json;

use super::Is;
use crate::inventory::{Thing, ThingId};
use crate::run::Phase;

/// A kind whose operator runs a server.
pub(in crate::plan) struct Served {
    group: &'static str,
    kind: &'static str,
    pub(in crate::plan) is: Is,
    /// Names of the Services that the operator makes; `{}` is the resource's name.
    pub(super) services: &'static [&'static str],
}

const fn database(
    group: &'static str,
    kind: &'static str,
    services: &'static [&'static str],
) -> Served {
    Served {
        group,
        kind,
        is: Is::Database,
        services,
    }
}

const fn server(
    group: &'static str,
    kind: &'static str,
    services: &'static [&'static str],
) -> Served {
    Served {
        group,
        kind,
        is: Is::Server,
        services,
    }
}

/// From the documentation of each operator, on the Services that it creates.
const SERVED: &[Served] = &[
    database("postgresql.cnpg.io", "Cluster", &["{}-rw", "{}-ro", "{}-r"]),
    database("postgresql.cnpg.io", "Pooler", &["{}"]),
    database(
        "pxc.percona.com",
        "PerconaXtraDBCluster",
        &["{}-haproxy", "{}-haproxy-replicas", "{}-proxysql", "{}-pxc"],
    ),
    database(
        "ps.percona.com",
        "PerconaServerMySQL",
        &["{}-haproxy", "{}-router", "{}-mysql", "{}-mysql-primary"],
    ),
    database(
        "psmdb.percona.com",
        "PerconaServerMongoDB",
        &["{}-rs0", "{}-mongos", "{}-cfg"],
    ),
    database(
        "pgv2.percona.com",
        "PerconaPGCluster",
        &["{}-primary", "{}-replicas", "{}-pgbouncer", "{}-ha"],
    ),
    database(
        "postgres-operator.crunchydata.com",
        "PostgresCluster",
        &["{}-primary", "{}-replicas", "{}-pgbouncer", "{}-ha"],
    ),
    database(
        "acid.zalan.do",
        "postgresql",
        &["{}", "{}-repl", "{}-pooler"],
    ),
    database(
        "mongodbcommunity.mongodb.com",
        "MongoDBCommunity",
        &["{}-svc"],
    ),
    database(
        "k8s.mariadb.com",
        "MariaDB",
        &["{}", "{}-primary", "{}-secondary", "{}-internal"],
    ),
    database("mysql.oracle.com", "InnoDBCluster", &["{}", "{}-instances"]),
    server("rabbitmq.com", "RabbitmqCluster", &["{}", "{}-nodes"]),
    server(
        "kafka.strimzi.io",
        "Kafka",
        &["{}-kafka-bootstrap", "{}-kafka-brokers"],
    ),
    server(
        "redis.redis.opstreelabs.in",
        "Redis",
        &["{}", "{}-headless"],
    ),
    server(
        "redis.redis.opstreelabs.in",
        "RedisReplication",
        &["{}", "{}-headless", "{}-master", "{}-replica"],
    ),
    server(
        "redis.redis.opstreelabs.in",
        "RedisCluster",
        &["{}-leader", "{}-follower", "{}-master"],
    ),
    server(
        "redis.redis.opstreelabs.in",
        "RedisSentinel",
        &["{}-sentinel"],
    ),
    server(
        "databases.spotahome.com",
        "RedisFailover",
        &["rfs-{}", "rfrm-{}", "rfrs-{}"],
    ),
    server("dragonflydb.io", "Dragonfly", &["{}"]),
    server(
        "elasticsearch.k8s.elastic.co",
        "Elasticsearch",
        &["{}-es-http"],
    ),
    server("opensearch.opster.io", "OpenSearchCluster", &["{}"]),
    server("minio.min.io", "Tenant", &["{}-hl", "{}-console"]),
];

/// Words in the name of a database's image.
const DATABASE_IMAGES: &[&str] = &[
    "postgres",
    "postgis",
    "timescale",
    "mysql",
    "mariadb",
    "percona",
    "mongo",
    "cockroach",
    "cassandra",
    "scylla",
    "clickhouse",
    "couchdb",
    "neo4j",
    "influxdb",
];
/// Words in the name of another server's image.
const SERVER_IMAGES: &[&str] = &[
    "redis",
    "valkey",
    "keydb",
    "dragonfly",
    "memcached",
    "rabbitmq",
    "kafka",
    "redpanda",
    "nats",
    "activemq",
    "artemis",
    "pulsar",
    "elasticsearch",
    "opensearch",
    "solr",
    "etcd",
    "zookeeper",
    "minio",
    "pgbouncer",
    "pgpool",
    "proxysql",
    "qdrant",
    "weaviate",
    "milvus",
];
/// Words in the name of an image that only looks at a server.
const NO_SERVER_IMAGES: &[&str] = &[
    "exporter",
    "-ui",
    "express",
    "commander",
    "admin",
    "operator",
    "client",
    "backup",
    "tool",
    "migrat",
];
const DATABASE_PORTS: &[u64] = &[5432, 3306, 27017, 26257, 9042];
const SERVER_PORTS: &[u64] = &[
    6379, 26379, 11211, 5672, 5671, 9092, 4222, 6650, 9200, 2379, 2181, 6432,
];

/// What a custom resource is known to be.
pub(in crate::plan) fn served(id: &ThingId) -> Option<&'static Served> {
    SERVED.iter().find(|one| id.is(one.group, one.kind))
}

/// The phase of a custom resource that runs a server.
pub(in crate::plan) fn phase(id: &ThingId) -> Option<Phase> {
    match served(id)?.is {
        Is::Database => Some(Phase::Databases),
        Is::Server => Some(Phase::Queues),
        Is::Application => None,
    }
}

/// Databases of operators.
pub(in crate::plan) fn is_database(id: &ThingId) -> bool {
    served(id).is_some_and(|one| one.is == Is::Database)
}

/// What a workload looks like, by its first container's image and the ports of the Service in front of it.
pub(super) fn looks_like(workload: &Thing, service: &Thing) -> Is {
    let image = workload
        .pod_spec()
        .and_then(|spec| spec.pointer("/containers/0/image"))
        .and_then(Json::as_str)
        .unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let name = last.split([':', '@']).next().unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if !has(NO_SERVER_IMAGES) {
        if has(SERVER_IMAGES) {
            return Is::Server;
        }
        if has(DATABASE_IMAGES) {
            return Is::Database;
        }
    }
    let listens = |ports: &[u64]| {
        service
            .list("/spec/ports")
            .iter()
            .filter_map(|port| port.get("port").and_then(Json::as_u64))
            .any(|port| ports.contains(&port))
    };
    if listens(DATABASE_PORTS) {
        Is::Database
    } else if listens(SERVER_PORTS) {
        Is::Server
    } else {
        Is::Application
    }
}

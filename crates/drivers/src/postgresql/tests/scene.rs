//! A server in its pod and what it answers; a driver's task is asked until it needs no more reading.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refloat_core::driver::{
    Answer, Claim, Driver, ExecAnswer, Op, Outcome, Problem, Query, Role, Seen, Task, Verdict,
};
use refloat_core::inventory::ThingId;
use refloat_core::names::RunId;
use serde_json::{Value, json};

use crate::postgresql::Postgresql;

pub(super) struct Scene {
    pub(super) pods: Vec<Value>,
    /// What the servers in other pods than `db-0` say.
    pub(super) others: BTreeMap<String, Value>,
    /// What `psql` prints.
    pub(super) said: Value,
    /// Exit code and standard error of `psql`.
    pub(super) psql: (Option<i32>, String),
    /// Exit code, standard output and standard error of the look at devices.
    pub(super) devices: (i32, String, String),
    pub(super) claim: Claim,
    pub(super) inputs: BTreeMap<String, Value>,
    pub(super) prior: BTreeMap<String, Outcome>,
    pub(super) ran: Option<Outcome>,
}

pub(super) fn claim_id(name: &str) -> ThingId {
    ThingId::namespaced("", "PersistentVolumeClaim", "shop", name)
}

pub(super) fn pod(owner: &Value, phase: &str) -> Value {
    json!({
        "metadata": { "name": "db-0", "ownerReferences": [owner] },
        "spec": { "containers": [{ "name": "postgres" }, { "name": "exporter" }] },
        "status": {
            "phase": phase,
            "containerStatuses": [{ "name": "postgres", "state": { "running": {} } }],
        },
    })
}

pub(super) fn good() -> Scene {
    let settings = [
        ("container", "postgres"),
        ("user", "shop"),
        ("database", "shop"),
        ("mounts", "/etc/certs,/var/lib/postgresql/data"),
    ];
    let claim = Claim {
        driver: "postgresql".to_owned(),
        role: Role::Database,
        thing: ThingId::namespaced("apps", "StatefulSet", "shop", "db"),
        volumes: vec![claim_id("data-db-0")],
        settings: settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        notes: Vec::new(),
    };
    let volume = json!({ "settings": { "csi_driver": "btrfs.csi.refloat.io", "atomic": "true" } });
    Scene {
        pods: vec![pod(
            &json!({ "kind": "StatefulSet", "name": "db" }),
            "Running",
        )],
        said: json!({
            "version": "15.18", "fsync": "on", "full_page_writes": "on",
            "data_directory": "/var/lib/postgresql/data/pgdata",
            "in_recovery": false, "read_only": "off", "transaction": "4711",
            "system_identifier": "7000000000000000001", "lsn": "0/3000148", "timeline": 1,
        }),
        others: BTreeMap::new(),
        psql: (Some(0), String::new()),
        devices: (0, "64 data /var/lib/postgresql/data/pgdata\n64 wal /var/lib/postgresql/data/pgdata/pg_wal\n".to_owned(), String::new()),
        claim,
        inputs: BTreeMap::from([("volumes".to_owned(), json!([volume]))]),
        prior: BTreeMap::new(),
        ran: None,
    }
}

impl Scene {
    fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::List(_) => Answer::List(self.pods.clone()),
            Query::Exec(request) => {
                assert_eq!(request.container.as_deref(), Some("postgres"));
                assert_eq!(request.namespace, "shop");
                let other = self.others.get(&request.pod);
                assert!(other.is_some() || request.pod == "db-0", "{}", request.pod);
                let (code, stdout, stderr) = if request.command[0] == "psql" {
                    let stdout = format!("{}\n", other.unwrap_or(&self.said));
                    (self.psql.0, stdout, self.psql.1.clone())
                } else {
                    let (code, stdout, stderr) = self.devices.clone();
                    (Some(code), stdout, stderr)
                };
                Answer::Exec(ExecAnswer {
                    code,
                    stdout,
                    stderr,
                })
            }
            Query::Object(_) | Query::Log(_) | Query::Served(_) | Query::Rehearsal(_) => {
                panic!("it asks for {query:?}")
            }
        }
    }

    pub(super) fn decide(&self, op: Op) -> Verdict {
        let run = RunId::new("run-1").unwrap();
        let task = Task {
            op,
            run: &run,
            step: "step",
            claim: &self.claim,
            inputs: &self.inputs,
            prior: &self.prior,
            ran: self.ran.as_ref(),
        };
        let mut seen = Seen::default();
        let mut queries = Postgresql.look(&task);
        for _ in 0..4 {
            for query in queries {
                let answer = self.answer(&query);
                seen.insert(query, answer);
            }
            match Postgresql.decide(&task, &seen, Timestamp::UNIX_EPOCH) {
                Verdict::Look(more) => queries = more,
                verdict => return verdict,
            }
        }
        panic!("it reads for ever");
    }

    pub(super) fn outcome(&self, op: Op) -> Outcome {
        match self.decide(op) {
            Verdict::Done(outcome) => outcome,
            other => panic!("not done: {other:?}"),
        }
    }

    pub(super) fn problem(&self, op: Op) -> Problem {
        match self.decide(op) {
            Verdict::Stuck(problem) => problem,
            other => panic!("not stuck: {other:?}"),
        }
    }

    /// Code of the reason for which it waits.
    pub(super) fn wait(&self, op: Op) -> String {
        match self.decide(op) {
            Verdict::Wait(why) => why.code,
            other => panic!("it does not wait: {other:?}"),
        }
    }
}

//! The servers of one workload: what each says of itself, and which of them is copied.
//!
//! Of a primary and its standbys one is copied, and the others are rebuilt from it. A standby is preferred: nobody writes
//! through it. It is safe when it streams from this primary, is hardly behind, and its data directory with all tablespaces
//! lies on one volume that is cut at one moment, so that its `pg_control` is not older than any page (PostgreSQL
//! documentation, "Making a Base Backup Using the Low Level API": of a standby `pg_control` is copied last).

use std::collections::BTreeMap;

use refloat_core::driver::{ExecAnswer, Problem, Query, Seen, Task};
use serde_json::Value;

use super::{places, types};
use crate::workload;

/// A standby that is further behind is not taken.
pub(super) const BEHIND_SECONDS_MAX: u32 = 1;
/// Nor one with so much WAL still to replay.
pub(super) const BEHIND_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// One running server.
#[derive(Debug)]
pub(super) struct Server<'s> {
    pub(super) pod: &'s Value,
    pub(super) settings: Value,
    pub(super) places: &'s ExecAnswer,
    /// Of the volumes that are taken those that its pod mounts.
    pub(super) volumes: Vec<&'s Value>,
    /// How many volumes of the workload its pod mounts, taken or not.
    pub(super) volume_count: usize,
}

impl Server<'_> {
    pub(super) fn text(&self, key: &str) -> &str {
        let text = self.settings.get(key).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        let name = self.pod.pointer("/metadata/name").and_then(Value::as_str);
        name.unwrap_or_default()
    }

    pub(super) fn is_primary(&self) -> bool {
        self.settings.get("in_recovery") == Some(&Value::Bool(false))
    }

    /// Parts that it lies on.
    pub(super) fn parts(&self) -> Vec<&str> {
        let parts = self.volumes.iter();
        parts
            .filter_map(|volume| volume.get("claim")?.as_str())
            .collect()
    }
}

/// What every running server says, or what must be read first.
pub(super) fn ask<'s>(
    task: &'s Task<'_>,
    seen: &'s Seen,
) -> Result<Result<Vec<Server<'s>>, Vec<Query>>, Problem> {
    // No running pod has its own words.
    workload::running_pod(task, seen)?;
    let pods = workload::running_pods(task, seen)?;
    let name = |pod: &Value| {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str);
        name.unwrap_or_default().to_owned()
    };
    let requests: Vec<_> = pods
        .iter()
        .map(|pod| types::psql(task, &name(pod), super::backup::CHECK_SQL))
        .collect();
    let unread = |requests: &[refloat_core::driver::ExecRequest]| -> Vec<Query> {
        let queries = requests.iter().cloned().map(Query::Exec);
        queries.filter(|query| !seen.has(query)).collect()
    };
    let missing = unread(&requests);
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let mut said = Vec::new();
    for request in &requests {
        said.push(types::json_answer(task, seen.exec(request)?)?);
    }
    let places: Vec<_> = pods
        .iter()
        .zip(&said)
        .map(|(pod, said)| {
            let directory = said.get("data_directory").and_then(Value::as_str);
            let words = ["sh", "-c", places::SCRIPT, "sh", directory.unwrap_or("")];
            workload::command(task, &name(pod), &words, "")
        })
        .collect();
    let missing = unread(&places);
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let alone = pods.len() == 1;
    let mut servers = Vec::new();
    for ((pod, settings), request) in pods.into_iter().zip(said).zip(&places) {
        let mounted = mounted(task, pod);
        // A pod that runs alone is the whole workload.
        let is_its_own = |part: &str| alone || mounted.iter().any(|one| one == part);
        let taken = task.inputs.get("volumes").and_then(Value::as_array);
        let of_claim = task.claim.volumes.iter();
        servers.push(Server {
            pod,
            settings,
            places: seen.exec(request)?,
            volume_count: of_claim
                .filter(|volume| is_its_own(&part_of(task, &volume.name)))
                .count(),
            volumes: taken
                .into_iter()
                .flatten()
                .filter(|volume| {
                    let part = volume.get("claim").and_then(Value::as_str);
                    alone || part.is_some_and(is_its_own)
                })
                .collect(),
        });
    }
    Ok(Ok(servers))
}

fn part_of(task: &Task<'_>, claim: &str) -> String {
    let namespace = task.claim.thing.namespace.as_deref().unwrap_or_default();
    format!("{namespace}/{claim}")
}

/// Parts that a pod mounts.
fn mounted(task: &Task<'_>, pod: &Value) -> Vec<String> {
    pod.pointer("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
        .map(|claim| part_of(task, claim))
        .collect()
}

/// How far a standby is behind, in words, when it streams from this primary and may be taken.
fn behind(primary: &Server<'_>, standby: &Server<'_>) -> Result<String, String> {
    let address = standby.pod.pointer("/status/podIP").and_then(Value::as_str);
    let replicas = primary.settings.get("replicas").and_then(Value::as_array);
    let replica = replicas
        .into_iter()
        .flatten()
        .find(|replica| {
            address.is_some() && replica.get("address").and_then(Value::as_str) == address
        })
        .filter(|replica| replica.get("state").and_then(Value::as_str) == Some("streaming"));
    let Some(replica) = replica else {
        return Err(format!(
            "{} does not stream from {}",
            standby.name(),
            primary.name()
        ));
    };
    let number = |key: &str| replica.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let (seconds, bytes) = (number("behind_seconds"), number("behind_bytes"));
    let words = format!(
        "{} is {seconds:.1} s and {bytes:.0} bytes behind",
        standby.name()
    );
    if seconds > f64::from(BEHIND_SECONDS_MAX) || bytes > f64::from(BEHIND_BYTES_MAX) {
        return Err(words);
    }
    Ok(words)
}

/// Standbys that may be taken, each with how far it is behind; why others may not; and the primary.
pub(super) struct Family<'f, 's> {
    pub(super) primary: &'f Server<'s>,
    pub(super) standbys: Vec<(&'f Server<'s>, String)>,
    pub(super) others: Vec<String>,
}

/// Makes sure that several servers are one primary with its standbys.
pub(super) fn family<'f, 's>(servers: &'f [Server<'s>]) -> Result<Family<'f, 's>, String> {
    let mut primaries = servers.iter().filter(|server| server.is_primary());
    let (Some(primary), None) = (primaries.next(), primaries.next()) else {
        let count = servers.iter().filter(|server| server.is_primary()).count();
        return Err(format!(
            "{} servers of it run and {count} of them are primaries: they are no one database",
            servers.len()
        ));
    };
    let identity = primary.text("system_identifier");
    let stranger = servers
        .iter()
        .find(|server| identity.is_empty() || server.text("system_identifier") != identity);
    if let Some(stranger) = stranger {
        return Err(format!(
            "{} is no standby of {}: their system identifiers differ",
            stranger.name(),
            primary.name()
        ));
    }
    let mut family = Family {
        primary,
        standbys: Vec::new(),
        others: Vec::new(),
    };
    for standby in servers.iter().filter(|server| !server.is_primary()) {
        match behind(primary, standby) {
            Ok(words) => family.standbys.push((standby, words)),
            Err(why) => family.others.push(why),
        }
    }
    Ok(family)
}

/// As which part each part of the copied server comes back: that of the first ordinal, from which the others are rebuilt.
/// Only volumes of the workload's own templates have ordinals: `<template>-<workload>-<ordinal>`.
pub(super) fn names(task: &Task<'_>, server: &Server<'_>) -> BTreeMap<String, String> {
    let workload = &task.claim.thing.name;
    let split = |part: &str| -> Option<(String, u32)> {
        let (stem, ordinal) = part.rsplit_once('-')?;
        stem.strip_suffix(workload.as_str())?.strip_suffix('-')?;
        Some((stem.to_owned(), ordinal.parse().ok()?))
    };
    let first = |stem: &str| {
        let all = task.claim.volumes.iter();
        all.filter_map(|volume| split(&part_of(task, &volume.name)))
            .filter(|(other, _)| other == stem)
            .map(|(_, ordinal)| ordinal)
            .min()
    };
    server
        .parts()
        .into_iter()
        .filter_map(|part| {
            let (stem, ordinal) = split(part)?;
            let first = first(&stem)?;
            (first != ordinal).then(|| (part.to_owned(), format!("{stem}-{first}")))
        })
        .collect()
}

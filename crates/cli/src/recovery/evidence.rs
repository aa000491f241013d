//! Why the source cannot write any more: a person's word, or what is seen at the source itself.

use std::path::PathBuf;

use clap::Args;
use refloat_core::backup::PointContent;
use refloat_core::driver::ListRequest;
use refloat_core::inventory::Resource;
use refloat_core::plan::Evidence;
use refloat_world::{Cluster, ConnectOptions};
use serde_json::Value;

use crate::failure::Failure;

/// Evidence that the source is dead.
#[derive(Debug, Args)]
pub(super) struct SourceEvidence {
    /// The source is dead, and why: your word, recorded with the recovery
    #[arg(long, value_name = "REASON", conflicts_with_all = ["isolated", "source_kubeconfig"])]
    source_dead: Option<String>,
    /// The copy will not meet users or the source's peers
    #[arg(long, conflicts_with = "source_kubeconfig")]
    isolated: bool,
    /// Kubeconfig of the source: looked at for running pods
    #[arg(long, value_name = "FILE")]
    source_kubeconfig: Option<PathBuf>,
    /// Context in that kubeconfig
    #[arg(long, value_name = "NAME", requires = "source_kubeconfig")]
    source_context: Option<String>,
}

pub(super) async fn judge(
    arguments: &SourceEvidence,
    point: &PointContent,
) -> Result<Option<Evidence>, Failure> {
    if let Some(reason) = &arguments.source_dead {
        let reason = reason.trim().to_owned();
        if reason.is_empty() {
            return Err(Failure::refuse(
                "reason-missing",
                "`--source-dead` is recorded and needs a reason",
                "say in a few words how you know it",
            ));
        }
        return Ok(Some(Evidence::SourceDead { reason }));
    }
    if arguments.isolated {
        return Ok(Some(Evidence::Isolated));
    }
    let Some(kubeconfig) = &arguments.source_kubeconfig else {
        return Ok(None);
    };
    let source = Cluster::connect(ConnectOptions {
        kubeconfig: Some(kubeconfig.clone()),
        context: arguments.source_context.clone(),
        ..ConnectOptions::default()
    })
    .await
    .map_err(|error| {
        Failure::refuse(
            "source-unreachable",
            format!("the source cannot be asked ({error}): unreachable is not dead"),
            "fence it, then say so with `--source-dead REASON`",
        )
    })?;
    stopped(&source, point).await.map(Some)
}

async fn stopped(source: &Cluster, point: &PointContent) -> Result<Evidence, Failure> {
    let uid = source.cluster_uid();
    if uid != point.cluster_uid {
        return Err(Failure::refuse(
            "source-other-cluster",
            format!(
                "{} is not the cluster that the point was made in (site {})",
                source.server(),
                point.site
            ),
            "give the kubeconfig of that cluster",
        ));
    }
    let mut running = Vec::new();
    for namespace in &point.namespaces {
        let request = ListRequest {
            resource: Resource::namespaced("v1", "Pod", "pods"),
            namespace: Some(namespace.clone()),
            labels: std::collections::BTreeMap::new(),
        };
        for pod in source.list(&request).await? {
            let phase = pod.pointer("/status/phase").and_then(Value::as_str);
            if !matches!(phase, Some("Succeeded" | "Failed")) {
                let name = pod.pointer("/metadata/name").and_then(Value::as_str);
                running.push(format!("{namespace}/{}", name.unwrap_or_default()));
            }
        }
    }
    if let Some(first) = running.first() {
        return Err(Failure::refuse(
            "source-alive",
            format!(
                "the source is alive: {} pods are there in site {}, {first} among them",
                running.len(),
                point.site
            ),
            "scale its workloads to zero first, or recover with `--isolated`",
        ));
    }
    Ok(Evidence::SourceStopped {
        proof: format!(
            "no pod is left in {} of cluster {uid} at {}",
            point.namespaces.join(", "),
            jiff::Timestamp::now()
        ),
    })
}

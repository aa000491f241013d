//! What `plan`, `recover` and `verify` share: picking a point, looking at the target, judging the evidence, planning.

mod evidence;
mod gates;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
pub(crate) use gates::skip_gates;
use refloat_core::inventory::ThingId;
use refloat_core::names::{ProtectionName, RunId};
use refloat_core::plan::{self, Goal, Planned};
use refloat_core::recovery::Existing;
use refloat_core::run::{Progress, Work};
use refloat_vault::format::{PointDocument, PointId};
use refloat_vault::store::{RunJournal, SealedPoint};
use refloat_world::{Cluster, InventoryScope};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::printer::{bytes, moment};
use crate::seat::{Access, existing_namespaces, read_point_objects, vault_failure, writer_name};

/// Which point.
#[derive(Debug, Args)]
pub(crate) struct Pick {
    /// The newest point of this protection
    #[arg(long, value_name = "NAME", required_unless_present = "point")]
    protection: Option<ProtectionName>,
    /// This point: `shop/12`
    #[arg(long, value_name = "POINT", conflicts_with = "protection")]
    point: Option<PointId>,
}

/// How a recovery is wanted.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) pick: Pick,
    #[command(flatten)]
    evidence: evidence::SourceEvidence,
    /// What to do with objects that are at the target already
    #[arg(long, value_enum, default_value = "fail")]
    existing: ExistingOption,
    /// StorageClass to use for one of the source; once for each
    #[arg(long, value_name = "OLD=NEW", value_parser = mapping)]
    map_storage_class: Vec<(String, String)>,
    /// Do not wait for this gate of a user's own; once for each. Recorded
    #[arg(long, value_name = "GATE")]
    skip_gate: Vec<String>,
    /// Container image of Refloat, for the pods that move data
    #[arg(long, env = "REFLOAT_MOVER_IMAGE", value_name = "IMAGE")]
    mover_image: String,
}

impl Options {
    /// Image of the movers.
    pub(crate) fn mover_image(&self) -> &str {
        &self.mover_image
    }

    /// Gates that are not waited for.
    pub(crate) fn skip_gates(&self) -> &[String] {
        &self.skip_gate
    }
}

/// Values of `--existing`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExistingOption {
    /// Stop and say so
    Fail,
    /// Leave them as they are
    Skip,
}

fn mapping(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("write it as OLD=NEW".to_owned()),
    }
}

/// The point that is meant. An unusable newest point is an error: an older one loses data and is a person's choice.
pub(crate) async fn pick(access: &Access, pick: &Pick) -> Result<SealedPoint, Failure> {
    if let Some(id) = &pick.point {
        return access
            .vault
            .point(id)
            .await
            .map_err(|error| vault_failure(&error));
    }
    let protection = pick.protection.as_ref().ok_or_else(|| {
        Failure::refuse(
            "point-unnamed",
            "which point?",
            "give `--protection NAME` or `--point POINT`",
        )
    })?;
    let chain = access.chain(protection).await?;
    let usable: Vec<String> = chain
        .points
        .iter()
        .filter(|listed| listed.point.is_ok())
        .map(|listed| listed.id.to_string())
        .collect();
    let Some(newest) = chain.points.into_iter().last() else {
        return Err(Failure::refuse(
            "point-missing",
            format!("protection `{protection}` has no points in this vault"),
            "see `refloat vault list`",
        ));
    };
    newest.point.map_err(|error| {
        let mut failure = vault_failure(&error);
        if let Some(problem) = failure.problems.first_mut() {
            problem.hint = match usable.last() {
                Some(older) => format!(
                    "to recover the newest usable point all the same: `--point {older}`; {}",
                    error.hint()
                ),
                None => error.hint().to_owned(),
            };
        }
        failure
    })
}

/// A planned recovery.
pub(crate) struct Prepared {
    pub(crate) document: PointDocument,
    pub(crate) planned: Planned,
}

impl Prepared {
    /// What is recovered, in a few lines.
    pub(crate) fn heading(&self) -> String {
        let content = &self.document.content;
        let cut = content
            .earliest_cut()
            .map_or("no volumes".to_owned(), moment);
        format!(
            "recovery {} of point {} (cut {cut}, site {}) to site {}: {} steps, {} volumes with {}\n",
            self.planned.plan.run,
            self.document.id,
            content.site,
            self.planned.plan.site,
            self.planned.plan.steps.len(),
            content.parts.len(),
            bytes(content.parts.iter().map(|part| part.bytes).sum())
        )
    }

    /// The plan for programs: bodies of Secrets left out.
    pub(crate) fn public_plan(&self) -> Value {
        let mut plan = self.planned.plan.clone();
        for step in &mut plan.steps {
            if let Work::Write(writing) = &mut step.work
                && writing.resource.kind == "Secret"
                && let Some(object) = writing.object.as_object_mut()
            {
                object.remove("data");
                object.remove("stringData");
            }
        }
        serde_json::to_value(&plan).unwrap_or_default()
    }
}

/// The run that recovers this point into this cluster: the unfinished one, or the next.
pub(crate) async fn run_of(
    access: &Access,
    cluster: &Cluster,
    point: &PointDocument,
) -> Result<(RunId, RunJournal), Failure> {
    let cluster_uid = cluster.cluster_uid();
    let digest = hex::encode(Sha256::digest(format!("{}\n{cluster_uid}", point.id)));
    let writer = writer_name();
    let mut number = 1_u32;
    loop {
        let run = RunId::new(format!("restore-{}-{number}", &digest[..12]))?;
        let journal = RunJournal::open(&access.vault, &run, &writer)
            .await
            .map_err(|error| vault_failure(&error))?;
        if Progress::of(journal.records()).ended().is_none() {
            return Ok((run, journal));
        }
        number += 1;
    }
}

/// Looks at point, target and source, and plans.
pub(crate) async fn prepare(
    access: &Access,
    cluster: &Cluster,
    options: &Options,
) -> Result<Prepared, Failure> {
    let key = access.site_key()?;
    let document = pick(access, &options.pick).await?.document;
    let secret = &access.recovery.repository;
    let objects = read_point_objects(&access.vault, secret, &document.content).await?;
    let evidence = evidence::judge(&options.evidence, &document.content).await?;
    let namespaces = existing_namespaces(cluster, &target_namespaces(&document)).await?;
    let target = cluster.inventory(&InventoryScope { namespaces }).await?;
    let (run, _) = run_of(access, cluster, &document).await?;
    let goal = Goal {
        run,
        site: key.site.clone(),
        evidence,
        existing: match options.existing {
            ExistingOption::Fail => Existing::Fail,
            ExistingOption::Skip => Existing::Skip,
        },
        storage_classes: options
            .map_storage_class
            .iter()
            .cloned()
            .collect::<BTreeMap<_, _>>(),
        mover_image: options.mover_image.clone(),
        cluster_uid: cluster.cluster_uid().to_owned(),
        skip_gates: options.skip_gate.iter().cloned().collect(),
    };
    let point_id = document.id.to_string();
    let planned = plan::plan(&point_id, &document.content, &objects, &target, &goal)?;
    Ok(Prepared { document, planned })
}

/// Namespaces that the recovery writes into.
fn target_namespaces(document: &PointDocument) -> Vec<String> {
    let mut namespaces = document.content.namespaces.clone();
    let owned = document.content.owned.iter();
    namespaces.extend(owned.filter_map(|id: &ThingId| id.namespace.clone()));
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

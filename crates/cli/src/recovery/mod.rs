//! What `plan`, `recover` and `verify` share: picking a point, looking at the target, judging the evidence, planning.

mod beside;
mod connections;
mod evidence;
mod gates;
mod going_on;
mod identity;
mod image;
mod looking;
mod mappings;
mod newest;
mod open;
mod preflight;
mod recoveries;
mod report;
mod selecting;
mod settled;
mod trials;

use clap::{Args, ValueEnum};
use refloat_core::driver::Problem;
use refloat_core::inventory::ThingId;
use refloat_core::names::ProtectionName;
use refloat_core::plan::{
    self, Around, Detail, Evidence, Goal, Moves, NodePorts, Planned, Preflight, Selection, View,
    warning_line,
};
use refloat_core::recovery::Existing;
use refloat_core::run::{Phase, Progress, describe, until};
use refloat_vault::format::{PointDocument, PointId};
use refloat_vault::store::{RunJournal, SealedPoint};
use refloat_world::Cluster;
use sha2::{Digest, Sha256};

pub(crate) use beside::{Beginning, refuse_beneath, refuse_beside};
pub(crate) use evidence::judge_again;
pub(crate) use gates::{gate_pods, skip_gates};
pub(crate) use going_on::{GoOn, Said, go_on};
pub(crate) use identity::{options_of, run_of, run_stem, variant};
pub(crate) use open::open_here;
pub(crate) use preflight::Preflighted;
pub(crate) use report::{Achieved, Paused};
pub(crate) use settled::settled;

use self::looking::look;
use self::newest::newest;
use crate::failure::Failure;
use crate::printer::{Printer, bytes, moment};
use crate::seat::{Access, read_point_objects, vault_failure, writer_name};

pub(crate) use mappings::Given;
pub(crate) use recoveries::{
    Recovery, Wanted, find, is_here, refuse_while_rolled_back, rollback_of,
};

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
    #[command(flatten)]
    preflight: preflight::PreflightOptions,
    /// What to do with objects that are at the target already
    #[arg(long, value_enum, default_value = "fail")]
    existing: ExistingOption,
    /// Give Services the node ports that they had at the source
    #[arg(long)]
    preserve_node_ports: bool,
    #[command(flatten)]
    mapping: mappings::Mapping,
    #[command(flatten)]
    connections: connections::ConnectionFiles,
    #[command(flatten)]
    selection: selecting::SelectionArguments,
    /// Everything up to this phase (guard, namespaces, crds, operators, storage, databases, queues, applications, traffic), then pause
    #[arg(long, value_name = "PHASE", value_parser = selecting::phase)]
    until: Option<Phase>,
    /// Do not wait for this gate of a user's own; once for each. Recorded
    #[arg(long, value_name = "GATE")]
    skip_gate: Vec<String>,
    #[command(flatten)]
    mover_image: image::MoverImage,
}

impl Options {
    /// Image of the movers.
    pub(crate) fn mover_image(&self) -> &str {
        self.mover_image.name()
    }

    /// The option that means the same movers in the command that goes on; empty when none is needed.
    pub(crate) fn mover_image_again(&self) -> String {
        self.mover_image.again()
    }

    /// Other names at the target.
    pub(crate) fn given(&self) -> Result<Given, Failure> {
        self.mapping.read()
    }

    /// What of the point is wanted.
    pub(crate) fn selection(&self) -> Selection {
        self.selection.selection()
    }

    /// After which phase it is to pause.
    pub(crate) fn until(&self) -> Option<Phase> {
        self.until
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
    /// Leave them as they are, and wait until they are ready
    Skip,
    /// Give them the content of the point; what only they have stays
    Update,
    /// Delete them and create them anew; namespaces and definitions are updated, volumes never touched
    Replace,
}

impl ExistingOption {
    fn wanted(self) -> Existing {
        match self {
            Self::Fail => Existing::Fail,
            Self::Skip => Existing::Skip,
            Self::Update => Existing::Update,
            Self::Replace => Existing::Replace,
        }
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
    newest(protection, access.chain(protection).await?)
}

/// A planned recovery.
pub(crate) struct Prepared {
    pub(crate) document: PointDocument,
    pub(crate) planned: Planned,
    /// The part of it that is done before the pause that is wanted.
    part: Option<Planned>,
    /// After which phase it is to pause.
    pub(crate) until: Option<Phase>,
    pub(crate) preflight: Preflighted,
    /// What a person should see beside it, the problems among it.
    pub(crate) around: Around,
    /// What is said of the source.
    pub(crate) evidence: Option<Evidence>,
}

impl Prepared {
    /// What is recovered, in a few lines.
    pub(crate) fn heading(&self) -> String {
        let content = &self.document.content;
        let cut = content
            .earliest_cut()
            .map_or("no volumes".to_owned(), moment);
        let filled = |id: &str| self.planned.plan.step(&format!("fill {id}")).is_some();
        let parts = || content.parts.iter().filter(|part| filled(&part.id));
        let mut text = format!(
            "recovery {} of point {} (cut {cut}, site {}) to site {}: {} steps, {} volumes with {}\n",
            self.planned.plan.run,
            self.document.id,
            content.site,
            self.planned.plan.site,
            self.planned.plan.steps.len(),
            parts().count(),
            bytes(parts().map(|part| part.bytes).sum())
        );
        for line in &self.planned.selected {
            text.push_str(&format!("{line}\n"));
        }
        if let Some(phase) = self.until {
            text.push_str(&describe(&self.planned.plan, phase));
        }
        text
    }

    /// What is done before the pause that is wanted, or all of it.
    pub(crate) fn shown(&self) -> &Planned {
        self.part.as_ref().unwrap_or(&self.planned)
    }

    /// Warns of more, in all of it and in the part.
    pub(crate) fn warn(&mut self, lines: &[String]) {
        for planned in self.part.iter_mut().chain([&mut self.planned]) {
            planned.warnings.extend_from_slice(lines);
        }
    }

    /// The plan, to be shown.
    pub(crate) fn view(&self) -> View<'_> {
        self.shown().view(&self.around)
    }

    /// The plan as text, much alike folded.
    pub(crate) fn text(&self) -> String {
        self.view().tree(Detail::Folded)
    }

    /// Looks up how long the backup took to move its volumes. Without its journal the estimate rests on assumptions.
    pub(crate) async fn measure(&mut self, access: &Access) {
        let content = &self.document.content;
        let journal = match RunJournal::open(&access.vault, &content.run, &writer_name()).await {
            Ok(journal) => journal,
            Err(error) => {
                tracing::debug!(%error, run = %content.run, "the backup's journal is not readable");
                return;
            }
        };
        if let Some(plan) = journal.plan() {
            let parts = content.parts.iter();
            let parts = parts.map(|part| (part.id.as_str(), part.bytes, part.bytes_added));
            let progress = Progress::of(journal.records());
            self.around.moves = Moves::measured(plan, &progress, parts);
        }
    }
}

/// Key under which what Secrets hold is compared between plans; who can open the vault can make it.
fn seal_key(access: &Access) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(b"refloat plan seal v1\0");
    hash.update(access.recovery.repository.password().as_bytes());
    hash.finalize().to_vec()
}

/// Looks at point, target and source, and plans.
pub(crate) async fn prepare(
    access: &Access,
    cluster: &Cluster,
    options: &Options,
    printer: Printer,
) -> Result<Prepared, Failure> {
    let prepared = attempt(access, cluster, options, printer).await?;
    let problems: Vec<Problem> = prepared.around.problems.clone();
    if problems.is_empty() {
        return Ok(prepared);
    }
    Err(Failure {
        warnings: prepared.planned.warnings,
        ..problems.into()
    })
}

/// The same with the problems beside the plan, for who only reads it.
pub(crate) async fn attempt(
    access: &Access,
    cluster: &Cluster,
    options: &Options,
    printer: Printer,
) -> Result<Prepared, Failure> {
    let key = access.site_key()?;
    let document = pick(access, &options.pick).await?.document;
    let secret = &access.recovery.repository;
    let given = options.given()?;
    let connections = options.connections.read(printer)?;
    // Vault and target do not wait for each other. What is wrong with the point is said first all the same.
    let (objects, target) = tokio::join!(
        read_point_objects(&access.vault, secret, &document.content),
        look(cluster, target_namespaces(&document, &given), printer)
    );
    let objects = objects?;
    let source = &document.content;
    let evidence = evidence::judge(&options.evidence, source, &source.namespaces).await?;
    let target = target?;
    let selection = options.selection();
    let (run, _) = run_of(access, cluster, &document, &variant(&given, &selection)).await?;
    let goal = Goal {
        run,
        site: key.site.clone(),
        evidence,
        existing: options.existing.wanted(),
        node_ports: if options.preserve_node_ports {
            NodePorts::Preserve
        } else {
            NodePorts::Anew
        },
        storage_classes: given.storage_classes,
        mappings: given.mappings,
        mover_image: options.mover_image().to_owned(),
        cluster_uid: cluster.cluster_uid().to_owned(),
        selection,
        skip_gates: options.skip_gate.iter().cloned().collect(),
        connections,
    };
    let point_id = document.id.to_string();
    let content = &document.content;
    // The API server tries writes while the plan is made; of the steps that the preflight has made none is left by then.
    let asked = Preflight::of(content, &objects, &target, &goal);
    let begun = preflight::begin(cluster, &options.preflight, &asked, printer).await;
    let (planned, mut problems) = plan::attempt(&point_id, content, &objects, &target, &goal);
    let preflight = begun.end(printer).await;
    problems.extend(preflight.problems.iter().cloned());
    let lines: Vec<String> = preflight.warnings().iter().map(warning_line).collect();
    let Some(mut planned) = planned else {
        return Err(Failure {
            warnings: lines,
            ..problems.into()
        });
    };
    planned.warnings.extend(lines);
    let mut around = Around::of(&planned, &target, &goal, problems);
    around.seal_key = seal_key(access);
    let before = options.until.and_then(|phase| until(&planned.plan, phase));
    let part = before.map(|plan| Planned {
        plan,
        ..planned.clone()
    });
    Ok(Prepared {
        document,
        planned,
        part,
        until: options.until,
        preflight,
        around,
        evidence: goal.evidence,
    })
}

/// Namespaces that the recovery writes into.
pub(crate) fn target_namespaces(document: &PointDocument, given: &Given) -> Vec<String> {
    let mut namespaces = document.content.namespaces.clone();
    let owned = document.content.owned.iter();
    namespaces.extend(owned.filter_map(|id: &ThingId| id.namespace.clone()));
    for namespace in &mut namespaces {
        *namespace = given.mappings.namespace(namespace).to_owned();
    }
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

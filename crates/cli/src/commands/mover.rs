//! `refloat mover run`: inside a mover pod. Reads its order and the mounted Secret, moves, reports.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clap::Subcommand;
use jiff::Timestamp;
use refloat_core::driver::{Class, Problem};
use refloat_core::recovery::{
    Direction, Edit as OrderedEdit, MoverOrder, MoverProgress, MoverReport, ORDER_VARIABLE,
    VAULT_MOUNT,
};
use refloat_mover::job::{self, Action, JobReport, JobRequest, Outcome};
use refloat_mover::{Control, Edit, Labels, PartReference, Progress, ProgressSink, SaveRequest};

use crate::failure::Failure;
use crate::seat::{MOUNTED_KEY, MOUNTED_LOCATION, MountedLocation, mounted_store};

/// Where Kubernetes takes a container's last words from.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// What a mover can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry out the order in the environment
    Run {
        /// The order, as JSON
        #[arg(long, env = ORDER_VARIABLE, hide_env_values = true)]
        order: String,
    },
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let Command::Run { order } = command;
    let report = carry_out(&order).await;
    let text =
        serde_json::to_string(&report).map_err(|error| Failure::bug("mover-report", &error))?;
    let path = Path::new(TERMINATION_LOG);
    std::fs::write(path, &text).map_err(|error| Failure::file(path, &error))?;
    match report {
        MoverReport::Done { .. } => Ok(()),
        MoverReport::Failed(problem) => Err(problem.into()),
    }
}

async fn carry_out(order: &str) -> MoverReport {
    let request = match read(order) {
        Ok(request) => request,
        Err(problem) => return MoverReport::Failed(problem),
    };
    let (order, request) = request;
    let handle = tokio::runtime::Handle::current();
    let control = Control {
        progress: Some(Arc::new(Lines {
            began: Instant::now(),
        })),
        ..Control::default()
    };
    let done = tokio::task::spawn_blocking(move || job::run(&request, &control, &handle)).await;
    match done {
        Ok(report) => translate(&order, report),
        Err(error) => MoverReport::Failed(bug(&error.to_string())),
    }
}

fn bug(message: &str) -> Problem {
    let hint = "this is a defect of Refloat: please report it";
    Problem::of(Class::Bug, "mover-order", message, hint)
}

fn read(order: &str) -> Result<(MoverOrder, JobRequest), Problem> {
    let order: MoverOrder = serde_json::from_str(order).map_err(|error| bug(&error.to_string()))?;
    let mount = Path::new(VAULT_MOUNT);
    let text = std::fs::read_to_string(mount.join(MOUNTED_LOCATION))
        .map_err(|error| bug(&format!("{MOUNTED_LOCATION}: {error}")))?;
    let location: MountedLocation =
        serde_json::from_str(&text).map_err(|error| bug(&error.to_string()))?;
    let action = match (order.direction, &order.snapshot, &order.tree) {
        (Direction::Backup, _, _) => Action::Backup {
            path: order.path.clone().into(),
            save: SaveRequest {
                labels: Labels {
                    site: order.site.clone(),
                    protection: order.protection.clone(),
                    run: order.run.clone(),
                    part: order.part.clone(),
                },
                time: Timestamp::now(),
            },
        },
        (Direction::Restore, Some(snapshot), Some(tree)) => Action::Restore {
            path: order.path.clone().into(),
            part: PartReference {
                part: order.part.clone(),
                snapshot_id: snapshot.clone(),
                tree_id: tree.clone(),
                amount: None,
            },
            edits: order.edits.iter().map(edit).collect(),
        },
        (Direction::Restore, _, _) => return Err(bug("a restore without snapshot and tree")),
    };
    let request = JobRequest {
        action,
        store: mounted_store(mount, &location),
        prefix: location.prefix.clone(),
        key_path: mount.join(MOUNTED_KEY),
    };
    Ok((order, request))
}

fn edit(edit: &OrderedEdit) -> Edit {
    match edit.clone() {
        OrderedEdit::Write { path, text } => Edit::Write { path, text },
        OrderedEdit::Remove { path } => Edit::Remove { path },
        OrderedEdit::RemoveAfter { directory, name } => Edit::RemoveAfter { directory, name },
        OrderedEdit::Require { path } => Edit::Require { path },
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn translate(order: &MoverOrder, report: JobReport) -> MoverReport {
    match report.outcome {
        Outcome::Saved(saved) => MoverReport::Done {
            snapshot: saved.snapshot_id,
            tree: saved.tree_id,
            files: saved.amount.files,
            bytes: saved.amount.bytes,
            bytes_added: saved.bytes_added,
            milliseconds: milliseconds(saved.duration),
            edits: 0,
        },
        Outcome::Restored(restored) => MoverReport::Done {
            snapshot: order.snapshot.clone().unwrap_or_default(),
            tree: order.tree.clone().unwrap_or_default(),
            files: restored.amount.files,
            bytes: restored.amount.bytes,
            bytes_added: restored.amount.bytes,
            milliseconds: milliseconds(restored.duration),
            edits: restored.edits,
        },
        Outcome::Verified(_) => MoverReport::Failed(bug("a verification was not asked for")),
        Outcome::Failed(failure) => {
            let class = if failure.transient {
                Class::Retry
            } else {
                Class::Stuck
            };
            MoverReport::Failed(Problem::of(
                class,
                &failure.code,
                format!("{}: {}", order.part, failure.message),
                failure.hint,
            ))
        }
    }
}

/// Progress as the engine reads it from the pod's log.
struct Lines {
    began: Instant,
}

impl ProgressSink for Lines {
    fn report(&self, progress: Progress) {
        let line = MoverProgress {
            bytes_done: progress.bytes_done,
            bytes_total: Some(progress.bytes_total).filter(|&total| total > 0),
            milliseconds: milliseconds(self.began.elapsed()),
        };
        let text = serde_json::to_string(&line).unwrap_or_default();
        let written = writeln!(std::io::stdout().lock(), "{text}");
        if let Err(error) = written {
            tracing::debug!(%error, "progress was not written");
        }
    }
}

//! `refloat gc`: what dead runs left in this cluster, and its removal.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use refloat_core::driver::Problem;
use refloat_world::Cluster;
use serde::Serialize;
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, Table, seconds};
use crate::recovery::is_here;
use crate::seat::{
    Access, UnfinishedRun, UnreadableRun, clean_up_dead_run, connect, open_vault, our_objects,
    unfinished_runs,
};

/// Arguments of `refloat gc`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Give these runs up and remove what they left; without it they are only listed
    #[arg(long, short)]
    yes: bool,
    /// Recoveries that are paused as well
    #[arg(long)]
    paused: bool,
}

/// A run, and what becomes of it.
#[derive(Debug, Serialize)]
struct Row {
    run: String,
    /// Nothing when its journal cannot be read.
    protection: Option<String>,
    idle_seconds: Option<f64>,
    objects: Vec<String>,
    action: String,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    IsElsewhere,
    StaysPaused,
    MayLive,
    Listed,
    GivenUp,
}

impl Fate {
    fn of(run: &UnfinishedRun, cluster_uid: &str, arguments: &Arguments) -> Self {
        let paused = run.paused.is_some();
        // The engine of one that is paused has ended, however lately.
        let dead = run.may_live.is_none() || paused;
        if is_here(run, cluster_uid) == Some(false) {
            Self::IsElsewhere
        } else if paused && !arguments.paused {
            Self::StaysPaused
        } else if !dead {
            Self::MayLive
        } else if arguments.yes {
            Self::GivenUp
        } else {
            Self::Listed
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::IsElsewhere => "left alone: it ran in another cluster",
            Self::StaysPaused => {
                "left alone: it is paused; `refloat recover --protection NAME --continue`, or `--paused`"
            }
            Self::MayLive => "left alone: its engine may live",
            Self::Listed => "`--yes` gives it up",
            Self::GivenUp => "given up and cleaned up",
        }
    }
}

/// Where runs are looked for and ended.
struct Ground<'a> {
    access: &'a Access,
    cluster: &'a Cluster,
    printer: Printer,
}

impl Ground<'_> {
    /// What becomes of a run, in a row and beyond it.
    async fn row(&self, run: &UnfinishedRun, arguments: &Arguments) -> (Row, Option<Failure>) {
        let fate = Fate::of(run, self.cluster.cluster_uid(), arguments);
        let now = Timestamp::now();
        let idle = run
            .last
            .map_or(SignedDuration::ZERO, |last| now.duration_since(last));
        let mut row = Row {
            run: run.run.to_string(),
            protection: Some(run.protection.to_string()),
            idle_seconds: Some(idle.as_secs_f64()),
            objects: Vec::new(),
            action: fate.words().to_owned(),
        };
        let failed = self.end(run, fate, &mut row).await.err();
        if let Some(failure) = &failed {
            row.action = format!("failed: {}", failure.text());
        }
        (row, failed)
    }

    async fn end(&self, run: &UnfinishedRun, fate: Fate, row: &mut Row) -> Result<(), Failure> {
        row.objects = our_objects(self.cluster, &run.run).await?;
        if fate == Fate::GivenUp {
            let journal = run.journal(self.access).await?;
            clean_up_dead_run(self.cluster, self.access, journal, self.printer).await?;
        }
        Ok(())
    }

    /// Nobody knows what it has to undo: it is only told.
    async fn unreadable(&self, run: UnreadableRun) -> (Row, Option<Failure>) {
        let objects = our_objects(self.cluster, &run.run).await;
        let (objects, failed) = match objects {
            Ok(objects) => (objects, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let row = Row {
            run: run.run.to_string(),
            protection: None,
            idle_seconds: None,
            objects,
            action: format!("left alone: its journal cannot be read: {}", run.why),
        };
        (row, failed)
    }
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let site = access.site_key()?.site.clone();
    let cluster = connect(config).await?;
    let ground = Ground {
        access: &access,
        cluster: &cluster,
        printer,
    };
    let open = unfinished_runs(&access.vault, None).await?;
    let mut all = Vec::new();
    for one in open.unfinished.iter().filter(|one| one.site == site) {
        all.push(ground.row(one, &arguments).await);
    }
    for one in open.unreadable {
        all.push(ground.unreadable(one).await);
    }
    let (rows, failed): (Vec<Row>, Vec<Option<Failure>>) = all.into_iter().unzip();
    printer.result(&json!({ "runs": rows }), || table(&rows));
    all_went_well(failed)
}

/// One run that cannot be ended keeps no other from its end; that it could not is said at last.
fn all_went_well(failed: Vec<Option<Failure>>) -> Result<(), Failure> {
    let problems = failed.into_iter().flatten();
    let problems: Vec<Problem> = problems.flat_map(|failure| failure.problems).collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure {
        shown: true,
        ..problems.into()
    })
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no unfinished runs of this site\n".to_owned();
    }
    let mut table = Table::new(&[
        "RUN",
        "PROTECTION",
        "LAST RECORD",
        "OBJECTS LEFT",
        "WHAT NOW",
    ]);
    for row in rows {
        let idle = row
            .idle_seconds
            .map(|idle| format!("{} ago", seconds(idle)));
        table.row(vec![
            row.run.clone(),
            row.protection.clone().unwrap_or_else(|| "?".to_owned()),
            idle.unwrap_or_else(|| "?".to_owned()),
            row.objects.len().to_string(),
            row.action.clone(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use refloat_core::run::{Phase, RunKind};

    use super::*;

    fn fate(run: &UnfinishedRun, words: &[&str]) -> Fate {
        let arguments = Arguments {
            yes: words.contains(&"--yes"),
            paused: words.contains(&"--paused"),
        };
        Fate::of(run, "here", &arguments)
    }

    #[test]
    fn only_runs_of_this_cluster_whose_engines_are_dead_are_given_up() {
        let mut run = UnfinishedRun::example(RunKind::Backup, "backup-1", None);
        assert_eq!(fate(&run, &[]), Fate::Listed);
        assert_eq!(fate(&run, &["--yes"]), Fate::GivenUp);
        run.may_live = Some(SignedDuration::from_secs(5));
        assert_eq!(fate(&run, &["--yes"]), Fate::MayLive);
        run.paused = Some(Phase::Storage);
        assert_eq!(fate(&run, &["--yes"]), Fate::StaysPaused);
        assert_eq!(fate(&run, &["--yes", "--paused"]), Fate::GivenUp);
        run.cluster_uid = Some("here".to_owned());
        assert_eq!(fate(&run, &["--yes", "--paused"]), Fate::GivenUp);
        run.cluster_uid = Some("elsewhere".to_owned());
        assert_eq!(fate(&run, &["--yes", "--paused"]), Fate::IsElsewhere);
    }

    #[test]
    fn a_run_that_cannot_be_ended_is_a_failure_of_the_whole_and_no_end_of_it() {
        assert!(all_went_well(vec![None, None]).is_ok());
        let refused = || Some(Failure::refuse("forbidden", "no right", "ask for it"));
        let failure = all_went_well(vec![None, refused(), refused()]).expect_err("two failed");
        assert_eq!((failure.problems.len(), failure.exit_code()), (2, 1));
    }
}

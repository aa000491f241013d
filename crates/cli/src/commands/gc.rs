//! `refloat gc`: what dead runs left in this cluster, and its removal.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::{Printer, Table, duration};
use crate::seat::{clean_up_dead_run, connect, open_vault, our_objects, unfinished_runs};

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

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let site = access.site_key()?.site.clone();
    let cluster = connect(config).await?;
    let now = Timestamp::now();
    let mut table = Table::new(&[
        "RUN",
        "PROTECTION",
        "LAST RECORD",
        "OBJECTS LEFT",
        "WHAT NOW",
    ]);
    let mut rows = Vec::new();
    for one in unfinished_runs(&access).await? {
        if one.site != site {
            continue;
        }
        let idle = one
            .last
            .map_or(SignedDuration::ZERO, |last| now.duration_since(last));
        let objects = our_objects(&cluster, &one.run).await?;
        let paused = one.paused.is_some();
        let kept = paused && !arguments.paused;
        // The engine of one that is paused has ended, however lately.
        let dead = one.may_live.is_none() || paused;
        let action = match (kept, dead, arguments.yes) {
            (true, _, _) => {
                "left alone: it is paused; `refloat recover --protection NAME --continue`, or `--paused`"
            }
            (false, false, _) => "left alone: its engine may live",
            (false, true, false) => "`--yes` gives it up",
            (false, true, true) => "given up and cleaned up",
        };
        if dead && !kept && arguments.yes {
            clean_up_dead_run(&cluster, &access, one.journal(&access).await?, printer).await?;
        }
        table.row(vec![
            one.run.to_string(),
            one.protection.to_string(),
            format!("{} ago", duration(idle)),
            objects.len().to_string(),
            action.to_owned(),
        ]);
        rows.push(json!({
            "run": one.run, "protection": one.protection,
            "idle_seconds": idle.as_secs_f64(), "objects": objects, "action": action,
        }));
    }
    let empty = rows.is_empty();
    printer.result(&json!({ "runs": rows }), || {
        if empty {
            "no unfinished runs of this site\n".to_owned()
        } else {
            table.render()
        }
    });
    Ok(())
}

//! `refloat plan`: what a recovery would do, and why. Changes nothing.

use clap::Args;
use refloat_core::plan::Planned;
use refloat_core::run::Step;
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::recovery::{Options, prepare};
use crate::seat::{connect, open_vault};

/// Arguments of `refloat plan`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Everything that one step waits for, or why the first waits for the second: `Deployment/shop/web`
    #[arg(long, num_args = 1..=2, value_names = ["STEP", "STEP"])]
    explain: Option<Vec<String>>,
}

fn step<'a>(planned: &'a Planned, words: &str) -> Result<&'a Step, Failure> {
    planned.find(words).ok_or_else(|| {
        let near: Vec<&str> = planned
            .plan
            .steps
            .iter()
            .map(|step| step.id.as_str())
            .filter(|id| {
                let last = words.rsplit(['/', ' ']).next().unwrap_or(words);
                id.to_lowercase().contains(&last.to_lowercase())
            })
            .take(8)
            .collect();
        let hint = if near.is_empty() {
            "`refloat plan` lists the steps".to_owned()
        } else {
            format!("did you mean: {}", near.join(", "))
        };
        Failure::refuse(
            "step-unknown",
            format!("no step of the plan is `{words}`"),
            hint,
        )
    })
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let cluster = connect(config).await?;
    let prepared = prepare(&access, &cluster, &arguments.options, printer).await?;
    let planned = &prepared.planned;
    if let Some(words) = &arguments.explain {
        let text = match words.as_slice() {
            [one] => planned.explain_one(step(planned, one)?),
            [from, to] => planned.explain(step(planned, from)?, step(planned, to)?),
            _ => String::new(),
        };
        printer.result(&json!({ "explanation": text }), || text.clone());
        return Ok(());
    }
    let result = json!({
        "digest": planned.plan.digest(),
        "plan": prepared.public_plan(),
        "left_out": planned.left_out.iter().map(|one| json!({
            "thing": one.thing, "why": one.why,
        })).collect::<Vec<_>>(),
        "mapped": planned.mapped,
        "warnings": planned.warnings,
        "selected": planned.selected,
        "until": prepared.until.map(|phase| json!({
            "phase": phase.name(),
            "steps": prepared.shown().plan.steps.iter().map(|step| &step.id).collect::<Vec<_>>(),
        })),
        "preflight": prepared.preflight,
    });
    printer.result(&result, || {
        format!("{}{}\n", prepared.heading(), prepared.shown().render())
    });
    Ok(())
}

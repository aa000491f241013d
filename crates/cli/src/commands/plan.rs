//! `refloat plan`: what a recovery would do, and why. Changes nothing.

mod earlier;

use clap::Args;
use refloat_core::plan::{Detail, Document, Language, View};
use serde::Serialize;

use crate::config::{Config, Output};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::recovery::{Options, Preflighted, Prepared, attempt, open_here};
use crate::seat::{connect, open_vault};

/// Arguments of `refloat plan`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Everything about one step, or why the first waits for the second: `Deployment/shop/web`, `deploy/web`, `fill shop/data-db-0`
    #[arg(long, num_args = 1..=2, value_names = ["STEP", "STEP"])]
    explain: Option<Vec<String>>,
    /// What has changed since an earlier plan: a file that `refloat plan -o json` has written, or `previous`, the plan of the
    /// newest recovery of this protection to this site
    #[arg(long, num_args = 0..=1, value_name = "FILE", default_missing_value = "previous", conflicts_with = "explain")]
    diff: Option<String>,
    /// With `--diff`: exit code 1 when there is a difference
    #[arg(long, requires = "diff")]
    exit_code: bool,
    /// Show each step and each thing: fold nothing
    #[arg(long)]
    all: bool,
}

impl Arguments {
    fn detail(&self) -> Detail {
        if self.all {
            Detail::All
        } else {
            Detail::Folded
        }
    }
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let asked = arguments.explain.is_some() || arguments.diff.is_some();
    if asked && printer.output().is_picture() {
        return Err(Failure::refuse(
            "output-unsupported",
            "only a whole plan can be drawn",
            "leave `--explain` and `--diff` away, or use `--output table`, `json` or `yaml`",
        ));
    }
    // What can be wrong with a file is said before a cluster is looked at.
    let earlier = earlier::Earlier::of(arguments.diff.as_deref())?;
    let access = open_vault(config).await?;
    let cluster = connect(config).await?;
    let options = &arguments.options;
    let mut prepared = attempt(&access, &cluster, options, printer).await?;
    let open = open_here(&access, &cluster, options, &prepared.document).await;
    for line in &open {
        printer.note(&format!("warning: {line}"));
    }
    if printer.output().is_document() {
        prepared.warn(&open);
    }
    let mut changed = false;
    if let Some(earlier) = earlier {
        let before = earlier.read(&access, &prepared).await?;
        let difference = prepared.view().difference(&before)?;
        changed = difference.differs;
        printer.result(&difference, || difference.text());
    } else {
        prepared.measure(&access).await;
        let view = prepared.view();
        match &arguments.explain {
            Some(words) => explain(&view, words, arguments.detail(), printer)?,
            None => show(&prepared, &view, arguments.detail(), printer),
        }
    }
    let problems = prepared.around.problems;
    if asked {
        if !problems.is_empty() {
            printer.note(&format!(
                "note: {} stand against this recovery: `refloat plan` lists them",
                match problems.len() {
                    1 => "1 problem".to_owned(),
                    many => format!("{many} problems"),
                }
            ));
        }
        return if changed && arguments.exit_code {
            Err(Failure::exit_only())
        } else {
            Ok(())
        };
    }
    if problems.is_empty() {
        return Ok(());
    }
    // The document for programs holds them already.
    Err(Failure {
        shown: true,
        ..problems.into()
    })
}

fn show(prepared: &Prepared, view: &View<'_>, detail: Detail, printer: Printer) {
    match printer.output() {
        Output::Dot => printer.document(&view.graph(Language::Dot, detail)),
        Output::Mermaid => printer.document(&view.graph(Language::Mermaid, detail)),
        Output::Table | Output::Wide => {
            printer.document(&format!("{}{}\n", prepared.heading(), view.tree(detail)));
        }
        Output::Json | Output::Yaml => {
            let steps = &prepared.shown().plan.steps;
            let whole = Whole {
                document: view.document(),
                until: prepared.until.map(|phase| Until {
                    phase: phase.name(),
                    steps: steps.iter().map(|step| step.id.as_str()).collect(),
                }),
                preflight: &prepared.preflight,
            };
            printer.result(&whole, String::new);
        }
    }
}

/// The plan's document, and what only a command knows.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    document: Document<'a>,
    until: Option<Until<'a>>,
    preflight: &'a Preflighted,
}

/// What is done before the pause that is wanted.
#[derive(Serialize)]
struct Until<'a> {
    phase: &'static str,
    steps: Vec<&'a str>,
}

/// An explanation for programs: its text, and what it is made of.
#[derive(Serialize)]
struct Explanation<'a, T> {
    explanation: String,
    #[serde(flatten)]
    value: &'a T,
}

fn explain(
    view: &View<'_>,
    words: &[String],
    detail: Detail,
    printer: Printer,
) -> Result<(), Failure> {
    match words {
        [one] => {
            let value = view.explain_one(view.find(one)?);
            let explanation = value.text(detail == Detail::All);
            let shown = explanation.clone();
            let value = &value;
            printer.result(&Explanation { explanation, value }, || shown);
        }
        [from, to] => {
            let value = view.explain(view.find(from)?, view.find(to)?);
            let explanation = value.text();
            let shown = explanation.clone();
            let value = &value;
            printer.result(&Explanation { explanation, value }, || shown);
        }
        _ => {}
    }
    Ok(())
}

//! `refloat probe`: one try inside a probe pod, and the same question from here, as a recovery asks it.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use refloat_core::driver::{Effect, Effected, LOOK_ROUNDS_MAX, Outcome, Problem, Seen, Verdict};
use refloat_core::names::RunId;
use refloat_core::probe::{
    self, Cause, ORDER_VARIABLE, PASSWORD_VARIABLE, Probe, ProbeAnswer, ProbeTask, USER_VARIABLE,
};
use refloat_core::world::World as _;
use refloat_world::{Cluster, ProbeCredentials, ask_once};

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::seat::{connect, new_run_id, remove_pod};

/// Where Kubernetes takes a container's last words from.
const TERMINATION_LOG: &str = "/dev/termination-log";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(300);

/// What a probe can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Inside a probe pod: ask once, and leave the answer as the pod's last word
    #[command(hide = true)]
    Once(OnceArguments),
    /// Ask a service of this cluster, as a recovery asks it, until the answer is yes
    Ask(AskArguments),
}

/// The order of a probe pod.
#[derive(Debug, Args)]
pub(crate) struct OnceArguments {
    /// The probe, as JSON
    #[arg(long, env = ORDER_VARIABLE)]
    order: String,
    /// The user, from a Secret
    #[arg(env = USER_VARIABLE, hide = true, hide_env_values = true)]
    user: Option<String>,
    /// The password, from a Secret: never an argument
    #[arg(env = PASSWORD_VARIABLE, hide = true, hide_env_values = true)]
    password: Option<String>,
}

/// A question from here.
#[derive(Debug, Args)]
pub(crate) struct AskArguments {
    /// The probe, as JSON: `{"host":"db","ask":{"postgresql":{}}}`
    probe: String,
    /// Namespace in which short names and Secrets are
    #[arg(long, short)]
    namespace: String,
    /// Container image of Refloat, for probe pods
    #[arg(long, env = "REFLOAT_MOVER_IMAGE", value_name = "IMAGE")]
    mover_image: String,
    /// Give up after this many seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

pub(super) async fn run(
    command: Command,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    match command {
        Command::Once(arguments) => once(arguments).await,
        Command::Ask(arguments) => ask(&arguments, config, printer).await,
    }
}

/// A no is an answer too: the exit code is that of a probe that has answered.
async fn once(arguments: OnceArguments) -> Result<(), Failure> {
    let answer = match serde_json::from_str::<Probe>(&arguments.order) {
        Ok(order) => {
            let credentials = ProbeCredentials {
                user: arguments.user,
                password: arguments.password,
            };
            ask_once(&order, &credentials).await
        }
        Err(error) => ProbeAnswer::no(Cause::BadOrder, &error.to_string(), 0),
    };
    let text =
        serde_json::to_string(&answer).map_err(|error| Failure::bug("probe-answer", &error))?;
    let path = Path::new(TERMINATION_LOG);
    std::fs::write(path, &text).map_err(|error| Failure::file(path, &error))
}

async fn ask(arguments: &AskArguments, config: &Config, printer: Printer) -> Result<(), Failure> {
    let asked: Probe = serde_json::from_str(&arguments.probe).map_err(|error| {
        Failure::refuse(
            "probe-malformed",
            format!("the probe cannot be read: {error}"),
            "write it like `{\"host\":\"db\",\"ask\":{\"postgresql\":{}}}`",
        )
    })?;
    let run = new_run_id("probe", Timestamp::now())?;
    let cluster = connect(config).await?;
    let asking = Asking {
        cluster: &cluster,
        run,
        arguments,
        probe: &asked,
    };
    let heard = tokio::select! {
        heard = asking.until_yes(printer) => heard,
        _ = tokio::signal::ctrl_c() => Err(Failure::refuse("interrupted", "it was interrupted", "ask again")),
    };
    // However it ended, nothing is left behind.
    remove_pod(asking.cluster, &probe::pod_of(&asking.task(None))).await?;
    let outcome = heard?;
    let said = outcome.text("said").unwrap_or_default().to_owned();
    let way = outcome.text("way").unwrap_or_default().to_owned();
    printer.result(&outcome.facts, || format!("yes, by {way}: {said}\n"));
    Ok(())
}

struct Asking<'a> {
    cluster: &'a Cluster,
    run: RunId,
    arguments: &'a AskArguments,
    probe: &'a Probe,
}

impl Asking<'_> {
    fn task<'t>(&'t self, ran: Option<&'t Outcome>) -> ProbeTask<'t> {
        ProbeTask {
            run: &self.run,
            step: "ask",
            attempt: 0,
            namespace: &self.arguments.namespace,
            probe: self.probe,
            image: &self.arguments.mover_image,
            ran,
        }
    }

    async fn until_yes(&self, printer: Printer) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let mut ran = None;
        let mut told = String::new();
        loop {
            let why = match self.decide(ran.as_ref()).await {
                Verdict::Done(outcome) => return Ok(outcome),
                Verdict::Stuck(problem) => return Err(problem.into()),
                Verdict::Act(effects) => {
                    self.act(&effects, &mut ran).await?;
                    continue;
                }
                Verdict::Wait(why) => why,
                Verdict::Look(_) => {
                    return Err(Failure::bug("look-rounds", &"it never stops looking"));
                }
            };
            if why.message != told {
                printer.note(&why.message);
                told.clone_from(&why.message);
            }
            // A question that is being asked has its own limit: its answer is better than none.
            let more = if probe::is_asking(&why) {
                probe::ANSWER_MAX
            } else {
                Duration::ZERO
            };
            if began.elapsed() > Duration::from_secs(self.arguments.seconds) + more {
                let hint = format!("it takes this: {}", why.takes);
                return Err(Problem::stuck(&why.code, why.message, hint).into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn decide(&self, ran: Option<&Outcome>) -> Verdict {
        let task = self.task(ran);
        let mut seen = Seen::default();
        let mut queries = probe::look(&task);
        for _ in 0..=LOOK_ROUNDS_MAX {
            seen.extend(self.cluster.see(&queries).await);
            match probe::decide(&task, &seen, Timestamp::now()) {
                Verdict::Look(more) => queries = more,
                verdict => return verdict,
            }
        }
        Verdict::Look(queries)
    }

    async fn act(&self, effects: &[Effect], ran: &mut Option<Outcome>) -> Result<(), Failure> {
        for effect in effects {
            match self.cluster.perform(effect).await {
                Ok(Effected::Kept(outcome)) => *ran = Some(outcome),
                Ok(_) => {}
                Err(problem) => {
                    let now = Timestamp::now();
                    let refused = probe::refused(effect, &problem, ran.as_ref(), now);
                    *ran = Some(refused.ok_or(problem)?);
                    break;
                }
            }
        }
        Ok(())
    }
}

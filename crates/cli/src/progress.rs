//! What a run says while it goes: plain lines, and on a terminal a living one below them.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use refloat_core::drive::{Event, Observer};
use refloat_core::driver::{Outcome, Why};
use refloat_core::recovery::Linking;
use refloat_core::run::{RunPlan, Step};
use serde_json::Value;

use crate::printer::Printer;
use crate::waits::Waits;

/// The living line is written anew this often at most: it is computed from all waits.
const LIVING: Duration = Duration::from_millis(100);

/// Tells a run's story on standard error.
pub(crate) struct Narrator {
    printer: Printer,
    bar: Option<ProgressBar>,
    state: RefCell<State>,
    interrupted: Arc<AtomicBool>,
    began: Instant,
}

#[derive(Default)]
struct State {
    done: usize,
    total: usize,
    waits: Waits,
    /// When the living line was written anew.
    living: Option<Instant>,
}

/// What is to be said of a wait.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// A line of its own: its gate, why, how long, what it would take.
    line: Option<String>,
    /// The living line, where there is one.
    living: Option<String>,
}

impl State {
    /// What is to be said now that a step waits. Each gate has its own lines, on a terminal too: the living line names one of them.
    fn waiting(&mut self, step: &Step, why: &Why, now: Instant) -> Told {
        Told {
            line: self.waits.waits(&step.id, &step.title, why, now),
            living: self.living(now),
        }
    }

    /// The living line, when it is time to write it anew.
    fn living(&mut self, now: Instant) -> Option<String> {
        let fresh = self
            .living
            .is_some_and(|last| now.saturating_duration_since(last) < LIVING);
        if fresh {
            return None;
        }
        self.living = Some(now);
        Some(self.waits.living(now))
    }
}

impl Narrator {
    /// Watches a run; the first Ctrl-C asks it to stop in order, the second kills.
    pub(crate) fn new(printer: Printer, plan: &RunPlan) -> Self {
        let bar = printer.is_terminal().then(|| {
            let bar = ProgressBar::new(plan.steps.len() as u64);
            let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if flag.swap(true, Ordering::SeqCst) {
                    std::process::abort();
                }
            }
        });
        Self {
            printer,
            bar,
            state: RefCell::new(State {
                total: plan.steps.len(),
                ..State::default()
            }),
            interrupted,
            began: Instant::now(),
        }
    }

    /// Steps that were done before, by an engine that died.
    pub(crate) fn already_done(&self, count: usize) {
        self.state.borrow_mut().done = count;
    }

    fn line(&self, text: &str) {
        line(self.printer, self.bar.as_ref(), self.began, text);
    }

    /// Tells what is no event of the run: that its journal waits for the store.
    pub(crate) fn teller(&self) -> impl Fn(&str) + Send + Sync + use<> {
        let (printer, bar, began) = (self.printer, self.bar.clone(), self.began);
        move |text| line(printer, bar.as_ref(), began, text)
    }

    /// Takes the living line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line, above the living one.
fn line(printer: Printer, bar: Option<&ProgressBar>, began: Instant, text: &str) {
    let text = format!("{:>7.1} s  {text}", began.elapsed().as_secs_f64());
    match bar {
        Some(bar) => bar.suspend(|| printer.note(&text)),
        None => printer.note(&text),
    }
}

impl Observer for Narrator {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Began(step) => {
                let mut state = self.state.borrow_mut();
                state.waits.began(&step.id, Instant::now());
            }
            Event::Acting(step, effects) => {
                self.state.borrow_mut().waits.acting(&step.id);
                for effect in *effects {
                    tracing::info!(step = %step.id, effect = %effect.describe(), "acting");
                }
            }
            Event::Waiting(step, why) => {
                let told = self.state.borrow_mut().waiting(step, why, Instant::now());
                if let Some(line) = told.line {
                    self.line(&line);
                }
                if let (Some(bar), Some(living)) = (&self.bar, told.living) {
                    bar.set_message(living);
                }
            }
            Event::Done(step, outcome) => self.done(step, outcome),
            Event::Stuck(step, problem) => {
                self.state.borrow_mut().waits.over(&step.id, Instant::now());
                self.line(&format!("stuck: {}: {}", step.title, problem.message));
            }
            Event::GivingUp(problem) => {
                self.line(&format!("giving up, cleaning up: {}", problem.message));
            }
        }
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}

impl Narrator {
    fn done(&self, step: &Step, outcome: &Outcome) {
        let now = Instant::now();
        let (done, total, took) = {
            let mut state = self.state.borrow_mut();
            state.done += 1;
            let took = state.waits.over(&step.id, now);
            if let Some(bar) = &self.bar {
                bar.set_position(state.done as u64);
                if let Some(living) = state.living(now) {
                    bar.set_message(living);
                }
            }
            (state.done, state.total, took)
        };
        let took = took.map_or(0.0, |took| took.as_secs_f64());
        let phase = step.phase.label();
        // Opened in the end, although nobody said that it was ready.
        let assumed = outcome
            .text("assumedBecause")
            .map_or_else(String::new, |why| format!("; not known to be ready: {why}"));
        self.line(&format!(
            "[{done}/{total}] {phase}: {} ({took:.1} s{assumed})",
            step.title
        ));
        let unlinked = outcome.facts.get(Linking::FACT).and_then(Value::as_array);
        for why in unlinked.into_iter().flatten().filter_map(Value::as_str) {
            self.line(&format!("  {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use refloat_core::run::{Needs, Phase, Work};

    use super::*;

    fn step(id: &str) -> Step {
        Step {
            id: id.to_owned(),
            phase: Phase::Databases,
            title: format!("write {id}"),
            needs: Needs::default(),
            work: Work::SystemNamespace,
            limit_seconds: 60,
            cleanup: false,
        }
    }

    #[test]
    fn each_gate_that_is_waited_for_has_a_line_beside_the_living_one() {
        let start = Instant::now();
        let mut state = State::default();
        let (db, web) = (step("shop/db"), step("shop/web"));
        for step in [&db, &web] {
            state.waits.began(&step.id, start);
        }
        let now = start + Duration::from_secs(3);
        let of_db = Why::new("rolling-out", "shop/db: 1 of 3 ready").taking("all 3");
        let told = state.waiting(&db, &of_db, now);
        let line = "waiting 3.0 s: shop/db: 1 of 3 ready (takes: all 3)".to_owned();
        let living = Some(line.clone());
        let line = Some(line);
        assert_eq!(told, Told { line, living });
        let told = state.waiting(&web, &Why::new("rolling-out", "shop/web: pulling"), now);
        let line = Some("waiting 3.0 s: shop/web: pulling".to_owned());
        let living = None;
        assert_eq!(told, Told { line, living }, "it names the oldest only");
    }
}

//! What a run says while it goes: one living line on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use refloat_core::drive::{Event, Observer};
use refloat_core::run::RunPlan;

use crate::printer::Printer;

/// A wait that is unchanged is said again after this long.
const REPEAT_AFTER: Duration = Duration::from_secs(15);

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
    waits: BTreeMap<String, (String, Instant)>,
    starts: BTreeMap<String, Instant>,
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
        let text = format!("{:>7.1} s  {text}", self.began.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.suspend(|| self.printer.note(&text)),
            None => self.printer.note(&text),
        }
    }

    /// Takes the living line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Narrator {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Began(step) => {
                let mut state = self.state.borrow_mut();
                state.starts.insert(step.id.clone(), Instant::now());
            }
            Event::Acting(step, effects) => {
                for effect in *effects {
                    tracing::info!(step = %step.id, effect = %effect.describe(), "acting");
                }
            }
            Event::Waiting(step, why) => self.waiting(&step.id, &step.title, &why.message),
            Event::Done(step, _) => {
                let (done, total, took) = {
                    let mut state = self.state.borrow_mut();
                    state.done += 1;
                    state.waits.remove(&step.id);
                    let took = state.starts.get(&step.id).map(Instant::elapsed);
                    (state.done, state.total, took)
                };
                if let Some(bar) = &self.bar {
                    bar.set_position(done as u64);
                }
                let took = took.map_or(0.0, |took| took.as_secs_f64());
                let phase = step.phase.label();
                self.line(&format!(
                    "[{done}/{total}] {phase}: {} ({took:.1} s)",
                    step.title
                ));
            }
            Event::Stuck(step, problem) => {
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
    fn waiting(&self, id: &str, title: &str, why: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(why.to_owned());
        }
        let say = {
            let mut state = self.state.borrow_mut();
            let started = state
                .starts
                .get(id)
                .map_or(Duration::ZERO, Instant::elapsed);
            let said = state.waits.get(id);
            let again = said.is_none_or(|(_, when)| when.elapsed() > REPEAT_AFTER);
            let quick = started < Duration::from_secs(2);
            let say = !quick
                && (again
                    || (self.bar.is_none()
                        && bytes_line(why)
                        && said.is_some_and(|(_, when)| when.elapsed() > Duration::from_secs(2))));
            if say {
                state
                    .waits
                    .insert(id.to_owned(), (why.to_owned(), Instant::now()));
            }
            say
        };
        if say && self.bar.is_none() {
            self.line(&format!("waiting: {title}: {why}"));
        }
    }
}

fn bytes_line(why: &str) -> bool {
    why.contains("MiB")
}

//! One gate of a user as a step of a run: what it reads, and whether it is open. Changes nothing, but for the pod that a probe may need.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cel::{Expression, Judged};
use super::{Check, ExecCheck};
use crate::driver::{ExecRequest, ObjectRef, Outcome, Problem, Query, Seen, Verdict, Why};
use crate::inventory::unfold;
use crate::names::RunId;
use crate::probe::{self, Probe, ProbeTask, one_line as printable};
use crate::readiness::reading::{Condition, condition, number, one_line, text};
use crate::readiness::{Clock, Told, View, pods};

/// Seconds for which an expression must have been impossible to judge at every look before a person is needed: a status may be half
/// written.
const WRONG_SECONDS: u32 = 60;
/// Seconds for which a workload must have been scaled to 0 before a person is needed: it may just be scaled up.
const SCALED_SECONDS: u32 = 60;

/// A gate of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gating {
    /// Its name.
    pub name: String,
    /// The object that it is about, as the target serves it.
    pub of: ObjectRef,
    /// What is checked.
    pub check: Check,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GateTask<'a> {
    /// Whose run.
    pub(crate) run: &'a RunId,
    /// Id of the step.
    pub(crate) step: &'a str,
    /// How often the run was resumed.
    pub(crate) attempt: u32,
    /// Image of probe pods.
    pub(crate) image: &'a str,
    /// What the last effects of this step brought, in this process.
    pub(crate) ran: Option<&'a Outcome>,
}

impl Gating {
    /// What must be read first.
    pub(crate) fn look(&self, task: &GateTask<'_>) -> Vec<Query> {
        match &self.check {
            Check::Cel(_) | Check::Exec(_) => vec![Query::Object(self.of.clone())],
            Check::Probe(probe) => probe::look(&self.asked(probe, task)),
            Check::Skipped => Vec::new(),
        }
    }

    /// Whether it is open.
    pub(crate) fn decide(&self, task: &GateTask<'_>, seen: &Seen, clock: Clock) -> Verdict {
        let verdict = match &self.check {
            Check::Cel(source) => self.with_object(seen, |live| self.cel(source, live)),
            Check::Exec(exec) => self.with_object(seen, |live| self.exec(exec, live, seen, clock)),
            Check::Probe(probe) => probe::decide(&self.asked(probe, task), seen, clock.now),
            Check::Skipped => Verdict::Done(Outcome::default().with("skipped", true)),
        };
        match verdict {
            Verdict::Stuck(problem) => Verdict::Stuck(self.or_skipped(problem)),
            Verdict::Wait(mut why) => {
                if let Some(failing) = &mut why.failing {
                    failing.problem = self.or_skipped(failing.problem.clone());
                }
                Verdict::Wait(why)
            }
            other @ (Verdict::Look(_) | Verdict::Act(_) | Verdict::Done(_)) => other,
        }
    }

    /// The pod by which a step asks for it; nothing for what no pod asks.
    pub fn pod(&self, run: &RunId, step: &str) -> Option<ObjectRef> {
        let Check::Probe(probe) = &self.check else {
            return None;
        };
        let task = GateTask {
            run,
            step,
            attempt: 0,
            image: "",
            ran: None,
        };
        Some(probe::pod_of(&self.asked(probe, &task)))
    }

    /// The way out for a person whose gate will not open.
    pub(crate) fn skip_hint(&self) -> String {
        format!(
            "to go on without this gate, the same command with `--skip-gate {}` (recorded)",
            self.name
        )
    }

    fn or_skipped(&self, mut problem: Problem) -> Problem {
        problem.message = format!(
            "gate {} of {}: {}",
            self.name,
            self.of.id(),
            problem.message
        );
        problem.hint = format!("{}; {}", problem.hint, self.skip_hint());
        problem
    }

    fn asked<'a>(&'a self, probe: &'a Probe, task: &GateTask<'a>) -> ProbeTask<'a> {
        ProbeTask {
            run: task.run,
            step: task.step,
            attempt: task.attempt,
            // Only full names are taken for what is in no namespace.
            namespace: self.of.namespace.as_deref().unwrap_or("default"),
            probe,
            image: task.image,
            ran: task.ran,
        }
    }

    fn with_object(&self, seen: &Seen, judge: impl FnOnce(&Value) -> Verdict) -> Verdict {
        match seen.object(&self.of) {
            Err(problem) => problem.into(),
            Ok(None) => Verdict::Wait(
                Why::new(
                    "gate-without-object",
                    format!("{} is not there", self.of.id()),
                )
                .taking("it is there again"),
            ),
            Ok(Some(live)) => judge(live),
        }
    }

    fn cel(&self, source: &str, live: &Value) -> Verdict {
        let expression = match Expression::parse(source) {
            Ok(expression) => expression,
            Err(fault) => return Verdict::Stuck(unreadable(&fault.to_string())),
        };
        let takes = format!("`{}` is true", one_line(source));
        let closed = |what: &str| Why::new("gate-closed", what).taking(takes.clone());
        let never = |what: &str| {
            let problem = Problem::stuck(
                "gate-wrong",
                what,
                "correct the gate for the next backup, or the object now; then run the same command again",
            );
            Verdict::Wait(closed(what).failing(problem, WRONG_SECONDS))
        };
        let mut object = live.clone();
        unfold(&mut object);
        match expression.judge(&object) {
            Judged::True => Verdict::Done(Outcome::default()),
            Judged::False(what) | Judged::Absent(what) => Verdict::Wait(closed(&what)),
            Judged::Wrong(what) => never(&what),
            Judged::TooCostly => never("it costs too much to judge an object of this size"),
        }
    }

    fn exec(&self, exec: &ExecCheck, live: &Value, seen: &Seen, clock: Clock) -> Verdict {
        let told = Told::default();
        let view = View {
            resource: &self.of.resource,
            live,
            told: &told,
            seen,
            clock,
            duty: None,
        };
        let itself = view.is("", "Pod");
        let pods = match pods::look(&view) {
            _ if itself => vec![live],
            Some(query) if !seen.has(&query) => return Verdict::Look(vec![query]),
            Some(Query::List(request)) => match seen.list(&request) {
                Err(problem) => return problem.into(),
                Ok(_) => pods::of(&view),
            },
            Some(_) | None => Vec::new(),
        };
        let ready =
            |pod: &&&Value| condition(**pod, "Ready").is_some_and(|one| Condition::is_true(&one));
        let name = pods
            .iter()
            .filter(ready)
            .filter_map(|pod| text(*pod, "/metadata/name"))
            .min();
        let Some(pod) = name else {
            return Verdict::Wait(self.no_pod(live));
        };
        let request = ExecRequest {
            namespace: self.of.namespace.clone().unwrap_or_default(),
            pod: pod.to_owned(),
            container: exec.container.clone(),
            command: exec.command.clone(),
            input: String::new(),
            limit_seconds: exec.try_seconds,
        };
        let query = Query::Exec(request.clone());
        if !seen.has(&query) {
            return Verdict::Look(vec![query]);
        }
        match seen.exec(&request) {
            Err(problem) => problem.into(),
            Ok(answer) => ran(exec, pod, answer.code, &answer.stdout, &answer.stderr),
        }
    }

    fn no_pod(&self, live: &Value) -> Why {
        let (code, of) = ("gate-without-pod", self.of.id());
        if number(live, "/spec/replicas") != Some(0) {
            let why = Why::new(code, format!("{of} has no ready pod"));
            return why.taking("one of its pods is ready");
        }
        let what = format!("{of} has 0 replicas, so there is no pod to run the command in");
        let hint = "scale it up, then run the same command again";
        let problem = Problem::stuck(code, what.clone(), hint);
        Why::new(code, what)
            .taking("it is scaled up")
            .failing(problem, SCALED_SECONDS)
    }
}

/// What a command's end means.
fn ran(exec: &ExecCheck, pod: &str, code: Option<i32>, stdout: &str, stderr: &str) -> Verdict {
    let last = [stderr, stdout]
        .into_iter()
        .filter_map(|output| output.lines().map(str::trim).rfind(|line| !line.is_empty()))
        .map(printable)
        .next();
    let said = last.map_or_else(String::new, |line| format!(": {line}"));
    let command = one_line(&exec.command.join(" "));
    let what = match code {
        Some(0) => {
            let said = stdout.lines().last().map(printable).unwrap_or_default();
            return Verdict::Done(Outcome::default().with("pod", pod).with("said", said));
        }
        Some(code) => format!("`{command}` in pod {pod} ended with code {code}{said}"),
        None => format!(
            "`{command}` in pod {pod} did not end within {} s{said}",
            exec.try_seconds
        ),
    };
    Verdict::Wait(Why::new("gate-closed", what).taking("the command ends with code 0"))
}

fn unreadable(why: &str) -> Problem {
    Problem::stuck(
        "gate-unreadable",
        why,
        "use the version of Refloat that planned this recovery",
    )
}

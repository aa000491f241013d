//! What is asked for by a look and takes long, commands and webhooks: it goes on beside, so that what hangs keeps nothing else waiting.
//! Called by `Cluster::see`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use refloat_core::driver::{
    COMMAND_RUNNING, Class, ExecRequest, Problem, REHEARSAL_RUNNING, RehearsalRequest,
};
use tokio::task::JoinHandle;

use crate::problem::reply_lost;

/// A look waits so long for what it starts.
const PATIENCE: Duration = Duration::from_secs(1);
/// A later look waits only so long for one that runs already.
const GLANCE: Duration = Duration::from_millis(20);
/// An answer that nobody has come for is no longer what is so now: it is asked again.
const STALE: Duration = Duration::from_secs(5);

/// What is asked and may take long.
pub(crate) trait Lasting: Clone + Ord {
    /// In whose name a refusal speaks.
    fn of(&self) -> &str;
    /// The refusal that says that it still goes on.
    fn still_runs(&self) -> Problem;
}

type Ended<A> = (Result<A, Problem>, Instant);

/// What goes on, by what was asked.
#[derive(Debug)]
pub(crate) struct Running<R, A>(Mutex<BTreeMap<R, JoinHandle<Ended<A>>>>);

impl<R, A> Default for Running<R, A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Lasting, A: Send + 'static> Running<R, A> {
    /// The answer, when it is there soon; else a refusal that says that it still goes on, and the answer to a later look.
    pub(crate) async fn ask<F>(&self, request: &R, ask: impl Fn(R) -> F) -> Result<A, Problem>
    where
        F: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        let start = || {
            let asked = ask(request.clone());
            tokio::spawn(async move { (asked.await, Instant::now()) })
        };
        let running = self.lock().remove(request);
        let patience = if running.is_some() { GLANCE } else { PATIENCE };
        let mut task = running.unwrap_or_else(start);
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, &mut task).await {
                Ok(Ok((_, at))) if at.elapsed() > STALE => task = start(),
                Ok(Ok((answer, _))) => return answer,
                Ok(Err(_)) => return Err(reply_lost(request.of(), "it was broken off")),
                Err(_) => {
                    self.lock().insert(request.clone(), task);
                    return Err(request.still_runs());
                }
            }
        }
    }
}

impl<R, A> Running<R, A> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<R, JoinHandle<Ended<A>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, A> Drop for Running<R, A> {
    fn drop(&mut self) {
        for task in self.lock().values() {
            task.abort();
        }
    }
}

impl Lasting for ExecRequest {
    fn of(&self) -> &str {
        &self.pod
    }

    fn still_runs(&self) -> Problem {
        Problem::of(
            Class::Wait,
            COMMAND_RUNNING,
            format!(
                "`{}` in pod {} still runs",
                self.command.first().map_or("", String::as_str),
                self.pod
            ),
            format!("it ends, or {} s are over", self.limit_seconds),
        )
    }
}

impl Lasting for RehearsalRequest {
    fn of(&self) -> &str {
        &self.name
    }

    fn still_runs(&self) -> Problem {
        Problem::of(
            Class::Wait,
            REHEARSAL_RUNNING,
            format!(
                "the API server has not said yet whether it would take {} {}",
                self.resource.kind, self.name
            ),
            "the webhooks that it asks answer, or their time is over",
        )
    }
}

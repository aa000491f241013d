//! Commands that are asked for by a look and take long: they go on beside, so that one that hangs keeps nothing else waiting. Called by
//! `Cluster::see`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use refloat_core::driver::{COMMAND_RUNNING, Class, ExecAnswer, ExecRequest, Problem};
use tokio::task::JoinHandle;

use crate::exec;
use crate::problem::reply_lost;

/// A look waits so long for a command that it starts.
const PATIENCE: Duration = Duration::from_secs(1);
/// A later look waits only so long for one that runs already.
const GLANCE: Duration = Duration::from_millis(20);
/// An answer that nobody has come for is no longer what is so now: the command is run again.
const STALE: Duration = Duration::from_secs(5);

type Ended = (Result<ExecAnswer, Problem>, Instant);

/// Commands that run, by what was asked.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<BTreeMap<ExecRequest, JoinHandle<Ended>>>);

impl Running {
    /// The answer, when it is there soon; else a refusal that says that the command still runs, and the answer to a later look.
    pub(crate) async fn exec(
        &self,
        client: &Client,
        request: &ExecRequest,
    ) -> Result<ExecAnswer, Problem> {
        let running = self.lock().remove(request);
        let patience = if running.is_some() { GLANCE } else { PATIENCE };
        let mut task = running.unwrap_or_else(|| start(client, request));
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, &mut task).await {
                Ok(Ok((_, at))) if at.elapsed() > STALE => task = start(client, request),
                Ok(Ok((answer, _))) => return answer,
                Ok(Err(_)) => return Err(reply_lost(&request.pod, "the command was broken off")),
                Err(_) => {
                    self.lock().insert(request.clone(), task);
                    return Err(still_runs(request));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ExecRequest, JoinHandle<Ended>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in self.lock().values() {
            task.abort();
        }
    }
}

fn start(client: &Client, request: &ExecRequest) -> JoinHandle<Ended> {
    let (client, request) = (client.clone(), request.clone());
    tokio::spawn(async move {
        let answer = exec::exec(&client, &request).await;
        (answer, Instant::now())
    })
}

fn still_runs(request: &ExecRequest) -> Problem {
    Problem::of(
        Class::Wait,
        COMMAND_RUNNING,
        format!(
            "`{}` in pod {} still runs",
            request.command.first().map_or("", String::as_str),
            request.pod
        ),
        format!("it ends, or {} s are over", request.limit_seconds),
    )
}

//! Writes that the API server tries, on threads of their own: whoever has begun them may meanwhile work, and asks for the answers later.
//!
//! What nobody has answered is asked again: an API server or a webhook that is restarted is back in a moment.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use refloat_core::plan::{Away, Rehearsal, Rehearsed, Said};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout_at};

/// Writes that are tried at once: as many as are done at once later. To try one costs the API server what a creation does, without the
/// disk, and a loop of creations was a seventh faster with 64 in flight than with 16 (`cargo xtask bench recover`).
const AT_ONCE_MAX: usize = 64;

/// How long all of it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// All trying ends so long after its begin.
    pub(super) all: Duration,
    /// So long a webhook is waited for that is away, or an API server that has trouble of its own, once all were asked.
    pub(super) others: Duration,
    /// Before somebody who was away is asked again.
    pub(super) pause: Duration,
}

/// Trials that go on. They end with it.
pub(super) struct Trials {
    tasks: JoinSet<Answers>,
    /// How many were begun.
    pub(super) count: usize,
}

/// What was said, as far as it was in time.
pub(super) struct Answers {
    pub(super) rehearsed: Vec<Rehearsed>,
    /// When the last one came.
    pub(super) at: Instant,
}

impl Answers {
    pub(super) fn none() -> Self {
        Self {
            rehearsed: Vec::new(),
            at: Instant::now(),
        }
    }
}

impl Trials {
    /// Begins to have these tried, within these limits. A write is let go as soon as it is answered.
    pub(super) fn begin<F: Future<Output = Said> + Send>(
        tried: Vec<Rehearsal>,
        limits: Limits,
        ask: impl Fn(Arc<Rehearsal>) -> F + Send + Sync + 'static,
    ) -> Self {
        let count = tried.len();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let until = tokio::time::Instant::now() + limits.all;
            let mut rehearsed = Vec::with_capacity(count);
            let mut open = Vec::new();
            let mut first = futures::stream::iter(tried)
                .map(|one| {
                    let one = Arc::new(one);
                    let said = ask(Arc::clone(&one));
                    async move {
                        let said = said.await;
                        Tried { one, said }
                    }
                })
                .buffer_unordered(AT_ONCE_MAX)
                .take_until(Box::pin(sleep_until(until)));
            while let Some(tried) = first.next().await {
                match tried.said.away() {
                    None => rehearsed.push(tried.into()),
                    Some(_) => open.push(tried),
                }
            }
            drop(first);
            rehearsed.extend(Again::new(limits, until, &ask).have(open).await);
            Answers {
                rehearsed,
                at: Instant::now(),
            }
        });
        Self { tasks, count }
    }

    /// Waits for the last answer, or for the end of the time.
    pub(super) async fn answers(mut self) -> Answers {
        match self.tasks.join_next().await {
            Some(Ok(answers)) => answers,
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Its runtime is going down.
                Err(_) => Answers::none(),
            },
            None => Answers::none(),
        }
    }
}

/// A write and the last answer about it.
struct Tried {
    one: Arc<Rehearsal>,
    said: Said,
}

impl From<Tried> for Rehearsed {
    fn from(Tried { one, said }: Tried) -> Self {
        Self {
            thing: one.thing.clone(),
            trial: one.trial,
            said,
        }
    }
}

/// How those are asked again who were away.
struct Again<'a, A> {
    pause: Duration,
    /// All ends then.
    until: tokio::time::Instant,
    /// Then nobody but the API server is waited for any more.
    others_until: tokio::time::Instant,
    ask: &'a A,
}

impl<'a, A, F> Again<'a, A>
where
    A: Fn(Arc<Rehearsal>) -> F,
    F: Future<Output = Said>,
{
    fn new(limits: Limits, until: tokio::time::Instant, ask: &'a A) -> Self {
        Self {
            pause: limits.pause,
            until,
            others_until: until.min(tokio::time::Instant::now() + limits.others),
            ask,
        }
    }

    fn ends(&self, away: &Away) -> tokio::time::Instant {
        match away {
            Away::Server => self.until,
            Away::Inside | Away::Webhook(_) => self.others_until,
        }
    }

    /// The last answers about these.
    async fn have(&self, mut open: Vec<Tried>) -> Vec<Rehearsed> {
        let mut done = Vec::new();
        loop {
            let now = tokio::time::Instant::now();
            let mut groups: BTreeMap<Away, Vec<Tried>> = BTreeMap::new();
            for tried in open {
                match tried.said.away().filter(|away| now < self.ends(away)) {
                    Some(away) => groups.entry(away).or_default().push(tried),
                    None => done.push(tried.into()),
                }
            }
            if groups.is_empty() {
                return done;
            }
            sleep(self.pause).await;
            let asked = groups
                .into_iter()
                .map(|(away, group)| self.of_one(away, group));
            open = join_all(asked).await.into_iter().flatten().collect();
        }
    }

    /// One of those that the same was away for is asked about, each time another; the rest once that is answered.
    async fn of_one(&self, away: Away, mut group: Vec<Tried>) -> Vec<Tried> {
        let until = self.ends(&away);
        let first = self.once(group.remove(0), until).await;
        if first.said.away().as_ref() != Some(&away) {
            group = futures::stream::iter(group)
                .map(|tried| self.once(tried, until))
                .buffer_unordered(AT_ONCE_MAX)
                .collect()
                .await;
        }
        group.push(first);
        group
    }

    /// What is not answered in time stays as it was.
    async fn once(&self, tried: Tried, until: tokio::time::Instant) -> Tried {
        match timeout_at(until, (self.ask)(Arc::clone(&tried.one))).await {
            Ok(said) => Tried { said, ..tried },
            Err(_) => tried,
        }
    }
}

//! Writes that the API server tries, on threads of their own: whoever has begun them may meanwhile work, and asks for the answers later.

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use refloat_core::plan::{Rehearsal, Rehearsed, Said};
use tokio::task::JoinSet;

/// Writes that are tried at once: as many as are done at once later. To try one costs the API server what a creation does, without the
/// disk, and a loop of creations was a seventh faster with 64 in flight than with 16 (`cargo xtask bench recover`).
const AT_ONCE_MAX: usize = 64;

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
    /// Begins to have these tried; after this time it is over. A write is let go as soon as it is answered.
    pub(super) fn begin<F: Future<Output = Said> + Send>(
        tried: Vec<Rehearsal>,
        at_most: Duration,
        ask: impl Fn(Rehearsal) -> F + Send + Sync + 'static,
    ) -> Self {
        let count = tried.len();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let limit = Box::pin(tokio::time::sleep(at_most));
            let rehearsed = futures::stream::iter(tried)
                .map(|one| {
                    let (thing, trial) = (one.thing.clone(), one.trial);
                    let said = ask(one);
                    async move {
                        Rehearsed {
                            thing,
                            trial,
                            said: said.await,
                        }
                    }
                })
                .buffer_unordered(AT_ONCE_MAX)
                .take_until(limit)
                .collect()
                .await;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use refloat_core::driver::FieldOwner;
    use refloat_core::inventory::{Resource, ThingId};
    use refloat_core::json::Json;
    use refloat_core::plan::Trial;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn writes(count: usize) -> Vec<Rehearsal> {
        let one = |number: usize| Rehearsal {
            thing: ThingId::namespaced("", "Secret", "shop", &number.to_string()),
            trial: Trial::Object,
            resource: Resource::namespaced("v1", "Secret", "secrets"),
            object: Json::Null,
            owner: FieldOwner::refloat(),
        };
        (0..count).map(one).collect()
    }

    fn accepted() -> Said {
        Said::Accepted {
            warnings: Vec::new(),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn they_go_on_while_whoever_began_them_works() {
        let (told, all_asked) = mpsc::channel();
        let trials = Trials::begin(writes(200), LONG, move |one| {
            let told = told.clone();
            async move {
                tokio::task::yield_now().await;
                told.send(one.thing).unwrap();
                accepted()
            }
        });
        // Without a word to the runtime: a plan is made just so.
        let asked = (0..200).filter(|_| all_asked.recv_timeout(LONG).is_ok());
        assert_eq!(asked.count(), 200);
        let mut rehearsed = trials.answers().await.rehearsed;
        rehearsed.sort_by_key(|one| one.thing.name.parse::<usize>().unwrap());
        let things = rehearsed.into_iter().map(|one| one.thing);
        let expected = writes(200).into_iter().map(|one| one.thing);
        assert!(things.eq(expected));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_not_answered_in_time_is_not_waited_for() {
        let trials = Trials::begin(writes(3), Duration::from_millis(50), |one| async move {
            if one.thing.name == "1" {
                std::future::pending::<()>().await;
            }
            accepted()
        });
        assert_eq!(trials.count, 3);
        assert_eq!(trials.answers().await.rehearsed.len(), 2);
    }

    /// Counts itself while it is there.
    struct UnderWay(Arc<AtomicUsize>);

    impl Drop for UnderWay {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn they_end_with_it_and_so_many_are_asked_at_once() {
        let under_way = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&under_way);
        let trials = Trials::begin(writes(AT_ONCE_MAX + 9), LONG, move |_| {
            let counted = Arc::clone(&counted);
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                let _under_way = UnderWay(counted);
                std::future::pending().await
            }
        });
        becomes(&under_way, AT_ONCE_MAX).await;
        drop(trials);
        becomes(&under_way, 0).await;
    }

    async fn becomes(under_way: &AtomicUsize, wanted: usize) {
        let wait = async {
            while under_way.load(Ordering::SeqCst) != wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap();
    }
}

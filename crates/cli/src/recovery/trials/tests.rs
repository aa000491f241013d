//! Writes that are tried, and tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use refloat_core::driver::FieldOwner;
use refloat_core::inventory::{Resource, ThingId};
use refloat_core::json::Json;
use refloat_core::plan::{Refusal, Trial};

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

fn limits(all: Duration) -> Limits {
    Limits {
        all,
        others: all,
        pause: Duration::from_millis(1),
    }
}

fn accepted() -> Said {
    Said::Accepted {
        warnings: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn they_go_on_while_whoever_began_them_works() {
    let (told, all_asked) = mpsc::channel();
    let trials = Trials::begin(writes(200), limits(LONG), move |one| {
        let told = told.clone();
        async move {
            tokio::task::yield_now().await;
            told.send(one.thing.clone()).unwrap();
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
    let trials = Trials::begin(
        writes(3),
        limits(Duration::from_millis(50)),
        |one| async move {
            if one.thing.name == "1" {
                std::future::pending::<()>().await;
            }
            accepted()
        },
    );
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
    let trials = Trials::begin(writes(AT_ONCE_MAX + 9), limits(LONG), move |_| {
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

fn away() -> Said {
    Said::Unanswered {
        why: "connection refused".to_owned(),
        passes: true,
    }
}

fn webhook(name: &str, why: &str) -> Said {
    Said::Refused(Refusal {
        code: 500,
        message: format!("failed calling webhook \"{name}\": {why}"),
        ..Refusal::default()
    })
}

/// The answers by number of the write, and how often all were asked.
async fn answers<F: Future<Output = Said> + Send>(
    count: usize,
    limits: Limits,
    say: impl Fn(usize, usize) -> F + Send + Sync + 'static,
) -> (Vec<Said>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let trials = Trials::begin(writes(count), limits, move |one| {
        let times = counted.fetch_add(1, Ordering::SeqCst);
        say(one.thing.name.parse().unwrap(), times)
    });
    let mut rehearsed = trials.answers().await.rehearsed;
    rehearsed.sort_by_key(|one| one.thing.name.parse::<usize>().unwrap());
    assert_eq!(rehearsed.len(), count, "each is told once");
    let said = rehearsed.into_iter().map(|one| one.said).collect();
    (said, asked.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_api_server_that_is_back_in_a_moment_has_tried_all() {
    let (said, asked) = answers(300, limits(LONG), |_, times| async move {
        if times < 310 { away() } else { accepted() }
    })
    .await;
    assert!(said.iter().all(|one| *one == accepted()), "{said:?}");
    assert_eq!(asked, 300 + 10 + 300, "one is asked about until it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_answered_is_asked_once() {
    let (_, asked) = answers(300, limits(LONG), |number, _| async move {
        if number % 2 == 0 {
            accepted()
        } else {
            webhook("w", "x509: certificate signed by unknown authority")
        }
    })
    .await;
    assert_eq!(asked, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_webhook_that_stays_away_is_waited_for_a_while_and_keeps_nobody_else() {
    let short = Limits {
        others: Duration::from_millis(100),
        ..limits(LONG)
    };
    let start = Instant::now();
    let (said, asked) = answers(300, short, |number, times| async move {
        match number % 3 {
            0 => webhook("dead", "connection refused"),
            1 if times < 320 => webhook("restarts", "no endpoints available"),
            _ => accepted(),
        }
    })
    .await;
    assert!(
        start.elapsed() < LONG,
        "it does not last as long as all may"
    );
    for (number, said) in said.iter().enumerate() {
        let expected = match number % 3 {
            0 => webhook("dead", "connection refused"),
            _ => accepted(),
        };
        assert_eq!(*said, expected, "{number}");
    }
    assert!(
        asked < 300 + 100 + 200,
        "of the dead one is asked about: {asked}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_that_never_answers_does_not_keep_the_others_from_it() {
    let (said, _) = answers(
        9,
        limits(Duration::from_millis(500)),
        |number, times| async move {
            if number == 0 || times < 9 {
                away()
            } else {
                accepted()
            }
        },
    )
    .await;
    assert_eq!(said[0], away());
    assert!(said[1..].iter().all(|one| *one == accepted()), "{said:?}");
}

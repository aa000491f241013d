//! Journals: a chain that one engine writes, and that nobody without the keys can write or read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::ObjectStore;
use refloat_core::drive::{Journal, JournalError};
use refloat_core::driver::Problem;
use refloat_core::names::RunId;
use refloat_core::run::Record;
use refloat_vault::store::{Patience, RunJournal};

use crate::keys::{get, open, put, store, time};
use crate::stores::{LostReplies, Script, Silent, Turn};

fn run(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

fn record(step: &str) -> Vec<Record> {
    vec![Record::Began {
        at: time("2026-01-04T00:00:00Z"),
        step: step.to_owned(),
    }]
}

fn path(run: &str, number: u64) -> String {
    format!("runs/{run}/journal/{number:010}")
}

#[tokio::test]
async fn what_is_appended_is_read_back_in_order() {
    let store = store().await;
    let vault = open(&store).await;
    let mut journal = RunJournal::open(&vault, &run("a"), "one").await.unwrap();
    for step in ["x", "y", "z"] {
        journal.append_records(&record(step)).await.unwrap();
    }
    let read = RunJournal::open(&vault, &run("a"), "two").await.unwrap();
    assert_eq!(
        read.records(),
        [record("x"), record("y"), record("z")].concat()
    );
    assert_eq!(read.last_writer(), Some("one"));
}

#[tokio::test]
async fn a_run_is_marked_until_it_ends() {
    let store = store().await;
    let vault = open(&store).await;
    let mut journal = RunJournal::open(&vault, &run("a"), "one").await.unwrap();
    assert!(vault.open_runs().await.unwrap().is_empty());
    journal.append_records(&record("x")).await.unwrap();
    assert_eq!(vault.open_runs().await.unwrap(), vec![run("a")]);
    let at = time("2026-01-04T00:00:00Z");
    let end = refloat_core::run::End::Completed;
    journal
        .append_records(&[Record::Ended { at, end }])
        .await
        .unwrap();
    assert!(vault.open_runs().await.unwrap().is_empty());
    vault.close_run(&run("a")).await;
    assert_eq!(vault.runs().await.unwrap(), vec![run("a")]);
}

/// Only what was sealed for that place counts: neither an entry of another place or run, nor anything else that lies there.
#[tokio::test]
async fn that_a_run_has_ended_is_told_by_its_last_entry() {
    let store = store().await;
    let vault = open(&store).await;
    assert!(!vault.has_ended(&run("a")).await.unwrap(), "never begun");
    let ended = [Record::Ended {
        at: time("2026-01-04T00:00:00Z"),
        end: refloat_core::run::End::Completed,
    }];
    for name in ["a", "b"] {
        let mut journal = RunJournal::open(&vault, &run(name), "one").await.unwrap();
        for step in ["x", "y"] {
            journal.append_records(&record(step)).await.unwrap();
        }
        assert!(!vault.has_ended(&run(name)).await.unwrap());
        if name == "a" {
            journal.append_records(&ended).await.unwrap();
        }
    }
    assert!(vault.has_ended(&run("a")).await.unwrap());
    let end = get(&store, &path("a", 3)).await;
    put(&store, &path("b", 3), end.clone()).await;
    assert!(!vault.has_ended(&run("b")).await.unwrap(), "of another run");
    put(&store, &path("a", 4), end).await;
    assert!(
        !vault.has_ended(&run("a")).await.unwrap(),
        "of another place"
    );
    put(&store, "runs/b/journal/notes", b"Ended".to_vec()).await;
    put(&store, &path("b", 4), b"refloat.journal/1".to_vec()).await;
    assert!(
        !vault.has_ended(&run("b")).await.unwrap(),
        "no entry at all"
    );
}

#[tokio::test]
async fn of_two_engines_one_stops() {
    let store = store().await;
    let vault = open(&store).await;
    let mut old = RunJournal::open(&vault, &run("a"), "old").await.unwrap();
    old.append_records(&record("x")).await.unwrap();
    let mut new = RunJournal::open(&vault, &run("a"), "new").await.unwrap();
    new.append_records(&record("taken over")).await.unwrap();
    let stopped = old.append(&record("y")).await.unwrap_err();
    assert_eq!(stopped, JournalError::TakenOver("new".to_owned()));
    let read = RunJournal::open(&vault, &run("a"), "x").await.unwrap();
    assert_eq!(read.records(), [record("x"), record("taken over")].concat());
}

#[tokio::test]
async fn of_two_that_begin_at_once_one_is_told_who_drives() {
    let store = store().await;
    let vault = open(&store).await;
    let mut one = RunJournal::open(&vault, &run("a"), "one").await.unwrap();
    let mut two = RunJournal::open(&vault, &run("a"), "two").await.unwrap();
    one.append_records(&record("x")).await.unwrap();
    let refused = two.append_records(&record("x")).await.unwrap_err();
    assert_eq!(refused.code(), "run-alive");
    assert_eq!(refused.to_string(), "run a is being driven by one");
    one.append_records(&record("y")).await.unwrap();
}

#[tokio::test]
async fn whoever_goes_on_with_a_run_is_seen_to_live_at_once() {
    let store = store().await;
    let vault = open(&store).await;
    let mut old = RunJournal::open(&vault, &run("a"), "old").await.unwrap();
    old.append_records(&record("x")).await.unwrap();
    // The mark of a dead engine, long ago.
    vault.close_run(&run("a")).await;
    let mut new = RunJournal::open(&vault, &run("a"), "new").await.unwrap();
    assert_eq!(vault.run_seen(&run("a")).await.unwrap(), None);
    new.append_records(&record("y")).await.unwrap();
    assert!(vault.run_seen(&run("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_reply_is_neither_a_race_nor_a_second_entry() {
    let store = LostReplies::over(store().await);
    let vault = open(&store).await;
    let mut journal = RunJournal::open(&vault, &run("a"), "one").await.unwrap();
    // The store retries by itself, as its client does: the second create meets the first.
    journal.append_records(&record("x")).await.unwrap();
    journal.append_records(&record("y")).await.unwrap();
    let read = RunJournal::open(&vault, &run("a"), "x").await.unwrap();
    assert_eq!(read.records(), [record("x"), record("y")].concat());
}

/// A journal over a store that does not answer, and what is told of it.
async fn patient(
    store: &Arc<dyn ObjectStore>,
    script: Script,
    at_most: Duration,
) -> (RunJournal, Arc<Mutex<Vec<String>>>) {
    let vault = open(&Silent::over(store, script)).await;
    let first_pause = Duration::from_millis(1);
    let journal = RunJournal::open(&vault, &run("a"), "one").await.unwrap();
    let mut journal = journal.with_patience(Patience {
        at_most,
        first_pause,
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    journal.tell(move |text| tell.lock().unwrap().push(text.to_owned()));
    (journal, told)
}

const LONG: Duration = Duration::from_mins(1);
const ENTRIES: &str = "runs/a/journal/";

#[tokio::test]
async fn a_store_that_is_away_for_a_moment_is_waited_for_and_that_is_said_once() {
    let store = store().await;
    // The mark of the run, then its first entry.
    let (lost, answered) = (Turn::Lost, Turn::Answered);
    let script = Script::new("v/", &[lost, lost, answered, lost, lost], &[]);
    let (mut journal, told) = patient(&store, script, LONG).await;
    for step in ["x", "y"] {
        journal.append_records(&record(step)).await.unwrap();
    }
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("does not answer"), "{told:?}");
    assert!(told[0].contains("it is asked again for 60 s"), "{told:?}");
    let vault = open(&store).await;
    assert!(vault.run_seen(&run("a")).await.unwrap().is_some());
    let read = RunJournal::open(&vault, &run("a"), "x").await.unwrap();
    assert_eq!(read.records(), [record("x"), record("y")].concat());
}

#[tokio::test]
async fn whoever_has_waited_is_seen_to_live_at_once() {
    let store = store().await;
    let vault = open(&store).await;
    let script = Script::new(ENTRIES, &[Turn::Answered, Turn::Lost], &[]);
    let (mut journal, _) = patient(&store, script, LONG).await;
    journal.append_records(&record("x")).await.unwrap();
    // No mark was taken while the store was away.
    vault.close_run(&run("a")).await;
    assert_eq!(vault.run_seen(&run("a")).await.unwrap(), None);
    journal.append_records(&record("y")).await.unwrap();
    assert!(vault.run_seen(&run("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn an_entry_whose_reply_was_lost_is_written_once() {
    for (puts, gets) in [
        (vec![Turn::ReplyLost], vec![]),
        // The read that tells it is not answered either.
        (
            vec![Turn::ReplyLost, Turn::Lost],
            vec![Turn::Answered, Turn::Lost],
        ),
        // A create is refused for another that has not ended and leaves nothing.
        (vec![Turn::Conflict, Turn::Answered], vec![]),
    ] {
        let store = store().await;
        let script = Script::new(ENTRIES, &puts, &gets);
        let (mut journal, told) = patient(&store, script, LONG).await;
        for step in ["x", "y"] {
            journal.append_records(&record(step)).await.unwrap();
        }
        assert_eq!(told.lock().unwrap().len(), 1, "{puts:?}");
        let vault = open(&store).await;
        let read = RunJournal::open(&vault, &run("a"), "x").await.unwrap();
        assert_eq!(read.records(), [record("x"), record("y")].concat());
    }
}

#[tokio::test]
async fn an_engine_that_was_taken_over_while_it_waited_stops() {
    let store = store().await;
    let script = Script::new(ENTRIES, &[Turn::Answered, Turn::Lost, Turn::Lost], &[]);
    let (mut old, _) = patient(&store, script, LONG).await;
    old.append_records(&record("x")).await.unwrap();
    let vault = open(&store).await;
    let mut new = RunJournal::open(&vault, &run("a"), "new").await.unwrap();
    new.append_records(&record("taken over")).await.unwrap();
    let stopped = old.append(&record("y")).await.unwrap_err();
    assert_eq!(stopped, JournalError::TakenOver("new".to_owned()));
    let read = RunJournal::open(&vault, &run("a"), "x").await.unwrap();
    assert_eq!(read.records(), [record("x"), record("taken over")].concat());
}

#[tokio::test]
async fn a_store_that_stays_away_ends_the_wait() {
    let store = store().await;
    let script = Script::new(ENTRIES, &[Turn::Lost; 1000], &[]);
    let (mut journal, told) = patient(&store, script, Duration::from_millis(20)).await;
    let error = journal.append(&record("x")).await.unwrap_err();
    let JournalError::Unwritable(problem) = error else {
        panic!("{error}");
    };
    assert_eq!(problem.code, "vault-unreachable");
    assert_eq!(told.lock().unwrap().len(), 1);
}

/// A pause that is longer than what a hold may be prolonged by: nothing is asked again.
#[tokio::test]
async fn what_is_held_is_not_held_for_a_store_that_is_away() {
    let store = store().await;
    let script = Script::new(ENTRIES, &[Turn::Lost], &[]);
    let (journal, told) = patient(&store, script, LONG).await;
    let mut journal = journal.with_patience(Patience {
        at_most: LONG,
        first_pause: LONG,
    });
    let kept = [Record::Kept {
        at: time("2026-01-04T00:00:00Z"),
        step: "capture".to_owned(),
        facts: std::collections::BTreeMap::new(),
    }];
    let error = journal.append_records(&kept).await.unwrap_err();
    assert_eq!(error.code(), "vault-unreachable");
    assert!(told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_without_the_keys_writes_reads_or_moves_an_entry() {
    let store = store().await;
    let vault = open(&store).await;
    let mut journal = RunJournal::open(&vault, &run("a"), "one").await.unwrap();
    let secret = Problem::stuck("x", "a Secret's password", "y");
    let at = time("2026-01-04T00:00:00Z");
    journal
        .append_records(&[Record::Failing {
            at,
            problem: secret,
        }])
        .await
        .unwrap();
    journal.append_records(&record("y")).await.unwrap();
    let (first, second) = (
        get(store.as_ref(), &path("a", 1)).await,
        get(store.as_ref(), &path("a", 2)).await,
    );
    assert!(
        !String::from_utf8_lossy(&first).contains("password"),
        "it can be read"
    );

    let refused = async |name: &str| {
        let error = RunJournal::open(&vault, &run(name), "x")
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains(name), "{error}");
        error.code()
    };
    put(store.as_ref(), &path("moved", 1), first.clone()).await;
    assert_eq!(refused("moved").await, "vault-untrusted");
    put(store.as_ref(), &path("swapped", 1), second.clone()).await;
    assert_eq!(refused("swapped").await, "vault-untrusted");
    for position in [0, 5, 20, 45, first.len() / 2, first.len() - 1] {
        let mut bad = first.clone();
        bad[position] ^= 1;
        put(store.as_ref(), &path("a", 1), bad).await;
        let code = refused("a").await;
        assert!(
            matches!(
                code,
                "vault-untrusted" | "vault-unreadable" | "vault-format-newer"
            ),
            "{position}: {code}"
        );
    }
    put(
        store.as_ref(),
        &path("a", 1),
        &b"refloat.journal/3\nwhatever"[..],
    )
    .await;
    assert_eq!(refused("a").await, "vault-format-newer");
    put(store.as_ref(), &path("a", 1), &b"{}"[..]).await;
    assert_eq!(refused("a").await, "vault-unreadable");
}

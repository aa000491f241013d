//! The holder of hooks under real shells: what lets go, what does not, and what is a proof.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use refloat_core::capture::Hold;
use refloat_core::driver::{Answer, Claim, Op, Role, Seen, Task, Verdict};
use refloat_core::inventory::ThingId;
use refloat_core::names::RunId;
use refloat_drivers::CATALOGUE;
use serde_json::json;

/// The hold of a hook with these words, as its driver prepares it.
fn hold(settings: &[(&str, &str)]) -> Hold {
    let driver = CATALOGUE
        .iter()
        .find(|one| one.facts().id == "hook")
        .unwrap();
    let mut settings: BTreeMap<String, String> = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    settings.insert("container".to_owned(), "files".to_owned());
    let claim = Claim {
        driver: "hook".to_owned(),
        role: Role::Database,
        thing: ThingId::namespaced("apps", "StatefulSet", "shop", "files"),
        volumes: Vec::new(),
        settings,
        notes: Vec::new(),
    };
    let task = Task {
        op: Op::Capture,
        run: &RunId::new("backup-1").unwrap(),
        step: "step",
        claim: &claim,
        inputs: &BTreeMap::new(),
        prior: &BTreeMap::new(),
        ran: None,
    };
    let pod = json!({
        "metadata": { "name": "files-0", "ownerReferences": [{ "kind": "StatefulSet", "name": "files" }] },
        "status": {
            "phase": "Running",
            "containerStatuses": [{ "name": "files", "state": { "running": {} } }],
        },
    });
    let mut seen = Seen::default();
    for query in driver.look(&task) {
        seen.insert(query, Answer::List(vec![pod.clone()]));
    }
    match driver.decide(&task, &seen, jiff::Timestamp::UNIX_EPOCH) {
        Verdict::Done(outcome) => serde_json::from_value(outcome.facts["hold"].clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// What happens at all happens within this time, on a machine that stands still for some of it.
const LONG: Duration = Duration::from_mins(1);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(10);

/// The holder as it runs in a container, with a directory in which its command leaves marks.
struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
    place: tempfile::TempDir,
}

impl Session {
    /// Shells of containers; those that this machine has.
    fn shells() -> Vec<&'static [&'static str]> {
        let all: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];
        let has = |shell: &&&[&str]| {
            let places = ["/bin", "/usr/bin"];
            places
                .iter()
                .any(|place| Path::new(place).join(shell[0]).exists())
        };
        let found: Vec<_> = all.iter().filter(has).copied().collect();
        assert!(!found.is_empty(), "this machine has no shell to test with");
        found
    }

    /// Silence does not count here for ten minutes: a machine that stands still is silent, too.
    fn open(shell: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut words = hold(settings).session.command;
        let silence = words.get_mut(4).unwrap();
        assert_eq!(silence.as_str(), "5");
        "600".clone_into(silence);
        Self::run(shell, words)
    }

    /// The holder as its driver prepares it.
    fn open_as_it_is(shell: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::run(shell, hold(settings).session.command)
    }

    fn run(shell: &[&str], mut words: Vec<String>) -> Self {
        let place = tempfile::tempdir().unwrap();
        words.splice(0..1, shell.iter().map(|&word| word.to_owned()));
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            place,
        }
    }

    fn say(&mut self, word: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn mark(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// How long until the mark is there.
    fn until(&self, name: &str) -> Duration {
        let begun = Instant::now();
        while !self.mark(name).exists() {
            assert!(begun.elapsed() < LONG, "no {name}");
            std::thread::sleep(GLANCE);
        }
        begun.elapsed()
    }

    /// Until the command, which left its process id, is a zombie or gone: its end is asynchronous to its last line.
    fn until_command_ended(&self) {
        let begun = Instant::now();
        let id = std::fs::read_to_string(self.mark("id")).unwrap();
        let status = Path::new("/proc").join(id.trim()).join("status");
        let runs =
            || std::fs::read_to_string(&status).is_ok_and(|status| !status.contains("State:\tZ"));
        while runs() {
            assert!(begun.elapsed() < LONG, "it never ended");
            std::thread::sleep(GLANCE);
        }
    }

    /// Until a heartbeat is not answered any more.
    fn until_unanswered(&mut self) {
        let begun = Instant::now();
        while self.say_if_heard("beat") && !self.hear().is_empty() {
            assert!(begun.elapsed() < LONG, "it still answers");
            std::thread::sleep(GLANCE);
        }
    }

    /// False when nobody reads any more.
    fn say_if_heard(&mut self, word: &str) -> bool {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{word}\n").as_bytes()).is_ok()
    }

    fn ended(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let done = self.child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        (done.status.code(), said)
    }
}

/// Leaves marks: `frozen`, then `thawed`.
const FREEZE: [(&str, &str); 2] = [
    ("freeze", r#"["sh", "-c", "echo chatter; touch frozen"]"#),
    ("thaw", r#"["sh", "-c", "cat; touch thawed"]"#),
];
/// Holds until the end of its input.
const HOLD: [(&str, &str); 1] = [(
    "hold",
    r#"["sh", "-c", "touch frozen; echo locked; cat; touch thawed"]"#,
)];

#[test]
fn a_hold_lasts_until_it_is_released_and_is_proven_by_that() {
    for shell in Session::shells() {
        for (settings, first) in [(&FREEZE[..], "refloat held"), (&HOLD[..], "locked")] {
            let mut session = Session::open(shell, settings);
            assert_eq!(session.hear(), first, "{shell:?}");
            assert!(session.mark("frozen").exists());
            for _ in 0..3 {
                session.say("beat");
                assert_eq!(session.hear(), "refloat beat");
            }
            assert!(!session.mark("thawed").exists());
            session.say("release");
            assert_eq!(session.hear(), "refloat released");
            assert!(session.mark("thawed").exists());
            assert_eq!(session.ended().0, Some(0));
        }
    }
}

#[test]
fn the_end_of_the_input_lets_go_at_once_and_silence_after_five_seconds() {
    for shell in Session::shells() {
        for settings in [&FREEZE[..], &HOLD[..]] {
            let mut session = Session::open(shell, settings);
            session.hear();
            drop(session.input.take());
            session.until("thawed");
            assert_eq!(session.ended().0, Some(0));

            // Later on a machine that stands still meanwhile, but never earlier.
            let later = Duration::from_secs(7);
            let mut silences = (0..3).map(|_| silent_for(shell, settings));
            let soon = silences.any(|silent| silent.is_some_and(|silent| silent < later));
            assert!(soon, "{shell:?}: it was let go late three times");
        }
    }
}

/// How long a holder keeps its hold that hears nothing after a first word; nothing when that word came too late.
fn silent_for(shell: &[&str], settings: &[(&str, &str)]) -> Option<Duration> {
    let opened = Instant::now();
    let mut session = Session::open_as_it_is(shell, settings);
    session.hear();
    let begun = Instant::now();
    if !session.say_if_heard("beat") || session.hear() != "refloat beat" {
        let waited = opened.elapsed();
        assert!(waited > Duration::from_secs(4), "{shell:?}: {waited:?}");
        return None;
    }
    session.until("thawed");
    let silent = begun.elapsed();
    assert!(silent > Duration::from_secs(4), "{shell:?}: {silent:?}");
    let (code, said) = session.ended();
    assert_eq!(code, Some(72));
    assert!(said.contains("nothing was heard for 5 s"), "{said}");
    Some(silent)
}

#[test]
fn a_holder_that_is_killed_lets_go_too() {
    for shell in Session::shells() {
        // Its watchdog outlives it: for as long as it is set to.
        let soon = (0..3).any(|_| {
            let mut session = Session::open_as_it_is(shell, &FREEZE);
            session.hear();
            session.child.kill().unwrap();
            session.until("thawed") < Duration::from_secs(2)
        });
        assert!(soon, "{shell:?}");
    }
}

#[test]
fn a_command_that_ended_by_itself_proves_nothing() {
    let early = [(
        "hold",
        r#"["sh", "-c", "echo $$ >id; echo locked; exit 0"]"#,
    )];
    for shell in Session::shells() {
        for word in ["beat", "release"] {
            let mut session = Session::open(shell, &early);
            assert_eq!(session.hear(), "locked");
            session.until_command_ended();
            session.say(word);
            assert_eq!(session.hear(), "", "{shell:?}, {word}");
            let (code, said) = session.ended();
            assert_eq!(code, Some(71), "{shell:?}, {word}: {said}");
            assert!(said.contains("ended by itself with exit code 0"), "{said}");
        }
    }
}

#[test]
fn a_freeze_that_fails_is_thawed_all_the_same_and_a_thaw_that_fails_is_told() {
    for shell in Session::shells() {
        let failing = [("freeze", r#"["sh", "-c", "exit 9"]"#), FREEZE[1]];
        let mut session = Session::open(shell, &failing);
        session.until("thawed");
        session.until_unanswered();
        let (code, said) = session.ended();
        assert_eq!(code, Some(71), "{said}");
        assert!(said.contains("freezing failed with exit code 9"), "{said}");

        let failing = [FREEZE[0], ("thaw", r#"["sh", "-c", "exit 9"]"#)];
        let mut session = Session::open(shell, &failing);
        session.hear();
        session.say("release");
        assert_eq!(session.hear(), "", "no word of release");
        let (code, said) = session.ended();
        assert_eq!(code, Some(74), "{said}");
        assert!(said.contains("thawing failed with exit code 9"), "{said}");
    }
}

#[test]
fn a_command_that_does_not_let_go_is_ended() {
    let deaf = [("hold", r#"["sh", "-c", "echo locked; exec sleep 300"]"#)];
    for shell in Session::shells() {
        let mut session = Session::open(shell, &deaf);
        assert_eq!(session.hear(), "locked");
        session.say("release");
        let begun = Instant::now();
        assert_eq!(session.hear(), "", "no word of release");
        assert!(begun.elapsed() < LONG, "{shell:?}");
        assert_eq!(session.ended().0, Some(74));
    }
}

//! The job as a pod runs it: JSON in, lines and JSON out.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use refloat_mover::job::{JobReport, JobRequest, Outcome, ProgressLines, parse_progress, run};
use refloat_mover::{Control, RepositoryKey, Saved};

use crate::support::{PREFIX, Place, assert_same, fill_source, handle, key};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn request(place: &Place, action: &serde_json::Value) -> JobRequest {
    let text = serde_json::json!({
        "action": action,
        "store": { "type": "directory", "path": place.path("store") },
        "prefix": PREFIX,
        "keyPath": place.path("key"),
    });
    JobRequest::from_json(text.to_string().as_bytes()).unwrap()
}

fn backup(place: &Place, source: &Path) -> JobRequest {
    request(
        place,
        &serde_json::json!({
            "kind": "backup",
            "path": source,
            "save": {
                "labels": { "site": "a", "protection": "shop", "run": "r1", "part": "data" },
                "time": "2030-01-01T00:00:00Z",
            },
        }),
    )
}

fn work(request: &JobRequest) -> JobReport {
    let report = run(request, &Control::default(), &handle());
    let text = report.to_json();
    assert!(text.len() <= 4096, "{} bytes", text.len());
    assert_eq!(JobReport::from_json(&text).unwrap(), report);
    report
}

fn saved(report: JobReport) -> Saved {
    match report.outcome {
        Outcome::Saved(saved) => saved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_saves_verifies_and_restores() {
    let place = Place::new();
    fs::write(place.path("key"), key(0).to_json_for_mover().as_bytes()).unwrap();
    fill_source(&place.path("source"));
    let lines = Lines::default();
    let control = Control {
        progress: Some(ProgressLines::new(lines.clone())),
        ..Control::default()
    };
    let report = run(&backup(&place, &place.path("source")), &control, &handle());
    let saved = saved(report);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let last = parse_progress(text.lines().last().unwrap()).unwrap();
    assert_eq!(last.bytes_done, saved.amount.bytes);

    let part = serde_json::json!({
        "part": "data",
        "snapshotId": saved.snapshot_id,
        "treeId": saved.tree_id,
        "amount": saved.amount,
    });
    let verify = serde_json::json!({ "kind": "verify", "part": part, "read": "full" });
    assert!(work(&request(&place, &verify)).is_success());
    let restore =
        serde_json::json!({ "kind": "restore", "part": part, "path": place.path("target") });
    assert!(work(&request(&place, &restore)).is_success());
    assert_same(&place.path("source"), &place.path("target"));
}

#[test]
fn a_failed_job_says_why_and_what_to_do() {
    let place = Place::new();
    let without_key = work(&backup(&place, &place.path("source")));
    fs::write(place.path("key"), key(0).to_json_for_mover().as_bytes()).unwrap();
    let without_source = work(&backup(&place, &place.path(&"missing\u{1}".repeat(30))));
    for (report, code) in [
        (without_key, "mover-key"),
        (without_source, "mover-source-read"),
    ] {
        let Outcome::Failed(failure) = report.outcome else {
            panic!("{report:?}");
        };
        assert_eq!(failure.code, code);
        assert!(!failure.hint.is_empty());
        assert_eq!(report.part, "data");
    }
}

#[test]
fn a_request_with_an_unknown_field_is_refused() {
    let text = br#"{"action":{"kind":"verify"},"surprise":1}"#;
    let error = JobRequest::from_json(text).unwrap_err();
    assert_eq!(error.code(), "mover-request");
}

#[test]
fn a_broken_key_is_refused_without_showing_it() {
    for text in [
        r#"{"encrypt":"c2VjcmV0","macK":"c2VjcmV0","macR":"c2VjcmV0"}"#,
        r#"{"encrypt":"secret!","macK":"","macR":""}"#,
        r#"{"secret":1}"#,
        "secret",
    ] {
        let error = RepositoryKey::from_json(text.as_bytes()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("c2Vj"),
            "{shown}"
        );
    }
    assert_eq!(format!("{:?}", key(0)), "RepositoryKey(secret)");
}

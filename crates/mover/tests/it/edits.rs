//! What is changed in a restored tree: files written, removed, required; and nothing outside of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use refloat_mover::{Control, Edit, MoverEngine, PartError};

use crate::support::{Place, reference, request};

fn restored(edits: &[Edit]) -> (Place, Result<u64, PartError>) {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir_all(source.join("data")).unwrap();
    fs::create_dir_all(source.join("wal/archive_status")).unwrap();
    fs::write(source.join("data/postmaster.pid"), "1\n").unwrap();
    fs::write(source.join("data/backup_label"), "another\n").unwrap();
    for number in 1..=5 {
        fs::write(
            source.join(format!("wal/00000001000000000000000{number}")),
            "wal",
        )
        .unwrap();
    }
    fs::write(source.join("wal/00000002.history"), "history").unwrap();
    fs::write(source.join("wal/empty"), "").unwrap();
    symlink("/etc", source.join("away")).unwrap();
    let engine = place.engine();
    let saved = engine
        .save_tree(&request("wal"), &source, &Control::default())
        .unwrap();
    let target = place.path("target");
    fs::create_dir_all(&target).unwrap();
    let done = engine.restore_tree(&reference(&saved), edits, &target, &Control::default());
    (place, done.map(|restored| restored.edits))
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_written_removed_and_found() {
    let (place, done) = restored(&[
        Edit::Write {
            path: "data/backup_label".to_owned(),
            text: "START\n".to_owned(),
        },
        Edit::Remove {
            path: "data/postmaster.pid".to_owned(),
        },
        Edit::Remove {
            path: "data/not-there".to_owned(),
        },
        Edit::Require {
            path: "wal/000000010000000000000003".to_owned(),
        },
        Edit::RemoveAfter {
            directory: "wal".to_owned(),
            name: "000000010000000000000003".to_owned(),
        },
    ]);
    assert_eq!(done.unwrap(), 5);
    let target = place.path("target");
    assert_eq!(names(&target.join("data")), ["backup_label"]);
    let label = fs::read_to_string(target.join("data/backup_label")).unwrap();
    assert_eq!(label, "START\n");
    assert_eq!(
        names(&target.join("wal")),
        [
            "000000010000000000000001",
            "000000010000000000000002",
            "000000010000000000000003",
            "00000002.history",
            "archive_status",
            "empty",
        ]
    );
    assert_eq!(names(&target), ["away", "data", "wal"]);
}

#[test]
fn what_is_missing_or_empty_ends_the_restore_before_it_counts() {
    for path in ["wal/000000010000000000000009", "wal/empty", "nowhere/file"] {
        let (place, done) = restored(&[Edit::Require {
            path: path.to_owned(),
        }]);
        let error = done.unwrap_err();
        assert_eq!(error.code(), "mover-edit", "{path}");
        assert!(error.to_string().contains(path), "{error}");
        let left = names(&place.path("target"));
        assert!(left.contains(&".refloat-restoring".to_owned()), "{left:?}");
    }
}

#[test]
fn no_edit_leaves_the_target() {
    for path in [
        "../outside",
        "/etc/outside",
        "away/outside",
        "data/../../outside",
        "",
        ".",
    ] {
        let (place, done) = restored(&[Edit::Write {
            path: path.to_owned(),
            text: "x".to_owned(),
        }]);
        assert_eq!(done.unwrap_err().code(), "mover-edit", "{path}");
        assert!(!place.path("outside").exists(), "{path}");
        assert!(!Path::new("/etc/outside").exists(), "{path}");
    }
    let (_place, done) = restored(&[Edit::RemoveAfter {
        directory: "away".to_owned(),
        name: "0".to_owned(),
    }]);
    assert_eq!(done.unwrap_err().code(), "mover-edit");
}

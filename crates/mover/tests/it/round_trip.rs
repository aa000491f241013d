//! What is saved comes back.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use refloat_mover::{
    Control, FileReader, MoverEngine, ObjectFile, ObjectLimits, PartError, Progress, ProgressSink,
    ReadData, SourceReader,
};

use crate::support::{Place, assert_same, fill_source, noise, reference, request, request_at};

#[test]
fn everything_in_a_volume_comes_back() {
    let place = Place::new();
    fill_source(&place.path("source"));
    xattr::set(
        place.path("source").join("base.conf"),
        "user.colour",
        b"blue",
    )
    .unwrap();
    let saved = place.save();
    assert_eq!(saved.special_files_skipped, 1);
    assert_eq!(saved.amount.files, 309);

    let engine = place.engine();
    for read in [ReadData::Metadata, ReadData::Full] {
        let verified = engine
            .verify(&reference(&saved), read, &Control::default())
            .unwrap();
        assert_eq!(verified.amount, saved.amount);
    }
    let target = place.path("target");
    fs::create_dir(target.join("lost+found")).unwrap();
    let restored = engine
        .restore_tree(&reference(&saved), &[], &target, &Control::default())
        .unwrap();
    assert_eq!(restored.amount, saved.amount);
    assert_eq!(restored.attributes_skipped, 0);
    assert_same(&place.path("source"), &target);
    let colour = xattr::get(target.join("base.conf"), "user.colour").unwrap();
    assert_eq!(colour.as_deref(), Some(&b"blue"[..]));
    assert!(!target.join("lost+found/orphan").exists());
}

#[test]
fn an_empty_volume_comes_back() {
    let place = Place::new();
    let saved = place.save();
    assert_eq!(saved.amount.files, 0);
    let target = place.path("target");
    place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default())
        .unwrap();
    assert_same(&place.path("source"), &target);
}

#[derive(Default)]
struct CountingReader {
    opened: Mutex<Vec<String>>,
    bytes: Arc<AtomicU64>,
}

struct Counted {
    inner: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl SourceReader for CountingReader {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        self.opened.lock().unwrap().push(name);
        Ok(Box::new(Counted {
            inner: FileReader.open(path)?,
            bytes: Arc::clone(&self.bytes),
        }))
    }
}

#[test]
fn unchanged_files_are_not_read_again() {
    let place = Place::new();
    fill_source(&place.path("source"));
    let first = place.save();

    let counting = Arc::new(CountingReader::default());
    let engine = place.engine().with_source_reader(counting.clone());
    let source = place.path("source");
    let again = engine
        .save_tree(&request("data"), &source, &Control::default())
        .unwrap();
    assert_eq!(counting.bytes.load(Ordering::Relaxed), 0);
    assert_eq!(*counting.opened.lock().unwrap(), Vec::<String>::new());
    assert_eq!((again.files_read, again.bytes_added), (0, 0));
    assert_eq!(
        (&again.tree_id, again.amount),
        (&first.tree_id, first.amount)
    );
    assert_ne!(again.snapshot_id, first.snapshot_id);

    fs::write(source.join("base/small-7"), "changed").unwrap();
    engine
        .save_tree(&request("data"), &source, &Control::default())
        .unwrap();
    assert_eq!(*counting.opened.lock().unwrap(), ["small-7"]);
}

#[test]
fn another_part_is_not_taken_for_the_parent() {
    let place = Place::new();
    fill_source(&place.path("source"));
    place.save();
    let other = place
        .engine()
        .save_tree(
            &request("other"),
            &place.path("source"),
            &Control::default(),
        )
        .unwrap();
    assert!(other.files_read > 300);
    assert_eq!(other.bytes_added, 0);
}

/// A write in the kernel tick of the cut leaves the times of the file as they are.
#[test]
fn a_file_written_just_before_the_cut_is_read_again() {
    let place = Place::new();
    let source = place.path("source");
    fs::write(source.join("file"), "before").unwrap();
    let cut = jiff::Timestamp::now();
    let counting = Arc::new(CountingReader::default());
    let engine = place.engine().with_source_reader(counting.clone());
    let save = |run: &str, time| {
        let mut request = request_at("data", time);
        request.labels.run = run.to_owned();
        engine
            .save_tree(&request, &source, &Control::default())
            .unwrap();
        counting.opened.lock().unwrap().len()
    };
    assert_eq!(save("run-1", cut), 1);
    assert_eq!(save("run-2", cut), 2);
    assert_eq!(save("run-3", cut), 3);
    let quiet = cut + jiff::SignedDuration::from_mins(2);
    assert_eq!(save("run-4", quiet), 4);
    assert_eq!(save("run-5", quiet), 4);
}

#[derive(Default)]
struct LastProgress(Mutex<Option<Progress>>);

impl ProgressSink for LastProgress {
    fn report(&self, progress: Progress) {
        *self.0.lock().unwrap() = Some(progress);
    }
}

#[test]
fn progress_ends_at_the_whole() {
    let place = Place::new();
    fs::write(place.path("source").join("file"), noise(5 << 20, 3)).unwrap();
    let last = Arc::new(LastProgress::default());
    let control = Control {
        progress: Some(last.clone()),
        ..Control::default()
    };
    let whole = Progress {
        bytes_done: 5 << 20,
        bytes_total: 5 << 20,
        files_done: 1,
    };
    let engine = place.engine();
    let saved = engine
        .save_tree(&request("data"), &place.path("source"), &control)
        .unwrap();
    assert_eq!(last.0.lock().unwrap().take(), Some(whole));
    engine
        .restore_tree(&reference(&saved), &[], &place.path("target"), &control)
        .unwrap();
    assert_eq!(last.0.lock().unwrap().take(), Some(whole));
}

fn objects(entries: &[(&str, &[u8])]) -> Vec<ObjectFile> {
    entries
        .iter()
        .map(|(path, content)| ObjectFile {
            path: (*path).to_owned(),
            content: bytes::Bytes::copy_from_slice(content),
        })
        .collect()
}

#[test]
fn objects_come_back_and_changed_ones_of_equal_length_are_seen() {
    let place = Place::new();
    let engine = place.engine();
    let large = noise(3 << 20, 9);
    let control = Control::default();
    let before = [
        ("apps/v1/deployments/shop/web.json", &b"{\"a\":1}"[..]),
        ("apps/v1.json", b"x"),
        ("large", &large),
        ("none", b""),
    ];
    let first = engine
        .save_objects(&request("objects"), objects(&before), &control)
        .unwrap();
    let same = engine
        .save_objects(&request("objects"), objects(&before), &control)
        .unwrap();
    assert_eq!((&same.tree_id, same.bytes_added), (&first.tree_id, 0));

    let mut after = before;
    after[0].1 = b"{\"a\":2}";
    let second = engine
        .save_objects(&request("objects"), objects(&after), &control)
        .unwrap();
    for (saved, expected) in [(&first, &before), (&second, &after)] {
        let read = engine
            .read_objects(&reference(saved), &ObjectLimits::default(), &control)
            .unwrap();
        let expected: Vec<(&str, &[u8])> = expected.to_vec();
        let mut found: Vec<(&str, &[u8])> = read
            .iter()
            .map(|(path, content)| (path.as_str(), &content[..]))
            .collect();
        found.sort_unstable();
        let mut sorted = expected;
        sorted.sort_unstable();
        assert_eq!(found, sorted);
        let verified = engine
            .verify(&reference(saved), ReadData::Full, &control)
            .unwrap();
        assert_eq!(verified.amount.files, 4);
    }
}

#[test]
fn no_objects_at_all_are_a_part_too() {
    let place = Place::new();
    let engine = place.engine();
    let saved = engine
        .save_objects(&request("objects"), Vec::new(), &Control::default())
        .unwrap();
    let read = engine
        .read_objects(
            &reference(&saved),
            &ObjectLimits::default(),
            &Control::default(),
        )
        .unwrap();
    assert!(read.is_empty());
    engine
        .verify(&reference(&saved), ReadData::Full, &Control::default())
        .unwrap();
}

#[test]
fn object_paths_that_leave_their_place_are_refused() {
    let place = Place::new();
    let long = "n".repeat(256);
    for path in [
        "",
        "/abs",
        "a//b",
        "a/",
        "..",
        "a/../../b",
        "./a",
        "a\0b",
        &long,
    ] {
        let result = place.engine().save_objects(
            &request("objects"),
            objects(&[(path, b"x")]),
            &Control::default(),
        );
        assert!(
            matches!(result, Err(PartError::ObjectPath { .. })),
            "{path:?} was accepted"
        );
    }
    for pair in [["a", "a"], ["a", "a/b"]] {
        let pair = pair.map(|path| (path, &b"x"[..]));
        let result =
            place
                .engine()
                .save_objects(&request("objects"), objects(&pair), &Control::default());
        assert!(matches!(result, Err(PartError::ObjectPath { .. })));
    }
    assert!(place.objects("snapshots").is_empty());
}

#[test]
fn reading_objects_keeps_to_its_limits() {
    let place = Place::new();
    let engine = place.engine();
    let control = Control::default();
    let saved = engine
        .save_objects(
            &request("objects"),
            objects(&[("a/b/c", b"12345"), ("d", b"67890")]),
            &control,
        )
        .unwrap();
    let fits = ObjectLimits {
        files_max: 2,
        bytes_max: 10,
        depth_max: 2,
    };
    engine
        .read_objects(&reference(&saved), &fits, &control)
        .unwrap();
    for limits in [
        ObjectLimits {
            files_max: 1,
            ..fits
        },
        ObjectLimits {
            bytes_max: 9,
            ..fits
        },
        ObjectLimits {
            depth_max: 1,
            ..fits
        },
    ] {
        let result = engine.read_objects(&reference(&saved), &limits, &control);
        assert!(
            matches!(result, Err(PartError::TooLarge { .. })),
            "{limits:?}"
        );
    }
}

//! What is saved comes back.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use refloat_mover::{
    Control, FileReader, MoverEngine, Progress, ProgressSink, ReadData, SourceReader,
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

//! Files given in memory: stored and read back one after the other, or refused.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use refloat_mover::{
    Control, MoverEngine, ObjectFile, ObjectFiles, ObjectLimits, PartError, ReadData, RusticEngine,
    Saved,
};

use crate::support::{Place, noise, reference, request};

fn objects(entries: &[(&str, &[u8])]) -> ObjectFiles {
    let files: Vec<ObjectFile> = entries
        .iter()
        .map(|(path, content)| ObjectFile {
            path: (*path).to_owned(),
            content: Bytes::copy_from_slice(content),
        })
        .collect();
    Box::new(files.into_iter())
}

fn read(
    engine: &RusticEngine,
    saved: &Saved,
    limits: &ObjectLimits,
) -> Result<Vec<(String, Bytes)>, PartError> {
    let mut files = Vec::new();
    engine.read_objects(
        &reference(saved),
        limits,
        &Control::default(),
        &mut |file| {
            files.push((file.path, file.content));
            ControlFlow::Continue(())
        },
    )?;
    Ok(files)
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
        let read = read(&engine, saved, &ObjectLimits::default()).unwrap();
        let found: Vec<(&str, &[u8])> = read
            .iter()
            .map(|(path, content)| (path.as_str(), &content[..]))
            .collect();
        assert_eq!(found, expected);
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
        .save_objects(&request("objects"), objects(&[]), &Control::default())
        .unwrap();
    let read = read(&engine, &saved, &ObjectLimits::default()).unwrap();
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
    for pair in [["a", "a"], ["a", "a/b"], ["b", "a"], ["a.b", "a/b"]] {
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
        file_bytes_max: 5,
        depth_max: 2,
    };
    read(&engine, &saved, &fits).unwrap();
    for limits in [
        ObjectLimits {
            files_max: 1,
            ..fits
        },
        ObjectLimits {
            file_bytes_max: 4,
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
        let result = read(&engine, &saved, &limits);
        assert!(
            matches!(result, Err(PartError::TooLarge { .. })),
            "{limits:?}"
        );
    }
}

/// Content that says how much of its kind is in memory.
struct Counted {
    content: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn few_files_are_in_memory_while_many_are_saved() {
    let place = Place::new();
    let alive = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let files = {
        let (alive, most) = (Arc::clone(&alive), Arc::clone(&most));
        (0..500).map(move |number| {
            most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let alive = Arc::clone(&alive);
            let content = format!("{number}").into_bytes();
            ObjectFile {
                path: format!("{number:03}"),
                content: Bytes::from_owner(Counted { content, alive }),
            }
        })
    };
    let saved = place
        .engine()
        .save_objects(&request("objects"), Box::new(files), &Control::default())
        .unwrap();
    assert_eq!(saved.amount.files, 500);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    let most = most.load(Ordering::SeqCst);
    assert!(most < 100, "{most} of 500 at once");
}

#[test]
fn more_than_is_read_at_once_comes_in_order_until_the_reader_has_enough() {
    let place = Place::new();
    let engine = place.engine();
    let sizes = [3 << 20, 6 << 20, 1, 9 << 20, 0, 2 << 20];
    let contents: Vec<Vec<u8>> = (1..)
        .zip(sizes)
        .map(|(seed, size)| noise(size, seed))
        .collect();
    let names = ["a/1", "a/2", "a/3", "b/1", "b/2", "c"];
    let entries: Vec<(&str, &[u8])> = names
        .into_iter()
        .zip(contents.iter().map(Vec::as_slice))
        .collect();
    let saved = engine
        .save_objects(&request("objects"), objects(&entries), &Control::default())
        .unwrap();
    let files = read(&engine, &saved, &ObjectLimits::default()).unwrap();
    let found: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, content)| (path.as_str(), &content[..]))
        .collect();
    assert!(found == entries);

    let mut taken = Vec::new();
    let limits = ObjectLimits::default();
    engine
        .read_objects(
            &reference(&saved),
            &limits,
            &Control::default(),
            &mut |file| {
                taken.push(file.path);
                match taken.len() {
                    2 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        )
        .unwrap();
    assert_eq!(taken, ["a/1", "a/2"]);
}

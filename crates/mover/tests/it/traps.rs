//! The known ways in which a backup looks good and is not.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use refloat_mover::{
    CancelFlag, Control, FileReader, MoverEngine, PartError, PartReference, ReadData, SourceReader,
};

use crate::support::{Place, assert_same, engine_over, fill_source, noise, reference, request};

/// Breaks reading one file after some bytes.
struct BrokenReader {
    name: &'static str,
    good_bytes: u64,
    code: i32,
    cancel: Option<CancelFlag>,
}

struct Broken {
    inner: io::Take<Box<dyn Read + Send>>,
    code: i32,
    cancel: Option<CancelFlag>,
}

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.inner.read(buffer)?, &self.cancel) {
            (0, Some(cancel)) => {
                cancel.cancel();
                self.inner.set_limit(u64::MAX);
                self.inner.read(buffer)
            }
            (0, None) if self.code == 0 => Ok(0),
            (0, None) => Err(io::Error::from_raw_os_error(self.code)),
            (count, _) => Ok(count),
        }
    }
}

impl SourceReader for BrokenReader {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let inner = FileReader.open(path)?;
        if path.file_name().unwrap() != self.name {
            return Ok(inner);
        }
        if self.good_bytes == 0 {
            return Err(io::Error::from_raw_os_error(self.code));
        }
        Ok(Box::new(Broken {
            inner: inner.take(self.good_bytes),
            code: self.code,
            cancel: self.cancel.clone(),
        }))
    }
}

fn save_broken(place: &Place, good_bytes: u64, code: i32) -> PartError {
    let engine = place.engine().with_source_reader(Arc::new(BrokenReader {
        name: "large",
        good_bytes,
        code,
        cancel: None,
    }));
    engine
        .save_tree(&request("data"), &place.path("source"), &Control::default())
        .unwrap_err()
}

#[test]
fn an_unreadable_source_fails_the_part_and_leaves_no_snapshot() {
    let place = Place::new();
    fill_source(&place.path("source"));
    for (good_bytes, code) in [
        (0, nix::libc::EACCES),
        (0, nix::libc::ENOENT),
        (1, nix::libc::EIO),
        (5 << 20, nix::libc::EIO),
        (9 << 20, nix::libc::EIO),
    ] {
        let error = save_broken(&place, good_bytes, code);
        let PartError::SourceRead { path, source, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(path, &place.path("source").join("base/large"));
        assert_eq!(source.raw_os_error(), Some(code));
        assert!(place.objects("snapshots").is_empty());
    }
    let saved = place.save();
    assert_eq!(saved.amount.files, 309);
}

#[test]
fn a_source_that_shrinks_or_vanishes_fails_the_part() {
    let place = Place::new();
    fill_source(&place.path("source"));
    let error = save_broken(&place, 5 << 20, 0);
    assert!(matches!(error, PartError::SourceChanged { .. }), "{error}");
    assert!(place.objects("snapshots").is_empty());

    let missing = place.engine().save_tree(
        &request("data"),
        &place.path("not-there"),
        &Control::default(),
    );
    assert!(matches!(missing, Err(PartError::SourceRead { .. })));
}

#[test]
fn cancelling_stops_and_leaves_no_snapshot() {
    let place = Place::new();
    fill_source(&place.path("source"));
    let control = Control::default();
    let engine = place.engine().with_source_reader(Arc::new(BrokenReader {
        name: "large",
        good_bytes: 1 << 20,
        code: 0,
        cancel: Some(control.cancel.clone()),
    }));
    let result = engine.save_tree(&request("data"), &place.path("source"), &control);
    assert!(matches!(result, Err(PartError::Cancelled)));
    assert!(place.objects("snapshots").is_empty());

    let saved = place.save();
    let target = place.path("target");
    let result = place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &control);
    assert!(matches!(result, Err(PartError::Cancelled)));
}

#[test]
fn a_wrong_key_says_so() {
    let place = Place::new();
    let wrong = engine_over(place.store(), 1);
    for result in [
        wrong.initialise(),
        wrong
            .save_tree(&request("data"), &place.path("source"), &Control::default())
            .map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "mover-wrong-key", "{error}");
    }
}

#[test]
fn a_missing_repository_says_so_and_making_it_twice_is_making_it_once() {
    let place = Place::new();
    let config = fs::read(place.repository().join("config")).unwrap();
    place.engine().initialise().unwrap();
    assert_eq!(fs::read(place.repository().join("config")).unwrap(), config);
    assert_eq!(place.objects("keys").len(), 1);

    // Interrupted between configuration and key file.
    fs::remove_file(&place.objects("keys")[0]).unwrap();
    place.engine().initialise().unwrap();
    assert_eq!(place.objects("keys").len(), 1);

    fs::remove_file(place.repository().join("config")).unwrap();
    let result =
        place
            .engine()
            .save_tree(&request("data"), &place.path("source"), &Control::default());
    assert!(matches!(result, Err(PartError::RepositoryMissing { .. })));
}

fn all_ways_back(place: &Place, part: &PartReference) -> Vec<PartError> {
    let engine = place.engine();
    let control = Control::default();
    let target = place.path("target");
    fs::remove_dir_all(&target).unwrap();
    fs::create_dir(&target).unwrap();
    vec![
        engine.verify(part, ReadData::Full, &control).unwrap_err(),
        engine
            .restore_tree(part, &[], &target, &control)
            .unwrap_err(),
    ]
}

#[test]
fn a_flipped_byte_anywhere_in_a_pack_is_found() {
    let place = Place::new();
    fs::write(place.path("source").join("file"), noise(2 << 20, 4)).unwrap();
    let saved = place.save();
    for pack in place.objects("data") {
        let good = fs::read(&pack).unwrap();
        // Not in the header at the end: nobody needs it for restoring.
        for position in [0, 17, good.len() / 3] {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(&pack, bad).unwrap();
            for error in all_ways_back(&place, &reference(&saved)) {
                assert!(matches!(error, PartError::BlobDamaged { .. }), "{error}");
                assert!(error.to_string().contains("part data"), "{error}");
            }
        }
        fs::write(&pack, good).unwrap();
    }
    let target = place.path("target");
    place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default())
        .unwrap();
    assert_same(&place.path("source"), &target);
}

#[test]
fn a_missing_or_cut_pack_is_found_without_reading_the_data() {
    let place = Place::new();
    fs::write(place.path("source").join("file"), noise(2 << 20, 5)).unwrap();
    let saved = place.save();
    for pack in place.objects("data") {
        let good = fs::read(&pack).unwrap();
        fs::write(&pack, &good[..good.len() - 1]).unwrap();
        let error =
            place
                .engine()
                .verify(&reference(&saved), ReadData::Metadata, &Control::default());
        let data_pack = good.len() > 1 << 20;
        if data_pack {
            assert!(
                matches!(error, Err(PartError::PackSize { .. })),
                "{error:?}"
            );
        }
        fs::remove_file(&pack).unwrap();
        for error in all_ways_back(&place, &reference(&saved)) {
            assert!(matches!(error, PartError::PackMissing { .. }), "{error}");
            assert!(error.to_string().contains("part data"), "{error}");
        }
        let error = place
            .engine()
            .verify(&reference(&saved), ReadData::Metadata, &Control::default())
            .unwrap_err();
        assert!(matches!(error, PartError::PackMissing { .. }), "{error}");
        fs::write(&pack, good).unwrap();
    }
}

#[test]
fn a_missing_snapshot_or_index_and_another_tree_are_found() {
    let place = Place::new();
    fs::write(place.path("source").join("file"), "one").unwrap();
    let first = place.save();
    fs::write(place.path("source").join("file"), "other").unwrap();
    let second = place.save();

    let mut mixed = reference(&first);
    mixed.snapshot_id.clone_from(&second.snapshot_id);
    for error in all_ways_back(&place, &mixed) {
        assert!(matches!(error, PartError::TreeMismatch { .. }), "{error}");
    }
    let mut wrong_amount = reference(&first);
    wrong_amount.amount.as_mut().unwrap().files = 2;
    for error in all_ways_back(&place, &wrong_amount) {
        assert!(matches!(error, PartError::Incomplete { .. }), "{error}");
    }
    for index in place.objects("index") {
        fs::remove_file(index).unwrap();
    }
    for error in all_ways_back(&place, &reference(&first)) {
        assert!(matches!(error, PartError::BlobMissing { .. }), "{error}");
    }
    for snapshot in place.objects("snapshots") {
        fs::remove_file(snapshot).unwrap();
    }
    for error in all_ways_back(&place, &reference(&first)) {
        assert!(
            matches!(error, PartError::SnapshotMissing { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_target_with_something_in_it_is_left_alone() {
    let place = Place::new();
    fill_source(&place.path("source"));
    let saved = place.save();
    let target = place.path("target");
    fs::write(target.join("precious"), "data").unwrap();
    let result = place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default());
    assert!(matches!(result, Err(PartError::TargetNotEmpty { .. })));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
}

#[test]
fn an_interrupted_restore_starts_over() {
    let place = Place::new();
    fill_source(&place.path("source"));
    let saved = place.save();
    let target = place.path("target");
    let pack = place
        .objects("data")
        .into_iter()
        .max_by_key(|pack| fs::metadata(pack).unwrap().len())
        .unwrap();
    let away = place.path("away");
    fs::rename(&pack, &away).unwrap();
    place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default())
        .unwrap_err();
    assert!(fs::read_dir(&target).unwrap().count() > 1);
    fs::rename(&away, &pack).unwrap();
    let restored = place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default())
        .unwrap();
    assert!(restored.restarted);
    assert_same(&place.path("source"), &target);
}

#[test]
fn a_full_target_is_an_error_not_a_panic() {
    let place = Place::new();
    fs::write(place.path("source").join("file"), noise(6 << 20, 6)).unwrap();
    let saved = place.save();
    let target = place.path("target");
    mount(
        None::<&str>,
        &target,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=3m"),
    )
    .expect("this test needs root, to mount a small file system");
    let result = place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default());
    umount2(&target, MntFlags::MNT_DETACH).unwrap();
    let error = result.unwrap_err();
    assert_eq!(error.code(), "mover-target-full", "{error}");
}

#[test]
fn a_read_only_target_is_an_error_not_a_panic() {
    let place = Place::new();
    let saved = place.save();
    let target = place.path("target");
    mount(
        None::<&str>,
        &target,
        Some("tmpfs"),
        MsFlags::MS_RDONLY,
        None::<&str>,
    )
    .expect("this test needs root, to mount a small file system");
    let result = place
        .engine()
        .restore_tree(&reference(&saved), &[], &target, &Control::default());
    umount2(&target, MntFlags::MNT_DETACH).unwrap();
    let error = result.unwrap_err();
    assert_eq!(error.code(), "mover-target-write", "{error}");
}

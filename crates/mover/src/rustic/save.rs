//! Saving: a source through the library into a snapshot that counts, or none.
//!
//! Must not read files itself (`source`, `objects`). The engine calls it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{BackupOptions, ParentOptions, ReadSource, ReadSourceOpen, SnapshotOptions};

use super::objects::{OBJECTS_ROOT, ObjectSource};
use super::source::{TreeSource, VOLUME_ROOT};
use super::walk::survey;
use super::watch::Watch;
use super::{RusticEngine, guarded};
use crate::control::Control;
use crate::engine::{Amount, Labels, ObjectFiles, SaveRequest, Saved};
use crate::error::PartError;

const TAG_LENGTH_MAX: usize = 253;

pub(super) fn save_tree(
    engine: &RusticEngine,
    request: &SaveRequest,
    source: &Path,
    control: &Control,
) -> Result<Saved, PartError> {
    let started = Instant::now();
    let watch = Arc::new(Watch::new(control));
    check_labels(&request.labels)?;
    let survey = survey(source, &watch)?;
    watch.meter.expect_bytes(survey.bytes);
    let expected = Amount {
        files: survey.files,
        bytes: survey.bytes,
    };
    let source = TreeSource {
        root: source.to_owned(),
        cut: request.time,
        run: request.labels.run.clone(),
        survey,
        reader: Arc::clone(&engine.reader),
        watch: Arc::clone(&watch),
    };
    let place = Place {
        root: VOLUME_ROOT,
        use_parent: true,
    };
    let snapshot = archive(engine, request, &watch, &source, &place)?;
    let snapshot = complete(engine, &watch, snapshot, expected)?;
    Ok(saved(
        &snapshot,
        expected,
        &watch,
        survey.special_files,
        started,
    ))
}

pub(super) fn save_objects(
    engine: &RusticEngine,
    request: &SaveRequest,
    objects: ObjectFiles,
    control: &Control,
) -> Result<Saved, PartError> {
    let started = Instant::now();
    let watch = Arc::new(Watch::new(control));
    check_labels(&request.labels)?;
    let source = ObjectSource::new(objects, &watch);
    // Objects have no times: by a parent, a changed one of the same length would look unchanged.
    let place = Place {
        root: OBJECTS_ROOT,
        use_parent: false,
    };
    let snapshot = archive(engine, request, &watch, &source, &place)?;
    let expected = source.amount();
    watch.meter.expect_bytes(expected.bytes);
    let snapshot = complete(engine, &watch, snapshot, expected)?;
    Ok(saved(&snapshot, expected, &watch, 0, started))
}

/// Where in the snapshot, and whether unchanged files are taken from the part before.
struct Place {
    root: &'static str,
    use_parent: bool,
}

fn archive<S>(
    engine: &RusticEngine,
    request: &SaveRequest,
    watch: &Arc<Watch>,
    source: &S,
    place: &Place,
) -> Result<SnapshotFile, PartError>
where
    S: ReadSource + 'static,
    S::Open: ReadSourceOpen + Send,
    S::Iter: Send,
{
    let repository = engine.open(watch)?;
    engine.adopt_leftovers(watch, &repository)?;
    let result = guarded(watch, "saving", || {
        let repository = repository.to_indexed_ids()?;
        let snapshot = snapshot_options(request)?.to_snapshot()?;
        let parent = ParentOptions::default().force(!place.use_parent);
        let options = BackupOptions::default().no_scan(true).parent_opts(parent);
        let root = Path::new("/").join(place.root);
        let paths: [PathBuf; 1] = [root];
        repository.archive(&options, source, snapshot, &paths)
    });
    // Errors that the library dropped come first: they are the cause of what it says.
    watch.check()?;
    result
}

/// A snapshot that does not hold everything is taken back.
fn complete(
    engine: &RusticEngine,
    watch: &Arc<Watch>,
    snapshot: SnapshotFile,
    expected: Amount,
) -> Result<SnapshotFile, PartError> {
    let stored = snapshot.summary.as_ref().map(|summary| Amount {
        files: summary.total_files_processed,
        bytes: summary.total_bytes_processed,
    });
    if stored == Some(expected) {
        watch.meter.finish();
        return Ok(snapshot);
    }
    forget(engine, watch, &snapshot)?;
    let stored = stored.unwrap_or_default();
    Err(PartError::Incomplete {
        expected_files: expected.files,
        expected_bytes: expected.bytes,
        stored_files: stored.files,
        stored_bytes: stored.bytes,
    })
}

/// Takes a snapshot back that does not count.
fn forget(
    engine: &RusticEngine,
    watch: &Arc<Watch>,
    snapshot: &SnapshotFile,
) -> Result<(), PartError> {
    let repository = engine.open(watch)?;
    guarded(watch, "removing an incomplete snapshot", || {
        repository.delete_snapshots(&[snapshot.id])
    })
}

/// Host and label choose the part before; tags are for people and for stock restic.
fn snapshot_options(request: &SaveRequest) -> rustic_core::RusticResult<SnapshotOptions> {
    let labels = &request.labels;
    let mut options = SnapshotOptions::default()
        .host(format!("refloat/{}", labels.site))
        .label(format!("{}/{}", labels.protection, labels.part))
        .time(request.time.to_zoned(TimeZone::UTC))
        .command("refloat mover".to_owned());
    for (name, value) in [
        ("protection", &labels.protection),
        ("run", &labels.run),
        ("part", &labels.part),
    ] {
        options = options.add_tags(&format!("{name}={value}"))?;
    }
    Ok(options)
}

fn check_labels(labels: &Labels) -> Result<(), PartError> {
    let Labels {
        site,
        protection,
        run,
        part,
    } = labels;
    for (name, value) in [
        ("site", site),
        ("protection", protection),
        ("run", run),
        ("part", part),
    ] {
        let usable = !value.is_empty()
            && value.len() <= TAG_LENGTH_MAX
            && value
                .chars()
                .all(|letter| letter.is_ascii_graphic() && letter != ',');
        if !usable {
            return Err(PartError::Request {
                reason: format!(
                    "the label {name} is empty, too long or holds odd characters: {value:?}"
                ),
            });
        }
    }
    Ok(())
}

fn saved(
    snapshot: &SnapshotFile,
    amount: Amount,
    watch: &Watch,
    special_files_skipped: u64,
    started: Instant,
) -> Saved {
    let bytes_added = snapshot
        .summary
        .as_ref()
        .map_or(0, |summary| summary.data_added_packed);
    Saved {
        snapshot_id: snapshot.id.to_hex().to_string(),
        tree_id: snapshot.tree.to_hex().to_string(),
        amount,
        bytes_added,
        files_read: watch.files_read(),
        special_files_skipped,
        duration: started.elapsed(),
    }
}

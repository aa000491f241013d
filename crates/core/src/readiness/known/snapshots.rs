//! Snapshots of volumes by CSI. An error that is told may be of one try: the next one takes it away, or is ready and leaves it there.

use super::super::rule::{Failure, Rule, Sign};

const HINT: &str = "look at the log of the snapshot controller and of the driver's snapshotter";
const READY: &[Sign] = &[Sign::Flag("/status/readyToUse", true)];
const FAILED: &[Failure] = &[Failure {
    sign: Sign::All(&[
        Sign::Filled("/status/error/message"),
        Sign::Flag("/status/readyToUse", false),
    ]),
    after_seconds: 120,
    code: "snapshot-failed",
    hint: HINT,
}];
const WORDS: &[&str] = &["/status/error/message"];

const fn snapshots(kinds: &'static [&'static str], group: &'static str) -> Rule {
    Rule {
        failed: FAILED,
        words: WORDS,
        ..Rule::of(group, kinds, READY)
    }
}

pub(super) const RULES: &[Rule] = &[
    snapshots(
        &["VolumeSnapshot", "VolumeSnapshotContent"],
        "snapshot.storage.k8s.io",
    ),
    snapshots(
        &["VolumeGroupSnapshot", "VolumeGroupSnapshotContent"],
        "groupsnapshot.storage.k8s.io",
    ),
];

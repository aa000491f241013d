//! Stock restic reads what we write.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{PASSWORD, Place, assert_same, fill_source};

/// Finds restic; on Debian, as root, installs it first.
fn restic() -> PathBuf {
    let path = PathBuf::from("/usr/bin/restic");
    if !path.exists() && nix::unistd::geteuid().is_root() {
        let installed = Command::new("apt-get")
            .args(["install", "-y", "restic"])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output();
        assert!(
            installed.is_ok_and(|output| output.status.success()),
            "apt-get could not install restic"
        );
    }
    assert!(
        path.exists(),
        "this test needs Debian's restic: apt-get install restic"
    );
    path
}

fn run(place: &Place, arguments: &[&str]) -> String {
    let password = place.path("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let output = Command::new(restic())
        .arg("--no-cache")
        .args(["-r".as_ref(), place.repository().as_os_str()])
        .args(["--password-file".as_ref(), password.as_os_str()])
        .args(arguments)
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "restic {arguments:?}: {text}");
    text
}

#[test]
fn stock_restic_lists_checks_and_restores() {
    let place = Place::new();
    fill_source(&place.path("source"));
    let saved = place.save();

    let listed = run(&place, &["snapshots"]);
    assert!(listed.contains("refloat/primary"), "{listed}");
    assert!(listed.contains("part=data"), "{listed}");
    assert!(listed.contains(&saved.snapshot_id[..8]), "{listed}");

    let checked = run(&place, &["check", "--read-data"]);
    assert!(checked.contains("no errors were found"), "{checked}");

    let target = place.path("target");
    let target_text = target.to_str().unwrap();
    run(
        &place,
        &["restore", &saved.snapshot_id, "--target", target_text],
    );
    assert_same(&place.path("source"), Path::new(&target.join("volume")));
}

//! Mounts and loop devices below the state directory.
//!
//! Holds the reading of the kernel's tables and the unmounting. Called by `up`, `kill` and `down`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};

use super::command::Commands;

/// The mount points in the text of `/proc/self/mountinfo`, in the order in which they were mounted.
pub(crate) fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|word| PathBuf::from(unescape(word)))
        .collect()
}

/// Undo the octal escapes of the kernel's tables.
fn unescape(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            bytes.push(code);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All mount points of this process.
pub(crate) fn all() -> Result<Vec<PathBuf>> {
    let path = "/proc/self/mountinfo";
    Ok(mount_points(
        &fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
    ))
}

/// Whether something is mounted exactly there.
pub(crate) fn is_mounted(path: &Path) -> Result<bool> {
    Ok(all()?.iter().any(|point| point == path))
}

/// Unmount all that is mounted at a path or below it, the latest first.
///
/// A mount that is still busy is taken out of the tree and ends with its last user.
pub(crate) fn unmount_below(path: &Path) -> Result<()> {
    loop {
        let points: Vec<PathBuf> = all()?
            .into_iter()
            .filter(|point| point.starts_with(path))
            .collect();
        if points.is_empty() {
            return Ok(());
        }
        for point in points.iter().rev() {
            let result = umount2(point, MntFlags::UMOUNT_NOFOLLOW)
                .or_else(|_| umount2(point, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH));
            match result {
                // Gone with an unmount before it.
                Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot unmount {}", point.display()));
                }
            }
        }
    }
}

/// A loop device and the file behind it, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoopDevice {
    /// The device, such as `/dev/loop3`.
    pub(crate) device: PathBuf,
    /// The file, without the kernel's remark that it was deleted.
    pub(crate) backing: PathBuf,
}

/// All loop devices in use.
pub(crate) fn loop_devices() -> Result<Vec<LoopDevice>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/block").context("cannot read /sys/block")? {
        let entry = entry?;
        let backing = match fs::read_to_string(entry.path().join("loop/backing_file")) {
            Ok(text) => text,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", entry.path().display()));
            }
        };
        let backing = backing
            .trim_end_matches('\n')
            .trim_end_matches(" (deleted)");
        found.push(LoopDevice {
            device: Path::new("/dev").join(entry.file_name()),
            backing: PathBuf::from(backing),
        });
    }
    Ok(found)
}

/// Detach the loop devices of files below a path.
pub(crate) fn detach_loop_devices_below(path: &Path, commands: &Commands) -> Result<()> {
    for device in loop_devices()?
        .into_iter()
        .filter(|device| device.backing.starts_with(path))
    {
        let result = commands.run("losetup", &[Path::new("--detach"), &device.device]);
        // One that detaches itself with its last mount may do so at this moment.
        if result.is_err() && loop_devices()?.contains(&device) {
            result.with_context(|| format!("cannot detach {}", device.device.display()))?;
        }
    }
    Ok(())
}

//! Owner, mode, times and extended attributes, to and from the repository's form.
//!
//! Must not walk or read content. `source` and `restore` use it.

use std::fs::File;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, UtimensatFlags, fchmod, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use rustic_core::repofile::Metadata;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use xattr::FileExt;

// Go's file modes (io/fs), in which restic stores them.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;

pub(super) fn mode_to_go(mode: u32) -> u32 {
    let mut stored = mode & 0o777;
    let kind = mode & nix::libc::S_IFMT;
    for (bits, go) in [
        (kind == nix::libc::S_IFDIR, GO_DIRECTORY),
        (kind == nix::libc::S_IFLNK, GO_SYMLINK),
        (mode & nix::libc::S_ISUID != 0, GO_SETUID),
        (mode & nix::libc::S_ISGID != 0, GO_SETGID),
        (mode & nix::libc::S_ISVTX != 0, GO_STICKY),
    ] {
        if bits {
            stored |= go;
        }
    }
    stored
}

/// The permission bits of a stored mode; the type bits are the node's own business.
pub(super) fn permissions_from_go(stored: u32) -> u32 {
    let mut mode = stored & 0o777;
    for (go, bits) in [
        (GO_SETUID, nix::libc::S_ISUID),
        (GO_SETGID, nix::libc::S_ISGID),
        (GO_STICKY, nix::libc::S_ISVTX),
    ] {
        if stored & go != 0 {
            mode |= bits;
        }
    }
    mode
}

/// A file time; what the calendar cannot hold is moved to its end.
pub(super) fn timestamp(seconds: i64, nanoseconds: i64) -> Timestamp {
    let nanoseconds = i32::try_from(nanoseconds).unwrap_or(0);
    Timestamp::new(seconds, nanoseconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Reads extended attributes; a file system without them has none.
pub(super) fn extended_attributes(path: &Path) -> io::Result<Metadata> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if is_unsupported(&error) => return Ok(Metadata::default()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names {
        // A name that is not text cannot be stored; Linux file systems do not make them.
        let Some(text) = name.to_str() else { continue };
        let Some(value) = xattr::get(path, &name)? else {
            continue;
        };
        found.push(serde_json::json!({ "name": text, "value": STANDARD.encode(value) }));
    }
    if found.is_empty() {
        return Ok(Metadata::default());
    }
    // The library does not export the attribute's type; its serde form is public.
    serde_json::from_value(serde_json::json!({ "extended_attributes": found }))
        .map_err(io::Error::other)
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EOPNOTSUPP | Errno::ENOSYS)
    )
}

/// What could not be set and was let go.
pub(super) type Skipped = u64;

/// Puts all attributes on an open file or directory.
pub(super) fn apply(file: &File, metadata: &Metadata) -> io::Result<Skipped> {
    let mut skipped = 0;
    let owner = metadata.uid.map(Uid::from_raw);
    let group = metadata.gid.map(Gid::from_raw);
    skipped += owner_result(fchown(file, owner, group))?;
    for attribute in &metadata.extended_attributes {
        let value = attribute.value.as_deref().unwrap_or_default();
        if let Err(error) = file.set_xattr(&attribute.name, value) {
            let ours = attribute.name.starts_with("user.");
            let refused = error.kind() == io::ErrorKind::PermissionDenied;
            if !(is_unsupported(&error) || (refused && !ours)) {
                return Err(error);
            }
            skipped += 1;
        }
    }
    // After the owner: changing that clears the set-id bits.
    if let Some(stored) = metadata.mode {
        fchmod(file, Mode::from_bits_truncate(permissions_from_go(stored)))?;
    }
    if let Some(time) = modified(metadata) {
        futimens(file, &time, &time)?;
    }
    Ok(skipped)
}

/// Puts owner and time on a symbolic link.
pub(super) fn apply_to_link(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    metadata: &Metadata,
) -> io::Result<Skipped> {
    let owner = metadata.uid.map(Uid::from_raw);
    let group = metadata.gid.map(Gid::from_raw);
    let changed = fchownat(directory, name, owner, group, AtFlags::AT_SYMLINK_NOFOLLOW);
    let skipped = owner_result(changed)?;
    if let Some(time) = modified(metadata) {
        utimensat(
            directory,
            name,
            &time,
            &time,
            UtimensatFlags::NoFollowSymlink,
        )?;
    }
    Ok(skipped)
}

fn owner_result(result: nix::Result<()>) -> io::Result<Skipped> {
    match result {
        Ok(()) => Ok(0),
        Err(Errno::EPERM) if !nix::unistd::geteuid().is_root() => Ok(1),
        Err(error) => Err(error.into()),
    }
}

fn modified(metadata: &Metadata) -> Option<TimeSpec> {
    let time = metadata.mtime?;
    let mut seconds = time.as_second();
    let mut nanoseconds = i64::from(time.subsec_nanosecond());
    if nanoseconds < 0 {
        seconds -= 1;
        nanoseconds += 1_000_000_000;
    }
    Some(TimeSpec::new(seconds, nanoseconds))
}

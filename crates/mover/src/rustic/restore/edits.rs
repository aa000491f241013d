//! What is changed in a restored tree before it counts as restored: files that an engine needs beside its own, and those
//! that would mislead it.
//!
//! Must not decide what an engine needs. Paths are below the target, every open follows no link.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Component, Path};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use super::Directory;
use super::target::{Target, make_file};
use crate::engine::Edit;
use crate::error::PartError;

/// Makes every edit; the first that fails ends the restore, which is begun anew the next time.
pub(super) fn apply(
    edits: &[Edit],
    part: &str,
    target: &Target,
    directories: &[Directory],
) -> Result<(), PartError> {
    for edit in edits {
        let done = match edit {
            Edit::Write { path, text } => write(target, directories, Path::new(path), text),
            Edit::Remove { path } => remove(target, Path::new(path)),
            Edit::RemoveAfter { directory, name } => remove_after(target, directory, name),
            Edit::Require { path } => require(target, Path::new(path)),
        };
        done.map_err(|source| PartError::Edit {
            part: part.to_owned(),
            edit: edit.to_string(),
            source,
        })?;
    }
    Ok(())
}

/// The directory above a path, open, and the last name.
fn place<'p>(target: &Target, path: &'p Path) -> io::Result<(File, &'p OsStr)> {
    let hostile = || io::Error::from(io::ErrorKind::InvalidInput);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    let name = path.file_name().filter(|_| plain).ok_or_else(hostile)?;
    let above = path.parent().ok_or_else(hostile)?;
    Ok((target.open_below(above)?, name))
}

/// Writes a file anew, owned as the directory that it is in.
fn write(target: &Target, directories: &[Directory], path: &Path, text: &str) -> io::Result<()> {
    let (above, name) = place(target, path)?;
    unlink(&above, name)?;
    let mut file = make_file(above.as_fd(), name)?;
    file.write_all(text.as_bytes())?;
    let of = path.parent().unwrap_or(Path::new(""));
    let owner = directories.iter().find(|directory| directory.path == of);
    if let Some(owner) = owner {
        let uid = owner.metadata.uid.map(Uid::from_raw);
        let gid = owner.metadata.gid.map(Gid::from_raw);
        // Without the right to give files away the server's own start fails and says so.
        if let Err(error) = fchown(&file, uid, gid) {
            log::warn!("{}: its owner could not be set: {error}", path.display());
        }
    }
    file.sync_all()
}

fn unlink(above: &File, name: &OsStr) -> io::Result<()> {
    match unlinkat(above, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(nix::errno::Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn remove(target: &Target, path: &Path) -> io::Result<()> {
    let (above, name) = place(target, path)?;
    unlink(&above, name)
}

/// Names of one length in upper-case hexadecimal digits sort as the numbers that they are.
fn remove_after(target: &Target, directory: &str, after: &str) -> io::Result<()> {
    let is_hex = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
    };
    let open = target.open_below(Path::new(directory))?;
    for entry in std::fs::read_dir(target.path.join(directory))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else { continue };
        let later = text.len() == after.len() && is_hex(text) && text > after;
        if later && entry.file_type()?.is_file() {
            unlink(&open, &name)?;
        }
    }
    Ok(())
}

/// A regular file that is not empty.
fn require(target: &Target, path: &Path) -> io::Result<()> {
    let (above, name) = place(target, path)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = File::from(openat(above.as_fd(), name, flags, Mode::empty())?);
    if fstat(&file)?.st_size == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(())
}

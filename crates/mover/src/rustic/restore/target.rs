//! The directory that is restored into: empty or ours, wiped, and finished durably.
//!
//! Must not know the repository. Names reach it checked; every open is relative to an open directory and follows no
//! link, so that nothing leaves the target even if a check were wrong.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, syncfs, unlinkat};

use super::super::attributes::{self, Skipped};
use super::Directory;
use crate::error::PartError;

/// The file that says "an unfinished restore of ours": a later one may wipe what it finds beside it.
const MARKER: &str = ".refloat-restoring";
const LOST_AND_FOUND: &str = "lost+found";

pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) directory: File,
    pub(super) restarted: bool,
}

impl Target {
    pub(super) fn prepare(path: &Path, snapshot: &str) -> Result<Self, PartError> {
        let failed = |action| {
            let path = path.to_owned();
            move |source| PartError::TargetWrite {
                action,
                path,
                source,
            }
        };
        let directory = open_root(path).map_err(failed("open"))?;
        let names = list(path).map_err(failed("list"))?;
        let restarted = names.iter().any(|name| name == MARKER);
        let others = names
            .iter()
            .filter(|name| *name != MARKER && *name != LOST_AND_FOUND);
        if restarted {
            for name in others {
                wipe(&path.join(name))
                    .map_err(failed("wipe what an unfinished restore left in"))?;
            }
        } else if let Some(found) = others.into_iter().next() {
            return Err(PartError::TargetNotEmpty {
                path: path.to_owned(),
                found: found.to_string_lossy().into_owned(),
            });
        } else {
            mark(&directory, snapshot).map_err(failed("mark"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            directory,
            restarted,
        })
    }

    /// Sets the directories' attributes, deepest first, makes all durable, and takes the mark away.
    pub(super) fn finish(&self, directories: &[Directory]) -> Result<Skipped, PartError> {
        let failed = |action, path: &Path| {
            let path = self.path.join(path);
            move |source| PartError::TargetWrite {
                action,
                path,
                source,
            }
        };
        let root = Path::new("");
        let mut skipped = 0;
        for Directory { path, metadata } in directories.iter().rev() {
            if path == root {
                continue;
            }
            let open = self.open_below(path).map_err(failed("open", path))?;
            skipped += attributes::apply(&open, metadata)
                .map_err(failed("set the attributes of", path))?;
        }
        let synced = syncfs(&self.directory).map_err(io::Error::from);
        synced.map_err(failed("make durable", root))?;
        let unmarked = unlinkat(&self.directory, MARKER, UnlinkatFlags::NoRemoveDir);
        unmarked
            .map_err(io::Error::from)
            .map_err(failed("take the mark from", root))?;
        if let Some(first) = directories.first() {
            skipped += attributes::apply(&self.directory, &first.metadata)
                .map_err(failed("set the attributes of", root))?;
        }
        self.directory
            .sync_all()
            .map_err(failed("make durable", root))?;
        Ok(skipped)
    }

    pub(super) fn open_below(&self, path: &Path) -> io::Result<File> {
        let mut open = self.directory.try_clone()?;
        for component in path.components() {
            let Component::Normal(name) = component else {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            };
            open = open_directory(open.as_fd(), name)?;
        }
        Ok(open)
    }
}

fn open_root(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(nix::fcntl::open(path, flags, Mode::empty())?))
}

fn open_directory(above: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(above, name, flags, Mode::empty())?))
}

pub(super) fn make_directory(above: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
    mkdirat(above, name, Mode::S_IRWXU)?;
    open_directory(above, name)
}

pub(super) fn make_file(above: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    Ok(File::from(openat(above, name, flags, mode)?))
}

fn list(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect()
}

fn mark(directory: &File, snapshot: &str) -> io::Result<()> {
    let mut marker = make_file(directory.as_fd(), OsStr::new(MARKER))?;
    writeln!(marker, "{snapshot}")?;
    marker.sync_all()?;
    directory.sync_all()
}

/// Removes a file or a whole directory; the standard library follows no link while it does.
fn wipe(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    }
}

//! One change at a time.
//!
//! Holds locks on directories and files that end with the process that holds them. Called by `up`, `down`, `kill` and the supervisor.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

/// A lock, released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Lock a directory, which is made if it is not there.
pub(crate) fn directory(path: &Path) -> Result<Lock> {
    loop {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        if let Some(lock) = existing_directory(path)? {
            return Ok(lock);
        }
    }
}

/// Lock a directory that may not be there.
///
/// The one who held the lock before may have removed the directory; then the lock is on nothing, which is the same as not there.
pub(crate) fn existing_directory(path: &Path) -> Result<Option<Lock>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    let same = match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(present)) => held.ino() == present.ino() && held.dev() == present.dev(),
        _ => false,
    };
    Ok(same.then_some(Lock { _file: file }))
}

/// Lock a file, which is made if it is not there.
pub(crate) fn file(path: &Path) -> Result<Lock> {
    let file = open(path)?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(Lock { _file: file })
}

/// Lock a file unless someone holds it.
pub(crate) fn file_if_free(path: &Path) -> Result<Option<Lock>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

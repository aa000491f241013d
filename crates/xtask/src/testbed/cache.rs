//! Built artifacts, kept by what they were made of.
//!
//! An artifact is a file named after its inputs' digest. It is made under another name, flushed and renamed, so a half
//! file is never trusted; one lock per artifact keeps two builds apart. Called by `tools` and `images`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::{files, lock};
use crate::printer::say;

/// The directory of artifacts.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// The digest of what an artifact is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs(Sha256);

impl Inputs {
    /// Adds a text.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    /// Adds a file's content.
    pub(crate) fn file(mut self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        Ok(self)
    }

    fn key(self) -> String {
        hex::encode(&self.0.finalize()[..10])
    }
}

impl Cache {
    /// Opens the cache under `$XDG_CACHE_HOME` or `~/.cache`.
    pub(crate) fn open() -> Result<Self> {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .context("neither XDG_CACHE_HOME nor HOME is set")?;
        Self::at(base.join("refloat-testbed"))
    }

    /// Opens a cache in a directory.
    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root })
    }

    /// The artifact `name` of these inputs; made when it is not there.
    ///
    /// `make` gets the path to write to. What it leaves after an error is removed by the next run.
    pub(crate) fn artifact(
        &self,
        name: &str,
        inputs: Inputs,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let directory = self.root.join(format!("{name}-{}", inputs.key()));
        let file = directory.join(name);
        if file.exists() {
            return Ok(file);
        }
        fs::create_dir_all(&directory)?;
        let _lock = lock::directory(&directory)?;
        if file.exists() {
            return Ok(file);
        }
        let start = std::time::Instant::now();
        let unfinished = directory.join("unfinished");
        files::remove(&unfinished)?;
        make(&unfinished)?;
        let finished =
            File::open(&unfinished).with_context(|| format!("making {name} left no file"))?;
        finished.sync_all()?;
        fs::rename(&unfinished, &file)?;
        File::open(&directory)?.sync_all()?;
        say(format_args!(
            "  made {name} in {:.0} s ({} MB)",
            start.elapsed().as_secs_f64(),
            file.metadata()?.len() / 1_000_000
        ));
        Ok(file)
    }
}

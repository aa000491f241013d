//! A command of Refloat that is listened to while it runs.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Stdio};

use anyhow::{Context, Result, ensure};

use super::Stage;
use crate::testbed::Site;

pub(super) struct Heard {
    pub(super) child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// What it has said so far.
    pub(super) said: String,
}

impl Heard {
    pub(super) fn start(stage: &Stage<'_>, site: Site, words: &[&str]) -> Result<Self> {
        let mut child = stage
            .refloat
            .command(Some(site), words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        Ok(Self {
            child,
            lines,
            said: String::new(),
        })
    }

    /// Listens until it says such a line; false when it ends before.
    pub(super) fn says(&mut self, is_so: impl Fn(&str) -> bool) -> bool {
        let said = &mut self.said;
        self.lines.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            is_so(&line)
        })
    }

    /// All that it said, once it has ended well.
    pub(super) fn succeeds(mut self) -> Result<String> {
        self.says(|_| false);
        let ended = self.child.wait()?;
        ensure!(ended.success(), "{ended}: {}", self.said);
        Ok(std::mem::take(&mut self.said))
    }
}

/// A scenario that fails leaves none behind that goes on.
impl Drop for Heard {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

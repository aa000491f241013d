//! What a step has set out to do and what it has made, as the journal says: what a look at the world cannot tell.
//!
//! Folded by `progress`; asked by `recovery`, which must not delete what another has put in the place of what it deleted, nor make
//! again what has come to its end and gone.

use crate::driver::Effect;

/// Stands among the intentions of the few steps of which what was created has failed for good.
const FAILED: &str = "failed";

/// Deeds of one step, over all engines of its run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Ordered, each once.
    intentions: Vec<Box<str>>,
    created: Option<Box<str>>,
}

/// Of a step that has done nothing.
pub(super) static NONE: Deeds = Deeds {
    intentions: Vec::new(),
    created: None,
};

impl Deeds {
    pub(super) fn intend(&mut self, lines: &[String]) {
        for line in lines {
            if let Err(place) = self.place(line) {
                self.intentions.reserve_exact(1);
                self.intentions.insert(place, line.as_str().into());
            }
        }
    }

    /// It was not done. The journal does not say so: another engine takes it for done.
    pub(super) fn forget(&mut self, effect: &Effect) {
        if let Ok(place) = self.place(&effect.intention()) {
            self.intentions.remove(place);
        }
    }

    /// Another than the one that failed has not.
    pub(super) fn create(&mut self, uid: &str) {
        self.intentions.retain(|one| **one != *FAILED);
        self.created = Some(uid.into());
    }

    /// What it created has failed: it has to be made anew once it is gone.
    pub(super) fn fail(&mut self) {
        self.intend(&[FAILED.to_owned()]);
    }

    fn place(&self, line: &str) -> Result<usize, usize> {
        self.intentions.binary_search_by(|one| (**one).cmp(line))
    }

    /// True when just this was intended before.
    pub fn intended(&self, effect: &Effect) -> bool {
        self.place(&effect.intention()).is_ok()
    }

    /// True when it set out to delete something.
    pub fn deletes(&self) -> bool {
        self.intentions
            .iter()
            .any(|line| line.starts_with("delete "))
    }

    /// True when it set out to create something.
    pub fn creates(&self) -> bool {
        self.intentions
            .iter()
            .any(|line| line.starts_with("create "))
    }

    /// True when what it created last has failed for good.
    pub fn failed(&self) -> bool {
        self.intentions.iter().any(|line| **line == *FAILED)
    }

    /// Uid of the object that it created, once the journal has it.
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }
}

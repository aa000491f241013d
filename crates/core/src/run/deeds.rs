//! What a step has set out to do and what it has made, as the journal says: what a look at the world cannot tell.
//!
//! Folded by `progress`; asked by `recovery`, which must not delete what another has put in the place of what it deleted, nor make
//! again what has come to its end and gone.

use std::collections::BTreeSet;

use crate::driver::Effect;

/// Deeds of one step, over all engines of its run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deeds {
    intentions: BTreeSet<String>,
    created: Option<String>,
}

/// Of a step that has done nothing.
pub(super) static NONE: Deeds = Deeds {
    intentions: BTreeSet::new(),
    created: None,
};

impl Deeds {
    pub(super) fn intend(&mut self, lines: &[String]) {
        self.intentions.extend(lines.iter().cloned());
    }

    pub(super) fn create(&mut self, uid: &str) {
        self.created = Some(uid.to_owned());
    }

    /// True when just this was intended before.
    pub fn intended(&self, effect: &Effect) -> bool {
        self.intentions.contains(&effect.intention())
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

    /// Uid of the object that it created, once the journal has it.
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }
}

//! A second world like the first: what happens in the one is not seen in the other.

use super::SimWorld;

impl SimWorld {
    /// Another world that is as this one is now, without its sessions.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new(self.store.borrow().clone());
        copy.now.set(self.now.get());
        copy.elapsed.set(self.elapsed.get());
        copy.suffixes.set(self.suffixes.get());
        let databases = self.databases.borrow().clone();
        *copy.databases.borrow_mut() = databases;
        copy
    }
}

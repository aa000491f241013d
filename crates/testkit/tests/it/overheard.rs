//! A world that a test stands before SimWorld to note what it is asked for. Sessions are passed on; what else is noted, each test says.

use std::time::Duration;

use refloat_core::capture::{SessionEvent, SessionOrder, Sessions, Until};
use refloat_testkit::sim::SimWorld;

/// SimWorld, and what a test notes of what it is asked for.
pub(crate) struct Overheard<'a, Notes> {
    pub(crate) inner: &'a SimWorld,
    pub(crate) notes: Notes,
}

impl<Notes> Sessions for Overheard<'_, Notes> {
    fn open(&self, name: &str, order: &SessionOrder) {
        self.inner.open(name, order);
    }
    fn send(&self, name: &str, text: &str, until: &Until) {
        self.inner.send(name, text, until);
    }
    fn close(&self, name: &str) {
        self.inner.close(name);
    }
    async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)> {
        self.inner.next(at_most).await
    }
}

//! Something that goes on being done while the engine awaits something else, on the engine's own task. Knows nothing of what it is.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// What is being done, and what came of it once it has ended.
pub(super) struct Doing<'s, T> {
    doing: Pin<Box<dyn Future<Output = T> + 's>>,
    ended: Option<T>,
}

impl<'s, T> Doing<'s, T> {
    pub(super) fn new(doing: impl Future<Output = T> + 's) -> Self {
        Self {
            doing: Box::pin(doing),
            ended: None,
        }
    }

    /// Lets it go on; what came of it is kept until it is asked for its end.
    fn go_on(&mut self, context: &mut Context<'_>) {
        if self.ended.is_none()
            && let Poll::Ready(ended) = self.doing.as_mut().poll(context)
        {
            self.ended = Some(ended);
        }
    }

    /// Lets it begin: a world that has other threads does the rest on those.
    pub(super) async fn begin(&mut self) {
        poll_fn(|context| {
            self.go_on(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Waits until all of it is done.
    pub(super) async fn end(mut self) -> T {
        poll_fn(|context| {
            self.go_on(context);
            self.ended.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Awaits something while something else goes on being done.
pub(super) async fn beside<A, T>(
    mut doing: Option<&mut Doing<'_, A>>,
    awaited: impl Future<Output = T>,
) -> T {
    let mut awaited = pin!(awaited);
    poll_fn(|context| {
        if let Some(doing) = &mut doing {
            doing.go_on(context);
        }
        awaited.as_mut().poll(context)
    })
    .await
}

//! How far the reading of one part is: a bar on a terminal, a line now and then elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use refloat_mover::{Progress, ProgressSink};

use crate::printer::{Printer, bytes, duration};

/// Between two lines where nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Tells bytes, rate and what is left.
pub(crate) struct Meter {
    printer: Printer,
    part: String,
    bar: Option<ProgressBar>,
    began: Instant,
    said: Mutex<Instant>,
}

impl Meter {
    /// A meter for a part.
    pub(crate) fn new(printer: Printer, part: &str) -> Self {
        let bar = printer.is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self {
            printer,
            part: part.to_owned(),
            bar,
            began: Instant::now(),
            said: Mutex::new(Instant::now()),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `shop/data-db-0: 1.0 GiB of 4.0 GiB, 200.0 MiB/s, 15 s left`.
fn line(part: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let milliseconds = u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let rate = done.saturating_mul(1000) / milliseconds;
    let left = Duration::from_secs(total.saturating_sub(done) / rate.max(1));
    let left = jiff::SignedDuration::try_from(left).unwrap_or(jiff::SignedDuration::MAX);
    format!(
        "{part}: {} of {}, {}/s, {} left",
        bytes(done),
        bytes(total),
        bytes(rate),
        duration(left)
    )
}

impl ProgressSink for Meter {
    fn report(&self, progress: Progress) {
        if progress.bytes_total == 0 {
            return;
        }
        let elapsed = self.began.elapsed();
        let text = line(
            &self.part,
            progress.bytes_done,
            progress.bytes_total,
            elapsed,
        );
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.tick();
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= LINE_EVERY {
            *said = Instant::now();
            self.printer.note(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_bytes_rate_and_what_is_left() {
        let text = line("a/b", 1 << 30, 4 << 30, Duration::from_secs(4));
        assert_eq!(text, "a/b: 1.0 GiB of 4.0 GiB, 256.0 MiB/s, 12 s left");
        assert!(line("a/b", 0, 10, Duration::ZERO).contains("0 B of 10 B"));
    }
}

//! Whether a run's engine lives: it marks its run again and again, and somebody else looks at the mark.
//!
//! The journal's chain is the fence; this only spares two engines the duel.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use refloat_core::names::RunId;
use refloat_vault::store::Vault;
use tokio::task::JoinHandle;

/// Between two marks.
const MARK_EVERY: Duration = Duration::from_secs(20);
/// An engine that has not marked its run for so long is dead.
const DEAD_AFTER: SignedDuration = SignedDuration::from_secs(90);

/// Marks a run for as long as it lives.
pub(super) struct Alive(JoinHandle<()>);

impl Alive {
    pub(super) fn keep(vault: &Vault, run: &RunId) -> Self {
        let (vault, run) = (vault.clone(), run.clone());
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(MARK_EVERY).await;
                if let Err(error) = vault.mark_run(&run).await {
                    tracing::debug!(%error, %run, "the run could not be marked");
                }
            }
        }))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How this machine is called.
pub(super) fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().to_owned()
}

/// True when the writer was a process of this machine and is gone.
fn is_gone(writer: &str) -> bool {
    let Some((there, rest)) = writer.split_once(" process ") else {
        return false;
    };
    let process = rest.split(' ').next().unwrap_or_default();
    there == host() && !process.is_empty() && !std::path::Path::new("/proc").join(process).exists()
}

/// How long ago the engine of a run gave its last sign, if it may live.
pub(super) fn may_live(
    writer: &str,
    seen: Option<Timestamp>,
    now: Timestamp,
) -> Option<SignedDuration> {
    let age = now.duration_since(seen?);
    (age < DEAD_AFTER && !is_gone(writer)).then_some(age.max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_lives_until_its_process_is_gone_or_its_mark_is_old() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().expect("a time");
        let ago = |seconds| Some(now - SignedDuration::from_secs(seconds));
        let here = format!("{} process {} abc", host(), std::process::id());
        let gone = format!("{} process 4194305 abc", host());
        let elsewhere = "another-host process 1 abc";
        assert_eq!(
            may_live(&here, ago(5), now),
            Some(SignedDuration::from_secs(5))
        );
        assert_eq!(may_live(&gone, ago(5), now), None);
        assert_eq!(
            may_live(elsewhere, ago(5), now),
            Some(SignedDuration::from_secs(5))
        );
        assert_eq!(may_live(elsewhere, ago(90), now), None);
        assert_eq!(may_live(elsewhere, None, now), None);
        // A store whose clock runs ahead.
        assert_eq!(
            may_live(elsewhere, ago(-30), now),
            Some(SignedDuration::ZERO)
        );
    }
}

//! Limits that no command of refloat may go beyond, and how a bench is judged by one of its own. A bench that sees it fails, once it has told
//! and written what it measured.
//!
//! Holds only what is reached in every row of every bench: what is aimed at and missed is told by the page of its bench.

use std::process::ExitCode;

use crate::printer::say;

/// No command takes more memory.
pub(super) const MEMORY_MIB_MAX: u64 = 300;

/// Tells which commands took too much memory, each with its highest size in KiB; then the bench fails.
pub(super) fn judge<'a>(commands: impl IntoIterator<Item = (&'a str, u64)>) -> ExitCode {
    let beyond = beyond(commands);
    for line in &beyond {
        say(format_args!("FAILED  {line}"));
    }
    if beyond.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tells when what was measured is beyond its limit; then the bench fails.
pub(super) fn judge_number(what: &str, measured: f64, limit: f64) -> ExitCode {
    if measured <= limit {
        return ExitCode::SUCCESS;
    }
    say(format_args!(
        "FAILED  {measured:.2} {what}: beyond the limit of {limit}"
    ));
    ExitCode::FAILURE
}

/// The same as a word of its page.
pub(super) fn verdict(measured: f64, limit: f64) -> &'static str {
    if measured <= limit {
        "within"
    } else {
        "beyond"
    }
}

/// True when so many KiB are within the limit.
pub(super) fn is_within(peak_kib: u64) -> bool {
    peak_kib <= MEMORY_MIB_MAX * 1024
}

fn beyond<'a>(commands: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<String> {
    commands
        .into_iter()
        .filter(|(_, peak_kib)| !is_within(*peak_kib))
        .map(|(what, peak_kib)| {
            format!(
                "{what}: {} MiB, beyond the limit of {MEMORY_MIB_MAX} MiB",
                peak_kib.div_ceil(1024)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_its_limit_fails_its_bench_and_the_page_says_the_same() {
        let limit = 2.0;
        assert_eq!(judge_number("s", limit, limit), ExitCode::SUCCESS);
        assert_eq!(verdict(limit, limit), "within");
        for beyond in [2.01, f64::NAN] {
            assert_eq!(judge_number("s", beyond, limit), ExitCode::FAILURE);
            assert_eq!(verdict(beyond, limit), "beyond");
        }
    }

    #[test]
    fn a_command_that_takes_too_much_fails_its_bench() {
        let most = MEMORY_MIB_MAX * 1024;
        assert_eq!(
            judge([("backup", most), ("plan", 0)]),
            ExitCode::SUCCESS,
            "at the limit"
        );
        let too_much = [("backup", most), ("plan", most + 1)];
        assert_eq!(judge(too_much), ExitCode::FAILURE);
        assert_eq!(
            beyond(too_much),
            ["plan: 301 MiB, beyond the limit of 300 MiB"]
        );
    }
}

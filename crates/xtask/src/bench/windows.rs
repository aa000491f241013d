//! How writers fared in windows of time: latencies of transfers, and the longest time in which nobody finished one.

use crate::ledger::Written;

/// From when to when, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) from: f64,
    pub(super) to: f64,
}

/// What was seen in all windows together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fared {
    pub(super) windows: usize,
    pub(super) seconds: f64,
    pub(super) transfers: usize,
    /// Of the transfers that ended in a window or lasted across it, in milliseconds.
    pub(super) p99_milliseconds: f64,
    /// Longest time between two transfers that ended one after the other and of which a part lies in a window, in milliseconds.
    pub(super) gap_milliseconds: f64,
}

/// `written` in the order of its ends.
pub(super) fn fared(written: &[Written], windows: &[Window]) -> Fared {
    let end = |one: &Written| one.began + one.took;
    let touches = |from: f64, to: f64| windows.iter().any(|one| from < one.to && to > one.from);
    let mut latencies: Vec<f64> = written
        .iter()
        .filter(|one| touches(one.began, end(one)))
        .map(|one| one.took * 1000.0)
        .collect();
    latencies.sort_by(f64::total_cmp);
    let gap = written.windows(2).filter_map(|pair| {
        let (from, to) = (end(&pair[0]), end(&pair[1]));
        touches(from, to).then_some((to - from) * 1000.0)
    });
    Fared {
        windows: windows.len(),
        seconds: windows.iter().map(|one| one.to - one.from).sum(),
        transfers: latencies.len(),
        p99_milliseconds: percentile(&latencies, 99),
        gap_milliseconds: gap.fold(0.0, f64::max),
    }
}

/// Of values in order; 0 without any. Nearest rank.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    rank.checked_sub(1)
        .and_then(|at| sorted.get(at))
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(began: f64, took: f64) -> Written {
        Written {
            maria: false,
            began,
            took,
        }
    }

    #[test]
    fn only_what_touches_a_window_counts() {
        let all = [
            written(0.0, 0.5),
            written(1.0, 0.25),
            written(1.0, 1.0),
            written(5.0, 0.125),
        ];
        let window = |from, to| Window { from, to };
        let inside = fared(&all, &[window(1.1, 1.2)]);
        assert_eq!((inside.transfers, inside.windows), (2, 1));
        assert!((inside.p99_milliseconds - 1000.0).abs() < 0.001);
        assert!(
            (inside.gap_milliseconds - 750.0).abs() < 0.001,
            "from 0.5 to 1.25"
        );
        let silent = fared(&all, &[window(3.0, 3.1)]);
        assert_eq!(silent.transfers, 0);
        assert!((silent.gap_milliseconds - 3125.0).abs() < 0.001);
        let none = fared(&all, &[]);
        assert_eq!((none.transfers, none.gap_milliseconds), (0, 0.0));
    }

    #[test]
    fn the_percentile_is_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(&values, 99) - 198.0).abs() < 0.001);
        assert!((percentile(&values[..1], 99) - 1.0).abs() < 0.001);
    }
}

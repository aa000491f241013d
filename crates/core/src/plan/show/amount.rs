//! Numbers for people: counts, bytes and times. Called by what is shown of a plan.

/// `1,204`.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 step`, `1,204 steps`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `50.0 MiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    // Units are rounded to a tenth: to lose the last bits of a number does not show.
    #[allow(
        clippy::cast_precision_loss,
        reason = "shown with one digit after the point"
    )]
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `0.4 s`, `8 s`, `12 min`, `3 h 20 min`.
pub(super) fn seconds(number: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped; a time for people has whole seconds"
    )]
    let whole = number.clamp(0.0, 1e12).round() as u64;
    match whole {
        0..2 => format!("{:.1} s", number.max(0.0)),
        2..120 => format!("{whole} s"),
        120..7200 => format!("{} min", (whole + 30) / 60),
        7200..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_exact_as_a_person_needs() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_204, "1,204"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(count(number), text);
        }
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (52_428_800, "50.0 MiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        for (number, text) in [
            (-3.0, "0.0 s"),
            (0.4, "0.4 s"),
            (7.6, "8 s"),
            (119.4, "119 s"),
            (350.0, "6 min"),
            (7_200.0, "2 h 0 min"),
            (200_000.0, "2 d 7 h"),
        ] {
            assert_eq!(seconds(number), text);
        }
        assert_eq!(seconds(f64::NAN), "0.0 s");
    }
}

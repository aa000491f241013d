//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`. Written as in `apimachinery/pkg/api/resource`.

/// Thousandths, rounded up; `None` when it is no quantity or too large to count with.
pub(super) fn thousandths(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text
        .find(|one: char| !(one.is_ascii_digit() || matches!(one, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (multiplier, divisor) = scale(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() > 30 || !fraction.bytes().all(|one| one.is_ascii_digit()) {
        return None;
    }
    if whole.trim_start_matches(['+', '-']).is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let above = digits.checked_mul(multiplier)?.checked_mul(1000)?;
    let below = places.checked_mul(divisor)?;
    let rounded = above.checked_add(below.checked_sub(1)?)?;
    Some(rounded.div_euclid(below))
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let decimal = |power: u32| 10_i128.checked_pow(power);
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, decimal(9)?),
        "u" => (1, decimal(6)?),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (decimal(6)?, 1),
        "G" => (decimal(9)?, 1),
        "T" => (decimal(12)?, 1),
        "P" => (decimal(15)?, 1),
        "E" => (decimal(18)?, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = decimal(power.unsigned_abs())?;
            if power < 0 { (1, factor) } else { (factor, 1) }
        }
    })
}

/// For people: `250m`, `3`, `1.5Gi`.
pub(super) fn shown(thousandths: i128) -> String {
    let whole = thousandths / 1000;
    if thousandths % 1000 != 0 {
        return format!("{thousandths}m");
    }
    for (unit, bytes) in [
        ("Ti", 1_i128 << 40),
        ("Gi", 1 << 30),
        ("Mi", 1 << 20),
        ("Ki", 1 << 10),
    ] {
        if whole >= bytes {
            let tenths = whole * 10 / bytes;
            return if tenths % 10 == 0 {
                format!("{}{unit}", tenths / 10)
            } else {
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            };
        }
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("100m", Some(100)),
            ("0.1", Some(100)),
            (".5", Some(500)),
            ("5.", Some(5000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2e3", Some(2_000_000)),
            ("2E3", Some(2_000_000)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("1500000n", Some(2)),
            ("-1", Some(-1000)),
            ("+1k", Some(1_000_000)),
            ("", None),
            ("Gi", None),
            ("1.2.3", None),
            ("1 Gi", None),
            ("1gi", None),
            ("ten", None),
            ("1e99", None),
            ("1e-99", None),
            ("99999999999999999999999999999999999999Ei", None),
            ("-", None),
            ("1-1", None),
        ] {
            assert_eq!(thousandths(text), expected, "`{text}`");
        }
    }

    #[test]
    fn quantities_are_shown_in_the_largest_unit_that_fits() {
        for (text, expected) in [
            ("250m", "250m"),
            ("3", "3"),
            ("1536Mi", "1.5Gi"),
            ("2Gi", "2Gi"),
            ("1000000", "976.5Ki"),
            ("0", "0"),
        ] {
            assert_eq!(shown(thousandths(text).unwrap()), expected, "`{text}`");
        }
    }
}

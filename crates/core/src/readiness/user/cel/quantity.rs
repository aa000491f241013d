//! Quantities of Kubernetes (`1500m`, `2Gi`) and durations of Go (`1h30m`), exactly. Called by `functions`.

use jiff::SignedDuration;

/// Billionths of one.
const UNIT: i128 = 1_000_000_000;

/// A quantity in billionths, as small as Kubernetes keeps them; what is smaller is rounded away from zero.
///
/// Syntax: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

impl Quantity {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (multiply, divide) = factor(suffix)?;
        let fraction = &fraction[..fraction.len().min(18)];
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let above = digits.checked_mul(multiply)?;
        let below = scale.checked_mul(divide)?;
        // First the larger factor, so that nothing is lost: `above / below`, in billionths.
        let value = match above.checked_mul(UNIT) {
            Some(above) => above / below + i128::from(above % below != 0),
            None => (above / below).checked_mul(UNIT)?,
        };
        Some(Self(if negative { -value } else { value }))
    }

    pub(super) fn of_integer(value: i64) -> Self {
        Self(i128::from(value) * UNIT)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub(super) fn sign(self) -> i64 {
        i64::try_from(self.0.signum()).unwrap_or_default()
    }

    /// `None` when it is none, or does not fit.
    pub(super) fn integer(self) -> Option<i64> {
        (self.0 % UNIT == 0)
            .then(|| i64::try_from(self.0 / UNIT).ok())
            .flatten()
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "asked for: `asApproximateFloat`"
    )]
    pub(super) fn approximate(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }
}

/// What a suffix multiplies by and divides by.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let power = |base: i128, exponent: u32| base.checked_pow(exponent);
    let found = match suffix {
        "" => (1, 1),
        "n" => (1, UNIT),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (power(1000, 2)?, 1),
        "G" => (power(1000, 3)?, 1),
        "T" => (power(1000, 4)?, 1),
        "P" => (power(1000, 5)?, 1),
        "E" => (power(1000, 6)?, 1),
        "Ki" => (1024, 1),
        "Mi" => (power(1024, 2)?, 1),
        "Gi" => (power(1024, 3)?, 1),
        "Ti" => (power(1024, 4)?, 1),
        "Pi" => (power(1024, 5)?, 1),
        "Ei" => (power(1024, 6)?, 1),
        other => {
            let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            let size = power(10, exponent.unsigned_abs())?;
            if exponent < 0 { (1, size) } else { (size, 1) }
        }
    };
    Some(found)
}

/// `1h30m`, `1.5s`, `-300ms`: as Go writes durations.
pub(super) fn duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while rest != "0" && !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, behind) = rest.split_at(end);
        let (unit, nanoseconds) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        // A plain number has no suffix: its billionths are what is wanted.
        let count = Quantity::parse(digits)?.0;
        total = total.checked_add(count.checked_mul(*nanoseconds)? / UNIT)?;
        rest = &behind[unit.len()..];
    }
    let total = if negative { -total } else { total };
    let seconds = i64::try_from(total / UNIT).ok()?;
    let rest = i32::try_from(total % UNIT).ok()?;
    Some(SignedDuration::new(seconds, rest))
}

/// Longer names first.
const UNITS: &[(&str, i128)] = &[
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000),
    ("ms", 1_000_000),
    ("s", UNIT),
    ("m", 60 * UNIT),
    ("h", 3600 * UNIT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        for (text, other) in [
            ("1500m", "1.5"),
            ("2Gi", "2147483648"),
            ("1k", "1000"),
            ("1e3", "1000"),
            ("12E-1", "1.2"),
            (".5", "0.5"),
            ("+1.", "1"),
            ("-2Ki", "-2048"),
            ("0.5Gi", "512Mi"),
            ("8Ei", "9223372036854775808"),
            ("0.0000000001", "1n"),
        ] {
            assert_eq!(Quantity::parse(text), Quantity::parse(other), "{text}");
            assert!(Quantity::parse(text).is_some(), "{text}");
        }
        for bad in [
            "",
            "-",
            ".",
            "1.2.3",
            "1gi",
            "Gi",
            "1 Gi",
            "1e",
            "1e99",
            "١",
            "1i",
            "--1",
            "1e-99999999999",
        ] {
            assert_eq!(Quantity::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, milliseconds) in [
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("-300ms", -300),
            ("0", 0),
            ("1m1s", 61_000),
        ] {
            let wanted = SignedDuration::from_millis(milliseconds);
            assert_eq!(duration(text), Some(wanted), "{text}");
        }
        for bad in ["", "-", "5", "s", "1x", "1h-1m", "99999999999999999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}

//! Parses durations as people write them.
//!
//! Knows nothing of settings.

use std::time::Duration;

/// The forms that [`parse`] accepts, for help and error texts.
pub const FORMS: &str = "a whole number with a unit: ms, s, m, h or d, such as 90s, 15m or 1h";

/// Longest accepted duration in days: far above any use, and far from overflowing a clock.
const DAYS_MAX: u64 = 365;

/// Parses a duration; `None` if it is not one of [`FORMS`] or is longer than a year.
///
/// The unit is required and in lower case; one space may precede it.
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = match unit.strip_prefix(' ').unwrap_or(unit) {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let length = Duration::from_millis(number.checked_mul(unit)?);
    (length <= Duration::from_secs(DAYS_MAX * 86_400)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_parsed() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("250ms", 250),
            ("90s", 90_000),
            ("90 s", 90_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "s", "30", "1.5h", "-1s", "+1s", "1 min", "1M", "1  s", "1s ", "366d"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse("18446744073709551615d"), None);
    }
}

//! Parses sizes as people write them into bytes.
//!
//! Knows nothing of settings.

/// The forms that [`parse`] accepts, for help and error texts.
pub const FORMS: &str = "plain bytes (52428800), or a whole number with a unit: \
    K M G T or KiB MiB GiB TiB count in 1024s, KB MB GB TB in 1000s, in any letter case";

/// Parses a size; `None` if it is not one of [`FORMS`] or does not fit 64 bits.
///
/// A bare `B` means bytes, and one space may precede the unit. Fractions are refused, so
/// that a limit has one reading.
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let (base, power) = match unit.as_str() {
        "" | "b" => (1, 0),
        "k" | "kib" => (1024, 1),
        "m" | "mib" => (1024, 2),
        "g" | "gib" => (1024, 3),
        "t" | "tib" => (1024, 4),
        "kb" => (1000, 1),
        "mb" => (1000, 2),
        "gb" => (1000, 3),
        "tb" => (1000, 4),
        _ => return None,
    };
    number.checked_mul(u64::pow(base, power))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn binary_units_count_in_1024s_and_si_units_in_1000s() {
        for (text, bytes) in [
            ("0", 0),
            ("52428800", 52_428_800),
            ("7B", 7),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            ("500m", 500 << 20),
            ("500M", 500 << 20),
            ("50MB", 50_000_000),
            ("2k", 2048),
            ("2KB", 2000),
            ("1GiB", 1 << 30),
            ("1g", 1 << 30),
            ("3TB", 3_000_000_000_000),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in
            ["", "MiB", "-1", "+1", "1.5GiB", "1  MiB", "1MiB ", "1e3", "10 parsecs", "16777216T"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

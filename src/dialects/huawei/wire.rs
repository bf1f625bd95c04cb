//! The API's JSON and identifiers: fields in, records out.

pub(super) mod address;
pub(super) mod dependencies;
pub(super) mod functions;
pub(super) mod input;
pub(super) mod settings;
pub(super) mod urn;

use jiff::fmt::strtime;

use crate::domain::Timestamp;

/// Spells a time as RFC 3339 in UTC with seconds, the one form that all SDKs read right
/// (huawei.md section 5).
fn time(time: Timestamp) -> String {
    strtime::format("%Y-%m-%dT%H:%M:%SZ", time).unwrap_or_default()
}

/// Names a version by the time of its publication.
pub(super) fn version_name(time: Timestamp) -> String {
    strtime::format("v%Y%m%d-%H%M%S", time).unwrap_or_default()
}

/// Whether a name is made of ASCII letters, digits and the bytes of `more`, 1 to `max` long, with a
/// letter or digit at both ends; with `letter_first` the first is a letter.
pub(super) fn is_name(text: &str, max: usize, more: &[u8], letter_first: bool) -> bool {
    let bytes = text.as_bytes();
    let first = |byte: &u8| match letter_first {
        true => byte.is_ascii_alphabetic(),
        false => byte.is_ascii_alphanumeric(),
    };
    bytes.len() <= max
        && bytes.first().is_some_and(first)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || more.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_seconds() {
        let moment = Timestamp::from_millisecond(1_735_787_045_678).unwrap();
        assert_eq!(time(moment), "2025-01-02T03:04:05Z");
        assert_eq!(version_name(moment), "v20250102-030405");
    }

    #[test]
    fn names_have_an_end_on_both_sides() {
        for good in ["a", "a1", "a-b_c9", &"a".repeat(60)] {
            assert!(is_name(good, 60, b"-_", true), "{good}");
        }
        for bad in ["", "1a", "-a", "a-", "a_", "a.b", "ä", "a b", &"a".repeat(61)] {
            assert!(!is_name(bad, 60, b"-_", true), "{bad}");
        }
        assert!(is_name("1.0", 42, b"._-", false) && !is_name(".0", 42, b"._-", false));
    }
}

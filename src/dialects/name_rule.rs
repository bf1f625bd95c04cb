//! The clouds' rules for new names: ASCII letters and digits, and a few more bytes inside.

/// A rule for new names.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameRule {
    /// Bytes at most.
    pub(super) max: usize,
    /// The rule for the first byte.
    pub(super) first: Edge,
    /// Bytes that are allowed besides letters and digits.
    pub(super) inner: &'static [u8],
    /// The rule for the last byte.
    pub(super) last: Edge,
}

/// A rule for the first or the last byte of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// A letter.
    Letter,
    /// A letter or `_`.
    LetterOrUnderscore,
    /// A letter or a digit.
    Alphanumeric,
    /// Every allowed byte.
    Any,
}

impl Edge {
    fn allows(self, byte: u8) -> bool {
        match self {
            Self::Letter => byte.is_ascii_alphabetic(),
            Self::LetterOrUnderscore => byte.is_ascii_alphabetic() || byte == b'_',
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Any => true,
        }
    }
}

impl NameRule {
    /// Whether a text follows the rule; an empty text never does.
    pub(super) fn allows(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || self.inner.contains(byte);
        bytes.len() <= self.max
            && bytes.first().is_some_and(|byte| self.first.allows(*byte))
            && bytes.last().is_some_and(|byte| self.last.allows(*byte))
            && bytes.iter().all(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_length_and_inner_bytes_are_checked() {
        let rule = NameRule {
            max: 5,
            first: Edge::LetterOrUnderscore,
            inner: b"-_",
            last: Edge::Alphanumeric,
        };
        for good in ["a", "_a", "a-b_9", "abcde"] {
            assert!(rule.allows(good), "{good}");
        }
        for bad in ["", "_", "1a", "-a", "a-", "a_", "a.b", "ä", "a b", "abcdef"] {
            assert!(!rule.allows(bad), "{bad}");
        }
        let version = NameRule { first: Edge::Alphanumeric, inner: b".", last: Edge::Any, ..rule };
        assert!(version.allows("1.") && !version.allows(".1"));
    }
}

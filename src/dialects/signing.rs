//! The building blocks of all clouds' signatures: HMACs, comparisons, headers and queries.
//!
//! Comparisons take the same time for every wrong signature. Knows neither keys nor callers.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use jiff::civil::DateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};

#[cfg(test)]
pub(super) mod mutations;

/// All characters but the unreserved ones of RFC 3986.
pub(super) const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Names in a list of signed headers; clients have up to ten.
const SIGNED_MAX: usize = 32;

/// Parses a time in the basic form of ISO 8601, `20250102T030405Z`, without a zone: some clients do
/// not mean UTC by the `Z`.
pub(super) fn basic_time(text: &str) -> Option<DateTime> {
    const FORM: &[u8; 16] = b"00000000T000000Z";
    let fits = |(&byte, &form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => byte == form,
    };
    if text.len() != FORM.len() || !text.as_bytes().iter().zip(FORM).all(fits) {
        return None;
    }
    let part = |from: usize| text.get(from..from + 2)?.parse::<i8>().ok();
    let year = text.get(..4)?.parse::<i16>().ok()?;
    DateTime::new(year, part(4)?, part(6)?, part(9)?, part(11)?, part(13)?, 0).ok()
}

/// Computes an HMAC-SHA256.
pub(super) fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    keyed::<Hmac<Sha256>>(key, data).finalize().into_bytes().into()
}

/// Tells in constant time whether `given` is the HMAC-SHA256 of the data.
pub(super) fn is_hmac_sha256(key: &[u8], data: &[u8], given: &[u8]) -> bool {
    keyed::<Hmac<Sha256>>(key, data).verify_slice(given).is_ok()
}

/// Tells in constant time whether `given` is the HMAC-SHA1 of the data.
pub(super) fn is_hmac_sha1(key: &[u8], data: &[u8], given: &[u8]) -> bool {
    keyed::<Hmac<Sha1>>(key, data).verify_slice(given).is_ok()
}

/// An HMAC over a text in pieces.
pub(super) enum StreamedHmac {
    /// HMAC-SHA1.
    Sha1(Hmac<Sha1>),
    /// HMAC-SHA256.
    Sha256(Hmac<Sha256>),
}

impl StreamedHmac {
    /// Starts an HMAC-SHA1.
    pub(super) fn sha1(key: &[u8]) -> Self {
        Self::Sha1(keyed(key, b""))
    }

    /// Starts an HMAC-SHA256.
    pub(super) fn sha256(key: &[u8]) -> Self {
        Self::Sha256(keyed(key, b""))
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(hmac) => hmac.update(piece),
            Self::Sha256(hmac) => hmac.update(piece),
        }
    }

    /// Tells in constant time whether `given` is the HMAC of all pieces.
    pub(super) fn is(self, given: &[u8]) -> bool {
        match self {
            Self::Sha1(hmac) => hmac.verify_slice(given).is_ok(),
            Self::Sha256(hmac) => hmac.verify_slice(given).is_ok(),
        }
    }
}

/// Tells whether two texts are equal, in a time that reveals nothing about either.
pub(super) fn is_same(left: &[u8], right: &[u8]) -> bool {
    is_hmac_sha256(b"", left, &hmac_sha256(b"", right))
}

/// Spells a SHA-256 in lower-case hexadecimal.
pub(super) fn hex_sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Decodes a signature in standard base64; other text becomes a signature that never matches.
pub(super) fn from_base64(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).unwrap_or_default()
}

/// Decodes a signature in hexadecimal; other text becomes a signature that never matches.
pub(super) fn from_hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}

/// Returns a header's value without the blanks around it; `None` when it is absent or not UTF-8.
pub(super) fn header<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    let value = head.headers.get(name)?;
    std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
}

/// Returns a header as a signature covers it: without the blanks around it, empty when it is
/// absent, joined with commas when it was sent more than once.
///
/// Bytes that are not UTF-8 become U+FFFD, so that the header does not count as absent.
pub(super) fn covered_header<'h>(head: &'h Parts, name: &str) -> Cow<'h, str> {
    let mut values = head.headers.get_all(name).iter();
    let text = |value: &'h HeaderValue| match String::from_utf8_lossy(value.as_bytes()) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    let first = values.next().map(text).unwrap_or_default();
    values.map(text).fold(first, |all, next| Cow::Owned(format!("{all},{next}")))
}

/// Parses a list of signed headers: distinct header names, [`SIGNED_MAX`] at the most.
///
/// The caller is not known yet, and each name costs a copy of the header's value.
pub(super) fn signed_names(list: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = list.split(';').take(SIGNED_MAX + 1).collect();
    let count =
        |wanted: &str| names.iter().filter(|name| name.eq_ignore_ascii_case(wanted)).count();
    let is_good = |name: &&str| HeaderName::from_bytes(name.as_bytes()).is_ok() && count(name) == 1;
    (names.len() <= SIGNED_MAX && names.iter().all(is_good)).then_some(names)
}

/// Writes a line `name:value` for each header of a list, in its order, with the values of
/// [`covered_header`].
pub(super) fn header_lines<'n>(head: &Parts, names: impl IntoIterator<Item = &'n str>) -> String {
    let mut lines = String::new();
    for name in names {
        let name = name.to_ascii_lowercase();
        lines.push_str(&name);
        lines.push(':');
        lines.push_str(&covered_header(head, &name));
        lines.push('\n');
    }
    lines
}

/// Decodes a query, sorts it by name and then by value, and encodes it by RFC 3986.
pub(super) fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    pairs.sort();
    let mut text = String::with_capacity(query.len());
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(utf8_percent_encode(&name, ESCAPED));
        text.push('=');
        text.extend(utf8_percent_encode(&value, ESCAPED));
    }
    text
}

/// Starts an HMAC over `data`; cannot fail, as keys of every length are valid.
fn keyed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| <M as KeyInit>::new(&Default::default()));
    mac.update(data);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 section 4.3, RFC 2202 section 3 case 2.
    #[test]
    fn codes_are_those_of_the_standards() {
        let (key, data) = (b"Jefe", b"what do ya want for nothing?");
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(hmac_sha256(key, data)), sha256);
        assert!(is_hmac_sha256(key, data, &from_hex(sha256)));
        assert!(is_hmac_sha1(key, data, &from_hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")));
        for wrong in ["", "00", &sha256[2..], "no hexadecimal digits"] {
            assert!(!is_hmac_sha256(key, data, &from_hex(wrong)), "{wrong}");
            assert!(!is_hmac_sha1(key, data, &from_base64(wrong)), "{wrong}");
        }
    }

    #[test]
    fn a_text_in_pieces_has_the_hmac_of_the_full_text() {
        let signed = |mut hmac: StreamedHmac, code: &str| {
            for piece in ["what do ya ", "", "want for nothing?"] {
                hmac.update(piece.as_bytes());
            }
            hmac.is(&from_hex(code))
        };
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(signed(StreamedHmac::sha256(b"Jefe"), sha256));
        let sha1 = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert!(signed(StreamedHmac::sha1(b"Jefe"), sha1));
        assert!(
            !signed(StreamedHmac::sha1(b"Jefe"), sha256) && !signed(StreamedHmac::sha1(b""), sha1)
        );
    }

    #[test]
    fn equal_texts_are_the_same() {
        assert!(is_same(b"", b"") && is_same(b"secret", b"secret"));
        assert!(!is_same(b"secret", b"secreT") && !is_same(b"secret", b"secret1"));
    }

    #[test]
    fn a_time_has_exactly_its_form() {
        assert_eq!(
            basic_time("20250102T030405Z"),
            Some(jiff::civil::datetime(2025, 1, 2, 3, 4, 5, 0))
        );
        for bad in [
            "",
            "20250102",
            "20250102T030405",
            "20250102T030405z",
            "20250102 030405Z",
            "2025-01-02T03:04:05Z",
            "20250230T030405Z",
            "20251302T030405Z",
            "20250102T240000Z",
            "20250102T030460Z",
            "+0250102T030405Z",
            "2025010 T030405Z",
            "\u{661}250102T03040Z",
        ] {
            assert_eq!(basic_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_header_is_covered_however_it_is_sent() {
        let head = axum::http::Request::builder()
            .header("one", " a b ")
            .header("two", "x")
            .header("two", "y ")
            .header("three", HeaderValue::from_bytes(b"\xff").expect("a header may hold it"))
            .body(())
            .map(|request| request.into_parts().0)
            .expect("a request");
        let lines = "one:a b\ntwo:x,y\nthree:\u{fffd}\nfour:\n";
        assert_eq!(header_lines(&head, ["One", "two", "three", "four"]), lines);
    }

    #[test]
    fn signed_headers_are_names_none_twice_and_not_many() {
        assert_eq!(signed_names("host;X-Date"), Some(vec!["host", "X-Date"]));
        let many =
            |count: usize| (0..count).map(|at| format!("h{at}")).collect::<Vec<_>>().join(";");
        assert!(signed_names(&many(SIGNED_MAX)).is_some());
        for bad in
            ["", "host;", "host;HOST", "a:b", "a b", &many(SIGNED_MAX + 1), &"h;".repeat(9999)]
        {
            assert_eq!(signed_names(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_is_decoded_sorted_and_encoded_anew() {
        assert_eq!(canonical_query(""), "");
        let query = "b=2&a=x+y&a=%2A~&c&d=%E5%B1%82(1)";
        assert_eq!(canonical_query(query), "a=%2A~&a=x%20y&b=2&c=&d=%E5%B1%82%281%29");
    }
}

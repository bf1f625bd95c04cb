//! What the signatures of all clouds are made of, and how a signed request becomes a caller.
//!
//! Each dialect's `auth.rs` reads its own headers and builds its own text to sign; here are the
//! keys, the codes and the comparison, which takes the same time for every wrong answer.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::AuthHead;
use crate::domain::{Caller, Key, KeyId, TenantId, Timestamp};

#[cfg(test)]
pub(super) mod mutations;

/// Everything that is not an RFC 3986 unreserved character is escaped.
pub(super) const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Signed with in place of the secret of a key that is not there, so that asking for one takes as
/// long as signing wrongly with one that is.
pub(super) const NOBODY: &str = "the secret of a key that does not exist";

/// Names in a list of signed headers; clients have up to ten.
const SIGNED_MAX: usize = 32;

/// Why a request is not let in. Each dialect words all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It has no credentials of a kind that the dialect takes.
    Missing,
    /// Its credentials cannot be read; says what is wrong with them.
    Malformed(&'static str),
    /// No key has this id, or it is disabled.
    UnknownKey(String),
    /// The signature is not this request's under this key, or the token not this key's.
    BadSignature,
    /// It was signed too long ago, or in the future.
    Skewed {
        /// When it says that it was signed.
        signed: Timestamp,
        /// When it came.
        now: Timestamp,
    },
}

/// Refuses whoever says to have the key `id` and there is none that is let in; nothing is proved.
///
/// For a signature whose body has not come. That this takes less time than a wrong signature tells
/// no more than the refusal does, whose words are not the same either.
pub(super) fn check_key(request: AuthHead<'_>, id: &str) -> Result<(), Denied> {
    let key = find(request, id).filter(|key| key.enabled);
    key.map(drop).ok_or_else(|| Denied::UnknownKey(id.to_owned()))
}

/// Lets in who has the key `id`, if `check` finds that its secret made the signature.
pub(super) fn identify(
    request: AuthHead<'_>,
    id: &str,
    check: impl FnOnce(&[u8]) -> bool,
) -> Result<Caller, Denied> {
    Ok(admit(request, prove(request, id, check)?))
}

/// Finds the key of a token, `<key id>.<secret>`.
pub(super) fn prove_by_token<'r>(request: AuthHead<'r>, token: &str) -> Result<&'r Key, Denied> {
    let (id, given) = token.split_once('.').ok_or(Denied::Malformed("the token has no '.'"))?;
    prove(request, id, |secret| is_same(secret, given.as_bytes()))
}

/// Finds the key `id`, if `check` finds that its secret made the signature.
///
/// `check` runs also when there is no such key, and must not look at anything that depends on it.
fn prove<'r>(
    request: AuthHead<'r>,
    id: &str,
    check: impl FnOnce(&[u8]) -> bool,
) -> Result<&'r Key, Denied> {
    let known = find(request, id);
    let secret = known.map_or(NOBODY, |key| key.secret.reveal());
    let proved = check(secret.as_bytes());
    match known.filter(|key| key.enabled) {
        None => Err(Denied::UnknownKey(id.to_owned())),
        Some(_) if !proved => Err(Denied::BadSignature),
        Some(key) => Ok(key),
    }
}

/// Finds a key, also one that is disabled.
fn find<'r>(request: AuthHead<'r>, id: &str) -> Option<&'r Key> {
    KeyId::parse(id).ok().and_then(|id| request.access.keys.get(&id))
}

/// Makes the caller that everyone is while authentication is off.
pub(super) fn anonymous() -> Caller {
    Caller::new_anonymous(TenantId::default_tenant())
}

/// Makes the caller who proved to have a key.
pub(super) fn admit(request: AuthHead<'_>, key: &Key) -> Caller {
    request.app.note_use(key);
    Caller::new(key.tenant.clone(), key.role, key.id.clone())
}

/// Refuses what was signed further from now than `max`, in either direction.
pub(super) fn check_skew(
    request: AuthHead<'_>,
    signed: Timestamp,
    max: SignedDuration,
) -> Result<(), Denied> {
    let now = request.app.clock().now();
    match now.duration_since(signed).abs() <= max {
        true => Ok(()),
        false => Err(Denied::Skewed { signed, now }),
    }
}

/// Reads a time in the basic form of ISO 8601 to the second, `20250102T030405Z`, without deciding
/// whose clock it is on: not everyone means UTC by the `Z`.
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

/// An HMAC over a text that comes in pieces.
pub(super) enum MovingHmac {
    /// HMAC-SHA1.
    Sha1(Hmac<Sha1>),
    /// HMAC-SHA256.
    Sha256(Hmac<Sha256>),
}

impl MovingHmac {
    /// Starts an HMAC-SHA1.
    pub(super) fn sha1(key: &[u8]) -> Self {
        Self::Sha1(keyed(key, b""))
    }

    /// Starts an HMAC-SHA256.
    pub(super) fn sha256(key: &[u8]) -> Self {
        Self::Sha256(keyed(key, b""))
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(hmac) => hmac.update(piece),
            Self::Sha256(hmac) => hmac.update(piece),
        }
    }

    /// Tells in constant time whether `given` is the code of all that came.
    pub(super) fn is(self, given: &[u8]) -> bool {
        match self {
            Self::Sha1(hmac) => hmac.verify_slice(given).is_ok(),
            Self::Sha256(hmac) => hmac.verify_slice(given).is_ok(),
        }
    }
}

/// Tells whether two texts are the same, in a time that says nothing of either.
pub(super) fn is_same(left: &[u8], right: &[u8]) -> bool {
    is_hmac_sha256(b"", left, &hmac_sha256(b"", right))
}

/// Spells a SHA-256 in lower-case hexadecimal.
pub(super) fn hex_sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Decodes a signature in standard base64; what is none becomes one that never fits.
pub(super) fn from_base64(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).unwrap_or_default()
}

/// Decodes a signature in hexadecimal; what is none becomes one that never fits.
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
/// What is not UTF-8 becomes U+FFFD: it must not count as absent, for then nothing would cover it.
pub(super) fn covered_header<'h>(head: &'h Parts, name: &str) -> Cow<'h, str> {
    let mut values = head.headers.get_all(name).iter();
    let text = |value: &'h HeaderValue| match String::from_utf8_lossy(value.as_bytes()) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    let first = values.next().map(text).unwrap_or_default();
    values.map(text).fold(first, |all, next| Cow::Owned(format!("{all},{next}")))
}

/// Reads a list of signed headers: names of headers, none twice, [`SIGNED_MAX`] at the most.
///
/// Nobody is known yet when the list is read: each name costs a copy of the header's value.
pub(super) fn signed_names(list: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = list.split(';').take(SIGNED_MAX + 1).collect();
    let count =
        |wanted: &str| names.iter().filter(|name| name.eq_ignore_ascii_case(wanted)).count();
    let is_good = |name: &&str| HeaderName::from_bytes(name.as_bytes()).is_ok() && count(name) == 1;
    (names.len() <= SIGNED_MAX && names.iter().all(is_good)).then_some(names)
}

/// Writes `name:value` and a line's end for each header of a list, in its order, with the values
/// of [`covered_header`].
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

/// Decodes a query, sorts it by name and then by value, and encodes it anew by RFC 3986.
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

/// Keys and feeds an HMAC; keys of every length are good, so that this cannot fail.
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
    fn a_text_in_pieces_has_the_code_of_the_whole() {
        let signed = |mut hmac: MovingHmac, code: &str| {
            for piece in ["what do ya ", "", "want for nothing?"] {
                hmac.update(piece.as_bytes());
            }
            hmac.is(&from_hex(code))
        };
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(signed(MovingHmac::sha256(b"Jefe"), sha256));
        let sha1 = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert!(signed(MovingHmac::sha1(b"Jefe"), sha1));
        assert!(!signed(MovingHmac::sha1(b"Jefe"), sha256) && !signed(MovingHmac::sha1(b""), sha1));
    }

    #[test]
    fn texts_are_the_same_or_not() {
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

//! `acs <key id>:<signature>`, the scheme of older clients and of an option of newer ones
//! (alibaba.md section 9.3).
//!
//! It covers the body only through `Content-MD5`, if the client sends one, which must then be the
//! body's MD5. Without it nothing protects the body.

use axum::http::request::Parts;

use super::begin_text;
use crate::dialects::params::Params;
use crate::dialects::signing;

pub(super) fn string_to_sign(head: &Parts, path: &str) -> String {
    let values = ["accept", "content-md5", "content-type", "date"];
    let query = resource_query(head.uri.query().unwrap_or_default());
    begin_text(head, &values, "x-acs-") + path + &query
}

/// Writes the query decoded and sorted; clients omit the `=` of an empty value.
fn resource_query(query: &str) -> String {
    let Params(mut pairs) = Params::parse(query);
    if pairs.is_empty() {
        return String::new();
    }
    pairs.sort();
    let spelled = pairs
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") });
    format!("?{}", spelled.collect::<Vec<_>>().join("&"))
}

/// Tells whether the body's digest is the one in `Content-MD5`, if the request has that header.
pub(super) fn is_body_whole(head: &Parts, md5: &[u8; 16]) -> bool {
    !head.headers.contains_key("content-md5")
        || is_md5(&signing::covered_header(head, "content-md5"), md5)
}

/// Tells whether a text is a digest as RFC 1864 has it, in hexadecimal, or in the base64 of the
/// hexadecimal; each is what some client of this cloud sends (section 9.1).
fn is_md5(text: &str, md5: &[u8; 16]) -> bool {
    let decoded = signing::from_base64(text);
    let hexadecimal =
        [text.as_bytes(), &decoded].into_iter().filter_map(|text| hex::decode(text).ok());
    decoded == md5 || hexadecimal.into_iter().any(|digest| digest == md5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_have_no_equals_sign() {
        assert_eq!((resource_query(""), resource_query("=")), (String::new(), "?".to_owned()));
        assert_eq!(
            resource_query("public=&limit=2&a=%26&official"),
            "?a=&&limit=2&official&public"
        );
    }

    #[test]
    fn every_spelling_of_a_digest_is_accepted() {
        let (md5, hexadecimal) = ([0xbd; 16], "bd".repeat(16));
        for good in [
            &base64_simd::STANDARD.encode_to_string(md5),
            &hexadecimal,
            &hexadecimal.to_uppercase(),
            &base64_simd::STANDARD.encode_to_string(&hexadecimal),
        ] {
            assert!(is_md5(good, &md5), "{good}");
        }
        for wrong in ["", "bd", "vb29vb29vb29vb29vb29vA==", &"be".repeat(16), "no digest"] {
            assert!(!is_md5(wrong, &md5), "{wrong}");
        }
    }
}

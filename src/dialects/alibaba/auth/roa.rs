//! `acs <key id>:<signature>`, the scheme of older clients and of an option of newer ones
//! (alibaba.md section 9.3).
//!
//! It covers the body only through `Content-MD5`, if the client sends one. Then it must be the
//! body's MD5 in a spelling that clients use; else the body may be anyone's.

use axum::http::request::Parts;

use super::{Body, Claim, Proof, Scheme, date, is_body_whole, key_and_signature, lines_of};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::params::Params;
use crate::dialects::signing::{self, covered_header};

pub(super) const SCHEME: &str = "acs";

pub(super) fn claim<'h>(head: &'h Parts, credentials: &'h str) -> Result<Claim<'h>, ApiError> {
    let (key_id, signature) = key_and_signature(credentials)?;
    Ok(Claim { key_id, signature, signed: date(head)?, scheme: Scheme::Roa })
}

pub(super) fn proof(head: &Parts, body: &Body) -> Proof {
    let texts = vec![string_to_sign(head).into_bytes()];
    Proof { texts, is_code: signing::is_hmac_sha1, is_body_whole: is_body_whole(head, body) }
}

fn string_to_sign(head: &Parts) -> String {
    let mut text = format!("{}\n", head.method);
    for name in ["accept", "content-md5", "content-type", "date"] {
        text.push_str(&covered_header(head, name));
        text.push('\n');
    }
    text.push_str(&lines_of(head, "x-acs-"));
    text.push_str(head.uri.path());
    text.push_str(&resource_query(head.uri.query().unwrap_or_default()));
    text
}

/// Writes the query decoded and sorted; clients leave out the `=` of an empty value.
fn resource_query(query: &str) -> String {
    let Params(mut pairs) = Params::parse(query);
    if pairs.is_empty() {
        return String::new();
    }
    pairs.sort();
    let spelled = pairs.into_iter().map(|(name, value)| match value.is_empty() {
        true => name,
        false => format!("{name}={value}"),
    });
    format!("?{}", spelled.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::alibaba::auth::is_md5;
    use crate::dialects::alibaba::auth::samples::{self, decide};

    /// The vector of section 9.3.
    #[test]
    fn text_and_signature_are_those_of_the_client() {
        let sample = samples::roa_list();
        let text = "GET\napplication/json\n\n\nSat, 21 Nov 2026 16:42:04 GMT\n\
                    x-acs-action:ListLayers\nx-acs-credentials-provider:static_ak\n\
                    x-acs-signature-method:HMAC-SHA1\n\
                    x-acs-signature-nonce:18d6a48705f89bc32b992d28d6bb0a0f\n\
                    x-acs-signature-version:1.0\nx-acs-version:2023-03-30\n\
                    /2023-03-30/layers?limit=2&prefix=lay a";
        assert_eq!(string_to_sign(&sample.head().unwrap()), text);
        assert!(decide(&sample).is_ok());
    }

    #[test]
    fn empty_values_have_no_equals_sign() {
        assert_eq!((resource_query(""), resource_query("=")), (String::new(), "?".to_owned()));
        assert_eq!(
            resource_query("public=&limit=2&a=%26&official"),
            "?a=&&limit=2&official&public"
        );
    }

    #[test]
    fn a_digest_is_known_in_every_spelling() {
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

    #[test]
    fn a_body_that_is_spoken_of_must_be_that_body() {
        assert!(decide(&samples::roa_publish()).is_ok());
        let mut other = samples::roa_publish();
        other.body.push(b' ');
        assert!(decide(&other).is_err());
    }
}

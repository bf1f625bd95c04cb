//! `OSS <key id>:<signature>`, the scheme of the object store's clients (alibaba.md section 9.4).
//!
//! The bucket is the first label of the host. It covers no query, and the body only through
//! `Content-MD5`, which must then be the body's.

use axum::http::request::Parts;

use super::{Body, Claim, Proof, Scheme, is_body_whole, key_and_signature, lines_of, time};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::signing::{self, covered_header};

pub(super) const SCHEME: &str = "OSS";

/// Goes before `Date`, which browsers do not let a client set.
const DATE: &str = "x-oss-date";

pub(super) fn claim<'h>(head: &'h Parts, credentials: &'h str) -> Result<Claim<'h>, ApiError> {
    let (key_id, signature) = key_and_signature(credentials)?;
    let signed = time(head, date_header(head))?;
    Ok(Claim { key_id, signature, signed, scheme: Scheme::Oss })
}

pub(super) fn proof(head: &Parts, body: &Body) -> Proof {
    let texts = vec![string_to_sign(head).into_bytes()];
    Proof { texts, is_code: signing::is_hmac_sha1, is_body_whole: is_body_whole(head, body) }
}

fn date_header(head: &Parts) -> &'static str {
    if head.headers.contains_key(DATE) { DATE } else { "date" }
}

fn string_to_sign(head: &Parts) -> String {
    let mut text = format!("{}\n", head.method);
    for name in ["content-md5", "content-type", date_header(head)] {
        text.push_str(&covered_header(head, name));
        text.push('\n');
    }
    text.push_str(&lines_of(head, "x-oss-"));
    let host = covered_header(head, "host");
    text.push('/');
    text.push_str(host.split('.').next().unwrap_or_default());
    text.push_str(head.uri.path());
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::dialects::signing::mutations::Sample;

    /// The vector of section 9.4.
    #[test]
    fn text_and_signature_are_those_of_the_client() {
        let sample = |authorization| {
            Sample::new(
                "PUT",
                "/1234567890123456/abc123",
                &[
                    ("host", "local-temp.oss-cn-hangzhou.aliyuncs.com"),
                    ("content-type", "application/zip"),
                    ("x-oss-date", "Sat, 21 Nov 2026 16:41:22 GMT"),
                    ("x-oss-security-token", "tok"),
                    ("authorization", authorization),
                ],
                "",
            )
        };
        let good = sample("OSS STS.ossTmp:dOopnT23JUW4e8RAN2bLZO3FvQs=");
        let head = good.head().unwrap();
        let text = "PUT\n\napplication/zip\nSat, 21 Nov 2026 16:41:22 GMT\n\
                    x-oss-date:Sat, 21 Nov 2026 16:41:22 GMT\nx-oss-security-token:tok\n\
                    /local-temp/1234567890123456/abc123";
        assert_eq!(string_to_sign(&head), text);
        for (sample, is_good) in
            [(good, true), (sample("OSS STS.ossTmp:dOopnT23JUW4e8RAN2bLZO3FvQt="), false)]
        {
            let head = sample.head().unwrap();
            let claim = Claim::read(&head).unwrap();
            assert_eq!(claim.key_id, "STS.ossTmp");
            let body = crate::dialects::alibaba::auth::samples::digests(&sample);
            let proof = claim.proof(&head, &body);
            assert_eq!(claim.is_made_with(b"ossTmpSecret", &proof), is_good);
        }
    }
}

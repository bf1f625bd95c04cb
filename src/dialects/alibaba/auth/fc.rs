//! `FC <key id>:<signature>`, the scheme of 2016 (alibaba.md section 9.1).
//!
//! It covers neither the query nor the body: clients fill `Content-MD5` each in its own way, or not
//! at all, so that it is signed as it is and compared with nothing.

use std::iter;

use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{Claim, Proof, Scheme, date, key_and_signature, lines_of};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::signing::{self, covered_header};

pub(super) const SCHEME: &str = "FC";

pub(super) fn claim<'h>(head: &'h Parts, credentials: &'h str) -> Result<Claim<'h>, ApiError> {
    let (key_id, signature) = key_and_signature(credentials)?;
    Ok(Claim { key_id, signature, signed: date(head)?, scheme: Scheme::Fc })
}

pub(super) fn proof(head: &Parts) -> Proof {
    let (texts, is_code) = (strings_to_sign(head), signing::is_hmac_sha256);
    Proof { texts, is_code, is_body_whole: true }
}

/// The text with the path as it was sent, which one client signs, and where it differs the text
/// with the path decoded, which another signs.
fn strings_to_sign(head: &Parts) -> Vec<Vec<u8>> {
    let mut start = format!("{}\n", head.method);
    for name in ["content-md5", "content-type", "date"] {
        start.push_str(&covered_header(head, name));
        start.push('\n');
    }
    start.push_str(&lines_of(head, "x-fc-"));
    let path = head.uri.path();
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let decoded = Some(decoded).filter(|decoded| decoded != path.as_bytes());
    iter::once(path.as_bytes())
        .chain(decoded.as_deref())
        .map(|path| [start.as_bytes(), path].concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::alibaba::auth::samples::{self, decide};

    /// The vectors of section 9.1.
    #[test]
    fn texts_and_signatures_are_those_of_the_client() {
        let list = "GET\n\n\nSat, 21 Nov 2026 16:39:49 GMT\nx-fc-account-id:1234567890123456\n\
                    /2016-08-15/layers";
        let publish = "POST\nYmQ0YjFiM2MzZThlNWRlMGQ2NmQwODAwMzAyODU1NmE=\napplication/json\n\
                       Sat, 21 Nov 2026 16:39:49 GMT\nx-fc-account-id:1234567890123456\n\
                       /2016-08-15/layers/node-lay/versions";
        let by_arn = "GET\n\n\nSat, 21 Nov 2026 16:39:50 GMT\nx-fc-account-id:1234567890123456\n\
                      /2016-08-15/layerarn/abeac07d3c28c1bef9e730002c753ed4%23node-lay%231";
        let cases = [
            (samples::fc_list(), list, 1),
            (samples::fc_publish(), publish, 1),
            (samples::fc_by_arn(), by_arn, 2),
        ];
        for (sample, text, cloud_ids) in cases {
            let head = sample.head().unwrap();
            let texts = strings_to_sign(&head);
            assert_eq!(String::from_utf8_lossy(&texts[0]), text);
            assert_eq!(texts.len(), cloud_ids, "{text}");
            assert!(decide(&sample).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_path_may_be_signed_decoded() {
        let sample = samples::fc_by_arn_decoded();
        let texts = strings_to_sign(&sample.head().unwrap());
        assert!(texts[1].ends_with(b"/abeac07d3c28c1bef9e730002c753ed4#node-lay#1"));
        assert!(decide(&sample).is_ok());
    }
}

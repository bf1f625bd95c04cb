//! Signed requests with one changed byte or header.

use axum::http::Method;
use axum::http::request::Parts;

use super::{SECRET, ZIP, form_with_code, v1_vectors, v3_vectors, verdict};
use crate::dialects::signing::mutations::{Random, Sample, mutate_all};
use crate::dialects::signing::{self, from_base64, from_hex};
use crate::dialects::tencent::auth::{hosts, v3};

/// Whether two requests differ only in parts that the signature does not cover: the letter case of
/// signed headers, an unsigned port of the host, the encoding and order of parameters, the query of
/// a POST and the body of a GET. The router checks the path.
fn means_the_same(one: &Sample, other: &Sample) -> bool {
    let (Some(left), Some(right)) = (one.head(), other.head()) else { return false };
    let lowered = |head| hosts(head).iter().map(|host| host.to_lowercase()).collect::<Vec<_>>();
    let same_host = lowered(&left).iter().any(|host| lowered(&right).contains(host));
    let same = match (credentials(&left), credentials(&right)) {
        (None, None) => parameters(one, &left) == parameters(other, &right),
        (ours, theirs) => {
            let is_get = left.method == Method::GET;
            let is_unsigned = !text(&left, "x-tc-content-sha256").is_empty();
            ours == theirs
                && text(&left, "content-type") == text(&right, "content-type")
                && text(&left, "x-tc-timestamp") == text(&right, "x-tc-timestamp")
                && (!is_get || left.uri.query() == right.uri.query())
                && (is_get || is_unsigned || one.body == other.body)
        }
    };
    left.method == right.method && same_host && same
}

fn text(head: &Parts, name: &str) -> String {
    signing::header(head, name).unwrap_or_default().to_lowercase()
}

fn credentials(head: &Parts) -> Option<([String; 4], Vec<u8>)> {
    let sent = signing::header(head, "authorization")?;
    let parts = v3::Credentials::parse(sent.strip_prefix(v3::ALGORITHM)?).ok()?;
    let v3::Credentials { key_id, date, service, signed_headers, signature } = parts;
    Some(([key_id, date, service, signed_headers].map(str::to_owned), from_hex(signature)))
}

/// The parameters in the order of their names, and the signature among them.
fn parameters(sample: &Sample, head: &Parts) -> (Vec<(String, String)>, Option<Vec<u8>>) {
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let form = if head.method == Method::GET { query } else { &sample.body };
    let mut pairs: Vec<_> = form_urlencoded::parse(form).into_owned().collect();
    pairs.sort();
    let signature = pairs.iter().find(|(name, _)| name == "Signature");
    let signature = signature.map(|(_, value)| from_base64(value));
    pairs.retain(|(name, _)| name != "Signature");
    (pairs, signature)
}

#[test]
fn a_changed_request_is_refused() {
    let own = form_with_code(ZIP, "Content.ZipFile");
    let vectors = v3_vectors().into_iter().chain(v1_vectors()).map(|(_, sample)| sample);
    let originals: Vec<Sample> = vectors.chain([own]).collect();
    // Requests that HTTP does not allow are skipped and need no verdict.
    let check = |sample: &Sample| verdict(sample, SECRET).unwrap_or_else(|| Err(String::new()));
    let is_ignored = |_, one: &Sample, other: &Sample| means_the_same(one, other);
    let refused = |code: String, _: &Parts| {
        let known = ["MissingParameter", "InvalidParameter", "InvalidParameterValue"];
        assert!(code.starts_with("AuthFailure.") || known.contains(&&*code), "{code}");
    };
    let mut random = Random(0x5EED);
    let (refused, same) = mutate_all(&mut random, &originals, check, is_ignored, refused);
    assert!(refused > 5000 && same > 50, "{refused} refused, {same} accepted");
}

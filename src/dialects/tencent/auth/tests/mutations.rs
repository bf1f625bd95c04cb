//! Signed requests that were changed on their way, byte by byte.

use axum::http::Method;
use axum::http::request::Parts;

use super::super::{hosts, v3};
use super::{SECRET, ZIP, form_with_code, v1_vectors, v3_vectors, verdict};
use crate::dialects::signing::mutations::{Random, Sample};
use crate::dialects::signing::{self, from_base64, from_hex};

/// Whether two requests differ only in what the rules do not look at: the letter case of signed
/// headers, the port of a host where it was not signed, how parameters are encoded and ordered,
/// the query of a POST and the body of a GET. The path is the router's.
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
    let form = match head.method == Method::GET {
        true => head.uri.query().unwrap_or_default().as_bytes(),
        false => &sample.body,
    };
    let mut pairs: Vec<_> = form_urlencoded::parse(form).into_owned().collect();
    pairs.sort();
    let signature = pairs.iter().find(|(name, _)| name == "Signature");
    let signature = signature.map(|(_, value)| from_base64(value));
    pairs.retain(|(name, _)| name != "Signature");
    (pairs, signature)
}

#[test]
fn no_request_that_was_changed_on_its_way_is_let_in() {
    let mut random = Random(0x5EED);
    let own = [("form with code", form_with_code(ZIP, "Content.ZipFile"))];
    let (mut refused, mut same) = (0, 0);
    for (client, sample) in v3_vectors().into_iter().chain(v1_vectors()).chain(own) {
        for _ in 0..1500 {
            let mut changed = sample.clone();
            random.mutate(&mut changed);
            match verdict(&changed, SECRET) {
                None => {}
                Some(Ok(())) => {
                    assert!(means_the_same(&sample, &changed), "{client}: {changed:?}");
                    same += 1;
                }
                Some(Err(code)) => {
                    let known = ["MissingParameter", "InvalidParameter", "InvalidParameterValue"];
                    let is_known = code.starts_with("AuthFailure.") || known.contains(&&*code);
                    assert!(is_known, "{client}: {code}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 5000 && same > 50, "{refused} refused, {same} let in");
}

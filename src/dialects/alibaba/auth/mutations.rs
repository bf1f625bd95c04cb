//! Signed requests with a few bytes changed, by numbers that are the same in every run: whoever
//! changes what a scheme covers stays outside, and hears so in the dialect's words.
//!
//! What a scheme does not cover is spelled out in [`Covered`], apart from the code under test.

use std::collections::BTreeSet;

use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::samples::{self, decide};
use crate::dialects::alibaba::errors::{self, ApiError};
use crate::dialects::signing::mutations::{Random, Sample};

const ROUNDS: usize = 2000;

/// Changes a request, sometimes twice, and sometimes by a header more.
fn change(random: &mut Random, sample: &mut Sample) {
    for _ in 0..=random.below(8) / 7 {
        random.mutate(sample);
    }
    let name = match random.below(16) {
        0 => sample.headers[random.below(sample.headers.len())].0,
        1 => ["x-fc-more", "x-acs-more", "content-md5", "unsigned"][random.below(4)],
        _ => return,
    };
    sample.headers.push((name, vec![b'0' + random.below(10) as u8]));
}

/// Everything of a request that its scheme covers. Two requests that are equal here may both be
/// let in with one signature: of what they differ in
///
/// - blanks around a header's value are not part of it (HTTP);
/// - a query is decoded and sorted before it is covered, and not covered by `FC` at all;
/// - `FC` covers the path as sent or decoded, and not the body;
/// - `acs` covers the body only if there is a `Content-MD5`;
/// - of an `Authorization` sent twice the first one counts;
/// - other headers than those named here are not covered;
/// - the order of the credentials of `ACS3-HMAC-SHA256`, blanks around them, and the case of the
///   digits of its signature mean nothing.
#[derive(Debug, PartialEq, Eq)]
struct Covered {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    /// Name and value; a header of a fixed place that is absent is one with an empty value.
    headers: Vec<(String, String)>,
    credentials: BTreeSet<String>,
    body: Option<Vec<u8>>,
}

impl Covered {
    fn of(sample: &Sample, head: &Parts) -> Self {
        let authorization = head.headers.get("authorization").map(HeaderValue::as_bytes);
        let authorization = String::from_utf8_lossy(authorization.unwrap_or_default());
        let (scheme, rest) = authorization.split_once(' ').unwrap_or_default();
        let mut query: Vec<_> =
            form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        query.sort();
        let credentials = match scheme {
            "ACS3-HMAC-SHA256" => rest.split(',').map(credential).collect(),
            _ => BTreeSet::from([authorization.trim().to_owned()]),
        };
        let mut covered = Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query,
            headers: Vec::new(),
            credentials,
            body: Some(sample.body.clone()),
        };
        match scheme {
            "FC" => {
                covered.query.clear();
                covered.body = None;
                covered.headers = named(head, &["content-md5", "content-type", "date"], "x-fc-");
            }
            "acs" => {
                let names = ["accept", "content-md5", "content-type", "date"];
                covered.headers = named(head, &names, "x-acs-");
                covered.body = covered.body.filter(|_| head.headers.contains_key("content-md5"));
            }
            _ => {
                let names =
                    rest.split(',').find_map(|part| part.trim().strip_prefix("SignedHeaders="));
                let names: Vec<&str> = names.unwrap_or_default().split(';').collect();
                covered.headers = named(head, &names, "none");
            }
        }
        covered
    }
}

fn value(head: &Parts, name: &str) -> String {
    let values = head.headers.get_all(name).iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    values.collect::<Vec<_>>().join(",")
}

fn named(head: &Parts, fixed: &[&str], prefix: &str) -> Vec<(String, String)> {
    let names: BTreeSet<&str> = head
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with(prefix))
        .collect();
    fixed.iter().copied().chain(names).map(|name| (name.to_owned(), value(head, name))).collect()
}

fn credential(part: &str) -> String {
    let part = part.trim();
    match part.starts_with("Signature=") {
        true => part.to_ascii_lowercase(),
        false => part.to_owned(),
    }
}

fn decoded(path: &str) -> Vec<u8> {
    percent_decode_str(path).collect()
}

/// Whether a change left everything alone that the scheme covers.
fn is_same(signed: &Covered, mut changed: Covered, is_path_free: bool) -> bool {
    // Of `FC` alone: the path as sent may be the decoded one of another, and the other way round.
    if is_path_free && decoded(&changed.path) == decoded(&signed.path) {
        changed.path = signed.path.clone();
    }
    *signed == changed
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap();
}

/// What a client hears.
fn answered(head: &Parts, refusal: ApiError) -> (u16, Value) {
    let call = Sample::call(head, None);
    let response = errors::complete(&call, refusal.into_response());
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.headers().contains_key("x-fc-request-id"));
    let status = response.status().as_u16();
    let body = RUNTIME.with(|runtime| runtime.block_on(response.into_body().collect()));
    let body = body.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The keys of each generation's envelope (alibaba.md section 8).
fn assert_shape(head: &Parts, refusal: ApiError) {
    let (status, body) = answered(head, refusal);
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let (wanted, code): (&[&str], _) = match head.uri.path().split('/').nth(1) {
        Some("2021-04-06") => {
            (&["Code", "ErrorCode", "ErrorMessage", "Message", "RequestId"], "Code")
        }
        Some("2023-03-30") => (&["Code", "Message", "RequestId"], "Code"),
        _ => (&["ErrorCode", "ErrorMessage"], "ErrorCode"),
    };
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), wanted.iter().copied().collect());
    let expected = match body[code].as_str().unwrap() {
        "MissingRequiredHeader" | "InvalidArgument" => 400,
        "InvalidAccessKeyID" | "SignatureNotMatch" => 403,
        other => panic!("{other}"),
    };
    assert_eq!(status, expected, "{body}");
}

/// Changes a request over and over and returns how often it was let in and kept out.
fn run(sample: &Sample, is_path_free: bool, seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let signed = Covered::of(sample, &sample.head().unwrap());
    let (mut inside, mut outside) = (0, 0);
    for _ in 0..ROUNDS {
        let mut changed = sample.clone();
        change(&mut random, &mut changed);
        // A server never sees what HTTP cannot say.
        let Some(head) = changed.head() else { continue };
        let covered = Covered::of(&changed, &head);
        match decide(&changed) {
            Ok(()) => {
                assert!(is_same(&signed, covered, is_path_free), "let in: {head:?}\n{signed:?}");
                inside += 1;
            }
            Err(refusal) => {
                assert!(
                    !is_same(&signed, covered, is_path_free),
                    "kept out: {head:?}\n{refusal:?}"
                );
                assert_shape(&head, refusal);
                outside += 1;
            }
        }
    }
    (inside, outside)
}

#[test]
fn who_changes_what_is_covered_stays_outside() {
    let cases = [
        ("fc_list", samples::fc_list(), true),
        ("fc_publish", samples::fc_publish(), true),
        ("fc_by_arn", samples::fc_by_arn(), true),
        ("fc_by_arn_decoded", samples::fc_by_arn_decoded(), true),
        ("acs3_list", samples::acs3_list(), false),
        ("acs3_publish", samples::acs3_publish(), false),
        ("roa_list", samples::roa_list(), false),
        ("roa_publish", samples::roa_publish(), false),
        ("roa_publish_uncovered", samples::roa_publish_uncovered(), false),
    ];
    for (number, (name, sample, is_path_free)) in cases.into_iter().enumerate() {
        let (inside, outside) = run(&sample, is_path_free, number as u64);
        assert!(inside > 0 && outside > ROUNDS / 2, "{name}: {inside} in, {outside} out");
    }
}

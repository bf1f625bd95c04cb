//! Signed requests with a few bytes changed, by numbers that are the same in every run: whoever
//! changes what a scheme covers stays outside, and hears so in the dialect's words.
//!
//! What a scheme does not cover is spelled out in [`Covered`], apart from the code under test.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::samples::{self, Sample, decide};
use crate::dialects::Call;
use crate::dialects::alibaba::errors::{self, ApiError};
use crate::domain::Timestamp;

const ROUNDS: usize = 2000;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// Bytes that mean something somewhere in a request, so that changes hit more than letters.
const TELLING: &[u8] = b" \t:;,=&?%+/#.0aA\n\xff";

/// Xorshift: no quality is needed, only the same numbers again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        match self.below(2) {
            0 => TELLING[self.below(TELLING.len())],
            _ => self.below(256) as u8,
        }
    }

    /// Flips a bit, or replaces, removes, inserts or doubles a byte.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (at, byte) = (self.below(bytes.len()), self.byte());
        match (self.below(5), bytes.get(at).copied()) {
            (0, Some(found)) => bytes[at] = found ^ (1 << self.below(8)),
            (1, Some(_)) => bytes[at] = byte,
            (2, Some(_)) => drop(bytes.remove(at)),
            (3, Some(found)) => bytes.insert(at, found),
            _ => bytes.insert(self.below(bytes.len() + 1), byte),
        }
    }

    fn mutate(&mut self, sample: &mut Sample) {
        let header = self.below(sample.headers.len());
        match self.below(12) {
            0 => sample.method = METHODS[self.below(METHODS.len())],
            1 | 2 => self.change(&mut sample.target),
            3 | 4 => self.change(&mut sample.body),
            5 => drop(sample.headers.remove(header)),
            6 => {
                let mut twice = sample.headers[header].clone();
                self.change(&mut twice.1);
                sample.headers.push(twice);
            }
            7 => {
                let name = ["x-fc-more", "x-acs-more", "content-md5", "unsigned"][self.below(4)];
                sample.headers.push((name, vec![self.byte()]));
            }
            8 => {
                let last = sample.headers.len() - 1;
                self.change(&mut sample.headers[last].1);
            }
            _ => self.change(&mut sample.headers[header].1),
        }
    }
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
    let call = Call {
        request_id: Uuid::from_u128(1),
        received: Timestamp::from_second(1_795_279_189).unwrap(),
        method: head.method.clone(),
        uri: head.uri.clone(),
        client_id: None,
    };
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
    let mut numbers = Numbers(seed);
    let signed = Covered::of(sample, &sample.head().unwrap());
    let (mut inside, mut outside) = (0, 0);
    for _ in 0..ROUNDS {
        let mut changed = sample.clone();
        for _ in 0..=numbers.below(8) / 7 {
            numbers.mutate(&mut changed);
        }
        // A server never sees what HTTP cannot say.
        let Some(head) = changed.head() else { continue };
        let covered = Covered::of(&changed, &head);
        match decide(&head, &changed.digests()) {
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
        let (inside, outside) = run(&sample, is_path_free, 0x9e37_79b9_7f4a_7c15 + number as u64);
        assert!(inside > 0 && outside > ROUNDS / 2, "{name}: {inside} in, {outside} out");
    }
}

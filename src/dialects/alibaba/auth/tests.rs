//! Requests as the clients signed them (alibaba.md section 9), and changes of a few of their bytes.
//!
//! A request is refused exactly when a part that its scheme covers was changed. [`Covered`] states
//! what a scheme covers, apart from the code under test.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Body, Claim};
use crate::dialects::alibaba::errors::{self, ApiError};
use crate::dialects::auth::Denied;
use crate::dialects::refusal::Refusal;
use crate::dialects::signing::mutations::{Random, Sample, mutate_all};

const KEY_ID: &str = "LTAItestAccessKey0001";
const SECRET: &[u8] = b"testSecret/AbCdEf0123456789xyz";

/// The zip of section 4.
const ZIP: &str = "UEsDBBQAAAAAAAAAIViHyjLQIgAAACIAAAAIAAAAaW5kZXgucHlkZWYgaGFuZGxlcihlLGMpOgogICAg\
                   cmV0dXJuICJoaSIKUEsBAhQDFAAAAAAAAAAhWIfKMtAiAAAAIgAAAAgAAAAAAAAAAAAAAIABAAAAAGlu\
                   ZGV4LnB5UEsFBgAAAAABAAEANgAAAEgAAAAAAA==";

/// The vectors of section 9, and four requests of the same form that no client was seen sending:
/// `FC` with the path decoded and an empty account id, and `acs` with a body.
fn samples() -> Vec<Sample> {
    let arn = "/2016-08-15/layerarn/abeac07d3c28c1bef9e730002c753ed4%23node-lay%231";
    let fc_layer = Sample::new(
        "POST",
        "/2016-08-15/layers/node-lay/versions",
        &[
            ("content-md5", "YmQ0YjFiM2MzZThlNWRlMGQ2NmQwODAwMzAyODU1NmE="),
            ("content-type", "application/json"),
        ],
        &format!(
            r#"{{"code":{{"zipFile":"{ZIP}"}},"description":"n","compatibleRuntime":["nodejs14"]}}"#
        ),
    );
    let layer = Sample::new(
        "POST",
        "/2023-03-30/layers/lay-a/versions",
        &[("content-type", "application/json; charset=utf-8")],
        &[
            r#"{"code":{"checksum":"1958513839837250936","zipFile":""#,
            ZIP,
            r#""},"compatibleRuntime":["python3.10"],"description":"second","#,
            r#""license":"Apache-2.0"}"#,
        ]
        .concat(),
    );
    let get = |target| Sample::new("GET", target, &[], "");
    let (account, action) = ("1234567890123456", "CreateLayerVersion");
    vec![
        fc(
            get("/2016-08-15/layers?prefix=lay&startKey=lay-b&limit=1"),
            ("Sat, 21 Nov 2026 16:39:49 GMT", account),
            "64tlOaU+14tb69oGcWKDTxVEhihpsW+RRV3vqDGMv+g=",
        ),
        fc(
            fc_layer,
            ("Sat, 21 Nov 2026 16:39:49 GMT", account),
            "+ST/tyMcwLjDzrVo+VXLmOZbv4VncVOm4LYFZuMMhWY=",
        ),
        fc(
            get(arn),
            ("Sat, 21 Nov 2026 16:39:50 GMT", account),
            "A4Z0qHDwGAs14jqCeDK3EL04WDEgiP/QBdvIqGxexx8=",
        ),
        fc(
            get(arn),
            ("Sat, 21 Nov 2026 16:39:50 GMT", ""),
            "oBRvzJuc6Uubxw8mxWSHqOOLNtQNrn+TQHXl/5xuo0Y=",
        ),
        acs3(
            get("/2023-03-30/layers?limit=2&official=false&prefix=lay&public=false"),
            ("ListLayers", "406aa5bcbb1f15190885f0fa5e4ebff8"),
            "ae93b5ff03c87c8469bdaba352673f500c33d25e011188a69cf68a7267227a01",
        ),
        acs3(
            layer.clone(),
            (action, "736ba940663e8ce1412186553560f7b1"),
            "7e5433adeb036367de26e4e03fdb9afa64f3582a732ada7d085133e820fa78f2",
        ),
        roa(
            get("/2023-03-30/layers?limit=2&prefix=lay+a")
                .with("x-acs-credentials-provider", "static_ak"),
            ("ListLayers", "18d6a48705f89bc32b992d28d6bb0a0f"),
            "mJ6Z8aIJbduyqBq1YVl9w7OBGBE=",
        ),
        roa(
            layer.clone().with("content-md5", "ZlkuHRsyEoG7wwkDQ/yzzQ=="),
            (action, "n1"),
            "KFTvWv8f31IOclX5yk3Wn3W79tQ=",
        ),
        roa(layer, (action, "n1"), "xxaJNm2cUnQ4k3+Wr2d/UZlwkcI="),
    ]
}

fn fc(sample: Sample, (date, account): (&str, &str), signature: &str) -> Sample {
    let authorization = format!("FC {KEY_ID}:{signature}");
    let sample = sample.with("date", date).with("x-fc-account-id", account);
    sample.with("authorization", &authorization)
}

/// All headers are signed.
fn acs3(sample: Sample, (action, nonce): (&str, &str), signature: &str) -> Sample {
    let digest = hex::encode(sample.body_sha256());
    let sample = sample
        .with("accept", "application/json")
        .with("host", "127.0.0.1:43051")
        .with("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2")
        .with("x-acs-action", action)
        .with("x-acs-content-sha256", &digest)
        .with("x-acs-credentials-provider", "static_ak")
        .with("x-acs-date", "2026-11-21T16:39:47Z")
        .with("x-acs-signature-nonce", nonce)
        .with("x-acs-version", "2023-03-30");
    let names: BTreeSet<&str> = sample.headers.iter().map(|header| header.0).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(";");
    let credentials = format!("Credential={KEY_ID},SignedHeaders={names},Signature={signature}");
    sample.with("authorization", &format!("ACS3-HMAC-SHA256 {credentials}"))
}

fn roa(sample: Sample, (action, nonce): (&str, &str), signature: &str) -> Sample {
    sample
        .with("accept", "application/json")
        .with("date", "Sat, 21 Nov 2026 16:42:04 GMT")
        .with("x-acs-action", action)
        .with("x-acs-signature-method", "HMAC-SHA1")
        .with("x-acs-signature-nonce", nonce)
        .with("x-acs-signature-version", "1.0")
        .with("x-acs-version", "2023-03-30")
        .with("authorization", &format!("acs {KEY_ID}:{signature}"))
}

/// Decides as the dialect does where the key above is the only one, at the time of signing.
fn decide(sample: &Sample) -> Result<(), ApiError> {
    let head = sample.head().unwrap();
    let body = Body { md5: Md5::digest(&sample.body).into(), sha256: sample.body_sha256() };
    let claim = Claim::read(&head)?;
    if claim.key_id != KEY_ID {
        return Err(Denied::UnknownKey(claim.key_id.to_owned()).into());
    }
    if !claim.is_made_with(SECRET, &head, &body) {
        return Err(Denied::BadSignature.into());
    }
    Ok(())
}

/// Everything of a request that its scheme covers. Two requests that are equal here may both be
/// accepted with one signature, whatever else differs:
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
    path: Vec<u8>,
    query: Vec<(String, String)>,
    /// Values by name; that of an absent header is empty.
    headers: BTreeMap<String, String>,
    credentials: BTreeSet<String>,
    body: Option<Vec<u8>>,
}

impl Covered {
    fn of(sample: &Sample) -> Self {
        let head = sample.head().unwrap();
        let sent = String::from_utf8_lossy(sample.header("authorization").unwrap_or_default());
        let (scheme, credentials) = sent.split_once(' ').unwrap_or_default();
        let query = head.uri.query().unwrap_or_default();
        let mut query: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        query.sort();
        let mut covered = Self {
            method: head.method.to_string(),
            path: head.uri.path().into(),
            query,
            headers: BTreeMap::new(),
            credentials: BTreeSet::from([sent.clone().into_owned()]),
            body: Some(sample.body.clone()),
        };
        match scheme {
            "FC" => {
                covered.path = percent_decode_str(head.uri.path()).collect();
                covered.query.clear();
                covered.headers = values(&head, &["content-md5", "content-type", "date"], "x-fc-");
                covered.body = None;
            }
            "acs" => {
                let names = ["accept", "content-md5", "content-type", "date"];
                covered.headers = values(&head, &names, "x-acs-");
                covered.body = covered.body.filter(|_| head.headers.contains_key("content-md5"));
            }
            "ACS3-HMAC-SHA256" => {
                let credentials = credentials.split(',').map(str::trim);
                let names =
                    credentials.clone().find_map(|part| part.strip_prefix("SignedHeaders="));
                let names: Vec<&str> = names.unwrap_or_default().split(';').collect();
                covered.headers = values(&head, &names, "none");
                let folded = |part: &str| match part.strip_prefix("Signature=") {
                    Some(digits) => format!("Signature={}", digits.to_ascii_lowercase()),
                    None => part.to_owned(),
                };
                covered.credentials = credentials.map(folded).collect();
            }
            _ => {}
        }
        covered
    }
}

/// Returns the values of the headers `names` and of those whose name starts with `prefix`.
fn values(head: &Parts, names: &[&str], prefix: &str) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    let value =
        |name: &str| head.headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(",");
    let all = head.headers.keys().map(HeaderName::as_str);
    let names = all.filter(|name| name.starts_with(prefix)).chain(names.iter().copied());
    names.map(|name| (name.to_owned(), value(name))).collect()
}

/// Requires the status, the headers and the keys of a refusal of the request's generation
/// (alibaba.md section 8).
fn assert_envelope(refusal: ApiError, head: &Parts) {
    let call = Sample::call(head, None);
    let response = errors::finish(&call, refusal.render(&call));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.headers().contains_key("x-fc-request-id"));
    let status = response.status();
    let body = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    let body: BTreeMap<String, Value> = serde_json::from_slice(&body).unwrap();
    let (wanted, code): (&[&str], _) = match head.uri.path().split('/').nth(1) {
        Some("2021-04-06") => {
            (&["Code", "ErrorCode", "ErrorMessage", "Message", "RequestId"], "Code")
        }
        Some("2023-03-30") => (&["Code", "Message", "RequestId"], "Code"),
        _ => (&["ErrorCode", "ErrorMessage"], "ErrorCode"),
    };
    assert!(body.keys().eq(wanted), "{body:?}");
    let expected = match body[code].as_str().unwrap() {
        "MissingRequiredHeader" | "InvalidArgument" => 400,
        "InvalidAccessKeyID" | "SignatureNotMatch" => 403,
        other => panic!("{other}"),
    };
    assert_eq!(status, expected, "{body:?}");
}

#[test]
fn requests_are_refused_exactly_when_covered_parts_change() {
    let originals = samples();
    let signed: Vec<Covered> = originals.iter().map(Covered::of).collect();
    let check = |sample: &Sample| {
        let verdict = decide(sample);
        let is_signed = signed.contains(&Covered::of(sample));
        assert_eq!(verdict.is_ok(), is_signed, "{sample:?}\n{verdict:?}");
        verdict
    };
    let mut random = Random(20_261_121);
    // `check` has compared both ways.
    let (refused, accepted) =
        mutate_all(&mut random, &originals, check, |_, _, _| true, assert_envelope);
    assert!(refused > 5_000 && accepted > 500, "{refused} refused, {accepted} accepted");
    // With one more header, and with another change besides.
    for original in &originals {
        let sent = original.headers.iter().map(|header| header.0);
        for name in sent.chain(["x-fc-more", "x-acs-more", "content-md5", "unsigned"]) {
            let mut longer = original.clone();
            longer.headers.push((name, b"7".to_vec()));
            let changes = (0..30).map(|_| {
                let mut changed = longer.clone();
                random.mutate(&mut changed);
                changed
            });
            for sample in changes.chain([longer.clone()]) {
                let Some(head) = sample.head() else { continue };
                let _ = check(&sample).map_err(|refusal| assert_envelope(refusal, &head));
            }
        }
    }
}

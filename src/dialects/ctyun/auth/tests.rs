//! The vectors of ctyun.md section 9, and thousands of signed requests that were changed.

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::dialects::refusal::Refusal;
use crate::dialects::signing::mutations::{ChangedPart, Random, Sample, mutate_all};

const KEY_ID: &str = "AKEXAMPLE0001";
const SECRET: &[u8] = b"SKEXAMPLE0001secret";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const TWO: &str = "ctyun-eop-request-id;eop-date";
const FOUR: &str = "content-type;ctyun-eop-request-id;eop-date;host";
const BODY_B: &str = r#"{"description": "\u5c42 \u4e00", "compatibleRuntime": ["python3.10"], "code": {"ossBucketName": "code", "ossObjectName": "layers/a.zip"}}"#;

fn sample(method: &str, target: &str, body: &str, date: &str, id: &str) -> Sample {
    let headers = [("regionid", "local-region-1"), ("eop-date", date), (REQUEST_ID, id)];
    Sample::new(method, target, &headers, body)
}

fn authorized(sample: Sample, names: &str, signature: &str) -> Sample {
    let text = format!("{KEY_ID} Headers={names} Signature={signature}");
    sample.with("eop-authorization", &text)
}

/// The four vectors of section 9.
fn vectors() -> [Sample; 4] {
    let (date, path) = ("20261122T003957Z", "/openapi/v1/layers/lay-zdc2/versions");
    let list = format!("{path}?acl=0");
    let a = sample("GET", &list, "", date, "2fa7c90c-e5ca-11f1-a5a0-02fc00000001");
    let b = sample("POST", path, BODY_B, date, "2fad011a-e5ca-11f1-a5a0-02fc00000001");
    let search = "/openapi/v1/layers?pageIndex=1&search=a+b%2Fc~%2A";
    let id = "6fb73ae3-7a48-4c0d-9714-abad549c4642";
    let c = sample("GET", search, "", "20261122T004026Z", id);
    let d = sample("GET", &list, "", date, "00000000-0000-4000-8000-000000000001")
        .with("content-type", "application/json")
        .with("host", "127.0.0.1:9000");
    [
        authorized(a, TWO, "O4gECUqQzL++smEd9oiw8NFrHhr1UnipD11CBLeICDc="),
        authorized(b, TWO, "srCt+jMbCKyV42ToEmBDiqpulrx+++3Hot8LXlGU7rM="),
        authorized(c, TWO, "ZePT4VjgcAx2HnryvEJg5x1DJYWg4irG4OgopRbPWNY="),
        authorized(d, FOUR, "lEIY3U+hg2s/0BFaVhzEbIMIHEw7xFEu/mjIdonlvZg="),
    ]
}

/// Signs a sample anew over a query and a body as its client spells them.
fn signed(sample: Sample, query: &str, body: &[u8]) -> Sample {
    let head = sample.head().unwrap();
    let date = signing::header(&head, DATE).unwrap();
    let [_, _, key] = derived_keys(SECRET, date, KEY_ID, &date[..8]);
    let lines = signing::header_lines(&head, TWO.split(';'));
    let text = string_to_sign(&lines, query, &signing::hex_sha256(body));
    let signature = signing::hmac_sha256(&key, text.as_bytes());
    authorized(sample, TWO, &base64_simd::STANDARD.encode_to_string(signature))
}

/// Checks a request as [`identify`] does, with one key and without a clock.
fn check(sample: &Sample) -> Result<(), Denied> {
    let head = sample.head().unwrap();
    let claim = Claim::read(&head)?;
    let is_made = claim.is_made_with(SECRET, &head, sample.body_sha256(), sample.body.is_empty());
    if claim.key_id != KEY_ID {
        return Err(Denied::UnknownKey(claim.key_id.to_owned()));
    }
    is_made.then_some(()).ok_or(Denied::BadSignature)
}

#[test]
fn vector_a_is_signed_step_by_step() {
    let [a, ..] = vectors();
    let head = a.head().unwrap();
    let lines = signing::header_lines(&head, TWO.split(';'));
    let text = string_to_sign(&lines, "acl=0", EMPTY_SHA256);
    let expected = format!(
        "ctyun-eop-request-id:2fa7c90c-e5ca-11f1-a5a0-02fc00000001\neop-date:20261122T003957Z\n\n\
         acl=0\n{EMPTY_SHA256}"
    );
    assert_eq!(text, expected);
    let keys = derived_keys(SECRET, "20261122T003957Z", KEY_ID, "20261122").map(hex::encode);
    assert_eq!(keys[0], "0d134ce0b3b3ffd1190ca34afd2a7dbd1f359486e642779230c604cab0b5561c");
    assert_eq!(keys[1], "751614b4864441384fa20e0817f81bf2db0358f9466aea7a131c65a5dd288cad");
    assert_eq!(keys[2], "a64e6fcf5a2bce31091abbd6b118fb8062d7f0b4034b7abb7fa58994232bba78");
    assert_eq!(check(&a), Ok(()));
}

#[test]
fn a_query_may_be_signed_in_three_spellings() {
    let sent = "search=a%20b%2Fc~*&acl=0";
    let target = format!("/openapi/v1/layers?{sent}");
    let sample = sample("GET", &target, "", "20261122T003957Z", "id");
    for query in [sent, "acl=0&search=a%20b%2Fc~%2A", "acl=0&search=a+b%2Fc~%2A"] {
        assert_eq!(check(&signed(sample.clone(), query, b"")), Ok(()), "{query}");
    }
    for query in ["search=a+b%2Fc~*&acl=0", "search=a%20b/c~*&acl=0", "acl=0", ""] {
        let checked = check(&signed(sample.clone(), query, b""));
        assert_eq!(checked, Err(Denied::BadSignature), "{query}");
    }
}

#[test]
fn a_missing_body_may_be_signed_as_an_empty_object() {
    let without = sample("GET", "/openapi/v1/layers", "", "20261122T003957Z", "id");
    assert_eq!(check(&signed(without.clone(), "", b"{}")), Ok(()));
    assert_eq!(check(&signed(without, "", b"[]")), Err(Denied::BadSignature));
    let with = sample("POST", "/openapi/v1/layers", "{ }", "20261122T003957Z", "id");
    assert_eq!(check(&signed(with, "", b"{}")), Err(Denied::BadSignature));
}

#[test]
fn an_authorization_is_read_or_refused() {
    let [a, ..] = vectors();
    let good = String::from_utf8(a.header("eop-authorization").unwrap().to_vec()).unwrap();
    for (from, to) in [("Headers=", "Header="), ("eop-date", "Eop-Date")] {
        let sample = a.clone().with("eop-authorization", &good.replace(from, to));
        assert_eq!(check(&sample), Ok(()), "{to}");
    }
    for (from, to) in [
        (good.as_str(), "AK"),
        (" Headers=", " headers="),
        (" Headers=", " "),
        (" Signature=", " "),
        (" Signature=", "  Signature="),
        (";eop-date", ""),
        ("ctyun-eop-request-id;", ""),
        (";eop-date", ";eop-date;"),
        (";eop-date", ";eop-date;a:b"),
    ] {
        let sample = a.clone().with("eop-authorization", &good.replace(from, to));
        assert!(matches!(check(&sample), Err(Denied::Malformed(_))), "{to}");
    }
    for (name, value) in [(REQUEST_ID, ""), (DATE, ""), (DATE, "2026112"), (DATE, "2026112é")] {
        let sample = a.clone().with(name, value);
        assert!(matches!(check(&sample), Err(Denied::Malformed(_))), "{name} {value}");
        assert!(matches!(check(&sample.without(name)), Err(Denied::Malformed(_))), "{name}");
    }
    let other = a.clone().with("eop-authorization", &good.replace(KEY_ID, "AKEXAMPLE0002"));
    assert_eq!(check(&other), Err(Denied::UnknownKey("AKEXAMPLE0002".to_owned())));
    assert_eq!(check(&a.without("eop-authorization")), Err(Denied::Missing));
}

#[test]
fn a_date_is_read_in_beijing_and_in_utc() {
    let now = |time: &str| time.parse::<Timestamp>().unwrap();
    let within = |date: &str, now: Timestamp| {
        check_date(date, |signed| {
            let is_near = now.duration_since(signed).abs() <= SignedDuration::from_mins(15);
            is_near.then_some(()).ok_or(Denied::Skewed { signed, now })
        })
    };
    let date = "20261122T003957Z";
    for good in ["2026-11-21T16:54:57Z", "2026-11-21T16:24:57Z", "2026-11-22T00:54:57Z"] {
        assert_eq!(within(date, now(good)), Ok(()), "{good}");
    }
    for bad in ["2026-11-21T16:54:58Z", "2026-11-22T00:24:56Z", "2026-11-22T08:39:57Z"] {
        assert!(matches!(within(date, now(bad)), Err(Denied::Skewed { .. })), "{bad}");
    }
    assert!(matches!(within("20261122", now("2026-11-22T00:00:00Z")), Err(Denied::Malformed(_))));
}

/// Whether a change leaves the signature valid; everything else of a request is signed.
fn is_ignored(place: ChangedPart, before: &Sample, after: &Sample) -> bool {
    let same = |read: fn(&Sample) -> String| read(before) == read(after);
    match place {
        // The signature covers none of them.
        ChangedPart::Method | ChangedPart::Path | ChangedPart::Header("regionid") => true,
        // Another order or spelling, or a fragment, which no server gets.
        ChangedPart::Query => same(|sample| {
            let query = sample.head().unwrap().uri.query().unwrap_or_default().to_owned();
            signing::canonical_query(&query)
        }),
        // An empty object for no body, or no body for an empty object.
        ChangedPart::Body => {
            same(|sample| String::from_utf8_lossy(&sample.body).replace("{}", ""))
                && [&before.body, &after.body].iter().all(|body| body.len() <= 2)
        }
        // `Header=` for `Headers=`, or another case of the listed names.
        ChangedPart::Header("eop-authorization") => same(|sample| {
            let text = String::from_utf8_lossy(sample.header("eop-authorization").unwrap_or(b""));
            let (front, signature) = text.split_once(" Signature=").unwrap_or((&text, ""));
            let (id, names) = front.split_once(' ').unwrap_or((front, ""));
            let names = names.replacen("Headers=", "Header=", 1);
            let (field, names) = names.split_once('=').unwrap_or((&names, ""));
            format!("{id} {field}={} {signature}", names.to_ascii_lowercase())
        }),
        // The headers that only vector D signs.
        ChangedPart::Header(name @ ("content-type" | "host")) => {
            !String::from_utf8_lossy(before.header("eop-authorization").unwrap()).contains(name)
                || before.header(name) == after.header(name)
        }
        // Blanks around a value.
        ChangedPart::Header(name) => before.header(name) == after.header(name),
    }
}

/// Also shows that the vectors are accepted.
#[test]
fn no_changed_request_is_accepted() {
    let mut random = Random(20_261_122);
    let post = sample("POST", "/openapi/v1/functions/f/versions", "{}", "20261122T003957Z", "id");
    let [a, b, c, d] = vectors();
    let unsorted = sample("GET", "/x?b=%20&a=*", "", "20261122T003957Z", "id");
    let originals = [
        a.with("host", "127.0.0.1:9000"),
        b,
        c,
        d,
        signed(post, "", b"{}"),
        signed(unsorted, "a=%2A&b=+", b"{}"),
    ];
    let runtime = Builder::new_current_thread().build().unwrap();
    let refused = |denied, head: &Parts| assert_refusal(&runtime, denied, head);
    let (refused, accepted) = mutate_all(&mut random, &originals, check, is_ignored, refused);
    assert!(refused > 3_000 && accepted > 500, "{refused} refused, {accepted} accepted");
}

/// Section 8 (b): a real status, texts, the request's id, an empty object.
fn assert_refusal(runtime: &Runtime, denied: Denied, head: &Parts) {
    let (status, code) = match denied {
        Denied::Missing | Denied::Malformed(_) | Denied::UnknownKey(_) => (401, "10002"),
        Denied::BadSignature | Denied::Skewed { .. } => (403, "10009"),
    };
    let response = ApiError::from(denied).render(&Sample::call(head, Some(REQUEST_ID)));
    assert_eq!(response.status(), status);
    let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    let (id, message) = (body["requestId"].take(), body["message"].take());
    assert!(!id.as_str().unwrap().is_empty());
    assert!(message.as_str().unwrap().starts_with("ctyun-EOP: "));
    let expected = json!({
        "requestId": null, "error": code, "code": code, "message": null, "eopErrCode": code,
        "statusCode": format!("CTAPI_{code}"), "returnObj": {},
    });
    assert_eq!(body, expected);
}

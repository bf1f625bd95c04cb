//! The vendor's published examples, and thousands of requests that were changed after signing.

use super::*;
use crate::dialects::signing::mutations::{ChangedPart, Random, Sample, mutate_all};
use crate::dialects::sigv4::{ALGORITHM, canonical_uri, single_blanks};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20130524T000000Z";
const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MALFORMED: &str = "AuthorizationHeaderMalformed";

fn sample(method: &str, target: &str, names: &str, signature: &str) -> Sample {
    let credential = format!("{KEY_ID}/{SCOPE}");
    let authorization =
        format!("{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}");
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        (CONTENT, NOTHING),
        ("x-amz-date", TIME),
        ("authorization", &*authorization),
    ];
    Sample::new(method, target, &headers, "")
}

/// The examples of the page "Authenticating Requests: Using the Authorization Header".
fn examples() -> [Sample; 5] {
    let names = "host;x-amz-content-sha256;x-amz-date";
    let get = sample(
        "GET",
        "/test.txt",
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    let mut put = sample(
        "PUT",
        "/test$file.text",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    )
    .with("date", "Fri, 24 May 2013 00:00:00 GMT")
    .with("x-amz-storage-class", "REDUCED_REDUNDANCY");
    put.body = b"Welcome to Amazon S3.".to_vec();
    let digest = hex::encode(put.body_sha256());
    let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    let chunked = sample(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
         x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    .with("host", "s3.amazonaws.com")
    .with("content-encoding", "aws-chunked")
    .with("content-length", "66824")
    .with("x-amz-decoded-content-length", "66560")
    .with("x-amz-storage-class", "REDUCED_REDUNDANCY")
    .with(CONTENT, SIGNED_CHUNKS[0]);
    [
        get.with("range", "bytes=0-9"),
        put.with(CONTENT, &digest),
        sample("GET", "/?lifecycle", names, lifecycle),
        sample("GET", "/?max-keys=2&prefix=J", names, list),
        chunked,
    ]
}

/// The example of "Authenticating Requests: Using Query Parameters".
fn presigned() -> Sample {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE\
                  %2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
                  &X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02e\
                  e5c0109b86d86835f995330da4c265957d157751f604d404";
    Sample::new("GET", target, &[("host", "examplebucket.s3.amazonaws.com")], "")
}

/// Checks a request as [`authenticate`] does, with one key and without a clock.
fn check(sample: &Sample) -> Result<(), String> {
    let head = sample.head().unwrap();
    let signature = read(&head).map_err(|error| format!("{error:?}"))?;
    let sha256 = hex::encode(sample.body_sha256());
    let payload = payload_hash(&head, &signature, &sha256);
    let strings = signature.strings_to_sign(&head, wire::signed_path(&head), payload);
    let is_signed = signature.is_made_with(&signature.signing_key(SECRET), &strings);
    if signature.key_id != KEY_ID || !is_signed {
        return Err("not signed".to_owned());
    }
    is_hash_of_body(payload, &sha256).then_some(()).ok_or_else(|| "another body".to_owned())
}

fn read(head: &Parts) -> Result<Signature, ApiError> {
    let signature = Signature::parse(head, SERVICE)?;
    check_headers(head, &signature)?;
    Ok(signature)
}

fn assert_refused(sample: &Sample, expected: &str) {
    let refused = check(sample).unwrap_err();
    assert!(refused.contains(expected), "{sample:?}: {refused}");
}

/// The string to sign has the time in one form, in whichever header it was sent.
#[test]
fn the_time_of_signing_may_be_in_the_date_alone() {
    let sample = sample("GET", "/test.txt", "date;host", "00")
        .without("x-amz-date")
        .without(CONTENT)
        .with("date", "Fri, 24 May 2013 00:00:00 GMT");
    let head = sample.head().unwrap();
    let read = read(&head).unwrap();
    assert_eq!((&*read.time, read.signed.as_second()), (TIME, 1_369_353_600));
    let [string, _] = read.strings_to_sign(&head, head.uri.path(), NOTHING);
    let signature = hex::encode(signing::hmac_sha256(&read.signing_key(SECRET), string.as_bytes()));
    let sent = String::from_utf8(sample.header("authorization").unwrap().to_vec()).unwrap();
    let signed = sample
        .with("authorization", &sent.replace("Signature=00", &format!("Signature={signature}")));
    assert_eq!(check(&signed), Ok(()));
    let later = signed.clone().with("date", "Fri, 24 May 2013 00:00:01 GMT");
    assert_eq!(check(&later), Err("not signed".to_owned()));
    assert_refused(&signed.with("date", "yesterday"), MALFORMED);
}

#[test]
fn an_authorization_is_read_or_refused() {
    let [get, ..] = examples();
    let sent = String::from_utf8(get.header("authorization").unwrap().to_vec()).unwrap();
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("AWS4-HMAC-SHA256 ", "AWS AKIA:"),
        ("/s3/", "/ec2/"),
        ("/aws4_request", ""),
        ("20130524/", "20130525/"),
        ("Signature=", "signature="),
        ("SignedHeaders=host;", "SignedHeaders="),
        ("range;", ";"),
        ("range;", "range;range;"),
    ] {
        let changed = get.clone().with("authorization", &sent.replace(from, to));
        assert_refused(&changed, MALFORMED);
    }
    assert_refused(&get.clone().without("x-amz-date"), MALFORMED);
    assert_refused(&get.clone().without("authorization"), "AccessDenied");
    assert_refused(&get.with("x-amz-meta-more", "x"), "x-amz-meta-more");
    for (from, to) in
        [("Expires=86400", "Expires=604801"), ("Expires=86400", "Expires=0"), ("host&", "&")]
    {
        let mut changed = presigned();
        changed.query = String::from_utf8(changed.query).unwrap().replace(from, to).into_bytes();
        assert_refused(&changed, MALFORMED);
    }
}

/// Whether a change leaves all that is signed as it was.
fn is_ignored(place: ChangedPart, before: &Sample, after: &Sample) -> bool {
    let same = |read: fn(&Sample) -> String| read(before) == read(after);
    match place {
        // Another spelling of the same path.
        ChangedPart::Path => same(|sample| canonical_uri(sample.head().unwrap().uri.path())),
        // Another order or spelling, another case of the signature, or a fragment.
        ChangedPart::Query => same(|sample| {
            let query = sample.head().unwrap().uri.query().unwrap_or_default().to_owned();
            let query = signing::canonical_query(&query);
            let (front, signature) = query.split_once("X-Amz-Signature=").unwrap_or((&query, ""));
            format!("{front}{}", signature.to_ascii_lowercase())
        }),
        // Blanks between the fields, and the case of the signature's digits.
        ChangedPart::Header("authorization") => same(|sample| {
            let text = String::from_utf8_lossy(sample.header("authorization").unwrap_or(b""));
            let text: String = text.split([' ', '\t']).collect();
            let (front, signature) = text.split_once("Signature=").unwrap_or((&text, ""));
            format!("{front}{}", signature.to_ascii_lowercase())
        }),
        // Blanks, and an unsigned header.
        ChangedPart::Header(name) => {
            let value = |sample: &Sample| {
                let value = sample.header(name).unwrap_or_default().to_vec();
                String::from_utf8(value).map(|value| single_blanks(&value))
            };
            value(before) == value(after) || name == "x-not-signed"
        }
        // Chunks have signatures of their own, and a presigned URL covers no body.
        ChangedPart::Body => {
            let content = before.header(CONTENT).map(<[u8]>::to_vec);
            content.is_none_or(|content| content.starts_with(b"STREAMING-"))
        }
        ChangedPart::Method => false,
    }
}

/// Also shows that the vendor's examples are accepted.
#[test]
fn no_changed_request_is_accepted() {
    let [get, put, lifecycle, list, chunked] = examples();
    let originals = [get, put, lifecycle, list, chunked, presigned()]
        .map(|sample| sample.with("x-not-signed", "whatever"));
    let mut random = Random(20_130_524);
    let (refused, accepted) = mutate_all(&mut random, &originals, check, is_ignored, |_, _| ());
    assert!(refused > 5_000 && accepted > 100, "{refused} refused, {accepted} accepted");
}

//! The vendor's published examples, and thousands of requests that nobody signed.

use super::*;
use crate::dialects::signing::mutations::{Place, Random, Sample};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20130524T000000Z";
const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn sample(target: &str, names: &str, signature: &str) -> Sample {
    let credential = format!("{KEY_ID}/{SCOPE}");
    let authorization =
        format!("{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}");
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        (CONTENT, NOTHING),
        ("x-amz-date", TIME),
        ("authorization", &*authorization),
    ];
    Sample::new("GET", target, &headers, "")
}

/// The examples of the page "Authenticating Requests: Using the Authorization Header".
fn examples() -> [Sample; 5] {
    let names = "host;x-amz-content-sha256;x-amz-date";
    let get = sample(
        "/test.txt",
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    let mut put = sample(
        "/test$file.text",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    )
    .with("date", "Fri, 24 May 2013 00:00:00 GMT")
    .with("x-amz-storage-class", "REDUCED_REDUNDANCY");
    put.method = b"PUT".to_vec();
    put.body = b"Welcome to Amazon S3.".to_vec();
    let digest = hex::encode(put.body_sha256());
    let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    let mut chunked = sample(
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
    chunked.method = b"PUT".to_vec();
    [
        get.with("range", "bytes=0-9"),
        put.with(CONTENT, &digest),
        sample("/?lifecycle", names, lifecycle),
        sample("/?max-keys=2&prefix=J", names, list),
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

/// What [`identify`] does, with one key and without a clock.
fn check(sample: &Sample) -> Result<(), String> {
    let head = sample.head().unwrap();
    let claim = Claim::read(&head).map_err(|error| format!("{error:?}"))?;
    let payload = Payload::of(&head, &claim);
    let sha256 = hex::encode(sample.body_sha256());
    let texts = claim.texts(&head, &payload, &sha256);
    if claim.key_id != KEY_ID || !claim.is_made_with(&claim.signing_key(SECRET), &texts) {
        return Err("not signed".to_owned());
    }
    if payload.is_body(&sha256) { Ok(()) } else { Err("another body".to_owned()) }
}

#[test]
fn the_vendors_examples_are_let_in() {
    for example in examples() {
        assert_eq!(check(&example), Ok(()), "{example:?}");
    }
    assert_eq!(check(&presigned()), Ok(()));
}

/// The text to sign has the time in the one form, whichever header says it.
#[test]
fn the_time_of_signing_may_be_in_the_date_alone() {
    let sample = sample("/test.txt", "date;host", "00")
        .without("x-amz-date")
        .without(CONTENT)
        .with("date", "Fri, 24 May 2013 00:00:00 GMT");
    let head = sample.head().unwrap();
    let claim = Claim::read(&head).unwrap();
    assert_eq!((&*claim.time, claim.signed.as_second()), (TIME, 1_369_353_600));
    let texts = claim.texts(&head, &Payload::of(&head, &claim), NOTHING);
    let signature =
        hex::encode(signing::hmac_sha256(&claim.signing_key(SECRET), texts[0].as_bytes()));
    let sent = String::from_utf8(sample.header("authorization").unwrap().to_vec()).unwrap();
    let signed = sample
        .with("authorization", &sent.replace("Signature=00", &format!("Signature={signature}")));
    assert_eq!(check(&signed), Ok(()));
    let later = signed.clone().with("date", "Fri, 24 May 2013 00:00:01 GMT");
    assert_eq!(check(&later), Err("not signed".to_owned()));
    let refused = check(&signed.with("date", "yesterday")).unwrap_err();
    assert!(refused.contains("AuthorizationHeaderMalformed"), "{refused}");
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
        let refused = check(&changed).unwrap_err();
        assert!(refused.contains("AuthorizationHeaderMalformed"), "{to}: {refused}");
    }
    let refused = check(&get.clone().without("x-amz-date")).unwrap_err();
    assert!(refused.contains("AuthorizationHeaderMalformed"), "{refused}");
    let refused = check(&get.clone().without("authorization")).unwrap_err();
    assert!(refused.contains("AccessDenied"), "{refused}");
    let refused = check(&get.with("x-amz-meta-more", "x")).unwrap_err();
    assert!(refused.contains("x-amz-meta-more"), "{refused}");
    for (from, to) in
        [("Expires=86400", "Expires=604801"), ("Expires=86400", "Expires=0"), ("host&", "&")]
    {
        let mut changed = presigned();
        changed.query = String::from_utf8(changed.query).unwrap().replace(from, to).into_bytes();
        let refused = check(&changed).unwrap_err();
        assert!(refused.contains("AuthorizationHeaderMalformed"), "{to}: {refused}");
    }
}

/// What may be changed of a signed request without anyone noticing. Everything else is signed.
fn is_ignored(place: Place, before: &Sample, after: &Sample) -> bool {
    let same = |read: fn(&Sample) -> String| read(before) == read(after);
    match place {
        // The spelling of what is decoded.
        Place::Path => same(|sample| spelled(sample.head().unwrap().uri.path())),
        // The order, the spelling, the case of the signature, and a fragment.
        Place::Query => same(|sample| {
            let query = sample.head().unwrap().uri.query().unwrap_or_default().to_owned();
            let query = signing::canonical_query(&query);
            let (front, signature) = query.split_once("X-Amz-Signature=").unwrap_or((&query, ""));
            format!("{front}{}", signature.to_ascii_lowercase())
        }),
        // Blanks between the fields, and the case of the signature's digits.
        Place::Header("authorization") => same(|sample| {
            let text = String::from_utf8_lossy(sample.header("authorization").unwrap_or(b""));
            let text: String = text.split([' ', '\t']).collect();
            let (front, signature) = text.split_once("Signature=").unwrap_or((&text, ""));
            format!("{front}{}", signature.to_ascii_lowercase())
        }),
        // Blanks, and a header that nobody signed.
        Place::Header(name) => {
            let value = |sample: &Sample| {
                let value = sample.header(name).unwrap_or_default().to_vec();
                String::from_utf8(value).map(|value| one_blank(&value))
            };
            value(before) == value(after) || name == "x-not-signed"
        }
        // Chunks are signed by themselves, and a presigned address speaks of no body.
        Place::Body => {
            let content = before.header(CONTENT).map(<[u8]>::to_vec);
            content.is_none_or(|content| content.starts_with(b"STREAMING-"))
        }
        Place::Method => false,
    }
}

#[test]
fn nothing_that_was_changed_is_let_in() {
    let mut random = Random(20_130_524);
    let [get, put, lifecycle, list, chunked] = examples();
    let originals = [get, put, lifecycle, list, chunked, presigned()]
        .map(|sample| sample.with("x-not-signed", "whatever"));
    let (mut refused, mut let_in) = (0, 0);
    for round in 0..10_000 {
        let original = &originals[round % originals.len()];
        let mut sample = original.clone();
        let place = random.mutate(&mut sample);
        if sample.head().is_none() {
            continue;
        }
        match check(&sample) {
            Ok(()) => {
                assert!(is_ignored(place, original, &sample), "{place:?} {sample:?}");
                let_in += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 5_000 && let_in > 100, "{refused} refused, {let_in} let in");
}

//! The vectors of huawei.md section 9 step by step, and thousands of requests that differ from a
//! signed one.

use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde_json::Value;

use super::*;
use crate::dialects::refusal::Refusal;
use crate::dialects::signing::mutations::{ChangedPart, Random, Sample, mutate_all};

const KEY_ID: &str = "AKVECTOR000000000001";
const SECRET: &[u8] = b"SKvector0000000000000000000000000000000001";
const DATE: &str = "20250102T030405Z";
const PYTHON_HEADERS: &str = "content-type;host;user-agent;x-project-id;x-sdk-date";
const NODE_HEADERS: &str = "content-type;host;x-project-id;x-sdk-date";
const PYTHON_PATH: &str = "/v2/0123456789abcdef0123456789abcdef/fgs/functions/urn%3Afss%3Alocal-1\
                           %3A0123456789abcdef0123456789abcdef%3Afunction%3Adefault%3Ademo/versions";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const GET_SIGNATURE: &str = "b50c855bce6e904f4371dc5dd5584140b9977ea1bc2425a6cd1595070e310270";
const POST_SIGNATURE: &str = "48b73fd8214c856292ce460f26201e792966ecbbdaedeb2e0b07509b53d431ee";
const NODE_SIGNATURE: &str = "0e1e064b4da7297ac7d793eb3a8e3fac8a980ca61fa6e408b568363aa35cc8ce";

fn authorization(names: &str, signature: &str) -> String {
    format!("SDK-HMAC-SHA256 Access={KEY_ID}, SignedHeaders={names}, Signature={signature}")
}

fn sample(method: &str, target: &str, body: &str, names: &str, signature: &str) -> Sample {
    let headers = [
        ("user-agent", "huaweicloud-usdk-python/3.0; vector/1.0"),
        ("content-type", "application/json"),
        ("x-project-id", "0123456789abcdef0123456789abcdef"),
        ("x-sdk-date", DATE),
        ("host", "127.0.0.1:18435"),
    ];
    let sample = Sample::new(method, target, &headers, body);
    sample.with("authorization", &authorization(names, signature))
}

fn python_get() -> Sample {
    let target = format!("{PYTHON_PATH}?marker=0&maxitems=2");
    sample("GET", &target, "", PYTHON_HEADERS, GET_SIGNATURE)
}

fn python_post() -> Sample {
    let body = r#"{"version": "v1.0", "description": "first"}"#;
    sample("POST", PYTHON_PATH, body, PYTHON_HEADERS, POST_SIGNATURE)
}

fn node_get() -> Sample {
    let target = format!("{}?marker=0&maxitems=2", PYTHON_PATH.replace("%3A", ":"));
    sample("GET", &target, "", NODE_HEADERS, NODE_SIGNATURE).without("user-agent")
}

/// Signs a sample anew, as a client that encodes `uri` would.
fn signed(sample: Sample, names: &str, uri: usize) -> Sample {
    let canonical = canonical_of(&sample, names, uri);
    let date = std::str::from_utf8(sample.header("x-sdk-date").unwrap()).unwrap();
    let signature = signing::hmac_sha256(SECRET, string_to_sign(date, &canonical).as_bytes());
    sample.with("authorization", &authorization(names, &hex::encode(signature)))
}

/// Does what [`authenticate`] does, with one key and without a clock.
fn check(sample: &Sample) -> Result<(), Denied> {
    let head = sample.head().unwrap();
    let sent = signing::header(&head, "authorization").ok_or(Denied::Missing)?;
    let claim = Claim::read(sent, &head)?;
    let is_made = claim.is_made_with(SECRET, &head, sample.body_sha256());
    if claim.key_id != KEY_ID {
        return Err(Denied::UnknownKey(claim.key_id.to_owned()));
    }
    if is_made { Ok(()) } else { Err(Denied::BadSignature) }
}

/// Returns the canonical request of a sample in one of the spellings of its path.
fn canonical_of(sample: &Sample, names: &str, uri: usize) -> String {
    let head = sample.head().unwrap();
    let body = body_hash(&head, sample.body_sha256()).unwrap();
    canonical_request(&head, &canonical_uris(head.uri.path())[uri], names, &body)
}

#[test]
fn the_python_list_is_signed_step_by_step() {
    let sample = python_get();
    let canonical = canonical_of(&sample, PYTHON_HEADERS, 0);
    let expected = format!(
        "GET\n{PYTHON_PATH}/\nmarker=0&maxitems=2\ncontent-type:application/json\n\
         host:127.0.0.1:18435\nuser-agent:huaweicloud-usdk-python/3.0; vector/1.0\n\
         x-project-id:0123456789abcdef0123456789abcdef\nx-sdk-date:{DATE}\n\n{PYTHON_HEADERS}\n\
         {EMPTY_SHA256}"
    );
    assert_eq!(canonical, expected);
    let hash = "81a6cc10f15eb1b1a3de075a12021441386c3c92444dc9d2395a7c9e3e2c6c9d";
    assert_eq!(signing::hex_sha256(canonical.as_bytes()), hash);
    let text = string_to_sign(DATE, &canonical);
    assert_eq!(text, format!("SDK-HMAC-SHA256\n{DATE}\n{hash}"));
    assert_eq!(hex::encode(signing::hmac_sha256(SECRET, text.as_bytes())), GET_SIGNATURE);
    assert_eq!(check(&sample), Ok(()));
}

#[test]
fn the_other_vectors_are_signed_as_captured() {
    let post = "dac5ee29b62ef614f8bacdc89a8a51cffc9aafeff4bf555d8b548bedd26909b2";
    let node = "aef91c562ea9f8aa4f7ea64210aeeafea08af18f31244ab3582f6f56a89e5896";
    for (sample, names, hash) in
        [(python_post(), PYTHON_HEADERS, post), (node_get(), NODE_HEADERS, node)]
    {
        assert_eq!(signing::hex_sha256(canonical_of(&sample, names, 0).as_bytes()), hash);
        assert_eq!(check(&sample), Ok(()));
    }
    let body = hex::encode(python_post().body_sha256());
    assert!(body.starts_with("f1cab78d") && body.ends_with("9f19"), "{body}");
}

#[test]
fn a_path_has_two_spellings() {
    assert_eq!(canonical_uris("/a%3Ab/c:d!"), ["/a%3Ab/c%3Ad%21/", "/a%253Ab/c%3Ad%21/"]);
    assert_eq!(canonical_uris("/"), ["/", "/"]);
    assert_eq!(canonical_uris("/%FF%2f/~"), ["/%FF%2F/~/", "/%25FF%252f/~/"]);
    for uri in [0, 1] {
        let path = "/v2/%7Bproject_id%7D/fgs/functions/urn%3Afss/versions";
        let sample = Sample::new("GET", path, &[("x-sdk-date", DATE)], "");
        assert_eq!(check(&signed(sample, "x-sdk-date", uri)), Ok(()));
    }
}

#[test]
fn a_query_is_signed_as_its_values_are() {
    // Node's spelling of a filter that is in the table of section 10.
    let target = "/v2/p/fgs/dependencies?runtime=C%23(.NET%20Core%203.1)&name=x";
    let sample = Sample::new("GET", target, &[("x-sdk-date", DATE)], "");
    let canonical = canonical_of(&sample, "x-sdk-date", 0);
    assert!(canonical.contains("\nname=x&runtime=C%23%28.NET%20Core%203.1%29\n"), "{canonical}");
}

#[test]
fn a_body_may_be_unsigned_or_have_a_stated_digest() {
    let header = "x-sdk-content-sha256";
    let digest = hex::encode(python_post().body_sha256());
    for stated in [UNSIGNED, &digest, &digest.to_uppercase()] {
        let mut sample = signed(python_post().with(header, stated), PYTHON_HEADERS, 0);
        assert_eq!(check(&sample), Ok(()), "{stated}");
        sample.body.push(b' ');
        assert_eq!(check(&sample).is_ok(), stated == UNSIGNED, "{stated}");
    }
    assert_eq!(check(&python_post().with(header, UNSIGNED)), Err(Denied::BadSignature));
    assert_eq!(check(&python_post().with(header, EMPTY_SHA256)), Err(Denied::BadSignature));
}

#[test]
fn an_authorization_is_read_or_refused() {
    let good = authorization(NODE_HEADERS, NODE_SIGNATURE);
    let blanks = good.replace(", ", " ,\t").replace("256 ", "256   ");
    assert_eq!(check(&node_get().with("authorization", &blanks)), Ok(()));
    for (from, to) in [
        ("SDK-HMAC-SHA256", "Bearer"),
        ("SDK-HMAC-SHA256 ", ""),
        ("Access=", ""),
        ("Access=", "access="),
        (", Signature=", ", Signature"),
        (", SignedHeaders", ", Access=x, SignedHeaders"),
        (", Signature=", ", Signature=, Signature="),
        (";x-sdk-date", ""),
    ] {
        let sample = node_get().with("authorization", &good.replace(from, to));
        assert!(matches!(check(&sample), Err(Denied::Malformed(_))), "{to}");
    }
    for date in ["", "20250102", "2025-01-02T03:04:05Z", "20250102T030405"] {
        let sample = signed(node_get().with("x-sdk-date", date), NODE_HEADERS, 0);
        assert!(matches!(check(&sample), Err(Denied::Malformed(_))), "{date}");
    }
    assert!(matches!(check(&node_get().without("x-sdk-date")), Err(Denied::Malformed(_))));
    let unknown = node_get().with("authorization", &good.replace(KEY_ID, "AKVECTOR000000000002"));
    assert_eq!(check(&unknown), Err(Denied::UnknownKey("AKVECTOR000000000002".to_owned())));
    assert_eq!(check(&node_get().without("authorization")), Err(Denied::Missing));
}

/// Whether a signature does not cover the change. Everything else is signed.
fn is_ignored(place: ChangedPart, before: &Sample, after: &Sample) -> bool {
    let same = |read: fn(&Sample) -> String| read(before) == read(after);
    match place {
        // One slash at the end, and the spelling of escapes.
        ChangedPart::Path => same(|sample| {
            let [decoded, _] = canonical_uris(sample.head().unwrap().uri.path());
            decoded
        }),
        // The order, the spelling of escapes, and a fragment, which no server sees.
        ChangedPart::Query => same(|sample| {
            let query = sample.head().unwrap().uri.query().unwrap_or_default().to_owned();
            signing::canonical_query(&query)
        }),
        // The scheme's and the fields' blanks, and the case of the signature's digits.
        ChangedPart::Header("authorization") => same(|sample| {
            let text = String::from_utf8_lossy(sample.header("authorization").unwrap_or(b""));
            let text: String = text.split([' ', '\t']).collect();
            let (front, signature) = text.split_once("Signature=").unwrap_or((&text, ""));
            format!("{front}{}", signature.to_ascii_lowercase())
        }),
        // The body's own digest: where the header is absent or no text, it is computed.
        ChangedPart::Header(name @ "x-sdk-content-sha256") => {
            let digest = hex::encode(before.body_sha256());
            let (stated, changed) = (before.header(name), after.header(name));
            let is_text = changed.is_some_and(|value| std::str::from_utf8(value).is_ok());
            stated == changed || !is_text && stated == Some(digest.as_bytes())
        }
        // Blanks around a value, and a header that is not signed.
        ChangedPart::Header(name) => {
            before.header(name) == after.header(name) || name == "x-not-signed"
        }
        // A body that its client left unsigned.
        ChangedPart::Body => before.header("x-sdk-content-sha256") == Some(UNSIGNED.as_bytes()),
        ChangedPart::Method => false,
    }
}

#[test]
fn no_changed_request_is_accepted() {
    let escaped = Sample::new("GET", "/v2/p/fgs/x%3Ay?b=%28&a=1", &[("x-sdk-date", DATE)], "");
    let digest = hex::encode(python_post().body_sha256());
    let originals = [
        python_get(),
        python_post(),
        node_get(),
        signed(escaped, "x-sdk-date", 1),
        signed(python_post().with("x-sdk-content-sha256", UNSIGNED), PYTHON_HEADERS, 0),
        signed(python_post().with("x-sdk-content-sha256", &digest), PYTHON_HEADERS, 0),
    ]
    .map(|sample| sample.with("x-not-signed", "whatever"));
    let mut random = Random(20_250_102);
    let (refused, accepted) =
        mutate_all(&mut random, &originals, check, is_ignored, assert_refusal);
    assert!(refused > 5_000 && accepted > 100, "{refused} refused, {accepted} accepted");
}

/// Requires status 401, the gateway's code, a text, the request's id, and nothing else (section 8).
fn assert_refusal(denied: Denied, head: &Parts) {
    let response = ApiError::from(denied).render(&Sample::call(head, None));
    assert_eq!(response.status(), 401);
    let body = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 3, "{fields:?}");
    assert_eq!(body["error_code"], "APIGW.0301");
    assert!(body["error_msg"].as_str().unwrap().starts_with("Incorrect IAM authentication"));
    assert_eq!(body["request_id"], "00000000000000000000000000000000");
}

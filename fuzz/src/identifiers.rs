//! Identifiers: names of layers, functions and objects, version numbers, ARNs and URNs.
//!
//! An input is put at each place of each cloud where an identifier is. Something is found exactly
//! where the input names it by the rules below, which know the catalog's few names and no parser.

use axum::body::Body;
use axum::extract::Request;
use layerbase::domain::{BucketName, LayerName, ObjectKey, VersionNumber};
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use super::world::{Answer, LAYERS, MARKER, World};

/// Bytes of an input at most; no identifier is as long.
const INPUT_MAX: usize = 2048;

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

/// A server, and the identifiers that it has made.
struct Fixture {
    world: World,
    /// Alibaba's account.
    account: String,
    /// Huawei's id of the layer `demo`.
    dependency: String,
}

/// Checks an identifier.
pub fn check(data: &[u8]) {
    if data.len() > INPUT_MAX {
        return;
    }
    FIXTURE.with(|fixture| {
        fixture.check_raw(data);
        if let Ok(text) = std::str::from_utf8(data)
            && !text.is_empty()
        {
            check_names(text);
            fixture.check_text(text);
        }
    });
}

/// The names of the domain, against their rules in other words.
fn check_names(text: &str) {
    let is_dots = text == "." || text == "..";
    let is_plain = text.chars().all(|c| !c.is_control());
    let is_name = (1..=256).contains(&text.len()) && is_plain && !is_dots && !text.contains('/');
    assert_eq!(LayerName::parse(text).is_ok(), is_name, "{text:?}");
    let is_key = (1..=1024).contains(&text.len()) && is_plain;
    let is_key = is_key && text.chars().all(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'));
    assert_eq!(ObjectKey::parse(text).is_ok(), is_key, "{text:?}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_bucket = (1..=255).contains(&text.len()) && text.chars().all(allowed);
    let is_bucket = is_bucket && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    assert_eq!(BucketName::parse(text).is_ok(), is_bucket, "{text:?}");
    let number = VersionNumber::parse(text).map(VersionNumber::get);
    assert_eq!(number, number_of(text).filter(|number| *number > 0), "{text:?}");
}

/// Returns the number that decimal digits spell, up to the largest of SQLite.
fn number_of(text: &str) -> Option<u64> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(10).map(u64::from));
    let digits: Vec<u64> = digits.collect::<Option<_>>()?;
    let number =
        digits.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(*digit));
    number.filter(|number| !digits.is_empty() && i64::try_from(*number).is_ok())
}

fn is_first(text: &str) -> bool {
    number_of(text) == Some(1)
}

impl Fixture {
    fn new() -> Self {
        let world = World::open();
        let mut fixture = Self { world, account: String::new(), dependency: String::new() };
        let version = fixture.json("/2021-04-06/layers/demo/versions/1");
        let account = version["arnV2"].as_str().and_then(|arn| arn.split(':').nth(3));
        fixture.account = account.expect("an account").to_owned();
        let found = fixture.json("/v2/p0/fgs/dependencies?name=demo");
        let id = found["dependencies"][0]["id"].as_str().expect("an id");
        fixture.dependency = id.to_owned();
        fixture
    }

    fn get(&self, path: &str) -> Option<Answer> {
        let request = Request::get(path).header("host", "127.0.0.1:8470").header("regionId", "r");
        Some(self.world.ask(request.body(Body::empty()).ok()?))
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path).expect("a path");
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The input as it is, where it may be more than one part of a path: any answer but a fault.
    fn check_raw(&self, data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        for start in ["/2023-03-30/layerarn/", "/v2/p0/fgs/functions/", "/s3/", "/code/"] {
            self.get(&format!("{start}{text}"));
        }
    }

    /// The input as one part of a path, or a value in a body.
    fn check_text(&self, text: &str) {
        let part = percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
        let (is_layer, is_demo) = (LAYERS.contains(&text), text == "demo");
        for (path, is_named) in [
            (format!("/2023-03-30/layers/{part}/versions/1"), is_layer),
            (format!("/2023-03-30/layers/demo/versions/{part}"), is_first(text)),
            (format!("/2023-03-30/layerarn/{part}"), self.is_arn(text)),
            (format!("/openapi/v1/layers/{part}/versions/1"), is_layer),
            (format!("/openapi/v1/layers/demo/versions/{part}"), is_first(text)),
            (format!("/v2/p0/fgs/functions/{part}/config"), is_urn(text)),
            (format!("/v2/p0/fgs/dependencies/{part}/version/1"), text == self.dependency),
            (format!("/function-repository/v1/layers/{part}/versions/1"), is_layer),
            (format!("/api/v1/layers/{part}/versions/1"), is_layer),
            (format!("/api/v1/layers/demo/versions/{part}"), is_first(text) || text == "latest"),
            (format!("/api/v1/functions/{part}"), is_demo),
            (format!("/s3/{MARKER}/{part}"), text == "demo.zip"),
        ] {
            let Some(answer) = self.get(&path) else { continue };
            assert_eq!(is_found(&answer), is_named, "{text:?} at {path}: {}", answer.text());
        }
        let body = json!({"LayerName": text, "LayerVersion": 1}).to_string();
        let request = Request::post("/").header("host", "127.0.0.1:8470");
        let request = request.header("x-tc-action", "GetLayerVersion");
        let request = request.header("x-tc-version", "2018-04-16");
        let request = request.header("content-type", "application/json").body(Body::from(body));
        let answer = self.world.ask(request.expect("a request"));
        assert_eq!(is_found(&answer), is_layer, "{text:?}: {}", answer.text());
    }

    /// Both forms of an ARN (alibaba.md section 5), of any region.
    fn is_arn(&self, text: &str) -> bool {
        let hash = hex::encode(Md5::digest(&self.account));
        let owners = [&*self.account, &*hash];
        let (start, number) = match text.rsplit_once("/versions/") {
            Some(parts) => parts,
            None => match text.rsplit_once('#') {
                Some(parts) => parts,
                None => return false,
            },
        };
        let is_named = LAYERS.iter().any(|layer| {
            let short = owners.iter().any(|owner| start == format!("{owner}#{layer}"));
            let long = owners.iter().any(|owner| {
                let end = format!(":{owner}:layers/{layer}");
                let region = start.strip_prefix("acs:fc:").and_then(|rest| rest.strip_suffix(&end));
                region.is_some_and(|region| !region.contains(':'))
            });
            if text.contains("/versions/") { long } else { short }
        });
        is_named && is_first(number)
    }
}

/// The forms of a URN of the project `p0` (huawei.md section 5) that name the function `demo`.
fn is_urn(text: &str) -> bool {
    // Only the forms that begin with a project or a region may name a version.
    let without = text.strip_suffix(":latest").unwrap_or(text);
    let has_region = |text: &str| {
        let rest = text.strip_prefix("urn:fss:");
        let region = rest.and_then(|rest| rest.strip_suffix(":p0:function:default:demo"));
        region.is_some_and(|region| !region.contains(':'))
    };
    matches!(text, "demo" | "default:demo") || without == "p0:default:demo" || has_region(without)
}

/// Whether an answer shows a version, a function or an object.
fn is_found(answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_refused = body.pointer("/Response/Error").is_some()
        || body.pointer("/statusCode").is_some_and(|code| *code != 0);
    answer.status == 200 && !is_refused
}

//! Signed requests to every dialect with a few bytes changed: a change in a part that the scheme
//! covers is refused. The random numbers are the same in every run.

use layerbase::config::Auth;
use layerbase::domain::Role;
use serde_json::Value;

use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, asked, raw, zips};

const KEY: TestKey = TestKey { id: "WRITER01", secret: "secret-of-writer", tenant: "default" };

const OTHER: TestKey = TestKey { id: "OTHER001", secret: "secret-of-another", tenant: "other" };

/// Huawei with a signature in place of a token.
const HUAWEI_SIGNED: &str = "huawei, signed";

/// Number of changed requests of each kind.
const ROUNDS: usize = 250;

/// A dialect and the headers that its scheme reads or covers, in the requests of `asked`.
const DIALECTS: [(&str, &[&str]); 8] = [
    ("alibaba", &["authorization", "date", "content-type"]),
    ("ctyun", &["eop-authorization", "eop-date", "ctyun-eop-request-id"]),
    ("huawei", &["x-auth-token"]),
    (HUAWEI_SIGNED, &["authorization", "x-sdk-date"]),
    ("native", &["authorization"]),
    ("openyuanrong", &["x-auth"]),
    ("s3", &["authorization", "x-amz-date", "x-amz-content-sha256", "host"]),
    ("tencent", &["authorization", "x-tc-timestamp", "content-type", "host"]),
];

/// Returns the part of a header's value that its scheme distinguishes; blanks around a value are
/// never part of it. Two requests with equal meanings may both be accepted with one signature.
fn meaning(dialect: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let Ok(text) = std::str::from_utf8(value) else { return value.to_vec() };
    let meaning = match (dialect, name) {
        // Ignored: the case of the word, and blanks after it.
        ("native", _) => match text.split_once(' ') {
            Some((word, token)) => format!("{} {}", word.to_lowercase(), token.trim_start()),
            None => text.to_owned(),
        },
        // Ignored: the case of the names, and the older spelling of `Headers=`.
        ("ctyun", "eop-authorization") => {
            let text = text.replacen(" Headers=", " Header=", 1);
            let (front, signature) = text.split_once(" Signature=").unwrap_or((&text, ""));
            let (id, names) = front.split_once(" Header=").unwrap_or((front, "none"));
            format!("{id} {} {signature}", names.to_lowercase())
        }
        // Ignored: blanks between the parts, and the case of the signature's digits.
        ("tencent", "authorization") => {
            let (word, parts) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            let parts = parts.split(',').map(|part| match part.trim() {
                part if part.starts_with("Signature=") => part.to_lowercase(),
                part => part.to_owned(),
            });
            format!("{word} {}", parts.collect::<Vec<_>>().join(","))
        }
        // Ignored: blanks around the fields, and the case of the signature's digits.
        (HUAWEI_SIGNED | "s3", "authorization") => {
            let (front, signature) = text.split_once("Signature=").unwrap_or((text, ""));
            let (word, fields) = front.split_once(' ').unwrap_or((front, ""));
            let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
            format!("{word} {}{}", fields.join(","), signature.to_lowercase())
        }
        // Ignored: the case, since these values are signed in lower case.
        ("tencent", "content-type" | "host") => text.to_lowercase(),
        _ => text.to_owned(),
    };
    meaning.into_bytes()
}

/// A random number generator with a fixed seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    /// Returns a byte that HTTP allows inside a header's value.
    fn byte(&mut self) -> u8 {
        const MEANINGFUL: &[u8] = b" /%&=?;:,.+-_~*{}\"\\\taZ09";
        match self.below(4) {
            0 => b' ' + self.below(95) as u8,
            1 => 128 + self.below(128) as u8,
            _ => MEANINGFUL[self.below(MEANINGFUL.len())],
        }
    }

    /// Flips, replaces, removes or inserts a byte, or cuts the rest off.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (at, byte) = (self.below(bytes.len()), self.byte());
        match self.below(5) {
            0 => bytes.insert(at, byte),
            1 => drop(bytes.remove(at)),
            2 => bytes[at] = byte,
            3 => {
                let flipped = bytes[at] ^ 1 << self.below(8);
                bytes[at] = if matches!(flipped, 0..=31 | 127) { byte } else { flipped };
            }
            _ => bytes.truncate(at),
        }
    }
}

/// A request whose headers may be any bytes.
#[derive(Clone)]
struct Raw {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Raw {
    fn new(request: Request, server: &TestServer) -> Self {
        let host = ("host".to_owned(), raw::authority(server.base()).into());
        let headers = request.headers.into_iter();
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.into_bytes()));
        let headers = headers.chain([host]).collect();
        Self { method: request.method, path: request.path, headers, body: request.body }
    }

    fn send(&self, server: &TestServer) -> Answer {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        raw::answer(&mut raw::sent(server.base(), &bytes))
    }

    /// Returns the meanings of these headers.
    fn meanings(&self, dialect: &str, names: &[&str]) -> Vec<(String, Vec<u8>)> {
        let covered = self.headers.iter().filter(|(name, _)| names.contains(&&**name));
        covered.map(|(name, value)| (name.clone(), meaning(dialect, name, value))).collect()
    }
}

/// Checks that an answer is the dialect's refusal of an unauthenticated request.
fn assert_refused(dialect: &str, answer: &Answer) {
    let (status, text) = (answer.status, answer.text());
    if dialect == "s3" {
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map(|(code, _)| code).unwrap_or_default();
        let codes: &[&str] = match status {
            400 => &["AuthorizationHeaderMalformed", "XAmzContentSHA256Mismatch"],
            _ => &[
                "AccessDenied",
                "InvalidAccessKeyId",
                "SignatureDoesNotMatch",
                "RequestTimeTooSkewed",
            ],
        };
        assert!(matches!(status, 400 | 403) && codes.contains(&code), "{dialect}: {status} {text}");
        return;
    }
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{dialect}: {text}"));
    let is = |pointer: &str, starts: &[&str]| {
        let said = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        starts.iter().any(|start| said.starts_with(start))
    };
    let fields = body.as_object().map(|body| body.len());
    let is_theirs = match dialect {
        "alibaba" => {
            let known = match status {
                400 => is("/Code", &["MissingRequiredHeader", "InvalidArgument"]),
                _ => is("/Code", &["InvalidAccessKeyID", "SignatureNotMatch", "AccessDenied"]),
            };
            known && matches!(status, 400 | 403) && fields == Some(3)
        }
        "ctyun" => {
            let code = if status == 401 { "CTAPI_10002" } else { "CTAPI_10009" };
            matches!(status, 401 | 403) && is("/statusCode", &[code]) && fields == Some(7)
        }
        "huawei" | HUAWEI_SIGNED => {
            status == 401 && is("/error_code", &["APIGW.030"]) && fields == Some(3)
        }
        "native" => status == 401 && is("/code", &["unauthorized"]),
        "openyuanrong" => status == 401 && text.contains("Authentication failed"),
        _ => {
            let codes = ["AuthFailure.", "MissingParameter", "InvalidParameter"];
            let is_json = answer.header("content-type") == Some("application/json");
            let is_numbered = body.pointer("/Response/RequestId").is_some();
            status == 200 && is_json && is_numbered && is("/Response/Error/Code", &codes)
        }
    };
    assert!(is_theirs, "{dialect}: {status} {text}");
}

fn server() -> TestServer {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    for key in [KEY, OTHER] {
        server.add_key(key.id, key.secret, key.tenant, Role::Write);
    }
    server
}

/// Returns the list request and the publication of a dialect, signed with a key.
fn signed(server: &TestServer, dialect: &str, key: TestKey) -> [Raw; 2] {
    let zip = zips::vector("tencent");
    let cloud = if dialect == HUAWEI_SIGNED { "huawei" } else { dialect };
    [asked::listing(cloud), asked::publishing(cloud, &zip)].map(|request| {
        let signed = match dialect {
            HUAWEI_SIGNED => key.huawei_signed(request, server.now()),
            _ => key.sign(dialect, request, server.base(), server.now()),
        };
        Raw::new(signed, server)
    })
}

#[test]
fn request_changed_after_signing_is_refused() {
    let (server, mut random) = (server(), Random(0x5EED));
    for (dialect, names) in DIALECTS {
        let before = server.footprint();
        let (mut refused, mut same) = (0, 0);
        let [listing, publishing] = signed(&server, dialect, KEY);
        for (original, is_listing) in [(listing, true), (publishing, false)] {
            // Only headers that the request has: a list has no `Content-Type`.
            let places: Vec<usize> = (0..original.headers.len())
                .filter(|at| names.contains(&&*original.headers[*at].0))
                .collect();
            for _ in 0..ROUNDS {
                let (mut changed, at) = (original.clone(), places[random.below(places.len())]);
                match random.below(20) {
                    // A request without `Host` is refused by HTTP itself.
                    0 if changed.headers[at].0 != "host" => drop(changed.headers.remove(at)),
                    _ => random.change(&mut changed.headers[at].1),
                }
                let is_same = changed.meanings(dialect, names) == original.meanings(dialect, names);
                if !is_same {
                    assert_refused(dialect, &changed.send(&server));
                    refused += 1;
                } else if is_listing {
                    // Accepted. Only lists are sent: they change nothing.
                    let answer = changed.send(&server);
                    let is_in = answer.status == 200 && !answer.text().contains("Error\":");
                    assert!(is_in, "{dialect}: {}", answer.text());
                    same += 1;
                }
            }
        }
        assert!(refused > ROUNDS, "{dialect}: {refused} refused, {same} the same");
        assert_eq!(server.footprint(), before, "{dialect}");
    }
}

#[test]
fn signature_is_bound_to_key_and_method() {
    let server = server();
    let before = server.footprint();
    for (dialect, _) in DIALECTS {
        let by_other = TestKey { id: OTHER.id, tenant: OTHER.tenant, ..KEY };
        let by_nobody = TestKey { id: "NOBODY01", tenant: "nobody", ..KEY };
        for key in [by_other, by_nobody] {
            for request in signed(&server, dialect, key) {
                assert_refused(dialect, &request.send(&server));
            }
        }
        // Tokens and CTyun's signature do not cover the method; Huawei has no other method on these
        // paths.
        if matches!(dialect, "alibaba" | "s3" | "tencent") {
            let [_, mut publishing] = signed(&server, dialect, KEY);
            publishing.method = "GET".to_owned();
            assert_refused(dialect, &publishing.send(&server));
        }
    }
    assert_eq!(server.footprint(), before);
    for (dialect, _) in DIALECTS {
        for request in signed(&server, dialect, KEY) {
            let answer = request.send(&server);
            assert!(matches!(answer.status, 200 | 201), "{dialect}: {}", answer.text());
            assert!(!answer.text().contains("Error\":"), "{dialect}: {}", answer.text());
        }
    }
}

//! Uploads through Alibaba's object store, with temporary credentials and with keys.

use std::io::Read;

use base64_simd::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use layerbase::config::Auth;
use layerbase::domain::{KeyId, Role};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::clouds;
use crate::support::server::owner;
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, raw, zips};

const WRITER: TestKey = TestKey { id: "WRITER01", secret: "secret-of-writer", tenant: "default" };

const OTHER: TestKey = TestKey { id: "OTHER001", secret: "secret-of-another", tenant: "other" };

const INBOX: &str = "local-temp";

const KEY: &str = "/1234567890123456/abc123";

/// The credentials that a client signs with.
#[derive(Clone, Debug)]
struct Credentials {
    id: String,
    secret: String,
    token: Option<String>,
}

impl Credentials {
    fn of_key(key: TestKey) -> Self {
        Self { id: key.id.to_owned(), secret: key.secret.to_owned(), token: None }
    }

    /// Requests temporary credentials.
    fn issued(server: &TestServer, key: TestKey) -> Self {
        let answer = ask(server, key, Request::get("/2016-08-15/tempBucketToken"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = |name: &str| answer.json()["credentials"][name].as_str().unwrap().to_owned();
        assert!(!answer.text().contains(key.secret));
        Self {
            id: text("AccessKeyId"),
            secret: text("AccessKeySecret"),
            token: Some(text("SecurityToken")),
        }
    }

    /// Puts an object as `ali-oss` does (alibaba.md section 9.4).
    fn put(&self, server: &TestServer, bucket: &str, body: &[u8]) -> Answer {
        server.send(&self.signed(server, bucket, Request::new("PUT", KEY).body(body)))
    }

    fn signed(&self, server: &TestServer, bucket: &str, request: Request) -> Request {
        let date = server.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let token = self.token.as_ref().map(|token| format!("x-oss-security-token:{token}\n"));
        let text = format!(
            "{}\n\napplication/zip\n{date}\nx-oss-date:{date}\n{}/{bucket}{}",
            request.method,
            token.unwrap_or_default(),
            request.path,
        );
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let signature = STANDARD.encode_to_string(mac.finalize().into_bytes());
        let request = request
            .header("Host", &format!("{bucket}.oss-cn-hangzhou.aliyuncs.com"))
            .header("Content-Type", "application/zip")
            .header("x-oss-date", &date)
            .header("Authorization", &format!("OSS {}:{signature}", self.id));
        match &self.token {
            Some(token) => request.header("x-oss-security-token", token),
            None => request,
        }
    }
}

fn server() -> TestServer {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    for key in [WRITER, OTHER] {
        server.add_key(key.id, key.secret, key.tenant, Role::Write);
    }
    server
}

/// Sends a request to the API, signed with a key.
fn ask(server: &TestServer, key: TestKey, request: Request) -> Answer {
    server.send(&clouds::named("alibaba").sign(key, request, server.base(), server.now()))
}

fn publish(server: &TestServer, key: TestKey, name: &str) -> Answer {
    let code = json!({"ossBucketName": INBOX, "ossObjectName": KEY.trim_start_matches('/')});
    let path = format!("/2023-03-30/layers/{name}/versions");
    ask(server, key, Request::new("POST", &path).json(&json!({"code": code})))
}

/// Checks that a request is refused with the store's own error.
fn assert_refused(answer: &Answer, code: &str) {
    let text = answer.text();
    assert!(text.contains(&format!("<Code>{code}</Code>")), "{code}: {} {text}", answer.status);
    assert_eq!(answer.header("content-type"), Some("application/xml"));
}

#[test]
fn layer_keeps_its_code_after_its_object_changes() {
    let server = server();
    let (zip, newer) = (zips::vector("alibaba"), zips::vector("tencent"));
    let credentials = Credentials::issued(&server, WRITER);
    let put = credentials.put(&server, INBOX, &zip);
    assert_eq!((put.status, put.text()), (200, String::new()));
    let crc64 = put.header("x-oss-hash-crc64ecma").unwrap().to_owned();
    let published = publish(&server, WRITER, "demo").json();
    assert_eq!(published["codeChecksum"], crc64.as_str());
    let link = |layer: &Value| layer["code"]["location"].as_str().unwrap().to_owned();
    assert_eq!(Request::get(&link(&published)).send("").body, zip);

    assert_eq!(credentials.put(&server, INBOX, &newer).status, 200);
    let own = Credentials::of_key(WRITER);
    let get = own.signed(&server, INBOX, Request::get(KEY));
    assert_eq!(server.send(&get).body, newer);
    let delete = own.signed(&server, INBOX, Request::new("DELETE", KEY));
    assert_eq!(server.send(&delete).status, 204);
    assert_refused(&server.send(&get), "NoSuchKey");

    let layer = ask(&server, WRITER, Request::get("/2023-03-30/layers/demo/versions/1")).json();
    assert_eq!(layer["codeChecksum"], crc64.as_str());
    assert_eq!(Request::get(&link(&layer)).send("").body, zip);
    let again = publish(&server, WRITER, "demo");
    assert_eq!((again.status, &again.json()["Code"]), (400, &json!("InvalidArgument")));
}

#[test]
fn object_is_invisible_to_other_tenants() {
    let server = server();
    let zip = zips::vector("alibaba");
    assert_eq!(Credentials::issued(&server, WRITER).put(&server, INBOX, &zip).status, 200);
    let before = server.footprint();
    let stolen = publish(&server, OTHER, "demo");
    assert_eq!((stolen.status, &stolen.json()["Code"]), (400, &json!("InvalidArgument")));
    let other = Credentials::of_key(OTHER);
    assert_refused(&server.send(&other.signed(&server, INBOX, Request::get(KEY))), "NoSuchKey");
    let delete = other.signed(&server, INBOX, Request::new("DELETE", KEY));
    assert_eq!(server.send(&delete).status, 204);
    assert_eq!(server.footprint(), before);
    assert_eq!(publish(&server, WRITER, "demo").status, 200);
}

#[test]
fn temporary_credentials_are_valid_for_one_bucket_and_one_hour() {
    let server = server();
    let zip = zips::vector("alibaba");
    let good = Credentials::issued(&server, WRITER);
    let later = good.id.replacen("1767229200", "1767229201", 1);
    assert_ne!(later, good.id);
    let token = good.token.clone().unwrap();
    let changed = |secret: &str, id: &str, token: Option<String>| Credentials {
        id: id.to_owned(),
        secret: secret.to_owned(),
        token,
    };
    for (credentials, bucket, code) in [
        (changed(WRITER.secret, &good.id, Some(token.clone())), INBOX, "SignatureDoesNotMatch"),
        (changed(&good.secret, &good.id, None), INBOX, "InvalidSecurityToken"),
        (
            changed(&good.secret, &good.id, Some(token.replace('a', "b"))),
            INBOX,
            "InvalidSecurityToken",
        ),
        (changed(&good.secret, &later, Some(token.clone())), INBOX, "InvalidSecurityToken"),
        (changed(&good.secret, WRITER.id, Some(token.clone())), INBOX, "SignatureDoesNotMatch"),
        (good.clone(), "code", "AccessDenied"),
    ] {
        assert_refused(&credentials.put(&server, bucket, &zip), code);
    }
    // They upload, and do nothing else.
    assert_eq!(Credentials::of_key(WRITER).put(&server, INBOX, &zip).status, 200);
    let stored = server.footprint();
    for method in ["GET", "HEAD", "DELETE"] {
        let answer = server.send(&good.signed(&server, INBOX, Request::new(method, KEY)));
        assert_eq!(answer.status, 403, "{method}");
        if method != "HEAD" {
            assert_refused(&answer, "AccessDenied");
        }
    }
    assert_eq!(server.footprint(), stored);
    let own = Credentials::of_key(WRITER);
    let delete = own.signed(&server, INBOX, Request::new("DELETE", KEY));
    assert_eq!(server.send(&delete).status, 204);
    let before = server.footprint();
    // They are no key of the API, and cannot be used to request further ones.
    let (id, secret) = (good.id.clone().leak(), good.secret.clone().leak());
    let borrowed = TestKey { id, secret, tenant: "default" };
    for path in ["/2016-08-15/tempBucketToken", "/2016-08-15/layers"] {
        let answer = ask(&server, borrowed, Request::get(path));
        let code = answer.json()["ErrorCode"].clone();
        assert_eq!((answer.status, code), (403, json!("InvalidAccessKeyID")));
    }
    server.pass_seconds(3599);
    assert_eq!(server.footprint(), before);
    assert_eq!(good.put(&server, INBOX, &zip).status, 200);
    server.pass_seconds(1);
    let before = server.footprint();
    assert_refused(&good.put(&server, INBOX, &zips::vector("tencent")), "SecurityTokenExpired");
    assert_eq!(server.footprint(), before);
    // A key itself is valid for every bucket.
    assert_eq!(Credentials::of_key(WRITER).put(&server, "code", &zip).status, 200);
}

#[test]
fn temporary_credentials_end_with_their_key() {
    let server = server();
    let (zip, local) = (zips::vector("alibaba"), server.local());
    let id = KeyId::parse(WRITER.id).unwrap();
    let good = Credentials::issued(&server, WRITER);
    let put = || good.put(&server, INBOX, &zip);
    local.enable_key(&owner(), &id, false).unwrap();
    assert_refused(&put(), "InvalidAccessKeyId");
    local.enable_key(&owner(), &id, true).unwrap();
    assert_eq!(put().status, 200);
    for (secret, role, code) in [
        (WRITER.secret, Role::Read, "AccessDenied"),
        ("another-secret", Role::Write, "SignatureDoesNotMatch"),
    ] {
        local.delete_key(&owner(), &id).unwrap();
        assert_refused(&put(), "InvalidAccessKeyId");
        server.add_key(WRITER.id, secret, WRITER.tenant, role);
        assert_refused(&put(), code);
    }
    local.delete_key(&owner(), &id).unwrap();
    server.add_key(WRITER.id, WRITER.secret, WRITER.tenant, Role::Write);
    assert_eq!(put().status, 200);
    local.rotate_link_secret(&owner(), [9; 32]).unwrap();
    assert_refused(&put(), "InvalidSecurityToken");
}

#[test]
fn put_changed_after_signing_is_refused() {
    let server = server();
    let (zip, before) = (zips::vector("alibaba"), server.footprint());
    let put = Request::new("PUT", KEY).body(zip);
    let put = Credentials::issued(&server, WRITER).signed(&server, INBOX, put);
    for place in 0..put.headers.len() {
        let (name, value) = &put.headers[place];
        // Of `Host`, only the bucket in front is significant.
        let end = if name == "Host" { INBOX.len() } else { value.len() };
        for at in 0..end {
            let mut changed = put.clone();
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            changed.headers[place].1 = String::from_utf8(bytes).unwrap();
            // The scheme routes a request to the store; another scheme is refused by the API.
            let is_elsewhere = name == "Authorization" && at < 4;
            let answer = server.send(&changed);
            let is_refused = (400..500).contains(&answer.status);
            assert!(is_refused, "{name} {at}: {} {}", answer.status, answer.text());
            assert!(is_elsewhere || answer.text().contains("<Code>"), "{}", answer.text());
        }
    }
    for request in [
        Request { path: format!("{KEY}0"), ..put.clone() },
        Request { method: "DELETE".to_owned(), ..put.clone() },
        put.clone().header("x-oss-meta-more", "1"),
        put.clone().header("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
    ] {
        assert_refused(&server.send(&request), "SignatureDoesNotMatch");
    }
    assert_eq!(server.footprint(), before);
    assert_eq!(server.send(&put).status, 200);
}

#[test]
fn unauthenticated_large_object_is_never_written_to_disk() {
    let server = server();
    let noise: Vec<u8> =
        (0..100_000_u32).flat_map(|at| at.wrapping_mul(at).to_be_bytes()).collect();
    let good = Credentials::issued(&server, WRITER);
    let nobody = Credentials { id: "NOBODY01".to_owned(), ..good.clone() };
    let tokenless = Credentials { token: None, ..good.clone() };
    let disabled = Credentials::issued(&server, OTHER);
    server.local().enable_key(&owner(), &KeyId::parse(OTHER.id).unwrap(), false).unwrap();
    // Without this folder every write fails with an internal error.
    std::fs::remove_dir(server.data().join("incoming")).unwrap();
    assert_refused(&nobody.put(&server, INBOX, &noise), "InvalidAccessKeyId");
    assert_refused(&disabled.put(&server, INBOX, &noise), "InvalidAccessKeyId");
    assert_refused(&tokenless.put(&server, INBOX, &noise), "InvalidSecurityToken");
    assert_refused(&good.put(&server, INBOX, &noise), "InternalError");
    server.pass_seconds(3600);
    assert_refused(&good.put(&server, INBOX, &noise), "SecurityTokenExpired");
    std::fs::create_dir(server.data().join("incoming")).unwrap();
    assert_eq!(Credentials::of_key(WRITER).put(&server, INBOX, &noise).status, 200);
}

#[test]
fn object_may_have_500_mib() {
    let server = TestServer::start();
    for (length, status) in [(500 << 20, 100), ((500 << 20) + 1, 400)] {
        let head = format!(
            "PUT {KEY} HTTP/1.1\r\nHost: {INBOX}.localhost\r\nAuthorization: OSS any:x\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        let mut stream = raw::sent(server.base(), head.as_bytes());
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(String::from_utf8_lossy(&first), format!("HTTP/1.1 {status}"));
    }
}

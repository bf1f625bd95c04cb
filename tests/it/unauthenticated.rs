//! Requests without a valid key are refused by their head, before the body costs disk or memory.

use std::fs;
use std::io::Write;

use layerbase::config::Auth;
use layerbase::domain::Role;

use crate::clouds::{self, Cloud};
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, raw, zips};

const KNOWN: TestKey = TestKey { id: "KNOWN001", secret: "secret-of-the-known", tenant: "default" };

const STRANGER: TestKey = TestKey { id: "STRANGER", secret: "secret-of-nobody", tenant: "nobody" };

/// The status and code with which each dialect refuses an unknown key.
const REFUSED: [(&str, u16, &str); 7] = [
    ("alibaba", 403, "InvalidAccessKeyID"),
    ("ctyun", 401, "CTAPI_10002"),
    ("huawei", 401, "APIGW.0301"),
    ("native", 401, "unauthorized"),
    ("openyuanrong", 401, "Authentication failed"),
    ("s3", 403, "InvalidAccessKeyId"),
    ("tencent", 200, "AuthFailure.SecretIdNotFound"),
];

fn server() -> TestServer {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(KNOWN.id, KNOWN.secret, KNOWN.tenant, Role::Write);
    server
}

fn send(server: &TestServer, cloud: &dyn Cloud, key: TestKey, request: Request) -> Answer {
    server.send(&cloud.sign(key, request, server.base(), server.now()))
}

/// Returns a zip so large that no body with it fits into memory.
fn large() -> Vec<u8> {
    let noise: Vec<u8> =
        (0..100_000_u32).flat_map(|at| at.wrapping_mul(at).to_be_bytes()).collect();
    zips::stored(&[("noise.bin", &noise)])
}

#[test]
fn unauthenticated_upload_is_never_written_to_disk() {
    let server = server();
    let (zip, before) = (large(), server.footprint());
    // Without this folder every write fails with an internal error.
    fs::remove_dir(server.data().join("incoming")).unwrap();
    for (dialect, status, code) in REFUSED {
        let cloud = clouds::named(dialect);
        let publishing = || cloud.publishing(&zip);
        let answer = send(&server, cloud, STRANGER, publishing());
        assert_eq!(answer.status, status, "{dialect}: {}", answer.text());
        assert!(answer.text().contains(code), "{dialect}: {}", answer.text());
        let unsigned = server.send(&publishing());
        assert!(!unsigned.text().contains("nternal"), "{dialect}: {}", unsigned.text());
        let known = send(&server, cloud, KNOWN, publishing());
        assert!(known.text().contains("nternal"), "{dialect}: {}", known.text());
    }
    fs::create_dir(server.data().join("incoming")).unwrap();
    assert_eq!(server.footprint(), before);
    for (dialect, ..) in REFUSED {
        let cloud = clouds::named(dialect);
        let known = send(&server, cloud, KNOWN, cloud.publishing(&zip));
        assert!(matches!(known.status, 200 | 201), "{dialect}: {}", known.text());
    }
}

#[test]
fn expired_signature_is_refused_before_the_body_is_spooled() {
    let server = server();
    let zip = large();
    fs::remove_dir(server.data().join("incoming")).unwrap();
    for (dialect, code) in [("alibaba", "AccessDenied"), ("tencent", "SignatureExpire")] {
        let cloud = clouds::named(dialect);
        let request = cloud.sign(KNOWN, cloud.publishing(&zip), server.base(), server.now());
        server.pass_seconds(3600);
        let answer = server.send(&request).text();
        assert!(answer.contains(code), "{dialect}: {answer}");
    }
}

#[test]
fn expect_continue_without_a_key_is_answered_401() {
    let server = server();
    let head = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: localhost\r\n\
                Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n";
    let mut stream = raw::sent(server.base(), head.as_bytes());
    assert_eq!(raw::answer(&mut stream).status, 401);
}

/// Sends a refused upload of 32 MiB; returns whether the server read all of it.
fn is_drained(server: &TestServer, path: &str) -> bool {
    let length = 32 << 20;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let mut stream = raw::sent(server.base(), head.as_bytes());
    if stream.write_all(&vec![7; length]).is_err() {
        return false;
    }
    let status = raw::answer(&mut stream).status;
    assert!([401, 404, 413].contains(&status), "{path}: {status}");
    true
}

#[test]
fn long_refused_bodies_are_read_only_with_a_permit() {
    let versions = "/api/v1/layers/demo/versions";
    for permits in [1, 0] {
        let unsigned = TestServer::start_with(|config| {
            config.auth = Auth::On;
            config.max_uploads = permits;
        });
        assert_eq!(is_drained(&unsigned, versions), permits > 0, "no key, {permits} permits");
        assert_eq!(is_drained(&unsigned, "/nowhere"), permits > 0, "no path, {permits} permits");
        let oversized = TestServer::start_with(|config| {
            config.max_body = Some(100 << 10);
            config.max_uploads = permits;
        });
        assert_eq!(is_drained(&oversized, versions), permits > 0, "too long, {permits} permits");
    }
}

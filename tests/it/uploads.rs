//! Uploads that are refused, over HTTP: each names its reason and leaves nothing behind.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Answer, Request, TestServer, zips};

/// A way to send a zip, and the error codes of its answers.
struct Way {
    name: &'static str,
    request: fn(&[u8]) -> Request,
    code: fn(&Answer) -> String,
    too_large: &'static str,
    bad_archive: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "raw",
        request: |zip| Request::new("POST", "/api/v1/layers/demo/versions").body(zip),
        code: |answer| answer.json()["code"].as_str().unwrap_or_default().to_owned(),
        too_large: "limit_exceeded",
        bad_archive: "bad_archive",
    },
    Way {
        name: "base64 in JSON",
        request: |zip| {
            Request::new("POST", "/")
                .header("X-TC-Action", "PublishLayerVersion")
                .header("X-TC-Version", "2018-04-16")
                .json(&json!({
                    "LayerName": "demo",
                    "CompatibleRuntimes": ["Python3.9"],
                    "Content": { "ZipFile": zips::encode(zip) },
                }))
        },
        code: |answer| {
            let code = &answer.json()["Response"]["Error"]["Code"];
            code.as_str().unwrap_or_default().to_owned()
        },
        too_large: "RequestSizeLimitExceeded",
        bad_archive: "InvalidParameterValue.ZipFile",
    },
];

/// Sends a zip both ways, and checks the refusal and that nothing changed.
fn refused(server: &TestServer, zip: &[u8], code: fn(&Way) -> &'static str) {
    let before = server.footprint();
    for way in WAYS {
        let answer = server.send(&(way.request)(zip));
        assert_eq!((way.code)(&answer), code(way), "{}: {}", way.name, answer.text());
        assert_eq!(server.footprint(), before, "{}", way.name);
    }
}

fn bad_archive(zip: &[u8]) {
    refused(&TestServer::start(), zip, |way| way.bad_archive);
}

#[test]
fn invalid_zip_is_refused() {
    bad_archive(b"PK is not enough");
    let mut cut = zips::vector("tencent");
    cut.truncate(100);
    bad_archive(&cut);
}

#[test]
fn path_traversal_entries_are_refused() {
    for name in ["../evil", "a/../../evil", "/etc/passwd", "C:\\evil", "a\\..\\evil"] {
        bad_archive(&zips::stored(&[("good", b"x"), (name, b"x")]));
    }
}

#[test]
fn archive_over_a_limit_is_refused() {
    let zip = zips::stored(&[("a", &[b'x'; 5000]), ("b", b"x"), ("c", b"x")]);
    let size = zip.len() as u64;
    let large = TestServer::start_with(|config| config.max_upload = Some(size - 1));
    refused(&large, &zip, |way| way.too_large);
    let unpacked = TestServer::start_with(|config| config.max_unpacked = 5001);
    refused(&unpacked, &zip, |way| if way.name == "raw" { way.too_large } else { way.bad_archive });
    let entries = TestServer::start_with(|config| config.max_entries = 2);
    refused(&entries, &zip, |way| if way.name == "raw" { way.too_large } else { way.bad_archive });
    let exact = TestServer::start_with(|config| {
        config.max_upload = Some(size);
        config.max_unpacked = 5002;
        config.max_entries = 3;
    });
    for way in WAYS {
        let answer = exact.send(&(way.request)(&zip));
        assert_eq!((way.code)(&answer), "", "{}: {}", way.name, answer.text());
    }
}

/// Tencent's own limit is lower than `--max-unpacked` is by default; the lower one holds.
#[test]
fn tencent_refuses_what_unpacks_to_more_than_500_mib() {
    let request = |zip: &[u8]| {
        Request::new("POST", "/")
            .header("X-TC-Action", "PublishLayerVersion")
            .header("X-TC-Version", "2018-04-16")
            .json(&json!({
                "LayerName": "demo",
                "CompatibleRuntimes": ["Python3.9"],
                "Content": {"ZipFile": zips::encode(zip)},
            }))
    };
    let limit = |server: &TestServer, zip: &[u8]| {
        let before = server.footprint();
        let answer = server.send(&request(zip)).json();
        let error = &answer["Response"]["Error"];
        assert_eq!(error["Code"], "InvalidParameterValue.ZipFile", "{answer}");
        assert_eq!(server.footprint(), before);
        error["Message"].as_str().unwrap().to_owned()
    };
    let zip = zips::declaring((500 << 20) + 1);
    let text = limit(&TestServer::start(), &zip);
    assert!(text.contains("524288001") && text.contains("524288000"), "{text}");
    let wider = TestServer::start_with(|config| config.max_unpacked = u64::MAX);
    assert_eq!(limit(&wider, &zip), text);
    let lower = TestServer::start_with(|config| config.max_unpacked = 500);
    let text = limit(&lower, &zips::declaring(501));
    assert!(text.contains("501") && text.contains("500"), "{text}");
    // Within the limit, the content is read.
    let text = limit(&wider, &zips::declaring(500 << 20));
    assert!(text.contains("unpacks to less"), "{text}");
    // The other clouds have no such limit.
    let native = Request::new("POST", "/api/v1/layers/demo/versions").body(zip);
    assert!(wider.send(&native).text().contains("unpacks to less"));
    wider.put_object("code-1250000000/large.zip", &zips::declaring((500 << 20) + 1));
    let object = Request::new("POST", "/")
        .header("X-TC-Action", "PublishLayerVersion")
        .header("X-TC-Version", "2018-04-16")
        .json(&json!({
            "LayerName": "demo",
            "CompatibleRuntimes": ["Python3.9"],
            "Content": {"CosBucketName": "code-1250000000", "CosObjectName": "large.zip"},
        }));
    let answer = wider.send(&object).json();
    assert_eq!(answer["Response"]["Error"]["Code"], "InvalidParameterValue.ZipFile", "{answer}");
    assert!(answer.to_string().contains("524288001"), "{answer}");
}

#[test]
fn body_larger_than_memory_gives_the_same_digests() {
    let server = TestServer::start();
    let noise: Vec<u8> =
        (0_u32..400_000).flat_map(|n| n.wrapping_mul(0x9E37_79B9).to_be_bytes()).collect();
    let zip = zips::stored(&[("noise.bin", &noise)]);
    let digests: Vec<Value> = WAYS
        .iter()
        .map(|way| {
            let answer = server.send(&(way.request)(&zip));
            assert_eq!((way.code)(&answer), "", "{}", answer.text());
            let newest = server.send(&Request::get("/api/v1/layers/demo/versions/latest")).json();
            json!([
                newest["size"],
                newest["sha256"],
                newest["sha512"],
                newest["md5"],
                newest["crc64"]
            ])
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0][0], zip.len());
    let footprint = server.footprint();
    assert_eq!(footprint.files.len(), 1, "{footprint:?}");
    let link = server.send(&Request::get("/api/v1/layers/demo/versions/1")).json();
    let served = Request::get(link["download_url"].as_str().unwrap()).send("");
    assert_eq!(served.body, zip);
    let mut wrong = zip;
    wrong.extend_from_slice(&[0; 70_000]);
    refused(&server, &wrong, |way| way.bad_archive);
}

#[test]
fn broken_connection_leaves_nothing_stored() {
    let server = TestServer::start();
    let before = server.footprint();
    let mut stream = TcpStream::connect(server.base().trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&vec![7; 2_000_000]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    // The server closes the connection once it has given up the upload.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let heard = String::from_utf8_lossy(&rest);
    assert!(heard.starts_with("HTTP/1.1 422 "), "not a fault of the server's: {heard}");
    let ready = server.send(&Request::get("/readyz"));
    assert_eq!(ready.status, 200);
    assert_eq!(server.footprint(), before);
}

#[test]
fn oversized_upload_is_answered_413() {
    let server = TestServer::start_with(|config| config.max_upload = Some(1000));
    let before = server.footprint();
    let answer =
        server.send(&Request::new("POST", "/api/v1/layers/demo/versions").body(vec![1; 3_000_000]));
    assert_eq!(answer.status, 413, "the client hears the refusal after sending it all");
    assert_eq!(server.footprint(), before);
}

#[test]
fn readiness_is_checked_once_per_second() {
    let server = TestServer::start();
    let ready = || {
        let answer = server.send(&Request::get("/readyz"));
        assert_eq!(answer.header("Retry-After"), Some("1").filter(|_| answer.status == 503));
        answer.status
    };
    assert_eq!(ready(), 200);
    let (incoming, away) = (server.data().join("incoming"), server.data().join("away"));
    std::fs::rename(&incoming, &away).unwrap();
    assert_eq!(ready(), 200, "as of the last look");
    server.pass_seconds(1);
    assert_eq!(ready(), 503);
    std::fs::rename(&away, &incoming).unwrap();
    assert_eq!(ready(), 503);
    server.pass_seconds(1);
    assert_eq!(ready(), 200);
}

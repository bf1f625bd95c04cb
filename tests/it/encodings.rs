//! Bodies that are packed by gzip are unpacked; other encodings are refused, and change nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use layerbase::config::Auth;
use layerbase::domain::Role;

use crate::clouds::{CLOUDS, Cloud};
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, zips};

const KEY: TestKey =
    TestKey { id: "AKIDTESTGZIPPED1", secret: "a-secret-of-the-test", tenant: "default" };

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn encoded(mut request: Request, encoding: &str, body: Vec<u8>) -> Request {
    request.body = body;
    request.header("Content-Encoding", encoding)
}

fn is_done(cloud: &dyn Cloud, answer: &Answer) -> bool {
    let text = answer.text();
    let is_error = match cloud.name() {
        "tencent" => text.contains("\"Error\""),
        "ctyun" => !text.contains("\"error\":\"CF_0\""),
        _ => false,
    };
    (200..300).contains(&answer.status) && !is_error
}

#[test]
fn every_cloud_unpacks_a_signed_body() {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(KEY.id, KEY.secret, KEY.tenant, Role::Write);
    let noise: Vec<u8> = (0_u32..100_000).flat_map(|n| n.wrapping_mul(n).to_be_bytes()).collect();
    for zip in [zips::vector("tencent"), zips::stored(&[("noise.bin", &noise)])] {
        for cloud in CLOUDS.into_iter().filter(|cloud| cloud.name() != "s3") {
            for encoding in ["gzip", "X-GZip", "identity"] {
                let plain = cloud.publishing(&zip);
                let body = plain.body.clone();
                let body = if encoding == "identity" { body } else { gzip(&body) };
                let request = encoded(plain, encoding, body);
                let answer = server.send(&cloud.sign(KEY, request, server.base(), server.now()));
                let (name, text) = (cloud.name(), answer.text());
                assert!(is_done(cloud, &answer), "{name} {encoding}: {} {text}", answer.status);
            }
        }
    }
    let list = cloud_rows(&server);
    assert_eq!(list.len(), 2, "one content each: {list:?}");
}

/// Returns the stored contents.
fn cloud_rows(server: &TestServer) -> Vec<String> {
    let files = server.footprint().files;
    files.into_iter().filter(|file| file.ends_with(".zip")).collect()
}

#[test]
fn other_encodings_are_refused_and_change_nothing() {
    let server = TestServer::start_with(|config| config.max_body = Some(1 << 20));
    let before = server.footprint();
    let zip = zips::vector("tencent");
    for cloud in CLOUDS.into_iter().filter(|cloud| cloud.name() != "s3") {
        let (name, plain) = (cloud.name(), cloud.publishing(&zip));
        for encoding in ["br", "zstd", "deflate", "gzip, gzip"] {
            let answer = server.send(&encoded(plain.clone(), encoding, plain.body.clone()));
            let text = answer.text();
            let is_told = if name == "tencent" {
                text.contains("UnsupportedOperation")
            } else {
                answer.status == 415 || text.contains("415")
            };
            assert!(is_told && text.contains("Content-Encoding"), "{name} {encoding}: {text}");
            assert_eq!(server.footprint(), before, "{name}");
        }
        let packed = gzip(&plain.body);
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 0x55;
        let short = packed[..packed.len() - 9].to_vec();
        for body in [plain.body.clone(), damaged, short] {
            let answer = server.send(&encoded(plain.clone(), "gzip", body));
            assert!(!is_done(cloud, &answer), "{name}: {}", answer.text());
            assert!(answer.text().contains("Content-Encoding"), "{name}: {}", answer.text());
            assert_eq!(server.footprint(), before, "{name}");
        }
        // 2 MiB of spaces in 2 KiB.
        let bomb = gzip(&vec![b' '; 2 << 20]);
        let answer = server.send(&encoded(plain.clone(), "gzip", bomb));
        assert!(!is_done(cloud, &answer), "{name}: {}", answer.text());
        assert!(!answer.text().contains("Content-Encoding"), "{name}: {}", answer.text());
        assert_eq!(server.footprint(), before, "{name}");
    }
}

#[test]
fn an_object_store_keeps_the_bytes_as_they_come() {
    let server = TestServer::start();
    let packed = gzip(b"object");
    let put = Request::new("PUT", "/s3/code/a.gz").body(packed.clone());
    assert_eq!(server.send(&put.header("Content-Encoding", "gzip")).status, 200);
    assert_eq!(server.send(&Request::get("/s3/code/a.gz")).body, packed);
}

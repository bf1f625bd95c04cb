//! Buckets in an S3-compatible storage: a real one, and ones that misbehave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use layerbase::config::{Bucket, BucketLocation, Config};
use layerbase::domain::{BucketName, Role};
use sha2::{Digest, Sha256};

use crate::support::process::{self, Process};
use crate::support::storage::{KEY, TestStorage, bucket_at};
use crate::support::{Answer, Request, TestServer, zips};

/// Size of the only entry of a large zip, in bytes.
const LARGE: usize = 5 << 20;

fn map(config: &mut Config, name: &str, bucket: Bucket) {
    config.buckets.insert(BucketName::parse(name).unwrap(), bucket);
}

fn server(bucket: Bucket) -> TestServer {
    TestServer::start_with(|config| map(config, "code", bucket))
}

/// Publishes the layer `demo` from an object of the bucket `code`.
fn publish(server: &TestServer, object: &str) -> Answer {
    server.send(&publishing(object))
}

fn publishing(object: &str) -> Request {
    let path = format!("/api/v1/layers/demo/versions?bucket=code&object={object}");
    Request::new("POST", &path)
}

/// Asserts that an object is refused with this status and text, and that nothing was stored.
fn assert_refused(server: &TestServer, object: &str, status: u16, words: &str) {
    let before = server.footprint();
    let answer = publish(server, object);
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{}", answer.text());
    assert_eq!(server.footprint(), before);
}

fn large_zip(seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut noise = Vec::with_capacity(LARGE);
    while noise.len() < LARGE {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push((state >> 33) as u8);
    }
    zips::stored(&[("noise.bin", &noise)])
}

#[test]
fn large_object_is_copied_and_independent_of_its_bucket() {
    let storage = TestStorage::start();
    let zip = large_zip(1);
    storage.put("kept/layers/large one.zip", &zip);
    let server = server(storage.bucket("kept"));
    let answer = publish(&server, "layers%2Flarge%20one.zip");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["size"], zip.len());
    assert_eq!(body["sha256"], hex::encode(Sha256::digest(&zip)));
    storage.put("kept/layers/large one.zip", &large_zip(2));
    let link = body["download_url"].as_str().unwrap();
    assert!(server.send(&Request::get(link)).body == zip);
    std::fs::remove_file(storage.path("kept/layers/large one.zip")).unwrap();
    drop(storage);
    assert!(server.send(&Request::get(link)).body == zip);
    // The spool file of the copy is deleted.
    let files = server.footprint().files;
    assert!(files.iter().all(|file| !file.contains("incoming")), "{files:?}");
}

#[test]
fn missing_and_unreadable_objects_are_told_apart() {
    let storage = TestStorage::start();
    storage.put("kept/demo.zip", &zips::vector("tencent"));
    storage.put("kept/text.zip", b"no zip at all");
    let address = storage.address();
    let ours = server(storage.bucket("kept"));
    assert_eq!(publish(&ours, "demo.zip").status, 201);
    assert_refused(&ours, "other.zip", 404, "object 'other.zip' of 'code' does not exist");
    assert_refused(&ours, "..%2Fkept%2Fdemo.zip", 400, "between its slashes");
    assert_refused(&ours, "text.zip", 422, "not a zip archive");
    let without_bucket = server(storage.bucket("missing"));
    assert_refused(&without_bucket, "demo.zip", 404, "object 'demo.zip' of 'code' does not exist");
    for key in [("STORAGEKEY", "another-secret"), ("NOBODYSKEY", KEY.1)] {
        let stranger = server(bucket_at(address, "kept", key));
        assert_refused(&stranger, "demo.zip", 502, "'code' cannot be read: its storage does not");
    }
    let mut unsigned = storage.bucket("kept");
    if let BucketLocation::Storage(storage) = &mut unsigned.place {
        storage.key = None;
    }
    assert_refused(&server(unsigned), "demo.zip", 502, "'code' cannot be read: its storage");
}

#[test]
fn object_over_the_limit_is_refused_before_it_is_copied() {
    let storage = TestStorage::start();
    let zip = large_zip(3);
    storage.put("kept/large.zip", &zip);
    let server = TestServer::start_with(|config| {
        map(config, "code", storage.bucket("kept"));
        config.max_upload = Some(1 << 20);
    });
    let words = format!("bytes of zip: {} is more than the limit of 1048576", zip.len());
    assert_refused(&server, "large.zip", 413, &words);
}

#[test]
fn bucket_is_visible_only_to_listed_tenants() {
    let storage = TestStorage::start();
    storage.put("kept/demo.zip", &zips::vector("tencent"));
    let mut bucket = storage.bucket("kept");
    let listed = layerbase::domain::TenantId::parse("a").unwrap();
    bucket.tenants = Some([listed].into());
    let server = TestServer::start_with(|config| {
        config.auth = layerbase::config::Auth::On;
        map(config, "code", bucket);
    });
    server.add_key("KEYOFA01", "secret-of-a", "a", Role::Write);
    server.add_key("KEYOFB01", "secret-of-b", "b", Role::Write);
    let ask = |token| {
        server.send(&publishing("demo.zip").header("Authorization", &format!("Bearer {token}")))
    };
    let before = server.footprint();
    let refused = ask("KEYOFB01.secret-of-b");
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert_eq!(refused.json()["detail"], "bucket 'code' does not exist");
    assert_eq!(server.footprint(), before);
    assert_eq!(ask("KEYOFA01.secret-of-a").status, 201);
}

#[test]
fn unreachable_storage_is_reported_and_leaves_nothing() {
    // No process listens on this port. A port that was just free could now be another test's.
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let server = server(bucket_at(nowhere, "kept", KEY));
    assert_refused(&server, "demo.zip", 502, "its storage does not answer as it should");
}

/// Starts a listener that reads the head of a request from each connection and then calls `answer`.
/// A stream that `answer` returns stays open as long as the listener.
fn storage_that(answer: impl Fn(TcpStream) -> Option<TcpStream> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            open.extend(answer(stream));
        }
    });
    address
}

/// Returns the head of an answer with an object of 1 MiB, and the object's first 600,000 bytes.
fn beginning(headers: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n{headers}\r\n"
    );
    [head.as_bytes(), &[b'x'; 600_000]].concat()
}

#[test]
fn aborted_copy_leaves_nothing() {
    for headers in ["", "ETag: \"0123456789abcdef0123456789abcdef\"\r\n"] {
        let address = storage_that(move |mut stream| {
            let _ = stream.write_all(&beginning(headers));
            None
        });
        let server = server(bucket_at(address, "kept", KEY));
        assert_refused(&server, "demo.zip", 502, "broke off in the middle of the object");
    }
}

#[test]
fn stalled_storage_is_given_up_after_fetch_timeout() {
    for bytes in [Vec::new(), beginning("")] {
        let address = storage_that(move |mut stream| {
            let _ = stream.write_all(&bytes);
            Some(stream)
        });
        let server = TestServer::start_with(|config| {
            map(config, "code", bucket_at(address, "kept", KEY));
            config.fetch_timeout = Some(Duration::from_millis(300));
        });
        assert_refused(&server, "demo.zip", 502, "the copy took too long");
    }
}

#[test]
fn redirects_of_a_storage_are_not_followed() {
    let storage = TestStorage::start();
    storage.put("kept/demo.zip", &zips::vector("tencent"));
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = elsewhere.local_addr().unwrap();
    let address = storage_that(move |mut stream| {
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{place}/kept/demo.zip\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes());
        None
    });
    let server = server(bucket_at(address, "kept", KEY));
    assert_refused(&server, "demo.zip", 502, "its storage does not answer as it should");
    elsewhere.set_nonblocking(true).unwrap();
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn https_storage_is_verified_with_system_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = file("cert.pem", &made.cert.pem());
    let key = file("key.pem", &made.signing_key.serialize_pem());
    // Any https server works as the storage here, as long as it does not have the object.
    let arguments = ["--dialects", "native", "--tls-cert", &cert, "--tls-key", &key];
    let storage = Process::serve(&folder.path().join("storage"), &arguments);
    let settings = format!("[buckets.code]\nendpoint = {:?}\n", storage.base());
    let settings = file("layerbase.toml", &settings);
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = file("other.pem", &other.cert.pem());
    for (roots, status, words) in [
        (&cert, 404, "object 'demo.zip' of 'code' does not exist"),
        (&other, 502, "its storage does not answer as it should"),
    ] {
        let mut command = process::binary();
        command.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
        let data = folder.path().join(format!("data-{status}"));
        let arguments = ["--config", &settings];
        let server = Process::serve_by(command, &data, &arguments, Stdio::null());
        let answer = server.send(&publishing("demo.zip"));
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}

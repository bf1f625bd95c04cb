//! The S3 endpoint of a whole server: signed chunks, hostile keys, tenants and roles.

use std::fs;
use std::path::Path;

use layerbase::config::Auth;
use layerbase::domain::{Role, Timestamp};

use crate::clouds::{Cloud, s3};
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, server, zips};

const WRITER: TestKey = TestKey { id: "WRITER01", secret: "secret-of-writer", tenant: "default" };
const READER: TestKey = TestKey { id: "READER01", secret: "secret-of-reader", tenant: "default" };
const OTHER: TestKey = TestKey { id: "OTHER001", secret: "secret-of-another", tenant: "other" };

fn server() -> TestServer {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    for (key, role) in [(WRITER, Role::Write), (READER, Role::Read), (OTHER, Role::Write)] {
        server.add_key(key.id, key.secret, key.tenant, role);
    }
    server
}

fn send(server: &TestServer, key: TestKey, request: Request) -> Answer {
    server.send(&s3::S3.sign(key, request, server.base(), server.now()))
}

fn put(path: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("PUT", path).body(body.into())
}

/// Returns every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn signature_of_each_chunk_is_verified() {
    let server = server();
    let zip = zips::stored(&[("noise.bin", &vec![7; 400_000])]);
    let signed = |size| {
        let request = put("/s3/code/chunks.zip", zip.clone());
        s3::chunks(WRITER, request, server.base(), server.now(), size)
    };
    // The smallest and the usual chunk size of real clients, and one chunk for the whole body.
    for size in [8 << 10, 64 << 10, 1 << 20] {
        let answer = server.send(&signed(size));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let got = send(&server, READER, Request::get("/s3/code/chunks.zip"));
    assert!(got.body == zip, "{} bytes", got.body.len());
    let before = server.footprint();
    for at in [200, 100_000, 399_000] {
        let mut changed = signed(64 << 10);
        changed.body[at] ^= 1;
        let answer = server.send(&changed);
        assert!(answer.text().contains("SignatureDoesNotMatch"), "{at}: {}", answer.text());
    }
    let mut cut = signed(64 << 10);
    let end = cut.body.windows(9).rposition(|window| window == b"\r\n0;chunk").unwrap();
    cut.body.truncate(end + 2);
    let answer = server.send(&cut);
    assert!(matches!(answer.status, 400 | 403), "{}", answer.text());
    assert_eq!(server.footprint(), before);
}

#[test]
fn hostile_keys_never_become_paths() {
    let server = TestServer::start();
    let long = "k".repeat(1025);
    let deep = "../".repeat(300);
    let keys = [
        "..",
        "../a",
        "../../catalog.sqlite",
        "%2e%2e",
        "%2e%2e%2fa",
        "..%2f..%2fcatalog.sqlite",
        "%2e%2e/%2e%2e/lock",
        "..%5c..%5ca",
        "/",
        "//",
        "//a",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "%2Fetc%2Fpasswd",
        "a/../b",
        "a/./b",
        "./a",
        ".",
        "a//b",
        "a/",
        "a/..",
        "a/../../b",
        "%00",
        "a%00b",
        "a%00.zip",
        "a%0ab",
        "a%0db",
        "%7f",
        "a%09b",
        "a%1b[2J",
        "%ff",
        "a%ff%feb",
        "%c0%ae%c0%ae/a",
        "%e2%80%a5/a",
        "%ef%bc%8e%ef%bc%8e/a",
        "%252e%252e%252fa",
        "%25%32%65",
        "~",
        "~root/a",
        "$HOME",
        "%24%28id%29",
        "%60id%60",
        "a%3Bid",
        "a%7Cid",
        "-rf",
        "C:%5ca",
        "%5c%5chost%5cshare",
        "CON",
        "a%3Fb",
        "a%23b",
        "a%26b%3Cc%3E%22%27",
        "a+b",
        &long,
        &deep,
    ];
    assert!(keys.len() >= 50);
    let (mut kept, mut refused) = (0, 0);
    for key in keys {
        let (answer, before) =
            (server.send(&put(&format!("/s3/code/{key}"), "content")), server.footprint());
        match answer.status {
            200 => kept += 1,
            400 | 404 => refused += 1,
            status => panic!("{key}: {status} {}", answer.text()),
        }
        if answer.status == 200 && !matches!(key, "/" | "//") {
            let got = server.send(&Request::get(&format!("/s3/code/{key}")));
            assert_eq!((got.status, got.text()), (200, "content".to_owned()), "{key}");
        }
        assert_eq!(server.footprint(), before, "{key}");
    }
    assert!(kept > 20 && refused >= 10, "{kept} kept, {refused} refused");
    // Every stored object is a file in the inbox, named by the server.
    let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let inbox = files(&server.data().join("inbox"));
    assert!(inbox.iter().map(name).all(|name| uuid::Uuid::try_parse(&name).is_ok()), "{inbox:?}");
    let outside: Vec<String> = files(&server.data())
        .into_iter()
        .filter(|path| !inbox.contains(path) && !name(path).starts_with("catalog."))
        .collect();
    let own = |path: &String| path.ends_with("/lock") || path.ends_with("/reserve");
    assert!(outside.iter().all(own), "{outside:?}");
}

#[test]
fn objects_are_isolated_by_tenant_and_role() {
    let server = server();
    let mine = send(&server, WRITER, put("/s3/code/mine", "secret"));
    assert_eq!(mine.status, 200, "{}", mine.text());
    let before = server.footprint();
    for (key, request, code) in [
        (OTHER, Request::get("/s3/code/mine"), "NoSuchKey"),
        (READER, put("/s3/code/mine", "other"), "AccessDenied"),
        (READER, Request::new("DELETE", "/s3/code/mine"), "AccessDenied"),
        (READER, Request::new("PUT", "/s3/new"), "AccessDenied"),
    ] {
        let answer = send(&server, key, request);
        assert!(answer.text().contains(code), "{code}: {}", answer.text());
    }
    // Deleting another tenant's object is deleting a missing object.
    assert_eq!(send(&server, OTHER, Request::new("DELETE", "/s3/code/mine")).status, 204);
    let listed = send(&server, OTHER, Request::get("/s3/code"));
    assert!(listed.status == 200 && !listed.text().contains("mine"), "{}", listed.text());
    let buckets = send(&server, OTHER, Request::get("/s3/"));
    assert!(!buckets.text().contains("code"), "{}", buckets.text());
    assert_eq!(server.footprint(), before);
    assert_eq!(send(&server, READER, Request::get("/s3/code/mine")).text(), "secret");
}

#[test]
fn copies_stay_within_the_tenant_and_need_a_role_and_a_signed_source() {
    let server = server();
    let mine = send(&server, WRITER, put("/s3/code/mine", "secret"));
    assert_eq!(mine.status, 200, "{}", mine.text());
    let copy =
        |source: &str| Request::new("PUT", "/s3/code/copy").header("x-amz-copy-source", source);
    let before = server.footprint();
    for (key, code) in [(OTHER, "NoSuchKey"), (READER, "AccessDenied")] {
        let answer = send(&server, key, copy("/code/mine"));
        assert!(answer.text().contains(code), "{code}: {}", answer.text());
    }
    // A source that is not among the signed headers, and one that is not the signed one.
    let mut added = s3::S3.sign(WRITER, put("/s3/code/copy", ""), server.base(), server.now());
    added.headers.extend(copy("/code/mine").headers);
    let answer = server.send(&added);
    assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
    let mut changed = s3::S3.sign(WRITER, copy("/code/none"), server.base(), server.now());
    changed.headers[0].1 = "/code/mine".to_owned();
    let answer = server.send(&changed);
    assert!(answer.text().contains("SignatureDoesNotMatch"), "{}", answer.text());
    assert_eq!(server.footprint(), before);
    assert_eq!(send(&server, WRITER, copy("/code/mine")).status, 200);
    assert_eq!(send(&server, READER, Request::get("/s3/code/copy")).text(), "secret");
}

#[test]
fn full_inbox_refuses_new_objects_and_keeps_old_ones() {
    let server = TestServer::start_with(|config| config.inbox_max = Some(4096 + 10));
    assert_eq!(server.send(&put("/s3/code/a", "12345")).status, 200);
    let before = server.footprint();
    let answer = server.send(&put("/s3/code/b", "123456"));
    assert!(answer.text().contains("QuotaExceeded") && answer.text().contains("4106"));
    assert_eq!(server.footprint(), before);
    assert_eq!(server.send(&put("/s3/code/a", "1234567890")).status, 200);
}

#[test]
fn signed_requests_without_the_s3_path_are_accepted() {
    let server = server();
    // `/layers` is another cloud's list; for a client of S3 it is a bucket.
    for path in ["/layers/x/versions", "/code/demo.zip", "/api/v1/layers/demo/versions"] {
        let answer = send(&server, WRITER, put(path, path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let got = send(&server, READER, Request::get(&format!("/s3{path}")));
        assert_eq!(got.text(), path);
        let mut moved = s3::S3.sign(WRITER, Request::get(path), server.base(), server.now());
        moved.path = format!("/s3{path}");
        let answer = server.send(&moved);
        assert!(answer.text().contains("SignatureDoesNotMatch"), "{}", answer.text());
    }
    let listed = send(&server, READER, Request::get("/")).text();
    assert!(listed.contains("<Name>layers</Name>"), "{listed}");
    let unsigned = server.send(&put("/code/demo.zip", "x"));
    assert!(unsigned.status >= 400 && !unsigned.text().contains("ETag"), "{}", unsigned.text());
}

#[test]
fn escaped_slash_after_the_bucket_is_a_slash() {
    let server = server();
    for path in ["/s3/code%2Fdemo.zip", "/s3/code%2fother.zip", "/s3%2Fcode/third.zip"] {
        let answer = send(&server, WRITER, put(path, "content"));
        if answer.status == 200 {
            let got = send(&server, WRITER, Request::get(path));
            assert_eq!(got.text(), "content", "{path}");
        }
    }
    assert_eq!(send(&server, WRITER, Request::get("/s3/code/demo.zip")).text(), "content");
}

#[test]
fn unsigned_content_encoding_is_ignored() {
    let server = server();
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    let added = [("Content-Encoding", "aws-chunked"), ("x-amz-meta-more", "1")];
    for (name, value) in added {
        let request = put("/s3/code/plain", chunks);
        let signed = s3::S3.sign(WRITER, request, server.base(), server.now()).header(name, value);
        let answer = server.send(&signed);
        assert_eq!(answer.status, if name == "Content-Encoding" { 200 } else { 403 });
    }
    assert_eq!(send(&server, WRITER, Request::get("/s3/code/plain")).text(), chunks);
}

#[test]
fn bodies_with_too_many_entries_are_refused() {
    let server = TestServer::start();
    let parts = "<Part/>".repeat(10_001);
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let complete = Request::new("POST", "/s3/code/a?uploadId=x").body(body.into_bytes());
    let answer = server.send(&complete).text();
    assert!(answer.contains("InvalidArgument") && answer.contains("10001"), "{answer}");
    let objects = "<Object><Key>a</Key></Object>".repeat(1001);
    let delete = Request::new("POST", "/s3/code?delete")
        .body(format!("<Delete>{objects}</Delete>").into_bytes());
    let answer = server.send(&delete).text();
    assert!(answer.contains("InvalidArgument") && answer.contains("1001"), "{answer}");
}

#[test]
fn cross_site_request_is_refused_while_auth_is_off() {
    let server = TestServer::start();
    assert_eq!(server.send(&put("/s3/code/a", "a")).status, 200);
    let before = server.footprint();
    let delete = "<Delete><Object><Key>a</Key></Object></Delete>";
    for site in ["cross-site", "same-origin"] {
        let request =
            Request::new("POST", "/s3/code?delete").header("Sec-Fetch-Site", site).body(delete);
        let answer = server.send(&request);
        assert_eq!(answer.status, if site == "cross-site" { 400 } else { 200 }, "{site}");
        assert_eq!(server.footprint() == before, site == "cross-site");
    }
}

#[test]
fn paged_listing_is_complete_for_any_keys() {
    let server = TestServer::start();
    let mut keys: Vec<String> = (0..40).map(|at| format!("d{at:02}/x")).collect();
    keys.extend((0..40).map(|at| format!("d{at:02}/y")));
    keys.extend(["a/%F4%8F%BF%BFx", "a/b", "b", "z/%EF%BF%BD"].map(str::to_owned));
    for key in &keys {
        assert_eq!(server.send(&put(&format!("/s3/code/{key}"), "x")).status, 200, "{key}");
    }
    let between = |text: &str, tag: &str| -> Vec<String> {
        let tag = format!("<{tag}>");
        text.split(&tag)
            .skip(1)
            .map(|part| part.split('<').next().unwrap_or_default().to_owned())
            .collect()
    };
    for page in [1, 7, 1000] {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/s3/code?list-type=2&delimiter=/&max-keys={page}{token}");
            let text = server.send(&Request::get(&path)).text();
            found.extend(between(&text, "Key"));
            found.extend(between(&text, "Prefix").into_iter().filter(|prefix| !prefix.is_empty()));
            assert!(found.len() <= 43, "{page}: {found:?}");
            match between(&text, "NextContinuationToken").pop() {
                Some(next) => token = format!("&continuation-token={next}"),
                None => break,
            }
        }
        found.sort();
        let folders = (0..40).map(|at| format!("d{at:02}/"));
        let mut wanted: Vec<String> = folders.chain(["a/", "b", "z/"].map(str::to_owned)).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{page}");
    }
}

#[test]
fn large_body_to_an_unknown_path_is_answered() {
    let server = TestServer::start();
    // More than the socket buffers of both sides hold.
    let body = vec![7; 8 << 20];
    for path in ["/nothing/here", "/api/v1/none"] {
        let answer = server.send(&put(path, body.clone()));
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
}

/// Both ends of a signed address's time are part of it. The signature itself is wrong, which is
/// looked at last.
#[test]
fn a_signed_address_is_valid_to_the_second() {
    let (server, signed) = (server(), server::START);
    let path = format!(
        "/s3/code/a.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=WRITER01%2F20260101%2F\
         local%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&\
         X-Amz-SignedHeaders=host&X-Amz-Signature={}",
        "0".repeat(64)
    );
    for (seconds, code) in [
        (-901, "RequestTimeTooSkewed"),
        (-900, "SignatureDoesNotMatch"),
        (60, "SignatureDoesNotMatch"),
        (61, "AccessDenied"),
    ] {
        server.set_clock(Timestamp::from_second(signed + seconds).unwrap());
        let answer = server.send(&Request::get(&path));
        assert!(answer.text().contains(&format!("<Code>{code}</Code>")), "{}", answer.text());
    }
}

#[test]
fn a_range_that_cannot_be_read_is_ignored() {
    let server = TestServer::start();
    let put = Request::new("PUT", "/s3/code/a").body(b"0123456789".as_slice());
    assert_eq!(server.send(&put).status, 200);
    let get = |ranges: &[&str]| {
        let request = Request::get("/s3/code/a");
        let request = ranges.iter().fold(request, |request, range| request.header("Range", range));
        let answer = server.send(&request);
        (answer.status, answer.text())
    };
    let whole = (200, "0123456789".to_owned());
    for range in ["bytes=9-3", "bytes=0-1,5-6", "abc", "octets=0-1", "bytes=+1-2", "bytes=-"] {
        assert_eq!(get(&[range]), whole, "{range}");
    }
    assert_eq!(get(&["bytes=0-1", "bytes=2-3"]), whole);
    assert_eq!(get(&["bytes=2-3"]), (206, "23".to_owned()));
    assert_eq!(get(&["bytes=-99"]), (206, whole.1.clone()));
    assert_eq!(get(&["bytes=7-99"]), (206, "789".to_owned()));
    assert_eq!(get(&["bytes=10-"]).0, 416);
}

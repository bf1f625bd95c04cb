//! Buckets that are folders: no key leads out of one or blocks the server, and refused requests
//! leave nothing behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use layerbase::config::{Bucket, BucketLocation};
use layerbase::domain::{BucketName, Caller, ObjectInfo, ObjectRef, TenantId};
use layerbase::ingest::Spool;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::{Answer, Request, TestServer, zips};

/// Starts a server whose bucket `code` has links, pipes and sockets that an attacker could have put
/// there, beside zips that no key may reach.
fn server() -> TestServer {
    let server = TestServer::start();
    let zip = zips::vector("tencent");
    for place in ["code/in.zip", "code/folder/deep.zip", "code/...", "other/secret.zip"] {
        server.put_object(place, &zip);
    }
    let buckets = server.data().join("buckets");
    fs::write(server.data().join("outside.zip"), &zip).unwrap();
    let code = buckets.join("code");
    symlink(server.data().join("outside.zip"), code.join("absolute.zip")).unwrap();
    symlink("../../outside.zip", code.join("relative.zip")).unwrap();
    symlink("in.zip", code.join("same.zip")).unwrap();
    symlink("folder", code.join("folders")).unwrap();
    symlink("..", code.join("up")).unwrap();
    symlink("../other", code.join("neighbour")).unwrap();
    symlink("/proc/self", code.join("proc")).unwrap();
    symlink("loop", code.join("loop")).unwrap();
    symlink("code", buckets.join("linked")).unwrap();
    fs::write(buckets.join("file"), &zip).unwrap();
    let (mode, device) = (rustix::fs::Mode::from(0o600), 0);
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, code.join("pipe.zip"), pipe, mode, device).unwrap();
    drop(UnixListener::bind(code.join("socket.zip")).unwrap());
    server
}

fn publish(server: &TestServer, query: &str) -> Answer {
    server.send(&Request::new("POST", &format!("/api/v1/layers/demo/versions?{query}")))
}

/// Checks that a request is refused as the client's error and changes nothing.
fn assert_refused(server: &TestServer, query: &str) {
    let before = server.footprint();
    let answer = publish(server, query);
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    let fine =
        matches!((answer.status, code.as_str()), (400, "invalid_value") | (404, "not_found"));
    assert!(fine, "{query}: {} {}", answer.status, answer.text());
    assert_eq!(server.footprint(), before, "{query}");
}

#[test]
fn hostile_keys_neither_leave_the_folder_nor_block() {
    let server = server();
    let outside = server.data().join("outside.zip").display().to_string();
    let long = "k".repeat(1024);
    let deep = "a/".repeat(511) + "b";
    let keys = [
        "..",
        ".",
        "/",
        "//",
        "../outside.zip",
        "../../outside.zip",
        "../other/secret.zip",
        "folder/../../other/secret.zip",
        "folder/../in.zip",
        "folder/..",
        "./in.zip",
        "folder/./deep.zip",
        "folder//deep.zip",
        "/in.zip",
        "in.zip/",
        "in.zip/.",
        "in.zip/..",
        "in.zip/x",
        "//etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        &outside,
        "..\\outside.zip",
        "..\\..\\outside.zip",
        "folder\\deep.zip",
        "C:\\outside.zip",
        "%2e%2e%2foutside.zip",
        "%2e%2e/outside.zip",
        "..%2foutside.zip",
        "..%c0%afoutside.zip",
        "\u{ff0e}\u{ff0e}/outside.zip",
        "\u{2025}/outside.zip",
        "\u{2024}\u{2024}/outside.zip",
        "..\u{2215}outside.zip",
        "..\u{ff0f}outside.zip",
        "..;/outside.zip",
        ".. /outside.zip",
        "....//outside.zip",
        "~/outside.zip",
        "$HOME/outside.zip",
        "file:///etc/passwd",
        "in.zip\0",
        "in.zip\0.png",
        "in.zip\n",
        "in.zip ",
        "IN.ZIP",
        "absolute.zip",
        "relative.zip",
        "same.zip",
        "folders/deep.zip",
        "up/other/secret.zip",
        "neighbour/secret.zip",
        "proc/environ",
        "proc/cwd/Cargo.toml",
        "loop",
        "loop/x",
        "pipe.zip",
        "socket.zip",
        "folder",
        "folder/",
        &long,
        &format!("{long}k"),
        &deep,
        "",
    ];
    for key in keys {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC);
        assert_refused(&server, &format!("bucket=code&object={key}"));
    }
    for key in ["../outside.zip", "..%2foutside.zip", "%2e%2e%2foutside.zip", "%2E%2E/outside.zip"]
    {
        assert_refused(&server, &format!("bucket=code&object={key}"));
    }
    for bucket in ["..", ".", "", "code/folder", "%2e%2e", "/", "code%00", "linked", "file", "CODE"]
    {
        assert_refused(&server, &format!("bucket={bucket}&object=in.zip"));
    }
    for key in ["in.zip", "folder/deep.zip", "..."] {
        let answer = publish(&server, &format!("bucket=code&object={key}"));
        assert_eq!(answer.status, 201, "{key}: {}", answer.text());
    }
}

#[test]
fn configured_folder_may_be_a_link_and_replaces_the_default_folder() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("real")).unwrap();
    fs::write(elsewhere.path().join("real/in.zip"), zips::vector("huawei")).unwrap();
    symlink("real", elsewhere.path().join("link")).unwrap();
    let map = |folder: &str| Bucket {
        place: BucketLocation::Folder(elsewhere.path().join(folder)),
        tenants: None,
    };
    let server = TestServer::start_with(|config| {
        config.buckets.insert(BucketName::parse("code").unwrap(), map("link"));
        config.buckets.insert(BucketName::parse("gone").unwrap(), map("gone"));
    });
    server.put_object("code/only-here.zip", &zips::vector("tencent"));
    server.put_object("gone/in.zip", &zips::vector("tencent"));
    let answer = publish(&server, "bucket=code&object=in.zip");
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["size"], zips::vector("huawei").len());
    assert_refused(&server, "bucket=code&object=only-here.zip");
    let before = server.footprint();
    let answer = publish(&server, "bucket=gone&object=in.zip");
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(
        answer.json()["detail"],
        "the bucket 'gone' cannot be read: its folder cannot be read"
    );
    assert_eq!(server.footprint(), before);
}

#[test]
fn unreadable_object_is_answered_502() {
    let server = TestServer::start();
    server.put_object("code/in.zip", &zips::vector("tencent"));
    let path = server.data().join("buckets/code/in.zip");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        // Root can read every file.
        return;
    }
    let before = server.footprint();
    let answer = publish(&server, "bucket=code&object=in.zip");
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(server.footprint(), before);
}

#[test]
fn version_does_not_depend_on_its_object() {
    let server = TestServer::start();
    let zip = zips::stored(&[("large.bin", &vec![7; 3 << 20])]);
    server.put_object("code/in.zip", &zip);
    let answer = publish(&server, "bucket=code&object=in.zip");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let link = answer.json()["download_url"].as_str().unwrap().to_owned();
    server.put_object("code/in.zip", &zips::vector("tencent"));
    assert!(server.send(&Request::get(&link)).body == zip);
    fs::remove_dir_all(server.data().join("buckets")).unwrap();
    assert!(server.send(&Request::get(&link)).body == zip);
    let files = server.footprint().files;
    assert!(files.iter().all(|file| !file.contains("incoming")), "{files:?}");
}

/// Puts an object into the inbox of a tenant.
fn put(server: &TestServer, tenant: &str, (bucket, key): (&str, &str), bytes: Vec<u8>) {
    let by = Caller::new_anonymous(TenantId::parse(tenant).unwrap());
    let (at, body) = (ObjectRef::parse(bucket, key).unwrap(), Spool::from_bytes(bytes.into()));
    server.local().put_object(&by, at, ObjectInfo::default(), body).unwrap();
}

#[test]
fn inbox_takes_precedence_over_the_bucket_map() {
    let server = TestServer::start();
    let (put_there, mapped) = (zips::vector("huawei"), zips::vector("tencent"));
    server.put_object("code/both.zip", &mapped);
    server.put_object("code/mapped.zip", &mapped);
    put(&server, "default", ("code", "both.zip"), put_there.clone());
    put(&server, "default", ("inbox", "../in.zip"), put_there.clone());
    put(&server, "default", ("inbox", "large.zip"), zips::stored(&[("a", &vec![1; 2 << 20])]));
    put(&server, "other", ("theirs", "in.zip"), put_there.clone());
    put(&server, "other", ("code", "theirs.zip"), put_there.clone());
    for (query, size) in [
        ("bucket=code&object=both.zip", put_there.len()),
        ("bucket=code&object=mapped.zip", mapped.len()),
        ("bucket=inbox&object=..%2Fin.zip", put_there.len()),
    ] {
        let answer = publish(&server, query);
        assert_eq!(answer.status, 201, "{query}: {}", answer.text());
        assert_eq!(answer.json()["size"], size, "{query}");
    }
    let answer = publish(&server, "bucket=inbox&object=large.zip");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let before = server.footprint();
    for (query, detail) in [
        ("bucket=inbox&object=none.zip", "object 'none.zip' of 'inbox' does not exist"),
        ("bucket=code&object=theirs.zip", "object 'theirs.zip' of 'code' does not exist"),
        ("bucket=theirs&object=in.zip", "bucket 'theirs' does not exist"),
    ] {
        let answer = publish(&server, query);
        assert_eq!((answer.status, &answer.json()["detail"]), (404, &detail.into()), "{query}");
    }
    assert_eq!(server.footprint(), before);
}

#[test]
fn fetch_timeout_applies_to_folders() {
    let server = TestServer::start_with(|config| {
        config.max_upload = Some(1 << 40);
        config.fetch_timeout = Some(Duration::from_millis(50));
    });
    server.put_object("code/endless.zip", b"PK");
    // A sparse file: no blocks on the disk, but all its bytes can be read.
    let path = server.data().join("buckets/code/endless.zip");
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 36).unwrap();
    let before = server.footprint();
    let answer = publish(&server, "bucket=code&object=endless.zip");
    assert_eq!(answer.status, 502, "{}", answer.text());
    let detail = "the bucket 'code' cannot be read: the copy took too long";
    assert_eq!(answer.json()["detail"], detail);
    assert_eq!(server.footprint(), before);
}

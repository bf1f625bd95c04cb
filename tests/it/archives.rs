//! Archives over HTTP: what is kept comes back byte for byte, and a damaged one leaves nothing.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::clouds::Layers;
use crate::clouds::openyuanrong::OpenYuanrong;
use crate::support::{Request, TestServer, zips};

fn publish(zip: &[u8]) -> Request {
    Request::new("POST", "/api/v1/layers/demo/versions").body(zip)
}

/// Bytes that do not repeat, too many to stay in memory while they arrive.
fn noise() -> Vec<u8> {
    (0_u32..100_000).flat_map(|number| number.wrapping_mul(0x9E37_79B9).to_be_bytes()).collect()
}

#[test]
fn links_that_lead_out_come_back_unchanged() {
    let options = SimpleFileOptions::default();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("index.mjs", options).unwrap();
    writer.write_all(b"import 'x'\n").unwrap();
    for (name, target) in [
        ("node_modules", "/opt/nodejs/node_modules"),
        ("venv/bin/python3", "/usr/bin/python3"),
        ("packages/b/node_modules/a", "../../../a"),
        ("out", "../../shared"),
        ("lib/libx.so", "../lib/pkg/../libx.so.1"),
    ] {
        writer.add_symlink(name, target, options).unwrap();
    }
    let zip = writer.finish().unwrap().into_inner();
    let server = TestServer::start();
    let published = server.send(&publish(&zip));
    assert_eq!(published.status, 201, "{}", published.text());
    let link = published.json()["download_url"].as_str().unwrap().to_owned();
    assert_eq!(Request::get(&link).send("").body, zip);
}

#[test]
fn a_padded_archive_comes_back_unchanged() {
    // bsdtar fills up the last block of 10,240 bytes when it writes to a pipe.
    let mut zip = zips::stored(&[("a.py", b"1")]);
    zip.resize(10_240, 0);
    let server = TestServer::start();
    let published = server.send(&publish(&zip));
    assert_eq!(published.status, 201, "{}", published.text());
    let link = published.json()["download_url"].as_str().unwrap().to_owned();
    assert_eq!(Request::get(&link).send("").body, zip);
    // Other bytes could be the rest of something that was cut.
    let before = server.footprint();
    assert_eq!(server.send(&publish(&[&zip[..], b"\n"].concat())).status, 422);
    assert_eq!(server.footprint(), before);
}

#[test]
fn a_damaged_byte_leaves_nothing() {
    let mut zip = zips::stored(&[("a.so", &noise()), ("b.py", b"1")]);
    zip[200_000] ^= 0x55;
    let server = TestServer::start();
    let before = server.footprint();
    let refused = server.send(&publish(&zip));
    let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
    let wanted = "entry \"a.so\": has a content that does not match its CRC-32";
    assert_eq!((refused.status, detail.as_str()), (422, wanted));
    assert_eq!(server.footprint(), before);
    let trusting = TestServer::start_with(|config| config.check_content = false);
    assert_eq!(trusting.send(&publish(&zip)).status, 201);
}

#[test]
fn many_entries_are_kept_up_to_the_clouds_own_limit() {
    let names: Vec<String> =
        (0..30_001).map(|number| format!("d{}/{number}", number % 99)).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b"1"[..])).collect();
    let server = TestServer::start();
    let published = server.send(&publish(&zips::stored(&entries)));
    assert_eq!(published.status, 201, "{}", published.text());
    // openYuanrong's own limit is lower.
    let refused = server.send(&OpenYuanrong.publication("demo", &zips::stored(&entries)));
    let wanted = "zip file count [30001] is larger than 30000";
    assert_eq!(refused.json()["message"].as_str(), Some(wanted), "{}", refused.text());
}

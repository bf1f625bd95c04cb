//! Limits of a connection, and its end when the server shuts down.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::process::Process;
use crate::support::{Request, TestServer, raw, zips};

/// A timeout short enough to wait for in a test.
const SOON: Duration = Duration::from_millis(50);

const HALF_A_HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: ";

#[test]
fn incomplete_head_ends_the_connection() {
    let server = TestServer::start_with(|config| config.head_timeout = SOON);
    for half in [&b""[..], b"GET", HALF_A_HEAD] {
        let mut stream = raw::sent(server.base(), half);
        assert_eq!(raw::rest(&mut stream), b"", "{half:?}");
    }
    let mut stream = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut stream).status, 200);
    assert_eq!(raw::rest(&mut stream), b"", "nor does it wait for ever between two requests");
    assert_eq!(server.send(&Request::get("/healthz")).status, 200);
}

#[test]
fn oversized_head_is_answered_431() {
    let head = |length: usize| {
        let field = "x".repeat(length);
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Field: {field}\r\n\r\n").into_bytes()
    };
    for (limit, below, above) in [(64 << 10, 60_000, 66_000), (8 << 10, 8000, 8200)] {
        let server = TestServer::start_with(|config| config.max_head = limit);
        let mut stream = raw::sent(server.base(), &head(below));
        assert_eq!(raw::answer(&mut stream).status, 200, "{below}");
        stream.write_all(&head(above)).unwrap();
        assert_eq!(raw::answer(&mut stream).status, 431, "{above}");
        assert_eq!(raw::rest(&mut stream), b"");
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    }
}

#[test]
fn slow_body_is_refused_with_the_clouds_own_error() {
    let server = TestServer::start_with(|config| config.body_timeout = Some(SOON));
    assert_eq!(server.send(&Request::get("/api/v1/layers")).status, 200);
    let before = server.footprint();
    for (path, status, code) in [
        ("/api/v1/layers/demo/versions", 422, "/code"),
        ("/2023-03-30/layers/demo/versions", 400, "/Code"),
        ("/openapi/v1/layers/demo/versions", 200, "/error"),
    ] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        let mut stream = raw::sent(server.base(), head.as_bytes());
        // More than the server keeps in memory.
        stream.write_all(&[b' '; 300_000]).unwrap();
        let answer = raw::answer(&mut stream);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let body = answer.json();
        assert!(body.pointer(code).is_some_and(|code| code.is_string()), "{body}");
        assert!(body.to_string().contains("took too long"), "{body}");
        assert_eq!(server.footprint(), before, "{path}");
    }
}

#[test]
fn stalled_clients_do_not_block_others() {
    let server = TestServer::start();
    let stuck: Vec<TcpStream> = (0..40)
        .map(|number| match number % 2 {
            0 => raw::sent(server.base(), HALF_A_HEAD),
            _ => {
                let mut stream = raw::sent(server.base(), &raw::upload_head("stuck", 9_000_000));
                stream.write_all(&[7; 300_000]).unwrap();
                stream
            }
        })
        .collect();
    for number in 0..5 {
        let path = format!("/api/v1/layers/layer-{number}/versions");
        let published = server.send(&Request::new("POST", &path).body(zips::vector("tencent")));
        assert_eq!(published.status, 201, "{}", published.text());
        let listed = server.send(&Request::get("/api/v1/layers")).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), number + 1);
    }
    drop(stuck);
}

#[test]
fn excess_connection_waits_until_another_one_closes() {
    let server = TestServer::start_with(|config| config.max_connections = 2);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(&raw::get("/healthz")).unwrap();
        assert_eq!(raw::answer(stream).status, 200);
    };
    let mut inside: Vec<TcpStream> = (0..2).map(|_| raw::sent(server.base(), b"")).collect();
    inside.iter_mut().for_each(ask);
    let mut waiting = raw::sent(server.base(), &raw::get("/healthz"));
    waiting.set_nonblocking(true).unwrap();
    for _ in 0..50 {
        inside.iter_mut().for_each(ask);
        let refused = waiting.read(&mut [0]).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    }
    waiting.set_nonblocking(false).unwrap();
    drop(inside.pop());
    assert_eq!(raw::answer(&mut waiting).status, 200);
}

#[test]
fn silent_client_frees_its_connection() {
    let server = TestServer::start_with(|config| {
        config.max_connections = 1;
        config.head_timeout = SOON;
    });
    let silent = raw::sent(server.base(), b"");
    let mut other = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut other).status, 200);
    drop(silent);
}

#[test]
fn shutdown_waits_for_running_requests_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[]);
    let mut idle = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut idle).status, 200);
    let fresh = raw::sent(server.base(), b"");
    let zip = zips::stored(&[("a.txt", &[b'a'; 400_000])]);
    let (first, last) = zip.split_at(300_000);
    let mut upload = raw::sent(server.base(), &raw::upload_head("demo", zip.len()));
    upload.write_all(first).unwrap();
    // The upload is running once it has its file.
    let runs = |_| {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
        fs::read_dir(folder.path().join("incoming")).unwrap().count() > 0
    };
    assert!((0..20_000).any(runs));
    server.signal("TERM");
    assert_eq!(raw::rest(&mut idle), b"", "an idle connection is closed");
    upload.write_all(last).unwrap();
    let published = raw::answer(&mut upload);
    assert_eq!(published.status, 201, "{}", published.text());
    assert_eq!(server.end(), Some(0));
    drop(fresh);
}

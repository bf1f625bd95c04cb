//! Slow uploads do not block other clients, and oversized metadata is refused.

use std::io::Write;
use std::net::TcpStream;

use crate::support::process::Process;
use crate::support::{Request, TestServer, zips};

/// More uploads than the server has threads for blocking work.
const STALLED: usize = 80;

#[test]
fn stalled_uploads_do_not_block_other_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--max-uploads", "100"]);
    let address = server.base().trim_start_matches("http://");
    let stalled: Vec<TcpStream> = (0..STALLED)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: localhost\r\n\
                        Content-Length: 9000000\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&[7; 300_000]).unwrap();
            stream
        })
        .collect();
    // An upload gets its file as soon as it no longer fits into memory. The request between two
    // checks gives the server time to go on.
    let incoming = folder.path().join("incoming");
    let arrived = (0..20_000).any(|_| {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
        std::fs::read_dir(&incoming).unwrap().count() >= STALLED
    });
    assert!(arrived, "some uploads wait for others that stand still");
    assert_eq!(server.send(&Request::get("/readyz")).status, 200);
    let published = Request::new("POST", "/api/v1/layers/other/versions");
    let published = server.send(&published.body(zips::vector("tencent")));
    assert_eq!(published.status, 201, "{}", published.text());
    drop(stalled);
}

#[test]
fn stalled_upload_releases_its_permit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--max-uploads", "1"]);
    let mut stalled = TcpStream::connect(server.base().trim_start_matches("http://")).unwrap();
    let head = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: localhost\r\n\
                Content-Length: 9000000\r\n\r\n";
    stalled.write_all(head.as_bytes()).unwrap();
    stalled.write_all(&[7; 300_000]).unwrap();
    let incoming = folder.path().join("incoming");
    while std::fs::read_dir(&incoming).unwrap().count() == 0 {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    }
    // This body is too large for memory and needs the only permit.
    let other = Request::new("POST", "/api/v1/layers/other/versions").body(vec![7; 300_000]);
    let answer = server.send(&other);
    assert_eq!(answer.status, 422, "it was read whole: {}", answer.text());
    drop(stalled);
}

#[test]
fn slow_uploads_keep_no_permit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--max-uploads", "1"]);
    let mut slow = TcpStream::connect(server.base().trim_start_matches("http://")).unwrap();
    let head = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: localhost\r\n\
                Content-Length: 9000000\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&[7; 300_000]).unwrap();
    let incoming = folder.path().join("incoming");
    while std::fs::read_dir(&incoming).unwrap().count() == 0 {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    }
    let other = Request::new("POST", "/api/v1/layers/other/versions").body(vec![7; 300_000]);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| server.send(&other).status);
        // A byte for each round trip.
        while !other.is_finished() {
            slow.write_all(&[7]).unwrap();
            assert_eq!(server.send(&Request::get("/healthz")).status, 200);
        }
        assert_eq!(other.join().unwrap(), 422, "it was read whole");
    });
}

#[test]
fn oversized_metadata_is_refused_before_code_is_stored() {
    let server = TestServer::start();
    let text = |length: usize| "x".repeat(length);
    let send = |method: &str, path: &str, query: &str, body: &[u8]| {
        let path = format!("/api/v1/{path}?runtime=python3.10&handler=a.b&{query}");
        server.send(&Request::new(method, &path).body(body))
    };
    let zip = zips::vector("huawei");
    let made = send("POST", "functions/demo", "", &zip);
    assert_eq!(made.status, 201, "{}", made.text());
    let before = server.footprint();
    let other = zips::vector("tencent");
    let description = format!("description={}", text(4097));
    for (method, path, query, word) in [
        ("POST", "layers/demo/versions", format!("license={}", text(1025)), "license"),
        ("POST", "layers/demo/versions", description.clone(), "description"),
        ("POST", "layers/demo/versions", "runtime=x&".repeat(64), "runtimes"),
        ("POST", "functions/other", description.clone(), "description"),
        ("PUT", "functions/demo", description.clone(), "description"),
        ("POST", "functions/demo/versions", description, "description"),
    ] {
        let body = if path.starts_with("functions/demo/") { &[] } else { &other[..] };
        let answer = send(method, path, &query, body);
        assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("{word} may have at most")), "{detail}");
        assert_eq!(server.footprint(), before, "{method} {path}");
    }
}

//! What clients that send slowly, much or nonsense may take: never what others need.

use std::io::Write;
use std::net::TcpStream;

use crate::support::process::Process;
use crate::support::{Request, zips};

/// More than the server has threads for blocking work.
const STALLED: usize = 80;

#[test]
fn uploads_that_stand_still_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[]);
    let address = server.base().trim_start_matches("http://");
    let stalled: Vec<TcpStream> = (0..STALLED)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: x\r\n\
                        Content-Length: 9000000\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&[7; 300_000]).unwrap();
            stream
        })
        .collect();
    // Each has its file as soon as it no longer fits into memory; a question between two looks is
    // what lets the server go on.
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

//! openYuanrong's functions against a whole server: an upload beside an update.

use serde_json::json;

use crate::support::{Request, TestServer, zips};

/// Registers a function with the code of an object; returns its revision.
fn register(server: &TestServer) -> String {
    let function = json!({
        "name": "0@svc@fn", "runtime": "python3.9", "kind": "faas", "handler": "h.main", "cpu": 600,
        "memory": 512, "timeout": 30, "storageType": "s3",
        "s3CodePath": { "bucketId": "code", "objectId": "fn.zip" },
    });
    let answer = server.send(&Request::new("POST", "/serverless/v1/functions").json(&function));
    let revision = &answer.json()["function"]["revisionId"];
    revision.as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// An update without the object deletes its copy. An upload leaves the revision, so the update is
/// not refused for it.
///
/// Both requests read the function while another process keeps the writer waiting, and the upload
/// is the first to be written.
#[test]
fn an_update_does_not_delete_code_that_is_uploaded_at_the_same_time() {
    let server = TestServer::start();
    server.put_object("code/fn.zip", &zips::vector("openyuanrong"));
    let (zip, revision) = (zips::vector("tencent"), register(&server));
    let part = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n";
    let size = zip.len();
    let kind =
        format!("application/vnd.yuanrong+attachment;file-size={size};revision-id={revision}");
    let upload = Request::new("PUT", "/function-repository/v1/functions/0@svc@fn/code")
        .header("Content-Type", &kind)
        .header("X-Content-Type", "multipart/form-data; boundary=B")
        .header("X-Version", "latest")
        .body([part.as_bytes(), &zip, b"\r\n--B--\r\n"].concat());
    let update = Request::new("PUT", "/serverless/v1/functions/0@svc@fn").json(&json!({
        "kind": "faas", "revisionId": revision, "cpu": 600, "memory": 512, "timeout": 60,
        "storageType": "local", "codePath": "/opt/pkg",
    }));
    let before = server.footprint().files.len();
    let lock = rusqlite::Connection::open(server.data().join("catalog.sqlite")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let uploading = scope.spawn(|| server.send(&upload));
        // The code is stored before the writer is asked for its row.
        let is_stored = |_| server.footprint().files.len() >= before + 2;
        assert!((0..20_000).any(is_stored), "the code is not stored");
        give_time(&server);
        let updating = scope.spawn(|| server.send(&update));
        give_time(&server);
        lock.execute_batch("COMMIT").unwrap();
        for answer in [uploading.join().unwrap(), updating.join().unwrap()] {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    });
    let state = server.send(&Request::get("/api/v1/functions/fn?group=svc")).json();
    assert_eq!((&state["size"], &state["timeout"]), (&json!(size), &json!(60)), "{state}");
}

/// Sends requests, meanwhile those of other threads go on.
fn give_time(server: &TestServer) {
    for _ in 0..200 {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    }
}

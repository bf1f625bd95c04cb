//! The log of changes: every change has its line, under the vendor's name, and nothing else has.
//!
//! `golden` holds each of its cases against this too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Request, TestServer, zips};

/// How operations begin that change nothing.
const READS: [&str; 4] = ["Get", "Head", "List", "Show"];

/// What is done before an object is there, or leaves everything as it is.
const PREPARATIONS: [&str; 4] =
    ["CreateBucket", "CreateMultipartUpload", "DeleteBucket", "UploadPart"];

/// Whether an operation only reads.
pub fn reads(operation: &str) -> bool {
    READS.iter().any(|start| operation.starts_with(start))
}

/// Whether an operation changes something.
pub fn changes(operation: &str) -> bool {
    !reads(operation) && !PREPARATIONS.contains(&operation)
}

/// The lines that requests left, as dialect and operation.
pub fn lines(server: &TestServer) -> Vec<(String, String)> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let path = server.data().join("catalog.sqlite");
    let connection = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let sql = "SELECT dialect, operation FROM audit WHERE dialect <> 'local' ORDER BY sequence";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Whether the lines that a request left are those that it must leave: none when it was refused or
/// only reads, else one with its name.
pub fn check(new: &[(String, String)], operation: (&str, &str), status: u16) -> Result<(), String> {
    let (dialect, name) = operation;
    let fine = if changes(name) && (200..300).contains(&status) {
        new.iter().all(|line| (&*line.0, &*line.1) == (dialect, name)) && new.len() < 2
    } else {
        new.is_empty()
    };
    if fine { Ok(()) } else { Err(format!("{new:?} in the log of changes")) }
}

/// One change through each cloud, and how the log has it.
fn one_change_each() -> [(Request, &'static str, &'static str, &'static str); 6] {
    let code = zips::encode(&zips::vector("tencent"));
    let tencent = Request::new("POST", "/")
        .header("X-TC-Action", "PublishLayerVersion")
        .header("X-TC-Version", "2018-04-16")
        .json(&json!({"LayerName": "by-tencent", "CompatibleRuntimes": ["Python3.6"],
                      "Content": {"ZipFile": code}}));
    let alibaba = json!({"code": {"zipFile": code}, "compatibleRuntime": ["python3.10"]});
    let huawei = json!({"name": "by-huawei", "runtime": "Python3.9", "depend_type": "zip",
                        "depend_file": code});
    let openyuanrong = json!({"name": "0@svc@hello", "runtime": "python3.9", "kind": "faas",
                              "handler": "h.main", "cpu": 600, "memory": 512, "timeout": 30,
                              "storageType": "local", "codePath": "/opt/pkg"});
    let layer = |name: &str| format!("/layers/{name}/versions");
    [
        (
            Request::new("POST", &format!("/2023-03-30{}", layer("by-alibaba"))).json(&alibaba),
            "alibaba",
            "CreateLayerVersion",
            "layer/by-alibaba/1",
        ),
        (
            Request::new("POST", &format!("/openapi/v1{}", layer("by-ctyun")))
                .header("regionId", "r")
                .json(&alibaba),
            "ctyun",
            "CreateLayerVersion",
            "layer/by-ctyun/1",
        ),
        (
            Request::new("POST", "/v2/0123456789abcdef0123456789abcdef/fgs/dependencies/version")
                .json(&huawei),
            "huawei",
            "CreateDependencyVersion",
            "layer/by-huawei/1",
        ),
        (
            Request::new("POST", &format!("/api/v1{}", layer("by-native")))
                .body(zips::vector("tencent")),
            "native",
            "PublishLayerVersion",
            "layer/by-native/1",
        ),
        (
            Request::new("POST", "/admin/v1/functions").json(&openyuanrong),
            "openyuanrong",
            "RegisterFunction",
            "function/svc/hello",
        ),
        (tencent, "tencent", "PublishLayerVersion", "layer/by-tencent/1"),
    ]
}

#[test]
fn a_change_through_each_cloud_is_read_back() {
    let server = TestServer::start();
    let expected: Vec<Value> = one_change_each()
        .into_iter()
        .enumerate()
        .map(|(at, (request, dialect, operation, subject))| {
            let answer = server.send(&request);
            assert!((200..300).contains(&answer.status), "{dialect}: {}", answer.text());
            json!({"sequence": at + 1, "at": "2026-01-01T00:00:00Z", "tenant": "default",
                   "key": null, "dialect": dialect, "operation": operation, "subject": subject})
        })
        .collect();
    let mut log = server.send(&Request::get("/api/v1/log")).json();
    let mut requests = BTreeSet::new();
    for line in log["items"].as_array_mut().unwrap() {
        let id = line.as_object_mut().unwrap().remove("request_id").unwrap();
        assert!(requests.insert(id.as_str().unwrap().to_owned()), "{id} is there twice");
    }
    assert_eq!(log["items"], Value::Array(expected));
}

#[test]
fn the_log_names_the_request_that_the_client_was_told_of() {
    let server = TestServer::start();
    let publish = Request::new("POST", "/api/v1/layers/demo/versions");
    let answer = server.send(&publish.body(zips::vector("tencent")));
    let log = server.send(&Request::get("/api/v1/log")).json();
    assert_eq!(log["items"][0]["request_id"].as_str(), answer.header("X-Request-Id"));
}

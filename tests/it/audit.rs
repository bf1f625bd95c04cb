//! The log of changes: every change has its line, under the vendor's name, and nothing else has.
//!
//! `golden` holds each of its cases against this too.

use std::collections::BTreeSet;

use layerbase::dialects::{DIALECTS, Effect, Operation};
use serde_json::{Value, json};

use crate::clouds::{CLOUDS, Change};
use crate::support::{Request, TestServer, zips};

/// Returns a dialect's operation of this name from the table.
fn operation(dialect: &str, name: &str) -> Operation {
    let rows = DIALECTS.iter().filter(|row| row.name == dialect);
    let found = rows.flat_map(|row| (row.operations)()).find(|operation| operation.name == name);
    found.unwrap_or_else(|| panic!("{dialect} has no operation {name}"))
}

/// Whether an operation may change something.
pub fn writes(dialect: &str, name: &str) -> bool {
    operation(dialect, name).effect == Effect::Write
}

/// Whether an operation leaves a line when it succeeds.
pub fn is_logged(dialect: &str, name: &str) -> bool {
    let operation = operation(dialect, name);
    operation.effect == Effect::Write && operation.is_logged
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

/// The operation that leaves a line for each of several objects.
const OF_SEVERAL: &str = "DeleteObjects";

/// Whether the lines that a request left are those that it must leave: one with the operation's
/// name when a logged operation succeeds, else none.
///
/// A success that is `unchanged` has nothing to log; `golden` compares rows and files.
pub fn check(
    new: &[(String, String)],
    operation: (&str, &str),
    status: u16,
    unchanged: bool,
) -> Result<(), String> {
    let (dialect, name) = operation;
    let is_due = is_logged(dialect, name) && (200..300).contains(&status) && !unchanged;
    let fine = if is_due {
        let most = if name == OF_SEVERAL { usize::MAX } else { 1 };
        let is_own = |line: &(String, String)| (&*line.0, &*line.1) == (dialect, name);
        (1..=most).contains(&new.len()) && new.iter().all(is_own)
    } else {
        new.is_empty()
    };
    if fine { Ok(()) } else { Err(format!("{new:?} in the log of changes")) }
}

#[test]
fn a_logged_success_needs_its_line() {
    let own = [("s3".to_owned(), "DeleteObject".to_owned())];
    let other = [("s3".to_owned(), "PutObject".to_owned())];
    let with = |lines: &[(String, String)], status, unchanged| {
        check(lines, ("s3", "DeleteObject"), status, unchanged).is_ok()
    };
    assert!(with(&own, 204, false) && with(&[], 204, true) && with(&[], 400, true));
    assert!(!with(&[], 204, false) && !with(&other, 204, false) && !with(&own, 400, false));
    assert!(!with(&own, 204, true) && !with(&[own.clone(), own.clone()].concat(), 204, false));
    let read = |lines: &[(String, String)]| check(lines, ("s3", "GetObject"), 200, false).is_ok();
    assert!(read(&[]) && !read(&own));
}

#[test]
fn a_change_through_each_cloud_is_read_back() {
    let server = TestServer::start();
    let zip = zips::vector("tencent");
    let expected: Vec<Value> = CLOUDS
        .into_iter()
        .enumerate()
        .map(|(at, cloud)| {
            let dialect = cloud.name();
            let Change { request, operation, subject } = cloud.change(&zip);
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

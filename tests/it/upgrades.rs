//! Data folders of earlier schema versions: the server upgrades each fixture and answers as before.
//!
//! `tests/fixtures/make.py` makes a fixture with the release that wrote its version.

use std::fs;
use std::path::{Path, PathBuf};

use base64_simd::STANDARD;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::process::{self, Process};
use crate::support::server::Footprint;
use crate::support::{Answer, Request};

/// The secrets of the fixtures' keys.
const SECRETS: [(&str, &str); 2] =
    [("ADMIN001", "secret-of-the-admin"), ("WRITER01", "secret-of-the-writer")];

/// The first schema version with a fixture.
const FIRST: i64 = 3;

/// What differs between two answers follows one of these: links, and the request's id.
const DIFFERENT: [&str; 5] = [
    "http://127.0.0.1:",
    "\"request_id\":\"",
    "\"RequestId\":\"",
    "\"requestId\":\"",
    "<RequestId>",
];

/// Returns the fixtures with their schema versions.
fn fixtures() -> Vec<(i64, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let version = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix("schema-")?.to_owned();
        Some((name.parse().unwrap(), path))
    };
    entries.filter_map(version).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(path, to).unwrap() }
    }
}

fn schema_version(catalog: &Path) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let catalog = Connection::open_with_flags(catalog, flags).unwrap();
    catalog.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Returns the schema version that a new data folder gets.
fn current_version() -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(process::run(&["key", "add", "--data", data.to_str().unwrap()]).status.success());
    schema_version(&data.join("catalog.sqlite"))
}

fn serve(data: &Path, auth: &str) -> Process {
    Process::serve(data, &["--auth", auth, "--inbox-lifetime", "0"])
}

fn request(question: &Value) -> Request {
    let text = |field: &str| question[field].as_str();
    let mut request = Request::new(text("method").unwrap(), text("path").unwrap());
    for (name, value) in question["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    if let Some((key, secret)) = SECRETS.iter().find(|(key, _)| text("key") == Some(key)) {
        request = request.header("Authorization", &format!("Bearer {key}.{secret}"));
    }
    if let Some(body) = text("base64") {
        request = request.body(STANDARD.decode_to_vec(body).unwrap());
    }
    match &question["json"] {
        Value::Null => request,
        value => request.json(value),
    }
}

/// Cuts out what differs between two answers, up to a quote or the next tag.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for start in DIFFERENT {
        let mut parts = text.split(start);
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(['"', '<']).unwrap_or(part.len());
            plain.extend([start, &part[end..]]);
        }
        text = plain;
    }
    text
}

/// Asserts that an answer has all that was recorded; a later release may have added members.
fn assert_covers(now: &Value, recorded: &Value, what: &str) {
    match (now, recorded) {
        (Value::Object(now), Value::Object(recorded)) => {
            for (name, value) in recorded {
                assert_covers(
                    now.get(name).unwrap_or(&Value::Null),
                    value,
                    &format!("{what}/{name}"),
                );
            }
        }
        (Value::Array(now), Value::Array(recorded)) => {
            assert_eq!(now.len(), recorded.len(), "{what}");
            for (index, (now, recorded)) in now.iter().zip(recorded).enumerate() {
                assert_covers(now, recorded, &format!("{what}/{index}"));
            }
        }
        _ => assert_eq!(now, recorded, "{what}"),
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Downloads the code of every version in an answer of the native API; returns their number.
fn download_code(answer: &Value) -> usize {
    match (answer["download_url"].as_str(), answer) {
        (Some(url), _) => {
            let code = Request::get(url).send("");
            assert_eq!(hex_sha256(&code.body), answer["sha256"].as_str().unwrap(), "{url}");
            1
        }
        (None, Value::Object(members)) => members.values().map(download_code).sum(),
        (None, Value::Array(items)) => items.iter().map(download_code).sum(),
        _ => 0,
    }
}

/// Compares an answer with the recorded one; returns the number of codes that it led to.
fn compare(answer: &Answer, question: &Value) -> usize {
    let path = question["path"].as_str().unwrap();
    assert_eq!(answer.status, question["status"], "{path}: {}", answer.text());
    if let Some(only) = question["only"].as_str() {
        assert_eq!(answer.json()[only], question["answer"], "{path}");
    } else if let Some(sha256) = question["sha256"].as_str() {
        assert_eq!(hex_sha256(&answer.body), sha256, "{path}");
    } else {
        let (now, recorded) = (plain(&answer.text()), question["answer"].as_str().unwrap());
        match serde_json::from_str(recorded) {
            Ok(recorded) => assert_covers(&serde_json::from_str(&now).unwrap(), &recorded, path),
            Err(_) => assert_eq!(now, recorded, "{path}"),
        }
    }
    if path.starts_with("/api/") { download_code(&answer.json()) } else { 0 }
}

/// Has the server upgrade a copy of a fixture, and compares all answers.
fn upgrade(fixture: &Path, version: i64, current: i64) {
    let recorded = fs::read(fixture.join("recorded.json")).unwrap();
    let recorded: Value = serde_json::from_slice(&recorded).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy(&fixture.join("data"), &data);
    // Empty, so that a checkout does not have it.
    fs::create_dir_all(data.join("incoming")).unwrap();
    assert_eq!(schema_version(&data.join("catalog.sqlite")), version);
    let before = Footprint::of(&data);
    drop(serve(&data, "on"));

    for command in recorded["commands"].as_array().unwrap() {
        let arguments = command["arguments"].as_array().unwrap().iter();
        let arguments = arguments.map(|argument| argument.as_str().unwrap());
        let end = ["--json", "--data", data.to_str().unwrap()];
        let output = process::run(&arguments.chain(end).collect::<Vec<_>>());
        assert!(output.status.success(), "{output:?}");
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_covers(&printed, &command["output"], &command["arguments"].to_string());
    }
    let copy = data.join(format!("catalog.before-version-{current}.sqlite"));
    assert_eq!(schema_version(&data.join("catalog.sqlite")), current);
    let before_version = copy.exists().then(|| schema_version(&copy));
    assert_eq!(before_version, (version < current).then_some(version));

    let requests = recorded["requests"].as_array().unwrap();
    let (with_keys, without): (Vec<_>, Vec<_>) =
        requests.iter().partition(|question| question["key"].is_string());
    let mut codes = 0;
    for (auth, questions) in [("on", with_keys), ("off", without)] {
        let server = serve(&data, auth);
        assert!(questions.len() > 3);
        for question in questions {
            // The first publication comes after all reads.
            if !question["only"].is_string() {
                let now = Footprint::of(&data);
                assert_eq!(now.files, before.files, "no file is lost or new");
                for (table, rows) in &before.rows {
                    assert_eq!(now.rows.get(table), Some(rows), "{table}");
                }
            }
            codes += compare(&server.send(&request(question)), question);
        }
    }
    assert!(codes > 10, "the code of {codes} versions was compared");
}

#[test]
fn data_folders_of_earlier_versions_are_upgraded_and_answered_as_before() {
    let current = current_version();
    let (mut fixtures, folder) = (fixtures(), "tests/fixtures/schema-");
    fixtures.sort();
    for wanted in FIRST..current {
        let is_there = fixtures.iter().any(|(version, _)| *version == wanted);
        assert!(is_there, "make {folder}{wanted} with the last release of that version");
    }
    for (version, fixture) in &fixtures {
        upgrade(fixture, *version, current);
    }
}

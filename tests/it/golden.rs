//! Every case of `tests/golden/<dialect>/<Operation>/<case>.json`: requests, and the whole answer.
//!
//! The files are written by hand from the vendors' documents and never regenerated. A case is
//!
//! ```text
//! { "about":  "what it shows",
//!   "config": { "max_upload": 1000 },               optional settings, in bytes, seconds, numbers
//!   "keys":   [ { "id", "secret", "tenant": "default", "role": "write", "disabled": false } ],
//!                                                   authentication is on, and these are let in
//!   "objects": { "bucket/key": "vector" },          these lie in the folder of the bucket map;
//!                                                   { "text": "…" } in place of a vector is text
//!   "before": [ request, … ],                       each must be answered with 2xx, or "status"
//!   "request": { "method", "path", "headers": {}, "at": time, and one of
//!                "json": value | "text": "…" | "zip": vector | "base64": "…" },
//!   "unchanged": true,                              rows and files are as before the request
//!   "answer": { "status": 200, "headers": {}, "json": value | "text": "…" } }
//! ```
//! In requests `{{zip NAME}}` is the base64 of a vector and `{{NAME}}` a value that an earlier
//! request saved by `"save": { "NAME": "/json/pointer" }`, or by the XML tag before it, `"<Tag>"`. In
//! answers `{{any}}` is any text that is not empty, also inside a "text", `{{uuid}}` a UUID,
//! `{{number}}` any number, and `{{link NAME}}` a download link that serves exactly the bytes of that
//! vector. A header that must be absent is `null`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use layerbase::config::{Auth, Config};
use layerbase::domain::{KeyId, Role, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::audit;
use crate::support::{Answer, Request, TestServer, zips};

const CASES_AT_ONCE: usize = 4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every case file: dialect, operation, path.
pub fn cases() -> Vec<(String, String, PathBuf)> {
    let mut cases = Vec::new();
    for dialect in layerbase::config::DIALECTS {
        let Ok(operations) = fs::read_dir(folder().join(dialect)) else { continue };
        for operation in operations {
            let operation = operation.unwrap().path();
            for case in fs::read_dir(&operation).unwrap() {
                let name = operation.file_name().unwrap().to_string_lossy().into_owned();
                cases.push((dialect.to_owned(), name, case.unwrap().path()));
            }
        }
    }
    cases.sort();
    cases
}

fn run_all(dialect: &str) {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.0 == dialect).collect();
    assert!(!cases.is_empty(), "{dialect} has no golden case");
    let only = std::env::var("LAYERBASE_GOLDEN").unwrap_or_default();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let written = Mutex::new(BTreeSet::new());
    // Each case has a server of its own and mostly waits for the disk.
    std::thread::scope(|scope| {
        for _ in 0..CASES_AT_ONCE {
            scope.spawn(|| {
                while let Some((_, operation, path)) =
                    cases.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let name = format!("{operation}/{}", path.file_name().unwrap().display());
                    if !path.to_string_lossy().contains(&only) {
                        continue;
                    }
                    match run(path, (dialect, operation)) {
                        Ok(true) => drop(written.lock().unwrap().insert(operation.as_str())),
                        Ok(false) => {}
                        Err(failure) => failures.lock().unwrap().push(format!("{name}: {failure}")),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    let changing: BTreeSet<&str> = cases
        .iter()
        .map(|case| case.1.as_str())
        .filter(|operation| only.is_empty() && audit::changes(operation))
        .collect();
    assert!(written.into_inner().unwrap().is_superset(&changing), "some leave no line in the log");
}

macro_rules! dialects {
    ($($dialect:ident)*) => { $(
        #[test]
        fn $dialect() {
            run_all(stringify!($dialect));
        }
    )* };
}

dialects! { alibaba ctyun huawei native openyuanrong s3 tencent }

/// Runs one case; tells whether it left a line in the log of changes.
fn run(path: &Path, operation: (&str, &str)) -> Result<bool, String> {
    let case: Value = serde_json::from_slice(&fs::read(path).unwrap())
        .map_err(|failure| format!("the case is not JSON: {failure}"))?;
    let keys = case["keys"].as_array();
    let server = TestServer::start_with(|config| {
        if keys.is_some() {
            config.auth = Auth::On;
        }
        configure(config, &case["config"]);
    });
    for key in keys.into_iter().flatten() {
        let text = |name: &str, default| key[name].as_str().unwrap_or(default).to_owned();
        let role = Role::parse(&text("role", "write")).ok_or("no such role")?;
        server.add_key(&text("id", ""), &text("secret", ""), &text("tenant", "default"), role);
        if key["disabled"] == true {
            server.local().enable_key(&KeyId::parse(text("id", "")).unwrap(), false).unwrap();
        }
    }
    put_objects(&server, &case["objects"]);
    let mut saved = BTreeMap::new();
    for (number, step) in case["before"].as_array().into_iter().flatten().enumerate() {
        let answer = send(&server, step, &saved)?;
        check_step(number, step, &answer)?;
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let value = find(&answer, pointer.as_str().unwrap());
            let value = value
                .ok_or_else(|| format!("before[{number}] has no {pointer}: {}", answer.text()))?;
            saved.insert(name.clone(), value);
        }
    }
    let (before, lines) = (server.footprint(), audit::lines(&server).len());
    let answer = send(&server, &case["request"], &saved)?;
    audit::check(&server, lines, operation, answer.status)?;
    if case["unchanged"] == true && server.footprint() != before {
        return Err(format!("rows or files changed: {before:?} became {:?}", server.footprint()));
    }
    compare(&server, &case["answer"], &answer, &saved)?;
    Ok(audit::lines(&server).len() > lines)
}

/// What an answer has at a JSON pointer, or behind an XML tag.
fn find(answer: &Answer, pointer: &str) -> Option<String> {
    if pointer.starts_with('<') {
        let text = answer.text();
        return Some(text.split_once(pointer)?.1.split_once('<')?.0.to_owned());
    }
    let value = answer.json().pointer(pointer)?.clone();
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Whether a step before the request was answered as the case demands.
pub fn check_step(number: usize, step: &Value, answer: &Answer) -> Result<(), String> {
    let fine = match step["status"].as_u64() {
        Some(status) => u64::from(answer.status) == status,
        None => (200..300).contains(&answer.status),
    };
    if fine {
        return Ok(());
    }
    Err(format!("before[{number}] got {}: {}", answer.status, answer.text()))
}

/// Puts the objects that a case names into the folder of the bucket map.
pub fn put_objects(server: &TestServer, objects: &Value) {
    for (place, vector) in objects.as_object().into_iter().flatten() {
        match vector["text"].as_str() {
            Some(text) => server.put_object(place, text.as_bytes()),
            None => server.put_object(place, &zips::vector(vector.as_str().unwrap())),
        }
    }
}

/// Changes the settings that a case names.
pub fn configure(config: &mut Config, settings: &Value) {
    let number = |name| settings[name].as_u64();
    config.max_upload = number("max_upload");
    config.max_body = number("max_body");
    config.max_tenant_code = number("max_tenant_code");
    config.rate_limit = number("rate_limit").map(|limit| u32::try_from(limit).unwrap());
    config.ctyun_skew = number("ctyun_skew").map(Duration::from_secs);
}

fn send(
    server: &TestServer,
    step: &Value,
    saved: &BTreeMap<String, String>,
) -> Result<Answer, String> {
    if let Some(at) = step["at"].as_str() {
        server.set_clock(at.parse::<Timestamp>().map_err(|failure| failure.to_string())?);
    }
    Ok(server.send(&request(step, saved)))
}

/// Builds the request that a step describes.
pub fn request(step: &Value, saved: &BTreeMap<String, String>) -> Request {
    let text = |value: &Value| fill(value.as_str().unwrap_or_default(), saved);
    let mut request = Request::new(step["method"].as_str().unwrap_or("GET"), &text(&step["path"]));
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        request = request.header(name, &text(value));
    }
    if !step["json"].is_null() {
        request.body = fill(&step["json"].to_string(), saved).into_bytes();
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/json");
        }
    } else if !step["text"].is_null() {
        request.body = text(&step["text"]).into_bytes();
    } else if let Some(name) = step["zip"].as_str() {
        request.body = zips::vector(name);
    } else if !step["base64"].is_null() {
        request.body = zips::decode(&text(&step["base64"]));
    }
    request
}

/// Replaces `{{zip NAME}}` and `{{NAME}}`.
fn fill(text: &str, saved: &BTreeMap<String, String>) -> String {
    let mut filled = text.to_owned();
    for name in ["alibaba", "ctyun", "huawei", "openyuanrong", "tencent"] {
        filled = filled.replace(&format!("{{{{zip {name}}}}}"), zips::vector_base64(name));
    }
    for (name, value) in saved {
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    filled
}

fn compare(
    server: &TestServer,
    expected: &Value,
    answer: &Answer,
    saved: &BTreeMap<String, String>,
) -> Result<(), String> {
    let status = expected["status"].as_u64().ok_or("the case names no status")?;
    if u64::from(answer.status) != status {
        return Err(format!("status {} instead of {status}: {}", answer.status, answer.text()));
    }
    for (name, value) in expected["headers"].as_object().into_iter().flatten() {
        let same = match value.as_str() {
            Some(wanted) => answer.header(name).is_some_and(|value| is_like(server, wanted, value)),
            None => answer.header(name).is_none(),
        };
        if !same {
            return Err(format!("header {name} is {:?} instead of {value}", answer.header(name)));
        }
    }
    if let Some(text) = expected["text"].as_str() {
        let (actual, text) = (answer.text(), fill(text, saved));
        return if fits(&text, &actual) {
            Ok(())
        } else {
            Err(format!("body {actual:?} instead of {text:?}"))
        };
    }
    let expected: Value =
        serde_json::from_str(&fill(&expected["json"].to_string(), saved)).unwrap();
    let actual: Value = serde_json::from_slice(&answer.body)
        .map_err(|failure| format!("not JSON ({failure}): {}", answer.text()))?;
    same_json(server, &expected, &actual, "")
}

/// Whether a text is the wanted one; each `{{any}}` in that is any text that is not empty.
fn fits(wanted: &str, found: &str) -> bool {
    let mut parts = wanted.split("{{any}}");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let end = match parts.peek() {
            Some(_) => rest.find(part),
            None => rest.strip_suffix(part).map(str::len),
        };
        match end {
            Some(end) if end > 0 => rest = &rest[(end + part.len()).min(rest.len())..],
            _ => return false,
        }
    }
    rest.is_empty()
}

fn same_json(
    server: &TestServer,
    expected: &Value,
    actual: &Value,
    place: &str,
) -> Result<(), String> {
    let differ = || Err(format!("{place}: {actual} instead of {expected}"));
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(found)) => {
            for key in wanted.keys().chain(found.keys()) {
                match (wanted.get(key), found.get(key)) {
                    (Some(one), Some(other)) => {
                        same_json(server, one, other, &format!("{place}/{key}"))?
                    }
                    (Some(_), None) => return Err(format!("{place}/{key} is missing in {actual}")),
                    (None, _) => {
                        return Err(format!("{place}/{key} should not be there: {actual}"));
                    }
                }
            }
            Ok(())
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (one, other)) in wanted.iter().zip(found).enumerate() {
                same_json(server, one, other, &format!("{place}/{index}"))?;
            }
            Ok(())
        }
        (Value::String(wanted), Value::Number(_)) if wanted == "{{number}}" => Ok(()),
        (Value::String(wanted), Value::String(found)) if is_like(server, wanted, found) => Ok(()),
        _ if expected == actual => Ok(()),
        _ => differ(),
    }
}

/// Whether a text is the wanted one, or of the wanted kind.
fn is_like(server: &TestServer, wanted: &str, found: &str) -> bool {
    match wanted {
        "{{any}}" => !found.is_empty(),
        "{{uuid}}" => Uuid::try_parse(found).is_ok() && found.len() == 36,
        _ => match wanted.strip_prefix("{{link ").and_then(|rest| rest.strip_suffix("}}")) {
            Some(vector) => {
                let answer = Request::get(found).send("");
                found.starts_with(server.base())
                    && answer.status == 200
                    && answer.body == zips::vector(vector)
            }
            None => wanted == found,
        },
    }
}

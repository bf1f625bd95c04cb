//! Answers held against what a case demands of them, placeholders included.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::fill;
use crate::support::{Answer, Request, TestServer, zips};

/// Whether an answer is the one that a case demands.
pub fn compare(
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
        (Value::String(wanted), _) if wanted == "{{value}}" => Ok(()),
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
                // A link names the host that the request stated, where its port is another one.
                let Some((host, path)) = found.split_once("/code/") else { return false };
                let answer = server.send(&Request::get(&format!("/code/{path}")));
                host.starts_with("http://127.0.0.1:")
                    && answer.status == 200
                    && answer.body == zips::vector(vector)
            }
            None => wanted == found,
        },
    }
}

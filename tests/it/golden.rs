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
//!   "start":  "name",                               the steps of `_before/name.json` come first
//!   "before": [ request, … ],                       each must be answered with 2xx, or "status"
//!   "request": { "method", "path", "headers": {}, "at": time, and one of
//!                "json": value | "text": "…" | "zip": vector | "base64": "…" },
//!   "unchanged": true,                              rows and files are as before the request, and
//!                                                   a success of a logged operation has no line
//!   "answer": { "status": 200, "headers": {}, "json": value | "text": "…" } }
//! ```
//! In requests `{{zip NAME}}` is the base64 of a vector and `{{NAME}}` a value that an earlier
//! request saved by `"save": { "NAME": "/json/pointer" }`, or by the XML tag before it, `"<Tag>"`.
//! In answers `{{any}}` is any text that is not empty, also inside a "text", `{{uuid}}` a UUID,
//! `{{number}}` any number, and `{{link NAME}}` a download link that serves exactly the bytes of
//! that vector. A header that must be absent is `null`.
//!
//! Beside the operations a dialect's folder has `_auth/<Operation>/`, the cases with "keys", and
//! `_before/`, the starting points that three or more cases name.
//!
//! Cases that begin alike are a group and share a server: each finds it as the steps before its
//! request left it. A server on which a case has changed a row or a file is not used again.

mod case;
mod expect;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use layerbase::config::{Auth, Config};
use layerbase::domain::{KeyId, Role, Timestamp};
use serde_json::Value;

pub use case::Case;
use case::{cases, groups};

use crate::audit;
use crate::support::server::owner;
use crate::support::{Answer, Request, TestServer, Watch, zips};

const GROUPS_AT_ONCE: usize = 4;

/// The cases of every dialect.
pub fn all() -> Vec<Case> {
    case::dialects().iter().flat_map(|dialect| cases(dialect)).collect()
}

/// The part of a path that all cases to be run have in common; empty when every case is run.
fn only() -> String {
    std::env::var("LAYERBASE_GOLDEN").unwrap_or_default()
}

/// Runs the groups of a dialect's cases that are `wanted`, several at a time since they mostly wait
/// for the disk. Fails with the failures that `run` returns.
pub fn run_groups(
    dialect: &str,
    wanted: impl Fn(&Case) -> bool,
    run: impl Fn(&[Case]) -> Vec<String> + Sync,
) {
    let (only, mut cases) = (only(), cases(dialect));
    cases.retain(|case| case.path.to_string_lossy().contains(&only) && wanted(case));
    let groups = groups(cases);
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..GROUPS_AT_ONCE {
            scope.spawn(|| {
                while let Some(group) = groups.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let failed = run(group);
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn run_all(dialect: &str) {
    let (count, written) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let run_group = |group: &[Case]| {
        let (mut prepared, mut failures) = (None, Vec::new());
        for case in group {
            count.fetch_add(1, Ordering::SeqCst);
            match run(&mut prepared, case) {
                Ok(true) => drop(written.lock().unwrap().insert(case.operation.clone())),
                Ok(false) => {}
                Err(failure) => failures.push(format!("{}: {failure}", case.name())),
            }
        }
        failures
    };
    run_groups(dialect, |_| true, run_group);
    if only().is_empty() {
        let cases = cases(dialect);
        assert_eq!(count.into_inner(), cases.len());
        let operations = cases.into_iter().map(|case| case.operation);
        let logged: BTreeSet<String> =
            operations.filter(|name| audit::is_logged(dialect, name)).collect();
        let written = written.into_inner().unwrap();
        assert!(written.is_superset(&logged), "some leave no line in the log");
    }
}

macro_rules! dialects {
    ($($dialect:ident)*) => {
        const DIALECTS: &[&str] = &[$(stringify!($dialect)),*];

        $(
            #[test]
            fn $dialect() {
                run_all(stringify!($dialect));
            }
        )*
    };
}

dialects! { alibaba ctyun huawei native openyuanrong s3 tencent }

/// A server that has been sent everything that comes before a request.
struct Prepared {
    server: TestServer,
    saved: BTreeMap<String, String>,
    /// How many lines the log of changes has.
    lines: usize,
    watch: Watch,
}

impl Prepared {
    fn new(case: &Case) -> Result<Self, String> {
        let keys = case.value["keys"].as_array();
        let server = TestServer::start_with(|config| {
            if keys.is_some() {
                config.auth = Auth::On;
            }
            configure(config, &case.value["config"]);
        });
        for key in keys.into_iter().flatten() {
            let text = |name: &str, default| key[name].as_str().unwrap_or(default).to_owned();
            let role = Role::parse(&text("role", "write")).ok_or("no such role")?;
            server.add_key(&text("id", ""), &text("secret", ""), &text("tenant", "default"), role);
            if key["disabled"] == true {
                server
                    .local()
                    .enable_key(&owner(), &KeyId::parse(text("id", "")).unwrap(), false)
                    .unwrap();
            }
        }
        put_objects(&server, &case.value["objects"]);
        let saved = send_before(case, |step, saved| {
            set_clock(&server, step);
            Ok(server.send(&request(step, saved)))
        })?;
        let (lines, watch) = (audit::lines(&server).len(), Watch::new(server.data()));
        Ok(Self { server, saved, lines, watch })
    }
}

/// Runs one case on the server of the case before it, if there is one, and leaves its own there if
/// nothing has changed on it. Returns whether the case left a line in the log of changes.
fn run(prepared: &mut Option<Prepared>, case: &Case) -> Result<bool, String> {
    let on = prepared.take().map_or_else(|| Prepared::new(case), Ok)?;
    on.server.set_clock(case.time());
    let answer = on.server.send(&request(&case.value["request"], &on.saved));
    let change = on.watch.change();
    let mut lines = Vec::new();
    if change.is_some() {
        lines = audit::lines(&on.server).split_off(on.lines);
    }
    let unchanged = case.value["unchanged"] == true;
    audit::check(&lines, (&case.dialect, &case.operation), answer.status, unchanged)?;
    let may_change = !unchanged && audit::writes(&case.dialect, &case.operation);
    match &change {
        Some(change) if !may_change => return Err(format!("rows or files changed:\n  {change}")),
        _ => {}
    }
    expect::compare(&on.server, &case.value["answer"], &answer, &on.saved)?;
    if change.is_none() {
        *prepared = Some(on);
    }
    Ok(!lines.is_empty())
}

/// Sends the steps before a case's request; returns what they save.
pub fn send_before(
    case: &Case,
    send: impl Fn(&Value, &BTreeMap<String, String>) -> Result<Answer, String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut saved = BTreeMap::new();
    for (number, step) in case.before.iter().enumerate() {
        let answer = send(step, &saved)?;
        check_step(number, step, &answer)?;
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let value = find(&answer, pointer.as_str().unwrap());
            let value = value
                .ok_or_else(|| format!("before[{number}] has no {pointer}: {}", answer.text()))?;
            saved.insert(name.clone(), value);
        }
    }
    Ok(saved)
}

/// Sets the clock to the time that a step names, if it does.
pub fn set_clock(server: &TestServer, step: &Value) {
    if let Some(at) = step["at"].as_str() {
        server.set_clock(at.parse::<Timestamp>().unwrap());
    }
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
fn check_step(number: usize, step: &Value, answer: &Answer) -> Result<(), String> {
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

#[test]
fn every_case_is_run_once() {
    let groups = DIALECTS.iter().flat_map(|dialect| groups(cases(dialect)));
    let mut run: Vec<_> = groups.flatten().map(|case| case.path).collect();
    run.sort();
    let is_case = |path: &PathBuf| !path.parent().unwrap().ends_with(case::BEFORE);
    let files: Vec<_> = case::files().into_iter().filter(is_case).collect();
    assert_eq!(run, files);
}

#[test]
fn cases_about_signing_lie_apart() {
    for case in all() {
        let is_apart = case.path.iter().any(|part| part == case::AUTH);
        assert_eq!(case.value["keys"].is_array(), is_apart, "{}", case.path.display());
    }
}

#[test]
fn a_starting_point_has_three_cases() {
    let mut uses: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for case in all() {
        if let Some(path) = case.start() {
            *uses.entry(path).or_default() += 1;
        }
    }
    for path in case::files() {
        let is_start = path.parent().unwrap().ends_with(case::BEFORE);
        let count = uses.get(&path).copied().unwrap_or_default();
        assert!(!is_start || count >= 3, "{count} cases name {}", path.display());
    }
}

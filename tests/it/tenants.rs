//! Two tenants on one server, every operation: the one sees, counts, downloads, names and changes
//! nothing of the other's.
//!
//! The scenes are the golden cases: one tenant does what comes before the request, the other sends
//! the request. It must be answered as by a server on which nobody did anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use layerbase::config::Auth;
use layerbase::domain::{Role, Timestamp};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::golden;
use crate::support::sign::TestKey;
use crate::support::{Answer, TestServer};

const OWNER: TestKey = TestKey { id: "OWNER001", secret: "secret-of-the-owner", tenant: "default" };

const STRANGER: TestKey =
    TestKey { id: "STRANGER", secret: "secret-of-the-stranger", tenant: "stranger" };

const CASES_AT_ONCE: usize = 4;

/// What a dialect says to somebody whose signature it does not take.
const NOT_LET_IN: [&str; 11] = [
    "\"unauthorized\"",
    "AuthFailure",
    "a required parameter `Authorization`",
    "Authorization header cannot be read",
    "SignatureNotMatch",
    "InvalidAccessKeyID",
    "AccessDenied",
    "MissingRequiredHeader",
    "APIGW.0301",
    "CTAPI_100",
    "Authentication failed",
];

/// Fails for an answer that says that the signature was not taken.
fn let_in(answer: &Answer) -> Result<(), String> {
    let text = answer.text();
    match NOT_LET_IN.iter().any(|word| text.contains(word)) {
        true => Err(format!("not let in: {text}")),
        false => Ok(()),
    }
}

/// All rows of the owner.
const ROWS: [&str; 7] = [
    "SELECT * FROM tenants WHERE id = 'default'",
    "SELECT * FROM layers WHERE tenant = 'default'",
    "SELECT v.* FROM layer_versions v JOIN layers l ON l.id = v.layer WHERE l.tenant = 'default'",
    "SELECT * FROM functions WHERE tenant = 'default'",
    "SELECT v.* FROM function_versions v JOIN functions f ON f.id = v.function
     WHERE f.tenant = 'default'",
    "SELECT b.* FROM function_layers b JOIN functions f ON f.id = b.function
     WHERE f.tenant = 'default'",
    "SELECT * FROM audit WHERE tenant = 'default'",
];

fn server(case: &Value) -> TestServer {
    let server = TestServer::start_with(|config| {
        golden::configure(config, &case["config"]);
        config.auth = Auth::On;
    });
    for key in [OWNER, STRANGER] {
        server.add_key(key.id, key.secret, key.tenant, Role::Admin);
    }
    golden::put_objects(&server, &case["objects"]);
    server
}

fn send(
    server: &TestServer,
    dialect: &str,
    key: TestKey,
    step: &Value,
    saved: &BTreeMap<String, String>,
) -> Answer {
    if let Some(at) = step["at"].as_str() {
        server.set_clock(at.parse::<Timestamp>().unwrap());
    }
    let request = golden::request(step, saved);
    // Scenes begin with uploads through whichever dialect is at hand.
    let is_tencent = request.headers.iter().any(|(name, _)| name == "X-TC-Action");
    let dialect = match request.path.split('/').nth(1) {
        Some("api") => "native",
        Some("serverless") => "openyuanrong",
        _ if is_tencent => "tencent",
        _ => dialect,
    };
    server.send(&key.sign(dialect, request, server.base(), server.now()))
}

fn rows(server: &TestServer) -> Vec<String> {
    let path = server.data().join("catalog.sqlite");
    let catalog = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut all = Vec::new();
    for sql in ROWS {
        let mut statement = catalog.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            all.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    all
}

/// An answer without what differs between any two: the port, and ids that are drawn.
fn plain(server: &TestServer, answer: &Answer) -> String {
    let port = server.base().rsplit(':').next().unwrap().to_owned();
    let text = answer.text().replace(&port, "PORT");
    let mut plain = format!("{} ", answer.status);
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let is_id = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
        let length = rest.bytes().take_while(|byte| is_id(byte)).count();
        match length {
            0 => plain.push(first),
            32..=36 => plain.push('#'),
            _ => plain.push_str(&rest[..length]),
        }
        rest = &rest[length.max(if length == 0 { first.len_utf8() } else { 0 })..];
    }
    plain
}

fn run(dialect: &str, path: &Path) -> Result<(), String> {
    let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // A link is good for whoever has it; the object store's credentials are given out by the server,
    // and `oss.rs` has its tenants.
    let is_link =
        path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("own_link"));
    let signs =
        ["\"Authorization\":\"OSS ", "\"/_oss/"].map(|text| case.to_string().contains(text));
    let is_stores = signs.contains(&true);
    if !case["keys"].is_null() || is_link || is_stores {
        return Ok(());
    }
    let full = server(&case);
    let mut saved = BTreeMap::new();
    for (number, step) in case["before"].as_array().into_iter().flatten().enumerate() {
        let answer = send(&full, dialect, OWNER, step, &saved);
        golden::check_step(number, step, &answer)?;
        let_in(&answer)?;
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let value = answer.json().pointer(pointer.as_str().unwrap()).cloned();
            let value = value.ok_or_else(|| format!("{pointer} is missing: {}", answer.text()))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            saved.insert(name.clone(), text);
        }
    }
    let (before, files) = (rows(&full), full.footprint().files);
    let answer = send(&full, dialect, STRANGER, &case["request"], &saved);
    if before != rows(&full) {
        return Err(format!("the owner's rows changed: {}", answer.text()));
    }
    if let Some(lost) = files.iter().find(|file| !full.footprint().files.contains(file)) {
        return Err(format!("{lost} is gone"));
    }
    let headers = case["request"]["headers"].as_object();
    let signs =
        |name: &String| ["auth", "eop"].iter().any(|word| name.to_lowercase().contains(word));
    let has_own_signature = headers.is_some_and(|headers| headers.keys().any(signs));
    if !has_own_signature {
        let_in(&answer)?;
    }
    let empty = server(&case);
    empty.set_clock(full.now());
    let alone = send(&empty, dialect, STRANGER, &case["request"], &saved);
    match (plain(&full, &answer), plain(&empty, &alone)) {
        (one, other) if one == other => {}
        (one, other) => return Err(format!("{one}\n  instead of\n  {other}")),
    }
    // The owner is answered as if nobody else had asked.
    let answer = send(&full, dialect, OWNER, &case["request"], &saved);
    if has_own_signature {
        return Ok(());
    }
    let_in(&answer)?;
    if headers.is_some_and(|headers| headers.contains_key("X-Tenant-Id")) {
        // The key says whose request it is; what the header says is not looked at then.
        return Ok(());
    }
    match case["answer"]["status"].as_u64() {
        Some(status) if status == u64::from(answer.status) => Ok(()),
        wanted => Err(format!("{wanted:?} became {}: {}", answer.status, answer.text())),
    }
}

fn run_all(dialect: &str) {
    let cases: Vec<_> = golden::cases().into_iter().filter(|case| case.0 == dialect).collect();
    let only = std::env::var("LAYERBASE_GOLDEN").unwrap_or_default();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CASES_AT_ONCE {
            scope.spawn(|| {
                while let Some((_, operation, path)) =
                    cases.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    if path.to_string_lossy().contains(&only)
                        && let Err(failure) = run(dialect, path)
                    {
                        let name = path.file_name().unwrap().display();
                        failures.lock().unwrap().push(format!("{operation}/{name}: {failure}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn nothing_crosses_in_alibaba() {
    run_all("alibaba");
}

#[test]
fn nothing_crosses_in_ctyun() {
    run_all("ctyun");
}

#[test]
fn nothing_crosses_in_huawei() {
    run_all("huawei");
}

#[test]
fn nothing_crosses_in_native() {
    run_all("native");
}

#[test]
fn nothing_crosses_in_openyuanrong() {
    run_all("openyuanrong");
}

#[test]
fn nothing_crosses_in_tencent() {
    run_all("tencent");
}

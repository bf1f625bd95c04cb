//! Two tenants on one server, every operation: the one sees, counts, downloads, names and changes
//! nothing of the other's.
//!
//! The scenes are the golden cases: one tenant does what comes before the request, the other sends
//! the request. The answer must be that of a server without data.

use std::collections::BTreeMap;

use layerbase::config::Auth;
use layerbase::domain::Role;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::clouds;
use crate::golden::{self, Case};
use crate::support::sign::TestKey;
use crate::support::{Answer, TestServer, Watch};

const OWNER: TestKey = TestKey { id: "OWNER001", secret: "secret-of-the-owner", tenant: "default" };

const STRANGER: TestKey =
    TestKey { id: "STRANGER", secret: "secret-of-the-stranger", tenant: "stranger" };

/// Codes of the dialects for a signature that is refused.
const REFUSED: [&str; 11] = [
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

/// Fails for an answer that refuses the signature.
fn accepted(answer: &Answer) -> Result<(), String> {
    let text = answer.text();
    if REFUSED.iter().any(|code| text.contains(code)) {
        return Err(format!("refused: {text}"));
    }
    Ok(())
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
    let request = golden::request(step, saved);
    // Scenes begin with uploads through whichever dialect is at hand.
    let is_tencent = request.headers.iter().any(|(name, _)| name == "X-TC-Action");
    let dialect = match request.path.split('/').nth(1) {
        Some("api") => "native",
        Some("serverless") => "openyuanrong",
        _ if is_tencent => "tencent",
        _ => dialect,
    };
    server.send(&clouds::named(dialect).sign(key, request, server.base(), server.now()))
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

/// A server, and how it was before the first request of a group of cases.
struct Prepared {
    server: TestServer,
    saved: BTreeMap<String, String>,
    owners: Vec<String>,
    files: Vec<String>,
    watch: Watch,
}

impl Prepared {
    /// A server on which the owner has done what comes before a case's request.
    fn full(case: &Case) -> Result<Self, String> {
        let server = server(&case.value);
        let saved = golden::send_before(case, |step, saved| {
            golden::set_clock(&server, step);
            let answer = send(&server, &case.dialect, OWNER, step, saved);
            accepted(&answer).map(|()| answer)
        })?;
        Ok(Self::at(server, saved))
    }

    /// A server on which nothing has been done.
    fn empty(case: &Case) -> Self {
        Self::at(server(&case.value), BTreeMap::new())
    }

    fn at(server: TestServer, saved: BTreeMap<String, String>) -> Self {
        let (owners, files) = (rows(&server), server.footprint().files);
        let watch = Watch::new(server.data());
        Self { server, saved, owners, files, watch }
    }

    /// The server if no request has changed anything on it.
    fn unchanged(self) -> Option<Self> {
        if self.watch.has_changed() { None } else { Some(self) }
    }
}

/// Whether a case says something of two tenants. A link is good for every client that has it; the
/// object store's credentials are given out by the server, and `oss.rs` has its tenants.
fn is_for_tenants(case: &Case) -> bool {
    let text = format!("{} {}", case.value, Value::from(&case.before[..]));
    let is_stores = ["\"Authorization\":\"OSS ", "\"/_oss/"].iter().any(|part| text.contains(part));
    let is_link =
        case.path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("own_link"));
    case.value["keys"].is_null() && !is_link && !is_stores
}

/// Runs one case on the servers of the case before it, where there are such, and leaves each of its
/// own there if nothing has changed on it.
fn run(
    full: &mut Option<Prepared>,
    empty: &mut Option<Prepared>,
    case: &Case,
) -> Result<(), String> {
    let on = full.take().map_or_else(|| Prepared::full(case), Ok)?;
    let (server, step) = (&on.server, &case.value["request"]);
    let send = |server: &TestServer, key| {
        server.set_clock(case.time());
        send(server, &case.dialect, key, step, &on.saved)
    };
    let answer = send(server, STRANGER);
    if on.watch.has_changed() {
        if on.owners != rows(server) {
            return Err(format!("the owner's rows changed: {}", answer.text()));
        }
        let files = server.footprint().files;
        if let Some(lost) = on.files.iter().find(|file| !files.contains(file)) {
            return Err(format!("{lost} is gone"));
        }
    }
    let headers = step["headers"].as_object();
    let signs =
        |name: &String| ["auth", "eop"].iter().any(|word| name.to_lowercase().contains(word));
    let has_own_signature = headers.is_some_and(|headers| headers.keys().any(signs));
    if !has_own_signature {
        accepted(&answer)?;
    }
    let nothing = empty.take().unwrap_or_else(|| Prepared::empty(case));
    let alone = send(&nothing.server, STRANGER);
    match (plain(server, &answer), plain(&nothing.server, &alone)) {
        (one, other) if one == other => {}
        (one, other) => return Err(format!("{one}\n  instead of\n  {other}")),
    }
    *empty = nothing.unchanged();
    // The owner's answer does not show that another tenant sent a request.
    let answer = send(server, OWNER);
    *full = on.unchanged();
    if has_own_signature {
        return Ok(());
    }
    accepted(&answer)?;
    if headers.is_some_and(|headers| headers.contains_key("X-Tenant-Id")) {
        // The key says whose request it is; what the header says is not looked at then.
        return Ok(());
    }
    match case.value["answer"]["status"].as_u64() {
        Some(status) if status == u64::from(answer.status) => Ok(()),
        wanted => Err(format!("{wanted:?} became {}: {}", answer.status, answer.text())),
    }
}

fn run_all(dialect: &str) {
    golden::run_groups(dialect, is_for_tenants, |group| {
        let (mut full, mut empty) = (None, None);
        let mut failures = Vec::new();
        for case in group {
            if let Err(failure) = run(&mut full, &mut empty, case) {
                failures.push(format!("{}: {failure}", case.name()));
            }
        }
        failures
    });
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

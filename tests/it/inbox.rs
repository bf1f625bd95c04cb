//! The sweep of expired objects that a server runs by itself.

use std::path::Path;
use std::time::Duration;

use layerbase::catalog::{Catalog, Clock, IdSource, InboxLimits};
use layerbase::domain::{Caller, ObjectInfo, ObjectRef, TenantId, Timestamp};
use layerbase::ingest::Spool;
use layerbase::store::Store;
use serde_json::{Value, json};

use crate::support::Request;
use crate::support::process::Process;
use crate::support::server::START;

/// Opens a catalog without a server, at the time at which every test begins.
fn catalog(folder: &Path, lifetime: Option<Duration>) -> Catalog {
    let now = Timestamp::from_second(START).unwrap();
    let store = Store::open(folder, now, [7; 32]).unwrap();
    let catalog = Catalog::new(store, Clock::new(move || now), IdSource::random());
    catalog.with_inbox(InboxLimits { lifetime, size: None })
}

fn put(catalog: &Catalog, key: &str) {
    let by = Caller::new_anonymous(TenantId::default_tenant());
    let (at, body) = (ObjectRef::parse("code", key).unwrap(), Spool::from_bytes("x".into()));
    catalog.put_object(&by, at, ObjectInfo::default(), body).unwrap();
}

fn files(folder: &Path) -> usize {
    let shelves = std::fs::read_dir(folder.join("inbox")).unwrap();
    shelves.map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn server_removes_objects_that_expired_while_it_was_down() {
    let folder = tempfile::tempdir().unwrap();
    let short = catalog(folder.path(), Some(Duration::from_secs(1)));
    (0..3).for_each(|number| put(&short, &number.to_string()));
    drop(short);
    put(&catalog(folder.path(), None), "stays");
    assert_eq!(files(folder.path()), 4);
    let server = Process::serve(folder.path(), &[]);
    // The request between two checks gives the server time to go on.
    let is_swept = (0..20_000).any(|_| {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
        files(folder.path()) == 1
    });
    assert!(is_swept);
    // A task's report follows its last step.
    let reports = (0..20_000).map(|_| {
        let answer = server.send(&Request::get("/api/v1/upkeep"));
        serde_json::from_slice::<Value>(&answer.body).unwrap()["items"].clone()
    });
    let is_whole = |tasks: &Value| [0, 1].into_iter().all(|at| !tasks[at]["last_work"].is_null());
    let tasks = reports.into_iter().find(is_whole).unwrap();
    assert_eq!(tasks[0]["name"], "expire-inbox");
    assert_eq!(tasks[0]["did"], json!({ "things": 3, "files": 3, "bytes": 3 }));
    assert_eq!(tasks[1]["name"], "remove-files");
    assert_eq!(tasks[1]["did"], json!({ "things": 0, "files": 3, "bytes": 0 }));
    for task in &tasks.as_array().unwrap()[..2] {
        assert_eq!(task["last_work"]["failure"], Value::Null);
        assert!(task["last_work"]["ended_at"].as_str() >= task["last_work"]["started_at"].as_str());
    }
    drop(server);
    let left = catalog(folder.path(), None);
    let tenant = TenantId::default_tenant();
    assert!(left.get_object(&tenant, &ObjectRef::parse("code", "stays").unwrap()).is_ok());
}

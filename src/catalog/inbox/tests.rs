//! What holds for the inbox, on a clock that the test moves.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::*;
use crate::catalog::{Clock, IdSource};
use crate::domain::{KeyId, ObjectKey};
use crate::ingest::{Measure, SpoolWriter};
use crate::store::Store;

const HOUR: i64 = 3600;

struct Desk {
    folder: tempfile::TempDir,
    catalog: Catalog,
    seconds: Arc<AtomicI64>,
}

impl Desk {
    fn new(limits: InboxLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seconds = Arc::new(AtomicI64::new(1_000_000));
        let catalog = catalog(folder.path(), &seconds).with_inbox(limits);
        Self { folder, catalog, seconds }
    }

    /// A day's life and room for everything.
    fn for_a_day() -> Self {
        Self::new(InboxLimits { lifetime: Some(Duration::from_secs(86_400)), size: None })
    }

    fn with_room(size: u64) -> Self {
        let lifetime = Some(Duration::from_secs(86_400));
        Self::new(InboxLimits { lifetime, size: Some(size) })
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn body(&self, bytes: &[u8]) -> Spool {
        let mut writer = SpoolWriter::new(self.catalog.incoming(), u64::MAX, Measure::All);
        writer.write(bytes.to_vec().into()).unwrap();
        writer.finish().unwrap()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<InboxObject, CatalogError> {
        self.catalog.put_object(&caller("a"), at(name), ObjectInfo::default(), self.body(bytes))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, CatalogError> {
        let (object, mut file) = self.catalog.open_object(&tenant("a"), &at(name))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(object.size, bytes.len() as u64);
        assert_eq!(self.catalog.get_object(&tenant("a"), &at(name)).unwrap(), object);
        Ok(bytes)
    }

    fn keys(&self, prefix: &str, after: Option<&str>, limit: u64) -> (Vec<String>, bool) {
        let range = ObjectRange { prefix: prefix.into(), after: after.map(str::to_owned), limit };
        let page = self.catalog.list_objects(&tenant("a"), &at("code/x").bucket, range).unwrap();
        let keys = page.items.iter().map(|object| object.at.key.to_string()).collect();
        (keys, page.more)
    }

    /// Everything that a refusal must leave as it was: bytes that count, files by their names, and
    /// lines of the audit log.
    fn traces(&self) -> (u64, Vec<String>, Vec<String>) {
        let size = self.catalog.store.read(|view| view.select_inbox_size()).unwrap();
        (size, self.files(), self.audit())
    }

    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for folder in fs::read_dir(self.folder.path().join("inbox")).unwrap() {
            for file in fs::read_dir(folder.unwrap().path()).unwrap() {
                files.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        for file in fs::read_dir(self.catalog.incoming()).unwrap() {
            files.push(file.unwrap().file_name().into_string().unwrap());
        }
        files.sort();
        files
    }

    fn audit(&self) -> Vec<String> {
        let page = self.catalog.store.read(|view| view.select_audit(None, 0, 1000)).unwrap();
        let line = |entry: crate::domain::AuditEntry| format!("{} {}", entry.tenant, entry.subject);
        page.items.into_iter().map(line).collect()
    }
}

fn catalog(folder: &std::path::Path, seconds: &Arc<AtomicI64>) -> Catalog {
    let (seconds, ids) = (Arc::clone(seconds), AtomicU64::new(1));
    let clock = Clock::new(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap());
    let ids = IdSource::new(move || {
        Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::SeqCst)) << 118)
    });
    let store = Store::open(folder, Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
    Catalog::new(store, clock, ids)
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn caller(name: &str) -> Caller {
    Caller::new(tenant(name), Role::Write, KeyId::parse("KEY1").unwrap())
}

/// The object of `bucket/key`.
fn at(name: &str) -> ObjectRef {
    let (bucket, key) = name.split_once('/').unwrap();
    ObjectRef::parse(bucket, key).unwrap()
}

fn is_missing(error: &CatalogError) -> bool {
    matches!(error, CatalogError::NotFound { what: Noun::Object, of: Some(_), .. })
}

#[test]
fn an_object_is_put_replaced_and_deleted() {
    let desk = Desk::for_a_day();
    assert!(is_missing(&desk.get("code/a.zip").unwrap_err()));
    let about = ObjectInfo {
        media_type: "application/zip".into(),
        metadata: BTreeMap::from([("who".into(), "层".into())]),
    };
    let body = desk.body(b"first");
    let put = desk.catalog.put_object(&caller("a"), at("code/a.zip"), about.clone(), body).unwrap();
    assert_eq!((put.size, put.parts, &*put.etag), (5, 1, "8b04d5e3775d298e78455efc5ca404d5"));
    assert_eq!(put.about, about);
    assert_eq!(put.expires.unwrap().duration_since(put.stored).as_hours(), 24);
    let (_, mut open) = desk.catalog.open_object(&tenant("a"), &at("code/a.zip")).unwrap();
    assert_eq!(desk.get("code/a.zip").unwrap(), b"first");

    desk.put("code/a.zip", b"the second one").unwrap();
    assert_eq!(desk.get("code/a.zip").unwrap(), b"the second one");
    let mut old = String::new();
    open.read_to_string(&mut old).unwrap();
    assert_eq!(old, "first", "who has it open reads on");
    let (size, files, audit) = desk.traces();
    assert_eq!((size, files.len()), (14, 1));
    assert_eq!(audit, ["a object/code/a.zip"; 2]);

    assert!(desk.catalog.delete_object(&caller("a"), &at("code/a.zip")).unwrap());
    assert!(is_missing(&desk.get("code/a.zip").unwrap_err()));
    assert!(!desk.catalog.delete_object(&caller("a"), &at("code/a.zip")).unwrap());
    assert_eq!(desk.traces(), (0, vec![], vec!["a object/code/a.zip".to_owned(); 3]));
}

#[test]
fn long_bodies_and_unmeasured_ones_are_kept_too() {
    let desk = Desk::for_a_day();
    let long = vec![7; 3 << 20];
    let put = desk.put("code/long", &long).unwrap();
    assert!(desk.get("code/long").unwrap() == long);
    let body = Spool::from_bytes(long.into());
    let again = desk.catalog.put_object(&caller("a"), at("code/long"), ObjectInfo::default(), body);
    assert_eq!(again.unwrap(), put);
    let body = Spool::empty();
    let empty = desk.catalog.put_object(&caller("a"), at("code/no"), ObjectInfo::default(), body);
    assert_eq!(empty.unwrap().etag, "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(desk.get("code/no").unwrap(), b"");
}

#[test]
fn lists_go_by_prefix_and_page_in_the_order_of_bytes() {
    let desk = Desk::for_a_day();
    for name in ["code/b/2", "code/a", "code/b/1", "code/B", "code/层", "code/b/", "code/c", "z/a"]
    {
        desk.put(name, name.as_bytes()).unwrap();
    }
    let all = ["B", "a", "b/", "b/1", "b/2", "c", "层"].map(str::to_owned);
    assert_eq!(desk.keys("", None, 100), (all.to_vec(), false));
    assert_eq!(desk.keys("", None, 7), (all.to_vec(), false));
    assert_eq!(desk.keys("", None, 3), (all[..3].to_vec(), true));
    assert_eq!(desk.keys("", Some("b/"), 3), (all[3..6].to_vec(), true));
    assert_eq!(desk.keys("", Some("b/0"), 9), (all[3..].to_vec(), false));
    assert_eq!(desk.keys("b/", None, 9), (all[2..5].to_vec(), false));
    assert_eq!(desk.keys("b/", Some("b/1"), 9), (all[4..5].to_vec(), false));
    assert_eq!(desk.keys("b/", Some("a"), 1), (all[2..3].to_vec(), true));
    assert_eq!(desk.keys("b/", Some("c"), 9), (vec![], false));
    assert_eq!(desk.keys("层", None, 9), (all[6..].to_vec(), false));
    assert_eq!(desk.keys("", None, 0), (vec![], true));
    let buckets = desk.catalog.list_buckets(&tenant("a")).unwrap();
    let names: Vec<&str> = buckets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "z"]);
}

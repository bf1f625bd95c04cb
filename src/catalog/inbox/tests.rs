//! Tests of the inbox's rules, on a clock that the test sets.

mod copies;
mod lists;
mod multipart;
mod room;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use md5::Md5;
use sha2::Digest;

use super::*;
use crate::catalog::{Clock, IdSource};
use crate::domain::{AuditFilter, Caller, Field, KeyId, MultipartFrom, MultipartRange, Part};
use crate::ingest::Measure;
use crate::store::Store;

const DAY: i64 = 86_400;

/// Bytes that each object, upload and part counts in addition to its own.
const ROW: u64 = 4096;

/// Returns a task of upkeep.
fn task() -> Actor {
    Actor::task("test")
}

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

    /// A lifetime of one day and no limit of the size.
    fn for_a_day() -> Self {
        Self::new(InboxLimits {
            lifetime: Some(Duration::from_secs(DAY.cast_unsigned())),
            size: None,
        })
    }

    fn with_room(size: u64) -> Self {
        let lifetime = Some(Duration::from_secs(DAY.cast_unsigned()));
        Self::new(InboxLimits { lifetime, size: Some(size) })
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn body(&self, bytes: &[u8]) -> Spool {
        let mut writer = self.catalog.spool(u64::MAX, Measure::All);
        writer.write(bytes.to_vec().into()).unwrap();
        writer.finish().unwrap()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<InboxObject, CatalogError> {
        self.catalog.put_object(&caller("a"), at(name), ObjectInfo::default(), self.body(bytes))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, CatalogError> {
        let (object, content) = self.catalog.open_object(&tenant("a"), &at(name))?;
        let mut bytes = Vec::new();
        content.open().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(object.size, bytes.len() as u64);
        assert_eq!(self.catalog.get_object(&tenant("a"), &at(name)).unwrap(), object);
        Ok(bytes)
    }

    fn start(&self, name: &str) -> String {
        self.catalog.start_multipart(&caller("a"), at(name), ObjectInfo::default()).unwrap()
    }

    fn part(&self, name: &str, upload: &str, number: u16, bytes: &[u8]) -> Part {
        let body = self.body(bytes);
        self.catalog.put_part(&caller("a"), &at(name), upload, number, body).unwrap()
    }

    fn complete(
        &self,
        name: &str,
        upload: &str,
        parts: &[(u16, &str)],
    ) -> Result<InboxObject, CatalogError> {
        let parts = parts.iter().map(|(number, etag)| (*number, (*etag).to_owned())).collect();
        self.catalog.complete_multipart(&caller("a"), &at(name), upload, parts, 1 << 20)
    }

    fn keys(&self, prefix: &str, after: Option<&str>, limit: u64) -> (Vec<String>, bool) {
        let from = after.map_or(ObjectFrom::Start, |after| ObjectFrom::After(after.to_owned()));
        self.keys_from(prefix, from, limit)
    }

    fn keys_from(&self, prefix: &str, from: ObjectFrom, limit: u64) -> (Vec<String>, bool) {
        let range = ObjectRange { prefix: prefix.into(), from, limit };
        let page = self.catalog.list_objects(&tenant("a"), &at("code/x").bucket, range).unwrap();
        let keys = page.items.iter().map(|object| object.at.key.to_string()).collect();
        (keys, page.more)
    }

    /// Returns the state that a refusal must not change: the inbox's size, file names, and lines of
    /// the audit log. Expired objects count until they are removed.
    fn traces(&self) -> (u64, Vec<String>, Vec<String>) {
        let size = self.catalog.store.read(|view| view.select_inbox_size()).unwrap();
        (size, self.files(), self.audit())
    }

    /// Runs the tasks of upkeep until nothing is left; returns the number of expired things.
    fn sweep(&self) -> u64 {
        let steps = std::iter::from_fn(|| self.catalog.expire_inbox(&task()).unwrap());
        let expired = steps.map(|done| done.things).sum();
        while self.catalog.remove_files(&task()).unwrap().is_some() {}
        expired
    }

    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for folder in fs::read_dir(self.folder.path().join("inbox")).unwrap() {
            for file in fs::read_dir(folder.unwrap().path()).unwrap() {
                files.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        for file in fs::read_dir(self.catalog.store.blobs().incoming()).unwrap() {
            files.push(file.unwrap().file_name().into_string().unwrap());
        }
        files.sort();
        files
    }

    fn audit(&self) -> Vec<String> {
        let page =
            self.catalog.store.read(|view| view.select_audit(AuditFilter::All, 0, 1000)).unwrap();
        let line = |entry: crate::domain::AuditEntry| {
            format!("{} {}", entry.subject.tenant, entry.subject)
        };
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

/// Parses `bucket/key`.
fn at(name: &str) -> ObjectRef {
    let (bucket, key) = name.split_once('/').unwrap();
    ObjectRef::parse(bucket, key).unwrap()
}

fn is_missing(error: &CatalogError) -> bool {
    matches!(error, CatalogError::NotFound { what: Noun::Object, of: Some(_), .. })
}

#[test]
fn a_sweep_of_one_file_counts_it() {
    let desk = Desk::for_a_day();
    desk.put("code/a.zip", b"1").unwrap();
    assert_eq!(desk.catalog.remove_files(&task()).unwrap(), None);
    desk.catalog.delete_object(&caller("a"), &at("code/a.zip")).unwrap();
    let removed = || desk.catalog.remove_files(&task()).unwrap().map(|done| done.files);
    assert_eq!((removed(), removed()), (Some(1), None));
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
    let (_, open) = desk.catalog.open_object(&tenant("a"), &at("code/a.zip")).unwrap();
    assert_eq!(desk.get("code/a.zip").unwrap(), b"first");

    desk.put("code/a.zip", b"the second one").unwrap();
    assert_eq!(desk.get("code/a.zip").unwrap(), b"the second one");
    let mut old = String::new();
    open.open().unwrap().read_to_string(&mut old).unwrap();
    assert_eq!(old, "first", "an open file stays readable");
    let (size, files, audit) = desk.traces();
    assert_eq!((size, files.len()), (14 + ROW, 1));
    assert_eq!(audit, ["a object/code/a.zip"; 2]);

    assert!(desk.catalog.delete_object(&caller("a"), &at("code/a.zip")).unwrap());
    assert!(is_missing(&desk.get("code/a.zip").unwrap_err()));
    assert!(!desk.catalog.delete_object(&caller("a"), &at("code/a.zip")).unwrap());
    assert_eq!(desk.traces(), (0, vec![], vec!["a object/code/a.zip".to_owned(); 3]));
}

#[test]
fn long_bodies_and_bodies_without_digests_are_stored() {
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
fn expired_objects_are_invisible_and_the_sweep_removes_them() {
    let desk = Desk::for_a_day();
    desk.put("code/old", b"12345").unwrap();
    desk.put("old/old", b"67").unwrap();
    let upload = desk.start("code/part");
    desk.pass(DAY / 2);
    desk.part("code/part", &upload, 1, b"a part");
    desk.put("code/new", b"new").unwrap();
    desk.pass(DAY / 2 - 1);
    assert_eq!(desk.get("code/old").unwrap(), b"12345");
    assert_eq!(desk.sweep(), 0);

    desk.pass(1);
    assert!(is_missing(&desk.get("code/old").unwrap_err()));
    assert!(!desk.catalog.has_bucket(&tenant("a"), &at("old/x").bucket).unwrap());
    assert!(desk.catalog.has_bucket(&tenant("a"), &at("code/x").bucket).unwrap());
    assert_eq!(desk.keys("", None, 9), (vec!["new".to_owned()], false));
    assert_eq!(desk.catalog.list_buckets(&tenant("a")).unwrap().len(), 1);
    let before = desk.traces();
    assert_eq!((before.0, before.1.len()), (16 + 5 * ROW, 4));
    assert!(!desk.catalog.delete_object(&caller("a"), &at("code/old")).unwrap());
    assert_eq!(desk.traces(), before, "only the sweep removes it");
    assert_unfinished(&desk, &upload, false);

    assert_eq!(desk.sweep(), 3);
    let (size, files, audit) = desk.traces();
    assert_eq!((size, files.len(), audit), (3 + ROW, 1, before.2));
    assert_eq!(desk.sweep(), 0);
    assert_eq!(desk.get("code/new").unwrap(), b"new");
    assert_eq!(desk.put("code/old", b"again").unwrap().size, 5);
}

fn all_uploads(limit: u64) -> MultipartRange {
    MultipartRange { prefix: String::new(), from: MultipartFrom::Start, limit }
}

/// Asserts that all operations agree on whether an upload of `code/part` exists.
fn assert_unfinished(desk: &Desk, upload: &str, expected: bool) {
    let (catalog, object) = (&desk.catalog, at("code/part"));
    let range = all_uploads(9);
    let listed = catalog.list_multiparts(&tenant("a"), &object.bucket, range).unwrap().items;
    assert_eq!(listed.iter().any(|listed| listed.id == upload), expected);
    let before = desk.traces();
    let found = [
        catalog.list_parts(&tenant("a"), &object, upload, 0, 9).map(drop),
        catalog.put_part(&caller("a"), &object, upload, 7, desk.body(b"7")).map(drop),
        desk.complete("code/part", upload, &[(7, &hex::encode(Md5::digest(b"7")))]).map(drop),
    ];
    for found in found {
        match found {
            Ok(()) => assert!(expected),
            Err(CatalogError::NotFound { what: Noun::Multipart, .. }) => assert!(!expected),
            Err(other) => panic!("{other}"),
        }
    }
    if !expected {
        let gone = catalog.abort_multipart(&caller("a"), &object, upload).unwrap_err();
        assert!(matches!(gone, CatalogError::NotFound { what: Noun::Multipart, .. }), "{gone}");
        assert_eq!(desk.traces(), before);
    }
}

#[test]
fn without_a_lifetime_nothing_expires() {
    let desk = Desk::new(InboxLimits::default());
    assert_eq!(desk.put("code/a", b"a").unwrap().expires, None);
    let upload = desk.start("code/part");
    desk.pass(DAY * 10_000);
    assert_eq!(desk.sweep(), 0);
    assert_eq!(desk.get("code/a").unwrap(), b"a");
    assert_unfinished(&desk, &upload, true);
}

#[test]
fn tenants_do_not_see_each_other() {
    let desk = Desk::for_a_day();
    desk.put("code/a", b"a").unwrap();
    let upload = desk.start("code/part");
    desk.part("code/part", &upload, 1, b"a");
    let (other, code) = (tenant("b"), at("code/a"));
    let catalog = &desk.catalog;
    assert!(is_missing(&catalog.get_object(&other, &code).unwrap_err()));
    assert!(is_missing(&catalog.open_object(&other, &code).unwrap_err()));
    assert!(!catalog.has_bucket(&other, &code.bucket).unwrap());
    assert!(catalog.list_buckets(&other).unwrap().is_empty());
    let range = ObjectRange { prefix: String::new(), from: ObjectFrom::Start, limit: 9 };
    assert!(catalog.list_objects(&other, &code.bucket, range).unwrap().items.is_empty());
    assert!(
        catalog.list_multiparts(&other, &code.bucket, all_uploads(9)).unwrap().items.is_empty()
    );
    let before = desk.traces();
    let by = caller("b");
    assert!(!catalog.delete_object(&by, &code).unwrap());
    let part = at("code/part");
    let tried = [
        catalog.list_parts(&other, &part, &upload, 0, 9).map(drop),
        catalog.put_part(&by, &part, &upload, 1, desk.body(b"b")).map(drop),
        catalog.complete_multipart(&by, &part, &upload, vec![(1, "b".into())], 9).map(drop),
        catalog.abort_multipart(&by, &part, &upload),
    ];
    for tried in tried {
        assert!(matches!(tried, Err(CatalogError::NotFound { what: Noun::Multipart, .. })));
    }
    assert_eq!(desk.traces(), before);

    let body = desk.body(b"of b");
    catalog.put_object(&by, code.clone(), ObjectInfo::default(), body).unwrap();
    assert_eq!(desk.get("code/a").unwrap(), b"a");
    assert!(catalog.delete_object(&by, &code).unwrap());
    assert_eq!(desk.get("code/a").unwrap(), b"a");
    assert_eq!(desk.audit().last().unwrap(), "b object/code/a");
}

#[test]
fn a_refused_change_changes_nothing() {
    let desk = Desk::for_a_day();
    desk.put("code/a", b"a").unwrap();
    let upload = desk.start("code/part");
    let part = desk.part("code/part", &upload, 1, b"a");
    let before = desk.traces();
    let reader = Caller::new(tenant("a"), Role::Read, KeyId::parse("KEY1").unwrap());
    let (catalog, code, body) = (&desk.catalog, at("code/part"), || desk.body(b"b"));
    let parts = vec![(1, part.etag)];
    let tried = [
        catalog.put_object(&reader, at("code/a"), ObjectInfo::default(), body()).map(drop),
        catalog.delete_object(&reader, &at("code/a")).map(drop),
        catalog.delete_object(&reader, &at("code/none")).map(drop),
        catalog.start_multipart(&reader, code.clone(), ObjectInfo::default()).map(drop),
        catalog.put_part(&reader, &code, &upload, 2, body()).map(drop),
        catalog.complete_multipart(&reader, &code, &upload, parts, 9).map(drop),
        catalog.abort_multipart(&reader, &code, &upload),
    ];
    for tried in tried {
        let needed = Role::Write;
        assert!(matches!(tried, Err(CatalogError::Forbidden { needed: n, .. }) if n == needed));
        assert_eq!(desk.traces(), before);
    }

    let info = |media_type: &str, value: &str| ObjectInfo {
        media_type: media_type.to_owned(),
        metadata: BTreeMap::from([("name".into(), value.to_owned())]),
    };
    let long = "x".repeat(2048);
    for (about, wanted, limit) in [
        (info(&long[..257], ""), Field::MediaType, "256 bytes"),
        (info("a\nb", ""), Field::MediaType, "control"),
        (info("", &long[3..]), Field::Metadata, "2048 bytes"),
        (info("", "a\0"), Field::Metadata, "control"),
    ] {
        let tried = [
            catalog.put_object(&caller("a"), at("code/a"), about.clone(), body()).map(drop),
            catalog.start_multipart(&caller("a"), at("code/a"), about).map(drop),
        ];
        for tried in tried {
            assert!(
                matches!(&tried, Err(CatalogError::InvalidValue { field, reason })
                    if *field == wanted && reason.contains(limit)),
                "{tried:?}"
            );
        }
        assert_eq!(desk.traces(), before);
    }
    let widest = info(&long[..256], &long[4..]);
    catalog.put_object(&caller("a"), at("code/a"), widest, body()).unwrap();
    let before = desk.traces();
    for number in [0, 10_001] {
        let tried = catalog.put_part(&caller("a"), &code, &upload, number, body()).unwrap_err();
        assert!(tried.to_string().contains("must be 1 to 10000"), "{tried}");
        assert_eq!(desk.traces(), before);
    }
}

#[test]
fn a_restart_removes_files_of_a_killed_process() {
    let desk = Desk::for_a_day();
    let put = desk.put("code/a", b"kept").unwrap();
    let upload = desk.start("code/part");
    desk.part("code/part", &upload, 1, b"kept too");
    let before = desk.traces();
    let Desk { folder, catalog: first, seconds } = desk;
    // The process is killed between storing a file and committing its row, between that commit and
    // removing the intent file, and between deleting a row and removing its file.
    let pending = first.keep_in_inbox(Payload::Memory(b"no row".as_slice().into())).unwrap();
    std::mem::forget(pending);
    let pending = first.keep_in_inbox(Payload::Memory(b"with a row".as_slice().into())).unwrap();
    let file = pending.id();
    std::mem::forget(pending);
    let (_, expires) = first.lifetime().unwrap();
    let object = InboxObject { at: at("code/b"), size: 10, expires, ..put };
    first.store.write(move |store| store.replace_object(&tenant("a"), &object, &[], file)).unwrap();
    let pending = first.keep_in_inbox(Payload::Memory(b"gone".as_slice().into())).unwrap();
    let (file, object) = (pending.id(), InboxObject { at: at("code/c"), ..first_of(&first) });
    first
        .store
        .write_adding(Adds::File(PendingFile::Inbox(pending)), move |store| {
            store.replace_object(&tenant("a"), &object, &[], file)
        })
        .unwrap();
    first.store.write(|store| store.delete_object(&tenant("a"), &at("code/c"))).unwrap();
    drop(first);

    let catalog = catalog(folder.path(), &seconds);
    let desk = Desk { folder, catalog, seconds };
    assert_eq!(desk.get("code/a").unwrap(), b"kept");
    assert_eq!(desk.get("code/b").unwrap(), b"with a row");
    assert_eq!(desk.files().len(), before.1.len() + 2, "one with a row, one to be swept");
    assert_eq!(desk.sweep(), 0);
    assert_eq!(desk.files().len(), before.1.len() + 1);
    assert_eq!(desk.traces().0, before.0 + 10 + ROW);
}

fn first_of(catalog: &Catalog) -> InboxObject {
    catalog.get_object(&tenant("a"), &at("code/a")).unwrap()
}

#[test]
fn an_object_opened_while_it_is_replaced_is_complete() {
    let desk = Desk::for_a_day();
    let bytes = |number: usize| vec![b'x'; number];
    desk.put("code/a", &bytes(0)).unwrap();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (1..=40).for_each(|number| drop(desk.put("code/a", &bytes(number)).unwrap()));
            is_done.store(true, Ordering::SeqCst);
        });
        while !is_done.load(Ordering::SeqCst) {
            let (object, content) = desk.catalog.open_object(&tenant("a"), &at("code/a")).unwrap();
            let mut read = Vec::new();
            content.open().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read.len() as u64, object.size);
        }
    });
    assert_eq!((desk.get("code/a").unwrap().len(), desk.files().len()), (40, 1));
}

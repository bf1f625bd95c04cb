//! Tests of the query plans: statements read by a key or an index, and neither scan nor sort.
//!
//! A plan depends on the schema and the statement alone, because the catalog has no statistics.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::functions::SORTED_MAX;
use super::{Change, HeadUpdate, LayerVersionInsert, Store, View};
use crate::domain::{
    Acl, Artifact, CatalogError, Digests, FunctionConfig, FunctionKey, FunctionName, FunctionOrder,
    Group, InboxObject, LayerFilter, LayerName, LayerRef, Multipart, MultipartFrom, MultipartRange,
    ObjectFrom, ObjectInfo, ObjectRange, ObjectRef, Order, Part, TenantId, Timestamp, VersionName,
    VersionNumber, Window,
};

/// Exceptions: a part of the statement, and a part of the plan's line that is allowed there.
const ALLOWED: &[(&str, &str)] = &[
    // The few runtimes of one version, which are JSON in its row.
    ("", "SCAN json_each "),
    // No table is read.
    ("SELECT EXISTS (", "SCAN CONSTANT ROW"),
    ("SELECT coalesce((SELECT code_size", "SCAN CONSTANT ROW"),
    // At most 1,000, and expired ones that are not deleted yet.
    ("SELECT count(*) FROM inbox_multiparts", "inbox_multiparts_by_key (tenant=?)"),
    // The count of layers that match a filter; only the count without a filter is stored.
    ("SELECT count(*) FROM layers l", "USING INDEX layers_by_age (tenant=?)"),
    // The count of a tenant's states.
    ("SELECT count(*) FROM functions f", "USING COVERING INDEX functions_by_name (tenant=?)"),
    // Up to `functions::SORTED_MAX` states of a tenant.
    ("WHERE f.tenant = ? AND f.live = 1 ORDER BY v.seq", "TEMP B-TREE FOR ORDER BY"),
    ("WHERE f.tenant = ? AND f.live = 1 AND v.name = ? ORDER BY v.seq", "TEMP B-TREE FOR ORDER BY"),
    ("WHERE f.tenant = ? AND f.live = 1 ORDER BY v.seq", "functions_by_name (tenant=?)"),
    ("AND v.name = ? ORDER BY v.seq", "functions_by_name (tenant=?)"),
    // More states, in the index's order, up to the end of the page.
    ("ORDER BY v.sequence DESC, v.name ASC", "SCAN v USING INDEX function_versions_by_sequence"),
];

thread_local! {
    /// The statements that this thread has prepared, with the lines of their plans.
    static PLANS: RefCell<BTreeMap<String, Vec<String>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Records the plan of a statement; [`super::View`] calls this for each that it prepares.
pub(super) fn record(connection: &Connection, sql: &str) {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>("detail").unwrap());
    }
    PLANS.with_borrow_mut(|plans| plans.insert(sql.to_owned(), plan));
}

/// Fails if a recorded statement of this thread has a bad plan, or if too few are recorded.
fn check(statements_min: usize) {
    let plans = PLANS.take();
    assert!(plans.len() >= statements_min, "only {} statements", plans.len());
    let bad: Vec<_> = plans.iter().filter(|(sql, plan)| is_bad(sql, plan)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Returns whether a statement sorts, scans a table or an index, or reads more of a tenant's rows
/// than a page.
fn is_bad(sql: &str, plan: &[String]) -> bool {
    let is_allowed = |line: &String| {
        ALLOWED.iter().any(|(part, allowed)| sql.contains(part) && line.contains(allowed))
    };
    let is_page = sql.contains(" ORDER BY ") && sql.contains(" LIMIT ?");
    let is_bad = |line: &String| {
        line.contains("TEMP B-TREE")
            || line.starts_with("SCAN ")
            || line.ends_with("(tenant=?)") && !is_page
    };
    let misses_name = (sql.contains("l.name = ?") || sql.contains("f.name = ?"))
        && !plan.iter().any(|line| line.contains("name=?"));
    misses_name || plan.iter().any(|line| is_bad(line) && !is_allowed(line))
}

fn open(folder: &Path) -> Store {
    Store::open(folder, Timestamp::UNIX_EPOCH, [1; 32]).unwrap()
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn number() -> VersionNumber {
    VersionNumber::new(1).unwrap()
}

fn layer() -> LayerName {
    LayerName::parse("demo").unwrap()
}

/// Publishes a layer version without its file.
fn publish_layer(store: &Store) {
    let written = store.write(|change| {
        let digests = Digests { sha256: [1; 32], sha512: [1; 64], md5: [1; 16], crc64: 1 };
        let code = Artifact { digests, size: 1, entries: 1, unpacked: 1 };
        change.insert_code(&code, Timestamp::UNIX_EPOCH)?;
        change.upsert_layer(&tenant(), &layer(), "layer", None, 1)?;
        let version = LayerVersionInsert {
            uid: "version",
            description: "",
            license: "",
            runtimes: &["py3".to_owned()],
            code: &code.digests.sha256,
            created: Timestamp::UNIX_EPOCH,
        };
        change.insert_layer_version(&tenant(), &layer(), &version, 1)
    });
    written.unwrap();
}

fn function(name: &str) -> FunctionKey {
    let name = FunctionName::parse(name).unwrap();
    FunctionKey { tenant: tenant(), group: Group::default_group(), name }
}

fn insert_function(
    change: &Change<'_>,
    name: &str,
    config: &FunctionConfig,
    sequence: u64,
) -> Result<(), CatalogError> {
    let (key, now) = (function(name), Timestamp::UNIX_EPOCH);
    let (code, code_changed, updated) = (None, now, None);
    let head = HeadUpdate { config, code, revision: 1, code_changed, updated };
    change.insert_function(&key, name, now, sequence)?;
    change.insert_head(&key, &VersionName::latest(), &head, sequence)
}

/// Creates a function to which the layer is bound.
fn create_function(store: &Store) {
    let written = store.write(|change| {
        let bound = LayerRef { layer: layer(), number: number() };
        let config = FunctionConfig { layers: vec![bound], ..FunctionConfig::default() };
        insert_function(change, "demo", &config, 2)
    });
    written.unwrap();
}

/// Returns one filter for each field of a filter, one without any, and one with all.
fn filters() -> Vec<LayerFilter> {
    let (none, text) = (LayerFilter::default, || Some("demo".to_owned()));
    vec![
        none(),
        LayerFilter { prefix: text(), ..none() },
        LayerFilter { contains: text(), ..none() },
        LayerFilter { name: Some(layer()), ..none() },
        LayerFilter { runtime: text(), ..none() },
        LayerFilter { acl: Some(Acl::Public), ..none() },
        LayerFilter { acl: Some(Acl::Private), ..none() },
        LayerFilter {
            prefix: text(),
            contains: text(),
            name: Some(layer()),
            runtime: text(),
            acl: Some(Acl::Public),
        },
    ]
}

#[test]
fn layers_are_read_by_keys_and_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    publish_layer(&store);
    let read = store.read(|view| {
        let (tenant, layer) = (tenant(), layer());
        let found = view.select_layer_version_by_uid(&tenant, "version")?;
        assert_eq!(found.map(|version| version.number), Some(number()));
        assert!(view.select_layer_version(&tenant, &layer, number())?.is_some());
        assert!(view.select_newest_layer_version(&tenant, &layer)?.is_some());
        assert!(view.select_layer_name_by_uid(&tenant, "layer")?.is_some());
        for order in [Order::Ascending, Order::Descending] {
            assert!(view.select_layer_versions(&tenant, &layer, order, None, 5)?.is_some());
        }
        view.select_user_of_layer_version(&tenant, &layer, number())?;
        view.select_code(&[1; 32])?;
        assert!(view.is_code_of(&tenant, &[1; 32])?);
        assert!(!view.is_code_of(&TenantId::parse("other")?, &[1; 32])?);
        assert_eq!(view.select_code_size(&tenant)?, 1);
        view.select_audit(Some(&tenant), 0, 5)?;
        view.select_audit(None, 0, 5)?;
        for filter in filters() {
            view.list_layers_by_name(&tenant, &filter, "", 5, |_| Ok(()))?;
            for offset in [0, 1] {
                view.select_layers_by_age(&tenant, &filter, Window { offset, limit: 5 })?;
            }
        }
        Ok::<_, CatalogError>(())
    });
    read.unwrap();
    let is_by_whole = |plan: &Vec<String>| plan.iter().any(|line| line.contains("audit_by_whole"));
    assert!(PLANS.with_borrow(|plans| plans.values().any(is_by_whole)), "one tenant's log");
    check(37);
}

#[test]
fn functions_are_read_by_keys_and_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    publish_layer(&store);
    create_function(&store);
    let read = store.read(|view| {
        let (tenant, key) = (tenant(), function("demo"));
        let head = view.select_head(&key)?.unwrap();
        assert_eq!(head.config.layers.len(), 1);
        view.select_function_version(&key, number())?;
        view.select_named_version(&key, &VersionName::latest())?;
        view.select_newest_function_version(&key)?;
        let window = Window { offset: 0, limit: 5 };
        for order in [
            FunctionOrder::HeadFirst,
            FunctionOrder::HeadFirstAfter(Some(number())),
            FunctionOrder::LastWrittenFirst,
        ] {
            assert!(view.select_function_versions(&key, order, window)?.is_some());
        }
        for group in [None, Some(&key.group)] {
            for after in [None, Some((key.group.as_str(), "a"))] {
                assert_eq!(view.select_heads(&tenant, group, after, 5)?.items.len(), 1);
            }
        }
        for version in [None, Some("latest")] {
            let all = view.select_all_states(&tenant, version, window)?;
            assert_eq!((all.items.len(), all.total), (1, 1));
            let filtered = view.select_states_where(&tenant, version, |_| Ok(true), window)?;
            assert_eq!((filtered.items.len(), filtered.total), (1, 1));
        }
        Ok::<_, CatalogError>(())
    });
    read.unwrap();
    check(16);
}

#[test]
fn many_states_of_a_tenant_are_not_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let written = store.write(|change| {
        let config = FunctionConfig::default();
        (0..=SORTED_MAX).try_for_each(|at| insert_function(change, &format!("f{at}"), &config, at))
    });
    written.unwrap();
    let read = store.read(|view| {
        for version in [None, Some("latest")] {
            let window = Window { offset: 1, limit: 2 };
            let page = view.select_all_states(&tenant(), version, window)?;
            let filtered = view.select_states_where(&tenant(), version, |_| Ok(true), window)?;
            assert_eq!((&page.items, page.total), (&filtered.items, filtered.total));
            let sequences: Vec<u64> = page.items.iter().map(|state| state.sequence).collect();
            assert_eq!(sequences, [SORTED_MAX - 1, SORTED_MAX - 2]);
            assert_eq!((page.more, page.total), (true, SORTED_MAX + 1));
        }
        Ok::<_, CatalogError>(())
    });
    read.unwrap();
    let is_walk = |plan: &Vec<String>| plan.iter().any(|line| line.contains("by_sequence"));
    assert_eq!(PLANS.with_borrow(|plans| plans.values().filter(|plan| is_walk(plan)).count()), 4);
    check(6);
}

#[test]
fn the_inbox_is_read_and_swept_by_keys_and_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // The writer would record its plans in its own thread.
    let path = folder.path().join("catalog.sqlite");
    let connection = super::open_connection(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let change =
        Change { view: View { connection: &connection }, raises_generation: Cell::new(true) };
    let (at, now) = (ObjectRef::parse("code", "a/b").unwrap(), Timestamp::UNIX_EPOCH);
    let (about, md5, etag) = (ObjectInfo::default(), [1; 16], String::new());
    let digests = Digests { sha256: [1; 32], sha512: [1; 64], md5, crc64: 1 };
    let object = InboxObject {
        at: at.clone(),
        size: 1,
        digests,
        parts: 1,
        etag: etag.clone(),
        about: about.clone(),
        stored: now,
        expires: Some(Timestamp::from_second(1 << 33).unwrap()),
    };
    let upload =
        Multipart { id: "u".into(), at: at.clone(), about, started: now, expires: Some(now) };
    let part = Part { number: 1, size: 1, md5, etag, stored: now };
    let written = || {
        let files = [1, 2, 3].map(uuid::Uuid::from_u128);
        assert_eq!(change.replace_object(&tenant(), &object, files[0])?, None);
        assert_eq!(change.replace_object(&tenant(), &object, files[1])?, Some(files[0]));
        change.insert_multipart(&tenant(), &upload)?;
        assert_eq!(change.replace_part("u", &part, files[2])?, None);
        assert_eq!(change.delete_multipart("u")?, [files[2]]);
        change.delete_expired(now, 5)?;
        Ok::<_, CatalogError>(())
    };
    written().unwrap();
    let read = store.read(|view| {
        assert_eq!(view.select_object(&tenant(), &at, now)?.unwrap().0, object);
        for prefix in ["", "a"] {
            for (from, found) in [
                (ObjectFrom::Start, 1),
                (ObjectFrom::After("a/".to_owned()), 1),
                (ObjectFrom::After("a/b".to_owned()), 0),
                (ObjectFrom::Behind("a/".to_owned()), 0),
            ] {
                let range = ObjectRange { prefix: prefix.to_owned(), from, limit: 5 };
                let page = view.select_objects(&tenant(), &at.bucket, &range, now)?;
                assert_eq!(page.items.len(), found);
            }
            let text = || "a".to_owned();
            for from in [
                MultipartFrom::Start,
                MultipartFrom::AfterKey(text()),
                MultipartFrom::After(text(), text()),
                MultipartFrom::Behind(text()),
            ] {
                let range = MultipartRange { prefix: prefix.to_owned(), from, limit: 5 };
                view.select_multiparts(&tenant(), &at.bucket, &range, now)?;
            }
        }
        assert!(view.select_bucket_after(&tenant(), "", now)?.is_some());
        assert_eq!(view.select_inbox_size()?, 1 + 4096);
        assert!(!view.has_expired(now)?);
        view.select_multipart(&tenant(), &at, "u", now)?;
        view.count_multiparts(&tenant(), now)?;
        view.select_parts("u", 0, 5)?;
        Ok::<_, CatalogError>(())
    });
    read.unwrap();
    store.remove_gone_files().unwrap();
    check(19);
}

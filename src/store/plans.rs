//! Tests of the query plans: statements read by a key or an index, and neither scan nor sort.
//!
//! A plan depends on the schema and the statement alone, because the catalog has no statistics.
//! [`run_every_statement`] must reach each call of a verb in this module's files: a test compares.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use uuid::Uuid;

use super::functions::SORTED_MAX;
use super::{Change, LayerVersionInsert, Store, sqlite};
use crate::domain::{
    Acl, Actor, Artifact, AuditFilter, CatalogError, CloudIds, Digests, Function, FunctionConfig,
    FunctionKey, FunctionName, FunctionOrder, FunctionVersion, Group, InboxObject, Key, KeyId,
    LayerFilter, LayerName, LayerRef, Multipart, MultipartFrom, MultipartRange, ObjectFrom,
    ObjectInfo, ObjectRange, ObjectRef, Order, Part, Role, Secret, Subject, TenantId, Timestamp,
    VersionName, VersionNumber, Window,
};

/// Exceptions: a part of the statement, and a part of the plan's line that is allowed there.
const ALLOWED: &[(&str, &str)] = &[
    // A list in JSON: the few runtimes of one version, or what the statement is given.
    ("", "SCAN json_each "),
    ("", "SCAN w VIRTUAL TABLE"),
    // One row.
    ("UPDATE state ", "SCAN state"),
    (" FROM state", "SCAN state"),
    // All of them are the answer, or become the access snapshot.
    (" FROM keys ORDER BY id", "SCAN keys"),
    (" FROM tenants ORDER BY id", "SCAN tenants"),
    (" FROM tenants WHERE spelling <> ", "SCAN tenants"),
    // The buckets found so far.
    ("WITH RECURSIVE buckets", "SCAN b"),
    // The layers of one state, by the key of their table.
    ("string_agg(b.layer_number", "USE TEMP B-TREE FOR string_agg(ORDER BY)"),
    // No table is read.
    ("", "SCAN CONSTANT ROW"),
    // At most 1,000, and expired ones that are not deleted yet.
    ("SELECT count(*) FROM inbox_multiparts", "inbox_multiparts_by_key (tenant=?)"),
    // The count of layers that match a filter; only the count without a filter is stored.
    ("SELECT count(*) FROM layers l", "USING COVERING INDEX layers_by_name (tenant=?)"),
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

/// What a thread has run.
#[derive(Default)]
struct Recorded {
    /// The lines of each statement's plan.
    plans: BTreeMap<String, Vec<String>>,
    /// The file and line of each call of a verb.
    calls: BTreeSet<(String, u32)>,
}

thread_local! {
    static RECORDED: RefCell<Recorded> = RefCell::default();
}

/// Records the plan of a statement and the call of the verb that runs it; the engine calls this.
#[track_caller]
pub(super) fn record(connection: &Connection, sql: &str) {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>("detail").unwrap());
    }
    let call = Location::caller();
    RECORDED.with_borrow_mut(|recorded| {
        recorded.plans.insert(sql.to_owned(), plan);
        recorded.calls.insert((call.file().to_owned(), call.line()));
    });
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

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn number() -> VersionNumber {
    VersionNumber::new(1).unwrap()
}

fn layer() -> LayerName {
    LayerName::parse("demo").unwrap()
}

fn function(name: &str) -> FunctionKey {
    let name = FunctionName::parse(name).unwrap();
    FunctionKey { tenant: tenant(), group: Group::default_group(), name }
}

/// Returns the head of a new function.
fn head(name: &str, config: FunctionConfig, sequence: u64) -> FunctionVersion {
    let now = Timestamp::UNIX_EPOCH;
    let key = function(name);
    FunctionVersion {
        function: Function { key, uid: name.to_owned(), created: now, versions: 0 },
        number: None,
        name: VersionName::latest(),
        version_description: String::new(),
        config,
        code: None,
        revision: 1,
        code_changed: now,
        updated: None,
        published: now,
        sequence,
    }
}

fn insert(change: &Change<'_>, head: &FunctionVersion) -> Result<(), CatalogError> {
    assert!(change.insert_function(&head.function, head.sequence)?);
    assert_eq!(change.insert_head(head)?, None);
    assert_eq!(change.select_head(&head.function.key)?.as_ref(), Some(head));
    Ok(())
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

/// Runs every statement of the store on this thread, where it is recorded.
fn run_every_statement(change: &Change<'_>) -> Result<(), CatalogError> {
    change.check()?;
    change.next_sequence()?;
    change.rewrite_state()?;
    change.ensure_tenant(&tenant(), Timestamp::UNIX_EPOCH)?;
    run_layers(change)?;
    run_functions(change)?;
    run_access(change)?;
    run_inbox(change)?;
    assert!(change.delete_layer_version(&tenant(), &layer(), number(), 9)?);
    assert!(change.delete_layer_versions(&tenant(), &layer(), 9)?);
    Ok(())
}

fn run_layers(change: &Change<'_>) -> Result<(), CatalogError> {
    let (tenant, layer) = (tenant(), layer());
    let digests = Digests { sha256: [1; 32], sha512: [1; 64], md5: [1; 16], crc64: 1 };
    let code = Artifact { digests, size: 1, entries: 1, unpacked: 1 };
    change.insert_code(&code, Timestamp::UNIX_EPOCH)?;
    for at in [1, 2] {
        let tags = [("a".to_owned(), "b".to_owned())];
        let insert = LayerVersionInsert {
            layer_uid: "layer",
            tags: (at == 1).then_some(&tags),
            uid: &format!("version {at}"),
            description: "d",
            license: "l",
            runtimes: &["py3".to_owned()],
            code: &code,
            created: Timestamp::UNIX_EPOCH,
        };
        let made = change.insert_layer_version(&tenant, &layer, &insert, at)?;
        let read = change.select_layer_version(&tenant, &layer, made.number)?;
        assert_eq!(read, Some(made), "what was made is what is stored");
    }
    let found = change.select_layer_version_by_uid(&tenant, "version 1")?;
    assert_eq!(found.map(|version| version.number), Some(number()));
    assert!(change.select_newest_layer_version(&tenant, &layer)?.is_some());
    assert!(change.select_layer_name_by_uid(&tenant, "layer")?.is_some());
    for order in [Order::Ascending, Order::Descending] {
        assert!(change.select_layer_versions(&tenant, &layer, order, None, 5)?.is_some());
    }
    assert_eq!(change.select_code(&[1; 32])?, Some(code));
    assert!(change.has_code(&[1; 32]) && !change.has_code(&[2; 32]));
    assert!(change.is_readable_code(&tenant, &[1; 32])?);
    assert!(!change.select_code_versions(&[1; 32])?.is_empty());
    assert!(!change.is_readable_code(&TenantId::parse("other")?, &[1; 32])?);
    assert_eq!(change.select_code_size(&tenant)?, 2);
    for filter in filters() {
        let page = change.select_layers_by_name(&tenant, &filter, "", 5)?;
        let mut names = Vec::new();
        change
            .visit_layers_by_name(&tenant, &filter, "", 5, |row| names.push(row.name.to_owned()))?;
        let names = names.iter().map(String::as_str);
        assert!(names.eq(page.items.iter().map(|item| item.layer.name.as_str())));
        for offset in [0, 1] {
            change.select_layers_by_age(&tenant, &filter, Window { offset, limit: 5 })?;
        }
    }
    Ok(())
}

fn run_functions(change: &Change<'_>) -> Result<(), CatalogError> {
    let (tenant, key) = (tenant(), function("demo"));
    let [first, second, missing] = [1, 2, 3]
        .map(|number| LayerRef { layer: layer(), number: VersionNumber::new(number).unwrap() });
    let layers = vec![second.clone(), first.clone()];
    let mut head = head("demo", FunctionConfig { layers, ..FunctionConfig::default() }, 3);
    insert(change, &head)?;
    head.config.layers = vec![first.clone(), missing.clone()];
    assert_eq!(change.update_head(&head)?, Some(&missing));
    head.config.layers = vec![first, second];
    assert_eq!(change.update_head(&head)?, None);
    assert_eq!(change.select_head(&key)?.as_ref(), Some(&head));
    let user = change.select_user_of_layer(&tenant, &layer(), None)?;
    assert_eq!(user.map(|(number, _)| number.get()), Some(2));
    let user = change.select_user_of_layer(&tenant, &layer(), Some(number()))?;
    assert_eq!(user, Some((number(), "demo".to_owned())));

    assert_eq!(change.select_last_number(&key)?, 0);
    let name = VersionName::parse("one")?;
    assert!(!change.is_version_name_taken(&key, &name)?);
    let mut version = FunctionVersion { number: Some(number()), name, sequence: 4, ..head };
    version.function.versions = 1;
    change.insert_function_version(&version)?;
    assert!(change.is_version_name_taken(&key, &version.name)?);
    assert_eq!(change.select_function_version(&key, number())?.as_ref(), Some(&version));
    assert_eq!(change.select_named_version(&key, &version.name)?.as_ref(), Some(&version));
    assert_eq!(change.select_newest_function_version(&key)?, Some(version));

    let window = Window { offset: 0, limit: 5 };
    for order in [
        FunctionOrder::HeadFirst,
        FunctionOrder::HeadFirstAfter(Some(number())),
        FunctionOrder::LastWrittenFirst,
    ] {
        assert!(change.select_function_versions(&key, order, window)?.is_some());
    }
    for group in [None, Some(&key.group)] {
        for after in [None, Some((key.group.as_str(), "a"))] {
            assert_eq!(change.select_heads(&tenant, group, after, 5)?.items.len(), 1);
        }
    }
    for (version, count) in [(None, 2), (Some("latest"), 1)] {
        let all = change.select_all_states(&tenant, version, window)?;
        assert_eq!((all.items.len(), all.total), (count, count as u64));
        let filtered = change.select_states_where(&tenant, version, |_| Ok(true), window)?;
        assert_eq!(filtered.items, all.items);
    }
    assert!(change.delete_function_version(&key, number(), 5)?);
    assert!(change.delete_function(&key, 6)?);
    Ok(())
}

fn run_access(change: &Change<'_>) -> Result<(), CatalogError> {
    let (tenant, now) = (tenant(), Timestamp::UNIX_EPOCH);
    let key = Key {
        id: KeyId::parse("KEY1")?,
        secret: Secret::parse("not-a-secret")?,
        tenant: tenant.clone(),
        role: Role::Read,
        enabled: true,
        created: now,
        last_used: Some(now),
    };
    assert!(change.insert_key(&key)?);
    change.update_key_use(&key.id, now)?;
    assert_eq!(change.select_keys()?, std::slice::from_ref(&key));
    assert_eq!(change.update_key_enabled(&key.id, false)?, Some(tenant.clone()));
    change.update_link_secret(&[2; 32])?;
    change.update_cloud_ids(&tenant, &CloudIds::default())?;
    assert_eq!(change.select_tenants()?, [(tenant.clone(), CloudIds::default())]);
    assert_eq!(change.select_access()?.link_secret, [2; 32]);
    assert_eq!(change.delete_key(&key.id)?, Some(tenant.clone()));
    change.insert_audit(1, now, &Actor::owner("Test"), &Subject::links())?;
    let mut layer = Subject::layer(&tenant, &layer(), Some(number()));
    change.insert_audit(2, now, &Actor::owner("Test"), &layer)?;
    for (version, found) in [(None, 1), (Some(number()), 1), (VersionNumber::new(2), 0)] {
        layer.version = version;
        let filter = AuditFilter::Subject(&layer);
        assert_eq!(change.select_audit(filter, 0, 5)?.items.len(), found);
    }
    for filter in [AuditFilter::All, AuditFilter::Tenant(&tenant)] {
        assert_eq!(change.select_audit(filter, 0, 5)?.items.len(), 2);
    }
    Ok(())
}

fn run_inbox(change: &Change<'_>) -> Result<(), CatalogError> {
    let (at, now) = (ObjectRef::parse("code", "a/b")?, Timestamp::UNIX_EPOCH);
    let (about, md5, etag) = (ObjectInfo::default(), [1; 16], hex::encode([1; 16]));
    let object = InboxObject {
        at: at.clone(),
        size: 1,
        digests: Digests { sha256: [1; 32], sha512: [1; 64], md5, crc64: 1 },
        parts: 1,
        etag: etag.clone(),
        about: about.clone(),
        stored: now,
        expires: Some(Timestamp::from_second(1 << 33).unwrap()),
    };
    let upload =
        Multipart { id: "u".into(), at: at.clone(), about, started: now, expires: Some(now) };
    let part = Part { number: 1, size: 1, md5, etag, stored: now };
    let files = [1, 2, 3].map(Uuid::from_u128);
    assert_eq!(change.replace_object(&tenant(), &object, &[], files[0])?, None);
    assert_eq!(change.replace_object(&tenant(), &object, &[1], files[1])?, Some(files[0]));
    assert_eq!(change.select_part_sizes(files[1])?, [1]);
    change.insert_multipart(&tenant(), &upload)?;
    assert_eq!(change.replace_part("u", &part, files[2])?, None);
    assert_eq!(change.select_parts("u", 0, 5)?.items, [(part, files[2])]);
    assert!(change.has_inbox_file(files[2]) && !change.has_inbox_file(files[0]));
    assert_eq!(change.delete_multipart("u")?, [files[2]]);
    assert!(change.select_multipart(&tenant(), &at, "u", now)?.is_none());
    assert_eq!(change.count_multiparts(&tenant(), now)?, 0);
    assert_eq!(change.select_object(&tenant(), &at, now)?, Some((object, files[1])));
    for prefix in ["", "a"] {
        for (from, found) in [
            (ObjectFrom::Start, 1),
            (ObjectFrom::After("a/".to_owned()), 1),
            (ObjectFrom::After("a/b".to_owned()), 0),
            (ObjectFrom::Behind("a/".to_owned()), 0),
        ] {
            let range = ObjectRange { prefix: prefix.to_owned(), from, limit: 5 };
            let page = change.select_objects(&tenant(), &at.bucket, &range, now)?;
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
            change.select_multiparts(&tenant(), &at.bucket, &range, now)?;
        }
    }
    assert_eq!(change.select_buckets(&tenant(), now, 5)?, [(at.bucket.clone(), now)]);
    assert_eq!(change.select_inbox_size()?, 1 + 4096);
    assert!(!change.has_expired(now)?);
    change.delete_expired(now, 5)?;
    let missing = ObjectRef::parse("code", "missing")?;
    let deleted = change.delete_objects(&tenant(), &[missing, at.clone()], now)?;
    assert_eq!(deleted, [(at.clone(), files[1])]);
    assert_eq!(change.delete_object(&tenant(), &at)?, None);
    let gone = change.select_gone("")?;
    assert_eq!(gone.len(), 3);
    change.delete_gone(&gone)?;
    assert!(change.select_gone("")?.is_empty());
    Ok(())
}

/// Runs `run` on a new catalog and returns what it recorded.
fn recorded(run: impl FnOnce(&Change<'_>) -> Result<(), CatalogError>) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap());
    // The writer would record in its own thread.
    let session = sqlite::Session::open(&folder.path().join("catalog.sqlite")).unwrap();
    RECORDED.take();
    run(&Change::new(&session.0)).unwrap();
    RECORDED.take()
}

#[test]
fn every_statement_reads_by_keys_and_indexes() {
    let recorded = recorded(|change| {
        run_every_statement(change)?;
        run_many_states(change)
    });
    let bad: Vec<_> = recorded.plans.iter().filter(|(sql, plan)| is_bad(sql, plan)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    for (part, allowed) in ALLOWED {
        let needs = |(sql, plan): (&String, &Vec<String>)| {
            sql.contains(part) && plan.iter().any(|line| line.contains(allowed))
        };
        assert!(recorded.plans.iter().any(needs), "nothing needs the exception {part}: {allowed}");
    }
    let uses = |index: &str| {
        let has = |plan: &&Vec<String>| plan.iter().any(|line| line.contains(index));
        recorded.plans.values().filter(has).count()
    };
    assert_eq!(uses("audit_by_whole"), 1, "one tenant's log");
    assert_eq!(uses("function_versions_by_sequence"), 4, "many states are not sorted");

    let missed: Vec<_> = calls().difference(&recorded.calls).cloned().collect();
    assert!(missed.is_empty(), "calls of verbs that this test does not reach: {missed:#?}");
}

/// Reads pages of more states than are sorted.
fn run_many_states(change: &Change<'_>) -> Result<(), CatalogError> {
    for at in 0..=SORTED_MAX {
        insert(change, &head(&format!("f{at}"), FunctionConfig::default(), at))?;
    }
    for version in [None, Some("latest")] {
        let window = Window { offset: 1, limit: 2 };
        let page = change.select_all_states(&tenant(), version, window)?;
        let filtered = change.select_states_where(&tenant(), version, |_| Ok(true), window)?;
        assert_eq!((&page.items, page.total), (&filtered.items, filtered.total));
        let sequences: Vec<u64> = page.items.iter().map(|state| state.sequence).collect();
        assert_eq!(sequences, [SORTED_MAX - 1, SORTED_MAX - 2]);
        assert_eq!((page.more, page.total), (true, SORTED_MAX + 1));
    }
    Ok(())
}

/// Returns the file and line of each call of a verb in this module, but in its tests.
fn calls() -> BTreeSet<(String, u32)> {
    const VERBS: [&str; 5] = [".one(", ".all(", ".each(", ".run(", ".count("];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut calls = BTreeSet::new();
    for path in files_below(&root.join("src/store")) {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if ["engine.rs", "plans.rs", "tests.rs", "writer.rs"].iter().any(|end| name.ends_with(end))
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (at, line) in (1..).zip(code.lines()) {
            if VERBS.iter().any(|verb| line.contains(&format!("self{verb}"))) {
                calls.insert((name.clone(), at));
            }
        }
    }
    assert!(calls.len() > 50, "the calls are spelled otherwise");
    calls
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

//! How SQLite runs the statements that read: by a key or an index, never by reading all rows or
//! sorting them.
//!
//! A plan depends on the schema and the statement alone, for the catalog keeps no statistics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::{LayerVersionInsert, Store};
use crate::domain::{
    Acl, Artifact, CatalogError, Digests, LayerFilter, LayerName, Order, TenantId, Timestamp,
    VersionNumber, Window,
};

/// What a plan may say all the same: a part of the statement, a part of the plan's line.
const ALLOWED: &[(&str, &str)] = &[
    // The few runtimes of one version, which are text in its row.
    ("", "SCAN json_each "),
    // How many layers a filter lets through is known to nobody before; without one it is kept.
    ("SELECT count(*) FROM layers l", "USING INDEX layers_by_age (tenant=?)"),
];

thread_local! {
    /// The statements that this thread prepared, with the lines of their plans.
    static PLANS: RefCell<BTreeMap<String, Vec<String>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Notes how a statement is run; called for each that a [`super::View`] prepares.
pub(super) fn record(connection: &Connection, sql: &str) {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>(3).unwrap());
    }
    PLANS.with_borrow_mut(|plans| plans.insert(sql.to_owned(), plan));
}

/// Fails for every statement of this thread that is not answered by keys and indexes.
fn check(statements_min: usize) {
    let plans = PLANS.take();
    assert!(plans.len() >= statements_min, "only {} statements", plans.len());
    let bad: Vec<_> = plans.iter().filter(|(sql, plan)| is_bad(sql, plan)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Whether a statement sorts, reads a whole table or index, or more of a tenant's rows than a page.
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
    let misses_name = sql.contains(".name = ?") && !plan.iter().any(|line| line.contains("name=?"));
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

/// Makes a layer with one version, without its file.
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

/// One filter for each way to narrow a list of layers, and all at once.
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
        for filter in filters() {
            view.select_layers_by_name(&tenant, &filter, "", 5)?;
            for offset in [0, 1] {
                view.select_layers_by_age(&tenant, &filter, Window { offset, limit: 5 })?;
            }
        }
        Ok::<_, CatalogError>(())
    });
    read.unwrap();
    check(25);
}

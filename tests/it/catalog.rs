//! Rules of the catalog, without HTTP: version numbers, pages, deletion, tenants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use layerbase::catalog::{Catalog, Clock, CodeInput, DeleteRule, IdSource, VersionRange};
use layerbase::domain::{
    ArtifactLimits, Caller, CatalogError, FunctionChange, FunctionConfig, FunctionKey,
    FunctionName, FunctionOrder, Group, LayerFilter, LayerName, LayerRef, LayersOf, NewFunction,
    NewLayerVersion, Noun, Order, Publication, PublicationName, Qualifier, TenantId, Timestamp,
    VersionName, VersionNumber, Window,
};
use layerbase::ingest::Staged;
use layerbase::store::{OpenError, Store};
use tempfile::TempDir;

use crate::support::server::{Footprint, START};
use crate::support::zips;

struct Fixture {
    folder: TempDir,
    catalog: Arc<Catalog>,
    clock: Arc<AtomicI64>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let (now, ids) = (Arc::clone(&clock), AtomicU64::new(1));
        let clock_of_test =
            Clock::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap());
        let ids = IdSource::new(move || {
            uuid::Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::SeqCst)))
        });
        let store = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        let catalog = Arc::new(Catalog::new(store, clock_of_test, ids));
        Self { folder, catalog, clock }
    }

    fn stage(&self, bytes: &[u8]) -> Staged {
        stage(&self.catalog, bytes)
    }

    fn publish(&self, name: &str) -> VersionNumber {
        let upload = self.stage(&zips::vector("tencent"));
        let new = NewLayerVersion::default();
        self.catalog.publish_layer_version(&caller(), &layer(name), new, upload).unwrap().number
    }

    fn tick(&self) {
        self.clock.fetch_add(1, Ordering::SeqCst);
    }

    fn create(&self, name: &str, config: FunctionConfig) {
        let new = NewFunction { key: key(name), head_name: VersionName::latest(), config };
        let upload = self.stage(&zips::vector("huawei"));
        self.catalog.create_function(&caller(), new, Some(upload)).unwrap();
    }

    fn publish_function(&self, name: &str) -> VersionNumber {
        let publication = Publication::default();
        let version =
            self.catalog.publish_function_version(&caller(), &key(name), publication).unwrap();
        version.number.unwrap()
    }
}

fn stage(catalog: &Catalog, bytes: &[u8]) -> Staged {
    let mut staging = catalog.staging(ArtifactLimits::default());
    staging.write(bytes.to_vec().into()).unwrap();
    staging.end().finish().unwrap()
}

/// Returns the caller of every request while authentication is off.
fn caller() -> Caller {
    Caller::new_anonymous(tenant())
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn layer(name: &str) -> LayerName {
    LayerName::parse(name).unwrap()
}

fn number(number: u64) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn key(name: &str) -> FunctionKey {
    FunctionKey {
        tenant: tenant(),
        group: Group::default_group(),
        name: FunctionName::parse(name).unwrap(),
    }
}

#[test]
fn parallel_publishers_get_distinct_consecutive_numbers() {
    let fixture = Fixture::new();
    let numbers: BTreeSet<u64> = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..64)
            .map(|publisher: u8| {
                let fixture = &fixture;
                scope.spawn(move || {
                    let bytes = zips::stored(&[("a.txt", &[publisher])]);
                    let (upload, new) = (fixture.stage(&bytes), NewLayerVersion::default());
                    let published = fixture.catalog.publish_layer_version(
                        &caller(),
                        &layer("demo"),
                        new,
                        upload,
                    );
                    published.unwrap().number.get()
                })
            })
            .collect();
        publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect()
    });
    assert_eq!(numbers, (1..=64).collect());
    assert_eq!(
        Footprint::of(fixture.folder.path()).files.len(),
        64,
        "one file each, nothing left over"
    );
}

#[test]
fn equal_content_is_stored_once() {
    let fixture = Fixture::new();
    assert_eq!(fixture.publish("demo"), number(1));
    assert_eq!(fixture.publish("demo"), number(2));
    let footprint = Footprint::of(fixture.folder.path());
    assert_eq!((footprint.rows["code"], footprint.rows["layer_versions"]), (1, 2));
    assert_eq!(footprint.files.len(), 1);
}

#[test]
fn a_refused_nul_stores_nothing() {
    let fixture = Fixture::new();
    fixture.create("known", FunctionConfig::default());
    let before = Footprint::of(fixture.folder.path());
    let upload = || fixture.stage(&zips::vector("tencent"));
    let is_refused = |outcome: Result<(), CatalogError>| {
        let refusal = outcome.unwrap_err().to_string();
        assert!(refusal.ends_with("must not contain NUL"), "{refusal}");
        assert_eq!(Footprint::of(fixture.folder.path()), before);
    };
    let tags = Some(vec![("team".to_owned(), "a\0b".to_owned())]);
    let new = NewLayerVersion { tags, ..NewLayerVersion::default() };
    let published = fixture.catalog.publish_layer_version(&caller(), &layer("a"), new, upload());
    is_refused(published.map(drop));
    let config = || FunctionConfig {
        extra: [("native".to_owned(), r#"{"a":"\u0000"}"#.to_owned())].into(),
        ..FunctionConfig::default()
    };
    let new = NewFunction { key: key("new"), head_name: VersionName::latest(), config: config() };
    is_refused(fixture.catalog.create_function(&caller(), new, Some(upload())).map(drop));
    let apply = Box::new(move |_: &_| Ok(config()));
    let update = FunctionChange { expected_revision: None, touches: true, apply };
    let code = CodeInput::Replace(upload());
    is_refused(fixture.catalog.update_function(&caller(), &key("known"), update, code).map(drop));
    let publication = Publication { description: "a\0b".to_owned(), ..Publication::default() };
    let published = fixture.catalog.publish_function_version(&caller(), &key("known"), publication);
    is_refused(published.map(drop));
}

#[test]
fn version_numbers_are_not_reused_after_deletion() {
    let fixture = Fixture::new();
    for gone in [fixture.publish("demo"), fixture.publish("demo")] {
        let rule = DeleteRule::EvenIfUsed;
        fixture.catalog.delete_layer_version(&caller(), &layer("demo"), gone, rule).unwrap();
    }
    let missing = fixture.catalog.get_newest_layer_version(&tenant(), &layer("demo"));
    assert!(matches!(missing, Err(CatalogError::NotFound { what: Noun::Layer, .. })));
    let page = fixture.catalog.list_layers(&tenant(), &LayerFilter::default(), "", 10).unwrap();
    assert!(page.items.is_empty(), "a layer without versions is not listed");
    assert_eq!(fixture.publish("demo"), number(3));
}

#[test]
fn deleting_the_newest_version_lists_the_previous_one() {
    let fixture = Fixture::new();
    fixture.publish("demo");
    fixture.publish("demo");
    let rule = DeleteRule::EvenIfUsed;
    fixture.catalog.delete_layer_version(&caller(), &layer("demo"), number(2), rule).unwrap();
    let page = fixture.catalog.list_layers(&tenant(), &LayerFilter::default(), "", 10).unwrap();
    assert_eq!(page.items[0].number, number(1));
}

#[test]
fn pages_of_every_size_add_up_to_the_whole_list() {
    let fixture = Fixture::new();
    let names = ["Zeta", "_x", "a", "a-b", "ab", "alpha", "b", "beta", "层"];
    for name in names {
        fixture.publish(name);
        fixture.tick();
    }
    for _ in 0..4 {
        fixture.publish("alpha");
        fixture.tick();
    }
    let catalog = &fixture.catalog;
    for size in 1..=10 {
        let (mut by_name, mut from) = (Vec::new(), String::new());
        loop {
            let page =
                catalog.list_layers(&tenant(), &LayerFilter::default(), &from, size).unwrap();
            assert!(page.items.len() as u64 <= size);
            by_name.extend(page.items.iter().map(|item| item.layer.name.to_string()));
            let mut items = page.items.iter();
            let visit =
                catalog.visit_layers(&tenant(), &LayerFilter::default(), &from, size, |row| {
                    let item = items.next().unwrap();
                    assert_eq!(*row, item.row(&serde_json::to_string(&item.runtimes).unwrap()));
                });
            assert_eq!(visit.unwrap(), page.next.map(|next| next.layer.name));
            assert_eq!(items.next(), None);
            if !page.more {
                break;
            }
            from = format!("{}\u{1}", by_name.last().unwrap());
        }
        assert_eq!(by_name, names, "page size {size}");

        let (mut by_age, mut offset) = (Vec::new(), 0);
        loop {
            let window = Window { offset, limit: size };
            let page = catalog.list_layers_by_age(&tenant(), &LayerFilter::default(), window);
            let page = page.unwrap();
            assert_eq!(page.total, 9);
            offset += page.items.len() as u64;
            by_age.extend(page.items.iter().map(|item| item.layer.name.to_string()));
            assert_eq!(page.more, offset < 9, "page size {size}, offset {offset}");
            if !page.more {
                break;
            }
        }
        let newest = ["alpha", "层", "beta", "b", "ab", "a-b", "a", "_x", "Zeta"];
        assert_eq!(by_age, newest, "page size {size}");

        for (order, expected) in
            [(Order::Ascending, [1, 2, 3, 4, 5]), (Order::Descending, [5, 4, 3, 2, 1])]
        {
            let (mut numbers, mut from) = (Vec::new(), None);
            loop {
                let range = VersionRange { order, from, limit: size };
                let page = catalog.list_layer_versions(&tenant(), &layer("alpha"), range).unwrap();
                assert_eq!(page.total, 5);
                numbers.extend(page.items.iter().map(|item| item.number.get()));
                if !page.more {
                    break;
                }
                let last: u64 = *numbers.last().unwrap();
                from = Some(if order == Order::Ascending { last + 1 } else { last - 1 });
            }
            assert_eq!(numbers, expected, "page size {size}");
        }
    }
}

#[test]
fn filters_apply_together_with_the_position() {
    let fixture = Fixture::new();
    for name in ["aa", "ab", "ac", "b"] {
        fixture.publish(name);
    }
    let filter = LayerFilter { prefix: Some("a".to_owned()), ..LayerFilter::default() };
    let page = fixture.catalog.list_layers(&tenant(), &filter, "ab", 10).unwrap();
    let names: Vec<_> = page.items.iter().map(|item| item.layer.name.as_str()).collect();
    assert_eq!(names, ["ab", "ac"]);
    let filter = LayerFilter { contains: Some("B".to_owned()), ..LayerFilter::default() };
    let window = Window { offset: 0, limit: 10 };
    let page = fixture.catalog.list_layers_by_age(&tenant(), &filter, window).unwrap();
    assert_eq!(page.total, 2);
}

#[test]
fn published_function_version_is_unaffected_by_head_update() {
    let fixture = Fixture::new();
    let config = FunctionConfig { handler: "a.b".to_owned(), ..FunctionConfig::default() };
    fixture.create("hello", config);
    assert_eq!(fixture.publish_function("hello"), number(1));
    fixture.tick();
    let change = FunctionChange {
        expected_revision: None,
        touches: true,
        apply: Box::new(|old| Ok(FunctionConfig { handler: "c.d".into(), ..old.config.clone() })),
    };
    let code = CodeInput::Replace(fixture.stage(&zips::vector("ctyun")));
    fixture.catalog.update_function(&caller(), &key("hello"), change, code).unwrap();
    let version = Qualifier::Number(number(1));
    let version = fixture.catalog.get_function(&key("hello"), &version).unwrap();
    let head = fixture.catalog.get_function(&key("hello"), &Qualifier::Head).unwrap();
    assert_eq!((version.config.handler.as_str(), version.code.unwrap().size), ("a.b", 159));
    assert_eq!((head.config.handler.as_str(), head.code.unwrap().size), ("c.d", 142));
    assert!(head.revision > version.revision);
}

#[test]
fn triggers_refuse_updates_of_published_versions() {
    let fixture = Fixture::new();
    fixture.publish("demo");
    fixture.create("hello", FunctionConfig::default());
    fixture.publish_function("hello");
    let file = rusqlite::Connection::open(fixture.folder.path().join("catalog.sqlite")).unwrap();
    for sql in [
        "UPDATE layer_versions SET runtimes = '[]'",
        "UPDATE function_versions SET handler = 'x' WHERE number = 1",
    ] {
        let refusal = file.execute(sql, []).unwrap_err();
        assert!(refusal.to_string().contains("never changes"), "{refusal}");
    }
}

#[test]
fn unchanged_head_is_refused_on_request() {
    let fixture = Fixture::new();
    fixture.create("hello", FunctionConfig::default());
    let publish = || {
        let publication = Publication { refuse_unchanged: true, ..Publication::default() };
        fixture.catalog.publish_function_version(&caller(), &key("hello"), publication)
    };
    publish().unwrap();
    assert!(matches!(publish(), Err(CatalogError::Unchanged { .. })));
    let newest = Qualifier::Number(number(1));
    fixture.catalog.delete_function_version(&caller(), &key("hello"), &newest).unwrap();
    assert_eq!(publish().unwrap().number, Some(number(2)), "nothing published is left to equal");
}

#[test]
fn time_based_version_names_skip_taken_seconds() {
    let fixture = Fixture::new();
    fixture.create("hello", FunctionConfig::default());
    let publish = || {
        let name = PublicationName::FromTime(|time| format!("v{}", time.as_second()));
        let publication = Publication { name, ..Publication::default() };
        fixture
            .catalog
            .publish_function_version(&caller(), &key("hello"), publication)
            .unwrap()
            .name
    };
    assert_eq!(publish().as_str(), format!("v{START}"));
    assert_eq!(publish().as_str(), format!("v{}", START + 1));
}

#[test]
fn number_taken_as_a_name_is_skipped() {
    let fixture = Fixture::new();
    fixture.create("hello", FunctionConfig::default());
    let name = PublicationName::Given(VersionName::parse("2").unwrap());
    let publication = Publication { name, ..Publication::default() };
    fixture.catalog.publish_function_version(&caller(), &key("hello"), publication).unwrap();
    assert_eq!(fixture.publish_function("hello"), number(3));
}

#[test]
fn delete_rule_decides_whether_a_used_layer_version_is_deleted() {
    let fixture = Fixture::new();
    fixture.publish("demo");
    let layers = vec![LayerRef { layer: layer("demo"), number: number(1) }];
    fixture.create("hello", FunctionConfig { layers: layers.clone(), ..FunctionConfig::default() });
    fixture.publish_function("hello");
    let delete =
        |rule| fixture.catalog.delete_layer_version(&caller(), &layer("demo"), number(1), rule);
    assert!(matches!(delete(DeleteRule::OnlyIfUnused), Err(CatalogError::InUse { .. })));
    delete(DeleteRule::EvenIfUsed).unwrap();
    let version = Qualifier::Number(number(1));
    let version = fixture.catalog.get_function(&key("hello"), &version).unwrap();
    assert_eq!(version.config.layers, layers);
    let change = FunctionChange {
        expected_revision: None,
        touches: true,
        apply: Box::new(|old| Ok(FunctionConfig { timeout: 9, ..old.config.clone() })),
    };
    fixture.catalog.update_function(&caller(), &key("hello"), change, CodeInput::Keep).unwrap();
}

#[test]
fn list_by_last_write_follows_every_publication() {
    let fixture = Fixture::new();
    fixture.create("hello", FunctionConfig::default());
    let publish = |name: &str| {
        let name = PublicationName::Given(VersionName::parse(name).unwrap());
        let publication = Publication { name, ..Publication::default() };
        fixture.catalog.publish_function_version(&caller(), &key("hello"), publication).unwrap();
    };
    let names = || -> Vec<String> {
        let (order, window) = (FunctionOrder::LastWrittenFirst, Window { offset: 0, limit: 10 });
        let page = fixture.catalog.list_function_versions(&key("hello"), order, window).unwrap();
        page.items.iter().map(|item| item.name.to_string()).collect()
    };
    publish("1");
    assert_eq!(names(), ["1", "latest"]);
    publish("v2");
    assert_eq!(names(), ["latest", "v2", "1"]);
    publish("5");
    assert_eq!(names(), ["5", "latest", "v2", "1"]);
}

#[test]
fn layers_are_invisible_to_other_tenants() {
    let fixture = Fixture::new();
    fixture.publish("demo");
    let other = TenantId::parse("other").unwrap();
    let missing = fixture.catalog.get_layer_version(&other, &layer("demo"), number(1));
    assert!(matches!(missing, Err(CatalogError::NotFound { .. })));
    let page = fixture.catalog.list_layers(&other, &LayerFilter::default(), "", 10).unwrap();
    assert!(page.items.is_empty());
}

#[test]
fn only_public_layers_can_be_read_by_other_tenants() {
    let fixture = Fixture::new();
    fixture.publish("demo");
    let upload = fixture.stage(&zips::vector("huawei"));
    let (private, new) = (layer("private"), NewLayerVersion::default());
    fixture.catalog.publish_layer_version(&caller(), &private, new, upload).unwrap();
    // No client can make a layer public yet.
    let rows = rusqlite::Connection::open(fixture.folder.path().join("catalog.sqlite")).unwrap();
    rows.execute("UPDATE layers SET acl = 1 WHERE name = 'demo'", []).unwrap();

    let (catalog, owner) = (&fixture.catalog, tenant());
    let stranger = TenantId::parse("other").unwrap();
    let range = |from| VersionRange { order: Order::Ascending, from, limit: 10 };
    for (name, reader, can_read) in [
        ("demo", &owner, true),
        ("demo", &stranger, true),
        ("private", &owner, true),
        ("private", &stranger, false),
    ] {
        let (name, of) = (layer(name), LayersOf { owner: &owner, reader });
        let version = catalog.get_newest_layer_version(&owner, &name).unwrap();
        for found in [
            catalog.get_layer_version(of, &name, version.number).map(drop),
            catalog.get_newest_layer_version(of, &name).map(drop),
            catalog.get_layer_version_by_uid(of, &version.uid).map(drop),
            catalog.list_layer_versions(of, &name, range(None)).map(drop),
            catalog.list_layer_versions(of, &name, range(Some(99))).map(drop),
            catalog.find_code(reader, &version.code.digests.sha256),
        ] {
            let is_missing = matches!(found, Err(CatalogError::NotFound { .. }));
            assert_eq!((found.is_ok(), is_missing), (can_read, !can_read), "{name}: {found:?}");
        }
        // The refusal does not tell which versions a private layer has.
        let missing = catalog.get_layer_version(of, &name, number(99)).unwrap_err();
        let what = if can_read { Noun::LayerVersion } else { Noun::Layer };
        assert!(matches!(missing, CatalogError::NotFound { what: noun, .. } if noun == what));
        // A public layer is not one of the reader's own.
        assert!(catalog.get_layer_version(&stranger, &name, number(1)).is_err());
    }
}

#[test]
fn second_process_is_refused() {
    let fixture = Fixture::new();
    let second = Store::open(fixture.folder.path(), Timestamp::UNIX_EPOCH, [1; 32]);
    assert!(matches!(second.err(), Some(OpenError::Locked(_))));
}

//! Layer versions and contents: every field, numbers, the newest version, deletion.

use std::slice;

use layerbase::domain::{
    Acl, Artifact, Digests, Layer, LayerFilter, LayerVersion, Order, Timestamp, Window,
};
use layerbase::store::LayerVersionInsert;

use super::{at, bytes, code, layer, number, publish, tenant, texts, uuid};
use crate::support::engines::{TestStore, stores};

/// Contents whose numbers are at the ends of what SQL's integers hold.
fn extreme_codes() -> Vec<Artifact> {
    let crcs = [0, 1, i64::MAX as u64, 1 << 63, (1 << 63) + 1, u64::MAX];
    let sizes = [0, 1, u64::from(u32::MAX) + 1, i64::MAX as u64];
    let seeds = [0, 0x7f, 0x80, 0xff, u64::MAX, 1 << 63];
    let code = |index: usize| Artifact {
        digests: Digests {
            sha256: bytes(seeds[index]),
            sha512: bytes(seeds[index]),
            md5: bytes(seeds[index]),
            crc64: crcs[index],
        },
        size: sizes[index % 4],
        entries: sizes[(index + 1) % 4],
        unpacked: sizes[(index + 2) % 4],
    };
    (0..crcs.len()).map(code).collect()
}

#[test]
fn contents_keep_every_bit_and_are_written_once() {
    for store in stores() {
        for code in extreme_codes() {
            let other = Artifact { size: 7, entries: 7, unpacked: 7, ..code };
            store
                .write(move |change| {
                    change.insert_code(&code, at(1))?;
                    change.insert_code(&other, at(2))
                })
                .unwrap();
            let sha256 = code.digests.sha256;
            let found = store.read(|view| view.select_code(&sha256)).unwrap();
            assert_eq!(found, Some(code), "{store}");
        }
        let missing = store.read(|view| view.select_code(&bytes(12))).unwrap();
        assert_eq!(missing, None, "{store}");
    }
}

/// Checks that each read of one version shows exactly this.
fn check_reads(store: &TestStore, version: &LayerVersion) {
    let (of, name) = (tenant("t"), &version.layer.name);
    let other = tenant("T");
    store
        .read(|view| {
            let by_number = view.select_layer_version(&of, name, version.number)?;
            assert_eq!(by_number.as_ref(), Some(version), "{store}");
            let by_uid = view.select_layer_version_by_uid(&of, &version.uid)?;
            assert_eq!(by_uid.as_ref(), Some(version), "{store}");
            let newest = view.select_newest_layer_version(&of, name)?;
            assert_eq!(newest.as_ref(), Some(version), "{store}");
            let layer_name = view.select_layer_name_by_uid(&of, &version.layer.uid)?;
            assert_eq!(layer_name.as_ref(), Some(name), "{store}");
            let order = Order::Descending;
            let versions = view.select_layer_versions(&of, name, order, None, 1)?.unwrap();
            assert_eq!(versions.items, slice::from_ref(version), "{store}");
            let filter = LayerFilter { name: Some(name.clone()), ..LayerFilter::default() };
            let by_age = view.select_layers_by_age(&of, &filter, Window { offset: 0, limit: 9 })?;
            assert_eq!(by_age.items, slice::from_ref(version), "{store}");
            let by_name = view.select_layers_by_name(&of, &filter, "", 9)?;
            assert_eq!(by_name.items, slice::from_ref(version), "{store}");
            let runtimes = serde_json::to_string(&version.runtimes).unwrap();
            let mut rows = 0;
            view.visit_layers_by_name(&of, &filter, "", 9, |row| {
                assert_eq!(*row, version.row(&runtimes), "{store}");
                rows += 1;
            })?;
            assert_eq!(rows, 1, "{store}");
            // Another tenant sees none of it.
            assert_eq!(view.select_layer_version(&other, name, version.number)?, None, "{store}");
            assert_eq!(view.select_layer_version_by_uid(&other, &version.uid)?, None, "{store}");
            assert_eq!(view.select_newest_layer_version(&other, name)?, None, "{store}");
            assert_eq!(view.select_layer_name_by_uid(&other, &version.layer.uid)?, None, "{store}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_read_shows_the_version_that_the_insert_returned() {
    let times = [
        -62_135_596_800_000_000,
        -1,
        0,
        1,
        999_999,
        1_700_000_000_123_456,
        253_402_207_199_999_999,
    ];
    for store in stores() {
        let codes = extreme_codes();
        for (index, text) in texts().into_iter().enumerate() {
            let seed = index as u64;
            let expected = LayerVersion {
                layer: Layer {
                    name: layer(&format!("{index}'\"\u{5c42}\u{1f600}")),
                    uid: uuid(1, seed).to_string(),
                    acl: Acl::Private,
                    tags: vec![(text.clone(), "v".to_owned()), ("k".to_owned(), text.clone())],
                },
                number: number(1),
                uid: uuid(2, seed).to_string(),
                description: text.clone(),
                license: text.clone(),
                runtimes: vec![text.clone(), "a".to_owned(), text],
                // A tenant's sizes are added up, and no sum of them exceeds SQL's integers.
                code: Artifact { size: seed, ..codes[index % codes.len()] },
                created: Timestamp::from_microsecond(times[index % times.len()]).unwrap(),
            };
            let wanted = expected.clone();
            let returned = store.write(move |change| {
                let sequence = change.next_sequence()?;
                change.ensure_tenant(&tenant("t"), at(0))?;
                change.insert_code(&wanted.code, at(0))?;
                let version = LayerVersionInsert {
                    layer_uid: &wanted.layer.uid,
                    tags: Some(&wanted.layer.tags),
                    uid: &wanted.uid,
                    description: &wanted.description,
                    license: &wanted.license,
                    runtimes: &wanted.runtimes,
                    code: &wanted.code,
                    created: wanted.created,
                };
                change.insert_layer_version(&tenant("t"), &wanted.layer.name, &version, sequence)
            });
            assert_eq!(returned.unwrap(), expected, "{store}");
            let mut stored = expected;
            // The content was first stored by an earlier round, with that round's size.
            stored.code.size = (index % codes.len()) as u64;
            check_reads(&store, &stored);
        }
    }
}

#[test]
fn tags_are_those_of_the_layer_until_a_publication_replaces_them() {
    let pairs = |tags: &[(&str, &str)]| -> Vec<(String, String)> {
        tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    for store in stores() {
        let steps = [
            (None, pairs(&[])),
            (
                Some(pairs(&[("b", "1"), ("a", "2"), ("b", "3")])),
                pairs(&[("b", "1"), ("a", "2"), ("b", "3")]),
            ),
            (None, pairs(&[("b", "1"), ("a", "2"), ("b", "3")])),
            (Some(pairs(&[])), pairs(&[])),
        ];
        for (number_before, (tags, expected)) in (0..).zip(steps) {
            let returned = store.write(move |change| {
                let sequence = change.next_sequence()?;
                change.ensure_tenant(&tenant("t"), at(0))?;
                change.insert_code(&code(1, 1), at(0))?;
                let version = LayerVersionInsert {
                    layer_uid: &uuid(1, sequence).to_string(),
                    tags: tags.as_deref(),
                    uid: &uuid(2, sequence).to_string(),
                    description: "",
                    license: "",
                    runtimes: &[],
                    code: &code(1, 1),
                    created: at(sequence),
                };
                change.insert_layer_version(&tenant("t"), &layer("l"), &version, sequence)
            });
            let returned = returned.unwrap();
            assert_eq!(returned.number, number(number_before + 1), "{store}");
            assert_eq!(
                returned.layer.uid,
                uuid(1, 1).to_string(),
                "{store}: the layer's uid stays"
            );
            assert_eq!(returned.layer.tags, expected, "{store}");
            check_reads(&store, &returned);
            let first = store
                .read(|view| view.select_layer_version(&tenant("t"), &layer("l"), number(1)))
                .unwrap();
            assert_eq!(first.unwrap().layer, returned.layer, "{store}: the layer as it is now");
        }
    }
}

/// Publishes a version of the layer `l` and returns its number.
fn publish_next(store: &TestStore) -> u64 {
    let published = store.write(|change| publish(change, &tenant("t"), "l", &code(1, 10)));
    published.unwrap().number.get()
}

fn delete(store: &TestStore, version: u64) -> bool {
    let deleted = store.write(move |change| {
        let sequence = change.next_sequence()?;
        change.delete_layer_version(&tenant("t"), &layer("l"), number(version), sequence)
    });
    deleted.unwrap()
}

fn delete_all(store: &TestStore) -> bool {
    let deleted = store.write(|change| {
        let sequence = change.next_sequence()?;
        change.delete_layer_versions(&tenant("t"), &layer("l"), sequence)
    });
    deleted.unwrap()
}

/// Returns the numbers of the layer's versions, in falling order, and whether it is listed.
fn numbers(store: &TestStore) -> (Vec<u64>, bool) {
    let found = store.read(|view| {
        let (of, name, order) = (tenant("t"), layer("l"), Order::Descending);
        let page = view.select_layer_versions(&of, &name, order, None, 9)?;
        let numbers: Vec<_> = page
            .map(|page| {
                assert_eq!(page.total, page.items.len() as u64, "{store}");
                page.items.iter().map(|version| version.number.get()).collect()
            })
            .unwrap_or_default();
        let newest = view.select_newest_layer_version(&of, &name)?;
        let newest = newest.map(|version| version.number.get());
        assert_eq!(newest, numbers.first().copied(), "{store}");
        let all = LayerFilter::default();
        let by_age = view.select_layers_by_age(&of, &all, Window { offset: 0, limit: 9 })?;
        let by_name = view.select_layers_by_name(&of, &all, "", 9)?;
        assert_eq!(by_age.items, by_name.items, "{store}");
        assert_eq!(by_age.total, by_age.items.len() as u64, "{store}");
        let listed = by_age.items.first().map(|version| version.number.get());
        assert_eq!(listed, newest, "{store}");
        Ok((numbers, listed.is_some()))
    });
    found.unwrap()
}

#[test]
fn a_number_is_never_used_twice() {
    for mut store in stores() {
        assert!(!delete(&store, 1) && !delete_all(&store), "{store}: there is no layer");
        assert_eq!([1, 2, 3].map(|_| publish_next(&store)), [1, 2, 3], "{store}");
        let uid = |store: &TestStore| {
            let newest =
                store.read(|view| view.select_newest_layer_version(&tenant("t"), &layer("l")));
            newest.unwrap().unwrap().layer.uid
        };
        let first_uid = uid(&store);
        assert!(delete(&store, 3) && !delete(&store, 3), "{store}");
        assert_eq!(numbers(&store), (vec![2, 1], true), "{store}");
        assert_eq!(publish_next(&store), 4, "{store}");
        assert!(delete(&store, 2), "{store}");
        assert_eq!(numbers(&store), (vec![4, 1], true), "{store}: the newest stays");
        assert!(delete_all(&store) && !delete_all(&store), "{store}");
        assert_eq!(numbers(&store), (vec![], false), "{store}");
        let by_uid = store.read(|view| view.select_layer_name_by_uid(&tenant("t"), &first_uid));
        assert_eq!(by_uid.unwrap(), None, "{store}: a layer without versions is not found");
        store.reopen();
        assert_eq!(publish_next(&store), 5, "{store}");
        assert_eq!(numbers(&store), (vec![5], true), "{store}");
        assert_eq!(uid(&store), first_uid, "{store}");
        assert!(delete(&store, 5), "{store}: the last one by its number");
        assert_eq!(numbers(&store), (vec![], false), "{store}");
        assert_eq!(publish_next(&store), 6, "{store}");
    }
}

#[test]
fn all_of_many_versions_are_deleted_at_once_and_nothing_else() {
    const MANY: u64 = 1200;
    for store in stores() {
        store
            .write(|change| {
                for seed in 0..MANY {
                    publish(change, &tenant("t"), "l", &code(seed % 7, 10))?;
                }
                for (of, name) in [("t", "k"), ("t", "m"), ("u", "l")] {
                    publish(change, &tenant(of), name, &code(1, 10))?;
                }
                Ok(())
            })
            .unwrap();
        let size = |of: &str| store.read(|view| view.select_code_size(&tenant(of))).unwrap();
        assert_eq!((size("t"), size("u")), ((MANY + 2) * 10, 10), "{store}");
        assert!(delete_all(&store), "{store}");
        assert_eq!((size("t"), size("u")), (20, 10), "{store}");
        let names = |of: &str| {
            let page = store.read(|view| {
                let window = Window { offset: 0, limit: 9 };
                view.select_layers_by_age(&tenant(of), &LayerFilter::default(), window)
            });
            let page = page.unwrap();
            assert_eq!(page.total, page.items.len() as u64, "{store}");
            let names = page.items.iter().map(|version| version.layer.name.as_str().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(
            (names("t"), names("u")),
            (vec!["m".into(), "k".into()], vec!["l".into()]),
            "{store}"
        );
        assert_eq!(publish_next(&store), MANY + 1, "{store}");
    }
}

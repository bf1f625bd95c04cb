//! Functions: every field of heads and versions, updates, numbers, names, deletion.

use std::collections::BTreeMap;

use layerbase::domain::{
    FunctionConfig, FunctionKey, FunctionName, FunctionOrder, FunctionVersion, LayerRef, Timestamp,
    VersionName, Window,
};

use super::{
    at, bytes, code, create, head, key, layer, number, publish, publish_function, tenant, texts,
    update, uuid,
};
use crate::support::engines::{TestStore, stores};

fn version_name(name: &str) -> VersionName {
    VersionName::parse(name).unwrap()
}

fn read_head(store: &TestStore, key: &FunctionKey) -> Option<FunctionVersion> {
    store.read(|view| view.select_head(key)).unwrap()
}

/// Returns a configuration that has this text in every field that takes one.
fn config_of(text: &str, memory: u64, timeout: i64) -> FunctionConfig {
    let map = || BTreeMap::from([(text.to_owned(), text.to_owned()), ("k".into(), text.into())]);
    FunctionConfig {
        description: text.to_owned(),
        runtime: text.to_owned(),
        handler: text.to_owned(),
        memory,
        timeout,
        environment: map(),
        layers: vec![LayerRef { layer: layer("l"), number: number(1) }],
        extra: map(),
    }
}

#[test]
fn a_read_shows_every_field_of_a_head_and_of_its_versions() {
    let numbers = [0, 1, i64::MAX];
    for store in stores() {
        store.write(|change| publish(change, &tenant("t"), "l", &code(99, 1))).unwrap();
        for (index, text) in texts().into_iter().enumerate() {
            let seed = index as u64 + 1;
            let key = key("t", "gr\"oup", &format!("{index}'\u{5c42}\u{1f600}"));
            let timeout = [i64::MIN, -1, 0, i64::MAX][index % 4];
            let memory = numbers[index % 3].cast_unsigned();
            let mut wanted = head(&key, seed);
            wanted.name = version_name(["latest", "$latest", "\u{5c42}'"][index % 3]);
            wanted.config = config_of(&text, memory, timeout);
            wanted.code = (index % 2 == 0).then(|| code(seed, seed));
            wanted.revision = numbers[(index + 1) % 3].cast_unsigned();
            wanted.code_changed = Timestamp::from_microsecond(-1).unwrap();
            wanted.updated = (index % 3 > 0).then(|| at(seed + 1));
            wanted.published = Timestamp::from_microsecond(253_402_207_199_999_999).unwrap();
            let created = store.write(move |change| create(change, wanted)).unwrap();
            assert_eq!(read_head(&store, &key).as_ref(), Some(&created), "{store}");

            let of = key.clone();
            let version =
                store.write(move |change| publish_function(change, &of, "v'\"1")).unwrap();
            assert_eq!(version.config, created.config, "{store}");
            store
                .read(|view| {
                    let by_number = view.select_function_version(&key, number(1))?;
                    assert_eq!(by_number.as_ref(), Some(&version), "{store}");
                    let by_name = view.select_named_version(&key, &version.name)?;
                    assert_eq!(by_name.as_ref(), Some(&version), "{store}");
                    let newest = view.select_newest_function_version(&key)?;
                    assert_eq!(newest.as_ref(), Some(&version), "{store}");
                    let no_head = view.select_named_version(&key, &created.name)?;
                    assert_eq!(no_head, None, "{store}: the head is no named version");
                    Ok(())
                })
                .unwrap();
            // The publication is a change of the function: the head counts it and has its number.
            let mut expected = created;
            expected.function.versions = 1;
            expected.sequence = version.sequence;
            assert_eq!(read_head(&store, &key), Some(expected), "{store}");
        }
    }
}

#[test]
fn an_update_replaces_all_of_a_head_and_nothing_of_its_versions() {
    for store in stores() {
        let key = key("t", "default", "f");
        let of = key.clone();
        let (first, version) = store
            .write(move |change| {
                publish(change, &tenant("t"), "l", &code(9, 1))?;
                let mut first = head(&of, 1);
                first.config = config_of("before", 128, 3);
                first.code = Some(code(1, 10));
                let first = create(change, first)?;
                create(change, head(&FunctionKey { name: function_name("g"), ..of.clone() }, 2))?;
                Ok((first, publish_function(change, &of, "1")?))
            })
            .unwrap();
        let mut wanted = first;
        wanted.function.versions = 1;
        wanted.config = FunctionConfig { memory: 1, timeout: -1, ..config_of("after", 0, 0) };
        wanted.config.layers.clear();
        wanted.code = None;
        wanted.revision = 77;
        wanted.code_changed = at(77);
        wanted.updated = Some(at(78));
        let updated = store.write(move |change| update(change, wanted)).unwrap();
        assert_eq!(read_head(&store, &key), Some(updated), "{store}");
        let found = store.read(|view| view.select_function_version(&key, number(1))).unwrap();
        assert_eq!(found, Some(version), "{store}: a published version never changes");
        let beside = read_head(&store, &FunctionKey { name: function_name("g"), ..key.clone() });
        assert_eq!(beside.unwrap().config.runtime, "python3.9", "{store}");
    }
}

fn function_name(name: &str) -> FunctionName {
    key("t", "default", name).name
}

#[test]
fn a_function_is_identified_by_tenant_group_and_name() {
    for store in stores() {
        let keys =
            [("t", "g", "f"), ("t", "G", "f"), ("t", "g", "F"), ("T", "g", "f"), ("t", "gf", "f")];
        let keys = keys.map(|(tenant, group, name)| key(tenant, group, name));
        for (uid, key) in (1..).zip(keys.clone()) {
            store.write(move |change| create(change, head(&key, uid))).unwrap();
        }
        for (uid, key) in (1..).zip(&keys) {
            let found = read_head(&store, key).unwrap();
            assert_eq!(
                (found.function.key, found.function.uid),
                (key.clone(), uuid(3, uid).to_string()),
                "{store}"
            );
        }
        let gone = keys[0].clone();
        let deleted = store.write(move |change| {
            let sequence = change.next_sequence()?;
            change.delete_function(&gone, sequence)
        });
        assert!(deleted.unwrap(), "{store}");
        let left: Vec<_> = keys.iter().map(|key| read_head(&store, key).is_some()).collect();
        assert_eq!(left, [false, true, true, true, true], "{store}");
    }
}

#[test]
fn a_function_that_exists_is_not_inserted_and_not_changed() {
    for store in stores() {
        let key = key("t", "default", "f");
        let of = key.clone();
        let created = store.write(move |change| create(change, head(&of, 1))).unwrap();
        let of = key.clone();
        let inserted = store.write(move |change| {
            let sequence = change.next_sequence()?;
            change.insert_function(&head(&of, 2).function, sequence)
        });
        assert!(!inserted.unwrap(), "{store}");
        assert_eq!(read_head(&store, &key), Some(created), "{store}");
    }
}

/// Returns the numbers of a function's versions and the highest ever given.
fn numbers(store: &TestStore, key: &FunctionKey) -> (Vec<u64>, u64) {
    let found = store.read(|view| {
        let (order, window) = (FunctionOrder::HeadFirst, Window { offset: 0, limit: 9 });
        let page = view.select_function_versions(key, order, window)?;
        let states = page.map(|page| page.items).unwrap_or_default();
        let numbers: Vec<_> = states.iter().filter_map(|state| state.number).collect();
        for state in &states {
            assert_eq!(state.function.versions, numbers.len() as u64, "{store}");
        }
        let newest = view.select_newest_function_version(key)?;
        assert_eq!(newest.and_then(|newest| newest.number), numbers.first().copied(), "{store}");
        Ok((numbers.iter().map(|number| number.get()).collect(), view.select_last_number(key)?))
    });
    found.unwrap()
}

#[test]
fn numbers_and_names_of_deleted_versions() {
    for store in stores() {
        let key = key("t", "default", "f");
        let publish_next = |name: &'static str| {
            let of = key.clone();
            let version = store.write(move |change| publish_function(change, &of, name)).unwrap();
            version.number.unwrap().get()
        };
        let delete = |version| {
            let of = key.clone();
            let deleted = store.write(move |change| {
                let sequence = change.next_sequence()?;
                change.delete_function_version(&of, number(version), sequence)
            });
            deleted.unwrap()
        };
        let is_taken = |name: &str| {
            store.read(|view| view.is_version_name_taken(&key, &version_name(name))).unwrap()
        };
        assert_eq!(numbers(&store, &key), (vec![], 0), "{store}");
        let of = key.clone();
        store.write(move |change| create(change, head(&of, 1))).unwrap();
        assert_eq!(["a", "b", "c"].map(&publish_next), [1, 2, 3], "{store}");
        let taken = ["a", "b", "c", "latest", "A", "d"].map(&is_taken);
        assert_eq!(taken, [true, true, true, true, false, false], "{store}");
        assert!(delete(3) && !delete(3) && !delete(9), "{store}");
        assert_eq!(numbers(&store, &key), (vec![2, 1], 3), "{store}");
        assert!(!is_taken("c"), "{store}: the name is free again");
        assert_eq!(publish_next("c"), 4, "{store}: the number is not");
        assert!(delete(1), "{store}");
        assert_eq!(numbers(&store, &key), (vec![4, 2], 4), "{store}");
    }
}

#[test]
fn a_function_created_again_is_another_one_and_continues_the_numbers() {
    for mut store in stores() {
        let key = key("t", "default", "f");
        let of = key.clone();
        let first = store
            .write(move |change| {
                publish(change, &tenant("t"), "l", &code(9, 1))?;
                let mut first = head(&of, 1);
                first.config = config_of("first", 1, 1);
                first.code = Some(code(1, 10));
                let first = create(change, first)?;
                publish_function(change, &of, "a")?;
                publish_function(change, &of, "b")?;
                Ok(first)
            })
            .unwrap();
        let of = key.clone();
        let deleted = store.write(move |change| {
            let sequence = change.next_sequence()?;
            let deleted = change.delete_function(&of, sequence)?;
            Ok((deleted, change.delete_function(&of, sequence)?))
        });
        assert_eq!(deleted.unwrap(), (true, false), "{store}");
        let check_gone = |store: &TestStore| {
            assert_eq!(read_head(store, &key), None, "{store}");
            store
                .read(|view| {
                    assert_eq!(view.select_function_version(&key, number(1))?, None, "{store}");
                    assert_eq!(
                        view.select_named_version(&key, &version_name("a"))?,
                        None,
                        "{store}"
                    );
                    assert!(!view.is_version_name_taken(&key, &version_name("a"))?, "{store}");
                    assert_eq!(view.select_last_number(&key)?, 0, "{store}: no such function");
                    let (order, window) =
                        (FunctionOrder::HeadFirst, Window { offset: 0, limit: 9 });
                    assert_eq!(
                        view.select_function_versions(&key, order, window)?,
                        None,
                        "{store}"
                    );
                    assert!(
                        view.select_heads(&tenant("t"), None, None, 9)?.items.is_empty(),
                        "{store}"
                    );
                    assert!(!view.is_readable_code(&tenant("t"), &bytes(1))?, "{store}");
                    let user = view.select_user_of_layer(&tenant("t"), &layer("l"), None)?;
                    assert_eq!(user, None, "{store}");
                    Ok(())
                })
                .unwrap();
        };
        check_gone(&store);
        store.reopen();
        check_gone(&store);
        let of = key.clone();
        let (second, version) = store
            .write(move |change| {
                let second = create(change, head(&of, 2))?;
                Ok((second, publish_function(change, &of, "a")?))
            })
            .unwrap();
        assert_ne!(second.function.uid, first.function.uid, "{store}");
        assert_ne!(second.function.created, first.function.created, "{store}");
        assert_eq!(version.number, Some(number(3)), "{store}");
        assert_eq!(numbers(&store, &key), (vec![3], 3), "{store}");
        let found = read_head(&store, &key).unwrap();
        assert_eq!(
            (&found.function.uid, found.function.created),
            (&second.function.uid, at(2)),
            "{store}"
        );
        assert_eq!(
            (found.config, found.code),
            (second.config, None),
            "{store}: nothing of the first"
        );
    }
}

#[test]
fn a_tenant_has_the_code_of_its_layers_functions_and_bound_layers() {
    for store in stores() {
        let key = key("t", "default", "f");
        let of = key.clone();
        store
            .write(move |change| {
                publish(change, &tenant("t"), "l", &code(1, 1))?;
                publish(change, &tenant("t"), "bound", &code(2, 1))?;
                let mut head = head(&of, 1);
                head.code = Some(code(3, 1));
                head.config.layers = vec![LayerRef { layer: layer("bound"), number: number(1) }];
                let head = create(change, head)?;
                publish_function(change, &of, "1")?;
                // Version 1 alone refers to code 3, and bindings alone to code 2.
                let sequence = change.next_sequence()?;
                change.delete_layer_versions(&tenant("t"), &layer("bound"), sequence)?;
                update(change, FunctionVersion { code: Some(code(4, 1)), ..head })?;
                change.insert_code(&code(5, 1), at(0))?;
                publish(change, &tenant("u"), "l", &code(6, 1)).map(drop)
            })
            .unwrap();
        let owned = |of: &str| -> Vec<u64> {
            let is_owned = |seed: &u64| {
                store.read(|view| view.is_readable_code(&tenant(of), &bytes(*seed))).unwrap()
            };
            (1..7).filter(is_owned).collect()
        };
        assert_eq!(
            (owned("t"), owned("u"), owned("T")),
            (vec![1, 2, 3, 4], vec![6], vec![]),
            "{store}"
        );
        let of = key.clone();
        store
            .write(move |change| {
                let sequence = change.next_sequence()?;
                change.delete_function_version(&of, number(1), sequence)
            })
            .unwrap();
        assert_eq!(owned("t"), [1, 2, 4], "{store}");
        store
            .write(move |change| {
                let sequence = change.next_sequence()?;
                change.delete_function(&key, sequence)
            })
            .unwrap();
        assert_eq!(owned("t"), [1], "{store}");
    }
}

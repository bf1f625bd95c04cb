//! Tenants, keys, cloud ids and the link secret.

use layerbase::domain::{CatalogError, CloudIds, Key, KeyId, Role, Secret, TenantId, Timestamp};
use layerbase::store::Change;

use super::{at, bytes, code, publish, refuse, tenant};
use crate::support::engines::{LINK_SECRET, TestStore, stores};

fn key_id(id: &str) -> KeyId {
    KeyId::parse(id).unwrap()
}

fn new_key(id: &str, of: &str) -> Key {
    Key {
        id: key_id(id),
        secret: Secret::parse("'\"\\%_?$1:a@{}!~").unwrap(),
        tenant: tenant(of),
        role: Role::Read,
        enabled: true,
        created: at(1),
        last_used: None,
    }
}

fn insert(change: &Change<'_>, key: &Key) -> Result<bool, CatalogError> {
    change.ensure_tenant(&key.tenant, at(0))?;
    change.insert_key(key)
}

fn keys(store: &TestStore) -> Vec<Key> {
    store.read(|view| view.select_keys()).unwrap()
}

fn ids(pairs: &[(&str, &str)]) -> CloudIds {
    let pairs = pairs.iter().map(|(field, id)| ((*field).to_owned(), (*id).to_owned()));
    CloudIds::from_stored(pairs.collect())
}

#[test]
fn keys_have_every_field_and_are_in_the_order_of_their_ids_bytes() {
    for mut store in stores() {
        let mut all = Vec::new();
        for (index, id) in
            ["zzzz", "-abc", "Zabc", "_abc", "0abc", "aAbc", "aabc"].into_iter().enumerate()
        {
            let key = Key {
                role: [Role::Read, Role::Write, Role::Admin][index % 3],
                enabled: index % 2 == 0,
                created: Timestamp::from_microsecond(-1).unwrap(),
                ..new_key(id, ["a", "\u{5c42}'"][index % 2])
            };
            let inserted = key.clone();
            assert!(store.write(move |change| insert(change, &inserted)).unwrap(), "{store}");
            all.push(key);
        }
        all.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(keys(&store), all, "{store}");
        store.reopen();
        assert_eq!(keys(&store), all, "{store}");
        let access = store.read(|view| view.select_access()).unwrap();
        assert_eq!(access.keys.len(), all.len(), "{store}");
        assert!(all.iter().all(|key| access.keys[&key.id] == *key), "{store}");
        let of = |name: &str| {
            let of = all.iter().filter(|key| key.tenant.as_str() == name);
            of.map(|key| key.id.clone()).collect::<Vec<_>>()
        };
        for name in ["a", "\u{5c42}'"] {
            assert_eq!(access.keys_of[&tenant(name)], of(name), "{store}");
        }
        assert_eq!(access.keys_of.len(), 2, "{store}");
    }
}

#[test]
fn a_key_is_inserted_once_and_changed_by_its_id() {
    for store in stores() {
        let key = new_key("KEY1", "a");
        let inserted = key.clone();
        let outcome = store.write(move |change| {
            change.ensure_tenant(&tenant("b"), at(0))?;
            let other = Key { role: Role::Admin, tenant: tenant("b"), ..inserted.clone() };
            Ok([insert(change, &inserted)?, insert(change, &other)?])
        });
        assert_eq!(outcome.unwrap(), [true, false], "{store}");
        assert_eq!(keys(&store), std::slice::from_ref(&key), "{store}: the first one stays");
        let outcome = store.write(|change| {
            insert(change, &new_key("KEY2", "b"))?;
            let disabled = change.update_key_enabled(&key_id("KEY1"), false)?;
            let missing = change.update_key_enabled(&key_id("key1"), false)?;
            change.update_key_use(&key_id("KEY1"), at(77))?;
            change.update_key_use(&key_id("none"), at(78))?;
            Ok((disabled, missing))
        });
        assert_eq!(outcome.unwrap(), (Some(tenant("a")), None), "{store}");
        let disabled = Key { enabled: false, last_used: Some(at(77)), ..key.clone() };
        assert_eq!(keys(&store), [disabled, new_key("KEY2", "b")], "{store}");
        let outcome = store.write(|change| {
            let enabled = change.update_key_enabled(&key_id("KEY1"), true)?;
            let deleted =
                [change.delete_key(&key_id("KEY2"))?, change.delete_key(&key_id("KEY2"))?];
            Ok((enabled, deleted))
        });
        assert_eq!(outcome.unwrap(), (Some(tenant("a")), [Some(tenant("b")), None]), "{store}");
        assert_eq!(keys(&store), [Key { last_used: Some(at(77)), ..key }], "{store}");
        let again = store.write(|change| insert(change, &new_key("KEY2", "a"))).unwrap();
        assert!(again, "{store}: its id is free again");
    }
}

#[test]
fn tenants_are_in_the_order_of_their_bytes_with_the_cloud_ids_that_are_set() {
    for store in stores() {
        let names = ["b", "a@b", "\u{e4}", "B", "a", "aA"];
        let set = ids(&[("sky_tenant", "7000"), ("'\"\\", "\u{5c42}\n"), ("", "")]);
        let wanted = set.clone();
        store
            .write(move |change| {
                for name in names {
                    change.ensure_tenant(&tenant(name), at(1))?;
                    change.ensure_tenant(&tenant(name), at(2))?;
                }
                change.update_cloud_ids(&tenant("b"), &wanted)?;
                change.update_cloud_ids(&tenant("a"), &wanted)?;
                change.update_cloud_ids(&tenant("a"), &CloudIds::default())?;
                change.update_cloud_ids(&tenant("none"), &wanted)
            })
            .unwrap();
        let tenants = store.read(|view| view.select_tenants()).unwrap();
        // A new store may have the default tenant already.
        let found: Vec<_> =
            tenants.iter().filter(|(id, _)| *id != TenantId::default_tenant()).collect();
        let of = |name| if name == "b" { set.clone() } else { CloudIds::default() };
        let expected = ["B", "a", "aA", "a@b", "b", "\u{e4}"];
        let mut expected = expected.map(|name| (tenant(name), of(name)));
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert!(found.into_iter().eq(&expected), "{store}: {tenants:?}");
        let access = store.read(|view| view.select_access()).unwrap();
        assert_eq!(access.cloud_ids, [(tenant("b"), set)].into(), "{store}");
    }
}

#[test]
fn the_link_secret_keeps_every_bit() {
    for mut store in stores() {
        let secret =
            |store: &TestStore| store.read(|view| view.select_access()).unwrap().link_secret;
        assert_eq!(secret(&store), LINK_SECRET, "{store}");
        for new in [bytes(0), bytes(u64::MAX), [0; 32], [0xff; 32]] {
            store.write(move |change| change.update_link_secret(&new)).unwrap();
            assert_eq!(secret(&store), new, "{store}");
        }
        store.reopen();
        assert_eq!(secret(&store), [0xff; 32], "{store}: not that of a new store");
    }
}

/// A change of the data that requests are checked against, or of other data.
type Step = fn(&Change<'_>) -> Result<(), CatalogError>;

const ACCESS_CHANGES: [(&str, Step); 6] = [
    ("a new key", |change| insert(change, &new_key("KEY1", "a")).map(drop)),
    ("a disabled key", |change| change.update_key_enabled(&key_id("KEY1"), false).map(drop)),
    ("an enabled key", |change| change.update_key_enabled(&key_id("KEY1"), true).map(drop)),
    ("cloud ids", |change| change.update_cloud_ids(&tenant("a"), &ids(&[("x", "1")]))),
    ("a deleted key", |change| change.delete_key(&key_id("KEY1")).map(drop)),
    ("another link secret", |change| change.update_link_secret(&[1; 32])),
];

#[test]
fn the_access_stamp_is_another_after_each_change_of_the_access_data_alone() {
    for store in stores() {
        let stamp = |store: &TestStore| {
            let stamp = store.access_stamp().unwrap();
            let access = store.read(|view| view.select_access()).unwrap();
            assert_eq!(stamp, access.stamp, "{store}");
            stamp
        };
        let mut last = stamp(&store);
        for (what, step) in ACCESS_CHANGES {
            let refused = store.write(move |change| {
                step(change)?;
                refuse::<()>()
            });
            refused.unwrap_err();
            assert_eq!(stamp(&store), last, "{store}: {what}, refused");
            store.write(step).unwrap();
            let changed = stamp(&store);
            assert!(changed > last, "{store}: {what}");
            last = changed;
        }
        store.write(|change| insert(change, &new_key("KEY2", "a"))).unwrap();
        last = stamp(&store);
        let others: [(&str, Step); 3] = [
            ("a publication", |change| publish(change, &tenant("a"), "l", &code(1, 1)).map(drop)),
            ("a tenant", |change| change.ensure_tenant(&tenant("new"), at(0))),
            ("the use of a key", |change| change.update_key_use(&key_id("KEY2"), at(9))),
        ];
        for (what, step) in others {
            store.write(step).unwrap();
            assert_eq!(stamp(&store), last, "{store}: {what}");
        }
    }
}

#[test]
fn the_use_of_a_key_keeps_the_generation() {
    for store in stores() {
        store.write(|change| insert(change, &new_key("KEY1", "a"))).unwrap();
        let generation = store.generation();
        store.write(|change| change.update_key_use(&key_id("KEY1"), at(9))).unwrap();
        assert_eq!(store.generation(), generation, "{store}");
        assert_eq!(keys(&store)[0].last_used, Some(at(9)), "{store}");
        let others = [ACCESS_CHANGES[3], ACCESS_CHANGES[4]];
        let mut last = generation;
        for (what, step) in others {
            store.write(step).unwrap();
            assert!(store.generation() > last, "{store}: {what}");
            last = store.generation();
        }
    }
}

#[test]
fn a_change_by_another_process_shows_at_once() {
    for mut store in stores() {
        let mut last = store.access_stamp().unwrap();
        for (what, step) in ACCESS_CHANGES {
            let beside = store.beside();
            beside.write(step).unwrap();
            let stamp = store.access_stamp().unwrap();
            assert!(stamp > last, "{store}: {what}");
            last = stamp;
            let access = store.read(|view| view.select_access()).unwrap();
            assert_eq!(access.stamp, last, "{store}: {what}");
            // Both have the catalog open and write in turn.
            let key = Key { role: Role::Write, ..new_key(&format!("{last}-own"), "b") };
            let inserted = key.clone();
            store.write(move |change| insert(change, &inserted)).unwrap();
            let found = beside.read(|view| view.select_keys()).unwrap();
            assert!(found.contains(&key), "{store}: {what}");
            last = store.access_stamp().unwrap();
        }
        let keys_before = keys(&store);
        store.reopen();
        assert_eq!(keys(&store), keys_before, "{store}");
        assert_eq!(store.access_stamp().unwrap(), last, "{store}");
    }
}

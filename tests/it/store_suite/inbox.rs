//! The inbox: every field of objects, uploads and parts; replacement, deletion and expiry; its size
//! and the files to be removed.

use std::collections::BTreeMap;

use layerbase::domain::{
    CatalogError, Digests, InboxObject, Multipart, ObjectInfo, ObjectRef, Part, Tally, Timestamp,
};
use layerbase::store::Change;
use uuid::Uuid;

use super::{at, bytes, tenant, texts, uuid};
use crate::support::engines::{TestStore, stores};

/// What the inbox counts for each object, part and upload beside its bytes.
const ROW: u64 = 4096;

pub(super) fn place(key: &str) -> ObjectRef {
    ObjectRef::parse("code", key).unwrap()
}

/// Returns an object of this key that never expires.
pub(super) fn object(key: &str, size: u64) -> InboxObject {
    let digests =
        Digests { sha256: bytes(size), sha512: bytes(size), md5: bytes(size), crc64: size };
    InboxObject {
        at: place(key),
        size,
        digests,
        parts: 1,
        etag: "e".to_owned(),
        about: ObjectInfo::default(),
        stored: at(1),
        expires: None,
    }
}

pub(super) fn upload(id: &str, key: &str) -> Multipart {
    Multipart {
        id: id.to_owned(),
        at: place(key),
        about: ObjectInfo::default(),
        started: at(1),
        expires: None,
    }
}

fn part(number: u16, size: u64) -> Part {
    let md5 = bytes(size);
    Part { number, size, md5, etag: hex::encode(md5), stored: at(1) }
}

/// Puts an object of the tenant `t`, whose file has this number; returns the older file.
fn put(change: &Change<'_>, object: &InboxObject, file: u64) -> Result<Option<Uuid>, CatalogError> {
    change.ensure_tenant(&tenant("t"), at(0))?;
    change.replace_object(&tenant("t"), object, &[], uuid(4, file))
}

fn read_object(store: &TestStore, key: &str, now: Timestamp) -> Option<(InboxObject, Uuid)> {
    store.read(|view| view.select_object(&tenant("t"), &place(key), now)).unwrap()
}

fn inbox_size(store: &TestStore) -> u64 {
    store.read(|view| view.select_inbox_size()).unwrap()
}

/// Removes files until none is left to be removed; returns their number.
fn remove_files(store: &TestStore) -> u64 {
    std::iter::repeat_with(|| store.remove_gone_files().unwrap()).take_while(|more| *more > 0).sum()
}

fn about(text: &str) -> ObjectInfo {
    let pairs = [(text, text), ("x", text), (text, "")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ObjectInfo { media_type: text.to_owned(), metadata: BTreeMap::from(pairs) }
}

#[test]
fn a_read_shows_every_field_of_an_object() {
    let crcs = [0, i64::MAX.cast_unsigned(), 1 << 63, u64::MAX];
    for store in stores() {
        for (index, text) in (0..).zip(texts()) {
            let key = format!("../{index}'\"\\ %_?\u{5c42}\u{1f600}");
            let expected = InboxObject {
                digests: Digests { crc64: crcs[index as usize % 4], ..object(&key, index).digests },
                parts: [1, 10_000, i64::MAX.cast_unsigned()][index as usize % 3],
                etag: format!("{text}-2"),
                about: about(&text),
                stored: Timestamp::from_microsecond(-1 - index.cast_signed()).unwrap(),
                expires: (index % 2 == 0).then(|| at(100 + index)),
                ..object(&key, index << 30)
            };
            let wanted = expected.clone();
            let older = store.write(move |change| put(change, &wanted, index)).unwrap();
            assert_eq!(older, None, "{store}");
            let found = read_object(&store, &key, at(1));
            assert_eq!(found, Some((expected, uuid(4, index))), "{store}");
            let of_another =
                store.read(|view| view.select_object(&tenant("T"), &place(&key), at(1)));
            assert_eq!(of_another.unwrap(), None, "{store}");
            let other = ObjectRef::parse("Code", key).unwrap();
            let of_another = store.read(|view| view.select_object(&tenant("t"), &other, at(1)));
            assert_eq!(of_another.unwrap(), None, "{store}");
        }
    }
}

#[test]
fn the_sizes_of_an_objects_parts_are_those_of_its_file() {
    for store in stores() {
        let sizes: [&[u64]; 4] = [&[], &[7], &[5 << 30, 0, 1], &vec![1 << 23; 10_000]];
        for (file, sizes) in (1..).zip(sizes) {
            let put = sizes.to_vec();
            store
                .write(move |change| {
                    change.ensure_tenant(&tenant("t"), at(0))?;
                    change.replace_object(&tenant("t"), &object("k", 1), &put, uuid(4, file))
                })
                .unwrap();
            let found = |file| store.read(|view| view.select_part_sizes(uuid(4, file))).unwrap();
            assert_eq!(found(file), sizes, "{store}");
            assert!(found(file - 1).is_empty(), "{store}: the file before has no row");
        }
    }
}

#[test]
fn a_read_shows_every_field_of_an_upload_and_of_its_parts() {
    for store in stores() {
        for (index, text) in (0..).zip(texts()) {
            let expected = Multipart {
                about: about(&text),
                started: Timestamp::from_microsecond(-1).unwrap(),
                expires: (index % 2 == 0).then(|| at(100)),
                ..upload(&uuid(5, index).to_string(), &format!("{index}\u{1f600}"))
            };
            let wanted = expected.clone();
            store
                .write(move |change| {
                    change.ensure_tenant(&tenant("t"), at(0))?;
                    change.insert_multipart(&tenant("t"), &wanted)?;
                    for number in [10_000, 2, 1, 10] {
                        let file = uuid(6, index * 100_000 + u64::from(number));
                        change.replace_part(&wanted.id, &part(number, index), file)?;
                    }
                    Ok(())
                })
                .unwrap();
            let select = |of: &str, place: &ObjectRef, id: &str| {
                store.read(|view| view.select_multipart(&tenant(of), place, id, at(1))).unwrap()
            };
            let found = select("t", &expected.at, &expected.id);
            assert_eq!(found.as_ref(), Some(&expected), "{store}");
            assert_eq!(select("T", &expected.at, &expected.id), None, "{store}");
            assert_eq!(select("t", &place("other"), &expected.id), None, "{store}");
            assert_eq!(select("t", &expected.at, &uuid(9, 9).to_string()), None, "{store}");
            let parts = store.read(|view| view.select_parts(&expected.id, 0, 9)).unwrap();
            let expected = [1, 2, 10, 10_000].map(|number: u16| {
                (part(number, index), uuid(6, index * 100_000 + u64::from(number)))
            });
            assert_eq!(parts.items, expected, "{store}: in the order of their numbers");
        }
    }
}

#[test]
fn what_is_put_again_replaces_all_of_the_older_and_returns_its_file() {
    for store in stores() {
        let first = InboxObject { about: about("first"), expires: Some(at(5)), ..object("k", 10) };
        let second = InboxObject { parts: 2, etag: "second".to_owned(), ..object("k", 20) };
        let (one, two) = (first, second.clone());
        let older = store.write(move |change| {
            change.ensure_tenant(&tenant("t"), at(0))?;
            change.insert_multipart(&tenant("t"), &upload("u", "k"))?;
            let objects = [put(change, &one, 1)?, put(change, &two, 2)?, put(change, &two, 3)?];
            let parts = [(7, 5, 4), (7, 6, 5), (8, 7, 6)].map(|(number, size, file)| {
                change.replace_part("u", &part(number, size), uuid(4, file))
            });
            let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok((objects, parts))
        });
        let (objects, parts) = older.unwrap();
        assert_eq!(objects, [None, Some(uuid(4, 1)), Some(uuid(4, 2))], "{store}");
        assert_eq!(parts, [None, Some(uuid(4, 4)), None], "{store}");
        assert_eq!(read_object(&store, "k", at(9)), Some((second, uuid(4, 3))), "{store}");
        let parts = store.read(|view| view.select_parts("u", 0, 9)).unwrap();
        let expected = [(part(7, 6), uuid(4, 5)), (part(8, 7), uuid(4, 6))];
        assert_eq!(parts.items, expected, "{store}");
        assert_eq!(inbox_size(&store), 20 + 6 + 7 + 4 * ROW, "{store}");
        // An expired object is replaced like any other.
        let again = store.write(|change| {
            let expired = InboxObject { expires: Some(at(0)), ..object("k", 1) };
            put(change, &expired, 7)?;
            put(change, &object("k", 2), 8)
        });
        assert_eq!(again.unwrap(), Some(uuid(4, 7)), "{store}");
    }
}

#[test]
fn the_size_is_that_of_all_rows_of_all_tenants() {
    for mut store in stores() {
        assert_eq!(inbox_size(&store), 0, "{store}");
        store
            .write(|change| {
                for of in ["t", "u"] {
                    change.ensure_tenant(&tenant(of), at(0))?;
                }
                put(change, &object("a", 0), 1)?;
                put(change, &object("b", 1 << 40), 2)?;
                change.replace_object(&tenant("u"), &object("a", 100), &[], uuid(4, 3))?;
                change.insert_multipart(&tenant("u"), &upload("u", "a"))?;
                change.replace_part("u", &part(1, 1000), uuid(4, 4))?;
                change.replace_part("u", &part(2, 2000), uuid(4, 5)).map(drop)
            })
            .unwrap();
        assert_eq!(inbox_size(&store), (1 << 40) + 3100 + 6 * ROW, "{store}");
        let deleted = store.write(|change| {
            let objects = [("t", "b"), ("t", "none"), ("T", "a")];
            let objects = objects.map(|(of, key)| change.delete_object(&tenant(of), &place(key)));
            Ok((objects.into_iter().collect::<Result<Vec<_>, _>>()?, change.delete_multipart("u")?))
        });
        let (objects, mut parts) = deleted.unwrap();
        parts.sort();
        assert_eq!(objects, [Some(uuid(4, 2)), None, None], "{store}");
        assert_eq!(parts, [uuid(4, 4), uuid(4, 5)], "{store}");
        assert_eq!(inbox_size(&store), 100 + 2 * ROW, "{store}");
        let upload =
            store.read(|view| view.select_multipart(&tenant("u"), &place("a"), "u", at(1)));
        assert_eq!(upload.unwrap(), None, "{store}");
        store.reopen();
        assert_eq!(inbox_size(&store), 100 + 2 * ROW, "{store}");
    }
}

#[test]
fn of_many_objects_those_that_exist_are_deleted_once() {
    for store in stores() {
        let keys = ["a", "A", "[\"a\",1]", "'a", "\u{1f600}", "expired", "at its end", "stays"];
        store
            .write(move |change| {
                for (file, key) in (0..).zip(keys) {
                    let expires = match key {
                        "expired" => Some(at(9)),
                        "at its end" => Some(at(10)),
                        "stays" => Some(at(11)),
                        _ => None,
                    };
                    put(change, &InboxObject { expires, ..object(key, 1) }, file)?;
                }
                let elsewhere = ObjectRef::parse("other", "a").unwrap();
                put(change, &InboxObject { at: elsewhere, ..object("a", 1) }, 98)?;
                change.ensure_tenant(&tenant("u"), at(0))?;
                change.replace_object(&tenant("u"), &object("a", 1), &[], uuid(4, 99)).map(drop)
            })
            .unwrap();
        let wanted =
            ["a", "none", "'a", "a", "expired", "\u{1f600}", "[\"a\",1]", "at its end", "a"];
        let deleted = store.write(move |change| {
            let wanted: Vec<_> = wanted.into_iter().map(place).collect();
            let mut deleted = change.delete_objects(&tenant("t"), &wanted, at(10))?;
            deleted.sort();
            let again = change.delete_objects(&tenant("t"), &wanted, at(10))?;
            let none = change.delete_objects(&tenant("t"), &[], at(10))?;
            Ok((deleted, again, none))
        });
        let (deleted, again, none) = deleted.unwrap();
        let expected = [("'a", 3), ("[\"a\",1]", 2), ("a", 0), ("\u{1f600}", 4)];
        let expected = expected.map(|(key, file)| (place(key), uuid(4, file)));
        assert_eq!(deleted, expected, "{store}");
        assert_eq!((again, none), (vec![], vec![]), "{store}");
        assert_eq!(inbox_size(&store), 6 * (1 + ROW), "{store}");
        assert!(read_object(&store, "A", at(10)).is_some(), "{store}");
        assert!(read_object(&store, "stays", at(10)).is_some(), "{store}");
        let objects = [("t", "other", 98), ("u", "code", 99)];
        for (of, bucket, file) in objects {
            let place = ObjectRef::parse(bucket, "a").unwrap();
            let found = store.read(|view| view.select_object(&tenant(of), &place, at(10))).unwrap();
            assert_eq!(found.map(|(_, file)| file), Some(uuid(4, file)), "{store}");
        }
    }
}

#[test]
fn the_expired_are_unseen_at_once_and_deleted_in_steps() {
    for store in stores() {
        store
            .write(|change| {
                for (key, file) in [("0", 0), ("1", 1), ("2", 2), ("3", 3), ("4", 4)] {
                    let expires = Some(at(10 + file));
                    put(change, &InboxObject { expires, ..object(key, 100) }, file)?;
                }
                put(change, &object("never", 1), 5)?;
                for (id, expires) in
                    [("a", Some(at(10))), ("b", Some(at(12))), ("c", Some(at(13))), ("d", None)]
                {
                    let upload = Multipart { expires, ..upload(id, "k") };
                    change.insert_multipart(&tenant("t"), &upload)?;
                }
                for (id, number, file) in
                    [("a", 1, 6), ("a", 2, 7), ("a", 3, 8), ("c", 1, 9), ("d", 1, 10)]
                {
                    change.replace_part(id, &part(number, 1000), uuid(4, file))?;
                }
                Ok(())
            })
            .unwrap();
        let has_expired = |now| store.read(|view| view.has_expired(at(now))).unwrap();
        assert_eq!([9, 10, 12].map(&has_expired), [false, true, true], "{store}");
        let seen = |now| {
            let keys = ["0", "1", "2", "3", "4", "never"];
            let keys =
                keys.iter().filter(|key| read_object(&store, key, at(now)).is_some()).count();
            let count = store.read(|view| view.count_multiparts(&tenant("t"), at(now))).unwrap();
            let is_seen = |id: &&str| {
                let found = store
                    .read(|view| view.select_multipart(&tenant("t"), &place("k"), id, at(now)));
                found.unwrap().is_some()
            };
            assert_eq!(
                ["a", "b", "c", "d"].iter().filter(|id| is_seen(id)).count() as u64,
                count,
                "{store}"
            );
            (keys, count)
        };
        assert_eq!([9, 10, 12, 99].map(&seen), [(6, 4), (5, 3), (3, 2), (1, 1)], "{store}");
        let before = inbox_size(&store);
        let delete =
            |now, max| store.write(move |change| change.delete_expired(at(now), max)).unwrap();
        assert_eq!(delete(9, 100), Tally::default(), "{store}");
        assert_eq!(inbox_size(&store), before, "{store}");
        // By then three objects and two uploads are expired. One upload has no parts.
        let first = Tally { things: 2 + 1, files: 2 + 2, bytes: 2 * 100 + 2 * 1000 };
        assert_eq!(delete(12, 2), first, "{store}");
        assert_eq!(inbox_size(&store), before - first.bytes - (2 + 1 + 2) * ROW, "{store}");
        let second = Tally { things: 1 + 1, files: 1 + 1, bytes: 100 + 1000 };
        assert_eq!(delete(12, 2), second, "{store}");
        assert_eq!(delete(12, 2), Tally::default(), "{store}");
        assert_eq!((has_expired(12), has_expired(13)), (false, true), "{store}");
        let third = Tally { things: 2 + 1, files: 2 + 1, bytes: 2 * 100 + 1000 };
        assert_eq!(delete(1000, 100), third, "{store}");
        assert_eq!(inbox_size(&store), 1 + 1000 + 3 * ROW, "{store}: what never expires");
    }
}

#[test]
fn files_are_removed_once_no_row_refers_to_them() {
    for mut store in stores() {
        let keep = |store: &TestStore, file: u64, key: &'static str, expires: Option<Timestamp>| {
            let pending = store.keep_object(uuid(4, file), key.as_bytes());
            let object = InboxObject { expires, ..object(key, key.len() as u64) };
            store.write_adding(pending, move |change| put(change, &object, file)).unwrap();
        };
        let keep_part = |store: &TestStore, file: u64| {
            let pending = store.keep_object(uuid(4, file), b"part");
            let written = store.write_adding(pending, move |change| {
                change.replace_part("u", &part(1, 4), uuid(4, file))
            });
            written.unwrap();
        };
        let files = |store: &TestStore| -> Vec<u64> {
            (0..12).filter(|file| store.object(uuid(4, *file)).is_some()).collect()
        };
        for (file, key) in [(0, "replaced"), (1, "deleted"), (2, "deleted too"), (3, "stays")] {
            keep(&store, file, key, None);
        }
        keep(&store, 4, "expired", Some(at(5)));
        keep(&store, 5, "expires late", Some(at(50)));
        store.write(|change| change.insert_multipart(&tenant("t"), &upload("u", "k"))).unwrap();
        keep_part(&store, 6);
        keep_part(&store, 7);
        keep(&store, 8, "replaced", None);
        assert_eq!(remove_files(&store), 2, "{store}");
        assert_eq!(files(&store), [1, 2, 3, 4, 5, 7, 8], "{store}");
        let refused = store.write(|change| {
            change.delete_object(&tenant("t"), &place("stays"))?;
            super::refuse::<()>()
        });
        refused.unwrap_err();
        store
            .write(|change| {
                change.delete_object(&tenant("t"), &place("deleted"))?;
                change.delete_objects(&tenant("t"), &[place("deleted too")], at(10))?;
                change.delete_expired(at(10), 100)?;
                change.delete_multipart("u").map(drop)
            })
            .unwrap();
        // What was to be removed is known after a new start too.
        store.reopen();
        remove_files(&store);
        assert_eq!(files(&store), [3, 5, 8], "{store}");
        remove_files(&store);
        for (file, key, bytes) in [(3, "stays", "stays"), (8, "replaced", "replaced")] {
            assert_eq!(store.object(uuid(4, file)).unwrap(), bytes.as_bytes(), "{store}");
            assert!(read_object(&store, key, at(10)).is_some(), "{store}");
        }
    }
}

/// More files than one call removes.
#[test]
fn many_files_are_removed_in_several_calls() {
    const MANY: u64 = 1100;
    for store in stores() {
        store
            .write(|change| {
                for file in 0..MANY {
                    put(change, &object("k", 1), file)?;
                }
                Ok(())
            })
            .unwrap();
        // Most files were never there; that is no failure. One beyond the first batches is.
        let last = uuid(4, MANY - 2);
        store.write_adding(store.keep_object(last, b"x"), |change| change.check()).unwrap();
        assert_eq!(remove_files(&store), MANY - 1, "{store}");
        assert_eq!(store.object(last), None, "{store}");
        let generation = store.generation();
        assert_eq!(remove_files(&store), 0, "{store}");
        assert_eq!(store.generation(), generation, "{store}: nothing is left to be removed");
        assert_eq!(inbox_size(&store), 1 + ROW, "{store}");
    }
}

//! Lists of objects, uploads, parts and buckets: order by bytes, prefixes, starts, pages, expiry.

use layerbase::domain::{
    BucketName, InboxObject, Multipart, MultipartFrom, MultipartRange, ObjectFrom, ObjectRange,
    ObjectRef, Page, Part,
};

use super::inbox::{object, place, upload};
use super::{NAMES, at, bytes, tenant, uuid};
use crate::support::engines::{TestStore, stores};

const PREFIXES: [&str; 9] =
    ["", "a", "a\u{10ffff}", "aa", "b", "\u{d7ff}", "\u{e4}", "\u{10ffff}", "[\"x"];

const STARTS: [&str; 11] =
    ["", " ", "Z", "a", "a ", "aa", "ab", "a\u{10ffff}", "\u{d7ff}", "\u{1f600}", "\u{10ffff}"];

/// Returns the page of a list without a total, which has all rows from its beginning.
fn page_of<T: Clone>(all: &[T], limit: usize) -> Page<T> {
    let items = all.iter().take(limit).cloned().collect();
    let next = all.get(limit).cloned();
    Page { items, more: next.is_some(), next, total: 0 }
}

/// Returns whether a key is after all keys with this prefix; `None` if nothing is.
fn is_behind(key: &str, prefix: &str) -> bool {
    !prefix.is_empty() && key > prefix && !key.starts_with(prefix)
}

/// Puts an object of each name, in no order, among expired ones and those of others.
fn filled(store: &TestStore) -> Vec<InboxObject> {
    let all: Vec<_> = NAMES.iter().map(|name| object(name, 1)).collect();
    let put = all.clone();
    store
        .write(move |change| {
            let mut files = (0..).map(|file| uuid(4, file));
            let mut file = || files.next().unwrap();
            for of in ["s", "t", "u"].map(tenant) {
                change.ensure_tenant(&of, at(0))?;
                for index in (0..put.len()).map(|index| index * 7 % put.len()) {
                    let own = &put[index];
                    change.replace_object(&of, own, &[], file())?;
                    let bucket = BucketName::parse(["Code", "code2", "c"][index % 3])?;
                    let elsewhere = ObjectRef { bucket, ..own.at.clone() };
                    let elsewhere = InboxObject { at: elsewhere, ..own.clone() };
                    change.replace_object(&of, &elsewhere, &[], file())?;
                    let expired = place(&format!("{}!", own.at.key));
                    let expired = InboxObject { at: expired, expires: Some(at(10)), ..own.clone() };
                    change.replace_object(&of, &expired, &[], file())?;
                }
            }
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn objects_are_listed_by_the_bytes_of_their_keys_from_every_start() {
    for store in stores() {
        let all = filled(&store);
        let bucket = place("k").bucket;
        let starts = STARTS.iter().flat_map(|start| {
            let start = (*start).to_owned();
            [ObjectFrom::After(start.clone()), ObjectFrom::Behind(start)]
        });
        let starts: Vec<_> = starts.chain([ObjectFrom::Start]).collect();
        for prefix in PREFIXES {
            for from in &starts {
                let is_in = |object: &&InboxObject| {
                    let key = object.at.key.as_str();
                    key.starts_with(prefix)
                        && match from {
                            ObjectFrom::Start => true,
                            ObjectFrom::After(start) => *key > **start,
                            ObjectFrom::Behind(start) => is_behind(key, start),
                        }
                };
                let found: Vec<_> = all.iter().filter(is_in).cloned().collect();
                for limit in [0, 1, 2, 5, 21, 22, 100] {
                    let range = ObjectRange {
                        prefix: prefix.to_owned(),
                        from: from.clone(),
                        limit: limit as u64,
                    };
                    let page = store
                        .read(|view| view.select_objects(&tenant("t"), &bucket, &range, at(10)));
                    assert_eq!(page.unwrap(), page_of(&found, limit), "{store}: {range:?}");
                }
            }
        }
        let range = ObjectRange { prefix: String::new(), from: ObjectFrom::Start, limit: 100 };
        let page = store.read(|view| view.select_objects(&tenant("t"), &bucket, &range, at(9)));
        assert_eq!(page.unwrap().items.len(), 44, "{store}: before they expire");
    }
}

#[test]
fn uploads_are_listed_by_key_and_id_from_every_start() {
    for store in stores() {
        let ids = ["10", "2", "Z", "a", "\u{e4}"];
        let of_key = |key: &&'static str| {
            let key = *key;
            ids.map(|id| upload(&format!("{id} {key}"), key))
        };
        let all: Vec<_> = NAMES.iter().flat_map(of_key).collect();
        let inserted = all.clone();
        store
            .write(move |change| {
                for of in ["t", "u"] {
                    change.ensure_tenant(&tenant(of), at(0))?;
                }
                for index in (0..inserted.len()).map(|index| index * 7 % inserted.len()) {
                    let (own, id) = (&inserted[index], &inserted[index].id);
                    change.insert_multipart(&tenant("t"), own)?;
                    let other = Multipart { id: format!("u {id}"), ..own.clone() };
                    change.insert_multipart(&tenant("u"), &other)?;
                    let expires = Some(at(10));
                    let expired = Multipart { id: format!("{id} expired"), expires, ..own.clone() };
                    change.insert_multipart(&tenant("t"), &expired)?;
                    let bucket = BucketName::parse("code2")?;
                    let at_other = ObjectRef { bucket, ..own.at.clone() };
                    let elsewhere =
                        Multipart { id: format!("{id} 2"), at: at_other, ..own.clone() };
                    change.insert_multipart(&tenant("t"), &elsewhere)?;
                }
                Ok(())
            })
            .unwrap();
        let mut starts = vec![MultipartFrom::Start];
        for start in STARTS {
            starts.push(MultipartFrom::AfterKey(start.to_owned()));
            starts.push(MultipartFrom::Behind(start.to_owned()));
            for id in ["", "2 ", "2 a", "Z", "a ab", "\u{e4} a", "\u{10ffff}"] {
                starts.push(MultipartFrom::After(start.to_owned(), id.to_owned()));
            }
        }
        let bucket = place("k").bucket;
        for prefix in PREFIXES {
            for from in &starts {
                let is_in = |upload: &&Multipart| {
                    let (key, id) = (upload.at.key.as_str(), &*upload.id);
                    key.starts_with(prefix)
                        && match from {
                            MultipartFrom::Start => true,
                            MultipartFrom::AfterKey(start) => *key > **start,
                            MultipartFrom::After(start, after) => (key, id) > (start, after),
                            MultipartFrom::Behind(start) => is_behind(key, start),
                        }
                };
                let found: Vec<_> = all.iter().filter(is_in).cloned().collect();
                for limit in [1, 5, 1000] {
                    let range = MultipartRange {
                        prefix: prefix.to_owned(),
                        from: from.clone(),
                        limit: limit as u64,
                    };
                    let page = store
                        .read(|view| view.select_multiparts(&tenant("t"), &bucket, &range, at(10)));
                    assert_eq!(page.unwrap(), page_of(&found, limit), "{store}: {range:?}");
                }
            }
        }
        let count = |of: &str, now| store.read(|view| view.count_multiparts(&tenant(of), at(now)));
        let all = all.len() as u64;
        assert_eq!(count("t", 9).unwrap(), all * 3, "{store}: in all buckets");
        assert_eq!(count("t", 10).unwrap(), all * 2, "{store}");
        assert_eq!((count("u", 10).unwrap(), count("T", 10).unwrap()), (all, 0), "{store}");
    }
}

#[test]
fn parts_are_listed_by_number_and_pages_of_every_size_add_up() {
    for store in stores() {
        let numbers = [1, 2, 3, 9, 10, 11, 100, 1000, 9999, 10_000];
        let all = numbers.map(|number: u16| {
            let md5 = bytes(number.into());
            let part = Part { number, size: 1, md5, etag: hex::encode(md5), stored: at(1) };
            (part, uuid(4, number.into()))
        });
        let inserted = all.clone();
        store
            .write(move |change| {
                change.ensure_tenant(&tenant("t"), at(0))?;
                for id in ["u", "v"] {
                    change.insert_multipart(&tenant("t"), &upload(id, "k"))?;
                }
                for index in (0..inserted.len()).map(|index| index * 7 % inserted.len()) {
                    let (part, file) = &inserted[index];
                    change.replace_part("u", part, *file)?;
                }
                change.replace_part("v", &all[0].0.clone(), uuid(5, 1)).map(drop)
            })
            .unwrap();
        let all = numbers.map(|number| (number, uuid(4, number.into())));
        for after in [0, 1, 4, 10, 10_000, u16::MAX] {
            let after_it: Vec<_> =
                all.iter().filter(|(number, _)| *number > after).copied().collect();
            for limit in 0..12 {
                let page = store.read(|view| view.select_parts("u", after, limit as u64)).unwrap();
                let page = page.map(|(part, file)| (part.number, file));
                assert_eq!(page, page_of(&after_it, limit), "{store}: {after} {limit}");
            }
        }
    }
}

#[test]
fn a_bucket_exists_as_long_as_it_has_unexpired_objects() {
    for store in stores() {
        let objects = [
            // Of each bucket the object that is first by its key, not by its time.
            ("b", "z", 1, None),
            ("b", "a", 2, None),
            ("B", "a", 3, Some(10)),
            ("B", "b", 4, None),
            ("B", "c", 5, Some(12)),
            ("a.b", "a", 6, Some(10)),
            ("a-b", "a", 7, Some(11)),
            ("9", "\u{e4}", 8, None),
            ("9", "Z", 9, None),
        ];
        store
            .write(move |change| {
                for of in ["t", "u"] {
                    change.ensure_tenant(&tenant(of), at(0))?;
                }
                for (file, (bucket, key, stored, expires)) in (0..).zip(objects) {
                    let object = InboxObject {
                        at: ObjectRef::parse(bucket, key).unwrap(),
                        stored: at(stored),
                        expires: expires.map(at),
                        ..object(key, 1)
                    };
                    change.replace_object(&tenant("t"), &object, &[], uuid(4, file))?;
                }
                change.replace_object(&tenant("u"), &object("k", 1), &[], uuid(5, 1)).map(drop)
            })
            .unwrap();
        let buckets = |of: &str, now, max| {
            let found = store.read(|view| view.select_buckets(&tenant(of), at(now), max)).unwrap();
            found.iter().map(|(name, stored)| (name.to_string(), *stored)).collect::<Vec<_>>()
        };
        let named = |rows: &[(&str, u64)]| -> Vec<_> {
            rows.iter().map(|(name, second)| ((*name).to_owned(), at(*second))).collect()
        };
        let early = named(&[("9", 9), ("B", 3), ("a-b", 7), ("a.b", 6), ("b", 2)]);
        assert_eq!(buckets("t", 9, 100), early, "{store}");
        for max in 0..6 {
            assert_eq!(buckets("t", 9, max as u64), early[..max.min(5)], "{store}: {max}");
        }
        let later = named(&[("9", 9), ("B", 4), ("a-b", 7), ("b", 2)]);
        assert_eq!(buckets("t", 10, 100), later, "{store}");
        assert_eq!(buckets("t", 11, 100), named(&[("9", 9), ("B", 4), ("b", 2)]), "{store}");
        assert_eq!(buckets("u", 9, 100), named(&[("code", 1)]), "{store}");
        assert_eq!(buckets("T", 9, 100), [], "{store}");
    }
}

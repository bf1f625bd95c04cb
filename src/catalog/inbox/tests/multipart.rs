//! Tests of multipart uploads.

use super::*;
use crate::domain::Multipart;

#[test]
fn parts_come_in_any_order_and_make_one_object() {
    let desk = Desk::for_a_day();
    desk.put("code/big", b"what was there before").unwrap();
    let about = ObjectInfo {
        media_type: "application/zip".into(),
        metadata: BTreeMap::from([("a".into(), "b".into())]),
    };
    let upload = desk.catalog.start_multipart(&caller("a"), at("code/big"), about.clone()).unwrap();
    let (first, last) = (vec![1; 300_000], b"the end".to_vec());
    let three = desk.part("code/big", &upload, 30, &last);
    desk.part("code/big", &upload, 2, b"nobody asks for this one");
    desk.part("code/big", &upload, 1, b"an attempt that is put again");
    let one = desk.part("code/big", &upload, 1, &first);
    assert_eq!((one.size, one.md5), (300_000, Md5::digest(&first).into()));
    assert_eq!(desk.files().len(), 4);
    let list = |after, limit| {
        let page = desk.catalog.list_parts(&tenant("a"), &at("code/big"), &upload, after, limit);
        let page = page.unwrap();
        (page.items.iter().map(|part| part.number).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(list(0, 2), (vec![1, 2], true));
    assert_eq!(list(2, 2), (vec![30], false));
    let listed = desk.catalog.list_multiparts(&tenant("a"), &at("code/x").bucket, all_uploads(9));
    let listed = listed.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, &listed[0].about), (&upload, &about));

    let before = desk.traces();
    let refused = |parts: &[(u16, &str)], wanted: Field| {
        let refused = desk.complete("code/big", &upload, parts).unwrap_err();
        assert!(
            matches!(&refused, CatalogError::InvalidValue { field, .. } if *field == wanted),
            "{refused}"
        );
        assert_eq!(desk.traces(), before);
    };
    refused(&[], Field::Parts);
    refused(&[(30, &three.etag), (1, &one.etag)], Field::PartOrder);
    refused(&[(1, &one.etag), (1, &one.etag)], Field::PartOrder);
    refused(&[(1, &three.etag)], Field::Part);
    refused(&[(1, &one.etag), (3, &three.etag)], Field::Part);
    refused(&[(31, &three.etag)], Field::Part);
    assert!(desk.get("code/big").unwrap().starts_with(b"what was"));

    desk.pass(60);
    let put = desk.complete("code/big", &upload, &[(1, &one.etag), (30, &three.etag)]).unwrap();
    let whole = [first, last].concat();
    assert!(desk.get("code/big").unwrap() == whole);
    let tags = [one.md5, three.md5].concat();
    assert_eq!(put.etag, format!("{}-2", hex::encode(Md5::digest(tags))));
    assert_eq!((put.parts, put.size, &put.about), (2, 300_007, &about));
    let part = |name: &str, number| {
        let (tenant, name) = (tenant("a"), at(name));
        let (object, part, content) =
            desk.catalog.open_object_part(&tenant, &name, number).unwrap();
        let got = desk.catalog.get_object_part(&tenant, &name, number).unwrap();
        assert_eq!((&object, &part), (&got.0, &got.1));
        let ObjectPart { range, count } = part?;
        let mut bytes = Vec::new();
        content.open_range(range).unwrap().read_to_end(&mut bytes).unwrap();
        Some((bytes.len(), bytes.last().copied(), count))
    };
    assert_eq!(part("code/big", 1), Some((300_000, Some(1), Some(2))));
    assert_eq!(part("code/big", 2), Some((7, Some(b'd'), Some(2))));
    assert_eq!(part("code/big", 30), None);
    assert_eq!(part("code/big", 0), None);
    let once = desk.put("code/once", &whole).unwrap();
    assert_eq!(part("code/once", 1), Some((300_007, Some(b'd'), None)));
    assert_eq!(part("code/once", 2), None);
    let missing = desk.catalog.get_object_part(&tenant("a"), &at("code/none"), 1).unwrap_err();
    assert!(matches!(missing, CatalogError::NotFound { what: Noun::Object, .. }), "{missing}");
    assert_eq!(put.digests, once.digests);
    assert_eq!(put.expires, once.expires, "it was put when it was completed");
    let (size, files, audit) = desk.traces();
    assert_eq!((size, files.len()), (2 * (300_007 + ROW), 2));
    assert_eq!(audit, ["a object/code/big", "a object/code/big", "a object/code/once"]);
    let gone = desk.complete("code/big", &upload, &[(1, &one.etag)]).unwrap_err();
    assert!(matches!(gone, CatalogError::NotFound { what: Noun::Multipart, .. }), "{gone}");
}

#[test]
fn an_aborted_upload_leaves_nothing() {
    let desk = Desk::for_a_day();
    let (unfinished, upload) = (desk.start("code/part"), desk.start("code/part"));
    for number in [1, 2, 10_000] {
        desk.part("code/part", &upload, number, b"123");
    }
    desk.part("code/part", &unfinished, 1, b"1");
    let elsewhere = desk.catalog.abort_multipart(&caller("a"), &at("code/other"), &upload);
    assert!(matches!(elsewhere, Err(CatalogError::NotFound { what: Noun::Multipart, .. })));
    let (size, _, audit) = desk.traces();
    assert_eq!((size, audit.len()), (10 + 6 * ROW, 0));
    desk.catalog.abort_multipart(&caller("a"), &at("code/part"), &upload).unwrap();
    let (size, files, audit) = desk.traces();
    assert_eq!((size, files.len()), (1 + 2 * ROW, 1));
    assert_eq!(audit, ["a object/code/part"]);
    assert_unfinished(&desk, &upload, false);
    assert_unfinished(&desk, &unfinished, true);
}

#[test]
fn the_unfinished_uploads_of_a_tenant_are_limited() {
    let desk = Desk::for_a_day();
    desk.start("code/a");
    let (started, expires) = desk.catalog.lifetime().unwrap();
    let filled = desk.catalog.store.write(move |store| {
        (1..1000).try_for_each(|number| {
            let (id, about) = (format!("upload {number}"), ObjectInfo::default());
            let upload = Multipart { id, at: at("code/a"), about, started, expires };
            store.insert_multipart(&tenant("a"), &upload)
        })
    });
    filled.unwrap();
    let start =
        |name| desk.catalog.start_multipart(&caller(name), at("c/d"), ObjectInfo::default());
    let refused = start("a").unwrap_err();
    assert!(refused.to_string().contains("at most 1000"), "{refused}");
    start("b").unwrap();
    desk.pass(DAY);
    start("a").unwrap();
    assert_eq!(desk.sweep(), 901, "a hundred made room for the last");
}

/// The name of a part's file.
fn file_of(desk: &Desk, upload: &str, number: u16) -> Uuid {
    let parts = desk.catalog.store.read(|view| view.select_parts(upload, number - 1, 1));
    parts.unwrap().items.remove(0).1
}

#[test]
fn an_upload_that_changes_while_it_is_copied_is_refused() {
    let desk = Desk::for_a_day();
    let upload = desk.start("code/part");
    let part = desk.part("code/part", &upload, 1, b"1");
    // As if another request had removed the file between the lookup and the copy.
    desk.catalog.store.inbox().remove(file_of(&desk, &upload, 1));
    let before = desk.traces();
    let refused = desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap_err();
    assert!(matches!(refused, CatalogError::InvalidValue { field: Field::Part, .. }), "{refused}");
    assert_eq!(desk.traces(), before);
    desk.part("code/part", &upload, 1, b"1");
    desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap();
}

#[test]
fn a_part_that_is_damaged_on_the_disk_makes_no_object() {
    let desk = Desk::for_a_day();
    let upload = desk.start("code/a");
    let part = desk.part("code/a", &upload, 1, b"one part");
    let [file] = &desk.files()[..] else { panic!("{:?}", desk.files()) };
    let path = desk.folder.path().join("inbox").join(&file[..2]).join(file);
    fs::write(path, b"no parts").unwrap();
    let before = desk.traces();
    let refused = desk.complete("code/a", &upload, &[(1, &part.etag)]).unwrap_err();
    assert!(refused.to_string().contains("is damaged"), "{refused}");
    assert_eq!(desk.traces(), before);
    assert!(is_missing(&desk.get("code/a").unwrap_err()));
}

#[test]
fn an_object_of_parts_is_limited_in_size() {
    let desk = Desk::for_a_day();
    let upload = desk.start("code/part");
    let bytes = vec![b'x'; 400_000];
    let parts: Vec<Part> =
        (1..=3).map(|number| desk.part("code/part", &upload, number, &bytes)).collect();
    let named = |numbers: &[usize]| {
        numbers.iter().map(|number| (*number as u16, parts[number - 1].etag.clone())).collect()
    };
    let complete = |numbers: &[usize], limit| {
        let parts = named(numbers);
        desk.catalog.complete_multipart(&caller("a"), &at("code/part"), &upload, parts, limit)
    };
    // A copy before the check of the limit would fail on this missing file.
    desk.catalog.store.inbox().remove(file_of(&desk, &upload, 2));
    let before = desk.traces();
    for (numbers, limit, sum) in
        [(&[1, 2, 3][..], 1_199_999, 1_200_000), (&[1, 3], 799_999, 800_000), (&[2], 0, 400_000)]
    {
        let refused = complete(numbers, limit).unwrap_err();
        let expected = (Limit::CodeSize, limit, sum);
        assert!(
            matches!(refused, CatalogError::LimitExceeded { what, limit, actual }
                if (what, limit, actual) == expected),
            "{refused}"
        );
        assert_eq!(desk.traces(), before);
    }
    assert_eq!(complete(&[1, 3], 800_000).unwrap().size, 800_000, "the third does not count");
}

#[test]
fn an_upload_is_completed_once_at_a_time() {
    let desk = Desk::for_a_day();
    let upload = desk.start("code/part");
    let part = desk.part("code/part", &upload, 1, &vec![b'x'; 3 << 18]);
    let other = desk.start("code/part");
    let before = desk.traces();
    let first = desk.catalog.completing.start(&tenant("a"), &upload).unwrap();
    let refused = desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap_err();
    assert_eq!(refused.to_string(), "multipart upload is being completed");
    assert_eq!(desk.traces(), before);
    let body = desk.body(b"1");
    let stranger = caller("b");
    let parts = vec![(1, part.etag.clone())];
    let gone =
        desk.catalog.complete_multipart(&stranger, &at("code/part"), &upload, parts, 1 << 20);
    assert!(
        matches!(gone, Err(CatalogError::NotFound { what: Noun::Multipart, .. })),
        "another tenant does not learn of it"
    );
    let also = desk.catalog.put_part(&caller("a"), &at("code/part"), &other, 1, body).unwrap();
    desk.complete("code/part", &other, &[(1, &also.etag)]).unwrap();
    drop(first);

    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let complete = || desk.complete("code/part", &upload, &[(1, &part.etag)]);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(complete)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refusal in outcomes.into_iter().filter_map(Result::err) {
        let is_known = matches!(
            &refusal,
            CatalogError::NotFound { what: Noun::Multipart, .. }
                | CatalogError::InvalidValue { field: Field::Multipart, .. }
        );
        assert!(is_known, "{refusal}");
    }
    assert_eq!((desk.get("code/part").unwrap().len(), desk.files().len()), (3 << 18, 1));
    let again = desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap_err();
    assert!(matches!(again, CatalogError::NotFound { .. }), "a refusal leaves no mark");
}

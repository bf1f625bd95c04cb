//! Tests of copies inside the inbox.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;

use jiff::SignedDuration;

use super::*;

/// Accepts every source.
fn any(_: &InboxObject) -> Result<(), CatalogError> {
    Ok(())
}

/// Returns the whole source.
fn whole(object: &InboxObject) -> Result<Range<u64>, CatalogError> {
    Ok(0..object.size)
}

impl Desk {
    fn copy(&self, from: &str, to: &str) -> Result<InboxObject, CatalogError> {
        self.catalog.copy_object(&caller("a"), &at(from), at(to), None, any)
    }

    fn copy_part(
        &self,
        from: &str,
        range: Option<Range<u64>>,
        (to, upload): (&str, &str),
    ) -> Result<Part, CatalogError> {
        let choose = |source: &InboxObject| range.clone().map_or_else(|| whole(source), Ok);
        self.catalog.copy_part(&caller("a"), &at(from), choose, &at(to), upload, 1)
    }

    /// Returns the number of different files, and that of their names.
    fn bytes_and_names(&self) -> (usize, usize) {
        use std::os::unix::fs::MetadataExt;

        let path = |name: &String| -> PathBuf {
            self.folder.path().join("inbox").join(&name[..2]).join(name)
        };
        let files = self.files();
        let number = |name| fs::metadata(path(name)).unwrap().ino();
        (files.iter().map(number).collect::<std::collections::HashSet<_>>().len(), files.len())
    }
}

#[test]
fn a_copy_has_its_own_row_lifetime_and_file_and_no_bytes_of_its_own() {
    let desk = Desk::for_a_day();
    let about = ObjectInfo {
        media_type: "application/zip".into(),
        metadata: BTreeMap::from([("a".into(), "b".into())]),
    };
    let body = desk.body(&vec![7; 300_000]);
    let put = desk.catalog.put_object(&caller("a"), at("code/a"), about.clone(), body).unwrap();
    desk.pass(DAY / 2);
    let copy = desk.copy("code/a", "other/b").unwrap();
    let moved = SignedDuration::from_secs(DAY / 2);
    assert_eq!(
        copy,
        InboxObject {
            at: at("other/b"),
            stored: put.stored + moved,
            expires: put.expires.map(|end| end + moved),
            ..put.clone()
        }
    );
    assert_eq!(desk.bytes_and_names(), (1, 2));
    assert_eq!(desk.traces().0, 2 * (300_000 + ROW), "each counts in full");
    assert!(desk.get("other/b").unwrap() == desk.get("code/a").unwrap());

    // Onto itself: the older file goes, the bytes stay.
    let stated = ObjectInfo { media_type: "text/plain".into(), ..ObjectInfo::default() };
    let touched = desk
        .catalog
        .copy_object(&caller("a"), &at("other/b"), at("other/b"), Some(stated.clone()), any)
        .unwrap();
    assert_eq!((&touched.about, &touched.digests), (&stated, &put.digests));
    assert_eq!(desk.bytes_and_names(), (1, 2));

    // The source expires before its copy.
    desk.pass(DAY / 2);
    assert!(is_missing(&desk.copy("code/a", "code/c").unwrap_err()), "it has expired");
    desk.sweep();
    assert_eq!(desk.bytes_and_names(), (1, 1));
    assert_eq!(desk.get("other/b").unwrap().len(), 300_000);
    let log = ["a object/code/a", "a object/other/b", "a object/other/b"];
    assert_eq!(desk.audit(), log);
}

#[test]
fn a_copy_of_an_object_in_parts_is_in_one() {
    let desk = Desk::for_a_day();
    let upload = desk.start("code/a");
    let parts = [1, 2].map(|number| desk.part("code/a", &upload, number, &[7; 10]));
    let parts: Vec<_> = parts.iter().map(|part| (part.number, &*part.etag)).collect();
    let source = desk.complete("code/a", &upload, &parts).unwrap();
    let copy = desk.copy("code/a", "code/b").unwrap();
    assert_eq!((copy.parts, &copy.digests), (1, &source.digests));
    assert_eq!(copy.etag, hex::encode(Md5::digest([7; 20])));
    let only = desk.catalog.get_object_part(&tenant("a"), &at("code/b"), 1).unwrap().1.unwrap();
    assert_eq!((only.range, only.count), (0..20, None));
}

#[test]
fn parts_are_copied_as_a_whole_or_by_a_range() {
    let desk = Desk::for_a_day();
    let bytes: Vec<u8> = (0..400_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    desk.put("code/a", &bytes).unwrap();
    let upload = desk.start("code/b");
    let to = ("code/b", &*upload);
    let part = desk.copy_part("code/a", None, to).unwrap();
    assert_eq!((part.number, part.size), (1, 400_000));
    assert_eq!(part.etag, hex::encode(Md5::digest(&bytes)));
    assert_eq!(desk.bytes_and_names(), (1, 2));
    // All bytes, as a range.
    desk.copy_part("code/a", Some(0..400_000), to).unwrap();
    assert_eq!(desk.bytes_and_names(), (1, 2));
    for range in [3..300_000, 0..399_999, 5..6] {
        let part = desk.copy_part("code/a", Some(range.clone()), to).unwrap();
        let (start, end) = (range.start as usize, range.end as usize);
        assert_eq!(part.etag, hex::encode(Md5::digest(&bytes[start..end])));
        assert_eq!(desk.bytes_and_names(), (2, 2));
    }
    let last = desk.part("code/b", &upload, 2, b"the end");
    let part = desk.copy_part("code/a", None, to).unwrap();
    desk.complete("code/b", &upload, &[(1, &part.etag), (2, &last.etag)]).unwrap();
    assert!(desk.get("code/b").unwrap() == [&bytes[..], b"the end"].concat());
    assert_eq!(desk.files().len(), 2);
}

#[test]
fn an_upload_of_one_part_keeps_the_bytes_of_the_part() {
    let desk = Desk::for_a_day();
    let once = desk.put("code/a", &[7; 300_000]).unwrap();
    let upload = desk.start("code/b");
    let part = desk.copy_part("code/a", None, ("code/b", &upload)).unwrap();
    let put = desk.complete("code/b", &upload, &[(1, &part.etag)]).unwrap();
    assert_eq!((put.size, &put.digests), (300_000, &once.digests));
    assert!(put.etag.ends_with("-1"), "{}", put.etag);
    assert_eq!(desk.bytes_and_names(), (1, 2));
    assert!(desk.get("code/b").unwrap() == desk.get("code/a").unwrap());
}

#[test]
fn a_refused_copy_changes_nothing() {
    let room = 10 + 3 * ROW;
    let desk = Desk::with_room(room);
    desk.put("code/a", b"12345").unwrap();
    desk.put("code/b", b"1234").unwrap();
    let upload = desk.start("code/part");
    let before = desk.traces();
    let refuse = |_: &InboxObject| Err::<(), _>(CatalogError::invalid(Field::ObjectKey, "no"));
    let by = caller("a");
    let copy = |from: &str, to: &str, about| {
        desk.catalog.copy_object(&by, &at(from), at(to), about, any).unwrap_err()
    };
    let long = ObjectInfo { media_type: "x".repeat(3000), ..ObjectInfo::default() };
    let reader = Caller::new(tenant("a"), Role::Read, KeyId::parse("KEY2").unwrap());
    let of_another = |from: &str| {
        desk.catalog.copy_object(&caller("b"), &at(from), at("code/c"), None, any).unwrap_err()
    };
    let part = |range: Option<Range<u64>>, from: &str, upload: &str| {
        desk.copy_part(from, range, ("code/part", upload)).unwrap_err()
    };
    for (refused, wanted) in [
        (copy("code/none", "code/c", None), "NotFound"),
        (copy("code/a", "code/c", None), "LimitExceeded"),
        (copy("code/a", "code/b", Some(long)), "InvalidValue"),
        (of_another("code/a"), "NotFound"),
        (
            desk.catalog.copy_object(&by, &at("code/a"), at("code/b"), None, refuse).unwrap_err(),
            "InvalidValue",
        ),
        (
            desk.catalog.copy_object(&reader, &at("code/a"), at("code/b"), None, any).unwrap_err(),
            "Forbidden",
        ),
        (
            desk.catalog
                .copy_part(&reader, &at("code/a"), whole, &at("code/part"), &upload, 1)
                .unwrap_err(),
            "Forbidden",
        ),
        (
            desk.catalog
                .copy_part(&by, &at("code/a"), whole, &at("code/part"), &upload, 0)
                .unwrap_err(),
            "InvalidValue",
        ),
        (part(None, "code/none", &upload), "NotFound"),
        (part(None, "code/a", "none"), "NotFound"),
        (part(None, "code/a", &upload), "LimitExceeded"),
        (part(Some(1..4), "code/a", &upload), "LimitExceeded"),
    ] {
        assert!(format!("{refused:?}").starts_with(wanted), "{wanted}: {refused:?}");
        assert_eq!(desk.traces(), before, "{refused}");
    }
    // The copy is as large as what it replaces.
    desk.put("code/b", b"54321").unwrap();
    desk.copy("code/a", "code/b").unwrap();
    assert_eq!(desk.get("code/b").unwrap(), b"12345");
}

#[test]
fn a_source_that_is_replaced_meanwhile_is_judged_again() {
    let desk = Desk::for_a_day();
    desk.put("code/a", b"first").unwrap();
    let calls = AtomicU32::new(0);
    let check = |source: &InboxObject| {
        // After the first lookup the source is put again, and its older file is gone.
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            assert_eq!(source.size, 5);
            desk.put("code/a", b"second").unwrap();
        } else {
            assert_eq!(source.size, 6);
        }
        Ok::<_, CatalogError>(())
    };
    let copy = desk.catalog.copy_object(&caller("a"), &at("code/a"), at("code/b"), None, check);
    assert_eq!((copy.unwrap().size, calls.load(Ordering::SeqCst)), (6, 2));
    assert_eq!(desk.get("code/b").unwrap(), b"second");
}

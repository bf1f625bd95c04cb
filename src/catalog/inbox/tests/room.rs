//! Tests of the limit of the inbox's size.

use super::*;

/// Asserts that the inbox is full for the attempt, and that its state is still `before`.
#[track_caller]
fn assert_full<T: std::fmt::Debug>(
    desk: &Desk,
    before: &(u64, Vec<String>, Vec<String>),
    tried: Result<T, CatalogError>,
    expected: (u64, u64),
) {
    let refused = tried.unwrap_err();
    assert!(
        matches!(refused, CatalogError::LimitExceeded { what: Limit::InboxSize, limit, actual }
            if (limit, actual) == expected),
        "{refused}"
    );
    assert_eq!(&desk.traces(), before);
}

#[test]
fn a_full_inbox_accepts_a_replacement_that_is_not_larger() {
    let room = 10 + 3 * ROW;
    let desk = Desk::with_room(room);
    desk.put("code/a", b"123456").unwrap();
    desk.put("code/b", b"1234").unwrap();
    let upload = desk.start("code/part");
    let before = desk.traces();
    assert_eq!(before.0, room);
    let is_full = |tried, sum: u64| assert_full(&desk, &before, tried, (room, sum));
    is_full(desk.put("code/c", b"1"), room + 1 + ROW);
    is_full(desk.put("code/b", b"12345"), room + 1);
    is_full(desk.put("code/b", &[0; 300_000]), room + 300_000 - 4);
    let part = desk.catalog.put_part(&caller("a"), &at("code/part"), &upload, 1, desk.body(b"12"));
    assert_full(&desk, &before, part, (room, room + 2 + ROW));
    assert_eq!(desk.get("code/b").unwrap(), b"1234");

    assert!(desk.catalog.delete_object(&caller("a"), &at("code/b")).unwrap());
    desk.part("code/part", &upload, 1, b"12");
    let before = desk.traces();
    let over =
        desk.catalog.put_part(&caller("a"), &at("code/part"), &upload, 1, desk.body(b"12345"));
    assert_full(&desk, &before, over, (room, room + 1));
    let part = desk.part("code/part", &upload, 1, b"45");
    desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap();
    assert_eq!(desk.get("code/part").unwrap(), b"45");

    desk.pass(DAY);
    desk.put("code/c", b"1234567890").unwrap();
    let (size, files, _) = desk.traces();
    assert_eq!(size, 10 + ROW, "the expired objects were removed first");
    assert_eq!(files.len(), 3, "the sweep removes their files");
    desk.sweep();
    assert_eq!(desk.files().len(), 1);
}

#[test]
fn empty_objects_and_parts_count() {
    let room = 3 * ROW;
    let desk = Desk::with_room(room);
    let upload = desk.start("code/part");
    let part = desk.part("code/part", &upload, 1, b"");
    desk.put("code/a", b"").unwrap();
    let before = desk.traces();
    let sum = 4 * ROW;
    assert_full(&desk, &before, desk.put("code/b", b""), (room, sum));
    let body = desk.body(b"");
    let further = desk.catalog.put_part(&caller("a"), &at("code/part"), &upload, 2, body);
    assert_full(&desk, &before, further, (room, sum));
    let by = caller("new");
    let started = desk.catalog.start_multipart(&by, at("code/b"), ObjectInfo::default());
    assert_full(&desk, &before, started, (room, sum));
    let now = desk.catalog.clock.now();
    let count = desk.catalog.store.read(|view| view.count_multiparts(&tenant("new"), now));
    assert_eq!(count.unwrap(), 0);

    desk.put("code/a", b"").unwrap();
    desk.part("code/part", &upload, 1, b"");
    desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap();
    assert_eq!(desk.traces().0, 2 * ROW);
    let upload = desk.start("code/part");
    desk.catalog.abort_multipart(&caller("a"), &at("code/part"), &upload).unwrap();
    for name in ["code/a", "code/part"] {
        assert!(desk.catalog.delete_object(&caller("a"), &at(name)).unwrap());
    }
    assert_eq!(desk.traces().0, 0, "all of it comes back");
    desk.start("code/part");
    desk.pass(DAY);
    desk.sweep();
    assert_eq!(desk.traces().0, 0);
}

#[test]
fn removals_for_a_put_are_logged_only_after_the_commit() {
    let desk = Desk::with_room(ROW);
    desk.put("code/old", b"").unwrap();
    desk.pass(DAY);
    let lines = tempfile::NamedTempFile::new().unwrap();
    let logged = || fs::read_to_string(lines.path()).unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.reopen().unwrap()).finish();
    let log = tracing::Dispatch::new(subscriber);
    let take = |outcome: Result<(), CatalogError>| {
        let (room, log) = (desk.catalog.room(), log.clone());
        desk.catalog.store.write(move |store| {
            tracing::dispatcher::with_default(&log, || room.take(store, || outcome))
        })
    };
    let before = desk.traces();
    assert!(take(Err(CatalogError::internal("undone"))).is_err());
    assert_eq!((desk.traces(), logged()), (before, String::new()));
    let taken = take(Ok(())).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!((desk.traces().0, logged()), (0, String::new()));
    tracing::dispatcher::with_default(&log, || taken.log());
    assert!(logged().contains("made room") && logged().contains("things=1"), "{}", logged());
}

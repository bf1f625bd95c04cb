//! What holds for the room in the inbox.

use super::*;

#[test]
fn a_full_inbox_takes_what_is_no_larger_than_what_it_replaces() {
    let desk = Desk::with_room(10);
    desk.put("code/a", b"123456").unwrap();
    desk.put("code/b", b"1234").unwrap();
    let upload = desk.start("code/part");
    let before = desk.traces();
    let is_full = |error: CatalogError, sum: u64| {
        let expected = (Limit::InboxSize, 10, sum);
        assert!(
            matches!(error, CatalogError::LimitExceeded { what, limit, actual }
                if (what, limit, actual) == expected),
            "{error}"
        );
        assert_eq!(desk.traces(), before);
    };
    is_full(desk.put("code/c", b"1").unwrap_err(), 11);
    is_full(desk.put("code/b", b"12345").unwrap_err(), 11);
    is_full(desk.put("code/b", &[0; 300_000]).unwrap_err(), 300_006);
    let part = desk.catalog.put_part(&caller("a"), &at("code/part"), &upload, 1, desk.body(b"12"));
    is_full(part.unwrap_err(), 12);
    assert_eq!(desk.get("code/b").unwrap(), b"1234");
    desk.put("code/empty", b"").unwrap();

    desk.put("code/b", b"12").unwrap();
    desk.part("code/part", &upload, 1, b"12");
    let over = desk.catalog.put_part(&caller("a"), &at("code/part"), &upload, 1, desk.body(b"123"));
    assert!(matches!(over, Err(CatalogError::LimitExceeded { actual: 11, .. })));
    let part = desk.part("code/part", &upload, 1, b"45");
    desk.complete("code/part", &upload, &[(1, &part.etag)]).unwrap();
    assert_eq!(desk.get("code/part").unwrap(), b"45");

    desk.pass(DAY);
    desk.put("code/c", b"1234567890").unwrap();
    let (size, files, _) = desk.traces();
    assert_eq!(size, 10, "what is expired made room");
    assert_eq!(files.len(), 5, "its files are the sweep's");
    desk.catalog.sweep_inbox().unwrap();
    assert_eq!(desk.files().len(), 1);
}

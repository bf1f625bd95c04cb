//! Tests of the lists of objects and uploads, and of deleting several objects.

use super::*;

#[test]
fn lists_go_by_prefix_and_page_in_the_order_of_bytes() {
    let desk = Desk::for_a_day();
    for name in ["code/b/2", "code/a", "code/b/1", "code/B", "code/层", "code/b/", "code/c", "z/a"]
    {
        desk.put(name, name.as_bytes()).unwrap();
    }
    let all = ["B", "a", "b/", "b/1", "b/2", "c", "层"].map(str::to_owned);
    assert_eq!(desk.keys("", None, 100), (all.to_vec(), false));
    assert_eq!(desk.keys("", None, 7), (all.to_vec(), false));
    assert_eq!(desk.keys("", None, 3), (all[..3].to_vec(), true));
    assert_eq!(desk.keys("", Some("b/"), 3), (all[3..6].to_vec(), true));
    assert_eq!(desk.keys("", Some("b/0"), 9), (all[3..].to_vec(), false));
    assert_eq!(desk.keys("b/", None, 9), (all[2..5].to_vec(), false));
    assert_eq!(desk.keys("b/", Some("b/1"), 9), (all[4..5].to_vec(), false));
    assert_eq!(desk.keys("b/", Some("a"), 1), (all[2..3].to_vec(), true));
    assert_eq!(desk.keys("b/", Some("c"), 9), (vec![], false));
    assert_eq!(desk.keys("层", None, 9), (all[6..].to_vec(), false));
    assert_eq!(desk.keys("", None, 0), (vec![], true));
    let buckets = desk.catalog.list_buckets(&tenant("a")).unwrap();
    let names: Vec<&str> = buckets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "z"]);
}

#[test]
fn a_list_continues_after_a_common_prefix() {
    let desk = Desk::for_a_day();
    let last = char::MAX;
    let deep = [format!("a/{last}"), format!("a/{last}/b"), format!("a/{last}{last}")];
    let names: Vec<String> =
        ["a", "a/", "a/b"].map(str::to_owned).into_iter().chain(deep).collect();
    let others = ["a0".to_owned(), "b".to_owned(), last.to_string()];
    for name in names.iter().chain(&others) {
        desk.put(&format!("code/{name}"), b"").unwrap();
    }
    let behind = |prefix: &str, start: &str, limit| {
        desk.keys_from(prefix, ObjectFrom::Behind(start.to_owned()), limit)
    };
    assert_eq!(behind("", "a/", 9), (others.to_vec(), false));
    assert_eq!(behind("", "a/", 2), (others[..2].to_vec(), true));
    assert_eq!(behind("a", "a/", 9), (others[..1].to_vec(), false), "inclusive");
    assert_eq!(behind("a/", "a/", 9), (vec![], false));
    assert_eq!(behind("b", "a/", 9), (others[1..2].to_vec(), false), "the prefix is further on");
    assert_eq!(behind("", &format!("a/{last}"), 9), (others.to_vec(), false));
    assert_eq!(behind("a/", "a/b", 9), (names[3..].to_vec(), false));
    assert_eq!(behind("", &last.to_string(), 9), (vec![], false));
    assert_eq!(behind("", "", 9), (vec![], false), "everything starts with nothing");
}

#[test]
fn unfinished_uploads_are_listed_by_prefix_and_page_by_key_and_id() {
    let desk = Desk::for_a_day();
    let mut all = Vec::new();
    for name in ["code/b/2", "code/a", "code/b/1", "code/b/1", "code/b/1", "code/c", "z/a"] {
        all.push((at(name).key.to_string(), desk.start(name)));
    }
    all.pop();
    all.sort();
    let list = |prefix: &str, from: MultipartFrom, limit| {
        let range = MultipartRange { prefix: prefix.to_owned(), from, limit };
        let page = desk.catalog.list_multiparts(&tenant("a"), &at("code/x").bucket, range).unwrap();
        assert_eq!(page.next.is_some(), page.more);
        let name =
            |upload: &crate::domain::Multipart| (upload.at.key.to_string(), upload.id.clone());
        (page.items.iter().map(name).collect::<Vec<_>>(), page.more)
    };
    let start = MultipartFrom::Start;
    let after = |index: usize| MultipartFrom::After(all[index].0.clone(), all[index].1.clone());
    let key = |key: &str| MultipartFrom::AfterKey(key.to_owned());
    assert_eq!(list("", start.clone(), 6), (all.clone(), false));
    assert_eq!(list("", start.clone(), 5), (all[..5].to_vec(), true));
    assert_eq!(list("", start.clone(), 0), (vec![], true));
    assert_eq!(list("b/", start.clone(), 9), (all[1..5].to_vec(), false));
    assert_eq!(list("b/1", start, 2), (all[1..3].to_vec(), true));
    for index in 0..6 {
        assert_eq!(list("", after(index), 9), (all[index + 1..].to_vec(), false));
    }
    assert_eq!(list("b/", after(0), 2), (all[1..3].to_vec(), true));
    assert_eq!(list("b/", after(2), 9), (all[3..5].to_vec(), false));
    assert_eq!(list("", MultipartFrom::After("b/1".into(), String::new()), 1).0, all[1..2]);
    assert_eq!(list("", key("b/1"), 9), (all[4..].to_vec(), false));
    assert_eq!(list("", key("b/"), 3), (all[1..4].to_vec(), true));
    assert_eq!(list("b/", key("c"), 9), (vec![], false));
    assert_eq!(list("", MultipartFrom::Behind("b/".into()), 9), (all[5..].to_vec(), false));
    assert_eq!(list("", MultipartFrom::Behind(String::new()), 9), (vec![], false));
    desk.pass(DAY);
    assert_eq!(list("", MultipartFrom::Start, 9), (vec![], false));
}

#[test]
fn deleting_several_objects_logs_each() {
    let desk = Desk::for_a_day();
    for name in ["code/old", "code/a", "code/b", "z/a"] {
        desk.put(name, b"123").unwrap();
        desk.pass(if name == "code/old" { DAY - 1 } else { 0 });
    }
    desk.pass(1);
    let sequence = || {
        let page =
            desk.catalog.store.read(|view| view.select_audit(AuditFilter::All, 0, 1000)).unwrap();
        page.items.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
    };
    let delete = |by: &Caller, names: &[&str]| {
        let objects: Vec<ObjectRef> = names.iter().map(|name| at(name)).collect();
        desk.catalog.delete_objects(by, &objects)
    };
    let before = (desk.traces(), desk.catalog.store.generation());
    let none = ["code/none", "code/old", "none/a"];
    assert_eq!(delete(&caller("a"), &none).unwrap(), [false; 3]);
    assert_eq!(delete(&caller("a"), &[]).unwrap(), [false; 0]);
    assert_eq!(delete(&caller("b"), &["code/a", "code/b"]).unwrap(), [false; 2]);
    let reader = Caller::new(tenant("a"), Role::Read, KeyId::parse("KEY1").unwrap());
    for names in [&["code/a", "code/b"][..], &[]] {
        let refused = delete(&reader, names).unwrap_err();
        assert!(matches!(refused, CatalogError::Forbidden { needed: Role::Write, .. }));
    }
    assert_eq!((desk.traces(), desk.catalog.store.generation()), before);

    let deleted = delete(&caller("a"), &["code/none", "code/b", "z/a", "code/b"]).unwrap();
    assert_eq!(deleted, [false, true, true, false]);
    assert_eq!(desk.get("code/a").unwrap(), b"123");
    for name in ["code/b", "z/a"] {
        assert!(is_missing(&desk.get(name).unwrap_err()));
    }
    assert_eq!(desk.files().len(), 2, "only the sweep removes the expired one");
    assert_eq!(desk.audit()[4..], ["a object/code/b", "a object/z/a"]);
    assert_eq!(sequence(), [1, 2, 3, 4, 5, 6]);
    desk.put("code/b", b"").unwrap();
    assert_eq!(sequence().last(), Some(&7));
}

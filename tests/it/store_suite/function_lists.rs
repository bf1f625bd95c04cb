//! Lists of functions and of their states: every order, every page.

use layerbase::domain::{
    FunctionKey, FunctionOrder, FunctionVersion, Page, VersionName, VersionNumber, Window,
};

use super::{NAMES, create, head, key, number, publish_function, tenant};
use crate::support::engines::{TestStore, stores};

/// Returns the page of a window of a whole list.
fn page_of(all: &[FunctionVersion], window: Window, total: u64) -> Page<FunctionVersion> {
    let offset = usize::try_from(window.offset).unwrap();
    let limit = usize::try_from(window.limit).unwrap();
    let mut items: Vec<_> = all.iter().skip(offset).take(limit + 1).cloned().collect();
    let next = items.drain(limit.min(items.len())..).next();
    Page { items, more: next.is_some(), next, total }
}

/// Reads all states of these functions one by one, as they are now.
fn states(store: &TestStore, keys: &[FunctionKey], last: u64) -> Vec<FunctionVersion> {
    let states = store.read(|view| {
        let mut states = Vec::new();
        for key in keys {
            states.extend(view.select_head(key)?);
            for version in 1..=last {
                states.extend(view.select_function_version(key, number(version))?);
            }
        }
        Ok(states)
    });
    states.unwrap()
}

/// Orders states as lists of the last change do.
fn by_change(mut states: Vec<FunctionVersion>) -> Vec<FunctionVersion> {
    states.sort_by(|one, other| {
        let change = other.sequence.cmp(&one.sequence);
        change.then_with(|| one.name.cmp(&other.name))
    });
    states
}

#[test]
fn the_states_of_a_function_are_listed_in_each_order_and_pages_of_every_size_add_up() {
    for store in stores() {
        let key = key("t", "default", "f");
        let of = key.clone();
        store
            .write(move |change| {
                create(change, head(&of, 1))?;
                // Some names sort before that of the head, which has the newest version's number.
                for version in 1..=12 {
                    publish_function(
                        change,
                        &of,
                        &format!("{}", [20, 3, 100][version % 3] + version),
                    )?;
                }
                for gone in [5, 11] {
                    let sequence = change.next_sequence()?;
                    change.delete_function_version(&of, number(gone), sequence)?;
                }
                publish_function(change, &of, "Z").map(drop)
            })
            .unwrap();
        let mut falling = states(&store, std::slice::from_ref(&key), 13);
        falling.sort_by_key(|state| {
            std::cmp::Reverse(state.number.map_or(u64::MAX, VersionNumber::get))
        });
        assert_eq!(falling.len(), 12, "{store}");
        let total = falling.len() as u64;
        let select = |order, window| {
            let page = store.read(|view| view.select_function_versions(&key, order, window));
            page.unwrap().unwrap()
        };
        let changed = by_change(falling.clone());
        assert_eq!(changed[0].name.as_str(), "Z", "{store}: its number is also the head's");
        for limit in 0..=total + 1 {
            for offset in 0..=total + 1 {
                let window = Window { offset, limit };
                let expected = page_of(&falling, window, total);
                let order = FunctionOrder::HeadFirst;
                assert_eq!(select(order, window), expected, "{store}: {window:?}");
                let expected = page_of(&changed, window, total);
                let order = FunctionOrder::LastWrittenFirst;
                assert_eq!(select(order, window), expected, "{store}: {window:?}");
            }
            // After the head, after each number, and after numbers that do not exist.
            let numbers = [1, 2, 5, 6, 11, 12, 13, 14, i64::MAX.cast_unsigned()];
            for after in numbers.into_iter().map(VersionNumber::new).chain([None]) {
                let below: Vec<_> = falling[1..]
                    .iter()
                    .filter(|state| after.is_none_or(|after| state.number < Some(after)))
                    .cloned()
                    .collect();
                let window = Window { offset: 0, limit };
                let expected = page_of(&below, window, total);
                let order = FunctionOrder::HeadFirstAfter(after);
                assert_eq!(select(order, window), expected, "{store}: {after:?} {limit}");
            }
        }
    }
}

#[test]
fn heads_are_ordered_by_the_bytes_of_group_and_name() {
    for store in stores() {
        let groups = ["B", "a", "a b", "\u{e4}"];
        let in_group = |group| NAMES.iter().map(move |name| key("t", group, name));
        let keys: Vec<_> = groups.into_iter().flat_map(in_group).collect();
        let inserted = keys.clone();
        store
            .write(move |change| {
                for (index, uid) in
                    (0..inserted.len()).map(|index| index * 7 % inserted.len()).zip(1..)
                {
                    create(change, head(&inserted[index], uid))?;
                    publish_function(change, &inserted[index], "1")?;
                }
                create(change, head(&key("u", "a", "f"), 1000))?;
                create(change, head(&key("t", "a", "deleted"), 1001))?;
                let sequence = change.next_sequence()?;
                change.delete_function(&key("t", "a", "deleted"), sequence).map(drop)
            })
            .unwrap();
        let all: Vec<_> =
            states(&store, &keys, 0).into_iter().filter(|state| state.number.is_none()).collect();
        assert_eq!(all.len(), keys.len(), "{store}");
        let place = |state: &FunctionVersion| {
            let key = &state.function.key;
            (key.group.as_str().to_owned(), key.name.as_str().to_owned())
        };
        let check = |group: Option<&str>, after: Option<(&str, &str)>, limit: u64| {
            let is_shown = |state: &&FunctionVersion| {
                let place = place(state);
                let place = (place.0.as_str(), place.1.as_str());
                group.is_none_or(|group| group == place.0)
                    && after.is_none_or(|after| place > after)
            };
            let shown: Vec<_> = all.iter().filter(is_shown).cloned().collect();
            let expected = page_of(&shown, Window { offset: 0, limit }, 0);
            let only = group.map(|group| key("t", group, "f").group);
            let page =
                store.read(|view| view.select_heads(&tenant("t"), only.as_ref(), after, limit));
            let page = page.unwrap();
            assert_eq!(page, expected, "{store}: {group:?} {after:?} {limit}");
            page
        };
        for group in [None, Some("B"), Some("a"), Some("a b"), Some("\u{e4}"), Some("b"), Some("A")]
        {
            for limit in [0, 1, 5, 22, 1000] {
                check(group, None, limit);
                for other in ["", "A", "B", "a", "a b", "b", "\u{e4}"] {
                    for name in ["", "Z", "a", "aa", "\u{1f600}", "\u{10ffff}"] {
                        check(group, Some((other, name)), limit);
                    }
                }
            }
        }
        for limit in [1, 2, 3, 7, 21, 22, 23, 88, 89] {
            let (mut walked, mut after) = (Vec::new(), None::<(String, String)>);
            loop {
                let start = after.as_ref().map(|(group, name)| (group.as_str(), name.as_str()));
                let page = check(None, start, limit);
                after = page.items.last().map(place);
                walked.extend(page.items);
                if !page.more {
                    break;
                }
            }
            assert_eq!(walked, all, "{store}: {limit}");
        }
    }
}

/// Fills a store with functions that have these many versions each; returns their keys.
fn filled(store: &TestStore, functions: u64, versions: u64) -> Vec<FunctionKey> {
    let keys: Vec<_> = (1..=functions).map(|number| key("t", "g", &format!("f{number}"))).collect();
    let created = keys.clone();
    store
        .write(move |change| {
            for (uid, key) in (1..).zip(&created) {
                create(change, head(key, uid))?;
            }
            for version in 1..=versions {
                for key in &created {
                    publish_function(change, key, &format!("v{version}"))?;
                }
            }
            create(change, head(&key("u", "g", "f1"), 1000))?;
            publish_function(change, &key("u", "g", "f1"), "v1").map(drop)
        })
        .unwrap();
    keys
}

/// Checks the lists of all states at these windows.
fn check_all_states(store: &TestStore, all: &[FunctionVersion], windows: &[Window]) {
    for version in [None, Some("v1"), Some("latest"), Some("none")] {
        let of_name: Vec<_> = all
            .iter()
            .filter(|state| version.is_none_or(|version| version == state.name.as_str()))
            .cloned()
            .collect();
        let even = |state: &FunctionVersion| {
            Ok(state.number.map_or(0, VersionNumber::get).is_multiple_of(2))
        };
        let kept: Vec<_> = of_name.iter().filter(|state| even(state).unwrap()).cloned().collect();
        for window in windows {
            store
                .read(|view| {
                    let expected = page_of(&of_name, *window, of_name.len() as u64);
                    let page = view.select_all_states(&tenant("t"), version, *window)?;
                    assert_eq!(page, expected, "{store}: {version:?} {window:?}");
                    let expected =
                        Page { next: None, ..page_of(&kept, *window, kept.len() as u64) };
                    let page = view.select_states_where(&tenant("t"), version, even, *window)?;
                    assert_eq!(page, expected, "{store}: {version:?} {window:?}");
                    Ok(())
                })
                .unwrap();
        }
    }
}

#[test]
fn all_states_of_a_tenant_are_listed_by_their_last_change() {
    for store in stores() {
        let keys = filled(&store, 4, 3);
        let all = by_change(states(&store, &keys, 3));
        assert_eq!(all.len(), 16, "{store}");
        let windows: Vec<_> =
            (0..18).flat_map(|offset| (0..18).map(move |limit| Window { offset, limit })).collect();
        check_all_states(&store, &all, &windows);
    }
}

/// More states than the store sorts for a page; it reads them in another way.
#[test]
fn many_states_of_a_tenant_are_listed_in_the_same_order() {
    for store in stores() {
        let keys = filled(&store, 10, 110);
        let all = by_change(states(&store, &keys, 110));
        assert_eq!(all.len(), 1110, "{store}");
        let windows = [(0, 20), (1, 1), (540, 20), (1100, 20), (1109, 1), (1110, 5)];
        let windows = windows.map(|(offset, limit)| Window { offset, limit });
        check_all_states(&store, &all, &windows);
    }
}

#[test]
fn a_refusing_condition_ends_the_list_with_its_error() {
    for store in stores() {
        filled(&store, 1, 1);
        let window = Window { offset: 0, limit: 9 };
        let refused = store
            .read(|view| view.select_states_where(&tenant("t"), None, |_| super::refuse(), window));
        refused.unwrap_err();
        let name = VersionName::latest();
        let head = store.read(|view| view.select_head(&key("t", "g", "f1"))).unwrap();
        assert_eq!(head.map(|head| head.name), Some(name), "{store}: the next read works");
    }
}

//! Lists of layers: their order by bytes and by age, filters, prefixes, pages of every size.

use layerbase::domain::{Acl, LayerFilter, LayerVersion, Order, Page, Window};

use super::{NAMES, at, code, layer, number, publish, publish_at, tenant};
use crate::support::engines::{TestStore, stores};

/// Texts that runtimes are compared with as a whole.
const RUNTIMES: [&[&str]; 4] =
    [&[], &["python3.9"], &["nodejs", "python3.9", "a\"b"], &["Python3.9", "python3", "\u{5c42}"]];

/// Fills a store with layers and returns the newest version of each, in the order of the names.
///
/// Three layers share each time. Older versions and another tenant have other runtimes and times.
fn filled(store: &TestStore) -> Vec<LayerVersion> {
    let published = store.write(|change| {
        let mut newest = Vec::new();
        // No order that an index could have by chance.
        for index in (0..NAMES.len()).map(|index| index * 7 % NAMES.len()) {
            let runtimes = |index: usize| -> Vec<String> {
                RUNTIMES[index % RUNTIMES.len()].iter().map(|name| (*name).to_owned()).collect()
            };
            let (name, code) = (NAMES[index], code(index as u64, 1));
            for of in ["s", "t", "u"] {
                let created = Some(at(100 - index as u64));
                publish_at(change, &tenant(of), name, &code, created, &runtimes(index + 1))?;
            }
            let created = Some(at(index as u64 % 8));
            newest.push(publish_at(change, &tenant("t"), name, &code, created, &runtimes(index))?);
        }
        // It has no version and is not listed.
        publish(change, &tenant("t"), "a deleted one", &code(1, 1))?;
        let sequence = change.next_sequence()?;
        change.delete_layer_versions(&tenant("t"), &layer("a deleted one"), sequence)?;
        newest.sort_by(|one, other| one.layer.name.cmp(&other.layer.name));
        Ok(newest)
    });
    published.unwrap()
}

/// Returns the versions that a filter shows, decided without a store.
fn shown(all: &[LayerVersion], filter: &LayerFilter) -> Vec<LayerVersion> {
    let matches = |version: &&LayerVersion| {
        let name = version.layer.name.as_str();
        let contains =
            |part: &String| name.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        filter.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix))
            && filter.contains.as_ref().is_none_or(contains)
            && filter.name.as_ref().is_none_or(|name| *name == version.layer.name)
            && filter.runtime.as_ref().is_none_or(|name| version.runtimes.contains(name))
            && filter.acl.is_none_or(|acl| acl == version.layer.acl)
    };
    all.iter().filter(matches).cloned().collect()
}

fn by_age(mut versions: Vec<LayerVersion>) -> Vec<LayerVersion> {
    versions.sort_by(|one, other| {
        let age = other.created.cmp(&one.created);
        age.then_with(|| one.layer.name.cmp(&other.layer.name))
    });
    versions
}

/// Checks a page by age against the whole list.
fn check_by_age(store: &TestStore, filter: &LayerFilter, all: &[LayerVersion], window: Window) {
    let page = store.read(|view| view.select_layers_by_age(&tenant("t"), filter, window)).unwrap();
    let skip = usize::try_from(window.offset).unwrap_or(usize::MAX);
    let items = all.iter().skip(skip).take(usize::try_from(window.limit).unwrap_or(usize::MAX));
    let items: Vec<_> = items.cloned().collect();
    let total = all.len() as u64;
    let more = window.offset.saturating_add(window.limit) < total;
    let expected = Page { items, more, next: None, total };
    assert_eq!(page, expected, "{store}: {filter:?} {window:?}");
}

/// Checks a page by name, and the rows of a visit, against the whole list.
fn check_by_name(
    store: &TestStore,
    filter: &LayerFilter,
    all: &[LayerVersion],
    from: &str,
    limit: u64,
) {
    let mut left = all.iter().filter(|version| version.layer.name.as_str() >= from);
    let items: Vec<_> = left.by_ref().take(usize::try_from(limit).unwrap()).cloned().collect();
    let next = left.next().cloned();
    let expected = Page { items, more: next.is_some(), next, total: 0 };
    store
        .read(|view| {
            let page = view.select_layers_by_name(&tenant("t"), filter, from, limit)?;
            assert_eq!(page, expected, "{store}: {filter:?} from {from:?}, {limit}");
            let mut versions = expected.items.iter();
            let next = view.visit_layers_by_name(&tenant("t"), filter, from, limit, |row| {
                let version = versions.next().unwrap();
                let runtimes = serde_json::to_string(&version.runtimes).unwrap();
                assert_eq!(*row, version.row(&runtimes), "{store}: {filter:?}");
            })?;
            assert_eq!(versions.len(), 0, "{store}: {filter:?} from {from:?}, {limit}");
            let expected_next = expected.next.map(|version| version.layer.name);
            assert_eq!(next, expected_next, "{store}: {filter:?} from {from:?}, {limit}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn names_are_ordered_by_their_bytes() {
    assert!(NAMES.is_sorted(), "the test's own order");
    for store in stores() {
        let all = filled(&store);
        assert!(all.iter().map(|version| version.layer.name.as_str()).eq(NAMES), "{store}");
        let everything = LayerFilter::default();
        for from in NAMES.into_iter().chain(["", "aa", "\u{ffff}", "\u{10ffff}\u{10ffff}"]) {
            check_by_name(&store, &everything, &all, from, 3);
            check_by_name(&store, &everything, &all, from, 100);
        }
    }
}

#[test]
fn pages_of_every_size_add_up() {
    for store in stores() {
        let (all, everything) = (filled(&store), LayerFilter::default());
        let aged = by_age(all.clone());
        let total = all.len() as u64;
        for limit in 1..=total + 1 {
            // Every window, so that each half of the list is read from its own end.
            for offset in 0..=total + 1 {
                check_by_age(&store, &everything, &aged, Window { offset, limit });
            }
            let (mut names, mut from) = (Vec::new(), Some(String::new()));
            while let Some(start) = from {
                check_by_name(&store, &everything, &all, &start, limit);
                let page = store
                    .read(|view| {
                        view.select_layers_by_name(&tenant("t"), &everything, &start, limit)
                    })
                    .unwrap();
                names.extend(page.items.into_iter().map(|version| version.layer.name));
                from = page.next.map(|version| version.layer.name.as_str().to_owned());
            }
            let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            assert_eq!(names, NAMES, "{store}: {limit}");
        }
        for (offset, limit) in [(0, 0), (5, 0), (0, u64::MAX), (9, u64::MAX), (u64::MAX, u64::MAX)]
        {
            check_by_age(&store, &everything, &aged, Window { offset, limit });
        }
    }
}

#[test]
fn a_prefix_ends_at_the_first_text_after_all_that_have_it() {
    for store in stores() {
        let all = filled(&store);
        let parts = ["", "aa", "a\u{10ffff}\u{10ffff}", "\u{d7ff}x", "\u{10ffff}", "\u{c4}", "A"];
        for prefix in NAMES.into_iter().chain(parts) {
            let prefix = Some(prefix.to_owned());
            let filter = LayerFilter { prefix, ..LayerFilter::default() };
            let found = shown(&all, &filter);
            let aged = by_age(found.clone());
            for from in ["", "a", "ab", "a\u{10ffff}x", "\u{1f600}"] {
                check_by_name(&store, &filter, &found, from, 1);
                check_by_name(&store, &filter, &found, from, 100);
            }
            for offset in 0..=found.len() as u64 {
                check_by_age(&store, &filter, &aged, Window { offset, limit: 2 });
            }
        }
    }
}

#[test]
fn a_part_of_a_name_is_found_in_either_case_of_ascii_letters_alone() {
    let names = [
        "KEY",
        "key",
        "\u{212a}ey",
        "\u{c4}b",
        "\u{e4}B",
        "stra\u{df}e",
        "STRASSE",
        "100%",
        "a_b",
        "axb",
    ];
    for store in stores() {
        let published = store.write(move |change| {
            let publish = |name| publish(change, &tenant("t"), name, &code(1, 1));
            names.into_iter().map(publish).collect::<Result<Vec<_>, _>>()
        });
        let mut all = published.unwrap();
        all.sort_by(|one, other| one.layer.name.cmp(&other.layer.name));
        let parts = [
            "", "k", "K", "\u{212a}", "eY", "\u{c4}", "\u{e4}", "\u{e4}b", "ss", "\u{df}", "%",
            "_", "a_", "0%", "\\", "'", "*",
        ];
        for part in parts {
            let contains = Some(part.to_owned());
            let filter = LayerFilter { contains, ..LayerFilter::default() };
            let found = shown(&all, &filter);
            check_by_name(&store, &filter, &found, "", 100);
            check_by_age(&store, &filter, &by_age(found), Window { offset: 0, limit: 100 });
        }
        let key = LayerFilter { contains: Some("kEy".to_owned()), ..LayerFilter::default() };
        let found = store.read(|view| view.select_layers_by_name(&tenant("t"), &key, "", 9));
        assert_eq!(found.unwrap().items.len(), 2, "{store}: the Kelvin sign is no K");
    }
}

#[test]
fn filters_hold_together() {
    let some = |texts: &[&str]| -> Vec<Option<String>> {
        std::iter::once(None).chain(texts.iter().map(|text| Some((*text).to_owned()))).collect()
    };
    for store in stores() {
        let all = filled(&store);
        for prefix in some(&["a", "a\u{10ffff}", "none"]) {
            for contains in some(&["B", "a'", "X"]) {
                for runtime in some(&["python3.9", "python3", "a\"b", "PYTHON3.9", ""]) {
                    for name in [None, Some(layer("ab")), Some(layer("none"))] {
                        for acl in [None, Some(Acl::Private), Some(Acl::Public)] {
                            let filter = LayerFilter {
                                prefix: prefix.clone(),
                                contains: contains.clone(),
                                name: name.clone(),
                                runtime: runtime.clone(),
                                acl,
                            };
                            let found = shown(&all, &filter);
                            let (aged, total) = (by_age(found.clone()), found.len() as u64);
                            check_by_name(&store, &filter, &found, "", 2);
                            check_by_name(&store, &filter, &found, "ab", 100);
                            for offset in [0, total / 2, total * 2 / 3 + 1] {
                                check_by_age(&store, &filter, &aged, Window { offset, limit: 3 });
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_age_of_a_layer_is_that_of_its_newest_version() {
    for store in stores() {
        let names = |store: &TestStore| {
            let page = store.read(|view| {
                let window = Window { offset: 0, limit: 9 };
                view.select_layers_by_age(&tenant("t"), &LayerFilter::default(), window)
            });
            let items = page.unwrap().items;
            items.iter().map(|version| version.layer.name.to_string()).collect::<Vec<_>>()
        };
        store
            .write(|change| {
                for (name, created) in [("a", 10), ("b", 20), ("c", 30), ("a", 40), ("c", 5)] {
                    publish_at(change, &tenant("t"), name, &code(1, 1), Some(at(created)), &[])?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(names(&store), ["a", "b", "c"], "{store}");
        store
            .write(|change| {
                let sequence = change.next_sequence()?;
                for name in ["a", "c"] {
                    change.delete_layer_version(&tenant("t"), &layer(name), number(2), sequence)?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(names(&store), ["c", "b", "a"], "{store}");
    }
}

#[test]
fn versions_are_listed_by_number_from_any_number_in_both_orders() {
    for store in stores() {
        let published = store.write(|change| {
            let mut versions = Vec::new();
            for seed in 0..14 {
                versions.push(publish(change, &tenant("t"), "l", &code(seed, 1))?);
                publish(change, &tenant("t"), "k", &code(seed, 1))?;
            }
            for gone in [3, 14] {
                let sequence = change.next_sequence()?;
                change.delete_layer_version(&tenant("t"), &layer("l"), number(gone), sequence)?;
            }
            versions.retain(|version| ![3, 14].contains(&version.number.get()));
            Ok(versions)
        });
        let ascending = published.unwrap();
        let select = |order, from, limit| {
            let name = layer("l");
            let page = store
                .read(|view| view.select_layer_versions(&tenant("t"), &name, order, from, limit));
            page.unwrap().unwrap()
        };
        for limit in 1..14 {
            for from in (0..17).map(Some).chain([None, Some(u64::MAX)]) {
                for order in [Order::Ascending, Order::Descending] {
                    let is_in = |version: &&LayerVersion| {
                        let number = version.number.get();
                        from.is_none_or(|from| match order {
                            Order::Ascending => number >= from,
                            Order::Descending => number <= from,
                        })
                    };
                    let mut all: Vec<_> = ascending.iter().filter(is_in).cloned().collect();
                    if order == Order::Descending {
                        all.reverse();
                    }
                    let next = all.get(limit).cloned();
                    all.truncate(limit);
                    let more = next.is_some();
                    let expected = Page { items: all, more, next, total: 12 };
                    let page = select(order, from, limit as u64);
                    assert_eq!(page, expected, "{store}: {order:?} {from:?} {limit}");
                }
            }
        }
        let missing = store.read(|view| {
            view.select_layer_versions(&tenant("t"), &layer("L"), Order::Ascending, None, 9)
        });
        assert_eq!(missing.unwrap(), None, "{store}");
    }
}

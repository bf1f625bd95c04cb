//! Layers that are bound to the states of functions.

use layerbase::domain::{CatalogError, FunctionKey, FunctionVersion, LayerRef, VersionNumber};
use layerbase::store::Change;

use super::{
    NAMES, at, bytes, code, create, head, key, layer, number, publish, publish_function, tenant,
    update,
};
use crate::support::engines::{TestStore, stores};

fn bound(layers: &[(&str, u64)]) -> Vec<LayerRef> {
    let layers = layers.iter();
    layers.map(|(name, bound)| LayerRef { layer: layer(name), number: number(*bound) }).collect()
}

/// Returns the head with these layers.
fn with_layers(head: FunctionVersion, layers: Vec<LayerRef>) -> FunctionVersion {
    let mut head = head;
    head.config.layers = layers;
    head
}

fn read_layers(store: &TestStore, key: &FunctionKey) -> Vec<LayerRef> {
    store.read(|view| view.select_head(key)).unwrap().unwrap().config.layers
}

fn delete_version(change: &Change<'_>, name: &str, version: u64) -> Result<(), CatalogError> {
    let sequence = change.next_sequence()?;
    let deleted =
        change.delete_layer_version(&tenant("t"), &layer(name), number(version), sequence)?;
    assert!(deleted, "{name} has no version {version}");
    Ok(())
}

#[test]
fn the_order_is_kept_and_a_layer_may_be_bound_twice() {
    for store in stores() {
        let key = key("t", "default", "f");
        let names: Vec<&str> = NAMES.into_iter().chain(["1:2", ":", "2:"]).collect();
        let mut layers: Vec<LayerRef> = names
            .iter()
            .enumerate()
            .map(|(index, name)| LayerRef {
                layer: layer(name),
                number: number(1 + index as u64 % 2),
            })
            .collect();
        layers.reverse();
        // The same layer in another version, and the same version once more.
        layers.extend(bound(&[("ab", 1), ("ab", 2), ("ab", 1), ("1:2", 2)]));
        let (of, wanted) = (key.clone(), layers.clone());
        let created = store.write(move |change| {
            for name in names {
                publish(change, &tenant("t"), name, &code(1, 1))?;
                publish(change, &tenant("t"), name, &code(2, 1))?;
            }
            let created = create(change, with_layers(head(&of, 1), wanted))?;
            publish_function(change, &of, "1")?;
            Ok(created)
        });
        let created = created.unwrap();
        assert_eq!(read_layers(&store, &key), layers, "{store}");
        let rotated: Vec<_> = layers.iter().cycle().skip(5).take(layers.len()).cloned().collect();
        for wanted in [rotated, bound(&[("b", 2)]), bound(&[]), bound(&[("Z", 1), ("a", 1)])] {
            let update_to = with_layers(created.clone(), wanted.clone());
            store.write(move |change| update(change, update_to)).unwrap();
            assert_eq!(read_layers(&store, &key), wanted, "{store}");
        }
        let version = store.read(|view| view.select_function_version(&key, number(1))).unwrap();
        assert_eq!(version.unwrap().config.layers, layers, "{store}: a version keeps its own");
    }
}

/// Layers to bind, and the position of the first that is missing.
type Case = (&'static [(&'static str, u64)], Option<usize>);

#[test]
fn the_first_missing_version_is_reported() {
    for store in stores() {
        store
            .write(|change| {
                publish(change, &tenant("t"), "a", &code(1, 1))?;
                publish(change, &tenant("t"), "b", &code(1, 1))?;
                publish(change, &tenant("t"), "gone", &code(1, 1))?;
                delete_version(change, "gone", 1)?;
                publish(change, &tenant("u"), "of another", &code(1, 1)).map(drop)
            })
            .unwrap();
        let cases: [Case; 10] = [
            (&[], None),
            (&[("a", 1), ("b", 1)], None),
            (&[("a", 2)], Some(0)),
            (&[("a", 1), ("none", 1), ("b", 2)], Some(1)),
            (&[("a", 1), ("b", 1), ("gone", 1)], Some(2)),
            (&[("of another", 1)], Some(0)),
            (&[("A", 1)], Some(0)),
            (&[("b", 1), ("a", u64::MAX >> 1)], Some(1)),
            (&[("a", 1), ("a", 1), ("a", 2), ("a", 1)], Some(2)),
            (&[("none", 1), ("gone", 1)], Some(0)),
        ];
        for (index, (layers, expected)) in cases.into_iter().enumerate() {
            let layers = bound(layers);
            let expected = expected.map(|position| layers[position].clone());
            let of = key("t", "default", &format!("f{index}"));
            let wanted = with_layers(head(&of, index as u64), layers);
            let missing = store.write(move |change| {
                let sequence = change.next_sequence()?;
                change.insert_function(&wanted.function, sequence)?;
                let of_head = change.insert_head(&wanted)?.cloned();
                let of_update = change.update_head(&wanted)?.cloned();
                assert_eq!(of_head, of_update);
                Ok(of_head)
            });
            assert_eq!(missing.unwrap(), expected, "{store}: case {index}");
        }
    }
}

#[test]
fn a_deleted_version_stays_bound_until_the_head_gives_it_up() {
    for mut store in stores() {
        let key = key("t", "default", "f");
        let of = key.clone();
        let created = store.write(move |change| {
            publish(change, &tenant("t"), "a", &code(1, 1))?;
            publish(change, &tenant("t"), "b", &code(2, 1))?;
            let layers = bound(&[("a", 1), ("b", 1)]);
            let created = create(change, with_layers(head(&of, 1), layers))?;
            delete_version(change, "a", 1)?;
            Ok(created)
        });
        let created = created.unwrap();
        store.reopen();
        assert_eq!(read_layers(&store, &key), bound(&[("a", 1), ("b", 1)]), "{store}");
        let has_code = |store: &TestStore| {
            store.read(|view| view.is_readable_code(&tenant("t"), &bytes(1))).unwrap()
        };
        assert!(has_code(&store), "{store}: its code stays");
        // Moved, bound twice, and published.
        for layers in [bound(&[("b", 1), ("a", 1)]), bound(&[("a", 1), ("b", 1), ("a", 1)])] {
            let update_to = with_layers(created.clone(), layers.clone());
            store.write(move |change| update(change, update_to)).unwrap();
            assert_eq!(read_layers(&store, &key), layers, "{store}");
        }
        let (of, without) = (key.clone(), with_layers(created.clone(), bound(&[("b", 1)])));
        let version = store.write(move |change| {
            let version = publish_function(change, &of, "1")?;
            update(change, without)?;
            Ok(version)
        });
        let found = store.read(|view| view.select_function_version(&key, number(1))).unwrap();
        assert_eq!(found, Some(version.unwrap()), "{store}");
        assert!(has_code(&store), "{store}: version 1 is bound to it");
        // The head gave it up and cannot have it back.
        let back = with_layers(created, bound(&[("b", 1), ("a", 1)]));
        let missing = store.write(move |change| Ok(change.update_head(&back)?.cloned()));
        assert_eq!(missing.unwrap().as_ref(), bound(&[("a", 1)]).first(), "{store}");
        // A new version of the layer is another one.
        store.write(|change| publish(change, &tenant("t"), "a", &code(3, 1))).unwrap();
        let found = store.read(|view| view.select_function_version(&key, number(1))).unwrap();
        let expected = bound(&[("a", 1), ("b", 1), ("a", 1)]);
        assert_eq!(found.unwrap().config.layers, expected, "{store}");
    }
}

#[test]
fn a_layer_in_use_names_a_function_of_its_newest_bound_version() {
    for store in stores() {
        store
            .write(|change| {
                for _ in 0..4 {
                    publish(change, &tenant("t"), "l", &code(1, 1))?;
                }
                publish(change, &tenant("u"), "l", &code(1, 1))?;
                for (uid, name, bound_to) in [(1, "one", 1), (2, "two", 3), (3, "three", 4)] {
                    let layers = bound(&[("l", bound_to)]);
                    create(change, with_layers(head(&key("t", "g", name), uid), layers))?;
                }
                // It alone is bound to version 2, and only by a published version.
                let mut published = head(&key("t", "g", "published"), 4);
                published = create(change, with_layers(published, bound(&[("l", 2)])))?;
                publish_function(change, &published.function.key, "1")?;
                published.updated = Some(at(9));
                update(change, with_layers(published, bound(&[])))?;
                delete_version(change, "l", 4)
            })
            .unwrap();
        let user = |of: &str, version: Option<u64>| {
            let version = version.map(|version| VersionNumber::new(version).unwrap());
            let user =
                store.read(|view| view.select_user_of_layer(&tenant(of), &layer("l"), version));
            user.unwrap().map(|(version, name)| (version.get(), name))
        };
        let two = Some((3, "two".to_owned()));
        assert_eq!(user("t", None), two, "{store}: a deleted version does not count");
        assert_eq!(user("t", Some(3)), two, "{store}");
        assert_eq!(user("t", Some(1)), Some((1, "one".to_owned())), "{store}");
        assert_eq!(user("t", Some(2)), Some((2, "published".to_owned())), "{store}");
        assert_eq!(
            (user("t", Some(4)), user("t", Some(5)), user("u", None)),
            (None, None, None),
            "{store}"
        );
    }
}

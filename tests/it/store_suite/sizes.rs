//! The size of the code of a tenant and of its subtenants.

use layerbase::domain::{Artifact, CatalogError, FunctionVersion, LayerRef};
use layerbase::store::Change;

use super::{code, create, head, key, layer, number, publish, publish_function, tenant, update};
use crate::support::engines::{TestStore, stores};

fn size(store: &TestStore, of: &str) -> u64 {
    store.read(|view| view.select_code_size(&tenant(of))).unwrap()
}

#[test]
fn a_tenant_has_the_sizes_of_all_its_subtenants_and_of_no_other() {
    for mut store in stores() {
        // Around '@', which separates a subtenant's name, by byte order and by other orders.
        let tenants = [
            "a",
            "a@",
            "a@b",
            "a@b@c",
            "a@A",
            "a@\u{10ffff}",
            "a?",
            "aA",
            "aa",
            "A@b",
            "a b",
            "a-@b",
            "b",
        ];
        store
            .write(move |change| {
                for (power, of) in (0..).zip(tenants) {
                    publish(change, &tenant(of), "l", &code(power, 1 << power))?;
                }
                Ok(())
            })
            .unwrap();
        for round in 0..2 {
            let own = |name: &str| 1 << tenants.iter().position(|of| *of == name).unwrap();
            for of in &tenants[..6] {
                assert_eq!(size(&store, of), 0b11_1111, "{store}: {of} {round}");
            }
            for of in ["a?", "aA", "aa", "a b", "b"] {
                assert_eq!(size(&store, of), own(of), "{store}: {of} {round}");
            }
            assert_eq!(size(&store, "A"), own("A@b"), "{store}: its root has no row");
            assert_eq!(size(&store, "a-"), own("a-@b"), "{store}");
            assert_eq!((size(&store, "none"), size(&store, "c@d")), (0, 0), "{store}");
            store.reopen();
        }
    }
}

/// Runs a change, after which the tenant `t` has this size.
fn check(
    store: &TestStore,
    expected: u64,
    what: &str,
    change: impl FnOnce(&Change<'_>) -> Result<(), CatalogError> + Send + 'static,
) {
    store.write(change).unwrap();
    assert_eq!(size(store, "t"), expected, "{store}: {what}");
    assert_eq!(size(store, "u"), 7, "{store}: {what}");
}

#[test]
fn versions_of_layers_count_while_they_exist() {
    for store in stores() {
        check(&store, 10, "published", |change| {
            publish(change, &tenant("u"), "l", &code(1, 7))?;
            publish(change, &tenant("t"), "l", &code(2, 10)).map(drop)
        });
        check(&store, 30, "the same content counts each time", |change| {
            publish(change, &tenant("t"), "l", &code(2, 10))?;
            publish(change, &tenant("t"), "k", &code(2, 10)).map(drop)
        });
        check(&store, 1030, "another", |change| {
            publish(change, &tenant("t"), "k", &code(3, 1000)).map(drop)
        });
        check(&store, 1020, "a version is deleted", |change| {
            let sequence = change.next_sequence()?;
            change.delete_layer_version(&tenant("t"), &layer("k"), number(1), sequence)?;
            change.delete_layer_version(&tenant("t"), &layer("k"), number(9), sequence).map(drop)
        });
        let refused = store.write(|change| {
            publish(change, &tenant("t"), "k", &code(4, 5))?;
            change.delete_layer_versions(&tenant("t"), &layer("l"), 99)?;
            super::refuse::<()>()
        });
        refused.unwrap_err();
        check(&store, 1020, "a refused change", |_| Ok(()));
        check(&store, 1000, "all versions of a layer are deleted", |change| {
            let sequence = change.next_sequence()?;
            change.delete_layer_versions(&tenant("t"), &layer("l"), sequence).map(drop)
        });
    }
}

#[test]
fn heads_and_versions_of_functions_count_while_they_exist() {
    let update_code = |change: &Change<'_>, code: Option<Artifact>| {
        let head = change.select_head(&key("t", "g", "f"))?.unwrap();
        update(change, FunctionVersion { code, ..head }).map(drop)
    };
    for store in stores() {
        check(&store, 0, "a head without code", |change| {
            publish(change, &tenant("u"), "l", &code(1, 7))?;
            create(change, head(&key("t", "g", "f"), 1)).map(drop)
        });
        check(&store, 0, "a version without code", |change| {
            publish_function(change, &key("t", "g", "f"), "1").map(drop)
        });
        check(&store, 10, "the head gets code", move |change| {
            update_code(change, Some(code(2, 10)))
        });
        check(&store, 20, "a version of it", |change| {
            publish_function(change, &key("t", "g", "f"), "2").map(drop)
        });
        check(&store, 20, "the head keeps its code", move |change| {
            update_code(change, Some(code(2, 10)))
        });
        check(&store, 110, "the head gets other code", move |change| {
            update_code(change, Some(code(3, 100)))
        });
        check(&store, 210, "another version", |change| {
            publish_function(change, &key("t", "g", "f"), "3").map(drop)
        });
        check(&store, 110, "the head gives up its code", move |change| update_code(change, None));
        check(&store, 100, "a version is deleted", |change| {
            let sequence = change.next_sequence()?;
            change.delete_function_version(&key("t", "g", "f"), number(2), sequence)?;
            change.delete_function_version(&key("t", "g", "f"), number(1), sequence).map(drop)
        });
        check(&store, 5100, "a bound layer counts once, as a layer", |change| {
            publish(change, &tenant("t"), "l", &code(4, 5000))?;
            let mut head = change.select_head(&key("t", "g", "f"))?.unwrap();
            head.config.layers = vec![LayerRef { layer: layer("l"), number: number(1) }];
            update(change, head).map(drop)
        });
        check(&store, 5000, "the function is deleted", |change| {
            let sequence = change.next_sequence()?;
            change.delete_function(&key("t", "g", "f"), sequence).map(drop)
        });
        check(&store, 5010, "and created again", |change| {
            let mut head = head(&key("t", "g", "f"), 2);
            head.code = Some(code(2, 10));
            create(change, head).map(drop)
        });
    }
}

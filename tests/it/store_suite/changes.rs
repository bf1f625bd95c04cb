//! Changes as a whole: refused and panicking ones, what a read sees, the generation, reopening.

use layerbase::domain::{
    AuditFilter, CatalogError, InboxObject, KeyId, LayerFilter, LayerRef, Order, Window,
};
use layerbase::store::{Change, View};

use super::inbox::{object, place, upload};
use super::{
    at, bytes, code, create, head, key, layer, log, number, publish, publish_function, refuse,
    tenant, update, uuid,
};
use crate::support::engines::{TestStore, stores};

/// Returns all that a store shows, as text.
fn shown(store: &TestStore) -> String {
    let shown = store.read(|view| {
        let (of, window, now) = (tenant("t"), Window { offset: 0, limit: 999 }, at(1));
        let by_age = view.select_layers_by_age(&of, &LayerFilter::default(), window)?;
        let mut versions = Vec::new();
        for found in &by_age.items {
            let (name, order) = (&found.layer.name, Order::Ascending);
            versions.push(view.select_layer_versions(&of, name, order, None, 999)?);
        }
        let states = view.select_all_states(&of, None, window)?;
        let object = view.select_object(&of, &place("k"), now)?;
        let parts = view.select_parts("u", 0, 999)?;
        let sizes = (view.select_code_size(&of)?, view.select_inbox_size()?);
        let contents: Vec<_> =
            (0..20).map(|seed| view.select_code(&bytes(seed))).collect::<Result<_, _>>()?;
        let uploads = view.count_multiparts(&of, now)?;
        let access = view.select_access()?;
        let (keys, tenants) = (view.select_keys()?, view.select_tenants()?);
        let log = view.select_audit(AuditFilter::All, 0, 999)?;
        let rest = (access.stamp, access.link_secret, keys, tenants, log);
        Ok(format!(
            "{:?}",
            (by_age, versions, states, object, parts, sizes, contents, uploads, rest)
        ))
    });
    shown.unwrap()
}

/// A change of one kind each.
type Step = fn(&Change<'_>) -> Result<(), CatalogError>;

const STEPS: [(&str, Step); 16] = [
    ("a tenant", |change| change.ensure_tenant(&tenant("new"), at(0))),
    ("a content", |change| change.insert_code(&code(9, 9), at(0))),
    ("a layer", |change| publish(change, &tenant("t"), "new", &code(2, 10)).map(drop)),
    ("a version", |change| publish(change, &tenant("t"), "l", &code(3, 10)).map(drop)),
    ("a deleted version", |change| {
        let sequence = change.next_sequence()?;
        change.delete_layer_version(&tenant("t"), &layer("l"), number(1), sequence).map(drop)
    }),
    ("a deleted layer", |change| {
        let sequence = change.next_sequence()?;
        change.delete_layer_versions(&tenant("t"), &layer("l"), sequence).map(drop)
    }),
    ("a function", |change| create(change, head(&key("t", "g", "new"), 9)).map(drop)),
    ("a head", |change| {
        let mut head = change.select_head(&key("t", "g", "f"))?.unwrap();
        head.config.layers = vec![LayerRef { layer: layer("l"), number: number(2) }];
        head.code = None;
        update(change, head).map(drop)
    }),
    ("a function's version", |change| publish_function(change, &key("t", "g", "f"), "2").map(drop)),
    ("a function's deleted version", |change| {
        let sequence = change.next_sequence()?;
        change.delete_function_version(&key("t", "g", "f"), number(1), sequence).map(drop)
    }),
    ("a deleted function", |change| {
        let sequence = change.next_sequence()?;
        change.delete_function(&key("t", "g", "f"), sequence).map(drop)
    }),
    ("an object", |change| {
        change.replace_object(&tenant("t"), &object("k", 2), &[], uuid(4, 2)).map(drop)
    }),
    ("a deleted object", |change| change.delete_object(&tenant("t"), &place("k")).map(drop)),
    ("an upload", |change| change.insert_multipart(&tenant("t"), &upload("new", "k"))),
    ("a deleted upload", |change| change.delete_multipart("u").map(drop)),
    ("a line of the log", |change| {
        let sequence = change.next_sequence()?;
        log(change, sequence, &tenant("t"), "refused")
    }),
];

/// Fills a store with one of each.
fn filled(store: &TestStore) {
    store
        .write(|change| {
            for seed in 0..2 {
                publish(change, &tenant("t"), "l", &code(seed, 10))?;
            }
            let mut head = head(&key("t", "g", "f"), 1);
            head.code = Some(code(4, 10));
            head.config.layers = vec![LayerRef { layer: layer("l"), number: number(1) }];
            create(change, head)?;
            publish_function(change, &key("t", "g", "f"), "1")?;
            change.replace_object(&tenant("t"), &object("k", 1), &[], uuid(4, 1))?;
            change.insert_multipart(&tenant("t"), &upload("u", "k"))?;
            let sequence = change.next_sequence()?;
            log(change, sequence, &tenant("t"), "filled")
        })
        .unwrap();
}

#[test]
fn nothing_of_a_refused_or_panicking_change_remains() {
    for mut store in stores() {
        filled(&store);
        let (before, generation) = (shown(&store), store.generation());
        for (what, step) in STEPS {
            let refused = store.write(move |change| {
                step(change)?;
                refuse::<()>()
            });
            match refused.unwrap_err() {
                CatalogError::Internal { source } => {
                    assert_eq!(source.to_string(), "refused", "{store}")
                }
                other => panic!("{store}: {what}: {other:?}"),
            }
            let panicked = store.write(move |change| -> Result<(), CatalogError> {
                step(change)?;
                panic!("a mistake of ours");
            });
            assert!(matches!(panicked, Err(CatalogError::Internal { .. })), "{store}: {what}");
            assert_eq!(shown(&store), before, "{store}: {what}");
            assert_eq!(store.generation(), generation, "{store}: {what}");
        }
        let all = store.write(|change| {
            for (_, step) in STEPS {
                // Some need what an earlier one deleted.
                let _ = step(change);
            }
            refuse::<()>()
        });
        all.unwrap_err();
        store.reopen();
        assert_eq!(shown(&store), before, "{store}");
        let published = store.write(|change| {
            let version = publish(change, &tenant("t"), "l", &code(3, 10))?;
            let new = publish(change, &tenant("t"), "new", &code(3, 10))?;
            let of_function = publish_function(change, &key("t", "g", "f"), "2")?;
            Ok((version.number, new.number, of_function.number, change.next_sequence()?))
        });
        // `filled` took five numbers. None was lost since.
        let expected = (number(3), number(1), Some(number(2)), 9);
        assert_eq!(published.unwrap(), expected, "{store}: numbers and sequence continue");
    }
}

#[test]
fn a_change_sees_what_it_wrote_and_others_see_it_when_it_is_committed() {
    for store in stores() {
        filled(&store);
        for (what, step) in STEPS {
            let before = shown(&store);
            let seen = std::thread::scope(|scope| {
                let (inside, meanwhile) = std::sync::mpsc::channel();
                let (seen, go_on) = std::sync::mpsc::channel();
                let store = &store;
                let writing = scope.spawn(move || {
                    store.write(move |change| {
                        step(change)?;
                        inside.send(()).unwrap();
                        go_on.recv().map_err(CatalogError::internal)?;
                        refuse::<()>()
                    })
                });
                meanwhile.recv().unwrap();
                let now = shown(store);
                seen.send(()).unwrap();
                writing.join().unwrap().unwrap_err();
                now
            });
            assert_eq!(seen, before, "{store}: {what}");
        }
        let own = store.write(|change| {
            let version = publish(change, &tenant("t"), "own", &code(5, 1))?;
            let found = change.select_newest_layer_version(&tenant("t"), &layer("own"))?;
            Ok((version, found))
        });
        let (version, found) = own.unwrap();
        assert_eq!(found, Some(version), "{store}");
    }
}

#[test]
fn a_read_sees_one_snapshot() {
    for store in stores() {
        filled(&store);
        let newest = |view: &View<'_>, name: &str| {
            view.select_newest_layer_version(&tenant("t"), &layer(name))
        };
        let commit = || {
            std::thread::scope(|scope| {
                let commit = || {
                    store.write(|change| {
                        publish(change, &tenant("t"), "l", &code(6, 1000))?;
                        publish(change, &tenant("t"), "new", &code(6, 1000))?;
                        let sequence = change.next_sequence()?;
                        log(change, sequence, &tenant("t"), "meanwhile")
                    })
                };
                scope.spawn(commit).join().unwrap().unwrap();
            });
        };
        store
            .read(|view| {
                let before = newest(view, "l")?;
                let (size, log) = (
                    view.select_code_size(&tenant("t"))?,
                    view.select_audit(AuditFilter::All, 0, 9)?,
                );
                commit();
                assert_eq!(newest(view, "l")?, before, "{store}");
                // Rows that this read did not see before the commit.
                assert_eq!(newest(view, "new")?, None, "{store}");
                assert_eq!(view.select_code(&bytes(6))?, None, "{store}");
                assert_eq!(view.select_code_size(&tenant("t"))?, size, "{store}");
                assert_eq!(view.select_audit(AuditFilter::All, 0, 9)?, log, "{store}");
                Ok(())
            })
            .unwrap();
        store
            .read(|view| {
                let numbers = [newest(view, "l")?, newest(view, "new")?];
                let numbers = numbers.map(|version| version.unwrap().number);
                assert_eq!(numbers, [number(3), number(1)], "{store}: the next read sees it");
                Ok(())
            })
            .unwrap();
        // A read that fails ends its snapshot too.
        store.read(|_| refuse::<()>()).unwrap_err();
        commit();
        let found = store.read(|view| newest(view, "l")).unwrap();
        assert_eq!(found.unwrap().number, number(4), "{store}");
    }
}

#[test]
fn the_generation_rises_with_each_change_that_a_read_could_show() {
    for store in stores() {
        filled(&store);
        let unseen: [(&str, Step); 8] = [
            ("a read", |change| change.check()),
            ("the use of a key", |change| {
                let id = KeyId::parse("none").unwrap();
                change.update_key_use(&id, at(1))
            }),
            ("a missing object", |change| {
                change.delete_object(&tenant("t"), &place("none")).map(drop)
            }),
            ("missing objects", |change| {
                change.delete_objects(&tenant("t"), &[place("none")], at(1)).map(drop)
            }),
            ("a missing version", |change| {
                change.delete_layer_version(&tenant("t"), &layer("none"), number(1), 1).map(drop)
            }),
            ("a tenant that exists", |change| change.ensure_tenant(&tenant("t"), at(5))),
            ("a content that exists", |change| change.insert_code(&code(1, 10), at(5))),
            ("nothing expired", |change| change.delete_expired(at(5), 10).map(drop)),
        ];
        let mut last = store.generation();
        for (what, step) in unseen {
            store.write(step).unwrap();
            assert_eq!(store.generation(), last, "{store}: {what}");
        }
        // The deletions need what stands before them.
        let order = [0, 1, 2, 3, 8, 6, 7, 9, 10, 4, 5, 11, 12, 13, 14, 15];
        for (what, step) in order.map(|index: usize| STEPS[index]) {
            store.write(step).unwrap();
            assert!(store.generation() > last, "{store}: {what}");
            last = store.generation();
        }
        // The file of the object that was replaced and deleted: no read shows it.
        store.remove_gone_files().unwrap();
        assert_eq!(store.generation(), last, "{store}");
    }
}

#[test]
fn what_was_committed_is_there_after_reopening_files_included() {
    for mut store in stores() {
        filled(&store);
        let keep = |store: &TestStore, seed: u64, step: Step| {
            let pending = store.keep_code(&bytes(seed), b"code");
            let of_code = store.write_adding(pending, move |change| {
                change.insert_code(&code(seed, 4), at(0))?;
                step(change)
            });
            let pending = store.keep_object(uuid(5, seed), b"object");
            let of_object = store.write_adding(pending, move |change| {
                let object = InboxObject { at: place(&seed.to_string()), ..object("k", 6) };
                change.replace_object(&tenant("t"), &object, &[], uuid(5, seed))?;
                step(change)
            });
            (of_code.is_ok(), of_object.is_ok())
        };
        assert_eq!(keep(&store, 11, |_| Ok(())), (true, true), "{store}");
        assert_eq!(keep(&store, 12, |_| refuse()), (false, false), "{store}");
        assert_eq!(keep(&store, 13, |_| panic!("a mistake of ours")), (false, false), "{store}");
        // A file that is dropped before it is handed to a change.
        drop((store.keep_code(&bytes(14), b"code"), store.keep_object(uuid(5, 14), b"object")));
        // A content that has its row is not removed by a refused change.
        let refused = store.write_adding(store.keep_code(&bytes(11), b"code"), |_| refuse::<()>());
        refused.unwrap_err();
        let before = shown(&store);
        for round in 0..2 {
            let files =
                (11..15).map(|seed| (store.code(&bytes(seed)), store.object(uuid(5, seed))));
            let files: Vec<_> = files.collect();
            let kept = (Some(b"code".to_vec()), Some(b"object".to_vec()));
            assert_eq!(files[0], kept, "{store}: {round}");
            assert_eq!(files[1..], vec![(None, None); 3], "{store}: {round}");
            assert_eq!(shown(&store), before, "{store}: {round}");
            let rows = (11..15).map(|seed| {
                let code = store.read(|view| view.select_code(&bytes(seed))).unwrap();
                let at_key = place(&seed.to_string());
                let object = store.read(|view| view.select_object(&tenant("t"), &at_key, at(1)));
                (code.is_some(), object.unwrap().is_some())
            });
            let expected = [(true, true), (false, false), (false, false), (false, false)];
            assert_eq!(rows.collect::<Vec<_>>(), expected, "{store}: {round}");
            store.reopen();
        }
    }
}

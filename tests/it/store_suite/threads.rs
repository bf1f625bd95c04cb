//! Changes by many threads at once: numbers without gaps, the log in their order, refused and
//! panicking neighbours in one batch.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use layerbase::domain::{AuditFilter, CatalogError, LayerVersion, Order};

use layerbase::store::Adds;

use super::{bytes, code, layer, log, publish, refuse, tenant};
use crate::support::engines::{TestStore, stores};

const THREADS: u64 = 8;

/// How many changes each thread makes, which end in these ways.
#[derive(Clone, Copy)]
struct Plan {
    changes: u64,
    /// Whether each has a file, whose row it inserts.
    has_files: bool,
    end: fn(u64) -> End,
}

/// How a change ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commits,
    Refuses,
    Panics,
}

/// Publishes a version with a content of its own and its line in the log, or not.
fn change(store: &TestStore, seed: u64, plan: Plan) -> Result<LayerVersion, CatalogError> {
    let (size, end) = (1 << (seed % 8), (plan.end)(seed));
    let file = || store.keep_code(&bytes(seed), &seed.to_be_bytes());
    let adds = if plan.has_files { file() } else { Adds::Rows };
    store.write_adding(adds, move |change| {
        let version = publish(change, &tenant("t"), "l", &code(seed, size))?;
        let sequence = change.next_sequence()?;
        log(change, sequence, &tenant("t"), &version.number.to_string())?;
        match end {
            End::Commits => Ok(version),
            End::Refuses => refuse(),
            End::Panics => panic!("a mistake of ours"),
        }
    })
}

/// Runs changes on many threads while one more reads the log, and checks what remains.
fn run(store: &TestStore, plan: Plan) {
    let (start, is_done) = (Barrier::new(THREADS as usize + 1), AtomicBool::new(false));
    let (published, followed) = std::thread::scope(|scope| {
        let work = |thread: u64| {
            let start = &start;
            move || {
                start.wait();
                let mut published = Vec::new();
                for seed in thread * plan.changes..(thread + 1) * plan.changes {
                    let (outcome, end) = (change(store, seed, plan), (plan.end)(seed));
                    assert_eq!(outcome.is_ok(), end == End::Commits, "{store}: {seed}");
                    if let Ok(version) = outcome {
                        // A committed change shows in the next read of any thread.
                        let found = store
                            .read(|view| {
                                view.select_layer_version(&tenant("t"), &layer("l"), version.number)
                            })
                            .unwrap();
                        assert_eq!(found.as_ref(), Some(&version), "{store}");
                        published.push((seed, version));
                    }
                }
                published
            }
        };
        let workers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(work(thread))).collect();
        let follow = || {
            start.wait();
            let mut lines = Vec::new();
            loop {
                // Asked first: the last read is after the last change.
                let is_last = is_done.load(Ordering::Acquire);
                let after = lines.last().map_or(0, |(sequence, _)| *sequence);
                let page =
                    store.read(|view| view.select_audit(AuditFilter::All, after, 7)).unwrap();
                let more = page.more;
                lines.extend(page.items.into_iter().map(|line| (line.sequence, line.subject.name)));
                if is_last && !more {
                    return lines;
                }
            }
        };
        let follower = scope.spawn(follow);
        let published: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        // Before a worker's panic is passed on: the follower would never end otherwise.
        is_done.store(true, Ordering::Release);
        let published: Vec<_> = published.into_iter().flat_map(Result::unwrap).collect();
        (published, follower.join().unwrap())
    });
    let committed = published.len() as u64;
    let numbers: BTreeMap<_, _> =
        published.iter().map(|(_, version)| (version.number.get(), version)).collect();
    assert!(numbers.keys().copied().eq(1..=committed), "{store}: numbers without gaps");
    // Each change takes two numbers of the sequence: its own, and that of its line.
    let expected: Vec<_> = (1..=committed).map(|number| (number * 2, number.to_string())).collect();
    assert_eq!(followed, expected, "{store}: no line was missed, and none came out of order");
    store
        .read(|view| {
            let (of, name, order) = (tenant("t"), layer("l"), Order::Ascending);
            let page = view.select_layer_versions(&of, &name, order, None, 999)?.unwrap();
            assert!(page.items.iter().eq(numbers.into_values()), "{store}");
            assert_eq!(page.total, committed, "{store}");
            let size: u64 = published.iter().map(|(_, version)| version.code.size).sum();
            assert_eq!(view.select_code_size(&of)?, size, "{store}");
            for seed in 0..THREADS * plan.changes {
                let is_committed = (plan.end)(seed) == End::Commits;
                let row = view.select_code(&bytes(seed))?;
                assert_eq!(row.is_some(), is_committed, "{store}: {seed}");
                let has_file = is_committed && plan.has_files;
                let file = has_file.then(|| seed.to_be_bytes().to_vec());
                assert_eq!(store.code(&bytes(seed)), file, "{store}: {seed}");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn publications_of_many_threads_have_numbers_without_gaps_and_the_log_has_their_order() {
    for store in stores() {
        run(&store, Plan { changes: 50, has_files: false, end: |_| End::Commits });
    }
}

#[test]
fn refused_and_panicking_changes_leave_nothing_and_their_neighbours_stay() {
    for mut store in stores() {
        let end = |seed| match seed % 7 {
            0 | 3 => End::Refuses,
            5 => End::Panics,
            _ => End::Commits,
        };
        run(&store, Plan { changes: 20, has_files: true, end });
        store.reopen();
        let page = store.read(|view| {
            view.select_layer_versions(&tenant("t"), &layer("l"), Order::Descending, None, 1)
        });
        let page = page.unwrap().unwrap();
        assert_eq!(page.total, page.items[0].number.get(), "{store}");
    }
}

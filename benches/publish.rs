//! Measures durable publishing of 16 KiB by one, eight and sixteen clients.
//!
//! Budgets: design.md section 9, "publish 16 KiB". The limit is "write, sync, rename, sync the
//! folder, commit one row" on the same file system.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

// Each bench uses only some of the support functions.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use layerbase::catalog::{Catalog, Clock, IdSource};
use layerbase::domain::{ArtifactLimits, Caller, LayerName, NewLayerVersion, TenantId, Timestamp};
use layerbase::ingest::{Spool, Staging};
use layerbase::store::Store;
use rusqlite::Connection;
use support::load;
use support::process::Process;
use support::requests::{self, LAYERS};
use support::table::{Budget, Table, millis, per_second};
use support::zips::Zip;
use support::{Plan, median, median_ratio};

const SIZE: u64 = 16 << 10;
const CLIENTS: [usize; 3] = [1, 8, 16];

fn main() {
    let Some(plan) = support::begin() else { return };
    // Syncs come in bursts, so a round is longer in this bench.
    let plan = Plan { round: 2 * plan.round, ..plan };
    let mut table = Table::new("publish: 16 KiB, every content new, every answer durable");
    let folder = support::folder();
    let server = Process::layerbase(&folder.path().join("server"), &[]);
    let limit = Limit::new(&folder.path().join("limit"));
    let inside = Inside::new(&folder.path().join("inside"));
    let contents = Arc::new(AtomicU64::new(1));
    let posts = requests::publish(&contents, SIZE);

    let (mut http, mut p99s, mut bare) =
        (<[Vec<f64>; 3]>::default(), <[Vec<f64>; 3]>::default(), <[Vec<f64>; 3]>::default());
    let mut direct = Vec::new();
    for number in 0..=plan.rounds {
        for (at, clients) in CLIENTS.into_iter().enumerate() {
            let round = load::round(server.address, clients, plan.round, &posts);
            let limit = rate(clients, plan.round, &contents, |number| limit.publish(number));
            // The first round creates the subfolders of the code folder.
            if number > 0 {
                http[at].push(round.rate);
                p99s[at].push(round.p99);
                bare[at].push(limit);
            }
        }
        let inside = rate(1, plan.round, &contents, |number| inside.publish(number));
        if number > 0 {
            direct.push(inside);
        }
    }

    let mut against = |what: &str, measured: &[f64], limit: &[f64], budget| {
        let rates = [measured, limit].map(|rates| per_second(median(rates.iter().copied())));
        let [rate, of_limit] = rates;
        table.ratio(what, rate, of_limit, median_ratio(measured, limit), budget);
    };
    against("1 client, without HTTP / write+commit", &direct, &bare[0], Budget::AtLeast(0.7));
    for (at, clients) in CLIENTS.into_iter().enumerate() {
        let what = format!("{clients} client(s), HTTP / write+commit by as many threads");
        against(&what, &http[at], &bare[at], Budget::None);
    }
    against("16 clients / 1 client, HTTP", &http[2], &http[0], Budget::AtLeast(3.0));
    against("16 threads / 1 thread, write+commit", &bare[2], &bare[0], Budget::None);
    for (p99, clients) in p99s.into_iter().zip(CLIENTS) {
        let p99 = median(p99);
        eprintln!("  p99 with {clients} client(s): {}", millis(p99));
    }
    table.print();
}

/// Publishes from several threads for the time `length`; returns publications per second.
fn rate(
    threads: usize,
    length: Duration,
    contents: &AtomicU64,
    publish: impl Fn(u64) + Sync,
) -> f64 {
    let (begun, count) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while begun.elapsed() < length {
                    publish(contents.fetch_add(1, Ordering::Relaxed));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / begun.elapsed().as_secs_f64()
}

/// Write, sync, rename, sync the folder, commit one row: the minimum of a durable store.
struct Limit {
    incoming: PathBuf,
    code: PathBuf,
    rows: Mutex<Connection>,
}

impl Limit {
    fn new(folder: &Path) -> Self {
        let (incoming, code) = (folder.join("incoming"), folder.join("code"));
        fs::create_dir_all(&incoming).unwrap();
        for byte in 0..=u8::MAX {
            fs::create_dir_all(code.join(format!("{byte:02x}"))).unwrap();
        }
        let rows = Connection::open(folder.join("rows.sqlite")).unwrap();
        rows.execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
             CREATE TABLE rows (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
        )
        .unwrap();
        Self { incoming, code, rows: Mutex::new(rows) }
    }

    fn publish(&self, number: u64) {
        let bytes = Zip::new(number, SIZE).bytes();
        let name = format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (path, folder) = (self.incoming.join(&name), self.code.join(&name[..2]));
        let mut file = File::create(&path).unwrap();
        file.write_all(&bytes).unwrap();
        file.sync_all().unwrap();
        fs::rename(&path, folder.join(&name)).unwrap();
        File::open(&folder).unwrap().sync_all().unwrap();
        let rows = self.rows.lock().unwrap();
        rows.prepare_cached("INSERT INTO rows VALUES (?, ?)")
            .unwrap()
            .execute((number.cast_signed(), name))
            .unwrap();
    }
}

/// The catalog's use case, called without HTTP.
struct Inside {
    catalog: Catalog,
}

impl Inside {
    fn new(folder: &Path) -> Self {
        let store = Store::open(folder, Timestamp::now(), [7; 32]).unwrap();
        Self { catalog: Catalog::new(store, Clock::system(), IdSource::random()) }
    }

    fn publish(&self, number: u64) {
        let body = Bytes::from(Zip::new(number, SIZE).bytes());
        let code = Staging::of_spool(Spool::from_bytes(body), ArtifactLimits::default());
        let code = code.finish().unwrap();
        let new = NewLayerVersion {
            runtimes: vec!["python3.10".to_owned()],
            ..NewLayerVersion::default()
        };
        let name = LayerName::parse(format!("bench-{}", number % LAYERS)).unwrap();
        let caller = Caller::new_anonymous(TenantId::default_tenant());
        self.catalog.publish_layer_version(&caller, &name, new, code).unwrap();
    }
}

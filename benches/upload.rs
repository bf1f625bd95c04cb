//! Measures the speed of large uploads, raw and as base64, and the server's memory.
//!
//! Budgets: design.md section 9, "publish 100 MiB" and "resident memory". The limit is the slower
//! of the two necessary steps: all digests in one pass, and writing the file to disk.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

// Each bench uses only some of the support functions.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use layerbase::ingest::digests::Digester;
use support::process::Process;
use support::table::{Budget, Table, mebibytes_per_second};
use support::zips::{PIECE, Zip};
use support::{Plan, load, median, median_ratio};

const MIB: u64 = 1 << 20;

/// Concurrent uploads when memory is measured: half of them raw, half base64.
const AT_ONCE: u64 = 8;

/// Raises the limit for Tencent's API, which is 50 MiB by default.
const FLAGS: [&str; 2] = ["--max-upload", "300MiB"];

fn main() {
    let Some(plan) = support::begin() else { return };
    let (sizes, at_once): (&[u64], u64) =
        if plan.quick { (&[10 * MIB], 25 * MIB) } else { (&[50 * MIB, 100 * MIB], 250 * MIB) };
    let plan = Plan { rounds: if plan.quick { 1 } else { 7 }, ..plan };
    let mut table = Table::new("upload: large archives");
    for size in sizes {
        speed(plan, *size, &mut table);
    }
    memory(at_once, &mut table);
    table.print();
}

fn speed(plan: Plan, size: u64, table: &mut Table) {
    let folder = support::folder();
    let server = Process::layerbase(&folder.path().join("data"), &FLAGS);
    let [mut raw, mut base64, mut digests, mut disk] = <[Vec<f64>; 4]>::default();
    let [mut raw_peak, mut base64_peak] = <[Vec<f64>; 2]>::default();
    let peak = |peaks: &mut Vec<f64>| peaks.push(server.peak() as f64 / MIB as f64);
    for number in 0..=plan.rounds as u64 {
        let mut zip = Zip::new(2 * number + 1, size);
        server.forget_peak();
        let raw_time = timed(|| {
            load::publish_raw(server.address, "raw", &mut zip).unwrap();
        });
        peak(&mut raw_peak);
        let mut zip = Zip::new(2 * number + 2, size);
        server.forget_peak();
        let base64_time = timed(|| {
            load::publish_base64(server.address, "base64", &mut zip).unwrap();
        });
        peak(&mut base64_peak);
        let pieces = pieces();
        let digest_time = timed(|| digest(&pieces, size));
        let disk_time = timed(|| write(&pieces, size, folder.path()));
        if number > 0 || plan.rounds == 1 {
            raw.push(raw_time);
            base64.push(base64_time);
            digests.push(digest_time);
            disk.push(disk_time);
        }
    }
    let slower: Vec<f64> = digests.iter().zip(&disk).map(|(a, b)| a.max(*b)).collect();
    let rate = |times: &[f64]| mebibytes_per_second(size, median(times.iter().copied()));
    let name = format!("{} MiB", size / MIB);
    table.ratio(
        &format!("{name} raw / slower of digests and disk"),
        rate(&raw),
        rate(&slower),
        median_ratio(&slower, &raw),
        Budget::AtLeast(0.8),
    );
    table.ratio(
        &format!("{name} as base64 in JSON / raw"),
        rate(&base64),
        rate(&raw),
        median_ratio(&raw, &base64),
        Budget::AtLeast(0.5),
    );
    table.ratio(
        &format!("{name} digests in one pass / synced disk write"),
        rate(&digests),
        rate(&disk),
        median_ratio(&disk, &digests),
        Budget::None,
    );
    table.value(&format!("{name} raw, peak memory"), median(raw_peak), "MiB", Budget::None);
    table.value(&format!("{name} base64, peak memory"), median(base64_peak), "MiB", Budget::None);
}

fn memory(size: u64, table: &mut Table) {
    let folder = support::folder();
    let server = Process::layerbase(folder.path(), &FLAGS);
    load::fetch(server.address, "/api/v1/layers").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    table.value(
        "idle, resident",
        server.resident() as f64 / MIB as f64,
        "MiB",
        Budget::AtMost(25.0),
    );
    server.forget_peak();
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let address = server.address;
            scope.spawn(move || {
                let (mut zip, layer) = (Zip::new(number, size), format!("layer-{number}"));
                match number % 2 {
                    0 => load::publish_raw(address, &layer, &mut zip),
                    _ => load::publish_base64(address, &layer, &mut zip),
                }
                .unwrap();
            });
        }
    });
    let what = format!("{AT_ONCE} x {} MiB at once, half raw, half base64: peak", size / MIB);
    table.value(&what, server.peak() as f64 / MIB as f64, "MiB", Budget::AtMost(64.0));
    std::thread::sleep(Duration::from_secs(1));
    let after = server.resident() as f64 / MIB as f64;
    table.value("one second later, resident", after, "MiB", Budget::None);
}

fn timed(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// Returns a few mebibytes of noise, more than the processor's inner caches hold.
fn pieces() -> Vec<Bytes> {
    let (mut zip, mut pieces) = (Zip::new(u64::MAX, 8 * MIB), Vec::new());
    loop {
        let mut piece = Vec::new();
        zip.read(&mut piece);
        if piece.len() < PIECE {
            return pieces;
        }
        pieces.push(Bytes::from(piece));
    }
}

/// Repeats the pieces up to `size` bytes.
fn pass(pieces: &[Bytes], size: u64) -> impl Iterator<Item = Bytes> {
    pieces.iter().cloned().cycle().take(size.div_ceil(PIECE as u64) as usize)
}

fn digest(pieces: &[Bytes], size: u64) {
    let mut digester = Digester::new();
    pass(pieces, size).for_each(|piece| digester.update(piece));
    std::hint::black_box(digester.finish());
}

fn write(pieces: &[Bytes], size: u64, folder: &Path) {
    let path = folder.join("written");
    let mut file = File::create(&path).unwrap();
    pass(pieces, size).for_each(|piece| file.write_all(&piece).unwrap());
    file.sync_all().unwrap();
    std::fs::remove_file(path).unwrap();
}

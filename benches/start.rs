//! Measures the time from the start of the process to its ready line, and downloads.
//!
//! Budgets: design.md section 9, "start to ready", "download 100 MiB", "release binary". A program
//! that sends the file by `sendfile(2)` replaces nginx, which does the same with `sendfile on`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

// Each bench uses only some of the support functions.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::process::{Command, Stdio};
use std::time::Instant;

use support::process::{LAYERBASE, Process};
use support::table::{Budget, Table, mebibytes_per_second, millis};
use support::zips::Zip;
use support::{Plan, catalog, limits, load, median, median_ratio};

const MIB: u64 = 1 << 20;

fn main() {
    let Some(plan) = support::begin() else { return };
    let (versions, size) = if plan.quick { (20_000, 20 * MIB) } else { (1_000_000, 100 * MIB) };
    let mut table = Table::new("start: from nothing to ready; downloads; the binary");
    start(plan, versions, &mut table);
    download(plan, size, &mut table);
    let binary = std::fs::metadata(LAYERBASE).unwrap().len() as f64 / MIB as f64;
    table.value("release binary, stripped", binary, "MiB", Budget::AtMost(20.0));
    table.print();
}

fn start(plan: Plan, versions: i64, table: &mut Table) {
    let (empty, full) = (support::folder(), support::folder());
    catalog::seed(LAYERBASE, full.path(), versions);
    Process::layerbase(empty.path(), &[]).stop();
    let [mut bare, mut small, mut large] = <[Vec<f64>; 3]>::default();
    for _ in 0..plan.rounds {
        let begun = Instant::now();
        Command::new(LAYERBASE).arg("--version").stdout(Stdio::null()).status().unwrap();
        bare.push(begun.elapsed().as_secs_f64());
        for (times, folder) in [(&mut small, &empty), (&mut large, &full)] {
            let server = Process::layerbase(folder.path(), &[]);
            times.push(server.started_in.as_secs_f64());
            server.stop();
        }
    }
    let worst = large.iter().copied().fold(0.0, f64::max);
    let middle = |times: &[f64]| millis(median(times.iter().copied()));
    table.ratio(
        &format!("start to ready, {versions} versions / empty catalog"),
        middle(&large),
        middle(&small),
        median_ratio(&large, &small),
        Budget::None,
    );
    table.ratio(
        "start to ready, empty catalog / `layerbase --version`",
        middle(&small),
        middle(&bare),
        median_ratio(&small, &bare),
        Budget::None,
    );
    let ready = median(large) * 1e3;
    table.value(
        &format!("start to ready, {versions} versions"),
        ready,
        "ms",
        Budget::AtMost(100.0),
    );
    table.value("the same, the slowest start", worst * 1e3, "ms", Budget::None);
}

fn download(plan: Plan, size: u64, table: &mut Table) {
    let folder = support::folder();
    let server = Process::layerbase(folder.path(), &["--max-upload", "300MiB"]);
    let answer = load::publish_raw(server.address, "large", &mut Zip::new(1, size)).unwrap();
    let version: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let text = |name: &str| version[name].as_str().unwrap().to_owned();
    let (url, sha256) = (text("download_url"), text("sha256"));
    let path = &url[url.find("/code/").unwrap()..];
    let file = folder.path().join("code").join(&sha256[..2]).join(format!("{sha256}.zip"));
    let axum = Process::limit(limits::FILE, &file);
    let kernel = Process::limit(limits::SENDFILE, &file);
    let sides = [(&server, path), (&axum, limits::PATH), (&kernel, limits::PATH)];
    let mut times = <[Vec<f64>; 3]>::default();
    let mut spent = <[Vec<f64>; 3]>::default();
    for number in 0..=plan.rounds {
        for (side, (process, path)) in sides.into_iter().enumerate() {
            let (begun, before) = (Instant::now(), process.processor_time());
            let length = load::download(process.address, path).unwrap();
            assert!(length as u64 > size, "all of it came");
            if number > 0 {
                times[side].push(begun.elapsed().as_secs_f64());
                spent[side].push((process.processor_time() - before).as_secs_f64());
            }
        }
    }
    let rate = |side: usize| mebibytes_per_second(size, median(times[side].iter().copied()));
    let name = format!("download {} MiB", size / MIB);
    table.ratio(
        &format!("{name} / sendfile, in nginx's place"),
        rate(0),
        rate(2),
        median_ratio(&times[2], &times[0]),
        Budget::AtLeast(0.8),
    );
    table.ratio(
        &format!("{name} / bare axum"),
        rate(0),
        rate(1),
        median_ratio(&times[1], &times[0]),
        Budget::None,
    );
    let cost = |side: usize| millis(median(spent[side].iter().copied()));
    table.ratio(
        &format!("{name} / sendfile, processor time"),
        cost(0),
        cost(2),
        median_ratio(&spent[0], &spent[2]),
        Budget::None,
    );
}

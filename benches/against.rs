//! Compares the server with another build of it, in turns: processor time per request.
//!
//! `cargo bench --bench against -- --base PATH`, where PATH is the other build's binary. With
//! `--rounds N` the result is the median of N rounds. The catalog is seeded by the other build, so
//! that it may have an older schema.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

// Each bench uses only some of the support functions.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use support::catalog::{self, VERSIONS_PER_LAYER};
use support::load::{self, Requests};
use support::process::Process;
use support::requests::{self, LAYERS_PER_PAGE, PATH, again, first_time};
use support::table::{Budget, Table, micros};

const VERSIONS: i64 = 100_000;
const SIZE: u64 = 16 << 10;
/// The ratio that a change of the house's shape may cost.
const BUDGET: Budget = Budget::AtMost(1.03);

fn main() {
    let Some(mut plan) = support::begin() else { return };
    let Some(base) = support::argument("--base") else {
        println!("skipped: nothing to compare with; give `--base PATH`");
        return;
    };
    if let Some(rounds) = support::argument("--rounds") {
        plan.rounds = rounds.parse().unwrap();
    }
    let folders = [support::folder(), support::folder()];
    let [mine, other] = folders.each_ref().map(|folder| folder.path());
    catalog::seed(&base, other, VERSIONS);
    copy(other, mine);
    let servers = [Process::layerbase(mine, &[]), Process::server(&base, other, &[])];

    let last_page = VERSIONS / VERSIONS_PER_LAYER - LAYERS_PER_PAGE;
    let stride = move |number: i64| number * 2_654_435_761 % last_page;
    let contents = [1, 1 << 40].map(|first| Arc::new(AtomicU64::new(first)));
    let publish = contents.each_ref().map(|contents| requests::publish(contents, SIZE));
    let both = |requests: Requests| [requests.clone(), requests];
    let mut table = Table::new(format!("processor time per request / {base}"));
    for (what, connections, requests) in [
        ("list page, first time", 32, [first_time(PATH, stride), first_time(PATH, stride)]),
        ("list page, again", 32, both(again(PATH, 0))),
        ("publish 16 KiB, 1 client", 1, publish.clone()),
        ("publish 16 KiB, 8 clients", 8, publish),
    ] {
        let sides = [(&servers[0], &requests[0]), (&servers[1], &requests[1])];
        let compared = load::compare(plan, connections, sides);
        let [measured, limit] = compared.costs.map(micros);
        table.ratio(what, measured, limit, compared.cost_ratio, BUDGET);
    }
    table.print();
}

/// Copies a data folder that no server has open.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(copied.unwrap().success(), "`cp` works");
}

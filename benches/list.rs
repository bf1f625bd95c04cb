//! Measures a page of 20 layers: requested for the first time, requested again, in a large catalog.
//!
//! Budgets: design.md section 9, the first three rows.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

// Each bench uses only some of the support functions.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::path::Path;

use support::catalog::{self, VERSIONS_PER_LAYER};
use support::load::{self, Compared};
use support::process::{LAYERBASE, Process};
use support::requests::{LAYERS_PER_PAGE, PATH, TOKEN, again, before, first_time};
use support::table::{Budget, Table, micros, millis, per_second};
use support::{Plan, limits};
use tempfile::TempDir;

const CONNECTIONS: usize = 32;

fn main() {
    let Some(plan) = support::begin() else { return };
    let (small, middle, large) =
        if plan.quick { (1_000, 20_000, 50_000) } else { (1_000, 100_000, 1_000_000) };
    let mut table = Table::new(format!("list: a page of 20 layers, {CONNECTIONS} connections"));
    against_limits(plan, middle, &mut table);
    by_size(plan, small, large, &mut table);
    table.print();
}

/// A catalog, the server on it, and the number of its layers.
struct Catalog {
    folder: TempDir,
    server: Process,
    versions: i64,
}

impl Catalog {
    fn new(versions: i64) -> Self {
        let folder = support::folder();
        catalog::seed(LAYERBASE, folder.path(), versions);
        let server = Process::layerbase(folder.path(), &[]);
        Self { folder, server, versions }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("catalog.sqlite")
    }

    /// Returns the number of the first layer on the last page.
    fn last_page(&self) -> i64 {
        self.versions / VERSIONS_PER_LAYER - LAYERS_PER_PAGE
    }
}

fn against_limits(plan: Plan, versions: i64, table: &mut Table) {
    let catalog = Catalog::new(versions);
    let limit = Process::limit(limits::PAGES, &catalog.file());
    let page = same_rows(&catalog, &limit);
    let pages = catalog.last_page();
    // Pages spread over the whole catalog, in pseudo-random order.
    let stride = move |number: i64| number * 2_654_435_761 % pages;
    let server_asks = first_time(PATH, stride);
    let limit_asks = first_time(limits::PATH, stride);
    let sides = [(&catalog.server, &server_asks), (&limit, &limit_asks)];
    let compared = load::compare(plan, CONNECTIONS, sides);
    let what = format!("first time, {versions} versions / bare axum + query");
    table.ratio(
        &what,
        per_second(compared.rates[0]),
        per_second(compared.rates[1]),
        compared.ratio,
        Budget::AtLeast(0.9),
    );
    costs(&what, &compared, table);
    drop(limit);

    let path = catalog.folder.path().join("page.json");
    std::fs::write(&path, page).unwrap();
    let limit = Process::limit(limits::MEMORY, &path);
    let (server_asks, limit_asks) = (again(PATH, 0), again(limits::PATH, 0));
    let sides = [(&catalog.server, &server_asks), (&limit, &limit_asks)];
    let compared = load::compare(plan, CONNECTIONS, sides);
    let what = format!("again, {versions} versions / bare axum from memory");
    table.ratio(
        &what,
        per_second(compared.rates[0]),
        per_second(compared.rates[1]),
        compared.ratio,
        Budget::AtLeast(0.8),
    );
    table.ratio(
        &format!("{what}, p99"),
        millis(compared.p99s[0]),
        millis(compared.p99s[1]),
        compared.p99_ratio,
        Budget::AtMost(2.0),
    );
    costs(&what, &compared, table);
}

/// Compares a large catalog with a small one, at both ends of the list.
fn by_size(plan: Plan, small: i64, large: i64, table: &mut Table) {
    let (small, large) = (Catalog::new(small), Catalog::new(large));
    for (page, of_large, of_small) in
        [("first page", 0, 0), ("last page", large.last_page(), small.last_page())]
    {
        for (when, asks) in [
            (
                "first time",
                [first_time(PATH, move |_| of_large), first_time(PATH, move |_| of_small)],
            ),
            ("again", [again(PATH, of_large), again(PATH, of_small)]),
        ] {
            let sides = [(&large.server, &asks[0]), (&small.server, &asks[1])];
            let compared = load::compare(plan, CONNECTIONS, sides);
            let what = format!("{page}, {when}: {} / {} versions", large.versions, small.versions);
            table.ratio(
                &what,
                micros(compared.rates[0].recip()),
                micros(compared.rates[1].recip()),
                compared.ratio.recip(),
                Budget::AtMost(1.2),
            );
        }
    }
}

/// Adds a row of processor times: they show the same with less noise, because the load shares the
/// cores with the server.
fn costs(what: &str, compared: &Compared, table: &mut Table) {
    let [measured, limit] = compared.costs;
    table.ratio(
        &format!("{what}, processor time"),
        micros(measured),
        micros(limit),
        compared.cost_ratio,
        Budget::None,
    );
}

/// Checks that the limit returns the same fields; returns the page.
fn same_rows(catalog: &Catalog, limit: &Process) -> Vec<u8> {
    let query = format!("?limit={LAYERS_PER_PAGE}&{TOKEN}={}.", before(0));
    let page = load::fetch(catalog.server.address, &format!("{PATH}{query}")).unwrap();
    let bare = load::fetch(limit.address, &format!("{}{query}", limits::PATH)).unwrap();
    let folder: &Path = catalog.folder.path();
    let difference = page.len().abs_diff(bare.len());
    assert!(
        difference * 50 < page.len(),
        "{} bytes against {} in {folder:?}: not the same fields\n{}\n{}",
        page.len(),
        bare.len(),
        String::from_utf8_lossy(&page[..1000.min(page.len())]),
        String::from_utf8_lossy(&bare[..1000.min(bare.len())]),
    );
    page
}

//! `layerbase upkeep`: prints what the server's tasks of upkeep did since its start.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{self, Client, Query};
use super::failure::Failure;
use super::output::{self, Output};

/// No flags of its own.
#[derive(Debug, Args)]
pub(super) struct Upkeep {}

/// The end of `layerbase upkeep --help`.
pub(super) const HELP: &str = "\
Examples:
  layerbase upkeep
  layerbase upkeep --json | jq -r '.[] | select(.last.failure) | [.name, .last.failure] | @tsv'

The server does its upkeep by itself, at its start and then once a minute:
  expire-inbox   deletes objects and unfinished uploads of the inbox that are expired
  remove-files   removes files of the inbox that nothing refers to any longer

With --auth on this needs a key of the role admin.";

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize, Serialize)]
struct Task {
    name: String,
    runs: u64,
    did: Tally,
    last: Option<Run>,
}

#[derive(Deserialize, Serialize)]
struct Run {
    ended_at: String,
    failure: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Tally {
    things: u64,
    files: u64,
    bytes: u64,
}

pub(super) fn run(client: &Client, output: &mut Output<'_>) -> Result<(), Failure> {
    let text = client.get(&["upkeep"], &Query::default())?;
    let page: Page<'_> = client::parse(&text)?;
    if output.json() {
        return output.array(|item| page.items.into_iter().try_for_each(item));
    }
    let mut rows = Vec::new();
    for item in page.items {
        let Task { name, runs, did, last } = client::parse(item.get())?;
        let (at, outcome) = match last {
            None => ("-".to_owned(), "-".to_owned()),
            Some(Run { ended_at, failure }) => (
                output.age(&ended_at),
                failure.map_or_else(|| "ok".to_owned(), |text| output::plain(&text)),
            ),
        };
        let Tally { things, files, bytes } = did;
        let counts = [runs, things, files].map(|count| count.to_string());
        let [runs, things, files] = counts;
        rows.push(vec![name, runs, things, files, output::size(bytes), at, outcome]);
    }
    output.table(&["TASK", "RUNS", "THINGS", "FILES", "SIZE", "LAST RUN", "OUTCOME"], &rows)
}

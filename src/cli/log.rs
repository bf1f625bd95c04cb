//! `layerbase log`: who changed what, as the server has written it down.
//!
//! Knows the lines' fields. Which of them a key may read is the server's to say.

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{self, Client, Query};
use super::failure::Failure;
use super::output::{self, Output};

/// Lines asked for in one page; the server allows up to 1000.
const PAGE: u64 = 500;

/// Which lines.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// Only changes after the one with this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    after: u64,
    /// At most this many lines, the oldest first [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
}

/// What `layerbase log --help` ends with.
pub(super) const HELP: &str = "\
Examples:
  layerbase log
  layerbase log --after 1200 --limit 50
  layerbase log --json | jq -r '.[] | [.at, .key, .operation, .subject] | @tsv'

Every change through any cloud's API has a line, under the operation's name in that cloud, and so
have the commands on the data folder ('local'). With --auth on this takes a key of the role admin,
and shows the changes of its tenant.";

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    sequence: u64,
    at: String,
    key: Option<String>,
    dialect: String,
    operation: String,
    subject: String,
}

/// Prints the log.
pub(super) fn run(log: &Log, client: &Client, output: &mut Output<'_>) -> Result<(), Failure> {
    if output.json() {
        return output.array(|item| read(log, client, item));
    }
    let mut rows = Vec::new();
    read(log, client, &mut |line| {
        let change: Change = client::parse(line.get())?;
        rows.push(vec![
            change.sequence.to_string(),
            change.at,
            change.key.unwrap_or_else(|| "-".to_owned()),
            change.dialect,
            change.operation,
            output::plain(&change.subject),
        ]);
        Ok(())
    })?;
    if rows.is_empty() {
        output.note("no changes");
        return Ok(());
    }
    output.table(&["NUMBER", "AT", "KEY", "DIALECT", "OPERATION", "SUBJECT"], &rows)
}

/// Fetches the lines page by page and hands each over as it was received.
fn read(
    log: &Log,
    client: &Client,
    item: &mut dyn FnMut(&RawValue) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut after, mut left) = (log.after.to_string(), log.limit.unwrap_or(u64::MAX));
    while left > 0 {
        let mut query = Query::default();
        query.push("after", &*after);
        query.push("limit", left.min(PAGE).to_string());
        let answer = client.get(&["log"], &query)?;
        let page: Page<'_> = client::parse(&answer)?;
        page.items.iter().try_for_each(|line| item(line))?;
        left = left.saturating_sub(page.items.len() as u64);
        match page.next {
            None => break,
            Some(next) if next == after => {
                return Err(Failure::failed("the server names the same next page twice"));
            }
            Some(next) => after = next,
        }
    }
    Ok(())
}

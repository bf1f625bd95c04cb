//! `layerbase log`: prints the audit log, from the server or from the data folder.
//!
//! Knows the fields of a line. The server decides which lines a key may read; the data folder has
//! all of them.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::client::{self, Client, Query};
use super::failure::Failure;
use super::folder::DataFolder;
use super::output::{self, Output};
use crate::catalog::Catalog;
use crate::domain::{AuditEntry, AuditFilter, CatalogError, Subject, TenantId, parse_key_tenant};

/// Lines per page; the server allows up to 1000.
const PAGE: u64 = 500;

/// The flags that select lines.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// Only changes after the one with this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    after: u64,
    /// At most this many lines, the oldest first [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Read the log of all tenants from the data folder FOLDER instead of from a server; a server
    /// may be running on it
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Only changes of this tenant and its openYuanrong products; needs --data
    #[arg(long, value_name = "TENANT", requires = "data", value_parser = tenant)]
    tenant: Option<TenantId>,
    /// Only changes of SUBJECT, such as layer/demo or layer/demo/3; a layer or a function without a
    /// version has the changes of all its versions. With --data this needs --tenant
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    subject: Option<String>,
}

/// The end of `layerbase log --help`.
pub(super) const HELP: &str = "\
Examples:
  layerbase log
  layerbase log --after 1200 --limit 50
  layerbase log --json | jq -r '.[] | [.at, .key, .operation, .subject] | @tsv'
  layerbase log --subject layer/py-deps
  layerbase log --data /var/lib/layerbase
  layerbase log --data /var/lib/layerbase --tenant team-a

A subject is layer/NAME, function/GROUP/NAME (the group is mostly 'default'), either with /VERSION,
object/BUCKET/KEY, key/ID, tenant/ID or links.

Each change through any cloud's API has a line, with the operation's name in that cloud. Commands on
the data folder have lines too, with the dialect 'local'.

Without --data the log is read from the server. With --auth on this needs a key of the role admin
and shows the changes of the key's tenant and its openYuanrong products (team-a@product); with
--auth off it shows those of the tenant 'default'. With --data the log is read from the catalog on
this machine: the changes of all tenants and of the node's owner. This needs no key, but the
permission to read the folder.";

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    next: Option<String>,
}

/// A line in the server's JSON.
#[derive(Deserialize, Serialize)]
struct Change {
    sequence: u64,
    at: String,
    tenant: String,
    key: Option<String>,
    dialect: String,
    operation: String,
    subject: String,
    request_id: Option<String>,
}

impl From<AuditEntry> for Change {
    fn from(entry: AuditEntry) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at.to_string(),
            tenant: entry.subject.tenant.to_string(),
            key: entry.key,
            dialect: entry.dialect,
            operation: entry.operation,
            subject: entry.subject.to_string(),
            request_id: entry.request,
        }
    }
}

/// The source of the lines.
enum Source {
    Server(Client),
    Folder(Box<Catalog>),
}

/// Prints the log; calls `client` only to read it from a server.
pub(super) fn run(
    log: &Log,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    if log.subject.is_some() && log.data.is_some() && log.tenant.is_none() {
        return Err(Failure::usage("--subject with --data needs --tenant"));
    }
    let source = match &log.data {
        Some(folder) => Source::Folder(Box::new(DataFolder::at(folder.clone()).open()?)),
        None => Source::Server(client()?),
    };
    let read = |item: &mut dyn FnMut(&RawValue) -> Result<(), Failure>| match &source {
        Source::Server(client) => fetch(log, client, item),
        Source::Folder(catalog) => list(log, catalog, item),
    };
    if output.json() {
        return output.array(|item| read(item));
    }
    let mut rows = Vec::new();
    read(&mut |line| {
        let change: Change = client::parse(line.get())?;
        rows.push(vec![
            change.sequence.to_string(),
            change.at,
            output::plain(&change.tenant),
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
    output.table(&["NUMBER", "AT", "TENANT", "KEY", "DIALECT", "OPERATION", "SUBJECT"], &rows)
}

/// Reads the lines from the catalog page by page.
fn list(
    log: &Log,
    catalog: &Catalog,
    item: &mut dyn FnMut(&RawValue) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let subject = log.tenant.as_ref().zip(log.subject.as_ref());
    let subject = subject.and_then(|(tenant, text)| Subject::parse(tenant, text));
    let filter = match (&subject, &log.tenant) {
        (Some(subject), _) => AuditFilter::Subject(subject),
        (None, Some(tenant)) => AuditFilter::Tenant(tenant),
        (None, None) => AuditFilter::All,
    };
    let (mut after, mut left) = (log.after, log.limit.unwrap_or(u64::MAX));
    while left > 0 {
        let page = catalog.list_root_audit(filter, after, left.min(PAGE))?;
        let Some(last) = page.items.last() else { break };
        after = last.sequence;
        left = left.saturating_sub(page.items.len() as u64);
        for entry in page.items {
            let line = to_raw_value(&Change::from(entry)).map_err(|error| {
                Failure::failed(format!("the result cannot be written: {error}"))
            })?;
            item(&line)?;
        }
        if !page.more {
            break;
        }
    }
    Ok(())
}

/// Fetches the lines from the server, page by page, and passes each on unchanged.
fn fetch(
    log: &Log,
    client: &Client,
    item: &mut dyn FnMut(&RawValue) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut after, mut left) = (log.after.to_string(), log.limit.unwrap_or(u64::MAX));
    while left > 0 {
        let mut query = Query::default();
        query.push("after", &*after);
        query.push("limit", left.min(PAGE).to_string());
        query.push_some("subject", log.subject.as_ref());
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

fn tenant(text: &str) -> Result<TenantId, CatalogError> {
    parse_key_tenant(text)
}

/// Checks a subject; which tenant's it is does not matter to its form.
fn subject(text: &str) -> Result<String, String> {
    match Subject::parse(&TenantId::default_tenant(), text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("must be {}", Subject::FORMS)),
    }
}

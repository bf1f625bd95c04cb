//! Formats functions for people: one line, one row of a table, all fields.
//!
//! Knows the native API's answers about functions. Must not know the command line.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cli::client::{self, Client, Query};
use crate::cli::failure::Failure;
use crate::cli::output::{self, Output};

/// The displayed fields of a function's head or version in an answer.
#[derive(Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    /// `None` for the head.
    pub(super) version: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<String>,
    #[serde(default)]
    group: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    version_name: String,
    #[serde(default)]
    description: String,
    version_description: Option<String>,
    #[serde(default)]
    runtime: String,
    #[serde(default)]
    handler: String,
    memory: Option<u64>,
    timeout: Option<u64>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    layers: Vec<Layer>,
    revision: Option<u64>,
    entries: Option<u64>,
    unpacked_size: Option<u64>,
    sha512: Option<String>,
    md5: Option<String>,
    crc64: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    published_at: Option<String>,
    download_url: Option<String>,
}

#[derive(Deserialize)]
struct Layer {
    name: String,
    version: u64,
}

impl Function {
    /// Returns the function's name, with the version's if this is one.
    pub(super) fn title(&self) -> String {
        let name = output::plain(&self.name);
        match self.version {
            None => format!("function {name}"),
            Some(version) => {
                let version_name = output::plain(&self.version_name);
                format!("function {name} version {version} '{version_name}'")
            }
        }
    }

    /// Returns the title with the size and digest of the code.
    pub(super) fn summary(&self) -> String {
        let code = match (self.size, &self.sha256) {
            (Some(size), Some(sha256)) => format!("{}, sha256 {sha256}", output::size(size)),
            _ => "no code".to_owned(),
        };
        format!("{} ({code})", self.title())
    }

    fn size(&self) -> String {
        self.size.map_or_else(|| "-".to_owned(), output::size)
    }

    fn limits(&self) -> [String; 2] {
        let text =
            |number: Option<u64>, unit| number.map_or(String::new(), |n| format!("{n} {unit}"));
        [text(self.memory, "MiB"), text(self.timeout, "s")]
    }
}

/// The columns of a list.
#[derive(Clone, Copy)]
pub(super) enum Columns {
    Heads,
    Versions,
}

impl Columns {
    fn header(self) -> &'static [&'static str] {
        match self {
            Self::Heads => &[
                "NAME",
                "RUNTIME",
                "HANDLER",
                "MEMORY",
                "TIMEOUT",
                "SIZE",
                "UPDATED",
                "DESCRIPTION",
            ],
            Self::Versions => {
                &["VERSION", "NAME", "RUNTIME", "HANDLER", "SIZE", "PUBLISHED", "DESCRIPTION"]
            }
        }
    }

    fn row(self, function: Function, output: &Output<'_>) -> Vec<String> {
        let age = |time: &Option<String>| match time {
            Some(time) => output.age(time),
            None => "-".to_owned(),
        };
        let size = function.size();
        match self {
            Self::Heads => {
                let [memory, timeout] = function.limits();
                let updated = age(&function.updated_at);
                let Function { name, runtime, handler, description, .. } = function;
                vec![name, runtime, handler, memory, timeout, size, updated, description]
            }
            Self::Versions => {
                let version = function.version.map_or("-".to_owned(), |number| number.to_string());
                let published = age(&function.published_at);
                let about = function.version_description.unwrap_or_default();
                let Function { version_name, runtime, handler, .. } = function;
                vec![version, version_name, runtime, handler, size, published, about]
            }
        }
    }
}

/// Prints a list of functions or versions: a table for people, the received items for programs.
pub(super) fn list(
    client: &Client,
    output: &mut Output<'_>,
    path: &[&str],
    query: &Query,
    columns: Columns,
) -> Result<(), Failure> {
    if output.json() {
        return output.array(|item| client.pages(path, query, item));
    }
    let mut rows = Vec::new();
    client.pages(path, query, |item| {
        rows.push(columns.row(client::parse(item.get())?, output));
        Ok(())
    })?;
    output.table(columns.header(), &rows)
}

/// Prints all fields of one function or version.
pub(super) fn one(answer: &str, output: &mut Output<'_>) -> Result<(), Failure> {
    let function: Function = client::parse(answer)?;
    let [memory, timeout] = function.limits();
    let version = match function.version {
        Some(number) => format!("{number} '{}'", function.version_name),
        None => "the head, which can change".to_owned(),
    };
    let size = match function.size {
        Some(bytes) => format!("{} ({bytes} bytes)", output::size(bytes)),
        None => "no code".to_owned(),
    };
    let unpacked = match (function.unpacked_size, function.entries) {
        (Some(bytes), Some(entries)) => format!("{} in {entries} entries", output::size(bytes)),
        _ => String::new(),
    };
    let layers: Vec<String> =
        function.layers.iter().map(|layer| format!("{}:{}", layer.name, layer.version)).collect();
    let environment: Vec<String> =
        function.environment.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let time =
        |text: &Option<String>| text.as_deref().map_or(String::new(), |text| output.time(text));
    let (created, updated) = (time(&function.created_at), time(&function.updated_at));
    let published = time(&function.published_at);
    let revision = function.revision.map_or(String::new(), |number| number.to_string());
    output.fields(&[
        ("name", function.name),
        ("group", function.group),
        ("version", version),
        ("uid", function.uid),
        ("description", function.description),
        ("about version", function.version_description.unwrap_or_default()),
        ("runtime", function.runtime),
        ("handler", function.handler),
        ("memory", memory),
        ("timeout", timeout),
        ("environment", environment.join(", ")),
        ("layers", layers.join(", ")),
        ("revision", revision),
        ("size", size),
        ("unpacked", unpacked),
        ("sha256", function.sha256.unwrap_or_default()),
        ("sha512", function.sha512.unwrap_or_default()),
        ("md5", function.md5.unwrap_or_default()),
        ("crc64", function.crc64.unwrap_or_default()),
        ("created", created),
        ("updated", updated),
        ("published", published),
        ("download", function.download_url.unwrap_or_default()),
    ])
}

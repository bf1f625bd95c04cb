//! `layerbase layer …`: publish, list, show, pull and delete layers of a running server.
//!
//! Knows the native API's answers about layers. Must not know packing, HTTP or the form of output.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::client::{self, Client, Query, Upload};
use super::download::{self, Content, Target};
use super::failure::Failure;
use super::output::{self, Output};
use super::pack;
use super::source::Source;
use crate::domain::{LayerName, VersionNumber};

/// The commands about layers.
#[derive(Debug, Subcommand)]
pub(super) enum LayerCommand {
    /// Publish a new version of a layer from a zip, a folder or an object in a bucket
    #[command(after_help = PUBLISH_HELP)]
    Publish(Publish),
    /// List the layers, each with its newest version
    #[command(visible_alias = "list")]
    Ls {
        /// Only layers whose name starts with this
        #[arg(long, value_name = "PREFIX")]
        prefix: Option<String>,
    },
    /// List the versions of a layer, newest first
    Versions {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        layer: LayerName,
    },
    /// Show everything about one version
    Show(Selected),
    /// Download the code of one version
    #[command(after_help = PULL_HELP)]
    Pull {
        #[command(flatten)]
        selected: Selected,
        #[command(flatten)]
        target: Target,
    },
    /// Delete one version; its number is never used again
    Rm {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        layer: LayerName,
        /// The version's number
        #[arg(value_parser = number)]
        version: VersionNumber,
    },
}

const NAME_HELP: &str = "The layer's name";

const PUBLISH_HELP: &str = "\
Examples:
  layerbase layer publish py-deps ./python --runtime python3.12 --runtime python3.11
  layerbase layer publish py-deps deps.zip --description 'requests 2.32' --license Apache-2.0
  layerbase layer publish py-deps --bucket releases --object layers/deps.zip

A folder is packed so that equal folders give equal checksums: sorted, with fixed times and modes.
A .layerbaseignore file in it, in gitignore syntax, lists what to leave out. A symbolic link is
packed if its target is inside the folder, and refused otherwise.";

const PULL_HELP: &str = "\
Examples:
  layerbase layer pull py-deps latest
  layerbase layer pull py-deps 3 -o /opt/layers/py-deps.zip --force
  layerbase layer pull py-deps 3 -o - | bsdtar -xf - -C /opt/layer

The file gets its name only when it is complete and its SHA-256 is the one the server states.";

/// A new version.
#[derive(Debug, Args)]
pub(super) struct Publish {
    #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
    layer: LayerName,
    #[command(flatten)]
    source: Source,
    /// A runtime that the layer supports; repeat for several
    #[arg(long, value_name = "RUNTIME")]
    runtime: Vec<String>,
    /// The version's description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The licence of its content, such as Apache-2.0
    #[arg(long, value_name = "LICENSE")]
    license: Option<String>,
}

/// One version of one layer.
#[derive(Debug, Args)]
pub(super) struct Selected {
    #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
    layer: LayerName,
    /// The version's number, or 'latest'
    #[arg(value_parser = number_or_latest)]
    version: String,
}

/// The displayed fields of a layer version in an answer.
#[derive(Deserialize)]
struct LayerVersion {
    name: String,
    version: u64,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    acl: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    runtimes: Vec<String>,
    size: u64,
    #[serde(default)]
    entries: u64,
    #[serde(default)]
    unpacked_size: u64,
    sha256: String,
    #[serde(default)]
    sha512: String,
    #[serde(default)]
    md5: String,
    #[serde(default)]
    crc64: String,
    created_at: String,
    #[serde(default)]
    download_url: String,
}

/// Runs one layer command.
pub(super) fn run(
    command: &LayerCommand,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    match command {
        LayerCommand::Publish(publish) => self::publish(publish, client, output),
        LayerCommand::Ls { prefix } => {
            let mut query = Query::default();
            query.push_some("prefix", prefix.as_deref());
            list(client, output, &["layers"], &query, Column::Name)
        }
        LayerCommand::Versions { layer } => {
            let path = ["layers", layer.as_str(), "versions"];
            list(client, output, &path, &Query::default(), Column::Digest)
        }
        LayerCommand::Show(selected) => show(selected, client, output),
        LayerCommand::Pull { selected, target } => pull(selected, target, client, output),
        LayerCommand::Rm { layer, version } => {
            let number = version.to_string();
            let path = ["layers", layer.as_str(), "versions", number.as_str()];
            client.delete(&path, &Query::default())?;
            output.note(&format!("deleted layer {layer} version {version}"));
            Ok(())
        }
    }
}

fn publish(publish: &Publish, client: &Client, output: &mut Output<'_>) -> Result<(), Failure> {
    publish.source.require()?;
    let mut query = Query::default();
    query.push_all("runtime", &publish.runtime);
    query.push_some("description", publish.description.as_deref());
    query.push_some("license", publish.license.as_deref());
    let path = ["layers", publish.layer.as_str(), "versions"];
    let answer = publish.source.upload(Upload::Post, &path, query, client, output)?;
    if output.json() {
        return output.line(&answer);
    }
    let version: LayerVersion = client::parse(&answer)?;
    output.line(&format!(
        "published layer {} version {} ({}, sha256 {})",
        output::plain(&version.name),
        version.version,
        output::size(version.size),
        version.sha256
    ))
}

/// The column that identifies the rows of a list.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Name,
    Digest,
}

fn list(
    client: &Client,
    output: &mut Output<'_>,
    path: &[&str],
    query: &Query,
    column: Column,
) -> Result<(), Failure> {
    if output.json() {
        return output.array(|item| client.pages(path, query, item));
    }
    let mut rows = Vec::new();
    client.pages(path, query, |item| {
        let version: LayerVersion = client::parse(item.get())?;
        let common = [
            version.version.to_string(),
            output::size(version.size),
            version.runtimes.join(", "),
            output.age(&version.created_at),
        ];
        let mut row: Vec<String> = common.into();
        match column {
            Column::Name => row.insert(0, version.name),
            Column::Digest => row.push(version.sha256.chars().take(12).collect()),
        }
        row.push(version.description);
        rows.push(row);
        Ok(())
    })?;
    let header: &[&str] = match column {
        Column::Name => &["NAME", "VERSION", "SIZE", "RUNTIMES", "CREATED", "DESCRIPTION"],
        Column::Digest => &["VERSION", "SIZE", "RUNTIMES", "CREATED", "SHA256", "DESCRIPTION"],
    };
    output.table(header, &rows)
}

fn fetch(selected: &Selected, client: &Client) -> Result<String, Failure> {
    let path = ["layers", selected.layer.as_str(), "versions", selected.version.as_str()];
    client.get(&path, &Query::default())
}

fn show(selected: &Selected, client: &Client, output: &mut Output<'_>) -> Result<(), Failure> {
    let answer = fetch(selected, client)?;
    if output.json() {
        return output.line(&answer);
    }
    let version: LayerVersion = client::parse(&answer)?;
    let unpacked = output::size(version.unpacked_size);
    let created = output.time(&version.created_at);
    output.fields(&[
        ("name", version.name),
        ("version", version.version.to_string()),
        ("uid", version.uid),
        ("acl", version.acl),
        ("description", version.description),
        ("license", version.license),
        ("runtimes", version.runtimes.join(", ")),
        ("size", format!("{} ({} bytes)", output::size(version.size), version.size)),
        ("unpacked", format!("{unpacked} in {} entries", version.entries)),
        ("sha256", version.sha256),
        ("sha512", version.sha512),
        ("md5", version.md5),
        ("crc64", version.crc64),
        ("created", created),
        ("download", version.download_url),
    ])
}

fn pull(
    selected: &Selected,
    target: &Target,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let answer = fetch(selected, client)?;
    let version: LayerVersion = client::parse(&answer)?;
    let content = Content { sha256: &version.sha256, size: version.size };
    let default = pack::file_name(&version.name, &version.version.to_string());
    let saved = download::save(client, output, &content, target, default)?;
    download::report(output, &answer, &content, saved)
}

fn name(text: &str) -> Result<LayerName, String> {
    LayerName::parse(text).map_err(|error| error.to_string())
}

/// Parses a version number.
pub(super) fn number(text: &str) -> Result<VersionNumber, String> {
    VersionNumber::parse(text).ok_or_else(|| "a version is a whole number from 1".to_owned())
}

fn number_or_latest(text: &str) -> Result<String, String> {
    if text != "latest" && VersionNumber::parse(text).is_none() {
        return Err("a version is a whole number from 1, or 'latest'".to_owned());
    }
    Ok(text.to_owned())
}

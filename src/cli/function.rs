//! `layerbase function …`: create, change, publish, list, pull and delete functions.
//!
//! Knows the command line and the native API's paths and parameters. `show` formats functions.
//! Must not know packing, HTTP or the form of output.

mod show;

use clap::{Args, Subcommand};

use self::show::Function;
use super::client::{self, Client, Query, Upload};
use super::download::{self, Content, Target};
use super::failure::{Failure, Kind};
use super::output::Output;
use super::pack;
use super::source::Source;
use crate::domain::{FunctionName, Group, LayerName, VersionName, VersionNumber};

/// The functions of one group.
#[derive(Debug, Args)]
pub(super) struct FunctionArgs {
    /// The group: Alibaba's service, Huawei's package, Tencent's namespace
    #[arg(long, global = true, value_name = "GROUP", default_value = "default", value_parser = group)]
    group: Group,
    #[command(subcommand)]
    command: FunctionCommand,
}

/// The commands about functions.
#[derive(Debug, Subcommand)]
enum FunctionCommand {
    /// Create a function from a zip, a folder or an object in a bucket
    #[command(after_help = CREATE_HELP)]
    Create {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        function: FunctionName,
        #[command(flatten)]
        source: Source,
        /// The runtime, such as python3.12
        #[arg(long, value_name = "RUNTIME")]
        runtime: String,
        /// The entry point, such as index.handler
        #[arg(long, value_name = "HANDLER")]
        handler: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change a function's code, its settings, or both; published versions stay as they are
    #[command(after_help = UPDATE_HELP)]
    Update {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        function: FunctionName,
        #[command(flatten)]
        source: Source,
        /// The runtime, such as python3.12
        #[arg(long, value_name = "RUNTIME")]
        runtime: Option<String>,
        /// The entry point, such as index.handler
        #[arg(long, value_name = "HANDLER")]
        handler: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Publish the function as it is now as a new immutable version
    Publish {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        function: FunctionName,
        /// A name for the version beside its number [default: made by the server]
        #[arg(long = "name", value_name = "VERSION_NAME", value_parser = version_name)]
        version_name: Option<VersionName>,
        /// What this version is
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List the functions of the group
    #[command(visible_alias = "list")]
    Ls,
    /// List a function's states: the changeable head first, then its versions, newest first
    Versions {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        function: FunctionName,
    },
    /// Show everything about a function or one of its versions
    Show(Selected),
    /// Download the code of a function or of one of its versions
    #[command(after_help = PULL_HELP)]
    Pull {
        #[command(flatten)]
        selected: Selected,
        #[command(flatten)]
        target: Target,
    },
    /// Delete a function with all its versions, or one version alone
    Rm {
        #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
        function: FunctionName,
        /// The version's number or name [default: the whole function]
        #[arg(value_parser = version_name)]
        version: Option<VersionName>,
    },
}

const NAME_HELP: &str = "The function's name";

const CREATE_HELP: &str = "\
Examples:
  layerbase function create hello ./src --runtime python3.12 --handler index.handler
  layerbase function create hello app.zip --runtime nodejs20 --handler index.main \\
      --memory 256 --timeout 30 --env STAGE=test --layer py-deps:3
  layerbase function create hello --bucket releases --object hello.zip --runtime python3.12 \\
      --handler index.handler

A folder is packed so that equal folders give equal checksums; a .layerbaseignore file in it, in
gitignore syntax, says what to leave out.";

const UPDATE_HELP: &str = "\
Examples:
  layerbase function update hello ./src
  layerbase function update hello --memory 512 --env STAGE=live --env LEVEL=info

What is not named stays, the code too. --env and --layer, given once or more, replace the whole list.";

const PULL_HELP: &str = "\
Examples:
  layerbase function pull hello
  layerbase function pull hello 2 -o hello.zip
  layerbase function pull hello release-1 -o - | bsdtar -tf -";

/// The settings that both `create` and `update` take.
#[derive(Debug, Default, Args)]
struct Settings {
    /// Memory in MiB
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// Longest run in seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// What the function does
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A variable of its environment; repeat for several
    #[arg(long, value_name = "KEY=VALUE", value_parser = variable)]
    env: Vec<String>,
    /// A layer version that it uses; repeat for several, in order
    #[arg(long, value_name = "NAME:VERSION", value_parser = layer)]
    layer: Vec<String>,
}

impl Settings {
    fn push(&self, query: &mut Query) {
        query.push_some("memory", self.memory.map(|number| number.to_string()));
        query.push_some("timeout", self.timeout.map(|number| number.to_string()));
        query.push_some("description", self.description.as_deref());
        query.push_all("env", &self.env);
        query.push_all("layer", &self.layer);
    }
}

/// A function, or one of its versions.
#[derive(Debug, Args)]
pub(super) struct Selected {
    #[arg(value_name = "NAME", value_parser = name, help = NAME_HELP)]
    function: FunctionName,
    /// The version's number or name [default: the function as it is now]
    #[arg(value_parser = version_name)]
    qualifier: Option<VersionName>,
}

/// Runs one function command.
pub(super) fn run(
    arguments: &FunctionArgs,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut query = Query::default();
    query.push("group", arguments.group.as_str());
    match &arguments.command {
        FunctionCommand::Create { function, source, runtime, handler, settings } => {
            source.require()?;
            query.push("runtime", runtime);
            query.push("handler", handler);
            settings.push(&mut query);
            let path = ["functions", function.as_str()];
            let answer = source.upload(Upload::Post, &path, query, client, output)?;
            report("created", &answer, output)
        }
        FunctionCommand::Update { function, source, runtime, handler, settings } => {
            let bare = query.len();
            query.push_some("runtime", runtime.as_deref());
            query.push_some("handler", handler.as_deref());
            settings.push(&mut query);
            if source.is_none() && query.len() == bare {
                return Err(Failure::usage("nothing to change: name a PATH or an option"));
            }
            let path = ["functions", function.as_str()];
            let answer = source.upload(Upload::Put, &path, query, client, output)?;
            report("updated", &answer, output)
        }
        FunctionCommand::Publish { function, version_name, description } => {
            query.push_some("name", version_name.as_ref().map(VersionName::as_str));
            query.push_some("description", description.as_deref());
            let path = ["functions", function.as_str(), "versions"];
            let answer = client.send(&path, &query)?;
            report("published", &answer, output)
        }
        FunctionCommand::Ls => {
            let columns = show::Columns::Heads;
            show::list(client, output, &["functions"], &query, columns)
        }
        FunctionCommand::Versions { function } => {
            let path = ["functions", function.as_str(), "versions"];
            show::list(client, output, &path, &query, show::Columns::Versions)
        }
        FunctionCommand::Show(selected) => {
            let answer = fetch(selected, &query, client)?;
            if output.json() { output.line(&answer) } else { show::one(&answer, output) }
        }
        FunctionCommand::Pull { selected, target } => {
            pull(selected, target, &query, client, output)
        }
        FunctionCommand::Rm { function, version: None } => {
            client.delete(&["functions", function.as_str()], &query)?;
            output.note(&format!("deleted function {function} with all its versions"));
            Ok(())
        }
        FunctionCommand::Rm { function, version: Some(version) } => {
            let path = ["functions", function.as_str(), "versions", version.as_str()];
            client.delete(&path, &query)?;
            output.note(&format!("deleted function {function} version {version}"));
            Ok(())
        }
    }
}

/// Prints a changed function.
fn report(verb: &str, answer: &str, output: &mut Output<'_>) -> Result<(), Failure> {
    if output.json() {
        return output.line(answer);
    }
    let function: Function = client::parse(answer)?;
    output.line(&format!("{verb} {}", function.summary()))
}

fn fetch(selected: &Selected, query: &Query, client: &Client) -> Result<String, Failure> {
    let function = selected.function.as_str();
    match &selected.qualifier {
        None => client.get(&["functions", function], query),
        Some(qualifier) => {
            client.get(&["functions", function, "versions", qualifier.as_str()], query)
        }
    }
}

fn pull(
    selected: &Selected,
    target: &Target,
    query: &Query,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let answer = fetch(selected, query, client)?;
    let function: Function = client::parse(&answer)?;
    let (Some(sha256), Some(size)) = (&function.sha256, function.size) else {
        return Err(Failure::new(Kind::NotFound, format!("{} has no code", function.title())));
    };
    let content = Content { sha256, size };
    let version = function.version.map_or_else(|| "latest".to_owned(), |number| number.to_string());
    let default = pack::file_name(&function.name, &version);
    let saved = download::save(client, output, &content, target, default)?;
    download::report(output, &answer, &content, saved)
}

fn name(text: &str) -> Result<FunctionName, String> {
    FunctionName::parse(text).map_err(|error| error.to_string())
}

fn group(text: &str) -> Result<Group, String> {
    Group::parse(text).map_err(|error| error.to_string())
}

fn version_name(text: &str) -> Result<VersionName, String> {
    VersionName::parse(text).map_err(|error| error.to_string())
}

fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn layer(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let number = parts.and_then(|(_, number)| VersionNumber::parse(number));
    match (parts, number) {
        (Some((name, _)), Some(_)) => {
            LayerName::parse(name).map(|_| text.to_owned()).map_err(|error| error.to_string())
        }
        _ => Err("write it as NAME:VERSION, such as py-deps:3".to_owned()),
    }
}

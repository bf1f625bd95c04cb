//! The command line: its grammar, the dispatch to one file per command group, the exit code.
//!
//! Knows clap and the process (arguments, standard streams, the clock). Must not know HTTP, files
//! or what any command does.

mod access;
mod client;
mod download;
mod env;
mod failure;
mod folder;
mod function;
mod key;
mod layer;
mod log;
mod output;
mod pack;
#[cfg(test)]
mod scripted;
mod serve;
mod source;
mod tenant;
mod upkeep;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use jiff::Timestamp;

use self::access::{Access, KEY, Key};
use self::client::Client;
use self::failure::{Failure, Kind};
use self::output::{Form, Output};
use crate::domain::KeyId;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "layerbase", version, about = ABOUT, long_about = LONG_ABOUT, after_help = HELP)]
#[command(max_term_width = 100)]
struct CommandLine {
    /// The server to talk to
    #[arg(long, global = true, value_name = "URL", help_heading = EVERYWHERE)]
    #[arg(env = "LAYERBASE_SERVER", hide_env_values = true, default_value = DEFAULT_SERVER)]
    server: String,
    /// Trust the certificates in FILE (PEM) too, beside the system's
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    #[arg(env = "LAYERBASE_CA", hide_env_values = true)]
    ca: Option<String>,
    /// Send the key in FILE, '<key id>.<secret>' [default: the variable LAYERBASE_KEY]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    key_file: Option<PathBuf>,
    /// Print the server's JSON instead of tables; a list is one array
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    /// Show no progress bars and no notes
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const EVERYWHERE: &str = "Options of every command";

const DEFAULT_SERVER: &str = "http://127.0.0.1:8470";

const ABOUT: &str = "One server for the layer and function-version APIs of five clouds";

const LONG_ABOUT: &str = "\
One server for the layer and function-version APIs of five clouds: Alibaba FC, CTyun, Huawei
FunctionGraph, openYuanrong and Tencent SCF. It stores all data in one SQLite file and one folder of
code. A version published through one cloud's API is listed by all of them.";

const HELP: &str = "\
Examples:
  layerbase serve
  layerbase layer publish py-deps ./python --runtime python3.12
  layerbase layer ls --json
  layerbase function create hello ./src --runtime python3.12 --handler index.handler
  layerbase key add --role read
  eval \"$(layerbase env tencent)\"
  LAYERBASE_KEY=ID.SECRET layerbase layer ls --server https://edge1:8470 --ca edge1.pem

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused.";

/// The command groups.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is stopped
    #[command(after_help = serve::HELP)]
    Serve(Box<serve::Serve>),
    /// Publish, list and download layers
    #[command(subcommand)]
    Layer(layer::LayerCommand),
    /// Create, publish, list and download functions
    Function(function::FunctionArgs),
    /// Make, list, disable and delete the keys that clients sign with
    #[command(after_help = key::HELP)]
    Key(key::KeyArgs),
    /// List tenants and set their ids in each cloud
    #[command(after_help = tenant::HELP)]
    Tenant(tenant::TenantArgs),
    /// Show the audit log: who changed what
    #[command(after_help = log::HELP)]
    Log(log::Log),
    /// Show what the server's tasks of upkeep did
    #[command(after_help = upkeep::HELP)]
    Upkeep(upkeep::Upkeep),
    /// Print the settings that point a cloud's SDK and CLI at the server
    #[command(after_help = env::HELP)]
    Env(env::Env),
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

const COMPLETIONS_HELP: &str = "\
Examples:
  layerbase completions bash > /etc/bash_completion.d/layerbase
  layerbase completions zsh > \"${fpath[1]}/_layerbase\"
  layerbase completions fish > ~/.config/fish/completions/layerbase.fish";

/// Parses a command line, runs its one command and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            // A closed standard output is not a failure.
            let _ = explain(&error);
            return ExitCode::from(if error.use_stderr() { Kind::Usage as u8 } else { 0 });
        }
    };
    let mut results = BufWriter::new(io::stdout().lock());
    let mut notes = io::stderr();
    let form = Form { json: line.json, quiet: line.quiet };
    let mut output = Output::new(&mut results, &mut notes, form, Timestamp::now());
    let done = dispatch(&line, &mut output).and_then(|()| output.flush());
    let Err(failure) = done else { return ExitCode::SUCCESS };
    // The output before the failure is still wanted.
    let _ = output.flush();
    if failure.kind != Kind::Closed {
        let _ = report(&mut notes, &failure);
    }
    ExitCode::from(failure.kind as u8)
}

fn dispatch(line: &CommandLine, output: &mut Output<'_>) -> Result<(), Failure> {
    match &line.command {
        Command::Serve(serve) => serve::run(serve, output),
        Command::Layer(command) => layer::run(command, &Client::new(&access(line)?)?, output),
        Command::Function(command) => function::run(command, &Client::new(&access(line)?)?, output),
        Command::Key(arguments) => key::run(arguments, output),
        Command::Tenant(arguments) => tenant::run(arguments, output),
        Command::Log(log) => log::run(log, || Client::new(&access(line)?), output),
        Command::Upkeep(upkeep::Upkeep {}) => upkeep::run(&Client::new(&access(line)?)?, output),
        Command::Env(env) => {
            // A valid id has no line break, so it cannot end the comment it is printed in.
            let id = key_in_environment().map(|key| {
                Key::parse(&key, KEY)?;
                Ok::<_, Failure>(KeyId::parse(key.split('.').next().unwrap_or_default())?)
            });
            let id = id.transpose()?;
            env::run(env, client::check_address(server(line))?, id.as_ref(), output)
        }
        Command::Completions { shell } => {
            // The generator panics when it cannot write, so it writes to memory.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut CommandLine::command(), "layerbase", &mut script);
            output.bytes(&script)
        }
    }
}

/// Returns the server's address; an empty variable counts as unset, as everywhere.
fn server(line: &CommandLine) -> &str {
    if line.server.is_empty() { DEFAULT_SERVER } else { &line.server }
}

fn key_in_environment() -> Option<String> {
    let key = std::env::var_os(KEY).filter(|key| !key.is_empty())?;
    Some(key.to_string_lossy().trim().to_owned())
}

fn access(line: &CommandLine) -> Result<Access, Failure> {
    // A secret is never an argument: other users of the machine can read arguments.
    let key = match (&line.key_file, key_in_environment()) {
        (Some(path), _) => Some(Key::read(path)?),
        (None, Some(key)) => Some(Key::parse(&key, KEY)?),
        (None, None) => None,
    };
    let ca = line.ca.clone().filter(|path| !path.is_empty());
    Ok(Access { server: server(line).to_owned(), ca, key })
}

/// Prints clap's help as it is, and its errors with the prefix of all our errors.
fn explain(error: &clap::Error) -> io::Result<()> {
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(what) => write!(io::stderr(), "layerbase: {what}"),
        None => error.print(),
    }
}

fn report(notes: &mut impl Write, failure: &Failure) -> io::Result<()> {
    writeln!(notes, "layerbase: {}", output::plain(&failure.what))?;
    match &failure.hint {
        Some(hint) => writeln!(notes, "  hint: {}", output::plain(hint)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

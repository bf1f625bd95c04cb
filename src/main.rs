//! Parses the command line, runs one command, sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    layerbase::cli::run(std::env::args_os())
}

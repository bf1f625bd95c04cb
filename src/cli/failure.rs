//! The failure of a command: its exit code, its message, its hint.
//!
//! Must not know clap, HTTP or files; the modules that do build a `Failure` and return it.

use std::fmt::Display;
use std::io;

/// Why a command fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

/// The exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The reader of standard output closed it; this is not an error.
    Closed = 0,
    /// An error of the machine, the network or the server.
    Failed = 1,
    /// The command line or the configuration is not well formed.
    Usage = 2,
    /// The named thing does not exist.
    NotFound = 3,
    /// The request was well formed and refused.
    Refused = 4,
}

impl Failure {
    pub(super) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hint: None }
    }

    pub(super) fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    pub(super) fn refused(what: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what)
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Reports a file or folder that cannot be read or written.
    pub(super) fn file(what: impl Display, error: &io::Error) -> Self {
        Self::failed(format!("{what}: {error}"))
    }

    /// Reports an error of standard output; a closed pipe ends the command without a message.
    pub(super) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(Kind::Closed, "")
        } else {
            Self::failed(format!("cannot write to standard output: {error}"))
        }
    }
}

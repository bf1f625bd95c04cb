//! Upkeep: the work on the catalog that no request asks for, and what it did.

use super::Timestamp;

/// What one step of a task did, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Things of the catalog: objects, unfinished uploads.
    pub things: u64,
    /// Files.
    pub files: u64,
    /// Bytes of the files, where the step knows them.
    pub bytes: u64,
}

impl Tally {
    /// Whether anything was done.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Adds what another step did.
    pub fn add(&mut self, other: Self) {
        self.things += other.things;
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// One run of a task: its steps until nothing was left, or until one failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRun {
    /// When its first step began.
    pub started: Timestamp,
    /// When its last step ended.
    pub ended: Timestamp,
    /// What its steps did.
    pub did: Tally,
    /// Why its last step failed; `None` if it did not.
    pub failure: Option<String>,
}

/// A task of upkeep as an administrator sees it, since the server's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskReport {
    /// The task's name.
    pub name: &'static str,
    /// Seconds from the end of one run to the start of the next.
    pub period: u64,
    /// Completed runs.
    pub runs: u64,
    /// What all of them did.
    pub did: Tally,
    /// The last run.
    pub last: Option<TaskRun>,
    /// The last run that did something or failed.
    pub last_work: Option<TaskRun>,
}

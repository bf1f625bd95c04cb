//! The change counter file: shows the owner of the data folder that another process changed rows.
//!
//! The file is beside the catalog and grows by a byte with each such change. Every request reads
//! its length, which costs a quarter of having SQLite look into its log. Knows no rows.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::files::make_private_file;

const FILE: &str = "catalog.changes";

/// The file that grows with each change by a process that does not own the folder.
pub(super) struct ChangeCounter {
    file: File,
}

impl ChangeCounter {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        make_private_file(&path)?;
        Ok(Self { file: File::options().append(true).open(path)? })
    }

    /// Returns the number of changes so far.
    pub(super) fn count(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Adds one change.
    pub(super) fn increment(&self) -> io::Result<()> {
        (&self.file).write_all(b".")
    }
}

//! The open mark: a file that exists while a server has the catalog open.
//!
//! SQLite removes its log when the catalog is closed. A mark beside a missing log means that the
//! log was lost after the process ended: the changes in it are lost too. Knows no rows.

use std::io;
use std::path::Path;

use super::files::{make_private_file, remove_if_there, sync_folder};

const FILE: &str = "catalog.open";

/// Marks the catalog of `folder` as open. SQLite's log must exist already: its name is synced with
/// the mark's.
pub(super) fn set(folder: &Path) -> io::Result<()> {
    make_private_file(&folder.join(FILE))?;
    sync_folder(folder)
}

/// Removes the mark.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    remove_if_there(&folder.join(FILE))
}

/// Logs a warning if [`is_log_lost`].
pub(super) fn check(folder: &Path) {
    if is_log_lost(folder) {
        tracing::warn!(
            folder = %folder.display(),
            "catalog.sqlite-wal is missing although the catalog was not closed: the changes that \
             were acknowledged last may be lost. A data folder is copied and restored as a whole"
        );
    }
}

/// Whether the catalog was left open and its log is missing. The caller has the folder's lock, and
/// has not opened the catalog.
pub(super) fn is_log_lost(folder: &Path) -> bool {
    folder.join(FILE).exists() && !folder.join("catalog.sqlite-wal").exists()
}

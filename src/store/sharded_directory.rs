//! The sharded directory, which the code folder and the inbox are: files in 256 subfolders.
//!
//! Also the steps that make a file durable: announce it, rename it into place, sync the folder.
//! Knows neither rows nor the contents of the files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempPath;

use super::files::{make_private_folder, sync_folder};

/// Ending of the files that announce another file before its row exists.
pub(super) const INTENT: &str = ".intent";

/// A folder with its files in 256 subfolders, by the first byte of each file's id.
pub(super) struct ShardedDirectory {
    folder: PathBuf,
    /// Whether a subfolder exists and its name is synced, by its number.
    synced: [AtomicBool; 256],
}

impl ShardedDirectory {
    /// Creates the folder unless it exists. The caller must sync the parent folder.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        make_private_folder(&folder)?;
        Ok(Self { folder, synced: std::array::from_fn(|_| AtomicBool::new(false)) })
    }

    /// Returns the path of the file `name`, whose id starts with the byte `first`.
    pub(super) fn path(&self, first: u8, name: &str) -> PathBuf {
        self.subfolder(first).join(name)
    }

    /// Returns the subfolder of ids that start with `first`, whether or not it exists.
    pub(super) fn subfolder(&self, first: u8) -> PathBuf {
        self.folder.join(hex::encode([first]))
    }

    /// Creates the subfolder of ids that start with `first`, and returns it once its name is
    /// synced.
    ///
    /// Concurrent callers each sync for themselves: a caller skips the sync only if another has
    /// completed it, not if another has merely created the folder.
    pub(super) fn make(&self, first: u8) -> io::Result<PathBuf> {
        let folder = self.subfolder(first);
        let synced = &self.synced[usize::from(first)];
        if !synced.load(Ordering::Acquire) {
            make_private_folder(&folder)?;
            sync_folder(&self.folder)?;
            synced.store(true, Ordering::Release);
        }
        Ok(folder)
    }

    /// Creates the subfolder again after it was removed while this process ran.
    pub(super) fn make_again(&self, first: u8) -> io::Result<PathBuf> {
        self.synced[usize::from(first)].store(false, Ordering::Release);
        self.make(first)
    }
}

/// Creates an empty file in `incoming` whose name announces the file that is about to be created.
pub(super) fn announce(incoming: &Path, name: &str) -> io::Result<TempPath> {
    let builder = &mut tempfile::Builder::new();
    Ok(builder.prefix(name).suffix(INTENT).tempfile_in(incoming)?.into_temp_path())
}

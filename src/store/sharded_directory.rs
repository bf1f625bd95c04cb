//! What the code folder and the inbox share: files spread over 256 folders, announced before they
//! are there, renamed into place and synced.
//!
//! Knows nothing of what the files hold.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempPath;

use super::schema::make_private_folder;

/// Ending of the files that announce another one before its row exists.
pub(super) const INTENT: &str = ".intent";

/// A folder of files in 256 folders, by the first byte of what names them.
pub(super) struct ShardedDirectory {
    folder: PathBuf,
    /// Whether the folder `ab` is there and synced into ours, by its number.
    synced: [AtomicBool; 256],
}

impl ShardedDirectory {
    /// Makes the folder; whoever calls this syncs the one that it is in.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        make_private_folder(&folder)?;
        Ok(Self { folder, synced: std::array::from_fn(|_| AtomicBool::new(false)) })
    }

    /// Returns where a file belongs whose name is made of `first` and what follows it.
    pub(super) fn path(&self, first: u8, name: &str) -> PathBuf {
        self.folder.join(hex::encode([first])).join(name)
    }

    /// Makes the folder that files of `first` belong in, and returns it when its own name is on
    /// disk.
    ///
    /// Of several that come here at once, each syncs for itself: none goes on because another made
    /// the folder, only because another has synced it.
    pub(super) fn make(&self, first: u8) -> io::Result<PathBuf> {
        let folder = self.folder.join(hex::encode([first]));
        let synced = &self.synced[usize::from(first)];
        if !synced.load(Ordering::Acquire) {
            make_private_folder(&folder)?;
            sync_folder(&self.folder)?;
            synced.store(true, Ordering::Release);
        }
        Ok(folder)
    }
}

/// Makes an empty file in `incoming` that says by its name which other one is about to be made.
pub(super) fn announce(incoming: &Path, name: &str) -> io::Result<TempPath> {
    let builder = &mut tempfile::Builder::new();
    Ok(builder.prefix(name).suffix(INTENT).tempfile_in(incoming)?.into_temp_path())
}

/// Makes renames and new names inside a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; one that is not there is as good as removed.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(failure) if failure.kind() != io::ErrorKind::NotFound => Err(failure),
        _ => Ok(()),
    }
}

//! The inbox's folder: one file per object or part, durable before its row is.
//!
//! ```text
//! <data>/inbox/ab/ab12…                a file, named by a UUID of our own, never written again
//! <data>/incoming/inbox-<uuid>-….intent  a file that is being made and has no row yet
//! ```
//! Knows nothing of rows: whether a file has one is asked of the caller. A file whose row is deleted
//! is written down in that same change (`inbox_gone` in `schema.sql`), and removed afterwards.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{NamedTempFile, TempPath};
use uuid::Uuid;

use super::sharded_directory::{INTENT, ShardedDirectory, announce, remove_if_there, sync_folder};

/// How the announcement of a file of the inbox starts.
const PREFIX: &str = "inbox-";

/// The folder of objects and parts.
#[derive(Clone)]
pub struct InboxFiles {
    inner: Arc<Inner>,
}

struct Inner {
    files: ShardedDirectory,
    incoming: PathBuf,
}

/// A file that is on disk and synced, held until its row is committed.
///
/// `Store::write_file` says what became of the row. Dropped before that, it takes its file with it.
pub struct PendingObject {
    files: Arc<Inner>,
    id: Uuid,
    has_row: bool,
    /// Removed when this is dropped, unless the file is left to the next start.
    intent: TempPath,
}

impl InboxFiles {
    /// Makes the folder; that of what is on its way is the code folder's to make.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let (files, incoming) =
            (ShardedDirectory::open(folder.join("inbox"))?, folder.join("incoming"));
        Ok(Self { inner: Arc::new(Inner { files, incoming }) })
    }

    /// Keeps bytes that are in memory in a file of this name, which must be a new one.
    pub fn keep_bytes(&self, id: Uuid, bytes: &[u8]) -> io::Result<PendingObject> {
        let mut file = NamedTempFile::new_in(&self.inner.incoming)?;
        file.write_all(bytes)?;
        self.keep_file(id, file)
    }

    /// Keeps a file of the incoming folder under this name, which must be a new one.
    pub fn keep_file(&self, id: Uuid, file: NamedTempFile) -> io::Result<PendingObject> {
        let inner = &self.inner;
        let intent = announce(&inner.incoming, &format!("{PREFIX}{id}-"))?;
        let folder = inner.files.make(id.as_bytes()[0])?;
        file.as_file().sync_all()?;
        file.persist_noclobber(inner.path(id)).map_err(|failure| failure.error)?;
        let object = PendingObject { files: Arc::clone(inner), id, has_row: false, intent };
        sync_folder(&folder)?;
        Ok(object)
    }

    /// Opens a file; who has it open reads on when it is removed.
    pub fn open_file(&self, id: Uuid) -> io::Result<File> {
        File::open(self.inner.path(id))
    }

    /// Removes a file that no row refers to any longer and tells whether it is gone. Why it is not
    /// goes to the log: `Store::remove_gone_files` tries again.
    pub fn remove(&self, id: Uuid) -> bool {
        match remove_if_there(&self.inner.path(id)) {
            Ok(()) => true,
            Err(failure) => {
                tracing::error!(%failure, %id, "cannot remove a file of the inbox");
                false
            }
        }
    }

    /// Removes the announcements that a killed process left, with those files that have no row.
    ///
    /// Only for the start, while no upload is under way. `has_row` says whether a file's row
    /// exists.
    pub(super) fn sweep(&self, has_row: impl Fn(Uuid) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.inner.incoming)? {
            let path = entry?.path();
            let Some(id) = announced(&path) else { continue };
            if !has_row(id) {
                remove_if_there(&self.inner.path(id))?;
                tracing::info!(%id, "removed a file of the inbox without an object");
            }
            remove_if_there(&path)?;
        }
        Ok(())
    }
}

impl Inner {
    fn path(&self, id: Uuid) -> PathBuf {
        self.files.path(id.as_bytes()[0], &id.to_string())
    }
}

impl PendingObject {
    /// Its name.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Says that a committed row refers to the file now.
    pub(super) fn committed(mut self) {
        self.has_row = true;
    }

    /// Says that nobody knows whether a row refers to the file: it and its announcement stay, and
    /// the next start's sweep decides by the row that it finds or does not find.
    pub(super) fn leave(mut self) {
        self.intent.disable_cleanup(true);
        self.has_row = true;
    }
}

impl Drop for PendingObject {
    fn drop(&mut self) {
        if !self.has_row
            && let Err(failure) = remove_if_there(&self.files.path(self.id))
        {
            tracing::error!(%failure, "cannot remove a file of the inbox that got no row");
        }
    }
}

/// Reads the file's name off its announcement's path.
fn announced(path: &Path) -> Option<Uuid> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(INTENT)?;
    Uuid::parse_str(name.get(..36)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Blobs;

    fn files() -> (tempfile::TempDir, InboxFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = InboxFiles::open(folder.path()).unwrap();
        Blobs::open(folder.path()).unwrap();
        (folder, files)
    }

    fn incoming(files: &InboxFiles) -> usize {
        fs::read_dir(&files.inner.incoming).unwrap().count()
    }

    #[test]
    fn a_file_with_a_row_stays_and_one_without_goes() {
        let (_folder, files) = files();
        let [one, other] = [1, 2].map(Uuid::from_u128);
        drop(files.keep_bytes(one, b"one").unwrap());
        assert!(files.open_file(one).is_err());
        files.keep_bytes(one, b"one").unwrap().committed();
        drop(files.keep_bytes(other, b"other").unwrap());
        assert_eq!(fs::read(files.inner.path(one)).unwrap(), b"one");
        assert!(files.remove(one) && files.remove(one), "what is not there is removed");
        assert!(files.open_file(one).is_err());
        assert_eq!(incoming(&files), 0);
    }

    #[test]
    fn a_name_that_is_taken_is_not_written_over() {
        let (_folder, files) = files();
        let id = Uuid::from_u128(7);
        files.keep_bytes(id, b"first").unwrap().committed();
        let taken = files.keep_bytes(id, b"second").err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(files.inner.path(id)).unwrap(), b"first");
        assert_eq!(incoming(&files), 0);
    }

    #[test]
    fn the_sweep_asks_for_the_row_of_what_was_announced_and_touches_nothing_else() {
        let (_folder, files) = files();
        let [with, without, old] = [1, 2, 3].map(Uuid::from_u128);
        for id in [with, without] {
            std::mem::forget(files.keep_bytes(id, b"announced").unwrap());
        }
        files.keep_bytes(old, b"old").unwrap().committed();
        let strangers = ["inbox-.intent", "inbox-../../x.intent", "in-half"];
        let strangers = strangers.map(|name| files.inner.incoming.join(name.replace('/', "_")));
        strangers.iter().for_each(|path| fs::write(path, b"").unwrap());
        files.sweep(|id| id == with).unwrap();
        assert!(files.open_file(with).is_ok() && files.open_file(old).is_ok());
        assert!(files.open_file(without).is_err());
        assert_eq!(incoming(&files), strangers.len(), "the code folder's sweep takes the rest");
    }
}

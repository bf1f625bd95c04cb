//! The inbox's folder: one file per object or part, durable before its row.
//!
//! ```text
//! <data>/inbox/ab/ab12…                a file, named by a UUID of our own, never written again;
//!                                      files of copies are hard links to it
//! <data>/incoming/inbox-<uuid>-….intent  announces a file that has no row yet
//! ```
//! Knows no rows: the caller decides whether a file has one. The change that deletes a file's row
//! lists the file in `inbox_gone` (see `schema.sql`); the file is removed after the commit.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{NamedTempFile, TempPath};
use uuid::Uuid;

use super::files::{remove_if_there, sync_folder};
use super::sharded_directory::{INTENT, ShardedDirectory, announce};

/// Prefix of the files that announce a file of the inbox.
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

/// A file that is synced to disk and whose row is not committed yet.
///
/// `Store::write_adding` reports whether the row was committed. A drop before that removes the
/// file.
pub struct PendingObject {
    files: Arc<Inner>,
    id: Uuid,
    has_row: bool,
    /// Removed when this is dropped, unless the next start's sweep must decide.
    intent: TempPath,
}

impl InboxFiles {
    /// Creates the folder unless it exists; `Blobs::open` creates the incoming folder.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let (files, incoming) =
            (ShardedDirectory::open(folder.join("inbox"))?, folder.join("incoming"));
        Ok(Self { inner: Arc::new(Inner { files, incoming }) })
    }

    /// Stores bytes that are in memory in a file of this name, which must be new.
    pub fn keep_bytes(&self, id: Uuid, bytes: &[u8]) -> io::Result<PendingObject> {
        let mut file = NamedTempFile::new_in(&self.inner.incoming)?;
        file.write_all(bytes)?;
        self.keep_file(id, file)
    }

    /// Stores a file of the incoming folder under this name, which must be new.
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

    /// Gives the stored file `of`, which is open as `file`, a second name, which must be new: a
    /// hard link, which takes no time and no space. Each name is removed by itself, and the bytes
    /// with the last one.
    ///
    /// Copies the bytes where the file system has no links, or no more of this file, and when the
    /// name `of` is removed meanwhile.
    pub fn keep_copy(&self, id: Uuid, of: Uuid, mut file: File) -> io::Result<PendingObject> {
        let inner = &self.inner;
        let intent = announce(&inner.incoming, &format!("{PREFIX}{id}-"))?;
        let folder = inner.files.make(id.as_bytes()[0])?;
        if let Err(failure) = fs::hard_link(inner.path(of), inner.path(id)) {
            tracing::debug!(%failure, "a file of the inbox is copied, not linked");
            let mut copy = NamedTempFile::new_in(&inner.incoming)?;
            file.rewind()?;
            io::copy(&mut file, &mut copy)?;
            return self.keep_file(id, copy);
        }
        let object = PendingObject { files: Arc::clone(inner), id, has_row: false, intent };
        sync_folder(&folder)?;
        Ok(object)
    }

    /// Opens a file; an open file can be read to its end even if it is removed meanwhile.
    pub fn open_file(&self, id: Uuid) -> io::Result<File> {
        File::open(self.inner.path(id))
    }

    /// Removes a file that no row refers to any longer; returns whether it is removed.
    ///
    /// A failure is logged, and `Store::remove_gone_files` tries again.
    pub fn remove(&self, id: Uuid) -> bool {
        match remove_if_there(&self.inner.path(id)) {
            Ok(()) => true,
            Err(failure) => {
                tracing::error!(%failure, %id, "cannot remove a file of the inbox");
                false
            }
        }
    }

    /// Removes the announcements that a killed process left, and the announced files without a row.
    ///
    /// Must run at start, before any upload. `has_row` returns whether a file's row exists.
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
    /// Returns the file's name.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Marks the file as one that a committed row refers to.
    pub(super) fn committed(mut self) {
        self.has_row = true;
    }

    /// Leaves the file and its announcement in place, because it is unknown whether a row refers to
    /// the file. The next start's sweep decides by the row.
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

/// Returns the name of the file that an announcement is for.
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
    fn a_file_with_a_row_stays_and_one_without_is_removed() {
        let (_folder, files) = files();
        let [one, other] = [1, 2].map(Uuid::from_u128);
        drop(files.keep_bytes(one, b"one").unwrap());
        assert!(files.open_file(one).is_err());
        files.keep_bytes(one, b"one").unwrap().committed();
        drop(files.keep_bytes(other, b"other").unwrap());
        assert_eq!(fs::read(files.inner.path(one)).unwrap(), b"one");
        assert!(files.remove(one) && files.remove(one), "a missing file counts as removed");
        assert!(files.open_file(one).is_err());
        assert_eq!(incoming(&files), 0);
    }

    #[test]
    #[cfg(unix)]
    fn a_copy_is_a_link_where_it_can_be_and_lives_by_itself() {
        use std::os::unix::fs::MetadataExt;

        let (_folder, files) = files();
        let [first, second, third, fourth] = [1, 2, 3, 4].map(Uuid::from_u128);
        files.keep_bytes(first, b"one").unwrap().committed();
        let open = |id| files.open_file(id).unwrap();
        let links = |id| open(id).metadata().unwrap().nlink();
        drop(files.keep_copy(second, first, open(first)).unwrap());
        assert!(files.open_file(second).is_err(), "it got no row");
        files.keep_copy(second, first, open(first)).unwrap().committed();
        assert_eq!((links(first), links(second)), (2, 2));
        // The name is removed after the file was opened: the bytes are copied.
        let opened = open(first);
        assert!(files.remove(first));
        files.keep_copy(third, first, opened).unwrap().committed();
        assert_eq!((links(second), links(third)), (1, 1));
        for id in [second, third] {
            assert_eq!(fs::read(files.inner.path(id)).unwrap(), b"one");
        }
        let taken = files.keep_copy(third, second, open(second)).err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        std::mem::forget(files.keep_copy(fourth, second, open(second)).unwrap());
        files.sweep(|_| false).unwrap();
        assert!(files.open_file(fourth).is_err() && files.open_file(second).is_ok());
        assert_eq!(incoming(&files), 0);
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let (_folder, files) = files();
        let id = Uuid::from_u128(7);
        files.keep_bytes(id, b"first").unwrap().committed();
        let taken = files.keep_bytes(id, b"second").err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(files.inner.path(id)).unwrap(), b"first");
        assert_eq!(incoming(&files), 0);
    }

    #[test]
    fn the_sweep_removes_announced_files_without_a_row_and_nothing_else() {
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

//! The code folder: one file per distinct content, durable before its row is.
//!
//! ```text
//! <data>/code/ab/ab12….zip         kept contents, named by SHA-256, never written again
//! <data>/incoming/                 what is on its way; emptied at start
//! <data>/incoming/<sha256>.…intent a content that is being kept and has no row yet
//! ```
//! Knows nothing of rows: whether a content has one is asked of the caller.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::{NamedTempFile, TempPath};

use super::schema::make_private_folder;
use super::sharded_directory::{INTENT, ShardedDirectory, announce, remove_if_there, sync_folder};

/// The folders of uploaded contents.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    code: ShardedDirectory,
    incoming: PathBuf,
    /// Contents between their file and their row.
    pending: Mutex<HashMap<[u8; 32], PendingState>>,
}

/// What is known of a content while uploads of it are under way.
///
/// All uploads of one content share this, and may write the same file at once. It is right because:
///
/// - The file is only ever removed by the last holder, under the lock. So while anybody holds the
///   content, its file can appear but not disappear.
/// - `unreferenced` is set under the lock and only where the file is missing, before it is renamed
///   into place. Whoever commits has renamed before, so a missing file means that nobody has
///   committed yet: a mark never comes after the [`PendingBlob::committed`] that would clear it. A mark
///   whose rename then fails is harmless, since removing what is missing is.
/// - A file that another upload put there a moment ago is not marked again, but that upload's mark
///   is in this same state, until one of them commits or the last of them removes the file.
/// - A rename over a file that is there, perhaps with a row by now, puts the same bytes there, and
///   they are synced: which of the two a crash leaves makes no difference.
#[derive(Default)]
struct PendingState {
    /// How many uploads of this content are under way.
    holders: usize,
    /// Whether one of them makes or made the file and no row refers to it yet.
    unreferenced: bool,
}

/// A content that is on disk and synced, held until its row is committed.
///
/// `Store::write_file` says what became of the row. Dropped before that, it takes its file with it,
/// unless another upload of the same content still needs it or it was there before.
pub struct PendingBlob {
    blobs: Arc<Inner>,
    sha256: [u8; 32],
    /// Removed when this is dropped, unless the content is left to the next start.
    intent: TempPath,
}

impl Blobs {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let inner = Inner {
            code: ShardedDirectory::open(folder.join("code"))?,
            incoming: folder.join("incoming"),
            pending: Mutex::default(),
        };
        make_private_folder(&inner.incoming)?;
        sync_folder(folder)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the folder for what is on its way; on the same file system as the kept contents.
    pub fn incoming(&self) -> &Path {
        &self.inner.incoming
    }

    /// Returns where a content's file is, whether or not it exists.
    pub fn path(&self, sha256: &[u8; 32]) -> PathBuf {
        self.inner.path(sha256)
    }

    /// Keeps a content that is in memory.
    pub fn keep_bytes(&self, sha256: &[u8; 32], bytes: &[u8]) -> io::Result<PendingBlob> {
        self.keep(sha256, || {
            let mut file = NamedTempFile::new_in(&self.inner.incoming)?;
            file.write_all(bytes)?;
            Ok(file)
        })
    }

    /// Keeps a content that is in a file of the incoming folder already.
    pub fn keep_file(&self, sha256: &[u8; 32], file: NamedTempFile) -> io::Result<PendingBlob> {
        self.keep(sha256, || Ok(file))
    }

    /// Announces the content, syncs its file, renames it into place and syncs the folder.
    ///
    /// A file that is there already is not written again; its folder is synced all the same, since
    /// another upload may have renamed it a moment ago.
    fn keep(
        &self,
        sha256: &[u8; 32],
        file: impl FnOnce() -> io::Result<NamedTempFile>,
    ) -> io::Result<PendingBlob> {
        let inner = &self.inner;
        let target = inner.path(sha256);
        let intent = announce(&inner.incoming, &hex::encode(sha256))?;
        inner.pending().entry(*sha256).or_default().holders += 1;
        let blob = PendingBlob { blobs: Arc::clone(inner), sha256: *sha256, intent };
        let folder = inner.code.make(sha256[0])?;
        if !target.exists() {
            let file = file()?;
            file.as_file().sync_all()?;
            // The rename itself is not under the lock, which all other uploads need; see `PendingState`.
            if let Some(state) = inner.pending().get_mut(sha256) {
                state.unreferenced |= !target.exists();
            }
            file.persist(&target).map_err(|failure| failure.error)?;
        }
        sync_folder(&folder)?;
        Ok(blob)
    }

    /// Empties the incoming folder and removes contents that were kept without getting a row.
    ///
    /// Only for the start, while no upload is under way. `has_row` says whether a content's row
    /// exists.
    pub(super) fn sweep(&self, has_row: impl Fn(&[u8; 32]) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.inner.incoming)? {
            let path = entry?.path();
            if let Some(sha256) = announced(&path)
                && !has_row(&sha256)
            {
                remove_if_there(&self.inner.path(&sha256))?;
                tracing::info!(sha256 = hex::encode(sha256), "removed code without a version");
            }
            remove_if_there(&path)?;
            tracing::info!(path = %path.display(), "removed an unfinished upload");
        }
        Ok(())
    }
}

impl Inner {
    fn path(&self, sha256: &[u8; 32]) -> PathBuf {
        self.code.path(sha256[0], &format!("{}.zip", hex::encode(sha256)))
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<[u8; 32], PendingState>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingBlob {
    /// Says that a committed row refers to the content now.
    pub(super) fn committed(self) {
        self.set_referenced();
    }

    /// Says that nobody knows whether a row refers to the content: the file and its intent stay,
    /// and the next start's sweep decides by the row that it finds or does not find.
    pub(super) fn leave(mut self) {
        self.intent.disable_cleanup(true);
        self.set_referenced();
    }

    fn set_referenced(&self) {
        if let Some(state) = self.blobs.pending().get_mut(&self.sha256) {
            state.unreferenced = false;
        }
    }
}

impl Drop for PendingBlob {
    fn drop(&mut self) {
        let mut pending = self.blobs.pending();
        let Some(state) = pending.get_mut(&self.sha256) else { return };
        state.holders -= 1;
        if state.holders > 0 {
            return;
        }
        if state.unreferenced
            && let Err(failure) = remove_if_there(&self.blobs.path(&self.sha256))
        {
            tracing::error!(%failure, "cannot remove code that got no version");
        }
        pending.remove(&self.sha256);
    }
}

/// Reads the content's name off an intent's path.
fn announced(path: &Path) -> Option<[u8; 32]> {
    let name = path.file_name()?.to_str()?;
    if !name.ends_with(INTENT) {
        return None;
    }
    let mut sha256 = [0; 32];
    hex::decode_to_slice(name.get(..64)?, &mut sha256).ok()?;
    Some(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: [u8; 32] = [0xab; 32];

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        (folder, blobs)
    }

    fn incoming_count(blobs: &Blobs) -> usize {
        fs::read_dir(blobs.incoming()).unwrap().count()
    }

    #[test]
    fn a_committed_content_stays_and_an_uncommitted_one_goes() {
        let (_folder, blobs) = blobs();
        drop(blobs.keep_bytes(&SHA256, b"code").unwrap());
        assert!(!blobs.path(&SHA256).exists());
        blobs.keep_bytes(&SHA256, b"code").unwrap().committed();
        assert_eq!(fs::read(blobs.path(&SHA256)).unwrap(), b"code");
        drop(blobs.keep_bytes(&SHA256, b"code").unwrap());
        assert!(blobs.path(&SHA256).exists(), "it has a row from before");
        assert_eq!(incoming_count(&blobs), 0);
    }

    #[test]
    fn the_last_of_two_holders_decides() {
        let (_folder, blobs) = blobs();
        let first = blobs.keep_bytes(&SHA256, b"code").unwrap();
        let second = blobs.keep_bytes(&SHA256, b"code").unwrap();
        drop(first);
        assert!(blobs.path(&SHA256).exists(), "the second one still needs it");
        second.committed();
        assert!(blobs.path(&SHA256).exists());
    }

    #[test]
    fn of_two_at_once_the_refused_one_takes_nothing_from_the_other() {
        let (_folder, blobs) = blobs();
        for round in 0_u32..100 {
            let mut sha256 = SHA256;
            sha256[..4].copy_from_slice(&round.to_le_bytes());
            let barrier = std::sync::Barrier::new(2);
            let keep = || {
                barrier.wait();
                blobs.keep_bytes(&sha256, b"code").unwrap()
            };
            std::thread::scope(|scope| {
                scope.spawn(|| keep().committed());
                scope.spawn(|| drop(keep()));
            });
            assert_eq!(fs::read(blobs.path(&sha256)).unwrap(), b"code", "round {round}");
            assert!(blobs.inner.pending().is_empty());
            drop(blobs.keep_bytes(&sha256, b"code").unwrap());
            assert!(blobs.path(&sha256).exists(), "it has a row");
        }
        assert_eq!(incoming_count(&blobs), 0);
    }

    #[test]
    fn of_two_refused_at_once_nothing_stays() {
        let (_folder, blobs) = blobs();
        for _ in 0..50 {
            let barrier = std::sync::Barrier::new(2);
            let keep = || {
                barrier.wait();
                drop(blobs.keep_bytes(&SHA256, b"code").unwrap());
            };
            std::thread::scope(|scope| {
                scope.spawn(keep);
                scope.spawn(keep);
            });
            assert!(!blobs.path(&SHA256).exists());
        }
    }

    #[test]
    fn the_sweep_removes_what_a_killed_process_left() {
        let (_folder, blobs) = blobs();
        let pending = blobs.keep_bytes(&SHA256, b"code").unwrap();
        std::mem::forget(pending);
        fs::write(blobs.incoming().join("half"), b"half an upload").unwrap();
        blobs.sweep(|_| true).unwrap();
        assert!(blobs.path(&SHA256).exists(), "it has a row");
        assert_eq!(incoming_count(&blobs), 0);

        let intent = blobs.incoming().join(format!("{}x{INTENT}", hex::encode(SHA256)));
        fs::write(intent, b"").unwrap();
        blobs.sweep(|_| false).unwrap();
        assert!(!blobs.path(&SHA256).exists());
    }
}

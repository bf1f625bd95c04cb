//! The code folder: one file per distinct content, durable before its row.
//!
//! ```text
//! <data>/code/ab/ab12….zip         stored contents, named by SHA-256, never written again
//! <data>/incoming/                 unfinished uploads; emptied at start
//! <data>/incoming/<sha256>.…intent announces a content that has no row yet
//! ```
//! Knows no rows: the caller decides whether a content has one.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{NamedTempFile, TempPath};

use super::files::{has_bytes, make_private_folder, remove_if_there, sync_folder};
use super::holds::{Hold, Holds};
use super::sharded_directory::{INTENT, ShardedDirectory, announce};

/// Ending of the files of the code folder.
const ENDING: &str = ".zip";

/// The code folder, and the folder for unfinished uploads.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    code: ShardedDirectory,
    incoming: PathBuf,
    /// Contents between their file and their row.
    holds: Arc<Holds>,
}

/// A content that is synced to disk and whose row is not committed yet.
///
/// `Store::write_adding` reports whether the row was committed. A drop before that removes the
/// file, unless it existed before or another upload of the same content needs it.
pub struct PendingBlob {
    blobs: Arc<Inner>,
    hold: Hold,
    /// Removed when this is dropped, unless the next start's sweep must decide.
    intent: TempPath,
}

impl Blobs {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let inner = Inner {
            code: ShardedDirectory::open(folder.join("code"))?,
            incoming: folder.join("incoming"),
            holds: Arc::default(),
        };
        make_private_folder(&inner.incoming)?;
        sync_folder(folder)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the folder for unfinished uploads, on the same file system as the code folder.
    pub fn incoming(&self) -> &Path {
        &self.inner.incoming
    }

    /// Returns the path of a content's file, whether or not it exists.
    pub fn path(&self, sha256: &[u8; 32]) -> PathBuf {
        self.inner.path(sha256)
    }

    /// Whether the file of a content of `size` bytes is there with that length.
    pub fn is_whole(&self, sha256: &[u8; 32], size: u64) -> io::Result<bool> {
        match fs::metadata(self.path(sha256)) {
            Ok(file) => Ok(file.len() == size),
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Stores a content that is in memory; see [`Blobs::keep_file`].
    pub fn keep_bytes(&self, sha256: &[u8; 32], bytes: &[u8]) -> io::Result<PendingBlob> {
        self.keep(sha256, Upload::Bytes(bytes))
    }

    /// Stores a content that is in a file of the incoming folder.
    ///
    /// An existing file is compared with it, and replaced if it is damaged.
    pub fn keep_file(&self, sha256: &[u8; 32], file: NamedTempFile) -> io::Result<PendingBlob> {
        self.keep(sha256, Upload::File(file))
    }

    /// Announces the content, syncs its file, renames it into place and syncs the folder.
    ///
    /// An existing file with the same bytes is not written again. Its folder is synced all the
    /// same, because another upload may have renamed the file and not yet synced the folder.
    fn keep(&self, sha256: &[u8; 32], upload: Upload<'_>) -> io::Result<PendingBlob> {
        let inner = &self.inner;
        let target = inner.path(sha256);
        let intent = announce(&inner.incoming, &hex::encode(sha256))?;
        let blob = PendingBlob { blobs: Arc::clone(inner), hold: inner.holds.take(sha256), intent };
        let folder = inner.code.make(sha256[0])?;
        if !upload.is_at(&target) {
            let file = upload.into_file(&inner.incoming)?;
            file.as_file().sync_all()?;
            // The rename is outside the lock of the holds, which all other uploads need.
            blob.hold.remove_if(|| !target.exists());
            if let Err(failure) = file.persist(&target) {
                // The subfolder may have been removed while this process ran.
                inner.code.make_again(sha256[0])?;
                failure.file.persist(&target).map_err(|failure| failure.error)?;
            }
        }
        sync_folder(&folder)?;
        Ok(blob)
    }

    /// Returns the files in one of the 256 subfolders of which `has_row` says that no row knows
    /// them, with the number of their bytes.
    pub(super) fn unknown_files(
        &self,
        subfolder: u8,
        has_row: impl Fn(&[u8; 32]) -> bool,
    ) -> io::Result<Vec<(PathBuf, u64)>> {
        let entries = match fs::read_dir(self.inner.code.subfolder(subfolder)) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut unknown = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A content is held until its row is committed: the row is looked for after the hold.
            let is_known = content_of(&entry.file_name())
                .is_some_and(|sha256| self.inner.holds.has(&sha256) || has_row(&sha256));
            if is_known {
                continue;
            }
            match entry.metadata() {
                Ok(file) => unknown.push((entry.path(), file.len())),
                // A refused upload removed it.
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(unknown)
    }

    /// Empties the incoming folder and removes announced contents without a row.
    ///
    /// Must run at start, before any upload. `has_row` returns whether a content's row exists.
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
        self.code.path(sha256[0], &format!("{}{ENDING}", hex::encode(sha256)))
    }
}

impl PendingBlob {
    /// Marks the content as one that a committed row refers to.
    pub(super) fn committed(self) {
        self.hold.keep();
    }

    /// Leaves the file and its intent in place, because it is unknown whether a row refers to the
    /// content. The next start's sweep decides by the row.
    pub(super) fn leave(mut self) {
        self.intent.disable_cleanup(true);
        self.hold.keep();
    }
}

impl Drop for PendingBlob {
    fn drop(&mut self) {
        self.hold.end(|| remove_if_there(&self.blobs.path(self.hold.sha256())));
    }
}

/// A content that is about to be stored.
enum Upload<'b> {
    Bytes(&'b [u8]),
    File(NamedTempFile),
}

impl Upload<'_> {
    /// Whether a file with these bytes is at `target`. Logs an error if a damaged one is.
    fn is_at(&self, target: &Path) -> bool {
        let compared = match self {
            Self::Bytes(bytes) => has_bytes(target, *bytes, bytes.len() as u64),
            Self::File(file) => file
                .reopen()
                .and_then(|file| file.metadata().map(|about| (file, about.len())))
                .and_then(|(file, size)| has_bytes(target, file, size)),
        };
        let problem = match compared {
            Ok(true) => return true,
            Ok(false) => "its bytes are others".to_owned(),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return false,
            Err(failure) => failure.to_string(),
        };
        tracing::error!(
            path = %target.display(),
            problem,
            "a code file is damaged; the same content is published again and replaces it"
        );
        false
    }

    /// Returns the file to be renamed into the code folder.
    fn into_file(self, incoming: &Path) -> io::Result<NamedTempFile> {
        match self {
            Self::Bytes(bytes) => {
                let mut file = NamedTempFile::new_in(incoming)?;
                file.write_all(bytes)?;
                Ok(file)
            }
            Self::File(file) => Ok(file),
        }
    }
}

/// Returns the SHA-256 of the content that an intent announces.
fn announced(path: &Path) -> Option<[u8; 32]> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with(INTENT) { sha256_of(name.get(..64)?) } else { None }
}

/// Returns the SHA-256 of the content that a file of the code folder should have, by its name.
fn content_of(name: &OsStr) -> Option<[u8; 32]> {
    sha256_of(name.to_str()?.strip_suffix(ENDING)?)
}

fn sha256_of(hexadecimal: &str) -> Option<[u8; 32]> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(hexadecimal, &mut sha256).ok()?;
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
    fn a_committed_content_stays_and_an_uncommitted_one_is_removed() {
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
    fn a_damaged_file_is_replaced_by_the_same_content() {
        let (_folder, blobs) = blobs();
        blobs.keep_bytes(&SHA256, b"code").unwrap().committed();
        for damaged in [b"".as_slice(), b"cod", b"c0de", b"code and more"] {
            for from_file in [false, true] {
                fs::write(blobs.path(&SHA256), damaged).unwrap();
                let kept = if from_file {
                    let mut file = NamedTempFile::new_in(blobs.incoming()).unwrap();
                    file.write_all(b"code").unwrap();
                    blobs.keep_file(&SHA256, file).unwrap()
                } else {
                    blobs.keep_bytes(&SHA256, b"code").unwrap()
                };
                assert_eq!(fs::read(blobs.path(&SHA256)).unwrap(), b"code");
                // The version is refused; the content has a row from before.
                drop(kept);
                assert_eq!(fs::read(blobs.path(&SHA256)).unwrap(), b"code");
            }
        }
        assert_eq!(incoming_count(&blobs), 0);
    }

    #[cfg(unix)]
    #[test]
    fn an_undamaged_file_is_not_written_again() {
        use std::os::unix::fs::MetadataExt;
        let (_folder, blobs) = blobs();
        let long = vec![7; 200_000];
        let inode = || blobs.path(&SHA256).metadata().unwrap().ino();
        blobs.keep_bytes(&SHA256, &long).unwrap().committed();
        let before = inode();
        blobs.keep_bytes(&SHA256, &long).unwrap().committed();
        let mut file = NamedTempFile::new_in(blobs.incoming()).unwrap();
        file.write_all(&long).unwrap();
        blobs.keep_file(&SHA256, file).unwrap().committed();
        assert_eq!(inode(), before);
        assert_eq!(incoming_count(&blobs), 0);
    }

    #[test]
    fn the_file_stays_until_its_last_holder_decides() {
        let (_folder, blobs) = blobs();
        let first = blobs.keep_bytes(&SHA256, b"code").unwrap();
        let second = blobs.keep_bytes(&SHA256, b"code").unwrap();
        drop(first);
        assert!(blobs.path(&SHA256).exists(), "the second one still needs it");
        second.committed();
        assert!(blobs.path(&SHA256).exists());
    }

    #[test]
    fn a_refused_upload_leaves_the_file_of_a_concurrent_one() {
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
            assert_eq!(blobs.inner.holds.len(), 0);
            drop(blobs.keep_bytes(&sha256, b"code").unwrap());
            assert!(blobs.path(&sha256).exists(), "it has a row");
        }
        assert_eq!(incoming_count(&blobs), 0);
    }

    #[test]
    fn two_concurrent_refused_uploads_leave_nothing() {
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
    fn the_sweep_removes_files_of_a_killed_process() {
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

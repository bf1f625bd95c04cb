//! The folder of unfinished uploads, and how much of its disk they must leave free.
//!
//! Must not know what is uploaded.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk;

/// Most bytes that uploads leave free by default; on a smaller file system it is a tenth of it.
const MIN_FREE: u64 = 64 << 20;

/// Bytes of a small upload, which stays in memory until it is complete.
const SMALL: u64 = 256 << 10;

/// A folder for unfinished uploads; cheap to clone.
#[derive(Clone, Debug)]
pub struct UploadFolder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// `None`: [`MIN_FREE`], or a tenth of the file system.
    min_free: Option<u64>,
    /// Whether even small uploads are refused.
    is_refusing: AtomicBool,
}

/// An upload that would leave too little space free.
#[derive(Debug)]
struct TooFull {
    free: u64,
    min_free: u64,
}

impl UploadFolder {
    /// Returns the folder at `path`, on whose disk uploads leave `min_free` bytes free. `None` is
    /// the default: 64 MiB, or a tenth of the file system where that is less.
    pub fn new(path: &Path, min_free: Option<u64>) -> Self {
        let (path, is_refusing) = (path.to_owned(), AtomicBool::new(false));
        Self { inner: Arc::new(Inner { path, min_free, is_refusing }) }
    }

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Checks that `bytes` more can be written and leave enough space free; costs one system call.
    ///
    /// Fails with `StorageFull` and the numbers otherwise. Once there is no room for a small
    /// upload, half as much again must be free, so that a full disk does not take every other
    /// upload. Where the system does not tell the free space, nothing is refused before the disk is
    /// full.
    pub fn must_have(&self, bytes: u64) -> io::Result<()> {
        let Some(space) = disk::space(self.path())? else { return Ok(()) };
        let min_free = self.inner.min_free.unwrap_or_else(|| MIN_FREE.min(space.total / 10));
        let was_refusing = self.inner.is_refusing.load(Ordering::Relaxed);
        let min_free = min_free.saturating_add(if was_refusing { min_free / 2 } else { 0 });
        // A large upload that is refused says nothing about small ones.
        let is_refusing = space.free < min_free.saturating_add(SMALL);
        if is_refusing != was_refusing {
            self.inner.is_refusing.store(is_refusing, Ordering::Relaxed);
            if is_refusing {
                tracing::warn!(
                    free = space.free,
                    min_free,
                    "uploads are refused for lack of space"
                );
            } else {
                tracing::info!(free = space.free, "there is space for uploads again");
            }
        }
        if space.free >= min_free.saturating_add(bytes) {
            return Ok(());
        }
        let full = TooFull { free: space.free, min_free };
        Err(io::Error::new(io::ErrorKind::StorageFull, full))
    }
}

impl fmt::Display for TooFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { free, min_free } = self;
        write!(formatter, "{free} bytes are free, of which uploads leave {min_free} (--min-free)")
    }
}

impl std::error::Error for TooFull {}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_refused_that_would_leave_too_little_free() {
        let folder = tempfile::tempdir().unwrap();
        let total = disk::space(folder.path()).unwrap().unwrap().total;
        let must_have =
            |min_free, bytes| UploadFolder::new(folder.path(), min_free).must_have(bytes);
        must_have(Some(0), 1).unwrap();
        let free = disk::space(folder.path()).unwrap().unwrap().free;
        let room = UploadFolder::new(folder.path(), Some(free / 10 * 7));
        room.must_have(1).unwrap();
        assert!(room.must_have(free / 2).is_err(), "it would leave half");
        room.must_have(1).unwrap();
        room.inner.is_refusing.store(true, Ordering::Relaxed);
        assert!(room.must_have(1).is_err(), "half as much again must be free");
        let room = UploadFolder::new(folder.path(), Some(free / 2));
        room.inner.is_refusing.store(true, Ordering::Relaxed);
        room.must_have(1).unwrap();
        room.must_have(free / 10 * 4).unwrap();
        for (min_free, bytes) in [(Some(u64::MAX), 0), (Some(total), 1), (Some(0), total + 1)] {
            let refused = must_have(min_free, bytes).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
            assert!(refused.to_string().contains("(--min-free)"), "{refused}");
        }
        assert!(must_have(None, total).is_err(), "the default leaves something free");
        let missing = UploadFolder::new(Path::new("/nowhere/at/all"), None);
        assert!(missing.must_have(1).is_err());
    }
}

//! The lock of a data folder: one process owns the folder while it has the lock.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::OpenError;
use super::files::make_private_file;

/// Number of attempts to take the folder's lock, and the pause between two: two seconds in all. A
/// command that creates or migrates the catalog holds the lock for less.
pub(super) const LOCK_ATTEMPTS: u32 = 100;
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock, or returns `None` if it is not needed; tries again while another process holds
/// it.
pub(super) fn wait_for_lock(
    folder: &Path,
    mut is_unneeded: impl FnMut() -> Result<bool, OpenError>,
) -> Result<Option<File>, OpenError> {
    for _ in 1..LOCK_ATTEMPTS {
        if is_unneeded()? {
            return Ok(None);
        }
        match take_lock(folder) {
            Err(OpenError::Locked(_)) => std::thread::sleep(LOCK_PAUSE),
            taken => return taken.map(Some),
        }
    }
    take_lock(folder).map(Some)
}

/// Takes the lock; `None` while another process holds it.
pub(super) fn try_lock(folder: &Path) -> Result<Option<File>, OpenError> {
    match take_lock(folder) {
        Err(OpenError::Locked(_)) => Ok(None),
        taken => taken.map(Some),
    }
}

fn take_lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    // The file is private: another user that opens it could lock it, and no server would start.
    make_private_file(&path).map_err(OpenError::io(&path))?;
    let lock = File::options().write(true).open(&path).map_err(OpenError::io(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

//! What the standard library does not know of a disk: its free space, and how to take some of it.
//!
//! Knows neither rows nor files of the catalog.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The sizes of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free for this process.
    pub free: u64,
    /// Size of the file system.
    pub total: u64,
}

/// Returns the space of the file system that has `path`; `None` where the system does not tell.
#[cfg(unix)]
pub fn space(path: &Path) -> io::Result<Option<Space>> {
    let stat = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Some(Space { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) }))
}

/// Returns the space of the file system that has `path`; `None` where the system does not tell.
#[cfg(not(unix))]
pub fn space(_path: &Path) -> io::Result<Option<Space>> {
    Ok(None)
}

/// Makes an empty file take up `size` bytes on the disk.
///
/// Fails with `StorageFull` or `QuotaExceeded` where there is no room; a part may be taken up then.
pub fn allocate(mut file: &File, size: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        outcome => return Ok(outcome?),
    }
    io::copy(&mut io::repeat(0).take(size), &mut file)?;
    Ok(())
}

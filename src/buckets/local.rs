//! Buckets that are local folders.
//!
//! No key may lead out of a bucket's folder. Must not know the settings or any storage.

use std::io;
use std::path::{Path, PathBuf};

use super::{ObjectBody, OpenObject, check_parts, no_bucket, no_object, unavailable};
use crate::domain::{CatalogError, ObjectRef};

/// The location of a bucket's folder.
pub(super) enum Folder {
    /// A folder with the bucket's name in this folder; it may not be a symbolic link.
    Below(PathBuf),
    /// This folder, which may be a symbolic link.
    Configured(PathBuf),
}

impl Folder {
    /// Opens an object, on a blocking thread. See [`super::Buckets::open`].
    pub(super) fn open(&self, object: &ObjectRef) -> Result<OpenObject, CatalogError> {
        let opened = match self {
            Self::Below(all) => system::open_folder(&all.join(object.bucket.as_str()), false),
            Self::Configured(folder) => system::open_folder(folder, true),
        };
        let folder = match (opened, self) {
            (Ok(folder), _) => folder,
            (Err(error), Self::Below(_)) if is_absence(&error) => return Err(no_bucket(object)),
            (Err(error), _) => return Err(broken(object, &error)),
        };
        check_parts(object)?;
        let file = match system::open_beneath(&folder, Path::new(object.key.as_str())) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Err(no_object(object)),
            Err(error) => return Err(broken(object, &error)),
        };
        let about = file.metadata().map_err(|error| broken(object, &error))?;
        // Reading a pipe or device could block or never end.
        if !about.is_file() {
            return Err(no_object(object));
        }
        Ok(OpenObject { size: about.len(), body: ObjectBody::File(file) })
    }
}

/// Whether opening failed because the path has no file that may be opened: it is missing, a part of
/// the path is a link, a parent is not a folder, or no file can have the name.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound};
    let kind = error.kind();
    matches!(kind, NotFound | NotADirectory | IsADirectory | InvalidFilename | InvalidInput)
        || system::is_refusal(error)
}

fn broken(object: &ObjectRef, error: &io::Error) -> CatalogError {
    tracing::warn!(%object, %error, "an object of a bucket cannot be opened");
    unavailable(object, "its folder cannot be read")
}

#[cfg(target_os = "linux")]
mod system {
    //! The kernel resolves a path beneath a folder, even while files are renamed.

    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::{Mode, OFlags, ResolveFlags};
    use rustix::io::Errno;

    /// Opens a folder; a symbolic link is followed only if `may_be_link`.
    pub(super) fn open_folder(path: &Path, may_be_link: bool) -> io::Result<OwnedFd> {
        let mut flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        flags.set(OFlags::NOFOLLOW, !may_be_link);
        Ok(rustix::fs::open(path, flags, Mode::empty())?)
    }

    /// Opens a path beneath a folder without blocking.
    pub(super) fn open_beneath(folder: &OwnedFd, path: &Path) -> io::Result<File> {
        // Without NONBLOCK, opening a pipe that has no writer would block this thread forever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve)?.into())
    }

    /// Whether the path leaves the folder, contains a link, or names a file that cannot be opened,
    /// such as a socket.
    pub(super) fn is_refusal(error: &io::Error) -> bool {
        let refusals = [Errno::XDEV, Errno::LOOP, Errno::NXIO, Errno::NODEV];
        refusals.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! Other systems lack such a call: each part of the path is checked before the file is opened.

    use std::fs::{self, File};
    use std::io;
    use std::path::{Component, Path, PathBuf};

    /// Checks a folder; a symbolic link is accepted only if `may_be_link`.
    pub(super) fn open_folder(path: &Path, may_be_link: bool) -> io::Result<PathBuf> {
        let about = if may_be_link { fs::metadata(path) } else { fs::symlink_metadata(path) };
        if !about?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(path.to_owned())
    }

    /// Opens the regular file at a path beneath a folder.
    pub(super) fn open_beneath(folder: &Path, path: &Path) -> io::Result<File> {
        let mut walked = folder.to_owned();
        for part in path.components() {
            let Component::Normal(name) = part else {
                return Err(io::ErrorKind::NotFound.into());
            };
            walked.push(name);
            let about = fs::symlink_metadata(&walked)?;
            if !about.is_dir() && !about.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        File::open(walked)
    }

    /// Returns false: `ErrorKind` distinguishes all refusals here.
    pub(super) fn is_refusal(_error: &io::Error) -> bool {
        false
    }
}

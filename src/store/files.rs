//! What files and folders of the data folder need: private permissions, durable names, removal.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The folders in a data folder, beside the catalog, the lock and the reserve.
const OUR_FOLDERS: [&str; 5] = ["buckets", "code", "inbox", "incoming", "quarantine"];

/// Bytes of two files that are compared at a time.
const COMPARED: u64 = 64 << 10;

/// Makes renames and new names inside a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; succeeds as well if there is none.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(failure) if failure.kind() != io::ErrorKind::NotFound => Err(failure),
        _ => Ok(()),
    }
}

/// Whether the file at `path` has these `size` bytes. Reads nothing if its length differs.
pub(super) fn has_bytes(path: &Path, mut bytes: impl Read, size: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != size {
        return Ok(false);
    }
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    loop {
        for (reader, piece) in
            [(&mut file as &mut dyn Read, &mut theirs), (&mut bytes as &mut dyn Read, &mut ours)]
        {
            piece.clear();
            reader.take(COMPARED).read_to_end(piece)?;
        }
        if theirs != ours {
            return Ok(false);
        }
        if ours.is_empty() {
            return Ok(true);
        }
    }
}

/// Creates an empty file that only its owner can read, unless it exists.
///
/// SQLite itself would create a file that every user can read. It uses an existing file as it is,
/// and gives the files that it creates beside it the same permissions.
pub(super) fn make_private_file(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(failure) if failure.kind() != io::ErrorKind::AlreadyExists => Err(failure),
        _ => Ok(()),
    }
}

/// Removes other users' permissions from a catalog that an earlier release created, and from its
/// folder if the folder contains nothing else.
///
/// Logs a warning if other users can still enter the folder or read the catalog.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    let (mut only_ours, mut narrowed) = (true, true);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == "lock" || name == "reserve" || name.starts_with("catalog.") {
            narrowed &= narrow(&entry.path()).is_ok();
        } else if !OUR_FOLDERS.contains(&&*name) {
            only_ours = false;
        }
    }
    // A folder with other files is left to its users. Files of another owner cannot be changed.
    narrowed &= !is_open(folder)? || only_ours && narrow(folder).is_ok();
    if !narrowed {
        tracing::warn!(
            folder = %folder.display(),
            "other users of this machine can enter the data folder or read the catalog: take their \
             rights away (mode 0700), or name a folder with --data that is for the catalog alone"
        );
    }
    Ok(())
}

#[cfg(unix)]
pub(super) fn is_open(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Removes the permissions of all users but the owner.
#[cfg(unix)]
fn narrow(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !is_open(path)? {
        return Ok(());
    }
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_mode(permissions.mode() & !0o077);
    fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
pub(super) fn is_open(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(unix))]
fn narrow(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates a folder that only its owner can enter, unless it exists.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

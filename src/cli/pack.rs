//! Turns a PATH into the zip to send: a zip is sent unchanged, a folder is packed reproducibly.
//!
//! Equal folders give equal bytes, whatever their times, umask, path or order of enumeration:
//! entries are in the order of their path's bytes, with the date 1980-01-01, mode 0644 or 0755 and
//! one compression level. Must not know the server, which decides what an archive may contain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use ignore::WalkBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::failure::Failure;

/// The file of a folder that lists, in gitignore's syntax, what is left out below it.
pub(super) const IGNORE_FILE: &str = ".layerbaseignore";

/// The compression level. It must not change within a release, since the checksum depends on it.
const LEVEL: i64 = 6;

/// A zip, positioned at its start.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) file: File,
    pub(super) size: u64,
}

/// Opens a zip, or packs a folder into an unnamed temporary file.
pub(super) fn open(path: &Path) -> Result<Package, Failure> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::usage(format!("{}: no such file or folder", path.display()))
        }
        _ => Failure::file(path.display(), &error),
    })?;
    let mut file = if metadata.is_dir() { pack(path)? } else { zip(path)? };
    let size = file
        .rewind()
        .and_then(|()| file.metadata())
        .map_err(|error| Failure::file(path.display(), &error))?
        .len();
    Ok(Package { file, size })
}

fn zip(path: &Path) -> Result<File, Failure> {
    let failed = |error| Failure::file(path.display(), &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut start = Vec::new();
    io::Read::by_ref(&mut file).take(2).read_to_end(&mut start).map_err(failed)?;
    if start == b"PK" {
        Ok(file)
    } else {
        Err(Failure::usage(format!("{}: is not a zip archive", path.display()))
            .hint("name a .zip file, or a folder to pack"))
    }
}

/// The entry of the archive for one path of the folder.
enum Entry {
    File { executable: bool },
    Link { target: String },
    Folder,
}

fn pack(folder: &Path) -> Result<File, Failure> {
    let root = folder.canonicalize().map_err(|error| Failure::file(folder.display(), &error))?;
    let entries = collect(&root)?;
    if entries.is_empty() {
        return Err(Failure::usage(format!("{}: has nothing to pack", folder.display())));
    }
    let file = tempfile::tempfile().map_err(|error| Failure::file("temporary file", &error))?;
    let mut writer = ZipWriter::new(io::BufWriter::new(file)).set_auto_large_file();
    for (name, entry) in &entries {
        add(&mut writer, &root, name, entry)
            .map_err(|error| Failure::file(root.join(name).display(), &error))?;
    }
    let failed = |error: &io::Error| Failure::file("temporary file", error);
    let buffered = writer.finish().map_err(|error| failed(&error.into()))?;
    buffered.into_inner().map_err(|error| failed(error.error()))
}

fn add<W: Write + Seek>(
    writer: &mut ZipWriter<W>,
    root: &Path,
    name: &str,
    entry: &Entry,
) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .system(System::Unix)
        .last_modified_time(DateTime::default())
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL));
    match entry {
        Entry::Folder => writer.add_directory(name, options.unix_permissions(0o755))?,
        Entry::Link { target } => {
            writer.add_symlink(name, target, options.unix_permissions(0o777))?;
        }
        Entry::File { executable } => {
            let mode = if *executable { 0o755 } else { 0o644 };
            writer.start_file(name, options.unix_permissions(mode))?;
            io::copy(&mut File::open(root.join(name))?, writer)?;
        }
    }
    Ok(())
}

/// Lists the entries to pack, by their path with forward slashes.
fn collect(root: &Path) -> Result<BTreeMap<String, Entry>, Failure> {
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .build();
    let mut entries = BTreeMap::new();
    for found in walk {
        let found = found.map_err(|error| Failure::failed(error.to_string()))?;
        if let Some(error) = found.error() {
            // Ignoring an invalid pattern would pack the files that it meant to leave out.
            return Err(Failure::usage(error.to_string()));
        }
        let path = found.path();
        if found.depth() == 0 || found.file_name() == IGNORE_FILE {
            continue;
        }
        let metadata =
            fs::symlink_metadata(path).map_err(|error| Failure::file(path.display(), &error))?;
        let name = portable(path.strip_prefix(root).unwrap_or(path))
            .ok_or_else(|| refused(path, "its name is not UTF-8 or has a backslash"))?;
        entries.insert(name, entry(root, path, &metadata)?);
    }
    // Only empty folders need an entry; unpacking creates the others for their files.
    let filled: BTreeSet<String> = entries
        .keys()
        .filter_map(|name| name.rsplit_once('/').map(|(folder, _)| folder.to_owned()))
        .collect();
    entries.retain(|name, entry| !matches!(entry, Entry::Folder) || !filled.contains(name));
    Ok(entries)
}

fn entry(root: &Path, path: &Path, metadata: &Metadata) -> Result<Entry, Failure> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Ok(Entry::Folder)
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(|error| Failure::file(path.display(), &error))?;
        if leaves(root, path, &target) {
            return Err(refused(
                path,
                &format!("its target {} is outside the folder", target.display()),
            )
            .hint("copy the target into the folder, or leave the link out with .layerbaseignore"));
        }
        let target = portable(&target).ok_or_else(|| refused(path, "its target is not UTF-8"))?;
        Ok(Entry::Link { target })
    } else if kind.is_file() {
        Ok(Entry::File { executable: executable(metadata) })
    } else {
        Err(refused(path, "it is neither a file nor a folder nor a symbolic link"))
    }
}

/// Returns whether a link's target is outside the tree, by its text or when followed on this disk.
///
/// By its text, because the archive is unpacked elsewhere. On the disk too, because `folder/..`
/// is not the parent by text when `folder` is a link.
fn leaves(root: &Path, link: &Path, target: &Path) -> bool {
    let mut depth: usize = link
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok())
        .map_or(0, |folder| folder.components().count());
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    link.canonicalize().is_ok_and(|followed| !followed.starts_with(root))
}

/// Formats a path with forward slashes; `None` if it is not UTF-8 or has a backslash.
fn portable(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|component| component.as_os_str().to_str().filter(|part| !part.contains('\\')))
        .collect();
    parts.map(|parts| parts.join("/"))
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::refused(format!("{} cannot be packed: {why}", path.display()))
}

#[cfg(unix)]
fn executable(metadata: &Metadata) -> bool {
    // Only the owner's bit: the other bits depend on the umask.
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> bool {
    false
}

/// Returns the default name of a downloaded file.
pub(super) fn file_name(name: &str, version: &str) -> PathBuf {
    let safe = |c: char| if "\\:*?\"<>|".contains(c) { '_' } else { c };
    PathBuf::from(format!("{name}-{version}.zip").chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests;

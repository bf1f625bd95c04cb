//! A PATH turned into the zip that is sent: a zip as it is, a folder packed byte-stable.
//!
//! Equal folders give equal bytes, whatever their times, umask, place or order of enumeration:
//! entries stand in the order of their path's bytes, carry 1980-01-01, 0644 or 0755 and one
//! compression level. Knows nothing of the server; what an archive may hold is decided there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use ignore::WalkBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::failure::Failure;

/// The file of a folder that says, in gitignore's syntax, what is left out below it.
pub(super) const IGNORE_FILE: &str = ".layerbaseignore";

/// Fixed for ever within one release, since it decides the bytes and so the checksum.
const LEVEL: i64 = 6;

/// A zip, ready to be read from its start.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) file: File,
    pub(super) size: u64,
}

/// Opens what PATH names; a folder is packed into a nameless temporary file first.
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
            .hint("name a .zip file, or a folder to have it packed"))
    }
}

/// What one path of the folder becomes in the archive.
enum Entry {
    File { executable: bool },
    Link { target: String },
    Folder,
}

fn pack(folder: &Path) -> Result<File, Failure> {
    let root = folder.canonicalize().map_err(|error| Failure::file(folder.display(), &error))?;
    let entries = collect(&root)?;
    if entries.is_empty() {
        return Err(Failure::usage(format!("{}: holds nothing to pack", folder.display())));
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

/// Lists what is packed, by its path with forward slashes.
fn collect(root: &Path) -> Result<BTreeMap<String, Entry>, Failure> {
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .build();
    let mut entries = BTreeMap::new();
    for found in walk {
        let found = found.map_err(|error| Failure::failed(error.to_string()))?;
        if let Some(error) = found.error() {
            // A pattern that is not understood would silently pack what it meant to leave out.
            return Err(Failure::usage(error.to_string()));
        }
        let path = found.path();
        if found.depth() == 0 || found.file_name() == IGNORE_FILE {
            continue;
        }
        let metadata =
            fs::symlink_metadata(path).map_err(|error| Failure::file(path.display(), &error))?;
        let name = portable(path.strip_prefix(root).unwrap_or(path))
            .ok_or_else(|| refused(path, "its name is not UTF-8 or holds a backslash"))?;
        entries.insert(name, entry(root, path, &metadata)?);
    }
    // A folder with something in it is made by its contents; only empty ones need an entry.
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
            return Err(refused(path, &format!("its target {} is outside", target.display()))
                .hint(
                    "copy the target into the folder, or leave the link out with .layerbaseignore",
                ));
        }
        let target = portable(&target).ok_or_else(|| refused(path, "its target is not UTF-8"))?;
        Ok(Entry::Link { target })
    } else if kind.is_file() {
        Ok(Entry::File { executable: executable(metadata) })
    } else {
        Err(refused(path, "it is neither a file nor a folder nor a symbolic link"))
    }
}

/// Tells whether a link's target leaves the tree, read as text or followed on this disk.
///
/// As text, because the archive is unpacked elsewhere; on the disk too, because a link to a
/// folder makes `folder/..` mean something else than the text says.
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

/// Writes a path with forward slashes; `None` if it is not the same text on every system.
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
    // The owner's bit alone: the others' depend on the umask.
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> bool {
    false
}

/// Names the file that a pull writes when none is given.
pub(super) fn file_name(name: &str, version: &str) -> PathBuf {
    let safe = |c: char| if "\\:*?\"<>|".contains(c) { '_' } else { c };
    PathBuf::from(format!("{name}-{version}.zip").chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests;

//! Checks an archive: its directory, its local headers and, once each, its contents.
//!
//! Must not know where the archive is stored or what it is used for. The rules are design.md
//! section 3: what the usual unpackers all unpack alike and inside their folder is kept, what two
//! of them could interpret differently is refused. Nothing is ever unpacked to disk.

mod central;
mod content;
mod end;
mod gaps;
mod local;
mod paths;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod window;

use std::hash::RandomState;
use std::io::{Read, Seek};
use std::sync::{Mutex, PoisonError};

use crate::domain::{ArchiveProblem, ArtifactLimits, CatalogError, Limit};
use central::{Central, ENCRYPTED, Entries, PATCH, UTF8};
use content::{Contents, DEFLATED, STORED};
use end::Directory;
use gaps::Span;
use paths::{Kind, Meaning, Name, Paths};
use window::Window;

/// Most bytes of a symbolic link's target; the longest path that Linux accepts.
const TARGET_MAX: u64 = 4096;

/// Most bytes of all names of an archive: each is hashed once for each of its folders.
const NAMES_MAX: u64 = 32 << 20;

/// The newest version of the format that unpackers accept, in tenths.
const VERSION_MAX: u8 = 63;

/// Archives with more entries than this take turns, so that their memory is that of one.
const MANY: u64 = 30_000;
static MANY_ENTRIES: Mutex<()> = Mutex::new(());

/// Totals of an archive's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Number of entries, including folders.
    pub entries: u64,
    /// Sum of the declared unpacked sizes in bytes.
    pub unpacked: u64,
}

/// Reads an archive and checks every entry; for a blocking thread.
///
/// Bytes may precede the archive: executable jars have such a prefix. Contents are read after
/// everything else, unless the limits leave that out.
///
/// Fails with `LimitExceeded` for the number of entries or the unpacked size, with `BadArchive` for
/// every other rule, with `Internal` when reading fails.
pub fn inspect<R: Read + Seek>(
    mut reader: R,
    limits: &ArtifactLimits,
) -> Result<Inspection, CatalogError> {
    let found = end::find(&mut reader)?;
    let directory = central::count(&mut reader, found)?;
    // Checked before memory is allocated per entry: the client can declare any number for free.
    at_most(Limit::Entries, limits.entries, directory.entries)?;
    let turn = (directory.entries > MANY)
        .then(|| MANY_ENTRIES.lock().unwrap_or_else(PoisonError::into_inner));
    let unpacked = check_directory(&mut reader, &directory, limits)?;
    check_places(&mut reader, &directory)?;
    drop(turn);
    check_contents(&mut reader, &directory, limits.check_content)?;
    Ok(Inspection { entries: directory.entries, unpacked })
}

/// Checks each entry's names, kind and method, the names together, and the sum of the sizes.
fn check_directory<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
    limits: &ArtifactLimits,
) -> Result<u64, CatalogError> {
    let mut paths = Paths::new(RandomState::new(), directory.capacity());
    let (mut unpacked, mut names) = (0_u64, 0_u64);
    let mut entries = Entries::new(directory);
    while let Some(entry) = entries.next(reader)? {
        let readings = names_of(&entry)?;
        for name in readings.iter() {
            name.check().map_err(|reason| unsafe_path(&entry, reason))?;
            if name.depth() > limits.depth {
                return Err(unsafe_path(&entry, "lies in too many folders"));
            }
            if !limits.tilde && name.has_tilde() {
                return Err(unsafe_path(&entry, "contains '~/'"));
            }
        }
        names += (entry.name.len() + entry.unicode.map_or(0, <[u8]>::len)) as u64;
        if names > NAMES_MAX {
            return Err(not_zip("the names of its entries are longer than 32 MiB"));
        }
        let kind = check_kind(&entry, &readings)?;
        check_method(&entry)?;
        if gaps::has_header(entry.comment) {
            return Err(about(entry.shown(), "has another entry in its comment"));
        }
        let meaning = Meaning { kind, size: entry.size, crc: entry.crc };
        match &readings.unicode {
            None => paths.add(&readings.name, meaning, entry.number),
            Some(unicode) => {
                paths.add(unicode, meaning, entry.number);
                paths.add_alias(&readings.name, kind, entry.number);
            }
        }
        unpacked = unpacked.saturating_add(entry.size);
        at_most(Limit::UnpackedSize, limits.unpacked, unpacked)?;
    }
    if let Err(positions) = paths.seal() {
        return Err(same_path(reader, directory, positions)?);
    }
    let mut entries = Entries::new(directory);
    while let Some(entry) = entries.next(reader)? {
        if names_of(&entry)?.iter().any(|name| paths.is_beneath_leaf(name)) {
            return Err(unsafe_path(&entry, "lies beneath an entry that is not a folder"));
        }
    }
    Ok(unpacked)
}

/// The names that readers give an entry.
struct Names<'a> {
    name: Name<'a>,
    unicode: Option<Name<'a>>,
}

impl<'a> Names<'a> {
    fn iter(&self) -> impl Iterator<Item = &Name<'a>> {
        [&self.name].into_iter().chain(&self.unicode)
    }
}

fn names_of<'a>(entry: &Central<'a>) -> Result<Names<'a>, CatalogError> {
    let name = Name::new(entry.name, entry.flags & UTF8 != 0).ok_or_else(|| not_utf8(entry))?;
    let unicode = entry.unicode.map(|unicode| Name::new(unicode, true).ok_or(()));
    Ok(Names { name, unicode: unicode.transpose().map_err(|()| not_utf8(entry))? })
}

/// Returns what an entry unpacks to; refuses what is neither a file, a folder nor a link.
fn check_kind(entry: &Central<'_>, names: &Names<'_>) -> Result<Kind, CatalogError> {
    let name = &names.name;
    if names.unicode.is_some_and(|unicode| unicode.is_folder() != name.is_folder()) {
        return Err(about(entry.shown(), "is a folder by only one of its names"));
    }
    // A folder whose name ends with a backslash is an empty file for other readers.
    let is_folder = name.is_folder() && (entry.name.ends_with(b"/") || entry.size == 0);
    let kind = match entry.mode() >> 12 {
        0 | 4 | 8 => {
            if is_folder {
                Kind::Folder
            } else {
                Kind::File
            }
        }
        0xA => Kind::Link,
        1 => return Err(about(entry.shown(), "is a pipe")),
        2 | 6 => return Err(about(entry.shown(), "is a device file")),
        0xC => return Err(about(entry.shown(), "is a socket")),
        _ => return Err(about(entry.shown(), "is of an unknown kind")),
    };
    // The same bits of a folder only say who owns the files made in it.
    if kind == Kind::File && entry.mode() & 0o6000 != 0 {
        return Err(about(entry.shown(), "would run as its owner or group (setuid or setgid)"));
    }
    // Some readers would create a folder and drop the content.
    if kind == Kind::File && entry.size > 0 && (name.is_folder() || entry.has_folder_attributes()) {
        return Err(about(entry.shown(), "has a content and is a folder for some readers"));
    }
    if kind != Kind::Folder && names.iter().any(|name| name.depth() == 0) {
        return Err(unsafe_path(entry, "has no name"));
    }
    if kind == Kind::Link && entry.size > TARGET_MAX {
        return Err(about(entry.shown(), "is a link with a target longer than 4096 bytes"));
    }
    Ok(kind)
}

/// Refuses what not every unpacker can read.
fn check_method(entry: &Central<'_>) -> Result<(), CatalogError> {
    let path = || entry.shown();
    if entry.flags & ENCRYPTED != 0 {
        return Err(ArchiveProblem::Encrypted(path()).into());
    }
    if !matches!(entry.method, STORED | DEFLATED) {
        return Err(ArchiveProblem::UnknownMethod { path: path(), method: entry.method }.into());
    }
    if entry.flags & PATCH != 0 {
        return Err(about(path(), "is a patch for another file"));
    }
    if entry.needs > VERSION_MAX {
        return Err(about(path(), "needs a newer version of the format than 6.3"));
    }
    if entry.method == STORED && entry.size != entry.packed {
        return Err(about(path(), "lies about its size"));
    }
    Ok(())
}

/// Checks the local headers and descriptors, and the bytes that belong to no entry.
fn check_places<R: Read + Seek>(reader: &mut R, directory: &Directory) -> Result<(), CatalogError> {
    let mut window = Window::new(directory.file_len);
    let mut spans = Vec::with_capacity(directory.capacity());
    let mut entries = Entries::new(directory);
    while let Some(entry) = entries.next(reader)? {
        let place = local::read(reader, &mut window, &entry, directory)?;
        spans.push(Span { start: place.start, end: place.end, number: entry.number });
    }
    gaps::check(reader, &mut window, spans, directory)
}

/// Reads the contents of all entries, or of the links alone, and the links' targets.
fn check_contents<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
    all: bool,
) -> Result<(), CatalogError> {
    let mut window = Window::new(directory.file_len);
    let mut contents = Contents::new();
    let mut entries = Entries::new(directory);
    let mut target = Vec::new();
    while let Some(entry) = entries.next(reader)? {
        if !all && !entry.is_link() {
            continue;
        }
        let place = local::read(reader, &mut window, &entry, directory)?;
        if !entry.is_link() {
            // Some tools deflate a folder to no bytes; no reader looks for its content.
            if entry.name.ends_with(b"/") && (entry.packed, entry.size, entry.crc) == (0, 0, 0) {
                continue;
            }
            contents.read(reader, &mut window, &entry, &place, |_| {})?;
            continue;
        }
        target.clear();
        let mut keep = |piece: &[u8]| target.extend_from_slice(piece);
        contents.read(reader, &mut window, &entry, &place, &mut keep)?;
        paths::check_target(&target).map_err(|reason| about(entry.shown(), reason))?;
    }
    Ok(())
}

/// Makes the refusal of two entries with one path, named by the second.
fn same_path<R: Read + Seek>(
    reader: &mut R,
    directory: &Directory,
    (first, second): (u64, u64),
) -> Result<CatalogError, CatalogError> {
    let mut entries = Entries::new(directory);
    let mut path = String::new();
    while let Some(entry) = entries.next(reader)? {
        if entry.number == second {
            path = entry.shown();
            break;
        }
    }
    Ok(ArchiveProblem::DuplicatePath { path, first, second }.into())
}

fn at_most(what: Limit, limit: u64, actual: u64) -> Result<(), CatalogError> {
    if actual > limit {
        return Err(CatalogError::LimitExceeded { what, limit, actual });
    }
    Ok(())
}

fn unsafe_path(entry: &Central<'_>, reason: &'static str) -> CatalogError {
    ArchiveProblem::UnsafePath { path: entry.shown(), reason }.into()
}

fn not_utf8(entry: &Central<'_>) -> CatalogError {
    unsafe_path(entry, "is marked as UTF-8 and is not")
}

fn not_zip(reason: impl Into<String>) -> CatalogError {
    ArchiveProblem::NotZip(reason.into()).into()
}

fn about(path: String, reason: &'static str) -> CatalogError {
    ArchiveProblem::BadEntry { path, reason }.into()
}

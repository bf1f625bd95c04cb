//! Checks an archive: its directory is read and validated, its files are never unpacked.
//!
//! Must not know where the archive is stored or what it is used for. The rules are design.md
//! section 3. An archive that two readers could interpret differently is refused.

mod end;
mod paths;
#[cfg(test)]
mod tests;

use std::hash::RandomState;
use std::io::{Read, Seek, SeekFrom};

use zip::read::{ArchiveOffset, Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use crate::domain::{ArchiveProblem, ArtifactLimits, CatalogError, Limit};
use end::Directory;
use paths::{Known, Paths};

/// Most bytes of a symbolic link's target that are read; the longest path that Linux accepts.
const TARGET_MAX: u64 = 4096;

/// Flag bits of an entry: encrypted, strongly encrypted, header masked.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// Length of the fixed part of a local header, which precedes each entry's data.
const LOCAL_HEADER: u64 = 30;

/// Totals of an archive's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Number of entries, including folders.
    pub entries: u64,
    /// Sum of the declared unpacked sizes in bytes.
    pub unpacked: u64,
}

/// Reads an archive's directory and checks every entry.
///
/// An archive may have no entries, and bytes may precede it (executable jars have such a prefix).
/// Fails with `LimitExceeded` for the number of entries or the unpacked size, with `BadArchive` for
/// every other rule, with `Internal` when reading fails.
pub fn inspect<R: Read + Seek>(
    mut reader: R,
    limits: &ArtifactLimits,
) -> Result<Inspection, CatalogError> {
    let directory = end::find(&mut reader)?;
    // Checked before memory is allocated per entry: the client can declare any number for free.
    at_most(Limit::Entries, limits.entries, directory.entries)?;
    let config = Config { archive_offset: ArchiveOffset::Known(directory.prefix) };
    let mut zip = ZipIterable::try_new(reader, config).map_err(unreadable)?;
    if zip.len() as u64 != directory.entries {
        return Err(not_zip("it has two end records"));
    }
    let mut paths = Paths::new(RandomState::new(), directory.capacity());
    let unpacked = check_directory(&mut zip, &directory, &mut paths, limits)?;
    // Local headers that differ from the directory hide files from readers that use only one.
    check_entries(&mut zip.enforce_header_consistency(true), &directory, &paths)?;
    Ok(Inspection { entries: directory.entries, unpacked })
}

/// First pass, over the directory only: checks names, kinds and the sum of the sizes.
fn check_directory<R: Read + Seek>(
    zip: &mut ZipIterable<R>,
    directory: &Directory,
    paths: &mut Paths,
    limits: &ArtifactLimits,
) -> Result<u64, CatalogError> {
    let files = zip.files().map_err(unreadable)?;
    let mut unpacked = 0_u64;
    for number in 0..directory.entries {
        let Some(entry) = files.next() else { break };
        let entry = entry.map_err(unreadable)?;
        if number == 0 && entry.central_header_start() != directory.start {
            return Err(not_zip("it has two directories"));
        }
        let name = entry.name().map_err(unreadable)?;
        // Checked before the second pass seeks there, where it would look like a disk error.
        if entry.header_start() >= directory.start {
            return Err(not_zip(format!("entry {name:?} begins behind the directory")));
        }
        let control = entry.name_raw().iter().any(u8::is_ascii_control);
        paths::check(&name, control).map_err(|reason| unsafe_path(&name, reason))?;
        if paths::depth(&name) > limits.depth {
            return Err(unsafe_path(&name, "lies in too many folders"));
        }
        if entry.flags().as_u16() & ENCRYPTED != 0 {
            return Err(ArchiveProblem::Encrypted(name.into_owned()).into());
        }
        if entry.compression() == CompressionMethod::Stored
            && entry.size() != entry.compressed_size()
        {
            return Err(not_zip(format!("entry {name:?} lies about its size")));
        }
        let kind = if entry.is_dir() && !is_link(&entry) { Known::Folder } else { Known::Leaf };
        if !paths.insert(&name, kind) {
            return Err(ArchiveProblem::DuplicatePath(name.into_owned()).into());
        }
        unpacked = unpacked.saturating_add(entry.size());
        at_most(Limit::UnpackedSize, limits.unpacked, unpacked)?;
    }
    // The library counts entries, other readers use the length: both must end at the same byte.
    if directory.entries > 0 && files.reader_mut().stream_position()? != directory.end {
        return Err(not_zip("its directory holds more than its end record says"));
    }
    Ok(unpacked)
}

/// Second pass, over the entries: checks their byte ranges, local headers and symbolic links.
fn check_entries<R: Read + Seek>(
    zip: &mut ZipIterable<R>,
    directory: &Directory,
    paths: &Paths,
) -> Result<(), CatalogError> {
    let files = zip.files().map_err(unreadable)?;
    let mut ranges = Vec::with_capacity(directory.capacity());
    while let Some(entry) = files.next() {
        let entry = entry.map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?.into_owned();
        if paths.is_beneath_leaf(&name) {
            return Err(unsafe_path(&name, "lies beneath an entry that is not a folder"));
        }
        let start = entry.header_start();
        let data = data_start(files.reader_mut(), start)?;
        ranges.push((start, data.saturating_add(entry.compressed_size())));
        if is_link(&entry) {
            check_link(files.reader_mut(), entry, &name)?;
        }
    }
    // Overlapping entries let a small archive unpack to a huge one.
    ranges.sort_unstable();
    let overlap = ranges.windows(2).any(|pair| pair[0].1 > pair[1].0);
    if overlap || ranges.last().is_some_and(|(_, end)| *end > directory.start) {
        return Err(not_zip("its entries overlap"));
    }
    Ok(())
}

/// Checks a symbolic link's target, which is its content; reads at most [`TARGET_MAX`] bytes.
fn check_link<R: Read + Seek>(
    reader: &mut R,
    entry: ZipFileEntry<'_>,
    name: &str,
) -> Result<(), CatalogError> {
    // The packed size is bounded too, because the library reads over the rest of the packed data.
    if entry.size() > TARGET_MAX || entry.compressed_size() > 2 * TARGET_MAX {
        return Err(unsafe_path(name, "is a link with a target longer than 4096 bytes"));
    }
    let mut target = Vec::new();
    let file = entry.with_reader(reader, ZipReadOptions::new()).map_err(unreadable)?;
    let read = file.take(TARGET_MAX + 1).read_to_end(&mut target);
    let length = read.map_err(|error| unreadable(ZipError::Io(error)))?;
    if length as u64 > TARGET_MAX {
        return Err(unsafe_path(name, "is a link with a target longer than 4096 bytes"));
    }
    paths::check_target(name, &target).map_err(|reason| unsafe_path(name, reason))
}

/// Returns where an entry's data begins, from the local header at `start`.
///
/// The header must begin before the directory.
fn data_start<R: Read + Seek>(reader: &mut R, start: u64) -> Result<u64, CatalogError> {
    let mut lengths = [0; 4];
    reader.seek(SeekFrom::Start(start.saturating_add(LOCAL_HEADER - 4)))?;
    reader.read_exact(&mut lengths)?;
    let [name, extra] =
        [[lengths[0], lengths[1]], [lengths[2], lengths[3]]].map(u16::from_le_bytes);
    Ok(start.saturating_add(LOCAL_HEADER + u64::from(name) + u64::from(extra)))
}

/// Whether an entry's Unix mode says symbolic link; its declared system of origin is ignored.
fn is_link(entry: &ZipFileEntry<'_>) -> bool {
    entry.external_attributes() >> 28 == 0xA
}

fn at_most(what: Limit, limit: u64, actual: u64) -> Result<(), CatalogError> {
    if actual > limit {
        return Err(CatalogError::LimitExceeded { what, limit, actual });
    }
    Ok(())
}

fn unsafe_path(path: &str, reason: &'static str) -> CatalogError {
    ArchiveProblem::UnsafePath { path: path.to_owned(), reason }.into()
}

fn not_zip(reason: impl Into<String>) -> CatalogError {
    ArchiveProblem::NotZip(reason.into()).into()
}

/// Returns `Internal` for an error of the operating system, `BadArchive` for everything else.
fn unreadable(error: ZipError) -> CatalogError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => error.into(),
        error => not_zip(error.to_string()),
    }
}

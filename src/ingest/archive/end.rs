//! Finds an archive's directory by its end records.
//!
//! The end record must end the file, and a 64-bit one must agree with it: some readers use only
//! one of them. Must not know the entries.

use std::io::{Read, Seek, SeekFrom};

use super::not_zip;
use crate::domain::{ArchiveProblem, CatalogError};

const END: usize = 22;
/// First bytes of the end record.
pub(super) const END_MARK: &[u8; 4] = b"PK\x05\x06";
const LOCATOR: usize = 20;
const LOCATOR_MARK: &[u8; 4] = b"PK\x06\x07";
const END64: usize = 56;
const END64_MARK: &[u8; 4] = b"PK\x06\x06";
/// Smallest size of an entry in the directory, in bytes.
const ENTRY: u64 = 46;
const COMMENT_MAX: usize = u16::MAX as usize;

/// Position of an archive's directory, in bytes from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Number of entries that the end record declares.
    pub(super) entries: u64,
    /// Whether the number may lack multiples of 65,536: it had 16 bits.
    pub(super) may_be_more: bool,
    /// First byte of the directory.
    pub(super) start: u64,
    /// First byte after it.
    pub(super) end: u64,
    /// Bytes before the archive, which the archive's own offsets do not include.
    pub(super) prefix: u64,
    /// First byte of the archive's comment, which ends the file.
    pub(super) comment: u64,
    /// Length of the file.
    pub(super) file_len: u64,
}

impl Directory {
    /// Returns the number of entries to allocate for: the declared number, at most as many as fit
    /// into the directory.
    pub(super) fn capacity(&self) -> usize {
        self.entries.min((self.end - self.start) / ENTRY) as usize
    }
}

/// Finds the directory.
///
/// The directory must end where the end record begins. The record with its comment must end the
/// file, or be followed by zeros alone: tools that write blocks fill up the last one.
///
/// Fails with `BadArchive` (`NoEntries` for an empty archive, else `NotZip`), and with `Internal`
/// when reading fails.
pub(super) fn find<R: Read + Seek>(reader: &mut R) -> Result<Directory, CatalogError> {
    let len = reader.seek(SeekFrom::End(0))?;
    let tail_len = len.min((END64 + LOCATOR + END + COMMENT_MAX) as u64) as usize;
    let tail_start = len - tail_len as u64;
    let mut tail = vec![0; tail_len];
    reader.seek(SeekFrom::Start(tail_start))?;
    reader.read_exact(&mut tail)?;

    let at = end_record(&tail).ok_or_else(|| not_zip("it has no end record"))?;
    let narrow = Record::narrow(&tail[at..]);
    // Some readers use the locator only where a field says so, others whenever it stands there.
    let locator = at.checked_sub(LOCATOR).filter(|at| tail[*at..].starts_with(LOCATOR_MARK));
    let (end, record) = match locator {
        None => (at, narrow),
        Some(locator) => {
            // The format allows extension data between the two records; no cloud uses it.
            let end = locator
                .checked_sub(END64)
                .filter(|end| tail[*end..].starts_with(END64_MARK))
                .filter(|end| Fields(&tail[*end..]).u64(4) == END64 as u64 - 12)
                .ok_or_else(|| not_zip("its 64-bit end record is not in its place"))?;
            let wide = Record::wide(&tail[end..]);
            if !narrow.agrees_with(&wide) {
                return Err(not_zip("its two end records contradict each other"));
            }
            (end, wide)
        }
    };
    record.check_disks()?;
    let end = tail_start + end as u64;
    let start = end.checked_sub(record.size);
    let prefix = start.and_then(|start| start.checked_sub(record.offset));
    let (Some(start), Some(prefix)) = (start, prefix) else {
        return Err(not_zip("its directory does not fit in front of its end record"));
    };
    if let Some(locator) = locator {
        let locator = Fields(&tail[locator..]);
        // Zero disks is what some packers write for one.
        if locator.u32(4) != 0 || locator.u32(16) > 1 {
            return Err(on_another_disk());
        }
        if locator.u64(8) != end - prefix {
            return Err(not_zip("its 64-bit end record is not where the locator says"));
        }
    }
    if record.entries == 0 {
        if (prefix, start, record.size) != (0, 0, 0) {
            return Err(not_zip("it declares no entries but has other content"));
        }
        return Err(ArchiveProblem::NoEntries.into());
    }
    let comment = tail_start + (at + END) as u64;
    let may_be_more = locator.is_none();
    let entries = record.entries;
    Ok(Directory { entries, may_be_more, start, end, prefix, comment, file_len: len })
}

/// What an end record says, of 32 or of 64 bits.
#[derive(Clone, Copy)]
struct Record {
    disk: u64,
    directory_disk: u64,
    entries_on_disk: u64,
    entries: u64,
    size: u64,
    offset: u64,
}

impl Record {
    fn narrow(record: &[u8]) -> Self {
        let record = Fields(record);
        Self {
            disk: record.u16(4),
            directory_disk: record.u16(6),
            entries_on_disk: record.u16(8),
            entries: record.u16(10),
            size: record.u32(12),
            offset: record.u32(16),
        }
    }

    fn wide(record: &[u8]) -> Self {
        let record = Fields(record);
        Self {
            disk: record.u32(16),
            directory_disk: record.u32(20),
            entries_on_disk: record.u64(24),
            entries: record.u64(32),
            size: record.u64(40),
            offset: record.u64(48),
        }
    }

    /// Whether each field of this record has the value of the 64-bit one, or refers to it.
    fn agrees_with(&self, wide: &Self) -> bool {
        let short = [
            (self.disk, wide.disk),
            (self.directory_disk, wide.directory_disk),
            (self.entries_on_disk, wide.entries_on_disk),
            (self.entries, wide.entries),
        ];
        let long = [(self.size, wide.size), (self.offset, wide.offset)];
        short.iter().all(|(narrow, wide)| *narrow == 0xFFFF || narrow == wide)
            && long.iter().all(|(narrow, wide)| *narrow == 0xFFFF_FFFF || narrow == wide)
    }

    fn check_disks(&self) -> Result<(), CatalogError> {
        if self.disk != 0 || self.directory_disk != 0 {
            return Err(on_another_disk());
        }
        if self.entries_on_disk != self.entries {
            return Err(not_zip("its end record has two counts of its entries"));
        }
        Ok(())
    }
}

fn on_another_disk() -> CatalogError {
    not_zip("a part of it is on another disk")
}

/// Returns the offset of the end record: the last mark, if only zeros follow its comment.
///
/// Some readers would take a mark inside the comment for the record, so such a file is refused.
/// Readers look for the record no further from the end than its longest comment reaches.
fn end_record(tail: &[u8]) -> Option<usize> {
    let at = memchr::memmem::rfind(tail, END_MARK)?;
    let record =
        tail.get(at..).filter(|record| (END..=END + COMMENT_MAX).contains(&record.len()))?;
    let padding = record.get(END + Fields(record).u16(20) as usize..)?;
    padding.iter().all(|byte| *byte == 0).then_some(at)
}

/// Reads little-endian numbers at fixed offsets of a record that is known to be long enough.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn number<const N: usize>(&self, at: usize) -> u64 {
        self.0[at..at + N].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub(super) fn u16(&self, at: usize) -> u64 {
        self.number::<2>(at)
    }

    pub(super) fn u32(&self, at: usize) -> u64 {
        self.number::<4>(at)
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        self.number::<8>(at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::ingest::samples::stored_zip;

    fn found(bytes: &[u8]) -> Option<Directory> {
        find(&mut Cursor::new(bytes)).ok()
    }

    #[test]
    fn finds_the_directory_with_comment_and_prefix() {
        let zip = stored_zip(&[("a", b"1"), ("b", b"2")]);
        let plain = found(&zip).unwrap();
        assert_eq!((plain.entries, plain.prefix, plain.end), (2, 0, zip.len() as u64 - 22));

        let mut prefixed = b"#!/bin/sh\n".to_vec();
        prefixed.extend(&zip);
        assert_eq!(found(&prefixed).unwrap().prefix, 10);

        let mut commented = zip.clone();
        let at = commented.len() - 2;
        commented[at..].copy_from_slice(&60_000_u16.to_le_bytes());
        commented.extend(vec![b'c'; 60_000]);
        let file_len = commented.len() as u64;
        assert_eq!(found(&commented), Some(Directory { file_len, ..plain }));
    }

    #[test]
    fn truncations_and_bytes_behind_the_end_are_refused() {
        let zip = stored_zip(&[("a", b"1"), ("b", b"2")]);
        for len in 0..zip.len() {
            assert_eq!(found(&zip[..len]), None, "{len} bytes");
        }
        assert_eq!(found(&[&zip[..], b"\n"].concat()), None);
        assert_eq!(found(&[&zip[..], &[0; 512], b"\n"].concat()), None);
    }

    #[test]
    fn zeros_may_fill_up_the_last_block() {
        let zip = stored_zip(&[("a", b"1"), ("b", b"2")]);
        let plain = found(&zip).unwrap();
        for zeros in [1, 9_000, COMMENT_MAX] {
            let padded = [&zip[..], &vec![0; zeros]].concat();
            let file_len = padded.len() as u64;
            assert_eq!(found(&padded), Some(Directory { file_len, ..plain }), "{zeros}");
        }
        assert_eq!(found(&[&zip[..], &[0; COMMENT_MAX + 1]].concat()), None);
    }

    #[test]
    fn capacity_is_at_most_what_fits() {
        let mut directory = found(&stored_zip(&[("a", b"1"), ("b", b"2")])).unwrap();
        assert_eq!(directory.capacity(), 2);
        directory.entries = u64::MAX;
        assert_eq!(directory.capacity(), 2);
    }

    #[test]
    fn an_archive_without_entries_is_refused() {
        let empty = stored_zip(&[]);
        let refused = find(&mut Cursor::new(&empty)).unwrap_err();
        assert!(matches!(refused, CatalogError::BadArchive(ArchiveProblem::NoEntries)));
        assert_eq!(found(&[b"something", &empty[..]].concat()), None);
    }
}

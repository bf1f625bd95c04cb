//! Finds an archive's directory by its end record, more strictly than the library does.
//!
//! The library is lenient: it searches for a directory that is not where the record says, and
//! allocates as much memory as the record claims. This module finds the directory first and passes
//! its offset to the library, which then does not search. Must not know the entries.

use std::io::{Read, Seek, SeekFrom};

use super::not_zip;
use crate::domain::CatalogError;

const END: usize = 22;
const END_MARK: &[u8; 4] = b"PK\x05\x06";
const LOCATOR: usize = 20;
const LOCATOR_MARK: &[u8; 4] = b"PK\x06\x07";
const END64: usize = 56;
const END64_MARK: &[u8; 4] = b"PK\x06\x06";
/// Smallest size of an entry in the directory, in bytes.
const ENTRY: u64 = 46;
const COMMENT_MAX: usize = u16::MAX as usize;

/// Position of an archive's directory, in bytes from the start of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Number of entries that the end record declares.
    pub(super) entries: u64,
    /// First byte of the directory.
    pub(super) start: u64,
    /// First byte after it.
    pub(super) end: u64,
    /// Bytes before the archive, which the archive's own offsets do not include.
    pub(super) prefix: u64,
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
/// file.
///
/// Fails with `BadArchive(NotZip)`, and with `Internal` when reading fails.
pub(super) fn find<R: Read + Seek>(reader: &mut R) -> Result<Directory, CatalogError> {
    let len = reader.seek(SeekFrom::End(0))?;
    let tail_len = len.min((END64 + LOCATOR + END + COMMENT_MAX) as u64) as usize;
    let tail_start = len - tail_len as u64;
    let mut tail = vec![0; tail_len];
    reader.seek(SeekFrom::Start(tail_start))?;
    reader.read_exact(&mut tail)?;

    let at = end_record(&tail).ok_or_else(|| not_zip("it has no end record"))?;
    let record = Fields(&tail[at..]);
    let narrow = [record.u16(10), record.u32(12), record.u32(16)];
    let wide = at.checked_sub(LOCATOR).filter(|locator| {
        let is_wide = narrow[0] == 0xFFFF || narrow[1..].contains(&0xFFFF_FFFF);
        is_wide && tail[*locator..].starts_with(LOCATOR_MARK)
    });
    let (end, [entries, size, offset]) = match wide {
        None => (at, narrow),
        Some(locator) => {
            // The format allows extension data between the two records; no cloud uses it.
            let end = locator
                .checked_sub(END64)
                .filter(|end| tail[*end..].starts_with(END64_MARK))
                .filter(|end| Fields(&tail[*end..]).u64(4) == END64 as u64 - 12)
                .ok_or_else(|| not_zip("its 64-bit end record is not in its place"))?;
            let record = Fields(&tail[end..]);
            (end, [record.u64(32), record.u64(40), record.u64(48)])
        }
    };
    let end = tail_start + end as u64;
    let start = end.checked_sub(size);
    let prefix = start.and_then(|start| start.checked_sub(offset));
    let (Some(start), Some(prefix)) = (start, prefix) else {
        return Err(not_zip("its directory does not fit in front of its end record"));
    };
    if entries == 0 && (prefix, start, size) != (0, 0, 0) {
        return Err(not_zip("it declares no entries but has other content"));
    }
    Ok(Directory { entries, start, end, prefix })
}

/// Returns the offset of the end record: the last mark, if its comment reaches exactly to the end.
///
/// Some readers would take a mark inside the comment for the record, so such a file is refused.
fn end_record(tail: &[u8]) -> Option<usize> {
    let at = memchr::memmem::rfind(tail, END_MARK)?;
    let record = &tail[at..];
    let is_whole =
        record.len() >= END && record.len() as u64 == END as u64 + Fields(record).u16(20);
    is_whole.then_some(at)
}

/// Reads little-endian numbers at fixed offsets of a record that is known to be long enough.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn number<const N: usize>(&self, at: usize) -> u64 {
        self.0[at..at + N].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn u16(&self, at: usize) -> u64 {
        self.number::<2>(at)
    }

    fn u32(&self, at: usize) -> u64 {
        self.number::<4>(at)
    }

    fn u64(&self, at: usize) -> u64 {
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
        assert_eq!(found(&commented), Some(plain));
    }

    #[test]
    fn every_truncation_and_any_trailing_byte_is_refused() {
        let zip = stored_zip(&[("a", b"1"), ("b", b"2")]);
        for len in 0..zip.len() {
            assert_eq!(found(&zip[..len]), None, "{len} bytes");
        }
        assert_eq!(found(&[&zip[..], b"\n"].concat()), None);
    }

    #[test]
    fn capacity_is_at_most_what_fits() {
        let mut directory = found(&stored_zip(&[("a", b"1"), ("b", b"2")])).unwrap();
        assert_eq!(directory.capacity(), 2);
        directory.entries = u64::MAX;
        assert_eq!(directory.capacity(), 2);
    }

    #[test]
    fn an_empty_archive_is_only_an_end_record() {
        let empty = stored_zip(&[]);
        assert_eq!(found(&empty).unwrap().entries, 0);
        assert_eq!(found(&[b"something", &empty[..]].concat()), None);
    }
}

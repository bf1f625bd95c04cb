//! The bytes of an archive that belong to no entry: entries that overlap, and hidden local headers.
//!
//! Readers of a stream unpack each local header that they meet, also one that the directory does
//! not name. Must not know names and contents.

use std::io::{self, Read, Seek};

use super::end::{Directory, Fields};
use super::local::{FIXED, MARK};
use super::not_zip;
use super::window::{PIECE, Window};
use crate::domain::CatalogError;

/// The bytes of one entry in the file, from its local header to its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Position of the entry in the directory, counted from 1.
    pub(super) number: u64,
}

/// Checks that no entries overlap, and that no complete local header is between them.
///
/// Bytes in front of the archive may be anything that does not begin with a local header, because
/// readers of a stream give up there: executables carry archives of their own.
pub(super) fn check<R: Read + Seek>(
    reader: &mut R,
    window: &mut Window,
    mut spans: Vec<Span>,
    directory: &Directory,
) -> Result<(), CatalogError> {
    spans.sort_unstable();
    // Overlapping entries let a small archive unpack to a huge one.
    if let Some(pair) = spans.windows(2).find(|pair| pair[0].end > pair[1].start) {
        let (one, other) = (pair[0].number, pair[1].number);
        return Err(not_zip(format!("its entries {one} and {other} overlap")));
    }
    if let Some(last) = spans.last().filter(|last| last.end > directory.start) {
        return Err(not_zip(format!("its entry {} overlaps with the directory", last.number)));
    }
    let first = spans.first().map_or(directory.start, |first| first.start);
    let prefix = if directory.prefix > 0 { directory.prefix } else { first };
    let at_start = window.bytes(reader, 0, FIXED)?;
    if is_header(at_start, prefix) {
        return Err(hidden(0));
    }
    let mut from = prefix;
    let ends = spans.iter().map(|span| (span.start, span.end));
    for (start, end) in ends.chain([(directory.start, directory.start)]) {
        if let Some(at) = find_header(reader, window, from, start)? {
            return Err(hidden(at));
        }
        from = end;
    }
    match find_header(reader, window, directory.comment, directory.file_len)? {
        Some(at) => Err(hidden(at)),
        None => Ok(()),
    }
}

fn hidden(at: u64) -> CatalogError {
    not_zip(format!("an entry at byte {at} is not in the directory"))
}

/// Whether bytes in memory contain a complete local header.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, MARK)
        .any(|at| is_header(&bytes[at..], (bytes.len() - at) as u64))
}

/// Whether a complete local header begins here; `room` is the number of bytes in this gap.
///
/// A complete header has its fixed part and a name in the gap.
fn is_header(bytes: &[u8], room: u64) -> bool {
    if !bytes.starts_with(MARK) || bytes.len() < FIXED {
        return false;
    }
    let name = Fields(bytes).u16(26);
    name > 0 && FIXED as u64 + name <= room
}

/// Returns the position of the first complete local header in a part of the file.
fn find_header<R: Read + Seek>(
    reader: &mut R,
    window: &mut Window,
    from: u64,
    to: u64,
) -> io::Result<Option<u64>> {
    let mut at = from;
    while to.saturating_sub(at) > FIXED as u64 {
        let len = (to - at).min((PIECE + FIXED) as u64) as usize;
        let piece = window.bytes(reader, at, len)?;
        let found = memchr::memmem::find_iter(piece, MARK)
            .take_while(|found| *found < PIECE)
            .find(|found| is_header(&piece[*found..], to - at - *found as u64));
        if let Some(found) = found {
            return Ok(Some(at + found as u64));
        }
        at += PIECE as u64;
    }
    Ok(None)
}

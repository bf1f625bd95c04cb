//! The bytes of an archive that belong to no entry: entries that overlap, and hidden local headers.
//!
//! Readers of a stream unpack each local header that they meet, also one that the directory does
//! not name. Must not know names and contents.

use std::io::{self, Read, Seek};

use super::content::{DEFLATED, STORED};
use super::end::{Directory, END_MARK, Fields};
use super::local::{DESCRIPTOR_MARK, FIXED, MARK};
use super::not_zip;
use super::window::{PIECE, Window};
use crate::domain::CatalogError;

/// First bytes of an archive that was one of several parts, before its parts were joined.
const PARTS_MARK: &[u8; 4] = b"PK00";

/// The bytes of one entry in the file, from its local header to its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Position of the entry in the directory, counted from 1.
    pub(super) number: u64,
}

/// Checks that no entries overlap, and that no local header is between them.
///
/// Bytes in front of the archive may be anything that does not begin with a local header, because
/// readers of a stream give up there: executables carry archives of their own. Behind the marks of
/// an archive in parts, these readers go on to the first local header.
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
    let at_start = window.bytes(reader, 0, FIXED + usize::from(u16::MAX))?;
    // Offsets may count a part of what is in front, so that this header ends behind the prefix.
    if prefix > 0 && (is_header(at_start, first) || is_straddling(at_start)) {
        return Err(hidden(0));
    }
    if prefix > 0 && at_start.starts_with(END_MARK) {
        return Err(not_zip("it begins with an archive without entries"));
    }
    let is_read = [DESCRIPTOR_MARK, PARTS_MARK].iter().any(|mark| at_start.starts_with(*mark));
    let mut from = if is_read { 0 } else { prefix };
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

/// Whether the comment of an entry contains a local header.
pub(super) fn has_header(comment: &[u8]) -> bool {
    memchr::memmem::find_iter(comment, MARK)
        .any(|at| is_header(&comment[at..], (comment.len() - at) as u64))
}

/// Whether a local header with its name, or a part of it, begins here; `room` is the number of
/// bytes from here to the end of the gap.
fn is_header(bytes: &[u8], room: u64) -> bool {
    let is_fixed = bytes.starts_with(MARK) && bytes.len() >= FIXED;
    is_fixed && room > FIXED as u64 && Fields(bytes).u16(26) > 0
}

/// Whether a local header begins here whose end and name are the bytes behind the gap.
///
/// The next header in the place of a name is usually no path that any reader unpacks.
fn is_straddling(bytes: &[u8]) -> bool {
    let is_fixed = bytes.starts_with(MARK) && bytes.len() >= FIXED;
    if !is_fixed || !matches!(Fields(bytes).u16(8) as u16, STORED | DEFLATED) {
        return false;
    }
    let name = bytes[FIXED..].iter().take(Fields(bytes).u16(26) as usize);
    name.take_while(|byte| **byte != 0).any(|byte| matches!(byte, b'/' | b'\\'))
}

/// Returns the position of the first local header that begins in a part of the file.
fn find_header<R: Read + Seek>(
    reader: &mut R,
    window: &mut Window,
    from: u64,
    to: u64,
) -> io::Result<Option<u64>> {
    if from >= to {
        return Ok(None);
    }
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
    let last = from.max(to.saturating_sub(FIXED as u64));
    let mut rest = window.bytes(reader, last, to.saturating_sub(last) as usize)?;
    let mut at = last;
    while let Some(found) = memchr::memmem::find(rest, MARK) {
        at += found as u64;
        let fixed = window.bytes(reader, at, FIXED)?;
        let name_len = if fixed.len() < FIXED { 0 } else { Fields(fixed).u16(26) as usize };
        if is_straddling(window.bytes(reader, at, FIXED + name_len)?) {
            return Ok(Some(at));
        }
        at += MARK.len() as u64;
        rest = window.bytes(reader, at, to.saturating_sub(at) as usize)?;
    }
    Ok(None)
}

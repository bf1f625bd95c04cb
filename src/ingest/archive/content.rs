//! Reads one entry's content and compares it with its declared size and CRC-32.
//!
//! Nothing is kept but a link's target. An entry is never inflated past its declared size.

use std::io::{Read, Seek};

use crc_fast::{CrcAlgorithm, Digest};
use flate2::{Decompress, FlushDecompress, Status};

use super::about;
use super::central::Central;
use super::local::{DESCRIPTOR_MARK, DESCRIPTOR_MAX, Place, descriptor_len};
use super::window::{PIECE, Window};
use crate::domain::CatalogError;

/// Methods of entries whose bytes are stored as they are, and deflated.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

const TOO_LONG: &str = "unpacks to more than its declared size";
const TOO_SHORT: &str = "unpacks to less than its declared size";
const DAMAGED: &str = "has damaged packed data";
const WRONG_CRC: &str = "has a content that does not match its CRC-32";
const HIDDEN_END: &str = "has a data descriptor within its content";
const REST: &str = "has bytes behind the end of its packed data";

/// Reads contents, one after the other, through the same buffers.
pub(super) struct Contents {
    inflate: Decompress,
    output: Vec<u8>,
}

impl Contents {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new(false), output: vec![0; PIECE] }
    }

    /// Reads the content of an entry; `each` receives its pieces.
    ///
    /// Fails with `BadArchive(BadEntry)` for a content that is not as declared.
    pub(super) fn read<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        window: &mut Window,
        entry: &Central<'_>,
        place: &Place,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), CatalogError> {
        let mut crc = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
        let take = |piece: &[u8]| {
            crc.update(piece);
            each(piece);
        };
        let read = match entry.method {
            DEFLATED => self.inflate(reader, window, entry, place, take)?,
            _ => store(reader, window, entry, place, take)?,
        };
        if let Err(reason) = read {
            return Err(about(entry.shown(), reason));
        }
        if crc.finalize() as u32 != entry.crc {
            return Err(about(entry.shown(), WRONG_CRC));
        }
        if entry.method == STORED
            && place.is_searched
            && ends_early(reader, window, place.data, entry.packed)?
        {
            return Err(about(entry.shown(), HIDDEN_END));
        }
        Ok(())
    }

    fn inflate<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        window: &mut Window,
        entry: &Central<'_>,
        place: &Place,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Result<(), &'static str>, CatalogError> {
        self.inflate.reset(false);
        loop {
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let left = entry.packed - taken;
            let input = window.some(reader, place.data + taken, left.min(PIECE as u64) as usize)?;
            // One byte more than declared shows a content that is too long.
            let room = (entry.size - given).saturating_add(1).min(PIECE as u64) as usize;
            let output = &mut self.output[..room];
            let Ok(status) = self.inflate.decompress(input, output, FlushDecompress::None) else {
                return Ok(Err(DAMAGED));
            };
            let (taken_now, given_now) =
                (self.inflate.total_in() - taken, self.inflate.total_out() - given);
            if self.inflate.total_out() > entry.size {
                return Ok(Err(TOO_LONG));
            }
            take(&output[..given_now as usize]);
            if status == Status::StreamEnd {
                break;
            }
            if (taken_now, given_now) == (0, 0) {
                return Ok(Err(DAMAGED));
            }
        }
        if self.inflate.total_in() != entry.packed {
            return Ok(Err(REST));
        }
        Ok(if self.inflate.total_out() == entry.size { Ok(()) } else { Err(TOO_SHORT) })
    }
}

fn store<R: Read + Seek>(
    reader: &mut R,
    window: &mut Window,
    entry: &Central<'_>,
    place: &Place,
    mut take: impl FnMut(&[u8]),
) -> Result<Result<(), &'static str>, CatalogError> {
    let mut done = 0;
    while done < entry.packed {
        let left = (entry.packed - done).min(PIECE as u64) as usize;
        let piece = window.some(reader, place.data + done, left)?;
        if piece.is_empty() {
            return Ok(Err(TOO_SHORT));
        }
        take(piece);
        done += piece.len() as u64;
    }
    Ok(Ok(()))
}

/// Whether a reader of a stream would end this stored content early.
///
/// Such a reader takes the first descriptor that fits the bytes before it for the end, and what
/// follows for the next entry.
fn ends_early<R: Read + Seek>(
    reader: &mut R,
    window: &mut Window,
    data: u64,
    packed: u64,
) -> Result<bool, CatalogError> {
    let mut crc = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
    let mut done = 0;
    while done < packed {
        let len = (packed - done).min(PIECE as u64) as usize;
        let piece = window.bytes(reader, data + done, len + DESCRIPTOR_MAX)?;
        let mut hashed = 0;
        for at in memchr::memmem::find_iter(piece, DESCRIPTOR_MARK) {
            if at >= len {
                break;
            }
            // Told by its packed size, before the CRC-32 is computed up to here.
            let size = done + at as u64;
            if piece.get(at + 8..at + 12) != Some(&(size as u32).to_le_bytes()[..]) {
                continue;
            }
            crc.update(&piece[hashed..at]);
            hashed = at;
            if descriptor_len(&piece[at..], crc.clone().finalize() as u32, size, size).is_some() {
                return Ok(true);
            }
        }
        crc.update(&piece[hashed..len]);
        done += len as u64;
    }
    Ok(false)
}

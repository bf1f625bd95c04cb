//! Reads pieces of an archive at given positions, through one bounded buffer.
//!
//! Neighbouring pieces, which are the rule, cost one read of the file together. Must not know zip.

use std::io::{self, Read, Seek, SeekFrom};

/// Most bytes that are read at a time, unless a single piece is longer.
pub(super) const PIECE: usize = 64 << 10;
/// Bytes that are read where the previous ones do not lead to: a client may put the entries in an
/// order in which none is beside the next one.
const JUMP: usize = 4 << 10;

/// A stretch of a file in memory.
#[derive(Debug)]
pub(super) struct Window {
    /// Most bytes that are read at a time: no more than the file has.
    longest: usize,
    /// Bytes that were read last; twice as many are read behind them.
    piece: usize,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read; the rest is room.
    filled: usize,
    /// Position of the buffer's first byte in the file.
    at: u64,
}

impl Window {
    /// Creates a window on a file of `file_len` bytes.
    pub(super) fn new(file_len: u64) -> Self {
        let longest = file_len.min(PIECE as u64) as usize;
        Self { longest, piece: JUMP, buffer: Vec::new(), filled: 0, at: 0 }
    }

    /// Returns the `len` bytes at a position, or fewer where the file ends.
    ///
    /// The buffer is as long as the longest piece, at least a piece.
    pub(super) fn bytes<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        at: u64,
        len: usize,
    ) -> io::Result<&[u8]> {
        self.fetch(reader, at, len, len)
    }

    /// Returns at least one and at most `max` bytes at a position, none where the file has ended.
    pub(super) fn some<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        at: u64,
        max: usize,
    ) -> io::Result<&[u8]> {
        self.fetch(reader, at, max.min(1), max)
    }

    fn fetch<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        at: u64,
        min: usize,
        max: usize,
    ) -> io::Result<&[u8]> {
        let skipped = at.checked_sub(self.at).and_then(|skipped| usize::try_from(skipped).ok());
        let skipped = skipped
            .filter(|skipped| self.filled.checked_sub(*skipped).is_some_and(|left| left >= min));
        if skipped.is_none() {
            let is_next = (self.at..=self.at + self.filled as u64).contains(&at);
            self.piece = if is_next { 2 * self.piece } else { JUMP }.min(self.longest);
            self.fill(reader, at, min.max(self.piece))?;
        }
        let skipped = skipped.unwrap_or(0);
        let end = self.filled.min(skipped + max);
        Ok(&self.buffer[skipped..end])
    }

    /// Reads `len` bytes, or fewer where the file ends.
    fn fill<R: Read + Seek>(&mut self, reader: &mut R, at: u64, len: usize) -> io::Result<()> {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        (self.at, self.filled) = (at, 0);
        reader.seek(SeekFrom::Start(at))?;
        while self.filled < len {
            match reader.read(&mut self.buffer[self.filled..len]) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::ingest::samples::{Dice, noise};

    #[test]
    fn pieces_are_those_of_the_file() {
        let bytes = noise(3 * PIECE);
        let (mut window, mut file, mut dice) =
            (Window::new(bytes.len() as u64), Cursor::new(&bytes), Dice(5));
        for _ in 0..2000 {
            let at = dice.roll(bytes.len() as u64 + 10);
            let len = dice.roll(PIECE as u64 + 1000) as usize;
            let piece = window.bytes(&mut file, at, len).unwrap();
            let start = bytes.len().min(at as usize);
            assert!(piece == &bytes[start..bytes.len().min(start + len)]);
        }
    }
}

//! Stored bytes, ready to be read: the code of a version, or an object of the inbox.
//!
//! `Content` checks no right to read and does not interpret its bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::path::PathBuf;

use crate::domain::CatalogError;

/// Stored bytes of a known number. A caller sees no path and no file: it opens a range of them.
#[derive(Debug)]
pub struct Content {
    size: u64,
    place: Place,
}

/// Where stored bytes are.
#[derive(Debug)]
enum Place {
    /// In a file that is opened when the bytes are read.
    Path(PathBuf),
    /// In a file that is open already, because it may be removed meanwhile.
    File(File),
}

impl Content {
    pub(super) fn at(path: PathBuf, size: u64) -> Self {
        Self { size, place: Place::Path(path) }
    }

    pub(crate) fn of(file: File, size: u64) -> Self {
        Self { size, place: Place::File(file) }
    }

    /// Returns the number of all bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens all bytes; for a blocking thread.
    pub fn open(self) -> Result<ContentReader, CatalogError> {
        let range = 0..self.size;
        self.open_range(range)
    }

    /// Opens the bytes from the start of `range` up to its end; for a blocking thread.
    pub fn open_range(self, range: Range<u64>) -> Result<ContentReader, CatalogError> {
        let mut file = match self.place {
            Place::Path(path) => File::open(path)?,
            Place::File(file) => file,
        };
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start))?;
        }
        Ok(ContentReader(file.take(range.end.saturating_sub(range.start))))
    }
}

/// Reads a range of a [`Content`]; reading may wait for the disk.
#[derive(Debug)]
pub struct ContentReader(Take<File>);

impl ContentReader {
    /// Returns the number of bytes of the range that are not read yet.
    pub fn left(&self) -> u64 {
        self.0.limit()
    }
}

impl Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_nothing_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        std::fs::write(&path, b"0123456789").unwrap();
        for (range, wanted) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (4..4, "")] {
            let open = Content::of(File::open(&path).unwrap(), 10);
            for content in [Content::at(path.clone(), 10), open] {
                let mut reader = content.open_range(range.clone()).unwrap();
                assert_eq!(reader.left(), range.end - range.start);
                assert_eq!(io::read_to_string(&mut reader).unwrap(), wanted);
                assert_eq!(reader.left(), 0);
            }
        }
        assert!(Content::at(folder.path().join("missing"), 1).open().is_err());
    }

    #[test]
    fn an_open_file_is_read_after_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        std::fs::write(&path, b"kept").unwrap();
        let content = Content::of(File::open(&path).unwrap(), 4);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(io::read_to_string(content.open().unwrap()).unwrap(), "kept");
    }
}

//! Bytes of a body or of code: short ones in memory, long ones in a temporary file.
//!
//! Must not know what the bytes mean; [`crate::ingest::spool`] and [`crate::ingest::staging`]
//! count, limit and digest them.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::upload_folder::UploadFolder;

/// Most bytes that a payload holds in memory; a longer payload is a file.
pub const MEMORY_MAX: usize = 256 * 1024;

/// Bytes that a file grows by before the disk's free space is looked at again.
const CHECK_AFTER: usize = 256 << 10;

/// Complete bytes; a temporary file is deleted when the value is dropped.
#[derive(Debug)]
pub enum Payload {
    /// Up to [`MEMORY_MAX`] bytes.
    Memory(Bytes),
    /// More than that, in a file that is completely written but not synced.
    File(NamedTempFile),
}

impl Payload {
    /// Opens a reader at the start of the bytes, with its own position.
    ///
    /// Fails when the temporary file cannot be opened again.
    pub fn reader(&self) -> io::Result<PayloadReader> {
        Ok(match self {
            Self::Memory(bytes) => PayloadReader::Memory(Cursor::new(bytes.clone())),
            Self::File(file) => PayloadReader::File(file.reopen()?),
        })
    }
}

/// Reads a [`Payload`] from its start.
#[derive(Debug)]
pub enum PayloadReader {
    /// The bytes in memory, shared with the payload.
    Memory(Cursor<Bytes>),
    /// A second handle of the payload's file; it stays valid after the file is deleted.
    File(File),
}

impl Read for PayloadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(cursor) => cursor.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

impl Seek for PayloadReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Memory(cursor) => cursor.seek(position),
            Self::File(file) => file.seek(position),
        }
    }
}

/// Collects bytes into a [`Payload`]; a writer that is dropped unfinished deletes its file.
#[derive(Debug)]
pub(super) struct PayloadWriter {
    incoming: UploadFolder,
    memory: Vec<u8>,
    /// Most bytes that stay in memory.
    memory_max: usize,
    file: Option<NamedTempFile>,
    /// Bytes written to the file since the disk's free space was looked at.
    unchecked: usize,
}

impl PayloadWriter {
    pub(super) fn new(incoming: &UploadFolder) -> Self {
        let (incoming, memory) = (incoming.clone(), Vec::new());
        Self { incoming, memory, memory_max: MEMORY_MAX, file: None, unchecked: 0 }
    }

    /// Has the next bytes go to a file, with those that are in memory.
    pub(super) fn leave_memory(&mut self) {
        self.memory_max = 0;
    }

    /// Appends bytes; fails with `StorageFull` if the disk must not take them.
    pub(super) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            self.unchecked += chunk.len();
            if self.unchecked >= CHECK_AFTER {
                self.incoming.must_have(chunk.len() as u64)?;
                self.unchecked = 0;
            }
            return file.write_all(chunk);
        }
        if self.memory.len() + chunk.len() <= self.memory_max {
            self.memory.extend_from_slice(chunk);
            return Ok(());
        }
        self.incoming.must_have((self.memory.len() + chunk.len()) as u64)?;
        let folder = self.incoming.path();
        let mut file = tempfile::Builder::new().prefix("in-").tempfile_in(folder)?;
        file.write_all(&self.memory)?;
        file.write_all(chunk)?;
        self.memory = Vec::new();
        self.file = Some(file);
        Ok(())
    }

    pub(super) fn finish(self) -> Payload {
        match self.file {
            Some(file) => Payload::File(file),
            None => Payload::Memory(self.memory.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ingest::samples::Incoming;

    fn gather(incoming: &Incoming, total: usize, step: usize) -> Payload {
        let mut writer = PayloadWriter::new(incoming.folder());
        let bytes: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
        bytes.chunks(step).for_each(|chunk| writer.write(chunk).unwrap());
        writer.finish()
    }

    #[test]
    fn a_payload_past_the_memory_bound_is_a_file() {
        let incoming = Incoming::new();
        let at_bound = gather(&incoming, MEMORY_MAX, 1000);
        assert!(matches!(at_bound, Payload::Memory(ref bytes) if bytes.len() == MEMORY_MAX));
        assert_eq!(incoming.files(), 0);

        let beyond = gather(&incoming, MEMORY_MAX + 1, 1000);
        assert!(matches!(beyond, Payload::File(_)));
        assert_eq!(incoming.files(), 1);
        drop(beyond);
        assert_eq!(incoming.files(), 0);
    }

    #[test]
    fn each_reader_starts_at_the_start() {
        let incoming = Incoming::new();
        for total in [0, 10, MEMORY_MAX + 77] {
            let payload = gather(&incoming, total, 4096);
            for _ in 0..2 {
                let mut read = Vec::new();
                payload.reader().unwrap().read_to_end(&mut read).unwrap();
                assert_eq!(read.len(), total);
                assert!(read.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
            }
        }
    }

    #[test]
    fn a_missing_folder_is_an_error_and_not_a_panic() {
        let mut writer = PayloadWriter::new(&UploadFolder::new(Path::new("/nowhere/at/all"), None));
        assert!(writer.write(&vec![0; MEMORY_MAX + 1]).is_err());
    }
}

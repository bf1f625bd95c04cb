//! The spool of one request's body: its bytes, their number and the requested digests.
//!
//! Must not know HTTP, signatures, or the meaning of the body.

use std::io::{self, BufReader, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::digests::Digester;
pub use super::payload::MEMORY_MAX;
use super::payload::{Payload, PayloadReader, PayloadWriter};
use super::upload_folder::UploadFolder;
use crate::domain::{CatalogError, Digests, Field, RequestError};

/// Bytes that are copied into a spool at a time.
pub const PIECE: u64 = 256 << 10;

/// The digests that a spool computes while the bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// None; only the length is counted.
    Nothing,
    /// SHA-256, which signatures cover.
    Sha256,
    /// SHA-256, and MD5 for the `Content-MD5` header.
    Md5AndSha256,
    /// All four, for a body that is itself the code.
    All,
}

/// A received body; its temporary file is deleted when the spool is dropped.
#[derive(Debug)]
pub struct Spool {
    payload: Payload,
    len: u64,
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    digests: Option<Digests>,
}

impl Spool {
    /// Creates the spool of a request without a body; it has no digests.
    pub fn empty() -> Self {
        Self::from_bytes(Bytes::new())
    }

    /// Creates a spool from bytes in memory; it has no digests.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self { payload: Payload::Memory(bytes), len, md5: None, sha256: None, digests: None }
    }

    /// Returns the length of the body in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes, if they are in memory.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.payload {
            Payload::Memory(bytes) => Some(bytes),
            Payload::File(_) => None,
        }
    }

    /// Opens a reader at the start of the body, with its own position.
    ///
    /// Fails with `Internal` when the temporary file cannot be opened again.
    pub fn reader(&self) -> Result<PayloadReader, CatalogError> {
        Ok(self.payload.reader()?)
    }

    /// Returns the MD5 of the body, if it was computed.
    pub fn md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    /// Returns the SHA-256 of the body, if it was computed.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }

    /// Returns all digests of the body, if they were computed.
    pub fn digests(&self) -> Option<&Digests> {
        self.digests.as_ref()
    }

    /// Reads the whole body into memory, for bodies that are expected to be small.
    ///
    /// Fails with a `Limit` of `BodySize` when it is longer than `max` bytes.
    pub fn to_bytes(&self, max: u64) -> Result<Bytes, RequestError> {
        if self.len > max {
            return Err(RequestError::body_size(max, self.len));
        }
        match &self.payload {
            Payload::Memory(bytes) => Ok(bytes.clone()),
            Payload::File(file) => Ok(std::fs::read(file.path())?.into()),
        }
    }

    /// Unpacks a body that is packed by gzip into another spool.
    ///
    /// Fails with `InvalidValue` of `Content-Encoding` for a body that is not gzip or damaged, and
    /// like [`SpoolWriter::write`].
    pub fn unpack_to(&self, writer: &mut SpoolWriter) -> Result<(), RequestError> {
        let mut reader = MultiGzDecoder::new(BufReader::new(self.reader()?));
        loop {
            let piece = next_piece(&mut reader, PIECE).map_err(|failure| match failure.kind() {
                io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof => {
                    CatalogError::invalid(Field::ContentEncoding, "is gzip, and the body is not")
                }
                _ => failure.into(),
            })?;
            if piece.is_empty() {
                return Ok(());
            }
            writer.write(piece)?;
        }
    }

    /// Returns the bytes, for a body that is itself the code or object to be stored.
    pub fn into_payload(self) -> Payload {
        self.payload
    }
}

/// Reads the next piece of stored bytes, up to `most` bytes; empty at their end.
pub fn next_piece(reader: &mut impl Read, most: u64) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    reader.take(most).read_to_end(&mut piece)?;
    Ok(piece.into())
}

/// Receives a body into a spool; a writer that is dropped unfinished deletes its file.
pub struct SpoolWriter {
    payload: PayloadWriter,
    len: u64,
    limit: u64,
    meter: Meter,
}

enum Meter {
    Nothing,
    Sha256(Sha256),
    Md5AndSha256(Md5, Sha256),
    All(Box<Digester>),
}

impl SpoolWriter {
    /// Starts a body of at most `limit` bytes; past [`MEMORY_MAX`] bytes it is a file in
    /// `incoming`.
    pub fn new(incoming: &UploadFolder, limit: u64, measure: Measure) -> Self {
        let meter = match measure {
            Measure::Nothing => Meter::Nothing,
            Measure::Sha256 => Meter::Sha256(Sha256::new()),
            Measure::Md5AndSha256 => Meter::Md5AndSha256(Md5::new(), Sha256::new()),
            Measure::All => Meter::All(Box::default()),
        };
        Self { payload: PayloadWriter::new(incoming), len: 0, limit, meter }
    }

    /// Has the body leave memory with the next bytes, however short it is.
    pub fn leave_memory(&mut self) {
        self.payload.leave_memory();
    }

    /// Appends the next bytes. It may write to disk: long bodies belong on a blocking thread.
    ///
    /// Fails with a `Limit` of `BodySize` past the limit, and with `NoSpace` or `Internal` when
    /// writing to disk fails. After an error the body is incomplete, and the writer must be
    /// dropped.
    pub fn write(&mut self, chunk: Bytes) -> Result<(), RequestError> {
        let len = self.len + chunk.len() as u64;
        if len > self.limit {
            return Err(RequestError::body_size(self.limit, len));
        }
        self.len = len;
        self.payload.write(&chunk)?;
        match &mut self.meter {
            Meter::Nothing => {}
            Meter::Sha256(sha256) => sha256.update(&chunk),
            Meter::Md5AndSha256(md5, sha256) => {
                md5.update(&chunk);
                sha256.update(&chunk);
            }
            Meter::All(digester) => digester.update(chunk),
        }
        Ok(())
    }

    /// Appends the bytes of a reader up to its end; fails like [`SpoolWriter::write`].
    pub fn write_all(&mut self, mut reader: impl Read) -> Result<(), RequestError> {
        loop {
            let piece = next_piece(&mut reader, PIECE)?;
            if piece.is_empty() {
                return Ok(());
            }
            self.write(piece)?;
        }
    }

    /// Ends the body and returns its spool.
    pub fn finish(self) -> Result<Spool, CatalogError> {
        let (md5, sha256, digests) = match self.meter {
            Meter::Nothing => (None, None, None),
            Meter::Sha256(sha256) => (None, Some(sha256.finalize().into()), None),
            Meter::Md5AndSha256(md5, sha256) => {
                (Some(md5.finalize().into()), Some(sha256.finalize().into()), None)
            }
            Meter::All(digester) => {
                let (_, digests) = digester.finish();
                (Some(digests.md5), Some(digests.sha256), Some(digests))
            }
        };
        Ok(Spool { payload: self.payload.finish(), len: self.len, md5, sha256, digests })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RequestLimit;
    use crate::ingest::samples::{Incoming, VECTORS, noise};

    fn spool(incoming: &Incoming, bytes: &[u8], measure: Measure) -> Result<Spool, RequestError> {
        let mut writer = SpoolWriter::new(incoming.folder(), 1 << 20, measure);
        for chunk in bytes.chunks(10_000) {
            writer.write(Bytes::copy_from_slice(chunk))?;
        }
        Ok(writer.finish()?)
    }

    #[test]
    fn short_and_long_bodies_are_read_back() {
        let incoming = Incoming::new();
        for len in [0, 1, MEMORY_MAX, MEMORY_MAX + 1, 1 << 20] {
            let bytes = noise(len);
            let spool = spool(&incoming, &bytes, Measure::Nothing).unwrap();
            assert_eq!(spool.len(), len as u64);
            assert_eq!(spool.is_empty(), len == 0);
            assert_eq!(spool.bytes().is_some(), len <= MEMORY_MAX);
            assert_eq!(incoming.files(), usize::from(len > MEMORY_MAX));
            let mut read = Vec::new();
            spool.reader().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes);
            assert!(spool.to_bytes(1 << 20).unwrap() == bytes);
        }
        assert_eq!(incoming.files(), 0);
    }

    #[test]
    fn a_short_body_can_leave_memory() {
        let incoming = Incoming::new();
        let mut writer = SpoolWriter::new(incoming.folder(), 100, Measure::All);
        writer.write(Bytes::from_static(b"in memory, ")).unwrap();
        writer.leave_memory();
        assert_eq!(incoming.files(), 0);
        writer.write(Bytes::from_static(b"and in a file")).unwrap();
        assert_eq!(incoming.files(), 1);
        let spool = writer.finish().unwrap();
        assert!(spool.bytes().is_none());
        assert_eq!(spool.to_bytes(100).unwrap(), "in memory, and in a file");
    }

    #[test]
    fn only_the_requested_digests_are_computed() {
        let incoming = Incoming::new();
        let sample = &VECTORS[0];
        let bytes = sample.bytes();
        let plain = spool(&incoming, &bytes, Measure::Nothing).unwrap();
        assert!(plain.sha256().is_none() && plain.digests().is_none());
        let signed = spool(&incoming, &bytes, Measure::Sha256).unwrap();
        assert!(signed.digests().is_none());
        let raw = spool(&incoming, &bytes, Measure::All).unwrap();
        assert_eq!((signed.md5(), signed.sha256()), (None, raw.sha256()));
        let both = spool(&incoming, &bytes, Measure::Md5AndSha256).unwrap();
        assert_eq!((both.md5(), both.sha256()), (raw.md5(), raw.sha256()));
        assert!(both.digests().is_none());
        sample.assert_digests(raw.digests().unwrap());
    }

    #[test]
    fn a_body_past_the_limit_leaves_no_file() {
        let incoming = Incoming::new();
        for measure in [Measure::Nothing, Measure::Sha256, Measure::Md5AndSha256, Measure::All] {
            let refused = spool(&incoming, &noise((1 << 20) + 1), measure).unwrap_err();
            assert!(matches!(
                refused,
                RequestError::Limit { what: RequestLimit::BodySize, limit: 1_048_576, .. }
            ));
            assert_eq!(incoming.files(), 0);
        }
    }

    #[test]
    fn a_reader_is_copied_within_the_limit() {
        let incoming = Incoming::new();
        let piece = PIECE as usize;
        for len in [0, 1, piece, piece + 1, 1 << 20] {
            let mut writer = SpoolWriter::new(incoming.folder(), 1 << 20, Measure::Nothing);
            writer.write_all(noise(len).as_slice()).unwrap();
            assert!(writer.finish().unwrap().to_bytes(1 << 20).unwrap() == noise(len));
        }
        let mut writer = SpoolWriter::new(incoming.folder(), 1 << 20, Measure::Nothing);
        let refused = writer.write_all(noise((1 << 20) + 1).as_slice()).unwrap_err();
        assert!(matches!(refused, RequestError::Limit { what: RequestLimit::BodySize, .. }));
        drop(writer);
        assert_eq!(incoming.files(), 0);
    }

    #[test]
    fn reading_into_memory_is_bounded() {
        let incoming = Incoming::new();
        let spool = spool(&incoming, &noise(300_000), Measure::Nothing).unwrap();
        assert!(matches!(
            spool.to_bytes(299_999),
            Err(RequestError::Limit { what: RequestLimit::BodySize, actual: 300_000, .. })
        ));
        assert!(Spool::empty().to_bytes(0).unwrap().is_empty());
    }
}

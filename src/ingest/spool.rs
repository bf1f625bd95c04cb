//! One request's body, read once: its bytes at rest, their number and the digests asked for.
//!
//! Knows nothing of HTTP, of signatures, nor of what the body means.

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};

pub use super::content::MEMORY_MAX;
use super::content::{Content, ContentReader, ContentWriter};
use super::digests::Digester;
use crate::domain::{CatalogError, Digests, Limit};

/// Bytes of a file that are copied together.
const PIECE: u64 = 256 << 10;

/// What a spool computes while the bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Only the length.
    Nothing,
    /// The SHA-256 that signatures cover.
    Sha256,
    /// The same, and the MD5 that a header speaks of.
    Md5AndSha256,
    /// All four digests, for a body that is itself the code.
    All,
}

/// A body that has arrived; its temporary file vanishes with it.
#[derive(Debug)]
pub struct Spool {
    content: Content,
    len: u64,
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    digests: Option<Digests>,
}

impl Spool {
    /// Makes the spool of a request without a body; no digests.
    pub fn empty() -> Self {
        Self::from_bytes(Bytes::new())
    }

    /// Makes a spool of bytes that are in memory already; no digests.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self { content: Content::Memory(bytes), len, md5: None, sha256: None, digests: None }
    }

    /// Length of the body in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes, when they are in memory.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Memory(bytes) => Some(bytes),
            Content::File(_) => None,
        }
    }

    /// Opens the body from its start, with a position of its own.
    ///
    /// Fails with `Internal` when the temporary file cannot be opened again.
    pub fn reader(&self) -> Result<ContentReader, CatalogError> {
        Ok(self.content.reader()?)
    }

    /// MD5 of the body, when it was measured.
    pub fn md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    /// SHA-256 of the body, when it was measured.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }

    /// All digests of the body, when they were measured.
    pub fn digests(&self) -> Option<&Digests> {
        self.digests.as_ref()
    }

    /// The whole body in memory, for bodies that are small by nature.
    ///
    /// Fails with `LimitExceeded` when it is longer than `max` bytes.
    pub fn to_bytes(&self, max: u64) -> Result<Bytes, CatalogError> {
        if self.len > max {
            let (what, actual) = (Limit::BodySize, self.len);
            return Err(CatalogError::LimitExceeded { what, limit: max, actual });
        }
        match &self.content {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::File(file) => Ok(std::fs::read(file.path())?.into()),
        }
    }

    /// Parts with the bytes, for a body that is itself what is to be kept.
    pub fn into_content(self) -> Content {
        self.content
    }
}

/// Reads the next piece of a file that is copied into a spool, up to 256 KiB; empty at its end.
pub fn next_piece(file: &mut impl Read) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE as usize);
    file.take(PIECE).read_to_end(&mut piece)?;
    Ok(piece.into())
}

/// Takes a body as it arrives; dropped before its end it leaves nothing behind.
pub struct SpoolWriter {
    content: ContentWriter,
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
    /// Starts a body of at most `limit` bytes, which goes to a file in `incoming` when it is long.
    pub fn new(incoming: &Path, limit: u64, measure: Measure) -> Self {
        let meter = match measure {
            Measure::Nothing => Meter::Nothing,
            Measure::Sha256 => Meter::Sha256(Sha256::new()),
            Measure::Md5AndSha256 => Meter::Md5AndSha256(Md5::new(), Sha256::new()),
            Measure::All => Meter::All(Box::default()),
        };
        Self { content: ContentWriter::new(incoming), len: 0, limit, meter }
    }

    /// Takes the next bytes. It writes to disk, so long bodies belong on a blocking thread.
    ///
    /// Fails with `LimitExceeded` past the limit and `Internal` when the disk refuses; the body
    /// is then lost, and the writer is to be dropped.
    pub fn write(&mut self, chunk: Bytes) -> Result<(), CatalogError> {
        let len = self.len + chunk.len() as u64;
        if len > self.limit {
            let (what, limit) = (Limit::BodySize, self.limit);
            return Err(CatalogError::LimitExceeded { what, limit, actual: len });
        }
        self.len = len;
        self.content.write(&chunk)?;
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

    /// Takes a file from where it stands to its end; fails like [`SpoolWriter::write`].
    pub fn write_file(&mut self, file: &mut impl Read) -> Result<(), CatalogError> {
        loop {
            let piece = next_piece(file)?;
            if piece.is_empty() {
                return Ok(());
            }
            self.write(piece)?;
        }
    }

    /// Ends the body.
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
        Ok(Spool { content: self.content.finish(), len: self.len, md5, sha256, digests })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::samples::{Incoming, VECTORS, noise};

    fn spool(incoming: &Incoming, bytes: &[u8], measure: Measure) -> Result<Spool, CatalogError> {
        let mut writer = SpoolWriter::new(incoming.path(), 1 << 20, measure);
        for chunk in bytes.chunks(10_000) {
            writer.write(Bytes::copy_from_slice(chunk))?;
        }
        writer.finish()
    }

    #[test]
    fn gives_back_what_came_in_short_and_long() {
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
    fn measures_only_what_was_asked_for() {
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
    fn past_the_limit_nothing_is_left() {
        let incoming = Incoming::new();
        for measure in [Measure::Nothing, Measure::Sha256, Measure::Md5AndSha256, Measure::All] {
            let refused = spool(&incoming, &noise((1 << 20) + 1), measure).unwrap_err();
            assert!(matches!(
                refused,
                CatalogError::LimitExceeded { what: Limit::BodySize, limit: 1_048_576, .. }
            ));
            assert_eq!(incoming.files(), 0);
        }
    }

    #[test]
    fn a_file_is_taken_as_it_is_and_within_the_limit() {
        let incoming = Incoming::new();
        let piece = PIECE as usize;
        for len in [0, 1, piece, piece + 1, 1 << 20] {
            let mut writer = SpoolWriter::new(incoming.path(), 1 << 20, Measure::Nothing);
            writer.write_file(&mut noise(len).as_slice()).unwrap();
            assert!(writer.finish().unwrap().to_bytes(1 << 20).unwrap() == noise(len));
        }
        let mut writer = SpoolWriter::new(incoming.path(), 1 << 20, Measure::Nothing);
        let refused = writer.write_file(&mut noise((1 << 20) + 1).as_slice()).unwrap_err();
        assert!(matches!(refused, CatalogError::LimitExceeded { what: Limit::BodySize, .. }));
        drop(writer);
        assert_eq!(incoming.files(), 0);
    }

    #[test]
    fn a_small_body_is_asked_for_with_a_bound() {
        let incoming = Incoming::new();
        let spool = spool(&incoming, &noise(300_000), Measure::Nothing).unwrap();
        assert!(matches!(
            spool.to_bytes(299_999),
            Err(CatalogError::LimitExceeded { what: Limit::BodySize, actual: 300_000, .. })
        ));
        assert!(Spool::empty().to_bytes(0).unwrap().is_empty());
    }
}

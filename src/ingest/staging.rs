//! Staging of one upload's code: limits its size, digests it and inspects the archive.
//!
//! Must not know the encoding of the request, nor the code folder that will store the code.

use std::fmt;
use std::io::Read;
use std::path::Path;

use bytes::{Bytes, BytesMut};

use super::archive::{self, Inspection};
use super::content::{Content, ContentWriter};
use super::digests::Digester;
use super::spool::Spool;
use crate::domain::{ArchiveProblem, Artifact, ArtifactLimits, CatalogError, Digests, Limit};

/// Bytes read at a time when the spool did not compute all digests.
const CHUNK: usize = 64 * 1024;

/// A checked upload that is not stored yet; dropping it deletes its temporary file.
#[derive(Debug)]
pub struct Staged {
    /// Size, digests and archive totals.
    pub artifact: Artifact,
    /// The bytes; a file is in `incoming/`, is not synced, and can be renamed into the code folder.
    pub content: Content,
}

/// Collects code while it is decoded; a staging that is dropped unfinished deletes its file.
pub struct Staging {
    content: ContentWriter,
    digester: Digester,
    limits: ArtifactLimits,
    len: u64,
    head: [u8; 4],
}

impl Staging {
    /// Creates an empty staging; code that does not fit in memory goes to a file in `incoming`.
    pub fn new(incoming: &Path, limits: ArtifactLimits) -> Self {
        Self {
            content: ContentWriter::new(incoming),
            digester: Digester::new(),
            limits,
            len: 0,
            head: [0; 4],
        }
    }

    /// Appends the next bytes of code. It may write to disk, so it belongs on a blocking thread.
    ///
    /// Fails with `LimitExceeded` past the limit and with `Internal` when writing to disk fails.
    /// After an error the code is incomplete, and the staging must be dropped.
    pub fn write(&mut self, chunk: Bytes) -> Result<(), CatalogError> {
        let len = self.len + chunk.len() as u64;
        if len > self.limits.size {
            let (what, limit) = (Limit::CodeSize, self.limits.size);
            return Err(CatalogError::LimitExceeded { what, limit, actual: len });
        }
        if self.len < 4 {
            let free = &mut self.head[self.len as usize..];
            free.iter_mut().zip(chunk.iter()).for_each(|(slot, byte)| *slot = *byte);
        }
        self.len = len;
        self.content.write(&chunk)?;
        self.digester.update(chunk);
        Ok(())
    }

    /// Returns the number of bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the first bytes are those of a zip, empty or not.
    pub fn looks_like_zip(&self) -> bool {
        self.len >= 4 && matches!(&self.head, b"PK\x03\x04" | b"PK\x05\x06")
    }

    /// Ends code that is an archive, and inspects it.
    ///
    /// Fails with `BadArchive` or `LimitExceeded` when the archive breaks a rule.
    pub fn finish(self) -> Result<Staged, CatalogError> {
        let limits = self.limits;
        let (content, (size, digests)) = (self.content.finish(), self.digester.finish());
        inspected(content, size, digests, &limits)
    }

    /// Ends code that is not an archive, such as the text of one source file.
    ///
    /// It has no entries, and its unpacked size is its size.
    pub fn finish_plain(self) -> Result<Staged, CatalogError> {
        let (size, digests) = self.digester.finish();
        let artifact = Artifact { digests, size, entries: 0, unpacked: size };
        Ok(Staged { artifact, content: self.content.finish() })
    }
}

impl fmt::Debug for Staging {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Staging").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Stages a body that is itself the archive: the spool's file becomes the code without a copy.
///
/// The digests are those of the spool if it computed all; otherwise the bytes are read once. Fails
/// with `BadArchive` (`Missing` for an empty body) or `LimitExceeded`.
pub fn stage_spool(spool: Spool, limits: &ArtifactLimits) -> Result<Staged, CatalogError> {
    let size = spool.len();
    if size == 0 {
        return Err(ArchiveProblem::Missing.into());
    }
    if size > limits.size {
        let (what, limit) = (Limit::CodeSize, limits.size);
        return Err(CatalogError::LimitExceeded { what, limit, actual: size });
    }
    let digests = match spool.digests() {
        Some(digests) => *digests,
        None => digest(&spool)?,
    };
    inspected(spool.into_content(), size, digests, limits)
}

fn digest(spool: &Spool) -> Result<Digests, CatalogError> {
    let (mut reader, mut digester) = (spool.reader()?, Digester::new());
    loop {
        let mut chunk = BytesMut::zeroed(CHUNK);
        let read = reader.read(&mut chunk)?;
        if read == 0 {
            return Ok(digester.finish().1);
        }
        chunk.truncate(read);
        digester.update(chunk.freeze());
    }
}

fn inspected(
    content: Content,
    size: u64,
    digests: Digests,
    limits: &ArtifactLimits,
) -> Result<Staged, CatalogError> {
    let Inspection { entries, unpacked } = archive::inspect(content.reader()?, limits)?;
    Ok(Staged { artifact: Artifact { digests, size, entries, unpacked }, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::samples::{Incoming, VECTORS, noise, stored_zip};
    use crate::ingest::{Measure, SpoolWriter};

    fn spool(incoming: &Incoming, bytes: &[u8], measure: Measure) -> Spool {
        let mut writer = SpoolWriter::new(incoming.path(), 1 << 30, measure);
        for chunk in bytes.chunks(100_000) {
            writer.write(Bytes::copy_from_slice(chunk)).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn vectors_of_the_dialect_references_pass_both_ways() {
        let incoming = Incoming::new();
        for sample in VECTORS {
            let mut staging = Staging::new(incoming.path(), ArtifactLimits::default());
            for byte in sample.bytes() {
                staging.write(Bytes::copy_from_slice(&[byte])).unwrap();
            }
            assert!(staging.looks_like_zip());
            let decoded = staging.finish().unwrap();
            assert_eq!((decoded.artifact.size, decoded.artifact.entries), (sample.size, 1));
            sample.assert_digests(&decoded.artifact.digests);
            for measure in [Measure::Nothing, Measure::Sha256, Measure::All] {
                let body = spool(&incoming, &sample.bytes(), measure);
                let raw = stage_spool(body, &ArtifactLimits::default()).unwrap();
                assert_eq!(raw.artifact, decoded.artifact);
            }
        }
    }

    #[test]
    fn a_raw_body_becomes_the_code_without_a_copy() {
        let incoming = Incoming::new();
        let zip = stored_zip(&[("big.bin", &noise(5 << 20))]);
        let body = spool(&incoming, &zip, Measure::All);
        let before = incoming.names();
        let staged = stage_spool(body, &ArtifactLimits::default()).unwrap();
        assert_eq!(incoming.names(), before);
        let Content::File(file) = &staged.content else { panic!("not a file") };
        assert!(std::fs::read(file.path()).unwrap() == zip);
        assert_eq!(staged.artifact.unpacked, 5 << 20);
        drop(staged);
        assert_eq!(incoming.files(), 0);
    }

    #[test]
    fn a_refused_upload_leaves_no_file() {
        let incoming = Incoming::new();
        let limits = ArtifactLimits { size: 1_000_000, ..ArtifactLimits::default() };
        let mut staging = Staging::new(incoming.path(), limits);
        staging.write(noise(900_000).into()).unwrap();
        assert_eq!(incoming.files(), 1);
        let too_large = staging.write(noise(100_001).into()).unwrap_err();
        assert!(matches!(
            too_large,
            CatalogError::LimitExceeded { what: Limit::CodeSize, actual: 1_000_001, .. }
        ));
        drop(staging);

        let mut staging = Staging::new(incoming.path(), limits);
        staging.write(noise(900_000).into()).unwrap();
        let refused = staging.finish();
        assert!(matches!(refused, Err(CatalogError::BadArchive(ArchiveProblem::NotZip(_)))));
        let body = spool(&incoming, &noise(1_000_001), Measure::All);
        assert!(matches!(
            stage_spool(body, &limits),
            Err(CatalogError::LimitExceeded { what: Limit::CodeSize, .. })
        ));
        let body = spool(&incoming, &noise(900_000), Measure::All);
        assert!(matches!(stage_spool(body, &limits), Err(CatalogError::BadArchive(_))));
        assert_eq!(incoming.files(), 0);
        assert!(matches!(
            stage_spool(Spool::empty(), &limits),
            Err(CatalogError::BadArchive(ArchiveProblem::Missing))
        ));
    }

    #[test]
    fn plain_text_is_staged_unchanged() {
        let incoming = Incoming::new();
        let mut staging = Staging::new(incoming.path(), ArtifactLimits::default());
        staging.write(Bytes::from_static(b"def handler(e, c): pass")).unwrap();
        assert!(!staging.looks_like_zip());
        let staged = staging.finish_plain().unwrap();
        let Artifact { size, entries, unpacked, .. } = staged.artifact;
        assert_eq!((size, entries, unpacked), (23, 0, 23));
    }
}

//! Where the code of one upload gathers until it is known to be good: limit, digests, inspection.
//!
//! Knows nothing of the form it came in, nor of the code folder that will keep it.

use std::fmt;
use std::io::Read;
use std::path::Path;

use bytes::{Bytes, BytesMut};

use super::archive::{self, Inspection};
use super::content::{Content, ContentWriter};
use super::digests::Digester;
use super::spool::Spool;
use crate::domain::{ArchiveProblem, Artifact, ArtifactLimits, CatalogError, Digests, Limit};

/// Bytes read at a time when a body was not measured on its way in.
const CHUNK: usize = 64 * 1024;

/// Code that is checked but not kept yet; its temporary file vanishes with it.
#[derive(Debug)]
pub struct Staged {
    /// What was measured.
    pub artifact: Artifact,
    /// The bytes; a file lies in `incoming/`, is not synced, and can be renamed into place.
    pub content: Content,
}

/// Gathers code as it is decoded; dropped before its end it leaves nothing behind.
pub struct Staging {
    content: ContentWriter,
    digester: Digester,
    limits: ArtifactLimits,
    len: u64,
    head: [u8; 4],
}

impl Staging {
    /// Starts with no bytes; more than fit in memory go to a file in `incoming`.
    pub fn new(incoming: &Path, limits: ArtifactLimits) -> Self {
        Self {
            content: ContentWriter::new(incoming),
            digester: Digester::new(),
            limits,
            len: 0,
            head: [0; 4],
        }
    }

    /// Takes the next bytes of code. It writes to disk, so it belongs on a blocking thread.
    ///
    /// Fails with `LimitExceeded` past the limit and `Internal` when the disk refuses; the code
    /// is then lost, and the staging is to be dropped.
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

    /// Number of bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte has come.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the first bytes are those of a zip, with entries or without.
    pub fn looks_like_zip(&self) -> bool {
        self.len >= 4 && matches!(&self.head, b"PK\x03\x04" | b"PK\x05\x06")
    }

    /// Ends an archive: it is inspected and measured.
    ///
    /// Fails with `BadArchive` or `LimitExceeded` when the archive breaks a rule.
    pub fn finish(self) -> Result<Staged, CatalogError> {
        let limits = self.limits;
        let (content, (size, digests)) = (self.content.finish(), self.digester.finish());
        inspected(content, size, digests, &limits)
    }

    /// Ends code that is not an archive, such as one source file as text: no entries, and
    /// unpacked as large as it is.
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

/// Stages a body that is itself the archive: its file becomes the code, nothing is copied.
///
/// Digests come from the spool when it measured all, else the bytes are read once. Fails with
/// `BadArchive` (`Missing` for an empty body) or `LimitExceeded`.
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
    fn refusals_leave_nothing() {
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
    fn plain_text_is_kept_as_it_is() {
        let incoming = Incoming::new();
        let mut staging = Staging::new(incoming.path(), ArtifactLimits::default());
        staging.write(Bytes::from_static(b"def handler(e, c): pass")).unwrap();
        assert!(!staging.looks_like_zip());
        let staged = staging.finish_plain().unwrap();
        let Artifact { size, entries, unpacked, .. } = staged.artifact;
        assert_eq!((size, entries, unpacked), (23, 0, 23));
    }
}

//! Staging of one upload's code: limits its size, digests it and inspects the archive.
//!
//! A [`StagingWriter`] takes decoded bytes, a [`Staging`] is all bytes of one upload, a [`Staged`]
//! has passed the inspection. Must not know the encoding of the request, nor the code folder that
//! will store the code.

use std::fmt;
use std::io::Read;

use bytes::Bytes;

use super::archive::{self, Inspection};
use super::digests::{Digester, digest};
use super::payload::{Payload, PayloadWriter};
use super::spool::Spool;
use super::upload_folder::UploadFolder;
use crate::domain::{ArchiveProblem, Artifact, ArtifactLimits, CatalogError, Digests, Limit};

/// The first bytes of a zip, with entries and without.
const ZIP_STARTS: [[u8; 4]; 2] = [*b"PK\x03\x04", *b"PK\x05\x06"];

/// A checked upload that is not stored yet; dropping it deletes its temporary file.
#[derive(Debug)]
pub struct Staged {
    /// Size, digests and archive totals.
    pub artifact: Artifact,
    /// The bytes; a file is in `incoming/`, is not synced, and can be renamed into the code folder.
    pub payload: Payload,
}

/// All bytes of one upload, before the inspection; dropping it deletes its temporary file.
#[derive(Debug)]
pub struct Staging {
    payload: Payload,
    size: u64,
    /// `None`: the bytes are digested when the staging is finished.
    digests: Option<Digests>,
    limits: ArtifactLimits,
    kind: Kind,
}

/// What the bytes of an upload must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A zip archive, which is inspected.
    Archive,
    /// One source file as text, which is stored as it is.
    Text,
}

impl Staging {
    /// Takes a spool that is itself the code: its file becomes the code without a copy.
    pub fn of_spool(spool: Spool, limits: ArtifactLimits) -> Self {
        let (size, digests) = (spool.len(), spool.digests().copied());
        Self { payload: spool.into_payload(), size, digests, limits, kind: Kind::Archive }
    }

    /// Marks the bytes as one source file that is not an archive.
    pub fn as_text(self) -> Self {
        Self { kind: Kind::Text, ..self }
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Whether the first bytes are those of a zip, empty or not.
    ///
    /// Fails with `Internal` when the temporary file cannot be read.
    pub fn looks_like_zip(&self) -> Result<bool, CatalogError> {
        let mut start = Vec::with_capacity(4);
        self.payload.reader()?.take(4).read_to_end(&mut start)?;
        Ok(ZIP_STARTS.iter().any(|zip| *zip == *start))
    }

    /// Digests the bytes, unless the spool did, and inspects the archive; for a blocking thread.
    ///
    /// Fails with `BadArchive` (`Missing` without any byte) or `LimitExceeded` when the archive
    /// breaks a rule. A text has no entries and is unpacked as large as it is.
    pub fn finish(self) -> Result<Staged, CatalogError> {
        let Self { payload, size, digests, limits, kind } = self;
        if size == 0 {
            return Err(ArchiveProblem::Missing.into());
        }
        check_size(size, &limits)?;
        let digests = match digests {
            Some(digests) => digests,
            None => digest(payload.reader()?)?.1,
        };
        let Inspection { entries, unpacked } = match kind {
            Kind::Archive => archive::inspect(payload.reader()?, &limits)?,
            Kind::Text => Inspection { entries: 0, unpacked: size },
        };
        Ok(Staged { artifact: Artifact { digests, size, entries, unpacked }, payload })
    }
}

fn check_size(size: u64, limits: &ArtifactLimits) -> Result<(), CatalogError> {
    if size <= limits.size {
        return Ok(());
    }
    let (what, limit) = (Limit::CodeSize, limits.size);
    Err(CatalogError::LimitExceeded { what, limit, actual: size })
}

/// Collects code while it is decoded; a writer that is dropped unfinished deletes its file.
pub struct StagingWriter {
    payload: PayloadWriter,
    digester: Digester,
    limits: ArtifactLimits,
    len: u64,
}

impl StagingWriter {
    /// Creates an empty writer; code that does not fit in memory goes to a file in `incoming`.
    pub fn new(incoming: &UploadFolder, limits: ArtifactLimits) -> Self {
        let (payload, digester) = (PayloadWriter::new(incoming), Digester::new());
        Self { payload, digester, limits, len: 0 }
    }

    /// Appends the next bytes of code. It may write to disk, so it belongs on a blocking thread.
    ///
    /// Fails with `LimitExceeded` past the limit, and with `NoSpace` or `Internal` when writing to
    /// disk fails. After an error the code is incomplete, and the writer must be dropped.
    pub fn write(&mut self, chunk: Bytes) -> Result<(), CatalogError> {
        let len = self.len + chunk.len() as u64;
        check_size(len, &self.limits)?;
        self.len = len;
        self.payload.write(&chunk)?;
        self.digester.update(chunk);
        Ok(())
    }

    /// Ends the upload.
    pub fn end(self) -> Staging {
        let (size, digests) = self.digester.finish();
        let (payload, limits, kind) = (self.payload.finish(), self.limits, Kind::Archive);
        Staging { payload, size, digests: Some(digests), limits, kind }
    }
}

impl fmt::Debug for StagingWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StagingWriter").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::samples::{Incoming, VECTORS, noise, stored_zip};
    use crate::ingest::{Measure, SpoolWriter};

    fn spool(incoming: &Incoming, bytes: &[u8], measure: Measure) -> Spool {
        let mut writer = SpoolWriter::new(incoming.folder(), 1 << 30, measure);
        for chunk in bytes.chunks(100_000) {
            writer.write(Bytes::copy_from_slice(chunk)).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn vectors_of_the_dialect_references_pass_both_ways() {
        let incoming = Incoming::new();
        for sample in VECTORS {
            let mut staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
            for byte in sample.bytes() {
                staging.write(Bytes::copy_from_slice(&[byte])).unwrap();
            }
            let staging = staging.end();
            assert!(staging.looks_like_zip().unwrap());
            let decoded = staging.finish().unwrap();
            assert_eq!((decoded.artifact.size, decoded.artifact.entries), (sample.size, 1));
            sample.assert_digests(&decoded.artifact.digests);
            for measure in [Measure::Nothing, Measure::Sha256, Measure::All] {
                let body = spool(&incoming, &sample.bytes(), measure);
                let raw = Staging::of_spool(body, ArtifactLimits::default()).finish().unwrap();
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
        let staged = Staging::of_spool(body, ArtifactLimits::default()).finish().unwrap();
        assert_eq!(incoming.names(), before);
        let Payload::File(file) = &staged.payload else { panic!("not a file") };
        assert!(std::fs::read(file.path()).unwrap() == zip);
        assert_eq!(staged.artifact.unpacked, 5 << 20);
        drop(staged);
        assert_eq!(incoming.files(), 0);
    }

    #[test]
    fn a_refused_upload_leaves_no_file() {
        let incoming = Incoming::new();
        let limits = ArtifactLimits { size: 1_000_000, ..ArtifactLimits::default() };
        let mut staging = StagingWriter::new(incoming.folder(), limits);
        staging.write(noise(900_000).into()).unwrap();
        assert_eq!(incoming.files(), 1);
        let too_large = staging.write(noise(100_001).into()).unwrap_err();
        assert!(matches!(
            too_large,
            CatalogError::LimitExceeded { what: Limit::CodeSize, actual: 1_000_001, .. }
        ));
        drop(staging);

        let mut staging = StagingWriter::new(incoming.folder(), limits);
        staging.write(noise(900_000).into()).unwrap();
        let refused = staging.end().finish();
        assert!(matches!(refused, Err(CatalogError::BadArchive(ArchiveProblem::NotZip(_)))));
        let body = spool(&incoming, &noise(1_000_001), Measure::All);
        assert!(matches!(
            Staging::of_spool(body, limits).finish(),
            Err(CatalogError::LimitExceeded { what: Limit::CodeSize, .. })
        ));
        let body = spool(&incoming, &noise(900_000), Measure::All);
        assert!(matches!(
            Staging::of_spool(body, limits).finish(),
            Err(CatalogError::BadArchive(_))
        ));
        assert_eq!(incoming.files(), 0);
        assert!(matches!(
            Staging::of_spool(Spool::empty(), limits).finish(),
            Err(CatalogError::BadArchive(ArchiveProblem::Missing))
        ));
    }

    #[test]
    fn plain_text_is_staged_unchanged() {
        let incoming = Incoming::new();
        let mut staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
        staging.write(Bytes::from_static(b"def handler(e, c): pass")).unwrap();
        let staging = staging.end();
        assert!(!staging.looks_like_zip().unwrap());
        let staged = staging.as_text().finish().unwrap();
        let Artifact { size, entries, unpacked, .. } = staged.artifact;
        assert_eq!((size, entries, unpacked), (23, 0, 23));
    }
}

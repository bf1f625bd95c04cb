//! What the targets of `ingest` share: stagings, and readers that return small pieces.

use std::io::{self, Read};
use std::path::Path;

use layerbase::domain::ArtifactLimits;
use layerbase::ingest::{Payload, Staging, StagingWriter, UploadFolder};

/// Most bytes of the fields beside the code.
pub(crate) const FIELDS_MAX: usize = 64 << 10;

/// Inputs above this are skipped: all is then in memory, and no folder is needed.
pub(crate) const INPUT_MAX: usize = 64 << 10;

/// The sizes of pieces in which an input is read.
pub(crate) const STEPS: [usize; 3] = [usize::MAX, 1, 7];

/// Returns a writer whose code stays in memory.
pub(crate) fn writer() -> StagingWriter {
    let folder = UploadFolder::new(Path::new("/nonexistent"), Some(0));
    StagingWriter::new(&folder, ArtifactLimits::default())
}

/// Returns the bytes of a staging.
pub(crate) fn bytes(staging: Staging) -> Vec<u8> {
    if staging.is_empty() {
        return Vec::new();
    }
    match staging.as_text().finish().expect("a text has no rules").payload {
        Payload::Memory(bytes) => bytes.to_vec(),
        Payload::File(file) => panic!("a small upload is in {}", file.path().display()),
    }
}

/// Reads at most a number of bytes at a time.
pub(crate) struct Pieces<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let take = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(take);
        buffer[..take].copy_from_slice(now);
        self.0 = later;
        Ok(take)
    }
}

//! Decodes base64 text, in pieces of any size, into a staging.
//!
//! Must not know the document around the text; its escapes are decoded before.

use base64_simd::STANDARD_NO_PAD;
use bytes::Bytes;
use memchr::memchr;

use super::staging::{Staging, StagingWriter};
use crate::domain::{ArchiveProblem, CatalogError};

/// Characters that are decoded at a time.
const BLOCK: usize = 64 * 1024;

/// Fewer characters are buffered, so that escapes in the text do not cause tiny writes.
const WORTH_DECODING: usize = 16 * 1024;

/// What is accepted beyond standard base64 with padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// Nothing.
    Strict,
    /// White space anywhere, and missing padding (Huawei accepts both).
    SpacesAndMissingPadding,
}

/// Decodes base64 text into a [`StagingWriter`].
pub struct Base64Sink {
    staging: StagingWriter,
    leniency: Leniency,
    /// Buffered characters; multiples of four are decoded once [`WORTH_DECODING`] is reached.
    waiting: Vec<u8>,
    padding: usize,
    has_text: bool,
}

impl Base64Sink {
    /// Creates a sink without text.
    pub fn new(staging: StagingWriter, leniency: Leniency) -> Self {
        Self { staging, leniency, waiting: Vec::new(), padding: 0, has_text: false }
    }

    /// Whether it has received any character, including white space.
    pub fn has_text(&self) -> bool {
        self.has_text
    }

    /// Decodes the next characters.
    ///
    /// Fails with `BadArchive(NotBase64)` for text that is not base64, and as
    /// [`StagingWriter::write`] does.
    pub fn push(&mut self, text: &[u8]) -> Result<(), CatalogError> {
        self.has_text |= !text.is_empty();
        // No branch per byte, so that the compiler vectorizes the loop.
        let spaced = || text.iter().fold(0, |found, byte| found | u8::from(*byte <= b' ')) != 0;
        if self.leniency == Leniency::Strict || !spaced() {
            return self.push_dense(text);
        }
        text.split(u8::is_ascii_whitespace).try_for_each(|run| self.push_dense(run))
    }

    /// Ends the text and returns the decoded bytes, which are none if there was no text.
    ///
    /// Fails with `BadArchive(NotBase64)` when the text is incomplete or its padding is wrong.
    pub fn finish(mut self) -> Result<Staging, CatalogError> {
        let left = self.waiting.len() % 4;
        let missing = (4 - left) % 4;
        let may_lack = self.padding == 0 && self.leniency != Leniency::Strict;
        if left == 1 || (self.padding != missing && !may_lack) {
            return Err(ArchiveProblem::NotBase64.into());
        }
        self.decode(&[])?;
        Ok(self.staging.end())
    }

    fn push_dense(&mut self, text: &[u8]) -> Result<(), CatalogError> {
        let (text, padding) = text.split_at(memchr(b'=', text).unwrap_or(text.len()));
        if self.padding > 0 && !text.is_empty() || padding.iter().any(|byte| *byte != b'=') {
            return Err(ArchiveProblem::NotBase64.into());
        }
        self.padding = (self.padding + padding.len()).min(4);
        text.chunks(BLOCK).try_for_each(|block| self.push_block(block))
    }

    fn push_block(&mut self, text: &[u8]) -> Result<(), CatalogError> {
        if self.waiting.len() + text.len() < WORTH_DECODING {
            self.waiting.extend_from_slice(text);
            return Ok(());
        }
        let completing = (4 - self.waiting.len() % 4) % 4;
        let (head, text) = text.split_at(completing.min(text.len()));
        self.waiting.extend_from_slice(head);
        let (whole, rest) = text.split_at(text.len() & !3);
        self.decode(whole)?;
        self.waiting.extend_from_slice(rest);
        Ok(())
    }

    /// Decodes the buffered characters and `text` directly into the buffer that is written and
    /// digested.
    fn decode(&mut self, text: &[u8]) -> Result<(), CatalogError> {
        let mut bytes = Vec::with_capacity((self.waiting.len() + text.len()) / 4 * 3 + 3);
        let decoded = STANDARD_NO_PAD
            .decode_append(&self.waiting, &mut bytes)
            .and_then(|()| STANDARD_NO_PAD.decode_append(text, &mut bytes));
        if decoded.is_err() {
            return Err(ArchiveProblem::NotBase64.into());
        }
        self.waiting.clear();
        self.staging.write(Bytes::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ArtifactLimits;
    use crate::ingest::samples::{Incoming, VECTORS, bytes_of, noise};
    use Leniency::{SpacesAndMissingPadding, Strict};

    fn decode(text: &[u8], step: usize, leniency: Leniency) -> Option<Vec<u8>> {
        let incoming = Incoming::new();
        let staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
        let mut sink = Base64Sink::new(staging, leniency);
        let pushed = text.chunks(step).try_for_each(|piece| sink.push(piece));
        let bytes = match pushed.and_then(|()| sink.finish()) {
            Ok(staging) => Some(bytes_of(staging)),
            Err(CatalogError::BadArchive(ArchiveProblem::NotBase64)) => None,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(incoming.files(), 0);
        bytes
    }

    #[test]
    fn pieces_of_any_size_give_the_same_bytes() {
        for len in [0, 1, 2, 3, 4, 1000, 16_000, 200_001, 400_000] {
            let bytes = noise(len);
            let text = base64_simd::STANDARD.encode_to_string(&bytes);
            for step in [7, 4096, 65_535, 65_536, 1 << 20] {
                let decoded = decode(text.as_bytes(), step, Strict);
                assert!(decoded.as_ref() == Some(&bytes), "{len} bytes by {step}");
            }
        }
        for sample in VECTORS {
            assert_eq!(decode(sample.base64.as_bytes(), 1, Strict), Some(sample.bytes()));
        }
    }

    #[test]
    fn text_that_is_not_base64_is_refused() {
        let wrong = [
            "A",
            "AA",
            "AAA",
            "AA=",
            "AAA==",
            "AAAA=",
            "AAAA====",
            "====",
            "=",
            "AA==AA==",
            "AA=A",
            "AAA*",
            "AA-_",
            "AB==",
            "AAAA\n",
            " AAAA",
            "AAA\u{e9}",
            "\0AAA",
        ];
        for text in wrong {
            for step in [1, 3, 100] {
                assert_eq!(decode(text.as_bytes(), step, Strict), None, "{text:?}");
            }
        }
        let mut long = vec![b'A'; 200_000];
        long[150_000] = b'!';
        assert_eq!(decode(&long, 65_536, Strict), None);
    }

    #[test]
    fn leniency_accepts_only_spaces_and_missing_padding() {
        let lenient = |text: &str, step| decode(text.as_bytes(), step, SpacesAndMissingPadding);
        for step in [1, 2, 5, 100] {
            for text in ["aGVsbG8=", "aGVsbG8", " aGV\r\nsbG8 =\n", "\taGVsbG8"] {
                assert_eq!(lenient(text, step).unwrap(), b"hello", "{text:?}");
            }
            for text in ["aGVsbG8==", "aGVsb", "aGV sbG8= x", "aGVs\0bG8="] {
                assert_eq!(lenient(text, step), None, "{text:?}");
            }
        }
        let bytes = noise(300_000);
        let text = base64_simd::STANDARD.encode_to_string(&bytes);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(76).collect();
        assert!(decode(&lines.join(&b"\r\n"[..]), 65_536, SpacesAndMissingPadding) == Some(bytes));
    }
}

//! Uploaded code: its source, its size, its digests, and the measures and limits of its archive.

use super::ObjectRef;

/// The four digests of one content, as raw bytes; only dialects spell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256, also the content's key and file name.
    pub sha256: [u8; 32],
    /// SHA-512.
    pub sha512: [u8; 64],
    /// MD5, stored because three clouds return it; never used to compare contents.
    pub md5: [u8; 16],
    /// CRC-64/XZ (ECMA-182, reflected, init and xorout all ones).
    pub crc64: u64,
}

/// One checked content, measured while its bytes were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The digests of the uploaded bytes.
    pub digests: Digests,
    /// Length of the uploaded bytes.
    pub size: u64,
    /// Number of entries in the archive's directory, folders included.
    pub entries: u64,
    /// Sum of the entries' unpacked sizes in bytes.
    pub unpacked: u64,
}

/// The limits of an archive (design.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtifactLimits {
    /// Bytes of the zip itself.
    pub size: u64,
    /// Bytes of all entries unpacked.
    pub unpacked: u64,
    /// Number of entries.
    pub entries: u64,
    /// Parts of an entry's path: folders and the name.
    pub depth: u64,
    /// Whether an entry's path may contain `~/`.
    pub tilde: bool,
    /// Whether each entry's content is read and compared with its sizes and CRC-32.
    pub check_content: bool,
}

impl ArtifactLimits {
    /// Returns these limits with at most `bytes` of all entries unpacked, where they are higher.
    #[must_use]
    pub fn with_unpacked(self, bytes: u64) -> Self {
        Self { unpacked: self.unpacked.min(bytes), ..self }
    }
}

impl Default for ArtifactLimits {
    fn default() -> Self {
        Self {
            size: 500 << 20,
            unpacked: 1 << 30,
            entries: 250_000,
            depth: u64::MAX,
            tilde: true,
            check_content: true,
        }
    }
}

/// The source of a request's code; `S` holds the bytes that came with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeSource<S> {
    /// A zip archive came with the request.
    Archive(S),
    /// One source file came with the request, as text.
    Text(S),
    /// An object of the inbox or of the bucket map.
    Object(ObjectRef),
    /// A content that the catalog stores, by its SHA-256.
    Stored([u8; 32]),
}

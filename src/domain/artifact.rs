//! What the catalog knows of uploaded code: its size, its digests, what its archive holds.

/// The four digests of one content, as raw bytes; only dialects spell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256, which is also the content's key and file name.
    pub sha256: [u8; 32],
    /// SHA-512.
    pub sha512: [u8; 64],
    /// MD5, kept because three clouds print it; never used to compare contents.
    pub md5: [u8; 16],
    /// CRC-64/XZ (ECMA-182, reflected, init and xorout all ones).
    pub crc64: u64,
}

/// One checked content: what was measured while its bytes passed.
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

/// What an archive may be at most (design.md section 3).
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
}

impl Default for ArtifactLimits {
    fn default() -> Self {
        Self { size: 500 << 20, unpacked: 1 << 30, entries: 30_000, depth: u64::MAX }
    }
}

//! Code in, artifact out: decode, limit, digest, inspect, keep.
use crate::domain::Artifact;
/// stub
#[derive(Debug)]
pub struct Staged { /// a
pub artifact: Artifact, /// b
pub content: Content }
/// stub
#[derive(Debug)]
pub enum Content { /// a
Memory(bytes::Bytes), /// b
File(tempfile::NamedTempFile) }

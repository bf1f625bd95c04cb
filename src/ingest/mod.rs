//! Code in, artifact out: decode, limit, digest, inspect, keep.
//!
//! A body arrives in a [`spool::Spool`]; its code comes out as base64 in JSON ([`json`]) or a form
//! ([`form`]), as a part ([`multipart`]), or is the body itself ([`staging::stage_spool`]). All ways
//! end in a [`staging::Staged`]: checked bytes with their [`crate::domain::Artifact`], not yet kept.
//! Everything is streamed: an upload of any size takes about a mebibyte of memory.
//!
//! Knows nothing of HTTP, of the catalog's rows, nor of where code is kept in the end.

pub mod archive;
pub mod base64;
pub mod content;
pub mod digests;
pub mod form;
pub mod json;
pub mod multipart;
#[cfg(test)]
mod samples;
mod skeleton;
pub mod spool;
pub mod staging;

pub use base64::Leniency;
pub use content::Content;
pub use spool::{Measure, Spool, SpoolWriter, next_piece};
pub use staging::{Staged, Staging, stage_spool};

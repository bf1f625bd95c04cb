//! Turns request bodies into checked code: decodes, limits, digests and inspects it.
//!
//! A body is received into a [`spool::Spool`]. Its code is base64 in JSON ([`json`]) or in a form
//! ([`form`]), a multipart part ([`multipart`]), or the whole body ([`Staging::of_spool`]). Each
//! path ends in a [`Staged`]: checked bytes with their [`crate::domain::Artifact`], not yet stored.
//! Everything is streamed: an upload of any size takes about a mebibyte of memory.
//!
//! Must not know HTTP, the catalog's rows, or where code is stored.

pub mod archive;
pub mod base64;
pub mod digests;
pub mod form;
pub mod json;
pub mod multipart;
pub mod payload;
#[cfg(test)]
mod samples;
mod skeleton;
pub mod spool;
pub mod staging;
mod upload_folder;

pub use base64::Leniency;
pub use payload::Payload;
pub use spool::{Measure, Spool, SpoolWriter, next_piece};
pub use staging::{Staged, Staging, StagingWriter};
pub use upload_folder::UploadFolder;

//! Whether the catalog can do its work: space, readiness, code files that are lost or unknown.
//!
//! Must not know HTTP.

use std::io::Write;
use std::sync::PoisonError;

use super::{Catalog, Content};
use crate::domain::{Actor, Artifact, CatalogError, Noun, Tally};
use crate::ingest::UploadFolder;
use crate::ingest::payload::MEMORY_MAX;

/// Why the catalog is not ready, in words that name no path.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unready {
    reason: String,
    /// What happened, for the log.
    #[source]
    source: CatalogError,
}

impl Unready {
    fn new(what: &str) -> impl FnOnce(CatalogError) -> Self {
        move |source| {
            let reason = match &source {
                CatalogError::NoSpace { .. } => source.to_string(),
                _ => format!("{what}: see the log"),
            };
            Self { reason, source }
        }
    }
}

impl Catalog {
    /// Has uploads leave `bytes` of the disk free; `None`: 64 MiB, or a tenth of the file system
    /// where that is less.
    pub fn with_min_free(mut self, bytes: Option<u64>) -> Self {
        self.incoming = UploadFolder::new(self.store.blobs().incoming(), bytes);
        self
    }

    /// Checks that an upload of `bytes` leaves enough of the disk free; `NoSpace` otherwise.
    pub fn must_have_room(&self, bytes: u64) -> Result<(), CatalogError> {
        Ok(self.incoming.must_have(bytes)?)
    }

    /// Checks that the disk has room for an upload, that a file can be written and synced in
    /// `incoming/`, and that rows can be read and committed. For a blocking thread: it waits for
    /// the disk.
    pub fn check(&self) -> Result<(), Unready> {
        // The room that an upload takes at once.
        self.incoming.must_have(MEMORY_MAX as u64).map_err(|failure| {
            let numbers = failure.to_string();
            let mut unready = Unready::new("the data folder cannot be used")(failure.into());
            if let CatalogError::NoSpace { .. } = unready.source {
                unready.reason = format!("{}: {numbers}", unready.reason);
            }
            unready
        })?;
        let write = || {
            let builder = &mut tempfile::Builder::new();
            let mut file = builder.prefix("check-").tempfile_in(self.incoming.path())?;
            file.write_all(&[0; 4096])?;
            Ok(file.as_file().sync_all()?)
        };
        write().map_err(Unready::new("a file cannot be written and synced"))?;
        let read = self.store.read(|view| view.check());
        read.map_err(Unready::new("the catalog cannot be read"))?;
        let committed = self.store.write(|change| change.rewrite_state());
        committed.map_err(Unready::new("the catalog cannot commit a row"))
    }

    /// Finds a content by its SHA-256 and returns its artifact and its bytes.
    ///
    /// `NotFound` when the catalog has no such content, or when its file is missing or has another
    /// length, which is logged.
    pub fn get_code(&self, sha256: &[u8; 32]) -> Result<(Artifact, Content), CatalogError> {
        let code = self.store.read(|view| view.select_code(sha256))?;
        let code = code.ok_or_else(|| no_code(sha256))?;
        if !self.store.blobs().is_whole(sha256, code.size)? {
            return Err(self.lost_code(sha256, "its file is missing or has another length"));
        }
        Ok((code, Content::at(self.store.blobs().path(sha256), code.size)))
    }

    /// Logs that a content is lost, with its versions, and returns the error for the client.
    pub fn lost_code(&self, sha256: &[u8; 32], problem: &'static str) -> CatalogError {
        let versions = self.store.read(|view| view.select_code_versions(sha256));
        tracing::error!(
            path = %self.store.blobs().path(sha256).display(),
            versions = ?versions.unwrap_or_default(),
            problem,
            "stored code is damaged; publishing the same code again mends it"
        );
        no_code(sha256)
    }

    /// Looks for code files that no row knows, in the next of the 256 subfolders; `None` after the
    /// last one. A step of upkeep.
    ///
    /// Such files are left where they are, and a warning is logged at the end: the catalog may be
    /// older than the code folder.
    pub fn find_unknown_code(&self, by: &Actor) -> Result<Option<Tally>, CatalogError> {
        by.must_be_task()?;
        let mut found = self.unknown_code.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(subfolder) = found.next else {
            if let Some(example) = &found.example {
                tracing::warn!(
                    files = found.did.files,
                    bytes = found.did.bytes,
                    example = %example.display(),
                    "the code folder has files that the catalog does not know: was the catalog \
                     restored from an older copy, or without its log?"
                );
            }
            *found = UnknownCode::default();
            return Ok(None);
        };
        let files = self.store.unknown_code_files(subfolder)?;
        let bytes = files.iter().map(|(_, bytes)| bytes).sum();
        let did = Tally { files: files.len() as u64, bytes, ..Tally::default() };
        found.next = subfolder.checked_add(1);
        found.did.add(did);
        found.example = found.example.take().or(files.into_iter().next().map(|(path, _)| path));
        Ok(Some(did))
    }
}

/// A search for code files without a row, between two of its steps.
pub(super) struct UnknownCode {
    /// The subfolder that is searched next; `None` after the last one.
    next: Option<u8>,
    did: Tally,
    example: Option<std::path::PathBuf>,
}

impl Default for UnknownCode {
    fn default() -> Self {
        Self { next: Some(0), did: Tally::default(), example: None }
    }
}

fn no_code(sha256: &[u8; 32]) -> CatalogError {
    CatalogError::not_found(Noun::Code, hex::encode(sha256))
}

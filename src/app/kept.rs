//! Code that the catalog has, and that a request names for another version.

use std::fs::File;

use super::App;
use crate::domain::{Caller, CatalogError, Limit, Role};
use crate::ingest::{Measure, Spool, SpoolWriter};

impl App {
    /// Copies kept code by its SHA-256, whoever it came from: the caller has shown a link to it.
    ///
    /// `Forbidden` for who may not write; `NotFound` of `Code`; `LimitExceeded` of `CodeSize` past
    /// `limit` bytes, of `Uploads` when no place comes free.
    pub async fn fetch_kept(
        &self,
        by: &Caller,
        sha256: [u8; 32],
        limit: u64,
    ) -> Result<Spool, CatalogError> {
        // Who may not publish must not move data either.
        by.must_be(Role::Write)?;
        let _place = self.inner.admission.start_upload().await?;
        self.blocking(move |catalog| {
            let (code, path) = catalog.get_code(&sha256)?;
            if code.size > limit {
                let (what, actual) = (Limit::CodeSize, code.size);
                return Err(CatalogError::LimitExceeded { what, limit, actual });
            }
            let mut writer = SpoolWriter::new(catalog.incoming(), code.size, Measure::All);
            writer.write_file(&mut File::open(path)?)?;
            writer.finish()
        })
        .await
    }
}

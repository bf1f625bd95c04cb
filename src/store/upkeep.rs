//! Statements of upkeep: what is expired, files that no row refers to. Knows no schedule.

use std::path::PathBuf;

use uuid::Uuid;

use super::engine::{Row, values};
use super::{Adds, Change, Store, View};
use crate::domain::{CatalogError, Tally, Timestamp};

/// Names of files that `inbox_gone` is read for at once.
const GONE_BATCH: u64 = 500;

impl View<'_> {
    /// Returns whether any object or upload is expired.
    pub fn has_expired(&self, now: Timestamp) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM inbox_objects WHERE expires <= ?1)
                       OR EXISTS (SELECT 1 FROM inbox_multiparts WHERE expires <= ?1)";
        Ok(self.one(sql, values![now], |row| row.flag(0))?.unwrap_or_default())
    }

    /// Returns names of files to be removed, in their order, after `after`.
    pub(super) fn select_gone(&self, after: &str) -> Result<Vec<String>, CatalogError> {
        let sql = "SELECT file FROM inbox_gone WHERE file > ? ORDER BY file LIMIT ?";
        self.all(sql, values![after, GONE_BATCH], |row| row.string(0))
    }
}

impl Change<'_> {
    /// Deletes up to `max` expired objects, up to `max` parts of expired uploads, and up to `max`
    /// expired uploads without parts.
    pub fn delete_expired(&self, now: Timestamp, max: u64) -> Result<Tally, CatalogError> {
        let mut done = Tally::default();
        let objects = "DELETE FROM inbox_objects WHERE (tenant, bucket, key) IN
                       (SELECT tenant, bucket, key FROM inbox_objects WHERE expires <= ? LIMIT ?)
                       RETURNING size";
        self.each(objects, values![now, max], |row| add_file(&mut done, row))?;
        done.things = done.files;
        let parts = "DELETE FROM inbox_parts WHERE (upload, number) IN
                     (SELECT p.upload, p.number FROM inbox_multiparts u
                      CROSS JOIN inbox_parts p ON p.upload = u.id WHERE u.expires <= ? LIMIT ?)
                     RETURNING size";
        self.each(parts, values![now, max], |row| add_file(&mut done, row))?;
        let uploads = "DELETE FROM inbox_multiparts WHERE id IN
                       (SELECT u.id FROM inbox_multiparts u WHERE u.expires <= ?
                        AND NOT EXISTS (SELECT 1 FROM inbox_parts p WHERE p.upload = u.id)
                        LIMIT ?)";
        done.things += self.count(uploads, values![now, max])?;
        Ok(done)
    }

    /// Deletes the rows of `inbox_gone` whose files are removed. No answer shows them, so that the
    /// generation stays.
    pub(super) fn delete_gone(&self, files: &[String]) -> Result<(), CatalogError> {
        self.keep_generation();
        let files = serde_json::to_string(files).map_err(CatalogError::internal)?;
        let sql = "DELETE FROM inbox_gone WHERE file IN (SELECT value FROM json_each(?))";
        self.run(sql, values![&files])
    }
}

impl Store {
    /// Returns the code files in one of the 256 subfolders that no row knows, with their bytes.
    pub fn unknown_code_files(&self, subfolder: u8) -> Result<Vec<(PathBuf, u64)>, CatalogError> {
        // Each row is looked for in a snapshot of its own, which has what was committed until then.
        let has_row = |sha256: &_| self.read(|view| Ok(view.has_code(sha256))).unwrap_or(true);
        Ok(self.blobs().unknown_files(subfolder, has_row)?)
    }

    /// Removes files of the inbox that no row refers to any longer, up to a few hundred; returns
    /// their number, 0 if none is left that can be removed.
    ///
    /// A failure to remove a file is logged, and the next call tries again.
    pub fn remove_gone_files(&self) -> Result<u64, CatalogError> {
        let mut after = String::new();
        loop {
            let files = self.read(|view| view.select_gone(&after))?;
            let Some(last) = files.last() else { return Ok(0) };
            after.clone_from(last);
            let removed: Vec<String> =
                files.into_iter().filter(|file| self.is_removed(file)).collect();
            // Files that cannot be removed must not hide those after them.
            if !removed.is_empty() {
                let count = removed.len() as u64;
                self.write_adding(Adds::Nothing, move |change| change.delete_gone(&removed))?;
                return Ok(count);
            }
        }
    }

    fn is_removed(&self, file: &str) -> bool {
        match Uuid::parse_str(file) {
            Ok(id) => self.inbox().remove(id),
            Err(failure) => {
                tracing::error!(%failure, file, "a file of the inbox has a strange name");
                false
            }
        }
    }
}

/// Counts a deleted file, whose size is the row's only column.
fn add_file(done: &mut Tally, row: &Row<'_>) -> Result<(), CatalogError> {
    done.files += 1;
    done.bytes += row.count(0)?;
    Ok(())
}

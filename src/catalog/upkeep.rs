//! Use cases of upkeep: each is one bounded step of a task, by a task alone. They leave no line in
//! the audit log. Must not know a schedule.

use super::Catalog;
use crate::domain::{Actor, CatalogError, Tally};
use crate::store::Adds;

/// Most expired objects, parts and uploads (of each) that a step deletes in one commit.
const EXPIRED_BATCH: u64 = 500;

impl Catalog {
    /// Deletes expired objects and unfinished uploads of the inbox; `None` when none is left.
    ///
    /// Reads do not see them, whether or not they are deleted yet. Their files are left to
    /// [`Catalog::remove_files`].
    pub fn expire_inbox(&self, by: &Actor) -> Result<Option<Tally>, CatalogError> {
        by.must_be_task()?;
        let now = self.clock.now();
        if !self.store.read(|view| view.has_expired(now))? {
            return Ok(None);
        }
        let done = self
            .store
            .write_adding(Adds::Nothing, move |change| change.delete_expired(now, EXPIRED_BATCH))?;
        Ok(Some(done).filter(|done| !done.is_empty()))
    }

    /// Removes files that no row refers to any longer; `None` when none is left that can be
    /// removed.
    pub fn remove_files(&self, by: &Actor) -> Result<Option<Tally>, CatalogError> {
        by.must_be_task()?;
        let files = self.store.remove_gone_files()?;
        Ok((files > 0).then_some(Tally { files, ..Tally::default() }))
    }
}

//! Storage of the catalog: one SQLite file, the code folder and the inbox's folder.
//!
//! Stores and finds rows and files. `catalog` decides which number a version gets and what a caller
//! may do. Only `engine` and `sqlite` know SQLite. See design.md section 4 for the rules.

mod audit;
mod blobs;
mod change_counter;
mod code;
mod columns;
mod engine;
mod files;
mod functions;
mod holds;
mod inbox;
mod inbox_files;
mod keys;
mod layers;
mod lock;
mod open_mark;
mod pages;
#[cfg(test)]
mod plans;
mod reserve;
mod sharded_directory;
mod sqlite;
mod upkeep;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use blobs::{Blobs, PendingBlob};
pub use engine::{Change, View};
pub use inbox_files::{InboxFiles, PendingObject};
pub use layers::LayerVersionInsert;

use crate::domain::{CatalogError, TenantId, Timestamp};
use change_counter::ChangeCounter;
use engine::values;
use reserve::Reserve;
use sqlite::schema;
use writer::Failed;

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns the folder.
    #[error("the data folder {0} is in use by another layerbase process")]
    Locked(PathBuf),
    /// A newer release wrote the file.
    #[error(
        "the catalog has schema version {found}, this release knows up to {known}: use a newer release"
    )]
    NewerSchema {
        /// The version in the file.
        found: i64,
        /// The newest that this release knows.
        known: i64,
    },
    /// The file belongs to another program.
    #[error("{0} is not a layerbase catalog")]
    Foreign(PathBuf),
    /// The operating system refused.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the writer")]
    Thread(#[source] std::io::Error),
    /// The database refused.
    #[error("cannot open the catalog")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// An open data folder: its rows, its files and its lock.
pub struct Store {
    /// Declared before the writer and therefore closed before it. The last connection to close is
    /// then one that can write; it removes the write-ahead log and the log's index.
    readers: sqlite::Readers,
    writer: writer::Writer,
    changes: Arc<AtomicU64>,
    /// Files whose commit failed and is not settled yet, with the commit's number.
    unsettled: Mutex<Vec<(u64, PendingFile)>>,
    blobs: Blobs,
    inbox: InboxFiles,
    change_counter: ChangeCounter,
    folder: PathBuf,
    /// `None` where another process may own the folder.
    lock: Option<File>,
}

impl Store {
    /// Opens or creates the data folder at `folder`, takes its lock, and removes files that a
    /// killed process left without a row.
    ///
    /// Waits up to two seconds for a command that holds the lock; `Locked` if it is still held
    /// then. `now` is the creation time of a new catalog and `secret` its link secret. The time
    /// that this takes does not grow with the catalog.
    pub fn open(folder: &Path, now: Timestamp, secret: [u8; 32]) -> Result<Self, OpenError> {
        files::make_private_folder(folder).map_err(OpenError::io(folder))?;
        let lock = lock::wait_for_lock(folder, || Ok(false))?;
        open_mark::check(folder);
        let reserve = Reserve::open(folder, true);
        let catalog_path = folder.join("catalog.sqlite");
        files::make_private_file(&catalog_path).map_err(OpenError::io(&catalog_path))?;
        let mut session = sqlite::Session::open(&catalog_path)?;
        schema::prepare(&mut session.0, &catalog_path, now, secret)?;
        files::make_private(folder).map_err(OpenError::io(folder))?;
        let (blobs, inbox) = open_files(folder).map_err(OpenError::io(folder))?;
        let view = session.view();
        inbox.sweep(|file| view.has_inbox_file(file)).map_err(OpenError::io(folder))?;
        blobs.sweep(|sha256| view.has_code(sha256)).map_err(OpenError::io(folder))?;
        open_mark::set(folder).map_err(OpenError::io(folder))?;
        Self::over(session, catalog_path, reserve, (blobs, inbox), lock)
    }

    /// Opens the data folder for a short change while a server may own it.
    ///
    /// Takes the lock only if the catalog must be created or migrated first; `Locked` if another
    /// process then holds it for longer than two seconds. SQLite lets two processes write in turn.
    /// The owner of the folder sees the change at once.
    pub fn open_beside(folder: &Path, now: Timestamp, secret: [u8; 32]) -> Result<Self, OpenError> {
        files::make_private_folder(folder).map_err(OpenError::io(folder))?;
        if let Some(_lock) = lock::try_lock(folder)? {
            // No server runs, and this process becomes the last that closes the catalog.
            open_mark::check(folder);
            open_mark::clear(folder).map_err(OpenError::io(folder))?;
        }
        let reserve = Reserve::open(folder, false);
        let catalog_path = folder.join("catalog.sqlite");
        files::make_private_file(&catalog_path).map_err(OpenError::io(&catalog_path))?;
        let mut session = sqlite::Session::open(&catalog_path)?;
        // The holder of the lock may be creating this very catalog.
        let is_current = || schema::is_current(&session.0, &catalog_path);
        match lock::wait_for_lock(folder, is_current)? {
            None => schema::configure(&session.0)?,
            Some(_lock) => schema::prepare(&mut session.0, &catalog_path, now, secret)?,
        }
        let files = open_files(folder).map_err(OpenError::io(folder))?;
        Self::over(session, catalog_path, reserve, files, None)
    }

    fn over(
        session: sqlite::Session,
        catalog_path: PathBuf,
        reserve: Reserve,
        (blobs, inbox): (Blobs, InboxFiles),
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let changes = Arc::new(AtomicU64::new(0));
        let folder = catalog_path.parent().unwrap_or(&catalog_path).to_owned();
        let change_counter = ChangeCounter::open(&folder).map_err(OpenError::io(&folder))?;
        Ok(Self {
            readers: sqlite::Readers::new(catalog_path),
            writer: writer::Writer::start(session, reserve, Arc::clone(&changes))
                .map_err(OpenError::Thread)?,
            changes,
            unsettled: Mutex::default(),
            blobs,
            inbox,
            change_counter,
            folder,
            lock,
        })
    }

    /// Returns the code folder.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Returns the inbox's folder.
    pub fn inbox(&self) -> &InboxFiles {
        &self.inbox
    }

    /// Returns a number that grows with every commit of this store that changed a row.
    ///
    /// While it stays the same, layers and functions are unchanged: only the owner of the folder
    /// writes them. Changes by other processes show in [`Store::access_stamp`] alone; their lines
    /// in the audit log show in neither.
    pub fn generation(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Returns a number that changes with every change to a key, a tenant's cloud ids or the link
    /// secret, by any process.
    pub fn access_stamp(&self) -> Result<u64, CatalogError> {
        // Counted before the row is read: the row is then at least as new as the count.
        self.readers.access((self.generation(), self.change_counter.count()?))
    }

    /// Runs a short read on this thread's own connection; everything that `read` sees belongs to
    /// one snapshot.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        self.readers.read(read)
    }

    /// Has the writer run `change` in a savepoint of its own; returns when its commit is synced.
    ///
    /// After an error nothing of the change remains, unless the commit failed and the writer could
    /// not settle it.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.write_adding(Adds::Rows, change)
    }

    /// Has the writer run `change`, which may insert the row of a pending file. The file stays when
    /// the row is committed and is removed when it is not.
    ///
    /// `NoSpace`, and the change does not run, for one that adds something while the disk is so
    /// full that the reserve is given up: what it was kept for is deleting.
    ///
    /// After a failed commit that the writer could not settle, SQLite's log may contain the row all
    /// the same. The file then stays until a later commit succeeds, which settles it; without one,
    /// the sweep of the next start decides.
    pub fn write_adding<T: Send + 'static>(
        &self,
        adds: Adds,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let needs_room = !matches!(adds, Adds::Nothing);
        let outcome = self.writer.run(needs_room, change);
        if self.lock.is_none() {
            // The change is committed, even if the owner of the folder cannot be notified.
            if let Err(failure) = self.change_counter.increment() {
                tracing::error!(%failure, "the server may learn of this change late");
            }
        }
        if let Adds::File(pending) = adds {
            match &outcome {
                Ok(_) => pending.committed(),
                Err(Failed::Undecided(_, commit)) => self.unsettled().push((*commit, pending)),
                Err(Failed::Undone(_)) => drop(pending),
            }
        }
        let (value, commit) = outcome?;
        // Nothing of an earlier failed commit is in the log now: its files are removed.
        drop(self.unsettled().extract_if(.., |(failed, _)| *failed < commit).collect::<Vec<_>>());
        Ok(value)
    }

    fn unsettled(&self) -> MutexGuard<'_, Vec<(u64, PendingFile)>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    /// Leaves files whose commit is not settled to the next start, and removes the open mark before
    /// the catalog is closed.
    fn drop(&mut self) {
        self.unsettled().drain(..).for_each(|(_, pending)| pending.leave());
        if self.lock.is_some()
            && let Err(failure) = open_mark::clear(&self.folder)
        {
            tracing::error!(%failure, "the next start will warn of a lost log");
        }
    }
}

/// What a change adds to the disk.
pub enum Adds {
    /// Rows, or longer ones.
    Rows,
    /// A file, and its row.
    File(PendingFile),
    /// Nothing: it deletes, or marks what exists. It also runs on a full disk.
    Nothing,
}

/// A file that is synced to disk and whose row is not committed yet.
pub enum PendingFile {
    /// A content in the code folder.
    Code(PendingBlob),
    /// An object or a part in the inbox.
    Inbox(PendingObject),
}

impl PendingFile {
    fn committed(self) {
        match self {
            Self::Code(blob) => blob.committed(),
            Self::Inbox(object) => object.committed(),
        }
    }

    fn leave(self) {
        match self {
            Self::Code(blob) => blob.leave(),
            Self::Inbox(object) => object.leave(),
        }
    }
}

impl Change<'_> {
    /// Takes the next number of the sequence that numbers all changes.
    pub fn next_sequence(&self) -> Result<u64, CatalogError> {
        let sql = "UPDATE state SET sequence = sequence + 1 RETURNING sequence";
        let number = self.one(sql, &[], |row| row.count(0))?;
        number.ok_or_else(|| CatalogError::internal("the catalog has no state"))
    }

    /// Writes the row of the state and changes nothing: the commit has a page to write and to sync.
    pub fn rewrite_state(&self) -> Result<(), CatalogError> {
        self.keep_generation();
        for _ in 0..2 {
            self.run("UPDATE state SET sequence = -sequence", &[])?;
        }
        Ok(())
    }

    /// Inserts the tenant's row unless it exists.
    pub fn ensure_tenant(&self, tenant: &TenantId, now: Timestamp) -> Result<(), CatalogError> {
        let sql = "INSERT INTO tenants (id, created) VALUES (?, ?) ON CONFLICT DO NOTHING";
        self.run(sql, values![tenant, now])
    }
}

impl View<'_> {
    /// Checks that the database can run a statement.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.one("SELECT 1", &[], |_| Ok(()))?;
        Ok(())
    }
}

/// Opens the folders of files, which are created unless they exist.
fn open_files(folder: &Path) -> std::io::Result<(Blobs, InboxFiles)> {
    let inbox = InboxFiles::open(folder)?;
    // Last, because it syncs the data folder, which contains all of them.
    Ok((Blobs::open(folder)?, inbox))
}

#[cfg(test)]
mod tests;

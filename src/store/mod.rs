//! Storage of the catalog: one SQLite file, the code folder and the inbox's folder.
//!
//! The only module that knows SQLite. It stores and finds rows and files. `catalog` decides which
//! number a version gets and what a caller may do. See design.md section 4 for the rules.

mod blobs;
mod change_counter;
mod code;
mod columns;
mod functions;
mod inbox;
mod inbox_files;
mod keys;
mod layers;
#[cfg(test)]
mod plans;
mod schema;
mod sharded_directory;
mod writer;

use std::cell::{Cell, RefCell};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use thread_local::ThreadLocal;

pub use blobs::{Blobs, PendingBlob};
pub use functions::{HeadUpdate, VersionInsert};
pub use inbox::Expired;
pub use inbox_files::{InboxFiles, PendingObject};
pub use keys::AuditInsert;
pub use layers::{LayerVersionInsert, LayerVersionRow};

use crate::domain::{CatalogError, Timestamp};
use change_counter::ChangeCounter;
use writer::Failed;

/// How long a statement waits for a lock of SQLite that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Number of attempts to take the folder's lock, and the pause between two: two seconds in all. A
/// command that creates or migrates the catalog holds the lock for less.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Page cache of one connection in KiB, allocated as needed. A page of a list reads forty pages of
/// the file; each that is not in the cache costs a system call.
const CACHE_KIB: i64 = 32_000;

/// Bytes that SQLite allocates for all connections together before it reuses their cached pages.
const HEAP_MAX: i64 = 64 << 20;

/// Prepared statements that one connection caches.
const STATEMENTS: usize = 64;

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
    /// SQLite refused.
    #[error("cannot open the catalog")]
    Sqlite(#[from] rusqlite::Error),
}

impl OpenError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    fn sqlite(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign(path),
            _ => Self::Sqlite(source),
        }
    }
}

/// An open data folder: its rows, its files and its lock.
pub struct Store {
    /// Declared before the writer and therefore closed before it. The last connection to close is
    /// then one that can write; it removes the write-ahead log and the log's index.
    readers: ThreadLocal<Reader>,
    writer: writer::Writer,
    catalog_path: PathBuf,
    changes: Arc<AtomicU64>,
    blobs: Blobs,
    inbox: InboxFiles,
    change_counter: ChangeCounter,
    /// `None` where another process may own the folder.
    lock: Option<File>,
}

/// One thread's connection.
struct Reader {
    connection: RefCell<Connection>,
    /// The counts of changes by this process and by others when this thread last looked, and the
    /// value of `state.access` at that time.
    seen: Cell<((u64, u64), u64)>,
}

impl Store {
    /// Opens or creates the data folder at `folder`, takes its lock, and removes files that a
    /// killed process left without a row.
    ///
    /// Waits up to two seconds for a command that holds the lock; `Locked` if it is still held
    /// then. `now` is the creation time of a new catalog and `secret` its link secret. The time
    /// that this takes does not grow with the catalog.
    pub fn open(folder: &Path, now: Timestamp, secret: [u8; 32]) -> Result<Self, OpenError> {
        schema::make_private_folder(folder).map_err(OpenError::io(folder))?;
        let lock = wait_for_lock(folder, || Ok(false))?;
        let catalog_path = folder.join("catalog.sqlite");
        schema::make_private_file(&catalog_path).map_err(OpenError::io(&catalog_path))?;
        let mut connection = open_connection(&catalog_path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(OpenError::sqlite(&catalog_path))?;
        schema::prepare(&mut connection, &catalog_path, now, secret)?;
        schema::make_private(folder).map_err(OpenError::io(folder))?;
        let (blobs, inbox) = open_files(folder).map_err(OpenError::io(folder))?;
        inbox.sweep(|file| inbox::exists(&connection, file)).map_err(OpenError::io(folder))?;
        blobs.sweep(|sha256| code::exists(&connection, sha256)).map_err(OpenError::io(folder))?;
        Self::over(connection, catalog_path, (blobs, inbox), lock)
    }

    /// Opens the data folder for a short change while a server may own it.
    ///
    /// Takes the lock only if the catalog must be created or migrated first; `Locked` if another
    /// process then holds it for longer than two seconds. SQLite lets two processes write in turn.
    /// The owner of the folder sees the change at once.
    pub fn open_beside(folder: &Path, now: Timestamp, secret: [u8; 32]) -> Result<Self, OpenError> {
        schema::make_private_folder(folder).map_err(OpenError::io(folder))?;
        let catalog_path = folder.join("catalog.sqlite");
        schema::make_private_file(&catalog_path).map_err(OpenError::io(&catalog_path))?;
        let mut connection = open_connection(&catalog_path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(OpenError::sqlite(&catalog_path))?;
        // The holder of the lock may be creating this very catalog.
        let is_current = || schema::is_current(&connection, &catalog_path);
        match wait_for_lock(folder, is_current)? {
            None => schema::configure(&connection)?,
            Some(_lock) => schema::prepare(&mut connection, &catalog_path, now, secret)?,
        }
        let files = open_files(folder).map_err(OpenError::io(folder))?;
        Self::over(connection, catalog_path, files, None)
    }

    fn over(
        connection: Connection,
        catalog_path: PathBuf,
        (blobs, inbox): (Blobs, InboxFiles),
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let changes = Arc::new(AtomicU64::new(0));
        let folder = catalog_path.parent().unwrap_or(&catalog_path);
        let change_counter = ChangeCounter::open(folder).map_err(OpenError::io(folder))?;
        Ok(Self {
            readers: ThreadLocal::new(),
            writer: writer::Writer::start(connection, Arc::clone(&changes))
                .map_err(OpenError::Thread)?,
            catalog_path,
            changes,
            blobs,
            inbox,
            change_counter,
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
        let reader = self.reader()?;
        let (last, stamp) = reader.seen.get();
        // Counted before the row is read: the row is then at least as new as the count.
        let now = (self.generation(), self.change_counter.count()?);
        if now == last {
            return Ok(stamp);
        }
        let connection = reader.connection.borrow();
        let mut statement = connection.prepare_cached("SELECT access FROM state")?;
        let stamp = from_sql(statement.query_one([], |row| row.get(0))?);
        reader.seen.set((now, stamp));
        Ok(stamp)
    }

    fn reader(&self) -> Result<&Reader, CatalogError> {
        let open = || -> Result<Reader, rusqlite::Error> {
            let connection = open_connection(&self.catalog_path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            Ok(Reader { connection: RefCell::new(connection), seen: Cell::new(((u64::MAX, 0), 0)) })
        };
        Ok(self.readers.get_or_try(open)?)
    }

    /// Runs a short read on this thread's own connection; everything that `read` sees belongs to
    /// one snapshot.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let connection = self.reader()?.connection.borrow();
        connection.prepare_cached("BEGIN")?.execute([])?;
        let _snapshot = Snapshot(&connection);
        read(&View { connection: &connection })
    }

    /// Has the writer run `change` in a savepoint of its own; returns when its commit is synced.
    ///
    /// After an error nothing of the change remains, unless the commit itself failed.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.write_file(None, change)
    }

    /// Has the writer run `change`, which inserts the row of the `pending` file. The file stays
    /// when the row is committed and is removed when it is not.
    ///
    /// When the commit itself failed, the log may contain the row all the same. The file then
    /// stays, and the sweep of the next start decides.
    pub fn write_file<T: Send + 'static>(
        &self,
        pending: Option<PendingFile>,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let outcome = self.writer.run(change);
        if self.lock.is_none() {
            // The change is committed, even if the owner of the folder cannot be notified.
            if let Err(failure) = self.change_counter.increment() {
                tracing::error!(%failure, "the server may learn of this change late");
            }
        }
        match (pending, &outcome) {
            (None, _) => {}
            (Some(pending), Ok(_)) => pending.committed(),
            (Some(pending), Err(Failed::Undecided(_))) => pending.leave(),
            (Some(pending), Err(Failed::Undone(_))) => drop(pending),
        }
        Ok(outcome?)
    }
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

/// A read transaction; dropping it ends the transaction, by a cached statement.
struct Snapshot<'c>(&'c Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let end = || self.0.prepare_cached("COMMIT")?.execute([]);
        if let Err(failure) = end() {
            tracing::error!(%failure, "a read did not end");
        }
    }
}

/// Reads of one snapshot.
pub struct View<'c> {
    connection: &'c Connection,
}

/// Reads and writes inside one change.
pub struct Change<'c> {
    view: View<'c>,
    /// Whether its commit raises [`Store::generation`]; false when no answer shows what it writes.
    raises_generation: Cell<bool>,
}

impl<'c> std::ops::Deref for Change<'c> {
    type Target = View<'c>;

    fn deref(&self) -> &View<'c> {
        &self.view
    }
}

impl Change<'_> {
    /// Takes the next number of the sequence that numbers all changes.
    pub fn next_sequence(&self) -> Result<u64, CatalogError> {
        let number: i64 = self
            .connection
            .prepare_cached("UPDATE state SET sequence = sequence + 1 RETURNING sequence")?
            .query_one([], |row| row.get(0))?;
        Ok(from_sql(number))
    }

    /// Inserts the tenant's row unless it exists.
    pub fn ensure_tenant(
        &self,
        tenant: &crate::domain::TenantId,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        self.connection
            .prepare_cached(
                "INSERT INTO tenants (id, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute((tenant.as_str(), now.as_microsecond()))?;
        Ok(())
    }
}

impl View<'_> {
    /// Prepares a statement, which the connection caches; `plans` checks its query plan.
    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, CatalogError> {
        #[cfg(test)]
        plans::record(self.connection, sql);
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// Checks that SQLite can run a statement.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.connection.prepare_cached("SELECT 1")?.query_one([], |_| Ok(()))?;
        Ok(())
    }
}

/// Opens the folders of files, which are created unless they exist.
fn open_files(folder: &Path) -> std::io::Result<(Blobs, InboxFiles)> {
    let inbox = InboxFiles::open(folder)?;
    // Last, because it syncs the data folder, which contains all of them.
    Ok((Blobs::open(folder)?, inbox))
}

fn open_connection(path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Plans must not depend on bound values: SQLite would otherwise prepare a statement with a
    // bound LIMIT again for each new value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "soft_heap_limit", HEAP_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Takes the lock, or returns `None` if it is not needed; tries again while another process holds
/// it.
fn wait_for_lock(
    folder: &Path,
    mut is_unneeded: impl FnMut() -> Result<bool, OpenError>,
) -> Result<Option<File>, OpenError> {
    for _ in 1..LOCK_ATTEMPTS {
        if is_unneeded()? {
            return Ok(None);
        }
        match take_lock(folder) {
            Err(OpenError::Locked(_)) => std::thread::sleep(LOCK_PAUSE),
            taken => return taken.map(Some),
        }
    }
    take_lock(folder).map(Some)
}

fn take_lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    // The file is private: another user that opens it could lock it, and no server would start.
    schema::make_private_file(&path).map_err(OpenError::io(&path))?;
    let lock = File::options().write(true).open(&path).map_err(OpenError::io(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

impl From<rusqlite::Error> for CatalogError {
    fn from(source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoSpace { source: source.into() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Unavailable { what: "the catalog", source: source.into() }
            }
            _ => Self::internal(source),
        }
    }
}

/// Converts a count to SQLite's signed integers; counts of the catalog never exceed them.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a count from SQL; the schema ensures that it is not negative.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Converts a time from SQL; the writer stores only valid ones.
fn time_from_sql(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;

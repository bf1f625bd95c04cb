//! The catalog's memory: one SQLite file and one code folder.
//!
//! The only place that knows SQLite. It keeps and finds rows and files; which version gets which
//! number, and who may do what, is decided in `catalog`. See design.md section 4 for the rules.

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
pub use layers::LayerVersionInsert;

use crate::domain::{CatalogError, Timestamp};
use change_counter::ChangeCounter;
use writer::Failed;

/// How long a statement waits for a lock that only another process could hold.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the folder's lock is asked for and how long to wait between two times: two seconds in
/// all, for a command that makes the catalog or brings it up to date has the lock for a moment.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Page cache of one connection in KiB, taken as it is needed: a page of a list reads forty pages
/// of the file, and each that is not here costs a call of the system.
const CACHE_KIB: i64 = 32_000;

/// Bytes that SQLite takes for all connections together before it uses their pages again.
const HEAP_MAX: i64 = 64 << 20;

/// Prepared statements that one connection keeps.
const STATEMENTS: usize = 64;

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns the folder.
    #[error("the data folder {0} is in use by another layerbase process")]
    Locked(PathBuf),
    /// The file was written by a newer release.
    #[error(
        "the catalog has schema version {found}, this release knows up to {known}: use a newer release"
    )]
    NewerSchema {
        /// The version in the file.
        found: i64,
        /// The newest that this release knows.
        known: i64,
    },
    /// The file is another program's.
    #[error("{0} is not a layerbase catalog")]
    Foreign(PathBuf),
    /// The operating system refused.
    #[error("cannot use {path}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What it said.
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

/// An open data folder: rows, files and the lock on both.
pub struct Store {
    /// Declared before the writer, and so closed before it: the last connection to close is then
    /// one that can write, and leaves neither a log nor its index behind.
    readers: ThreadLocal<Reader>,
    writer: writer::Writer,
    catalog_path: PathBuf,
    changes: Arc<AtomicU64>,
    blobs: Blobs,
    inbox: InboxFiles,
    change_counter: ChangeCounter,
    /// None where another process may own the folder.
    lock: Option<File>,
}

/// One thread's connection.
struct Reader {
    connection: RefCell<Connection>,
    /// Changes by this process and by others as this thread last saw them, and the value that
    /// `state.access` had then.
    seen: Cell<((u64, u64), u64)>,
}

impl Store {
    /// Opens or makes the data folder at `folder`, takes its lock, and sweeps what a killed process
    /// left behind.
    ///
    /// Waits up to two seconds for a command that has the folder for a moment; `Locked` when it is
    /// not free then. `now` stamps a new catalog and `secret` becomes its link secret. Nothing here takes longer
    /// with a larger catalog.
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

    /// Opens the data folder for a short change beside the server that may own it: without the
    /// lock, unless the catalog is to be made or brought up to date first. `Locked` when that is so
    /// and somebody else keeps the lock for longer than two seconds.
    ///
    /// SQLite lets two processes write in turn; whoever owns the folder sees the change at once.
    pub fn open_beside(folder: &Path, now: Timestamp, secret: [u8; 32]) -> Result<Self, OpenError> {
        schema::make_private_folder(folder).map_err(OpenError::io(folder))?;
        let catalog_path = folder.join("catalog.sqlite");
        schema::make_private_file(&catalog_path).map_err(OpenError::io(&catalog_path))?;
        let mut connection = open_connection(&catalog_path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(OpenError::sqlite(&catalog_path))?;
        // Whoever has the lock may be making the very catalog that is waited for.
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
    /// While it stays the same, what was read of layers and functions stays true, for they are
    /// written by the owner of the folder alone. Of what other processes write, only
    /// [`Store::access_stamp`] tells; the audit log may grow unseen.
    pub fn generation(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Returns a number that changes with every change to a key, a tenant's spelling or the link
    /// secret, whichever process made it.
    pub fn access_stamp(&self) -> Result<u64, CatalogError> {
        let reader = self.reader()?;
        let (last, stamp) = reader.seen.get();
        // Before the row is read, which is then at least as new.
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

    /// Runs a short read on this thread's own connection; everything that `read` sees is of one
    /// moment.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let connection = self.reader()?.connection.borrow();
        connection.prepare_cached("BEGIN")?.execute([])?;
        let _snapshot = Snapshot(&connection);
        read(&View { connection: &connection })
    }

    /// Has the writer run `change` in a savepoint of its own and returns when its commit is synced.
    ///
    /// An error leaves no trace of the change, unless the commit itself failed.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.write_file(None, change)
    }

    /// Has the writer run `change`, which makes the row of the file in `held`, and then lets go of
    /// it: for good when the row is committed, with the file when it is not.
    ///
    /// When the commit failed on its way to the disk, the log may hold the row all the same. The
    /// file then stays, and the next start decides.
    pub fn write_file<T: Send + 'static>(
        &self,
        pending: Option<PendingFile>,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let outcome = self.writer.run(change);
        if self.lock.is_none() {
            // The change stands, whether or not its owner could be told.
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

/// A file that is on disk and held until its row is committed.
pub enum PendingFile {
    /// A content of the code folder.
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

/// A moment that is read at; ends with the value, by statements that are prepared once.
struct Snapshot<'c>(&'c Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let end = || self.0.prepare_cached("COMMIT")?.execute([]);
        if let Err(failure) = end() {
            tracing::error!(%failure, "a read did not end");
        }
    }
}

/// What can be read, at one moment.
pub struct View<'c> {
    connection: &'c Connection,
}

/// What can be read and written inside one change.
pub struct Change<'c> {
    view: View<'c>,
    /// Whether any answer can show what it changes.
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

    /// Makes the tenant's row unless it is there.
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
    /// Prepares a statement, which the connection keeps; `plans` looks at how it is run.
    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, CatalogError> {
        #[cfg(test)]
        plans::record(self.connection, sql);
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// Checks that the catalog answers at all.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.connection.prepare_cached("SELECT 1")?.query_one([], |_| Ok(()))?;
        Ok(())
    }
}

/// Makes the folders of files unless they are there.
fn open_files(folder: &Path) -> std::io::Result<(Blobs, InboxFiles)> {
    let inbox = InboxFiles::open(folder)?;
    // Second, for it syncs the folder that all of them are in.
    Ok((Blobs::open(folder)?, inbox))
}

fn open_connection(path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Plans must not depend on bound values: a statement with a bound LIMIT would otherwise be
    // prepared anew each time another value is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "soft_heap_limit", HEAP_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Takes the lock, or finds that it is not needed; asks for both again while another process has it.
fn wait_for_lock(
    folder: &Path,
    mut is_needless: impl FnMut() -> Result<bool, OpenError>,
) -> Result<Option<File>, OpenError> {
    for _ in 1..LOCK_ATTEMPTS {
        if is_needless()? {
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
    // Whoever can open it can hold it, and so keep the server from starting.
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
        Self::internal(source)
    }
}

/// Spells a count for SQLite, whose integers are signed; the catalog's own never reach that far.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a count that the schema keeps non-negative.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Reads a time; the writer only ever stores valid ones.
fn time_from_sql(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! SQLite: its connections, its transactions, its errors. `schema` creates and migrates the file.
//!
//! With `engine` the only place that names rusqlite. Knows no statement about the catalog's rows
//! but those of the table `state`.

pub(super) mod schema;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use thread_local::ThreadLocal;

use super::OpenError;
use super::engine::{Change, View};
use crate::domain::CatalogError;

/// How long a statement waits for a lock of SQLite that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Page cache of one connection in KiB, allocated as needed. A page of a list reads forty pages of
/// the file; each that is not in the cache costs a system call.
const CACHE_KIB: i64 = 32_000;

/// Bytes that SQLite allocates for all connections together before it reuses their cached pages.
const HEAP_MAX: i64 = 64 << 20;

/// Prepared statements that one connection caches.
const STATEMENTS: usize = 64;

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
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

/// The connections that read: one for each thread that reads.
pub(super) struct Readers {
    path: PathBuf,
    readers: ThreadLocal<Reader>,
}

/// One thread's connection.
struct Reader {
    connection: RefCell<Connection>,
    /// The counts of changes by this process and by others when this thread last looked, and the
    /// value of `state.access` at that time.
    seen: Cell<((u64, u64), u64)>,
}

impl Readers {
    /// Readers of the catalog at `path`; each opens its connection when it first reads.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, readers: ThreadLocal::new() }
    }

    /// Runs a read on this thread's connection, in one snapshot.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let connection = self.reader()?.connection.borrow();
        connection.prepare_cached("BEGIN")?.execute([])?;
        let _snapshot = Snapshot(&connection);
        read(&View::new(&connection))
    }

    /// Returns `state.access`, read again only if `counts` differ from those of the last call.
    pub(super) fn access(&self, counts: (u64, u64)) -> Result<u64, CatalogError> {
        let reader = self.reader()?;
        let (last, access) = reader.seen.get();
        if counts == last {
            return Ok(access);
        }
        let connection = reader.connection.borrow();
        let mut statement = connection.prepare_cached("SELECT access FROM state")?;
        let access: i64 = statement.query_one([], |row| row.get(0))?;
        reader.seen.set((counts, access.cast_unsigned()));
        Ok(access.cast_unsigned())
    }

    fn reader(&self) -> Result<&Reader, CatalogError> {
        let open = || -> Result<Reader, rusqlite::Error> {
            let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            Ok(Reader { connection: RefCell::new(connection), seen: Cell::new(((u64::MAX, 0), 0)) })
        };
        Ok(self.readers.get_or_try(open)?)
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

/// The connection that creates, migrates and writes.
pub(super) struct Session(pub(in crate::store) Connection);

impl Session {
    /// Opens the file at `path`, which may be empty; `Foreign` if it is no database.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let opened = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map(Self);
        opened.map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
            _ => source.into(),
        })
    }

    /// Reads outside a transaction, before any reader exists.
    pub(super) fn view(&self) -> View<'_> {
        View::new(&self.0)
    }

    /// Begins the transaction that the changes of a batch share, and the first one's savepoint.
    pub(super) fn begin(&mut self) -> Result<Batch<'_>, CatalogError> {
        let transaction = Transaction::new(&mut self.0, TransactionBehavior::Immediate)?;
        transaction.execute_batch("SAVEPOINT one")?;
        Ok(Batch(transaction))
    }

    /// Commits a page anew. The log then has it where a failed commit may have left its pages, so
    /// that no later start finds these.
    pub(super) fn overwrite(&mut self) -> Result<(), CatalogError> {
        let batch = self.begin()?;
        batch.change().rewrite_state()?;
        batch.commit()
    }

    /// Writes the log back into the file as far as readers allow, so that the next commit can use
    /// the log's space again.
    pub(super) fn empty_log(&self) {
        let emptied = self.0.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(failure) = emptied {
            tracing::debug!(%failure, "the log cannot be written back");
        }
    }

    /// Writes the log back into the file. All readers are closed by now: closing this last
    /// connection removes the log and its index. If another process has the catalog open, that
    /// process does so later; nothing waits for it here.
    pub(super) fn close(self) {
        let _ = self.0.busy_timeout(Duration::ZERO);
        let _ = self.0.pragma_update(None, "wal_checkpoint", "truncate");
    }
}

/// An open transaction of several changes, of which each has a savepoint of its own.
pub(super) struct Batch<'c>(Transaction<'c>);

impl Batch<'_> {
    /// Returns the change that runs in the current savepoint.
    pub(super) fn change(&self) -> Change<'_> {
        Change::new(&self.0)
    }

    /// Returns the number of rows changed since the connection was opened, also by what was undone.
    pub(super) fn rows_changed(&self) -> u64 {
        self.0.total_changes()
    }

    /// Ends a change's savepoint, which is undone unless it `succeeded`, and begins the next one's.
    pub(super) fn settle(&self, succeeded: bool) -> Result<(), CatalogError> {
        let sql = if succeeded { "RELEASE one; SAVEPOINT one" } else { "ROLLBACK TO one" };
        Ok(self.0.execute_batch(sql)?)
    }

    /// Commits all changes; returns when they are synced.
    pub(super) fn commit(self) -> Result<(), CatalogError> {
        Ok(self.0.commit()?)
    }
}

impl From<rusqlite::Error> for CatalogError {
    fn from(source: rusqlite::Error) -> Self {
        // SQLite calls an index of its log that cannot grow an I/O error.
        if source.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return Self::NoSpace { source: source.into() };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoSpace { source: source.into() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Unavailable { what: "the catalog", source: source.into() }
            }
            _ => Self::internal(source),
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Engine(source.into())
    }
}

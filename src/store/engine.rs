//! The verbs that all SQL of the catalog runs through, and the rows and values that they pass.
//!
//! The statements above know no engine: a second one is added in this file (scale.md section 3).
//! No statement runs while another one's rows are read: each would cost a round trip there.

use std::cell::Cell;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql, params_from_iter};

#[cfg(test)]
use super::plans;
use crate::domain::{CatalogError, KeyId, TenantId, Timestamp};

/// A value to bind to a statement, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    Null,
    Int(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value<'_> {
    /// Counts and numbers of the catalog never exceed SQL's signed integers; a limit may.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Int(time.as_microsecond())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v TenantId> for Value<'v> {
    fn from(tenant: &'v TenantId) -> Self {
        Self::Text(tenant.as_str())
    }
}

impl<'v> From<&'v KeyId> for Value<'v> {
    fn from(id: &'v KeyId) -> Self {
        Self::Text(id.as_str())
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(bytes: &'v [u8; N]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Lists values to bind, each converted by [`Value::from`].
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::engine::Value::from($value)),*] };
}

pub(super) use values;

/// A row while it is read. Columns are named by position (see [`super::columns`]).
pub(super) struct Row<'r>(&'r rusqlite::Row<'r>);

impl<'r> Row<'r> {
    fn get(&self, at: usize) -> Result<ValueRef<'r>, CatalogError> {
        Ok(self.0.get_ref(at)?)
    }

    /// Reads an integer.
    pub(super) fn int(&self, at: usize) -> Result<i64, CatalogError> {
        Ok(self.get(at)?.as_i64().map_err(rusqlite::Error::from)?)
    }

    /// Reads a count; the schema ensures that it is not negative.
    pub(super) fn count(&self, at: usize) -> Result<u64, CatalogError> {
        Ok(u64::try_from(self.int(at)?).unwrap_or_default())
    }

    /// Reads a truth value.
    pub(super) fn flag(&self, at: usize) -> Result<bool, CatalogError> {
        Ok(self.int(at)? != 0)
    }

    /// Reads a time; the writer stores only valid ones.
    pub(super) fn time(&self, at: usize) -> Result<Timestamp, CatalogError> {
        Ok(Timestamp::from_microsecond(self.int(at)?).unwrap_or_default())
    }

    /// Borrows a text.
    pub(super) fn text(&self, at: usize) -> Result<&'r str, CatalogError> {
        Ok(self.get(at)?.as_str().map_err(rusqlite::Error::from)?)
    }

    /// Copies a text.
    pub(super) fn string(&self, at: usize) -> Result<String, CatalogError> {
        Ok(self.text(at)?.to_owned())
    }

    /// Parses a text that was stored as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        at: usize,
    ) -> Result<T, CatalogError> {
        serde_json::from_str(self.text(at)?).map_err(CatalogError::internal)
    }

    /// Copies bytes of a fixed number.
    pub(super) fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], CatalogError> {
        let bytes = self.get(at)?.as_blob().map_err(rusqlite::Error::from)?;
        bytes.try_into().map_err(CatalogError::internal)
    }

    /// Reads a column by `read`, or returns `None` if it is NULL.
    pub(super) fn optional<T>(
        &self,
        at: usize,
        read: impl FnOnce(&Self, usize) -> Result<T, CatalogError>,
    ) -> Result<Option<T>, CatalogError> {
        if self.get(at)? == ValueRef::Null { Ok(None) } else { read(self, at).map(Some) }
    }
}

/// Reads of one snapshot.
pub struct View<'c> {
    connection: &'c Connection,
}

impl<'c> View<'c> {
    /// Makes the reads of a connection that is in a transaction.
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Prepares a statement, which the connection caches; `plans` checks its query plan.
    #[track_caller]
    fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>, CatalogError> {
        #[cfg(test)]
        plans::record(self.connection, sql);
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// Passes each row of the answer to `visit` while it is read, until one fails.
    #[track_caller]
    pub(super) fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut visit: impl FnMut(&Row<'_>) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            visit(&Row(row))?;
        }
        Ok(())
    }

    /// Reads the first row of the answer, if there is one.
    #[track_caller]
    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, CatalogError>,
    ) -> Result<Option<T>, CatalogError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        rows.next()?.map(|row| read(&Row(row))).transpose()
    }

    /// Reads all rows of the answer into memory; the statement or its caller bounds their number.
    #[track_caller]
    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, CatalogError>,
    ) -> Result<Vec<T>, CatalogError> {
        let mut items = Vec::new();
        self.each(sql, values, |row| {
            items.push(read(row)?);
            Ok(())
        })?;
        Ok(items)
    }

    /// Returns the connection, for tests of the engine itself.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }
}

/// Reads and writes inside one change.
pub struct Change<'c> {
    view: View<'c>,
    /// Whether its commit raises [`super::Store::generation`].
    raises_generation: Cell<bool>,
}

impl<'c> std::ops::Deref for Change<'c> {
    type Target = View<'c>;

    fn deref(&self) -> &View<'c> {
        &self.view
    }
}

impl<'c> Change<'c> {
    /// Makes the change of a connection that is in a transaction.
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { view: View::new(connection), raises_generation: Cell::new(true) }
    }

    /// Runs a statement whose answer nobody reads.
    #[track_caller]
    pub(super) fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<(), CatalogError> {
        self.count(sql, values).map(drop)
    }

    /// Runs a statement and returns the number of rows that it changed.
    #[track_caller]
    pub(super) fn count(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, CatalogError> {
        Ok(self.prepare(sql)?.execute(params_from_iter(values))? as u64)
    }

    /// Says that no answer shows what this change writes: its commit does not raise the generation.
    pub(super) fn keep_generation(&self) {
        self.raises_generation.set(false);
    }

    /// Whether its commit raises the generation, if it changed a row.
    pub(super) fn raises_generation(&self) -> bool {
        self.raises_generation.get()
    }
}

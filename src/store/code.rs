//! All SQL about uploaded contents. Knows no files.

use rusqlite::{Connection, OptionalExtension, Row};

use super::columns::columns;
use super::{Change, View, from_sql, to_sql};
use crate::domain::{Artifact, CatalogError, Digests, TenantId, Timestamp};

columns! {
    /// The columns of a content, for joins in which it is called `c`; [`artifact`] reads them.
    pub(super) mod columns {
        SHA256: "c.sha256", SHA512: "c.sha512", MD5: "c.md5", CRC64: "c.crc64", SIZE: "c.size",
        ENTRIES: "c.entries", UNPACKED: "c.unpacked",
    }
}

/// Reads a content from a row in which its columns start at position `first`.
pub(super) fn artifact(row: &Row<'_>, first: usize) -> rusqlite::Result<Artifact> {
    Ok(Artifact {
        digests: Digests {
            sha256: row.get(first + columns::SHA256)?,
            sha512: row.get(first + columns::SHA512)?,
            md5: row.get(first + columns::MD5)?,
            crc64: row.get::<_, i64>(first + columns::CRC64)?.cast_unsigned(),
        },
        size: from_sql(row.get(first + columns::SIZE)?),
        entries: from_sql(row.get(first + columns::ENTRIES)?),
        unpacked: from_sql(row.get(first + columns::UNPACKED)?),
    })
}

/// Like [`artifact`], of a LEFT JOIN: `None` for a row without a content.
pub(super) fn optional_artifact(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Artifact>> {
    let sha256 = row.get_ref(first + columns::SHA256)?.as_blob_or_null()?;
    sha256.map(|_| artifact(row, first)).transpose()
}

/// Returns whether a content has its row; the sweep calls it before any reader exists.
pub(super) fn exists(connection: &Connection, sha256: &[u8; 32]) -> bool {
    // After an error the file stays: an unused file costs space, a missing one costs data.
    connection
        .query_one("SELECT 1 FROM code WHERE sha256 = ?", [sha256], |_| Ok(()))
        .optional()
        .map_or(true, |found| found.is_some())
}

impl View<'_> {
    /// Returns a content by its SHA-256.
    pub fn select_code(&self, sha256: &[u8; 32]) -> Result<Option<Artifact>, CatalogError> {
        let sql = format!("SELECT {} FROM code c WHERE c.sha256 = ?", columns::LIST);
        let mut statement = self.prepare(&sql)?;
        Ok(statement.query_one([sha256], |row| artifact(row, 0)).optional()?)
    }

    /// Returns whether the tenant has this content: in a layer version, in a function's state or
    /// in a layer version bound to such a state.
    pub fn is_code_of(&self, tenant: &TenantId, sha256: &[u8; 32]) -> Result<bool, CatalogError> {
        // CROSS JOIN goes from the content to its owners; the other order reads all the tenant's
        // rows.
        let sql = "SELECT EXISTS (SELECT 1 FROM layer_versions v
                                  CROSS JOIN layers l ON l.id = v.layer
                                  WHERE v.code = ?1 AND l.tenant = ?2)
                       OR EXISTS (SELECT 1 FROM function_versions v
                                  CROSS JOIN functions f ON f.id = v.function
                                  WHERE v.code = ?1 AND f.tenant = ?2)
                       OR EXISTS (SELECT 1 FROM function_layers b
                                  CROSS JOIN functions f ON f.id = b.function
                                  WHERE b.code = ?1 AND f.tenant = ?2)";
        let mut statement = self.prepare(sql)?;
        Ok(statement.query_one((sha256, tenant.as_str()), |row| row.get(0))?)
    }
}

impl Change<'_> {
    /// Inserts a content's row unless it exists. Its file must be synced to disk already.
    pub fn insert_code(&self, code: &Artifact, now: Timestamp) -> Result<(), CatalogError> {
        self.connection
            .prepare_cached(
                "INSERT INTO code (sha256, sha512, md5, crc64, size, entries, unpacked, stored)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute((
                &code.digests.sha256,
                &code.digests.sha512,
                &code.digests.md5,
                code.digests.crc64.cast_signed(),
                to_sql(code.size),
                to_sql(code.entries),
                to_sql(code.unpacked),
                now.as_microsecond(),
            ))?;
        Ok(())
    }
}

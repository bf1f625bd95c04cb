//! All SQL about uploaded contents. Knows no files.

use super::columns::columns;
use super::engine::{Row, values};
use super::{Change, View};
use crate::domain::{Artifact, CatalogError, Digests, TenantId, Timestamp};

columns! {
    /// The columns of a content, for joins in which it is called `c`; [`artifact`] reads them.
    pub(super) mod columns {
        SHA256: "c.sha256", SHA512: "c.sha512", MD5: "c.md5", CRC64: "c.crc64", SIZE: "c.size",
        ENTRIES: "c.entries", UNPACKED: "c.unpacked",
    }
}

/// Reads a content from a row in which its columns start at position `first`.
pub(super) fn artifact(row: &Row<'_>, first: usize) -> Result<Artifact, CatalogError> {
    Ok(Artifact {
        digests: Digests {
            sha256: row.bytes(first + columns::SHA256)?,
            sha512: row.bytes(first + columns::SHA512)?,
            md5: row.bytes(first + columns::MD5)?,
            crc64: row.int(first + columns::CRC64)?.cast_unsigned(),
        },
        size: row.count(first + columns::SIZE)?,
        entries: row.count(first + columns::ENTRIES)?,
        unpacked: row.count(first + columns::UNPACKED)?,
    })
}

impl View<'_> {
    /// Returns a content by its SHA-256.
    pub fn select_code(&self, sha256: &[u8; 32]) -> Result<Option<Artifact>, CatalogError> {
        let sql = format!("SELECT {} FROM code c WHERE c.sha256 = ?", columns::LIST);
        self.one(&sql, values![sha256], |row| artifact(row, 0))
    }

    /// Returns whether a content has its row.
    pub(super) fn has_code(&self, sha256: &[u8; 32]) -> bool {
        // After an error the file stays: an unused file costs space, a missing one costs data.
        let found = self.one("SELECT 1 FROM code WHERE sha256 = ?", values![sha256], |_| Ok(()));
        found.map_or(true, |found| found.is_some())
    }

    /// Returns up to ten versions that have this content, as people name them.
    pub fn select_code_versions(&self, sha256: &[u8; 32]) -> Result<Vec<String>, CatalogError> {
        let layers = "SELECT l.tenant, l.name, v.number FROM layer_versions v
                      CROSS JOIN layers l ON l.id = v.layer WHERE v.code = ? LIMIT 10";
        let mut versions = self.all(layers, values![sha256], |row| {
            let (tenant, name, number) = (row.text(0)?, row.text(1)?, row.count(2)?);
            Ok(format!("layer {tenant}/{name} version {number}"))
        })?;
        let functions = "SELECT f.tenant, f.grp, f.name, v.name FROM function_versions v
                         CROSS JOIN functions f ON f.id = v.function WHERE v.code = ? LIMIT 10";
        versions.extend(self.all(functions, values![sha256], |row| {
            let (tenant, group) = (row.text(0)?, row.text(1)?);
            Ok(format!("function {tenant}/{group}/{} version {}", row.text(2)?, row.text(3)?))
        })?);
        versions.truncate(10);
        Ok(versions)
    }

    /// Returns whether the reader may read this content: it has it in a layer version, in a
    /// function's state or in a layer version bound to such a state, or a public layer has it.
    pub fn is_readable_code(
        &self,
        reader: &TenantId,
        sha256: &[u8; 32],
    ) -> Result<bool, CatalogError> {
        // CROSS JOIN goes from the content to its owners; the other order reads all the tenant's
        // rows.
        let sql = "SELECT EXISTS (SELECT 1 FROM layer_versions v
                                  CROSS JOIN layers l ON l.id = v.layer
                                  WHERE v.code = ?1 AND (l.tenant = ?2 OR l.acl = 1))
                       OR EXISTS (SELECT 1 FROM function_versions v
                                  CROSS JOIN functions f ON f.id = v.function
                                  WHERE v.code = ?1 AND f.tenant = ?2)
                       OR EXISTS (SELECT 1 FROM function_layers b
                                  CROSS JOIN functions f ON f.id = b.function
                                  WHERE b.code = ?1 AND f.tenant = ?2)";
        Ok(self.one(sql, values![sha256, reader], |row| row.flag(0))?.unwrap_or_default())
    }
}

impl Change<'_> {
    /// Inserts a content's row unless it exists. Its file must be synced to disk already.
    pub fn insert_code(&self, code: &Artifact, now: Timestamp) -> Result<(), CatalogError> {
        let sql = "INSERT INTO code (sha256, sha512, md5, crc64, size, entries, unpacked, stored)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let Digests { sha256, sha512, md5, crc64 } = &code.digests;
        let crc64 = crc64.cast_signed();
        let values =
            values![sha256, sha512, md5, crc64, code.size, code.entries, code.unpacked, now];
        self.run(sql, values)
    }
}

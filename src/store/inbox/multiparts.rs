//! All SQL about uploads into the inbox that are not completed, and their parts. Knows no clock.

use uuid::Uuid;

use super::{about, file, metadata_json};
use crate::domain::{
    BucketName, CatalogError, Multipart, MultipartFrom, MultipartRange, ObjectRef, Page, Part,
    TenantId, Timestamp,
};
use crate::store::columns::columns;
use crate::store::engine::{Row, values};
use crate::store::pages::{after_prefix, cut};
use crate::store::{Change, View};

columns! {
    /// The columns of an upload; [`multipart`] reads them.
    mod columns {
        ID: "id", BUCKET: "bucket", KEY: "key", MEDIA_TYPE: "media_type", METADATA: "metadata",
        STARTED: "started", EXPIRES: "expires",
    }
}

columns! {
    /// The columns of a part; [`part`] reads all but the file's name.
    mod part_columns {
        NUMBER: "number", SIZE: "size", MD5: "md5", STORED: "stored", FILE: "file",
    }
}

impl View<'_> {
    /// Returns an upload of this object that is neither completed nor expired.
    pub fn select_multipart(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Multipart>, CatalogError> {
        let sql = format!(
            "SELECT {} FROM inbox_multiparts
             WHERE id = ? AND tenant = ? AND bucket = ? AND key = ?
             AND (expires IS NULL OR expires > ?)",
            columns::LIST
        );
        let values = values![id, tenant, at.bucket.as_str(), at.key.as_str(), now];
        self.one(&sql, values, multipart)
    }

    /// Returns unexpired uploads into a bucket; the page's `total` is not counted.
    pub fn select_multiparts(
        &self,
        tenant: &TenantId,
        bucket: &BucketName,
        range: &MultipartRange,
        now: Timestamp,
    ) -> Result<Page<Multipart>, CatalogError> {
        let (above, key, id) = match &range.from {
            MultipartFrom::Start => ("key >= ?3", String::new(), None),
            MultipartFrom::AfterKey(key) => ("key > ?3", key.clone(), None),
            MultipartFrom::After(key, id) => ("(key, id) > (?3, ?4)", key.clone(), Some(id)),
            MultipartFrom::Behind(start) => match after_prefix(start) {
                Some(first) => ("key >= ?3", first, None),
                None => return Ok(Page::empty()),
            },
        };
        // Only one lower bound: given two, SQLite may start at either.
        let (above, key) =
            if key >= range.prefix { (above, key) } else { ("key >= ?3", range.prefix.clone()) };
        let end = after_prefix(&range.prefix);
        let below = if end.is_some() { "key < ?5" } else { "?5 IS NULL" };
        let sql = format!(
            "SELECT {} FROM inbox_multiparts
             WHERE tenant = ?1 AND bucket = ?2 AND {above} AND {below}
             AND (expires IS NULL OR expires > ?6) ORDER BY key, id LIMIT ?7",
            columns::LIST
        );
        let (bucket, rows_max) = (bucket.as_str(), range.limit.saturating_add(1));
        let values = values![tenant, bucket, &key, id, end.as_ref(), now, rows_max];
        Ok(cut(self.all(&sql, values, multipart)?, range.limit, 0))
    }

    /// Returns the number of a tenant's unexpired uploads.
    pub fn count_multiparts(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM inbox_multiparts
                   WHERE tenant = ? AND (expires IS NULL OR expires > ?)";
        Ok(self.one(sql, values![tenant, now], |row| row.count(0))?.unwrap_or_default())
    }

    /// Returns the parts of an upload after the number `after`, each with the name of its file; the
    /// page's `total` is not counted.
    pub fn select_parts(
        &self,
        upload: &str,
        after: u16,
        limit: u64,
    ) -> Result<Page<(Part, Uuid)>, CatalogError> {
        let sql = format!(
            "SELECT {} FROM inbox_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
            part_columns::LIST
        );
        let values = values![upload, u64::from(after), limit.saturating_add(1)];
        let parts =
            self.all(&sql, values, |row| Ok((part(row)?, file(row, part_columns::FILE)?)))?;
        Ok(cut(parts, limit, 0))
    }
}

impl Change<'_> {
    /// Inserts the row of an upload; the tenant must have its row.
    pub fn insert_multipart(
        &self,
        tenant: &TenantId,
        upload: &Multipart,
    ) -> Result<(), CatalogError> {
        let sql = format!(
            "INSERT INTO inbox_multiparts (tenant, {}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            columns::LIST
        );
        let (at, about, metadata) = (&upload.at, &upload.about, metadata_json(&upload.about)?);
        let values = values![
            tenant,
            &upload.id,
            at.bucket.as_str(),
            at.key.as_str(),
            &about.media_type,
            &metadata,
            upload.started,
            upload.expires,
        ];
        self.run(&sql, values)
    }

    /// Inserts a part's row and deletes that of an older part of this number, whose file is
    /// returned.
    ///
    /// The new part's file must be synced to disk.
    pub fn replace_part(
        &self,
        upload: &str,
        part: &Part,
        file: Uuid,
    ) -> Result<Option<Uuid>, CatalogError> {
        let number = u64::from(part.number);
        let sql = "DELETE FROM inbox_parts WHERE upload = ? AND number = ? RETURNING file";
        let older = self.one(sql, values![upload, number], |row| super::file(row, 0))?;
        let sql = "INSERT INTO inbox_parts (upload, number, file, size, md5, stored)
                   VALUES (?, ?, ?, ?, ?, ?)";
        let file = file.to_string();
        self.run(sql, values![upload, number, &file, part.size, &part.md5, part.stored])?;
        Ok(older)
    }

    /// Deletes an upload and its parts; returns the parts' files.
    pub fn delete_multipart(&self, upload: &str) -> Result<Vec<Uuid>, CatalogError> {
        let parts = "DELETE FROM inbox_parts WHERE upload = ? RETURNING file";
        let files = self.all(parts, values![upload], |row| file(row, 0))?;
        self.run("DELETE FROM inbox_multiparts WHERE id = ?", values![upload])?;
        Ok(files)
    }
}

/// Reads [`columns`].
fn multipart(row: &Row<'_>) -> Result<Multipart, CatalogError> {
    Ok(Multipart {
        id: row.string(columns::ID)?,
        at: ObjectRef::parse(row.text(columns::BUCKET)?, row.text(columns::KEY)?)?,
        about: about(row, columns::MEDIA_TYPE, columns::METADATA)?,
        started: row.time(columns::STARTED)?,
        expires: row.optional(columns::EXPIRES, Row::time)?,
    })
}

/// Reads [`part_columns`].
fn part(row: &Row<'_>) -> Result<Part, CatalogError> {
    let md5: [u8; 16] = row.bytes(part_columns::MD5)?;
    let number = row.count(part_columns::NUMBER)?;
    Ok(Part {
        number: u16::try_from(number).map_err(CatalogError::internal)?,
        size: row.count(part_columns::SIZE)?,
        md5,
        etag: hex::encode(md5),
        stored: row.time(part_columns::STORED)?,
    })
}

//! All SQL about uploads into the inbox that are not completed, and their parts. Knows no clock.

use rusqlite::Row;
use uuid::Uuid;

use super::{about, file, metadata_json};
use crate::domain::{
    BucketName, CatalogError, Multipart, MultipartFrom, MultipartRange, ObjectRef, Page, Part,
    TenantId, Timestamp,
};
use crate::store::columns::columns;
use crate::store::layers::{after_prefix, cut, text};
use crate::store::{Change, View, from_sql, time_from_sql, to_sql};

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
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query((
            id,
            tenant.as_str(),
            at.bucket.as_str(),
            at.key.as_str(),
            now.as_microsecond(),
        ))?;
        rows.next()?.map(multipart).transpose()
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
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query((
            tenant.as_str(),
            bucket.as_str(),
            key,
            id,
            end,
            now.as_microsecond(),
            to_sql(range.limit.saturating_add(1)),
        ))?;
        let mut uploads = Vec::new();
        while let Some(row) = rows.next()? {
            uploads.push(multipart(row)?);
        }
        Ok(cut(uploads, range.limit, 0))
    }

    /// Returns the number of a tenant's unexpired uploads.
    pub fn count_multiparts(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM inbox_multiparts
                   WHERE tenant = ? AND (expires IS NULL OR expires > ?)";
        let mut statement = self.prepare(sql)?;
        let count =
            statement.query_one((tenant.as_str(), now.as_microsecond()), |row| row.get(0))?;
        Ok(from_sql(count))
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
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query((upload, after, to_sql(limit.saturating_add(1))))?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            parts.push((part(row)?, file(row, part_columns::FILE)?));
        }
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
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO inbox_multiparts (tenant, {}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                columns::LIST
            ))?
            .execute((
                tenant.as_str(),
                &upload.id,
                upload.at.bucket.as_str(),
                upload.at.key.as_str(),
                &upload.about.media_type,
                metadata_json(&upload.about)?,
                upload.started.as_microsecond(),
                upload.expires.map(Timestamp::as_microsecond),
            ))?;
        Ok(())
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
        let delete = "DELETE FROM inbox_parts WHERE upload = ? AND number = ? RETURNING file";
        let older = self.deleted_files(delete, (upload, part.number))?.pop();
        self.connection
            .prepare_cached(
                "INSERT INTO inbox_parts (upload, number, file, size, md5, stored)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                upload,
                part.number,
                file.to_string(),
                to_sql(part.size),
                &part.md5,
                part.stored.as_microsecond(),
            ))?;
        Ok(older)
    }

    /// Deletes an upload and its parts; returns the parts' files.
    pub fn delete_multipart(&self, upload: &str) -> Result<Vec<Uuid>, CatalogError> {
        let parts = "DELETE FROM inbox_parts WHERE upload = ? RETURNING file";
        let files = self.deleted_files(parts, [upload])?;
        let sql = "DELETE FROM inbox_multiparts WHERE id = ?";
        self.connection.prepare_cached(sql)?.execute([upload])?;
        Ok(files)
    }
}

/// Reads [`columns`].
fn multipart(row: &Row<'_>) -> Result<Multipart, CatalogError> {
    Ok(Multipart {
        id: row.get(columns::ID)?,
        at: ObjectRef::parse(text(row, columns::BUCKET)?, text(row, columns::KEY)?)?,
        about: about(row, columns::MEDIA_TYPE, columns::METADATA)?,
        started: time_from_sql(row.get(columns::STARTED)?),
        expires: row.get::<_, Option<i64>>(columns::EXPIRES)?.map(time_from_sql),
    })
}

/// Reads [`part_columns`].
fn part(row: &Row<'_>) -> rusqlite::Result<Part> {
    let md5: [u8; 16] = row.get(part_columns::MD5)?;
    Ok(Part {
        number: row.get(part_columns::NUMBER)?,
        size: from_sql(row.get(part_columns::SIZE)?),
        md5,
        etag: hex::encode(md5),
        stored: time_from_sql(row.get(part_columns::STORED)?),
    })
}

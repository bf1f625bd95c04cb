//! All SQL about the inbox's objects, its expired rows and its files to be removed.
//!
//! `multiparts` has the SQL about uploads in parts. Knows no clock.

mod multiparts;

use rusqlite::{Connection, Params, Row};
use uuid::Uuid;

use super::columns::columns;
use super::layers::{after_prefix, cut, text};
use super::{Change, Store, View, from_sql, time_from_sql, to_sql};
use crate::domain::{
    BucketName, CatalogError, Digests, InboxObject, ObjectFrom, ObjectInfo, ObjectRange, ObjectRef,
    Page, TenantId, Timestamp,
};

columns! {
    /// The columns of an object; [`object`] reads all but the file's name.
    mod columns {
        BUCKET: "bucket", KEY: "key", SIZE: "size", SHA256: "sha256", SHA512: "sha512",
        MD5: "md5", CRC64: "crc64", PARTS: "parts", ETAG: "etag", MEDIA_TYPE: "media_type",
        METADATA: "metadata", STORED: "stored", EXPIRES: "expires", FILE: "file",
    }
}

/// Names of files that `inbox_gone` is read for at once.
const GONE_BATCH: u64 = 500;

/// Counts of the expired things that were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Objects and unfinished uploads.
    pub things: u64,
    /// Files: one for each object and each part.
    pub files: u64,
    /// Bytes of the files.
    pub size: u64,
}

/// Returns whether a file has a row; the sweep calls it before any reader exists.
pub(super) fn exists(connection: &Connection, file: Uuid) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM inbox_objects WHERE file = ?1)
                   OR EXISTS (SELECT 1 FROM inbox_parts WHERE file = ?1)";
    // After an error the file stays: an unused file costs space, a missing one costs data.
    connection.query_one(sql, [file.to_string()], |row| row.get(0)).unwrap_or(true)
}

impl View<'_> {
    /// Returns an object that is not expired, and the name of its file.
    pub fn select_object(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
        now: Timestamp,
    ) -> Result<Option<(InboxObject, Uuid)>, CatalogError> {
        let sql = format!(
            "SELECT {} FROM inbox_objects WHERE tenant = ? AND bucket = ? AND key = ?
             AND (expires IS NULL OR expires > ?)",
            columns::LIST
        );
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query((
            tenant.as_str(),
            at.bucket.as_str(),
            at.key.as_str(),
            now.as_microsecond(),
        ))?;
        let found = rows.next()?;
        found.map(|row| Ok((object(row)?, file(row, columns::FILE)?))).transpose()
    }

    /// Returns objects that are not expired; the page's `total` is not counted.
    pub fn select_objects(
        &self,
        tenant: &TenantId,
        bucket: &BucketName,
        range: &ObjectRange,
        now: Timestamp,
    ) -> Result<Page<InboxObject>, CatalogError> {
        let (above, from) = match &range.from {
            ObjectFrom::Start => (">=", String::new()),
            ObjectFrom::After(key) => (">", key.clone()),
            ObjectFrom::Behind(start) => match after_prefix(start) {
                Some(first) => (">=", first),
                None => return Ok(Page::empty()),
            },
        };
        // Only one lower bound: given two, SQLite may start at either.
        let (above, from) =
            if from >= range.prefix { (above, from) } else { (">=", range.prefix.clone()) };
        let end = after_prefix(&range.prefix);
        let below = if end.is_some() { "AND key < ?5" } else { "AND ?5 IS NULL" };
        let sql = format!(
            "SELECT {} FROM inbox_objects
             WHERE tenant = ?1 AND bucket = ?2 AND key {above} ?3 {below}
             AND (expires IS NULL OR expires > ?4) ORDER BY key LIMIT ?6",
            columns::LIST
        );
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query((
            tenant.as_str(),
            bucket.as_str(),
            from,
            now.as_microsecond(),
            end,
            to_sql(range.limit.saturating_add(1)),
        ))?;
        let mut objects = Vec::new();
        while let Some(row) = rows.next()? {
            objects.push(object(row)?);
        }
        Ok(cut(objects, range.limit, 0))
    }

    /// Returns the tenant's first bucket after `after` that has an unexpired object, and when the
    /// first such object by key was put.
    pub fn select_bucket_after(
        &self,
        tenant: &TenantId,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<(BucketName, Timestamp)>, CatalogError> {
        let sql = "SELECT bucket, stored FROM inbox_objects WHERE tenant = ? AND bucket > ?
                   AND (expires IS NULL OR expires > ?) ORDER BY bucket, key LIMIT ?";
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query((tenant.as_str(), after, now.as_microsecond(), 1))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (bucket, stored): (String, i64) = row.try_into()?;
        Ok(Some((BucketName::parse(bucket)?, time_from_sql(stored))))
    }

    /// Returns the size of the inbox: the bytes of all tenants' objects and parts, and 4,096 more
    /// for each of them and for each unfinished upload.
    ///
    /// Expired ones count until they are deleted.
    pub fn select_inbox_size(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT inbox_size FROM state WHERE id = 1";
        Ok(from_sql(self.prepare(sql)?.query_one([], |row| row.get(0))?))
    }

    /// Returns whether any object or upload is expired.
    pub fn has_expired(&self, now: Timestamp) -> Result<bool, CatalogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM inbox_objects WHERE expires <= ?1)
                       OR EXISTS (SELECT 1 FROM inbox_multiparts WHERE expires <= ?1)";
        Ok(self.prepare(sql)?.query_one([now.as_microsecond()], |row| row.get(0))?)
    }

    /// Returns names of files to be removed, in their order, after `after`.
    fn select_gone(&self, after: &str) -> Result<Vec<String>, CatalogError> {
        let sql = "SELECT file FROM inbox_gone WHERE file > ? ORDER BY file LIMIT ?";
        let mut statement = self.prepare(sql)?;
        let files = statement.query_map((after, to_sql(GONE_BATCH)), |row| row.get(0))?;
        Ok(files.collect::<Result<_, _>>()?)
    }
}

impl Change<'_> {
    /// Inserts an object's row and deletes that of an older object, whose file is returned.
    ///
    /// The new object's file must be synced to disk.
    pub fn replace_object(
        &self,
        tenant: &TenantId,
        object: &InboxObject,
        file: Uuid,
    ) -> Result<Option<Uuid>, CatalogError> {
        let metadata = metadata_json(&object.about)?;
        let older = self.delete_object(tenant, &object.at)?;
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO inbox_objects (tenant, {})
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                columns::LIST
            ))?
            .execute((
                tenant.as_str(),
                object.at.bucket.as_str(),
                object.at.key.as_str(),
                to_sql(object.size),
                &object.digests.sha256,
                &object.digests.sha512,
                &object.digests.md5,
                object.digests.crc64.cast_signed(),
                to_sql(object.parts),
                &object.etag,
                &object.about.media_type,
                metadata,
                object.stored.as_microsecond(),
                object.expires.map(Timestamp::as_microsecond),
                file.to_string(),
            ))?;
        Ok(older)
    }

    /// Deletes an object, even an expired one; returns its file.
    pub fn delete_object(
        &self,
        tenant: &TenantId,
        at: &ObjectRef,
    ) -> Result<Option<Uuid>, CatalogError> {
        let sql = "DELETE FROM inbox_objects WHERE tenant = ? AND bucket = ? AND key = ?
                   RETURNING file";
        let key = (tenant.as_str(), at.bucket.as_str(), at.key.as_str());
        Ok(self.deleted_files(sql, key)?.pop())
    }

    /// Runs a DELETE that returns the names of files, and returns these.
    fn deleted_files(&self, sql: &str, by: impl Params) -> Result<Vec<Uuid>, CatalogError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(by)?;
        let mut files = Vec::new();
        while let Some(row) = rows.next()? {
            files.push(file(row, 0)?);
        }
        Ok(files)
    }

    /// Deletes up to `max` expired objects, up to `max` parts of expired uploads, and up to `max`
    /// expired uploads without parts.
    pub fn delete_expired(&self, now: Timestamp, max: u64) -> Result<Expired, CatalogError> {
        let now = now.as_microsecond();
        let mut done = Expired::default();
        let objects = "DELETE FROM inbox_objects WHERE (tenant, bucket, key) IN
                       (SELECT tenant, bucket, key FROM inbox_objects WHERE expires <= ? LIMIT ?)
                       RETURNING size";
        done.add_files(self, objects, now, max)?;
        done.things = done.files;
        let parts = "DELETE FROM inbox_parts WHERE (upload, number) IN
                     (SELECT p.upload, p.number FROM inbox_multiparts u
                      CROSS JOIN inbox_parts p ON p.upload = u.id WHERE u.expires <= ? LIMIT ?)
                     RETURNING size";
        done.add_files(self, parts, now, max)?;
        let uploads = "DELETE FROM inbox_multiparts WHERE id IN
                       (SELECT u.id FROM inbox_multiparts u WHERE u.expires <= ?
                        AND NOT EXISTS (SELECT 1 FROM inbox_parts p WHERE p.upload = u.id)
                        LIMIT ?)";
        let mut statement = self.prepare(uploads)?;
        done.things += statement.execute((now, to_sql(max)))? as u64;
        Ok(done)
    }

    /// Deletes the rows of `inbox_gone` whose files are removed. No answer shows them, so that the
    /// generation stays.
    fn delete_gone(&self, files: &[String]) -> Result<(), CatalogError> {
        self.raises_generation.set(false);
        let sql = "DELETE FROM inbox_gone WHERE file = ?";
        let mut statement = self.prepare(sql)?;
        for file in files {
            statement.execute([file])?;
        }
        Ok(())
    }
}

impl Store {
    /// Removes the files of the inbox that no row refers to any longer.
    ///
    /// A failure to remove a file is logged, and the next call tries again.
    pub fn remove_gone_files(&self) -> Result<(), CatalogError> {
        let mut after = String::new();
        loop {
            let files = self.read(|view| view.select_gone(&after))?;
            let Some(last) = files.last() else { return Ok(()) };
            after.clone_from(last);
            let removed: Vec<String> =
                files.into_iter().filter(|file| self.is_removed(file)).collect();
            if !removed.is_empty() {
                self.write(move |change| change.delete_gone(&removed))?;
            }
        }
    }

    fn is_removed(&self, file: &str) -> bool {
        match Uuid::parse_str(file) {
            Ok(id) => self.inbox().remove(id),
            Err(failure) => {
                tracing::error!(%failure, file, "a file of the inbox has a strange name");
                false
            }
        }
    }
}

impl Expired {
    /// Runs a DELETE that returns the sizes of files, and counts these.
    fn add_files(
        &mut self,
        change: &Change<'_>,
        sql: &str,
        now: i64,
        max: u64,
    ) -> Result<(), CatalogError> {
        let mut statement = change.prepare(sql)?;
        let mut rows = statement.query((now, to_sql(max)))?;
        while let Some(row) = rows.next()? {
            self.files += 1;
            self.size += from_sql(row.get(0)?);
        }
        Ok(())
    }
}

/// Reads [`columns`].
fn object(row: &Row<'_>) -> Result<InboxObject, CatalogError> {
    Ok(InboxObject {
        at: ObjectRef::parse(text(row, columns::BUCKET)?, text(row, columns::KEY)?)?,
        size: from_sql(row.get(columns::SIZE)?),
        digests: Digests {
            sha256: row.get(columns::SHA256)?,
            sha512: row.get(columns::SHA512)?,
            md5: row.get(columns::MD5)?,
            crc64: row.get::<_, i64>(columns::CRC64)?.cast_unsigned(),
        },
        parts: from_sql(row.get(columns::PARTS)?),
        etag: row.get(columns::ETAG)?,
        about: about(row, columns::MEDIA_TYPE, columns::METADATA)?,
        stored: time_from_sql(row.get(columns::STORED)?),
        expires: row.get::<_, Option<i64>>(columns::EXPIRES)?.map(time_from_sql),
    })
}

/// Reads a media type and the metadata that [`metadata_json`] wrote.
fn about(row: &Row<'_>, media_type: usize, metadata: usize) -> Result<ObjectInfo, CatalogError> {
    let metadata = serde_json::from_str(text(row, metadata)?).map_err(CatalogError::internal)?;
    Ok(ObjectInfo { media_type: row.get(media_type)?, metadata })
}

fn metadata_json(about: &ObjectInfo) -> Result<String, CatalogError> {
    serde_json::to_string(&about.metadata).map_err(CatalogError::internal)
}

/// Reads the name of a file at a position.
fn file(row: &Row<'_>, column: usize) -> Result<Uuid, CatalogError> {
    Uuid::parse_str(text(row, column)?).map_err(CatalogError::internal)
}

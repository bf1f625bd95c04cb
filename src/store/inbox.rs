//! All SQL about the inbox's objects; `multiparts` has the SQL about uploads in parts.
//!
//! What is expired is deleted by `upkeep`. Knows no clock.

mod multiparts;

use uuid::Uuid;

use super::columns::columns;
use super::engine::{Row, values};
use super::pages::{after_prefix, cut};
use super::{Change, View};
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

impl View<'_> {
    /// Returns whether a file has a row; the sweep calls it before any reader exists.
    pub(super) fn has_inbox_file(&self, file: Uuid) -> bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM inbox_objects WHERE file = ?1)
                       OR EXISTS (SELECT 1 FROM inbox_parts WHERE file = ?1)";
        // After an error the file stays: an unused file costs space, a missing one costs data.
        let found = self.one(sql, values![&file.to_string()], |row| row.flag(0));
        found.map_or(true, |found| found != Some(false))
    }

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
        let values = values![tenant, at.bucket.as_str(), at.key.as_str(), now];
        self.one(&sql, values, |row| Ok((object(row)?, file(row, columns::FILE)?)))
    }

    /// Returns the sizes of the parts that an object was put in, by the name of its file; none if
    /// it was put whole, or by a version that did not record them.
    pub fn select_part_sizes(&self, file: Uuid) -> Result<Vec<u64>, CatalogError> {
        let sql = "SELECT coalesce(part_sizes, '[]') FROM inbox_objects WHERE file = ?";
        Ok(self.one(sql, values![&file.to_string()], |row| row.json(0))?.unwrap_or_default())
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
        let (bucket, rows_max) = (bucket.as_str(), range.limit.saturating_add(1));
        let values = values![tenant, bucket, &from, now, end.as_ref(), rows_max];
        Ok(cut(self.all(&sql, values, object)?, range.limit, 0))
    }

    /// Returns the tenant's buckets that have unexpired objects, by name and at most `max`, each
    /// with the time at which its first such object by key was put.
    pub fn select_buckets(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        max: u64,
    ) -> Result<Vec<(BucketName, Timestamp)>, CatalogError> {
        // From one bucket to the next through the key, however many objects a bucket has.
        let first = "SELECT o.bucket FROM inbox_objects o WHERE o.tenant = ?1 AND o.bucket >";
        let unexpired = "(o.expires IS NULL OR o.expires > ?2)";
        let sql = format!(
            "WITH RECURSIVE buckets (bucket) AS (
                 SELECT ({first} '' AND {unexpired} ORDER BY o.bucket, o.key LIMIT 1)
                 UNION ALL
                 SELECT ({first} b.bucket AND {unexpired} ORDER BY o.bucket, o.key LIMIT 1)
                 FROM buckets b WHERE b.bucket IS NOT NULL)
             SELECT b.bucket, (SELECT o.stored FROM inbox_objects o
                               WHERE o.tenant = ?1 AND o.bucket = b.bucket AND {unexpired}
                               ORDER BY o.key LIMIT 1)
             FROM buckets b WHERE b.bucket IS NOT NULL LIMIT ?3"
        );
        self.all(&sql, values![tenant, now, max], |row| {
            Ok((BucketName::parse(row.text(0)?)?, row.time(1)?))
        })
    }

    /// Returns the size of the inbox: the bytes of all tenants' objects and parts, and 4,096 more
    /// for each of them and for each unfinished upload.
    ///
    /// Expired ones count until they are deleted.
    pub fn select_inbox_size(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT inbox_size FROM state WHERE id = 1";
        Ok(self.one(sql, &[], |row| row.count(0))?.unwrap_or_default())
    }
}

impl Change<'_> {
    /// Inserts an object's row and deletes that of an older object, whose file is returned.
    /// `part_sizes` is empty unless the object was put in parts.
    ///
    /// The new object's file must be synced to disk.
    pub fn replace_object(
        &self,
        tenant: &TenantId,
        object: &InboxObject,
        part_sizes: &[u64],
        file: Uuid,
    ) -> Result<Option<Uuid>, CatalogError> {
        let metadata = metadata_json(&object.about)?;
        let older = self.delete_object(tenant, &object.at)?;
        let sql = format!(
            "INSERT INTO inbox_objects (tenant, {}, part_sizes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            columns::LIST
        );
        let part_sizes = Some(part_sizes).filter(|sizes| !sizes.is_empty());
        let part_sizes = part_sizes.map(serde_json::to_string).transpose();
        let part_sizes = part_sizes.map_err(CatalogError::internal)?;
        let Digests { sha256, sha512, md5, crc64 } = &object.digests;
        let (at, about, file) = (&object.at, &object.about, file.to_string());
        let values = values![
            tenant,
            at.bucket.as_str(),
            at.key.as_str(),
            object.size,
            sha256,
            sha512,
            md5,
            crc64.cast_signed(),
            object.parts,
            &object.etag,
            &about.media_type,
            &metadata,
            object.stored,
            object.expires,
            &file,
            part_sizes.as_ref(),
        ];
        self.run(&sql, values)?;
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
        let values = values![tenant, at.bucket.as_str(), at.key.as_str()];
        self.one(sql, values, |row| file(row, 0))
    }

    /// Deletes the unexpired ones of these objects; returns each with its file.
    pub fn delete_objects(
        &self,
        tenant: &TenantId,
        objects: &[ObjectRef],
        now: Timestamp,
    ) -> Result<Vec<(ObjectRef, Uuid)>, CatalogError> {
        let pairs: Vec<_> =
            objects.iter().map(|at| (at.bucket.as_str(), at.key.as_str())).collect();
        let pairs = serde_json::to_string(&pairs).map_err(CatalogError::internal)?;
        let sql = "DELETE FROM inbox_objects WHERE tenant = ?1 AND (bucket, key) IN
                       (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
                   AND (expires IS NULL OR expires > ?3) RETURNING bucket, key, file";
        self.all(sql, values![tenant, &pairs, now], |row| {
            Ok((ObjectRef::parse(row.text(0)?, row.text(1)?)?, file(row, 2)?))
        })
    }
}

/// Reads [`columns`].
fn object(row: &Row<'_>) -> Result<InboxObject, CatalogError> {
    Ok(InboxObject {
        at: ObjectRef::parse(row.text(columns::BUCKET)?, row.text(columns::KEY)?)?,
        size: row.count(columns::SIZE)?,
        digests: Digests {
            sha256: row.bytes(columns::SHA256)?,
            sha512: row.bytes(columns::SHA512)?,
            md5: row.bytes(columns::MD5)?,
            crc64: row.int(columns::CRC64)?.cast_unsigned(),
        },
        parts: row.count(columns::PARTS)?,
        etag: row.string(columns::ETAG)?,
        about: about(row, columns::MEDIA_TYPE, columns::METADATA)?,
        stored: row.time(columns::STORED)?,
        expires: row.optional(columns::EXPIRES, Row::time)?,
    })
}

/// Reads a media type and the metadata that [`metadata_json`] wrote.
fn about(row: &Row<'_>, media_type: usize, metadata: usize) -> Result<ObjectInfo, CatalogError> {
    Ok(ObjectInfo { media_type: row.string(media_type)?, metadata: row.json(metadata)? })
}

fn metadata_json(about: &ObjectInfo) -> Result<String, CatalogError> {
    serde_json::to_string(&about.metadata).map_err(CatalogError::internal)
}

/// Reads the name of a file at a position.
fn file(row: &Row<'_>, column: usize) -> Result<Uuid, CatalogError> {
    Uuid::parse_str(row.text(column)?).map_err(CatalogError::internal)
}

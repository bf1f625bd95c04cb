//! All SQL that writes layers and their versions. Checks no rule of the catalog.

use super::{acl, number};
use crate::domain::{
    Artifact, CatalogError, Layer, LayerName, LayerVersion, TenantId, Timestamp, VersionNumber,
};
use crate::store::Change;
use crate::store::engine::values;

/// The values of a new version, and of its layer if that is new.
pub struct LayerVersionInsert<'a> {
    /// The uid of the layer if it is new: a lower-case hyphenated UUID.
    pub layer_uid: &'a str,
    /// Replaces the layer's tags when given.
    pub tags: Option<&'a [(String, String)]>,
    /// Lower-case hyphenated UUID.
    pub uid: &'a str,
    /// Free text.
    pub description: &'a str,
    /// Free text.
    pub license: &'a str,
    /// In the order given.
    pub runtimes: &'a [String],
    /// A content that has its row.
    pub code: &'a Artifact,
    /// Now.
    pub created: Timestamp,
}

impl Change<'_> {
    /// Inserts a version with the layer's next number, and the layer if it is new; returns the
    /// version. The tenant must have its row.
    pub fn insert_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        version: &LayerVersionInsert<'_>,
        sequence: u64,
    ) -> Result<LayerVersion, CatalogError> {
        let json = |list| serde_json::to_string(list).map_err(CatalogError::internal);
        let runtimes = serde_json::to_string(version.runtimes).map_err(CatalogError::internal)?;
        let tags = version.tags.map(json).transpose()?;
        let sql = "INSERT INTO layers \
                       (tenant, name, uid, tags, last_number, versions, newest, newest_at, sequence)
                   VALUES (?1, ?2, ?3, coalesce(?4, '[]'), 1, 1, 1, ?5, ?6)
                   ON CONFLICT (tenant, name) DO UPDATE
                   SET tags = coalesce(?4, layers.tags), last_number = layers.last_number + 1,
                       versions = layers.versions + 1, newest = layers.last_number + 1,
                       newest_at = excluded.newest_at, sequence = excluded.sequence
                   RETURNING id, uid, acl, tags, last_number, versions";
        let (created, layer_uid) = (version.created, version.layer_uid);
        let values = values![tenant, name.as_str(), layer_uid, tags.as_ref(), created, sequence];
        let taken = self.one(sql, values, |row| {
            let layer = Layer {
                name: name.clone(),
                uid: row.string(1)?,
                acl: acl(row, 2)?,
                tags: row.json(3)?,
            };
            Ok((layer, row.int(0)?, number(row, 4)?, row.count(5)?))
        })?;
        let (layer, id, number, versions) =
            taken.ok_or_else(|| CatalogError::internal("a layer took no number"))?;
        if versions == 1 {
            self.add_to_layer_count(tenant, 1)?;
        }
        let sql = "INSERT INTO layer_versions
                   (layer, number, uid, description, license, runtimes, code, created, sequence)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let LayerVersionInsert { uid, description, license, code, .. } = *version;
        let sha256 = &code.digests.sha256;
        self.run(
            sql,
            values![
                id,
                number.get(),
                uid,
                description,
                license,
                &runtimes,
                sha256,
                created,
                sequence
            ],
        )?;
        Ok(LayerVersion {
            layer,
            number,
            uid: uid.to_owned(),
            description: description.to_owned(),
            license: license.to_owned(),
            runtimes: version.runtimes.to_vec(),
            code: *code,
            created,
        })
    }

    /// Deletes one version; returns whether it existed.
    pub fn delete_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        number: VersionNumber,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let sql = "DELETE FROM layer_versions WHERE number = ? \
                   AND layer = (SELECT id FROM layers WHERE tenant = ? AND name = ?)";
        if self.count(sql, values![number.get(), tenant, name.as_str()])? == 0 {
            return Ok(false);
        }
        let sql = "UPDATE layers SET versions = versions - 1, sequence = ?1,
                       (newest, newest_at) = (SELECT number, created FROM layer_versions
                                              WHERE layer = layers.id
                                              ORDER BY number DESC LIMIT 1)
                   WHERE tenant = ?2 AND name = ?3 RETURNING versions";
        let left = self.one(sql, values![sequence, tenant, name.as_str()], |row| row.count(0))?;
        if left == Some(0) {
            self.add_to_layer_count(tenant, -1)?;
        }
        Ok(true)
    }

    /// Deletes all versions of a layer; returns whether there were any. Its counter remains.
    pub fn delete_layer_versions(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let sql = "DELETE FROM layer_versions \
                   WHERE layer = (SELECT id FROM layers WHERE tenant = ? AND name = ?)";
        if self.count(sql, values![tenant, name.as_str()])? == 0 {
            return Ok(false);
        }
        let sql = "UPDATE layers SET versions = 0, newest = NULL, newest_at = NULL, sequence = ?
                   WHERE tenant = ? AND name = ?";
        self.run(sql, values![sequence, tenant, name.as_str()])?;
        self.add_to_layer_count(tenant, -1)?;
        Ok(true)
    }

    fn add_to_layer_count(&self, tenant: &TenantId, change: i64) -> Result<(), CatalogError> {
        self.run("UPDATE tenants SET layers = layers + ? WHERE id = ?", values![change, tenant])
    }
}

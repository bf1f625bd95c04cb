//! All SQL about tenants, keys and the link secret. Verifies nothing.

use std::collections::{BTreeMap, HashMap};

use super::columns::columns;
use super::engine::{Row, values};
use super::{Change, View};
use crate::domain::{
    Access, CatalogError, CloudIds, Key, KeyId, Role, Secret, TenantId, Timestamp,
};

columns! {
    /// The columns of a key; [`key`] reads them.
    mod key_columns {
        ID: "id", SECRET: "secret", TENANT: "tenant", ROLE: "role", ENABLED: "enabled",
        CREATED: "created", LAST_USED: "last_used",
    }
}

impl View<'_> {
    /// Returns the keys, the tenants' cloud ids and the link secret.
    pub fn select_access(&self) -> Result<Access, CatalogError> {
        let sql = "SELECT access, link_secret FROM state";
        let state = self.one(sql, &[], |row| Ok((row.count(0)?, row.bytes(1)?)))?;
        let (stamp, link_secret) =
            state.ok_or_else(|| CatalogError::internal("the catalog has no state"))?;
        let (mut keys, mut keys_of) = (HashMap::new(), HashMap::<TenantId, Vec<KeyId>>::new());
        for key in self.select_keys()? {
            keys_of.entry(key.tenant.clone()).or_default().push(key.id.clone());
            keys.insert(key.id.clone(), key);
        }
        // Only these: tenants may be many, and the cloud ids of most are derived.
        let sql = "SELECT id, spelling FROM tenants WHERE spelling <> '{}'";
        let cloud_ids = self.select_cloud_ids(sql)?.into_iter().collect();
        Ok(Access { stamp, link_secret, keys, keys_of, cloud_ids })
    }

    /// Returns all keys in the order of their ids.
    pub fn select_keys(&self) -> Result<Vec<Key>, CatalogError> {
        let sql = format!("SELECT {} FROM keys ORDER BY id", key_columns::LIST);
        self.all(&sql, &[], key)
    }

    /// Returns all tenants in the order of their ids, with the cloud ids that are set.
    pub fn select_tenants(&self) -> Result<Vec<(TenantId, CloudIds)>, CatalogError> {
        self.select_cloud_ids("SELECT id, spelling FROM tenants ORDER BY id")
    }

    fn select_cloud_ids(&self, sql: &str) -> Result<Vec<(TenantId, CloudIds)>, CatalogError> {
        self.all(sql, &[], |row| Ok((TenantId::parse(row.text(0)?)?, cloud_ids(row.text(1)?)?)))
    }

    /// Returns the bytes of all versions and heads of a tenant's root tenant and of the root's
    /// subtenants (`root@…`).
    pub fn select_code_size(&self, tenant: &TenantId) -> Result<u64, CatalogError> {
        // 'A' follows '@': the ids between the two are exactly those of the subtenants.
        let sql = "SELECT coalesce((SELECT code_size FROM tenants WHERE id = ?1), 0) + coalesce(
                       (SELECT sum(code_size) FROM tenants
                        WHERE id >= ?1 || '@' AND id < ?1 || 'A'), 0)";
        Ok(self.one(sql, values![tenant.root()], |row| row.count(0))?.unwrap_or_default())
    }
}

impl Change<'_> {
    /// Inserts a key, whose tenant must have its row; returns false if its id is taken.
    pub fn insert_key(&self, key: &Key) -> Result<bool, CatalogError> {
        let sql = "INSERT INTO keys (id, secret, tenant, role, enabled, created)
                   VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let (secret, role) = (key.secret.reveal(), key.role.as_str());
        let values = values![&key.id, secret, &key.tenant, role, key.enabled, key.created];
        let inserted = self.count(sql, values)?;
        self.raise_access()?;
        Ok(inserted > 0)
    }

    /// Enables or disables a key; returns its tenant, or `None` if there is no such key.
    pub fn update_key_enabled(
        &self,
        id: &KeyId,
        enabled: bool,
    ) -> Result<Option<TenantId>, CatalogError> {
        let sql = "UPDATE keys SET enabled = ?2 WHERE id = ?1 RETURNING tenant";
        self.raise_access()?;
        self.one(sql, values![id, enabled], |row| TenantId::parse(row.text(0)?))
    }

    /// Deletes a key; returns its tenant, or `None` if there is no such key.
    pub fn delete_key(&self, id: &KeyId) -> Result<Option<TenantId>, CatalogError> {
        self.raise_access()?;
        let sql = "DELETE FROM keys WHERE id = ? RETURNING tenant";
        self.one(sql, values![id], |row| TenantId::parse(row.text(0)?))
    }

    /// Stores when a key was last used. No answer shows that time, so that the generation stays.
    pub fn update_key_use(&self, id: &KeyId, now: Timestamp) -> Result<(), CatalogError> {
        self.keep_generation();
        self.run("UPDATE keys SET last_used = ? WHERE id = ?", values![now, id])
    }

    /// Replaces the link secret, which invalidates all earlier download links.
    pub fn update_link_secret(&self, secret: &[u8; 32]) -> Result<(), CatalogError> {
        self.raise_access()?;
        self.run("UPDATE state SET link_secret = ?", values![secret])
    }

    /// Replaces a tenant's cloud ids; the tenant must have its row.
    pub fn update_cloud_ids(
        &self,
        tenant: &TenantId,
        cloud_ids: &CloudIds,
    ) -> Result<(), CatalogError> {
        let fields: BTreeMap<_, _> = cloud_ids.iter().collect();
        let json = serde_json::to_string(&fields).map_err(CatalogError::internal)?;
        self.raise_access()?;
        self.run("UPDATE tenants SET spelling = ? WHERE id = ?", values![&json, tenant])
    }

    /// Raises the number by which every process notices that its snapshot of the access data is
    /// stale.
    fn raise_access(&self) -> Result<(), CatalogError> {
        self.run("UPDATE state SET access = access + 1", &[])
    }
}

fn key(row: &Row<'_>) -> Result<Key, CatalogError> {
    let role = Role::parse(row.text(key_columns::ROLE)?);
    Ok(Key {
        id: KeyId::parse(row.text(key_columns::ID)?)?,
        secret: Secret::parse(row.text(key_columns::SECRET)?)?,
        tenant: TenantId::parse(row.text(key_columns::TENANT)?)?,
        role: role.ok_or_else(|| CatalogError::internal("a key of an unknown role"))?,
        enabled: row.flag(key_columns::ENABLED)?,
        created: row.time(key_columns::CREATED)?,
        last_used: row.optional(key_columns::LAST_USED, Row::time)?,
    })
}

/// Reads what [`Change::update_cloud_ids`] wrote.
fn cloud_ids(json: &str) -> Result<CloudIds, CatalogError> {
    if json == "{}" {
        return Ok(CloudIds::default());
    }
    let fields = serde_json::from_str(json).map_err(CatalogError::internal)?;
    Ok(CloudIds::from_stored(fields))
}

//! Access: the snapshot that requests are checked against, keys, cloud ids and the audit log.
//!
//! Must not know how a dialect verifies a signature.

use std::sync::{Arc, PoisonError};

use jiff::SignedDuration;

use super::Catalog;
use crate::domain::{
    Access, AuditEntry, Caller, CatalogError, CloudIds, Key, KeyId, Noun, Page, Role, Secret,
    Stamp, TenantId, Timestamp,
};
use crate::store::{AuditInsert, Change};

/// Resolution of a key's last use: a write for each request would cost more than the request.
const USE_PERIOD: SignedDuration = SignedDuration::from_mins(10);

/// The dialect that the audit log states for a command on the data folder.
const LOCAL: &str = "local";

impl Catalog {
    /// Returns the generation and the access snapshot as of now, including changes by other
    /// processes.
    pub fn stamp(&self) -> Result<Stamp, CatalogError> {
        // Counted before any row is read: the rows are then at least as new as the count.
        let generation = self.store.generation();
        Ok(Stamp { generation, access: self.access()? })
    }

    fn access(&self) -> Result<Arc<Access>, CatalogError> {
        let stamp = self.store.access_stamp()?;
        let known = self.access.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known
            && known.stamp == stamp
        {
            return Ok(known);
        }
        let fresh = Arc::new(self.store.read(|view| view.select_access())?);
        self.remember_access(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Stores a snapshot, unless another thread has stored a newer one.
    fn remember_access(&self, fresh: Arc<Access>) {
        let mut known = self.access.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.stamp < fresh.stamp) {
            *known = Some(fresh);
        }
    }

    /// Tells whether the last use of a key of this snapshot must be recorded now; returns true once
    /// per period.
    pub fn is_use_due(&self, access: &Access, key: &Key, now: Timestamp) -> bool {
        let old = |at: Timestamp| now.duration_since(at) >= USE_PERIOD;
        if !key.last_used.is_none_or(old) {
            return false;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let last = noted.get(&key.id).filter(|(created, _)| *created == key.created);
        let due = last.is_none_or(|(_, at)| old(*at));
        if due {
            noted.insert(key.id.clone(), (key.created, now));
            // Deleted keys are removed before they outnumber the existing ones.
            if noted.len() > 2 * access.keys.len() {
                noted.retain(|id, _| access.keys.contains_key(id));
            }
        }
        due
    }

    /// Records that a key was used now.
    pub fn note_use(&self, id: &KeyId) -> Result<(), CatalogError> {
        let (id, now) = (id.clone(), self.clock.now());
        self.store.write(move |change| change.update_key_use(&id, now))
    }

    /// Lists the changes of the caller's tenant and its subtenants (`tenant@…`) after the number
    /// `after`; `Forbidden` unless the caller's role is `admin`.
    pub fn list_audit(
        &self,
        by: &Caller,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        by.must_be(Role::Admin)?;
        self.store.read(|view| view.select_audit(Some(by.tenant()), after, limit))
    }

    /// Lists the changes of one tenant and its subtenants, or of all tenants, for the operator.
    pub fn list_root_audit(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        self.store.read(|view| view.select_audit(tenant, after, limit))
    }

    /// Creates a key, and its tenant if that is new; `AlreadyExists` when the id is taken.
    pub fn add_key(
        &self,
        id: KeyId,
        secret: Secret,
        tenant: TenantId,
        role: Role,
    ) -> Result<Key, CatalogError> {
        let created = self.clock.now();
        let key = Key { id, secret, tenant, role, enabled: true, created, last_used: None };
        let made = key.clone();
        self.change_locally("AddKey", move |change| {
            change.ensure_tenant(&key.tenant, created)?;
            if !change.insert_key(&key)? {
                let name = key.id.to_string();
                return Err(CatalogError::AlreadyExists { what: Noun::Key, name });
            }
            Ok(((), key.tenant, format!("key/{}", key.id)))
        })?;
        Ok(made)
    }

    /// Lists all keys in the order of their ids.
    pub fn list_keys(&self) -> Result<Vec<Key>, CatalogError> {
        self.store.read(|view| view.select_keys())
    }

    /// Enables or disables a key.
    pub fn enable_key(&self, id: &KeyId, enabled: bool) -> Result<(), CatalogError> {
        let id = id.clone();
        let operation = if enabled { "EnableKey" } else { "DisableKey" };
        self.change_locally(operation, move |change| {
            let tenant = change.update_key_enabled(&id, enabled)?;
            let tenant = tenant.ok_or_else(|| CatalogError::not_found(Noun::Key, &id))?;
            Ok(((), tenant, format!("key/{id}")))
        })
    }

    /// Deletes a key; the versions published with it stay.
    pub fn delete_key(&self, id: &KeyId) -> Result<(), CatalogError> {
        let id = id.clone();
        self.change_locally("DeleteKey", move |change| {
            let tenant = change.delete_key(&id)?;
            let tenant = tenant.ok_or_else(|| CatalogError::not_found(Noun::Key, &id))?;
            Ok(((), tenant, format!("key/{id}")))
        })
    }

    /// Replaces the link secret, which invalidates all download links issued before.
    pub fn rotate_link_secret(&self, secret: [u8; 32]) -> Result<(), CatalogError> {
        self.change_locally("RotateLinks", move |change| {
            change.update_link_secret(&secret)?;
            Ok(((), TenantId::default_tenant(), "links".to_owned()))
        })
    }

    /// Lists all tenants with their cloud ids.
    pub fn list_tenants(&self) -> Result<Vec<(TenantId, CloudIds)>, CatalogError> {
        self.store.read(|view| view.select_tenants())
    }

    /// Changes a tenant's cloud ids and returns the new ones; creates the tenant if it is new.
    ///
    /// `merge` changes the current ids inside the transaction. `InUse` when another tenant has one
    /// of the ids.
    pub fn change_cloud_ids(
        &self,
        tenant: &TenantId,
        merge: impl FnOnce(&mut CloudIds) + Send + 'static,
    ) -> Result<CloudIds, CatalogError> {
        let (tenant, now) = (tenant.clone(), self.clock.now());
        self.change_locally("SetTenant", move |change| {
            let tenants = change.select_tenants()?;
            let known = tenants.iter().find(|(known, _)| *known == tenant);
            let mut ids = known.map(|(_, ids)| ids.clone()).unwrap_or_default();
            merge(&mut ids);
            for (other, theirs) in tenants {
                let taken = ids.iter().find(|(field, id)| theirs.get(field) == Some(*id));
                if let Some((field, _)) = taken.filter(|_| other != tenant) {
                    let (name, by) = (field.to_owned(), format!("the tenant {other}"));
                    return Err(CatalogError::InUse { what: Noun::CloudId, name, by });
                }
            }
            change.ensure_tenant(&tenant, now)?;
            change.update_cloud_ids(&tenant, &ids)?;
            let subject = format!("tenant/{tenant}");
            Ok((ids, tenant, subject))
        })
    }

    /// Runs a change by the operator; `change` returns its result, and the tenant and the subject
    /// for the audit log.
    fn change_locally<T: Send + 'static>(
        &self,
        operation: &'static str,
        change: impl FnOnce(&Change<'_>) -> Result<(T, TenantId, String), CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let at = self.clock.now();
        self.store.write(move |store| {
            let sequence = store.next_sequence()?;
            let (done, tenant, subject) = change(store)?;
            let (tenant, subject) = (&tenant, &*subject);
            let (key, dialect, request) = (None, LOCAL, None);
            let entry = AuditInsert { at, tenant, key, dialect, operation, subject, request };
            store.insert_audit(sequence, &entry)?;
            Ok(done)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Clock, IdSource};
    use crate::store::Store;

    #[test]
    fn an_older_snapshot_does_not_replace_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        let catalog = Catalog::new(store, Clock::system(), IdSource::random());
        let late = catalog.access().unwrap();
        catalog.rotate_link_secret([2; 32]).unwrap();
        let newer = catalog.access().unwrap();
        assert!(newer.stamp > late.stamp);
        catalog.remember_access(late);
        assert_eq!(catalog.access.read().unwrap().as_ref().unwrap().stamp, newer.stamp);
    }

    #[test]
    fn the_last_use_of_deleted_keys_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        let catalog = Catalog::new(store, Clock::system(), IdSource::random());
        let now = catalog.clock.now();
        for number in 0..20 {
            let id = KeyId::parse(format!("KEY{number}")).unwrap();
            let secret = Secret::parse("a-secret-of-ours").unwrap();
            let tenant = TenantId::default_tenant();
            let key = catalog.add_key(id, secret, tenant, Role::Read).unwrap();
            let access = catalog.access().unwrap();
            assert!(catalog.is_use_due(&access, &key, now));
            assert!(!catalog.is_use_due(&access, &key, now));
            catalog.delete_key(&key.id).unwrap();
        }
        assert!(catalog.noted.lock().unwrap().len() <= 2);
    }
}

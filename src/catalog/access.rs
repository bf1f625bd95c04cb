//! Who is let in: the snapshot that requests are checked against, keys, cloud_ids, the audit log.

use std::sync::{Arc, PoisonError};

use jiff::SignedDuration;

use super::Catalog;
use crate::domain::{
    Access, AuditEntry, Caller, CatalogError, CloudIds, Key, KeyId, Noun, Page, Role, Secret,
    TenantId, Timestamp,
};
use crate::store::{AuditInsert, Change};

/// How exactly a key's last use is kept: a write for each request would cost more than the request.
const USE_PERIOD: SignedDuration = SignedDuration::from_mins(10);

/// What the audit log calls a command on the data folder, in place of a dialect.
const LOCAL: &str = "local";

impl Catalog {
    /// Returns keys, cloud_ids and the link secret as they are now, also when another process
    /// changed them a moment ago.
    pub fn access(&self) -> Result<Arc<Access>, CatalogError> {
        let stamp = self.store.access_stamp()?;
        if let Some(known) = self.known_access()
            && known.stamp == stamp
        {
            return Ok(known);
        }
        let fresh = Arc::new(self.store.read(|view| view.select_access())?);
        self.remember_access(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Keeps a snapshot, unless another thread has kept a newer one meanwhile.
    fn remember_access(&self, fresh: Arc<Access>) {
        let mut known = self.access.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.stamp < fresh.stamp) {
            *known = Some(fresh);
        }
    }

    /// Returns how the catalog has a tenant called, as of the last [`Catalog::access`].
    pub fn cloud_ids(&self, tenant: &TenantId) -> CloudIds {
        let known = self.known_access();
        known.and_then(|access| access.cloud_ids.get(tenant).cloned()).unwrap_or_default()
    }

    /// Returns what [`Catalog::access`] last returned, without another look; for a request that
    /// came through the gate, which did look.
    pub fn known_access(&self) -> Option<Arc<Access>> {
        self.access.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether it is time to write down that a key was let in; says so once for each time.
    pub fn is_use_due(&self, key: &Key, now: Timestamp) -> bool {
        let old = |at: Timestamp| now.duration_since(at) >= USE_PERIOD;
        if !key.last_used.is_none_or(old) {
            return false;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let last = noted.get(&key.id).filter(|(created, _)| *created == key.created);
        let due = last.is_none_or(|(_, at)| old(*at));
        if due {
            noted.insert(key.id.clone(), (key.created, now));
            // Keys that are no more are forgotten before they outnumber those that are.
            if let Some(access) = self.known_access()
                && noted.len() > 2 * access.keys.len()
            {
                noted.retain(|id, _| access.keys.contains_key(id));
            }
        }
        due
    }

    /// Writes down that a key was let in.
    pub fn note_use(&self, id: &KeyId) -> Result<(), CatalogError> {
        let (id, now) = (id.clone(), self.clock.now());
        self.store.write(move |change| change.update_key_use(&id, now))
    }

    /// Lists the changes of the caller's tenant and its divisions (`tenant@…`) after the one
    /// numbered `after`, for a caller who is `admin`.
    pub fn list_audit(
        &self,
        by: &Caller,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        by.must_be(Role::Admin)?;
        self.store.read(|view| view.select_audit(Some(by.tenant()), after, limit))
    }

    /// Lists the changes of one tenant and its divisions, or of all, for the node's owner.
    pub fn list_whole_audit(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        self.store.read(|view| view.select_audit(tenant, after, limit))
    }

    /// Makes a key, and its tenant where that is new; `AlreadyExists` when the id is taken.
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

    /// Lets a key in again, or no longer.
    pub fn enable_key(&self, id: &KeyId, enabled: bool) -> Result<(), CatalogError> {
        let id = id.clone();
        let operation = if enabled { "EnableKey" } else { "DisableKey" };
        self.change_locally(operation, move |change| {
            let tenant = change.update_key_enabled(&id, enabled)?;
            let tenant = tenant.ok_or_else(|| CatalogError::not_found(Noun::Key, &id))?;
            Ok(((), tenant, format!("key/{id}")))
        })
    }

    /// Deletes a key; what it published stays.
    pub fn delete_key(&self, id: &KeyId) -> Result<(), CatalogError> {
        let id = id.clone();
        self.change_locally("DeleteKey", move |change| {
            let tenant = change.delete_key(&id)?;
            let tenant = tenant.ok_or_else(|| CatalogError::not_found(Noun::Key, &id))?;
            Ok(((), tenant, format!("key/{id}")))
        })
    }

    /// Replaces the link secret: no download link that was given out before is good any longer.
    pub fn rotate_link_secret(&self, secret: [u8; 32]) -> Result<(), CatalogError> {
        self.change_locally("RotateLinks", move |change| {
            change.update_link_secret(&secret)?;
            Ok(((), TenantId::default_tenant(), "links".to_owned()))
        })
    }

    /// Lists all tenants with what is set of their spelling.
    pub fn list_tenants(&self) -> Result<Vec<(TenantId, CloudIds)>, CatalogError> {
        self.store.read(|view| view.select_tenants())
    }

    /// Changes how a tenant is called in the clouds and returns what is set then; the tenant is
    /// made where it is new.
    ///
    /// `merge` changes what is set, which nobody else changes meanwhile. `InUse` when another
    /// tenant has one of the names.
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
                let mut pairs = ids.fields().into_iter().zip(theirs.fields());
                let taken = pairs.find(|(ours, theirs)| ours.1.is_some() && ours == theirs);
                if let Some(((field, _), _)) = taken.filter(|_| other != tenant) {
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

    /// Runs a change of the node's owner; what it returns beside its result goes to the audit log.
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
    fn a_snapshot_that_comes_late_does_not_replace_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        let catalog = Catalog::new(store, Clock::system(), IdSource::random());
        let late = catalog.access().unwrap();
        catalog.rotate_link_secret([2; 32]).unwrap();
        let newer = catalog.access().unwrap();
        assert!(newer.stamp > late.stamp);
        catalog.remember_access(late);
        assert_eq!(catalog.known_access().unwrap().stamp, newer.stamp);
    }

    #[test]
    fn the_use_of_keys_that_are_no_more_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        let catalog = Catalog::new(store, Clock::system(), IdSource::random());
        let now = catalog.clock.now();
        for number in 0..20 {
            let id = KeyId::parse(format!("KEY{number}")).unwrap();
            let secret = Secret::parse("a-secret-of-ours").unwrap();
            let tenant = TenantId::default_tenant();
            let key = catalog.add_key(id, secret, tenant, Role::Read).unwrap();
            catalog.access().unwrap();
            assert!(catalog.is_use_due(&key, now) && !catalog.is_use_due(&key, now));
            catalog.delete_key(&key.id).unwrap();
        }
        assert!(catalog.noted.lock().unwrap().len() <= 2);
    }
}

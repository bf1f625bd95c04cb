//! Access: the snapshot that requests are checked against, keys, cloud ids and the audit log.
//!
//! Must not know how a dialect verifies a signature.

use std::sync::{Arc, PoisonError};

use jiff::SignedDuration;

use super::Catalog;
use crate::domain::{
    Access, Actor, AuditEntry, AuditFilter, Caller, CatalogError, CloudIds, Key, KeyId, Noun, Page,
    Role, Secret, Stamp, Subject, TenantId, Timestamp,
};
use crate::store::{Adds, Change};

/// Resolution of a key's last use: a write for each request would cost more than the request.
const USE_PERIOD: SignedDuration = SignedDuration::from_mins(10);

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

    /// Records that a key was used now, without a line in the audit log. Only a task of upkeep may.
    pub fn note_use(&self, by: &Actor, id: &KeyId) -> Result<(), CatalogError> {
        by.must_be_task()?;
        let (id, now) = (id.clone(), self.clock.now());
        self.store.write_adding(Adds::Nothing, move |change| change.update_key_use(&id, now))
    }

    /// Lists the changes of the caller's tenant and its subtenants (`tenant@…`) after the number
    /// `after`, or those about one subject of that tenant; `Forbidden` unless the caller's role is
    /// `admin`.
    pub fn list_audit(
        &self,
        by: &Caller,
        subject: Option<&Subject>,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        by.must_be(Role::Admin)?;
        let filter = match subject {
            None => AuditFilter::Tenant(by.tenant()),
            Some(subject) if subject.tenant == *by.tenant() => AuditFilter::Subject(subject),
            Some(_) => return Err(CatalogError::internal("a subject of another tenant was named")),
        };
        self.list_root_audit(filter, after, limit)
    }

    /// Lists the changes that a filter selects, for the operator.
    pub fn list_root_audit(
        &self,
        filter: AuditFilter<'_>,
        after: u64,
        limit: u64,
    ) -> Result<Page<AuditEntry>, CatalogError> {
        self.store.read(|view| view.select_audit(filter, after, limit))
    }

    /// Creates a key, and its tenant if that is new; `AlreadyExists` when the id is taken, which it
    /// may be by a key of any tenant.
    ///
    /// A caller needs the role `admin`, and must name its own tenant or a subtenant of it;
    /// `NotFound` for any other tenant.
    pub fn add_key(
        &self,
        by: &Actor,
        id: KeyId,
        secret: Secret,
        tenant: TenantId,
        role: Role,
    ) -> Result<Key, CatalogError> {
        by.must_be(Role::Admin)?;
        if !by.governs(&tenant) {
            return Err(CatalogError::not_found(Noun::Tenant, tenant));
        }
        let created = self.clock.now();
        let key = Key { id, secret, tenant, role, enabled: true, created, last_used: None };
        let made = key.clone();
        self.change(by, Adds::Rows, move |change, _| {
            change.ensure_tenant(&key.tenant, created)?;
            if !change.insert_key(&key)? {
                let name = key.id.to_string();
                return Err(CatalogError::AlreadyExists { what: Noun::Key, name });
            }
            Ok(((), Subject::key(&key.tenant, &key.id)))
        })?;
        Ok(made)
    }

    /// Lists all keys in the order of their ids.
    pub fn list_keys(&self) -> Result<Vec<Key>, CatalogError> {
        self.store.read(|view| view.select_keys())
    }

    /// Enables or disables a key; see [`Catalog::add_key`] for the keys that a caller may change.
    pub fn enable_key(&self, by: &Actor, id: &KeyId, enabled: bool) -> Result<(), CatalogError> {
        let id = id.clone();
        self.change_key(by, id.clone(), move |change| change.update_key_enabled(&id, enabled))
    }

    /// Deletes a key; the versions published with it stay. See [`Catalog::add_key`] for the keys
    /// that a caller may delete.
    pub fn delete_key(&self, by: &Actor, id: &KeyId) -> Result<(), CatalogError> {
        let id = id.clone();
        self.change_key(by, id.clone(), move |change| change.delete_key(&id))
    }

    /// Runs a change of one key, which returns the key's tenant; `NotFound` if there is no such
    /// key, also if it is one of a tenant that the actor does not govern.
    fn change_key(
        &self,
        by: &Actor,
        id: KeyId,
        change: impl FnOnce(&Change<'_>) -> Result<Option<TenantId>, CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        by.must_be(Role::Admin)?;
        let actor = by.clone();
        self.change(by, Adds::Nothing, move |store, _| {
            let tenant = change(store)?.filter(|tenant| actor.governs(tenant));
            let tenant = tenant.ok_or_else(|| CatalogError::not_found(Noun::Key, &id))?;
            Ok(((), Subject::key(&tenant, &id)))
        })
    }

    /// Replaces the link secret, which invalidates all download links issued before.
    ///
    /// Only the node's owner may: the secret is one for all tenants.
    pub fn rotate_link_secret(&self, by: &Actor, secret: [u8; 32]) -> Result<(), CatalogError> {
        by.must_be_owner()?;
        self.change(by, Adds::Nothing, move |change, _| {
            change.update_link_secret(&secret)?;
            Ok(((), Subject::links()))
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
    ///
    /// Only the node's owner may: the ids are unique among all tenants, so that a caller could take
    /// another tenant's id, and would learn from `InUse` which tenant has it.
    pub fn change_cloud_ids(
        &self,
        by: &Actor,
        tenant: &TenantId,
        merge: impl FnOnce(&mut CloudIds) + Send + 'static,
    ) -> Result<CloudIds, CatalogError> {
        by.must_be_owner()?;
        let (tenant, now) = (tenant.clone(), self.clock.now());
        self.change(by, Adds::Rows, move |change, _| {
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
            Ok((ids, Subject::tenant(&tenant)))
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
        catalog.rotate_link_secret(&Actor::owner("RotateLinks"), [2; 32]).unwrap();
        let newer = catalog.access().unwrap();
        assert!(newer.stamp > late.stamp);
        catalog.remember_access(late);
        let known = || catalog.access.read().unwrap().clone().unwrap();
        assert_eq!(known().stamp, newer.stamp);
        // One as new as the known one leaves that in place: readers may share it.
        let as_new = catalog.store.read(|view| view.select_access()).unwrap();
        assert_eq!(as_new.stamp, newer.stamp);
        catalog.remember_access(Arc::new(as_new));
        assert!(Arc::ptr_eq(&known(), &newer));
    }

    #[test]
    fn a_use_is_due_when_ten_minutes_have_passed() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path());
        let mut key = add(&catalog, &Actor::owner("AddKey"), "KEY1", "a").unwrap();
        let (access, start) = (catalog.access().unwrap(), catalog.clock.now());
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        // As it was recorded: another process may have done that.
        key.last_used = Some(start);
        assert!(!catalog.is_use_due(&access, &key, at(599)));
        assert!(catalog.is_use_due(&access, &key, at(600)));
        // As this process noted it, in a snapshot from before.
        assert!(!catalog.is_use_due(&access, &key, at(1199)));
        assert!(catalog.is_use_due(&access, &key, at(1200)));
        // A key that was deleted and made again has its own times.
        key.created = at(1);
        assert!(catalog.is_use_due(&access, &key, at(1201)));
    }

    fn catalog(folder: &std::path::Path) -> Catalog {
        let store = Store::open(folder, Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        Catalog::new(store, Clock::system(), IdSource::random())
    }

    fn caller(tenant: &str, role: Role) -> Actor {
        let (tenant, key) = (TenantId::parse(tenant).unwrap(), KeyId::parse("CALLER01").unwrap());
        Actor::from(&Caller::new(tenant, role, key))
    }

    fn add(catalog: &Catalog, by: &Actor, id: &str, tenant: &str) -> Result<Key, CatalogError> {
        let (id, secret) = (KeyId::parse(id)?, Secret::parse("a-secret-of-ours")?);
        catalog.add_key(by, id, secret, TenantId::parse(tenant)?, Role::Write)
    }

    #[test]
    fn a_caller_changes_keys_of_its_own_tenant_as_an_administrator() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path());
        let admin = caller("a", Role::Admin);
        add(&catalog, &Actor::owner("AddKey"), "KEYOFB", "b").unwrap();
        for tenant in ["b", "ab", "a2"] {
            let refused = add(&catalog, &admin, "KEY1", tenant).unwrap_err();
            let is_fine = matches!(refused, CatalogError::NotFound { what: Noun::Tenant, .. });
            assert!(is_fine, "{refused:?}");
        }
        for tenant in ["a", "a@product"] {
            let key = add(&catalog, &admin, "KEY1", tenant).unwrap();
            let writer = caller("a", Role::Write);
            for refused in [
                add(&catalog, &writer, "KEY2", tenant).map(drop),
                catalog.enable_key(&writer, &key.id, false),
                catalog.delete_key(&writer, &key.id),
            ] {
                assert!(matches!(refused, Err(CatalogError::Forbidden { .. })), "{refused:?}");
            }
            catalog.enable_key(&admin, &key.id, false).unwrap();
            catalog.delete_key(&admin, &key.id).unwrap();
        }
        let other = KeyId::parse("KEYOFB").unwrap();
        let before = catalog.access().unwrap().stamp;
        for refused in
            [catalog.enable_key(&admin, &other, false), catalog.delete_key(&admin, &other)]
        {
            let what = Noun::Key;
            let is_fine =
                matches!(&refused, Err(CatalogError::NotFound { what: noun, .. }) if *noun == what);
            assert!(is_fine, "{refused:?}");
        }
        let left = catalog.list_keys().unwrap();
        assert_eq!((left.len(), left[0].enabled), (1, true));
        assert_eq!(catalog.access().unwrap().stamp, before, "a refusal changes nothing");
        let log = catalog.list_root_audit(AuditFilter::All, 0, 100).unwrap().items;
        let subjects: Vec<_> = log.iter().map(|line| line.subject.to_string()).collect();
        assert_eq!(subjects, [&["key/KEYOFB"][..], &["key/KEY1"; 6]].concat());
    }

    #[test]
    fn only_the_owner_changes_what_all_tenants_share() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path());
        let tenant = TenantId::default_tenant();
        for actor in [caller("default", Role::Admin), Actor::task("Test")] {
            assert!(catalog.rotate_link_secret(&actor, [2; 32]).is_err());
            assert!(catalog.change_cloud_ids(&actor, &tenant, |_| {}).is_err());
        }
        for actor in [caller("default", Role::Admin), Actor::owner("Test")] {
            assert!(catalog.note_use(&actor, &KeyId::parse("KEY1").unwrap()).is_err());
            assert!(catalog.expire_inbox(&actor).is_err() && catalog.remove_files(&actor).is_err());
        }
        assert_eq!(catalog.list_root_audit(AuditFilter::All, 0, 100).unwrap().items, []);
    }

    #[test]
    fn the_last_use_of_deleted_keys_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [1; 32]).unwrap();
        let catalog = Catalog::new(store, Clock::system(), IdSource::random());
        let now = catalog.clock.now();
        let by = Actor::owner("AddKey");
        for number in 0..20 {
            let id = KeyId::parse(format!("KEY{number}")).unwrap();
            let secret = Secret::parse("a-secret-of-ours").unwrap();
            let tenant = TenantId::default_tenant();
            let key = catalog.add_key(&by, id, secret, tenant, Role::Read).unwrap();
            let access = catalog.access().unwrap();
            assert!(catalog.is_use_due(&access, &key, now));
            assert!(!catalog.is_use_due(&access, &key, now));
            catalog.delete_key(&by, &key.id).unwrap();
        }
        assert!(catalog.noted.lock().unwrap().len() <= 2);
    }
}

//! The caller of the catalog: tenant, role and key, and the request for the audit log.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::{CatalogError, KeyId, TenantId};

/// The permissions of a key; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// List and download.
    Read,
    /// Publish, change and delete.
    Write,
    /// Read the audit log and maintain the node.
    Admin,
}

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Parses the name of a role.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Fails with `Forbidden` when this role does not cover `needed`.
    pub fn must_cover(self, needed: Self) -> Result<(), CatalogError> {
        if self >= needed {
            return Ok(());
        }
        Err(CatalogError::Forbidden { role: self, needed })
    }

    /// Returns the role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The request behind a call of the catalog, for the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditContext {
    /// The dialect's folder name.
    pub dialect: &'static str,
    /// The operation in the vendor's spelling.
    pub operation: &'static str,
    /// The request's id, assigned by the server.
    pub request_id: Uuid,
}

/// The sender of a request. Only files called `auth` in `dialects` make one; cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Arc<Identity>,
    context: AuditContext,
}

#[derive(Debug)]
struct Identity {
    tenant: TenantId,
    role: Role,
    key: Option<KeyId>,
}

impl Caller {
    /// Makes the caller that proved possession of `key`.
    pub fn new(tenant: TenantId, role: Role, key: KeyId) -> Self {
        Self::of(Identity { tenant, role, key: Some(key) })
    }

    /// Makes the caller of every request while authentication is off; the role is `Admin`.
    pub fn new_anonymous(tenant: TenantId) -> Self {
        Self::of(Identity { tenant, role: Role::Admin, key: None })
    }

    fn of(identity: Identity) -> Self {
        let context = AuditContext { dialect: "", operation: "", request_id: Uuid::nil() };
        Self { identity: Arc::new(identity), context }
    }

    /// Adds the request for the audit log.
    pub fn in_context(mut self, context: AuditContext) -> Self {
        self.context = context;
        self
    }

    /// The owner of the rows that the request is about.
    pub fn tenant(&self) -> &TenantId {
        &self.identity.tenant
    }

    /// The key that signed; `None` while authentication is off.
    pub fn key(&self) -> Option<&KeyId> {
        self.identity.key.as_ref()
    }

    /// The request for the audit log.
    pub fn audit_context(&self) -> AuditContext {
        self.context
    }

    /// Fails with `Forbidden` when the caller's role does not cover `needed`.
    pub fn must_be(&self, needed: Role) -> Result<(), CatalogError> {
        self.identity.role.must_cover(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_covers_those_before_it() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            let key = KeyId::parse("KEY0").unwrap();
            let caller = Caller::new(TenantId::default_tenant(), role, key);
            for (needed_place, needed) in Role::ALL.into_iter().enumerate() {
                assert_eq!(caller.must_be(needed).is_ok(), needed_place <= place);
            }
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("owner"), None);
    }
}

//! Who asks the catalog, what he may do, and on what occasion he asks.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::{CatalogError, KeyId, TenantId};

/// What a key may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// List and download.
    Read,
    /// Publish, change and delete.
    Write,
    /// Read the log of changes and keep the node up.
    Admin,
}

impl Role {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Parses the name of a role.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
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

/// The request behind a call of the catalog, for the log of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditContext {
    /// The folder's name of the dialect.
    pub dialect: &'static str,
    /// The operation in the vendor's spelling.
    pub operation: &'static str,
    /// The id that the server gave the request.
    pub request_id: Uuid,
}

/// Who signed a request. Only the dialects' `auth.rs` and what they share, `dialects/signing.rs`,
/// make one; cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    who: Arc<Who>,
    context: AuditContext,
}

#[derive(Debug)]
struct Who {
    tenant: TenantId,
    role: Role,
    key: Option<KeyId>,
}

impl Caller {
    /// Makes the caller who proved to have `key`.
    pub fn new(tenant: TenantId, role: Role, key: KeyId) -> Self {
        Self::of(Who { tenant, role, key: Some(key) })
    }

    /// Makes the caller that everyone is while authentication is off: he may do everything.
    pub fn new_anonymous(tenant: TenantId) -> Self {
        Self::of(Who { tenant, role: Role::Admin, key: None })
    }

    fn of(who: Who) -> Self {
        let context = AuditContext { dialect: "", operation: "", request_id: Uuid::nil() };
        Self { who: Arc::new(who), context }
    }

    /// Says what he asks for.
    pub fn in_context(mut self, context: AuditContext) -> Self {
        self.context = context;
        self
    }

    /// Names the operation, where it is known only after the body was read.
    pub fn doing(mut self, operation: &'static str) -> Self {
        self.context.operation = operation;
        self
    }

    /// The owner of what the request is about.
    pub fn tenant(&self) -> &TenantId {
        &self.who.tenant
    }

    /// The key that signed; `None` while authentication is off.
    pub fn key(&self) -> Option<&KeyId> {
        self.who.key.as_ref()
    }

    /// What he asks for.
    pub fn audit_context(&self) -> AuditContext {
        self.context
    }

    /// Refuses with `Forbidden` what the caller's role does not cover.
    pub fn must_be(&self, needed: Role) -> Result<(), CatalogError> {
        match self.who.role {
            role if role >= needed => Ok(()),
            role => Err(CatalogError::Forbidden { role, needed }),
        }
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

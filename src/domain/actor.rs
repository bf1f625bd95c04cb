//! The actor of a change: a request's caller, the node's owner, or a task of upkeep.

use uuid::Uuid;

use super::{Caller, CatalogError, KeyId, Role, TenantId};

/// The dialect that the audit log states for a command on the data folder.
const LOCAL: &str = "local";

/// The dialect that the audit log states for a task of upkeep.
const UPKEEP: &str = "upkeep";

/// Who makes a change. A caller becomes one by `From`; only `cli` makes the owner, and only the
/// server's own work makes a task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Actor(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Caller(Caller),
    Owner { operation: &'static str },
    Task { name: &'static str },
}

impl Actor {
    /// Makes the actor of a command on the data folder. The audit log shows `operation` as the
    /// command's name.
    pub fn owner(operation: &'static str) -> Self {
        Self(Kind::Owner { operation })
    }

    /// Makes the actor of a task of upkeep. The log shows `name` as the operation.
    pub fn task(name: &'static str) -> Self {
        Self(Kind::Task { name })
    }

    /// Returns the tenant of a caller; owner and tasks have none.
    pub fn tenant(&self) -> Option<&TenantId> {
        match &self.0 {
            Kind::Caller(caller) => Some(caller.tenant()),
            Kind::Owner { .. } | Kind::Task { .. } => None,
        }
    }

    /// Returns the tenant whose layers and objects a caller changes; `Internal` for owner and
    /// tasks, which no use case on them admits yet.
    pub fn own_tenant(&self) -> Result<&TenantId, CatalogError> {
        self.tenant().ok_or_else(|| CatalogError::internal("the actor has no tenant"))
    }

    /// Fails with `Forbidden` when a caller's role does not cover `needed`. The owner may do
    /// everything, a task what the role `Write` covers.
    pub fn must_be(&self, needed: Role) -> Result<(), CatalogError> {
        match &self.0 {
            Kind::Caller(caller) => caller.must_be(needed),
            Kind::Owner { .. } => Ok(()),
            Kind::Task { .. } => Role::Write.must_cover(needed),
        }
    }

    /// Fails with `OwnerOnly` unless this is the node's owner.
    pub fn must_be_owner(&self) -> Result<(), CatalogError> {
        match &self.0 {
            Kind::Owner { .. } => Ok(()),
            Kind::Caller(_) | Kind::Task { .. } => Err(CatalogError::OwnerOnly),
        }
    }

    /// Fails unless this is a task of upkeep: a request or a command is then a bug.
    pub fn must_be_task(&self) -> Result<(), CatalogError> {
        match &self.0 {
            Kind::Task { .. } => Ok(()),
            Kind::Caller(_) | Kind::Owner { .. } => {
                Err(CatalogError::internal("only a task of upkeep may do this"))
            }
        }
    }

    /// Whether the keys of a tenant are the actor's to change: all are the owner's, a caller's are
    /// those of its own tenant and its subtenants.
    pub fn governs(&self, tenant: &TenantId) -> bool {
        match &self.0 {
            Kind::Caller(caller) => {
                caller.tenant() == tenant || caller.tenant().as_str() == tenant.root()
            }
            Kind::Owner { .. } => true,
            Kind::Task { .. } => false,
        }
    }

    /// Returns the dialect's name for the audit log: the caller's, `local` or `upkeep`.
    pub fn dialect(&self) -> &'static str {
        match &self.0 {
            Kind::Caller(caller) => caller.audit_context().dialect,
            Kind::Owner { .. } => LOCAL,
            Kind::Task { .. } => UPKEEP,
        }
    }

    /// Returns the operation's name for the audit log; of a task, the task's.
    pub fn operation(&self) -> &'static str {
        match &self.0 {
            Kind::Caller(caller) => caller.audit_context().operation,
            Kind::Owner { operation } => operation,
            Kind::Task { name } => name,
        }
    }

    /// Returns the key that signed the request; `None` without one.
    pub fn key(&self) -> Option<&KeyId> {
        match &self.0 {
            Kind::Caller(caller) => caller.key(),
            Kind::Owner { .. } | Kind::Task { .. } => None,
        }
    }

    /// Returns the request's id; `None` without a request.
    pub fn request_id(&self) -> Option<Uuid> {
        match &self.0 {
            Kind::Caller(caller) => Some(caller.audit_context().request_id),
            Kind::Owner { .. } | Kind::Task { .. } => None,
        }
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        Self(Kind::Caller(caller.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(tenant: &str) -> Actor {
        let key = KeyId::parse("KEY0").unwrap();
        Actor::from(&Caller::new(TenantId::parse(tenant).unwrap(), Role::Read, key))
    }

    #[test]
    fn only_callers_have_a_role_a_tenant_and_a_request() {
        for (actor, dialect) in [(Actor::owner("AddKey"), "local"), (Actor::task("t"), "upkeep")] {
            assert!(actor.must_be(Role::Write).is_ok() && actor.own_tenant().is_err());
            assert_eq!((actor.dialect(), actor.key(), actor.request_id()), (dialect, None, None));
        }
        let caller = caller("a");
        assert!(caller.must_be(Role::Read).is_ok() && caller.must_be(Role::Write).is_err());
        assert!(caller.must_be_task().is_err());
        for actor in [caller, Actor::task("x")] {
            assert!(matches!(actor.must_be_owner(), Err(CatalogError::OwnerOnly)));
        }
        assert!(Actor::owner("x").must_be(Role::Admin).is_ok());
        assert!(Actor::task("x").must_be(Role::Admin).is_err());
        assert!(
            Actor::owner("x").must_be_owner().is_ok() && Actor::task("x").must_be_task().is_ok()
        );
    }

    #[test]
    fn a_caller_governs_its_tenant_and_the_subtenants() {
        for (own, tenant, governs) in [
            ("a", "a", true),
            ("a", "a@b", true),
            ("a", "ab", false),
            ("a@b", "a@b", true),
            ("a@b", "a", false),
            ("a@b", "a@c", false),
        ] {
            let tenant = TenantId::parse(tenant).unwrap();
            assert_eq!(caller(own).governs(&tenant), governs, "{own} {tenant}");
            assert!(Actor::owner("x").governs(&tenant) && !Actor::task("x").governs(&tenant));
        }
    }
}

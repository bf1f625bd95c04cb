//! The filters and orders of the catalog's lists.

use super::{Acl, LayerName, Subject, TenantId, VersionNumber};

/// The conditions on the layers of a list; all that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct LayerFilter {
    /// The name starts with this, byte for byte.
    pub prefix: Option<String>,
    /// The name contains this, ignoring the case of ASCII letters.
    pub contains: Option<String>,
    /// The name is this.
    pub name: Option<LayerName>,
    /// The newest version names this runtime as compatible.
    pub runtime: Option<String>,
    /// The layer has this access.
    pub acl: Option<Acl>,
}

impl LayerFilter {
    /// Whether every layer is shown.
    pub fn is_empty(&self) -> bool {
        self.contains.is_none()
            && self.name.is_none()
            && self.prefix.is_none()
            && self.runtime.is_none()
            && self.acl.is_none()
    }
}

/// The lines of the audit log that are shown.
#[derive(Clone, Copy, Debug)]
pub enum AuditFilter<'f> {
    /// All lines, of all tenants.
    All,
    /// Those of the tenant's root tenant and all the root's subtenants.
    Tenant(&'f TenantId),
    /// Of these, those about one subject; without a version, those about all of its versions too.
    Subject(&'f Subject),
}

/// How the states of one function, or of many, are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionOrder {
    /// The head, then published versions by falling number.
    HeadFirst,
    /// The rest of `HeadFirst` after this number, which need not exist; `None` is the head.
    HeadFirstAfter(Option<VersionNumber>),
    /// The last written state first; ties by the bytes of the version's name.
    LastWrittenFirst,
}

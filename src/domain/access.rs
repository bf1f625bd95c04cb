//! The access snapshot, which authenticates and names callers, and the entries of the audit log.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{CloudIds, Key, KeyId, Subject, TenantId};

/// A snapshot of keys, cloud ids and the link secret, held in memory until one of them changes.
pub struct Access {
    /// Rises with each change of the fields below.
    pub stamp: u64,
    /// Key of the HMAC in download links.
    pub link_secret: [u8; 32],
    /// All keys, including disabled ones.
    pub keys: HashMap<KeyId, Key>,
    /// The ids of each tenant's keys, for tokens that name a tenant and no key.
    pub keys_of: HashMap<TenantId, Vec<KeyId>>,
    /// Tenants with ids that are set and not derived.
    pub cloud_ids: HashMap<TenantId, CloudIds>,
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Access").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// The state of the catalog that a request is answered by: taken once, after the request arrived
/// and before its first read.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Grows with each commit that changed a row. Rows that are read later are at least as new.
    pub generation: u64,
    /// Keys, cloud ids and the link secret.
    pub access: Arc<Access>,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Number of the change.
    pub sequence: u64,
    /// When it was made.
    pub at: super::Timestamp,
    /// The key that signed; `None` while authentication is off, and for owner and tasks.
    pub key: Option<String>,
    /// The dialect's name, `local` for the node's owner, `upkeep` for a task.
    pub dialect: String,
    /// In the vendor's spelling; the name of a task.
    pub operation: String,
    /// What was changed, and its tenant.
    pub subject: Subject,
    /// The request's id; `None` for owner and tasks.
    pub request: Option<String>,
}

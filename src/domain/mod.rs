//! The nouns of the catalog, as plain data that cannot fail and does no input or output.
//!
//! Knows nothing of HTTP, JSON, SQLite or any cloud: it needs the standard library, `thiserror`
//! and a time type. Everything else in the crate may import it; it imports nothing of ours.

pub mod access;
pub mod artifact;
pub mod caller;
pub mod error;
pub mod filter;
pub mod function;
pub mod inbox;
pub mod key;
pub mod layer;
pub mod names;
pub mod object;
pub mod page;
pub mod tenant;

pub use access::{Access, AuditEntry};
pub use artifact::{Artifact, ArtifactLimits, Digests};
pub use caller::{AuditContext, Caller, Role};
pub use error::{ArchiveProblem, CatalogError, Limit, Noun};
pub use filter::{FunctionOrder, LayerFilter};
pub use function::{
    ConfigChange, Function, FunctionChange, FunctionConfig, FunctionVersion, LayerRef, NewFunction,
    Publication, PublicationName,
};
pub use inbox::{Multipart, MultipartFrom, MultipartRange, ObjectFrom, ObjectRange, Part};
pub use key::{Key, KeyId, Secret, parse_key_tenant};
pub use layer::{Acl, Layer, LayerVersion, LayerVersionRow, NewLayerVersion};
pub use names::{
    FunctionKey, FunctionName, Group, LayerName, Qualifier, TenantId, VersionName, VersionNumber,
};
pub use object::{BucketName, InboxObject, ObjectInfo, ObjectKey, ObjectRef};
pub use page::{Order, Page, Window};
pub use tenant::CloudIds;

/// A moment in UTC, kept to the microsecond.
///
/// The catalog's one time type; each dialect spells it its own way.
pub use jiff::Timestamp;

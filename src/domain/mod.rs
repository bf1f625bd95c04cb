//! The nouns of the catalog, as plain data that cannot fail and does no input or output.
//!
//! Knows nothing of HTTP, JSON, SQLite or any cloud: it needs the standard library, `thiserror`
//! and a time type. Everything else in the crate may import it; it imports nothing of ours.

pub mod access;
pub mod actor;
pub mod artifact;
pub mod caller;
pub mod error;
pub mod field;
pub mod filter;
pub mod function;
pub mod inbox;
pub mod key;
pub mod layer;
pub mod names;
pub mod noun;
pub mod object;
pub mod page;
pub mod request;
pub mod subject;
pub mod tenant;
pub mod upkeep;

pub use access::{Access, AuditEntry, Stamp};
pub use actor::Actor;
pub use artifact::{Artifact, ArtifactLimits, CodeSource, Digests};
pub use caller::{AuditContext, Caller, Role};
pub use error::{ArchiveProblem, CatalogError, Limit};
pub use field::Field;
pub use filter::{AuditFilter, FunctionOrder, LayerFilter};
pub use function::{
    ConfigChange, Function, FunctionChange, FunctionConfig, FunctionVersion, LayerRef, NewFunction,
    Publication, PublicationName,
};
pub use inbox::{
    Multipart, MultipartFrom, MultipartRange, ObjectFrom, ObjectPart, ObjectRange, Part,
};
pub use key::{Key, KeyId, Secret, parse_key_tenant};
pub use layer::{Acl, Layer, LayerVersion, LayerVersionRow, LayersOf, NewLayerVersion};
pub use names::{
    FunctionKey, FunctionName, Group, LayerName, Qualifier, TenantId, VersionName, VersionNumber,
};
pub use noun::Noun;
pub use object::{BucketName, InboxObject, ObjectInfo, ObjectKey, ObjectRef};
pub use page::{Order, Page, Window};
pub use request::{RequestError, RequestLimit};
pub use subject::{Subject, SubjectKind};
pub use tenant::{CloudIdField, CloudIds, KnownDialects};
pub use upkeep::{Tally, TaskReport, TaskRun};

/// A time in UTC, stored to the microsecond: the catalog's one time type. Each dialect has its own
/// spelling.
pub use jiff::Timestamp;

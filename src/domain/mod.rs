//! The nouns of the catalog, as plain data that cannot fail and does no input or output.
//!
//! Knows nothing of HTTP, JSON, SQLite or any cloud: it needs the standard library, `thiserror`
//! and a time type. Everything else in the crate may import it; it imports nothing of ours.

pub mod artifact;
pub mod error;
pub mod filter;
pub mod function;
pub mod layer;
pub mod names;
pub mod page;

pub use artifact::{Artifact, ArtifactLimits, Digests};
pub use error::{ArchiveProblem, CatalogError, Limit, Noun};
pub use filter::{FunctionOrder, LayerFilter};
pub use function::{
    ConfigChange, Function, FunctionChange, FunctionConfig, FunctionVersion, LayerRef, NewFunction,
    Publication, PublicationName,
};
pub use layer::{Acl, Layer, LayerVersion, NewLayerVersion};
pub use names::{
    FunctionKey, FunctionName, Group, LayerName, Qualifier, TenantId, VersionName, VersionNumber,
};
pub use page::{Order, Page, Window};

/// A moment in UTC, kept to the microsecond.
///
/// The catalog's one time type; each dialect spells it its own way.
pub use jiff::Timestamp;

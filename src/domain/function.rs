//! Functions: a mutable head and immutable versions of it.

use std::collections::BTreeMap;

use super::{
    Artifact, CatalogError, FunctionKey, LayerName, Timestamp, VersionName, VersionNumber,
};

/// A layer version bound to a function; the code stays even when that version is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRef {
    /// The layer's name within the function's tenant.
    pub layer: LayerName,
    /// The bound version.
    pub number: VersionNumber,
}

/// The settings of a function: those of every cloud, and those of only one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionConfig {
    /// Empty when none was given.
    pub description: String,
    /// As the creating cloud spells it.
    pub runtime: String,
    /// Entry point; empty when none was given.
    pub handler: String,
    /// Mebibytes.
    pub memory: u64,
    /// Seconds.
    pub timeout: i64,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// In the order of precedence that the caller gave.
    pub layers: Vec<LayerRef>,
    /// Dialect name to that dialect's own fields as JSON text, echoed to that dialect alone.
    pub extra: BTreeMap<String, String>,
}

/// A function with all its states; its head is the [`FunctionVersion`] without a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Tenant, group and name.
    pub key: FunctionKey,
    /// Lower-case hyphenated UUID.
    pub uid: String,
    /// When it was first created.
    pub created: Timestamp,
    /// The number of published versions that still exist.
    pub versions: u64,
}

/// One state of a function: the head, or a published snapshot of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionVersion {
    /// The function that it is a state of.
    pub function: Function,
    /// `None` for the head.
    pub number: Option<VersionNumber>,
    /// Unique within the function; the head's is `latest`, or `$latest` where openYuanrong's other
    /// kinds of functions ask for it.
    pub name: VersionName,
    /// The description given at publication; empty for the head.
    pub version_description: String,
    /// The configuration.
    pub config: FunctionConfig,
    /// The code, absent where the function names a path or an image instead.
    pub code: Option<Artifact>,
    /// Stamp of the head's last change, assigned by the catalog; a version has that of its head at
    /// publication.
    pub revision: u64,
    /// When the code last changed.
    pub code_changed: Timestamp,
    /// When the head last changed after its creation; a version has its head's time.
    pub updated: Option<Timestamp>,
    /// When it was published; the head's creation for the head.
    pub published: Timestamp,
    /// Sequence number of the last write to this row.
    pub sequence: u64,
}

/// A function to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFunction {
    /// Tenant, group and name.
    pub key: FunctionKey,
    /// The name of its head.
    pub head_name: VersionName,
    /// Its first configuration.
    pub config: FunctionConfig,
}

/// Returns a head's new configuration, computed from the head, or refuses.
pub type ConfigChange =
    Box<dyn FnOnce(&FunctionVersion) -> Result<FunctionConfig, CatalogError> + Send>;

/// An update of a function's head, computed from the head inside the transaction.
pub struct FunctionChange {
    /// Refuses with `Stale` unless the head still has this revision.
    pub expected_revision: Option<u64>,
    /// Whether the head's change counts for its `updated` time and revision.
    pub touches: bool,
    /// Returns the new configuration, or refuses.
    pub apply: ConfigChange,
}

/// The name of a version to be published.
#[derive(Clone, Debug, Default)]
pub enum PublicationName {
    /// Its number in decimal.
    #[default]
    Number,
    /// The caller's own name.
    Given(VersionName),
    /// Made from the time of publication, or from the first later second whose name is unused.
    FromTime(fn(Timestamp) -> String),
}

/// The caller's settings for a function version to be published.
#[derive(Clone, Debug, Default)]
pub struct Publication {
    /// Its name.
    pub name: PublicationName,
    /// Empty for none.
    pub description: String,
    /// Refuses with `Stale` unless the head still has this revision.
    pub expected_revision: Option<u64>,
    /// Refuses with `ChecksumMismatch` unless the SHA-512 or the MD5 of the head's code, in
    /// hexadecimal, is this.
    pub expected_checksum: Option<String>,
    /// Refuses with `Unchanged` when the head equals the newest version that exists.
    pub refuse_unchanged: bool,
    /// Refuses with `LimitExceeded` when the function has this many versions already.
    pub versions_max: Option<u64>,
}

//! Layers and their immutable versions.

use super::{Artifact, LayerName, Timestamp, VersionNumber};

/// Who may read a layer besides its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acl {
    /// Its tenant alone.
    Private,
    /// Every tenant.
    Public,
}

/// The name under which versions are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Unique within the tenant.
    pub name: LayerName,
    /// Lower-case hyphenated UUID; Huawei's dependency id.
    pub uid: String,
    /// Who may read it.
    pub acl: Acl,
    /// Key and value pairs in the order they were given.
    pub tags: Vec<(String, String)>,
}

/// One immutable publication of a layer, with the layer it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerVersion {
    /// The layer as it is now.
    pub layer: Layer,
    /// Given out by the catalog, never reused.
    pub number: VersionNumber,
    /// Lower-case hyphenated UUID; Huawei's dependency version id.
    pub uid: String,
    /// Empty when none was given.
    pub description: String,
    /// Empty when none was given.
    pub license: String,
    /// In the order given, spelled as given.
    pub runtimes: Vec<String>,
    /// What was uploaded.
    pub code: Artifact,
    /// When it was published.
    pub created: Timestamp,
}

/// What a caller says of a version to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewLayerVersion {
    /// Empty for none.
    pub description: String,
    /// Empty for none.
    pub license: String,
    /// Kept in this order.
    pub runtimes: Vec<String>,
    /// Replaces the layer's tags when given.
    pub tags: Option<Vec<(String, String)>>,
}

//! Layers and their immutable versions.

use super::{Artifact, LayerName, Timestamp, VersionNumber};

/// The tenants that may read a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acl {
    /// Its own tenant.
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
    /// The tenants that may read it.
    pub acl: Acl,
    /// Key and value pairs in the order they were given.
    pub tags: Vec<(String, String)>,
}

/// One immutable publication of a layer, with the layer it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerVersion {
    /// The layer as it is now.
    pub layer: Layer,
    /// Assigned by the catalog, never reused.
    pub number: VersionNumber,
    /// Lower-case hyphenated UUID; Huawei's dependency version id.
    pub uid: String,
    /// Empty when none was given.
    pub description: String,
    /// Empty when none was given.
    pub license: String,
    /// In the order given, spelled as given.
    pub runtimes: Vec<String>,
    /// The uploaded code.
    pub code: Artifact,
    /// When it was published.
    pub created: Timestamp,
}

/// A layer version's row, with its lists as the JSON text that the catalog stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerVersionRow<'r> {
    /// The layer's name.
    pub name: &'r str,
    /// The layer's uid.
    pub layer_uid: &'r str,
    /// The tenants that may read the layer.
    pub acl: Acl,
    /// The layer's tags: a JSON array of pairs of key and value.
    pub tags: &'r str,
    /// The version's number.
    pub number: VersionNumber,
    /// The version's uid.
    pub uid: &'r str,
    /// Empty when none was given.
    pub description: &'r str,
    /// Empty when none was given.
    pub license: &'r str,
    /// The runtimes in the order given: a JSON array of texts.
    pub runtimes: &'r str,
    /// The uploaded code.
    pub code: Artifact,
    /// When it was published.
    pub created: Timestamp,
}

impl<'r> LayerVersionRow<'r> {
    /// Returns the row of a version; `runtimes` and `tags` are its lists as JSON text.
    pub fn of(version: &'r LayerVersion, runtimes: &'r str, tags: &'r str) -> Self {
        Self {
            name: version.layer.name.as_str(),
            layer_uid: &version.layer.uid,
            acl: version.layer.acl,
            tags,
            number: version.number,
            uid: &version.uid,
            description: &version.description,
            license: &version.license,
            runtimes,
            code: version.code,
            created: version.created,
        }
    }
}

/// The caller's settings for a version to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewLayerVersion {
    /// Empty for none.
    pub description: String,
    /// Empty for none.
    pub license: String,
    /// Stored in this order.
    pub runtimes: Vec<String>,
    /// Replaces the layer's tags when given.
    pub tags: Option<Vec<(String, String)>>,
}

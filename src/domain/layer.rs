//! Layers and their immutable versions.

use super::{Artifact, LayerName, TenantId, Timestamp, VersionNumber};

/// The tenants that may read a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acl {
    /// Its own tenant.
    Private,
    /// Every tenant.
    Public,
}

/// The layers of one tenant, as one tenant reads them.
///
/// Made of a tenant alone, it is the tenant that reads its own layers.
#[derive(Clone, Copy, Debug)]
pub struct LayersOf<'t> {
    /// The owner of the layers.
    pub owner: &'t TenantId,
    /// The tenant that reads them.
    pub reader: &'t TenantId,
}

impl<'t> From<&'t TenantId> for LayersOf<'t> {
    fn from(own: &'t TenantId) -> Self {
        Self { owner: own, reader: own }
    }
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

/// What lists show of a layer and its newest version, borrowed from the row that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerVersionRow<'r> {
    /// The layer's name.
    pub name: &'r str,
    /// The tenants that may read the layer.
    pub acl: Acl,
    /// The version's number.
    pub number: VersionNumber,
    /// Empty when none was given.
    pub description: &'r str,
    /// Empty when none was given.
    pub license: &'r str,
    /// The runtimes in the order given, as the JSON array that the catalog stores.
    pub runtimes: &'r str,
    /// The content's SHA-256.
    pub sha256: [u8; 32],
    /// The content's CRC-64/XZ.
    pub crc64: u64,
    /// The content's length in bytes.
    pub size: u64,
    /// When it was published.
    pub created: Timestamp,
}

impl LayerVersion {
    /// Returns its row; `runtimes` are its runtimes as a JSON array.
    pub fn row<'r>(&'r self, runtimes: &'r str) -> LayerVersionRow<'r> {
        LayerVersionRow {
            name: self.layer.name.as_str(),
            acl: self.layer.acl,
            number: self.number,
            description: &self.description,
            license: &self.license,
            runtimes,
            sha256: self.code.digests.sha256,
            crc64: self.code.digests.crc64,
            size: self.code.size,
            created: self.created,
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

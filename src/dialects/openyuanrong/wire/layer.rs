//! Layers in answers (openyuanrong.md section 2.2).

use serde::Serialize;

use super::names::layer_urn;
use crate::catalog::Catalog;
use crate::domain::{CatalogError, LayerName, LayerRef, LayerVersion, TenantId, VersionNumber};

/// The time that Go writes where there is none.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayerBody {
    name: String,
    version_number: u64,
    layer_urn: String,
    layer_version_urn: String,
    layer_size: u64,
    layer_sha256: String,
    create_time: String,
    update_time: String,
    compatible_runtimes: Option<Vec<String>>,
    description: String,
    license_info: String,
}

impl LayerBody {
    pub(crate) fn new(owner: &TenantId, version: LayerVersion) -> Self {
        Self {
            layer_size: version.code.size,
            layer_sha256: hex::encode(version.code.digests.sha512),
            create_time: version.created.to_string(),
            update_time: version.created.to_string(),
            compatible_runtimes: Some(version.runtimes),
            description: version.description,
            license_info: version.license,
            ..Self::deleted(owner, &version.layer.name, version.number)
        }
    }

    /// Shows a deleted layer version, of which only name and number are left.
    fn deleted(owner: &TenantId, name: &LayerName, number: VersionNumber) -> Self {
        let urn = layer_urn(owner, name);
        Self {
            name: name.to_string(),
            version_number: number.get(),
            layer_version_urn: format!("{urn}:{number}"),
            layer_urn: urn,
            layer_size: 0,
            layer_sha256: String::new(),
            create_time: NEVER.to_owned(),
            update_time: NEVER.to_owned(),
            compatible_runtimes: None,
            description: String::new(),
            license_info: String::new(),
        }
    }

    pub(crate) fn bound(
        catalog: &Catalog,
        owner: &TenantId,
        LayerRef { layer, number }: &LayerRef,
    ) -> Result<Self, CatalogError> {
        match catalog.get_layer_version(owner, layer, *number) {
            Err(CatalogError::NotFound { .. }) => Ok(Self::deleted(owner, layer, *number)),
            found => Ok(Self::new(owner, found?)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layers {
    pub(crate) total: u64,
    pub(crate) layer_versions: Vec<LayerBody>,
}

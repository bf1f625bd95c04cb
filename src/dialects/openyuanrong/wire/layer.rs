//! Layers in answers (openyuanrong.md section 2.2).

use serde::Serialize;

use super::names::layer_urn;
use crate::catalog::Catalog;
use crate::domain::{CatalogError, LayerRef, LayerVersion, TenantId};

/// The time that Go writes where there is none.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// One layer version.
#[derive(Clone, Serialize)]
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
        let urn = layer_urn(owner, &version.layer.name);
        Self {
            name: version.layer.name.to_string(),
            version_number: version.number.get(),
            layer_version_urn: format!("{urn}:{}", version.number),
            layer_urn: urn,
            layer_size: version.code.size,
            layer_sha256: hex::encode(version.code.digests.sha512),
            create_time: version.created.to_string(),
            update_time: version.created.to_string(),
            compatible_runtimes: Some(version.runtimes),
            description: version.description,
            license_info: version.license,
        }
    }

    /// Shows a bound layer version; of one that was deleted only its name and number are left.
    pub(crate) fn bound(
        catalog: &Catalog,
        owner: &TenantId,
        layer: &LayerRef,
    ) -> Result<Self, CatalogError> {
        match catalog.get_layer_version(owner, &layer.layer, layer.number) {
            Ok(version) => Ok(Self::new(owner, version)),
            Err(CatalogError::NotFound { .. }) => {
                let urn = layer_urn(owner, &layer.layer);
                Ok(Self {
                    name: layer.layer.to_string(),
                    version_number: layer.number.get(),
                    layer_version_urn: format!("{urn}:{}", layer.number),
                    layer_urn: urn,
                    layer_size: 0,
                    layer_sha256: String::new(),
                    create_time: NEVER.to_owned(),
                    update_time: NEVER.to_owned(),
                    compatible_runtimes: None,
                    description: String::new(),
                    license_info: String::new(),
                })
            }
            Err(other) => Err(other),
        }
    }
}

/// A list of layer versions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layers {
    pub(crate) total: u64,
    pub(crate) layer_versions: Vec<LayerBody>,
}

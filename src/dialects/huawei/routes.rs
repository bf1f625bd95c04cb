//! The operations, by noun.

mod code;
mod dependencies;
mod functions;
mod versions;

use super::wire::functions::Bound;
use crate::catalog::Catalog;
use crate::dialects::Operation;
use crate::domain::{CatalogError, FunctionVersion, LayerRef, TenantId};

/// Operations of this dialect: the seed operation's noun first.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = versions::operations();
    operations.extend(functions::operations());
    operations.extend(dependencies::operations());
    operations
}

/// Finds the layer versions that a state is bound to; one that was deleted has no ids to show.
fn bound(catalog: &Catalog, state: FunctionVersion) -> Result<Bound, CatalogError> {
    let tenant = &state.function.key.tenant;
    let mut layers = Vec::with_capacity(state.config.layers.len());
    for LayerRef { layer, number } in &state.config.layers {
        match catalog.get_layer_version(tenant, layer, *number) {
            Ok(version) => layers.push(version),
            Err(CatalogError::NotFound { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Bound { state, layers })
}

/// Finds the layer versions that a request names by their ids.
fn resolve(
    catalog: &Catalog,
    tenant: &TenantId,
    ids: &[String],
) -> Result<Vec<LayerRef>, CatalogError> {
    let layer_ref = |id: &String| {
        let version = catalog.get_layer_version_by_uid(tenant, id)?;
        Ok(LayerRef { layer: version.layer.name, number: version.number })
    };
    ids.iter().map(layer_ref).collect()
}

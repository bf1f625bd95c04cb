//! The operations, by noun.

mod code;
mod dependencies;
mod functions;
mod versions;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::wire::functions::Bound;
use super::wire::settings::Extra;
use super::wire::urn::Project;
use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::extract::Segments;
use crate::dialects::links::Links;
use crate::dialects::operation::Operation;
use crate::dialects::refusal::Refused;
use crate::domain::{Caller, CatalogError, FunctionVersion, LayerRef, Stamp, TenantId};

/// Returns the operations, the seed operation's noun first.
pub(super) fn operations() -> Vec<Operation> {
    let all = [versions::operations(), functions::operations(), dependencies::operations()];
    all.into_iter().flatten().collect()
}

/// What every handler extracts from a request's head.
struct Asked<const N: usize> {
    app: App,
    caller: Caller,
    project: Project,
    /// The parameters of the path; the first is the project's id.
    path: [String; N],
}

impl<const N: usize> FromRequestParts<App> for Asked<N> {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, Refused> {
        let caller = Caller::from_request_parts(head, app).await?;
        let links = Links::from_request_parts(head, app).await?;
        let Segments(path) = Segments::<N>::from_request_parts(head, app).await?;
        let id = path.first().cloned().unwrap_or_default();
        let stamp = Stamp::from_request_parts(head, app).await?;
        let project = Project::new(app, &stamp, &caller, links, id)?;
        Ok(Self { app: app.clone(), caller, project, path })
    }
}

/// Reads a state's settings and finds the layer versions that it is bound to. A deleted one is left
/// out.
fn bound(catalog: &Catalog, state: FunctionVersion) -> Result<Bound, CatalogError> {
    let extra = Extra::of(&state)?;
    let tenant = &state.function.key.tenant;
    let mut layers = Vec::with_capacity(state.config.layers.len());
    for LayerRef { layer, number } in &state.config.layers {
        match catalog.get_layer_version(tenant, layer, *number) {
            Ok(version) => layers.push(version),
            Err(CatalogError::NotFound { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Bound { state, extra, layers })
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

//! Layers: publish, list, get, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::app::App;
use crate::catalog::{DeleteRule, VersionRange};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::links::Links;
use crate::dialects::native::errors::ApiError;
use crate::dialects::native::paging;
use crate::dialects::native::routes::reference;
use crate::dialects::native::wire::{LayerVersionBody, List};
use crate::dialects::params::Params;
use crate::dialects::{BodyRule, Caller, Operation, upload};
use crate::domain::{
    ArtifactLimits, CatalogError, LayerFilter, LayerName, NewLayerVersion, Order, VersionNumber,
};

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/api/v1/layers/{name}/versions";
    let version = "/api/v1/layers/{name}/versions/{version}";
    vec![
        Operation::new("ListLayers", "/api/v1/layers", get(list)).cacheable(&[]),
        Operation::new("PublishLayerVersion", versions, post(publish)).body(BodyRule::Raw),
        Operation::new("ListLayerVersions", versions, get(list_versions)).cacheable(&[]),
        Operation::new("GetLayerVersion", version, get(get_version)).cacheable(&[]),
        Operation::new("DeleteLayerVersion", version, axum::routing::delete(delete_version)),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    params: Params,
) -> Result<Json<List<LayerVersionBody>>, ApiError> {
    let filter =
        LayerFilter { prefix: params.get("prefix").map(str::to_owned), ..LayerFilter::default() };
    let limit = paging::limit(&params)?;
    // One NUL behind a name makes the smallest text after it, and no name contains one.
    let from = params.get("after").map(|name| format!("{name}\0")).unwrap_or_default();
    let page = app.read(|catalog| catalog.list_layers(caller.tenant(), &filter, &from, limit))?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.layer.name.to_string());
    let items = page.items.into_iter();
    let items = items.map(|version| LayerVersionBody::new(version, &links));
    Ok(Json(List { items: items.collect(), next }))
}

async fn publish(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
    Body(body): Body,
) -> Result<(StatusCode, Json<LayerVersionBody>), ApiError> {
    let name = LayerName::parse(name)?;
    let new = NewLayerVersion {
        description: params.get("description").unwrap_or_default().to_owned(),
        license: params.get("license").unwrap_or_default().to_owned(),
        runtimes: params.all("runtime"),
        tags: None,
    };
    let limit = ArtifactLimits::default().size;
    let code = match reference(&params, &body)? {
        Some(object) => upload::fetch_staged(&app, &caller, object, limit).await?,
        None => upload::read_raw(&app, body, limit).await?,
    };
    let by = caller.clone();
    let version =
        app.blocking(move |catalog| catalog.publish_layer_version(&by, &name, new, code)).await?;
    let body = LayerVersionBody::new(version, &links);
    Ok((StatusCode::CREATED, Json(body)))
}

async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Json<List<LayerVersionBody>>, ApiError> {
    let name = LayerName::parse(name)?;
    let limit = paging::limit(&params)?;
    let from = paging::position(&params)?.map(|last| last.saturating_sub(1));
    let range = VersionRange { order: Order::Descending, from, limit };
    let page = app.read(|catalog| catalog.list_layer_versions(caller.tenant(), &name, range))?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.number.to_string());
    let items = page.items.into_iter();
    let items = items.map(|version| LayerVersionBody::new(version, &links));
    Ok(Json(List { items: items.collect(), next }))
}

async fn get_version(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name, version]): Segments<2>,
) -> Result<Json<LayerVersionBody>, ApiError> {
    let name = LayerName::parse(name)?;
    let version = match version.as_str() {
        "latest" => app.read(|catalog| catalog.get_newest_layer_version(caller.tenant(), &name))?,
        number => {
            let number = parse_number(number)?;
            app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number))?
        }
    };
    Ok(Json(LayerVersionBody::new(version, &links)))
}

async fn delete_version(
    State(app): State<App>,
    caller: Caller,
    Segments([name, version]): Segments<2>,
) -> Result<StatusCode, ApiError> {
    let name = LayerName::parse(name)?;
    let number = parse_number(&version)?;
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse_number(text: &str) -> Result<VersionNumber, CatalogError> {
    VersionNumber::parse(text).ok_or_else(|| {
        CatalogError::invalid("version", format!("must be a number from 1 on, this is '{text}'"))
    })
}

//! Layers: publish, list, get, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::read_code;
use crate::app::App;
use crate::catalog::{DeleteRule, VersionRange};
use crate::dialects::extract::{Body, Segments};
use crate::dialects::links::Links;
use crate::dialects::native::errors::ApiError;
use crate::dialects::native::paging;
use crate::dialects::native::wire::{LayerVersionBody, List};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{
    ArchiveProblem, Caller, CatalogError, LayerFilter, LayerName, NewLayerVersion, Noun, Order,
    VersionNumber,
};

/// Returns the operations on layers.
pub(super) fn operations() -> Vec<Operation> {
    let versions = "/api/v1/layers/{name}/versions";
    let version = "/api/v1/layers/{name}/versions/{version}";
    let noun = Noun::LayerVersion;
    vec![
        Operation::read("ListLayers", Noun::Layer, Route::get("/api/v1/layers"), list).cached(&[]),
        Operation::write("PublishLayerVersion", noun, Route::post(versions), publish)
            .body(BodyRule::Raw),
        Operation::read("ListLayerVersions", noun, Route::get(versions), list_versions).cached(&[]),
        Operation::read("GetLayerVersion", noun, Route::get(version), get_version).cached(&[]),
        Operation::write("DeleteLayerVersion", noun, Route::delete(version), delete_version),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    params: Params,
) -> Result<Json<List<LayerVersionBody>>, Refused> {
    let filter =
        LayerFilter { prefix: params.get("prefix").map(str::to_owned), ..LayerFilter::default() };
    let limit = paging::limit(&params)?;
    // No name has a control character, so this text is after the name and before all longer ones.
    let from = params.get("after").map(|name| format!("{name}\u{1}")).unwrap_or_default();
    let page =
        app.read(|catalog| catalog.list_layers(caller.tenant(), &filter, &from, limit)).await?;
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
) -> Result<(StatusCode, Json<LayerVersionBody>), Refused> {
    let name = LayerName::parse(name)?;
    let new = NewLayerVersion {
        description: params.get("description").unwrap_or_default().to_owned(),
        license: params.get("license").unwrap_or_default().to_owned(),
        runtimes: params.all("runtime"),
        tags: None,
    };
    let code = read_code(&app, &caller, &params, body).await?;
    let code = code.ok_or_else(|| CatalogError::from(ArchiveProblem::Missing))?;
    let version = app
        .blocking(move |catalog| catalog.publish_layer_version(&caller, &name, new, code))
        .await?;
    Ok((StatusCode::CREATED, Json(LayerVersionBody::new(version, &links))))
}

async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Json<List<LayerVersionBody>>, Refused> {
    let name = LayerName::parse(name)?;
    let limit = paging::limit(&params)?;
    let from = paging::position(&params)?.map(|last| last.saturating_sub(1));
    let range = VersionRange { order: Order::Descending, from, limit };
    let page =
        app.read(|catalog| catalog.list_layer_versions(caller.tenant(), &name, range)).await?;
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
) -> Result<Json<LayerVersionBody>, Refused> {
    let name = LayerName::parse(name)?;
    let version = match version.as_str() {
        "latest" => {
            app.read(|catalog| catalog.get_newest_layer_version(caller.tenant(), &name)).await?
        }
        number => {
            let number = parse_number(number)?;
            app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number)).await?
        }
    };
    Ok(Json(LayerVersionBody::new(version, &links)))
}

async fn delete_version(
    State(app): State<App>,
    caller: Caller,
    Segments([name, version]): Segments<2>,
) -> Result<StatusCode, Refused> {
    let name = LayerName::parse(name)?;
    let number = parse_number(&version)?;
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse_number(text: &str) -> Result<VersionNumber, ApiError> {
    VersionNumber::parse(text).ok_or_else(|| {
        ApiError::invalid("version", format!("must be a number from 1 on, this is '{text}'"))
    })
}

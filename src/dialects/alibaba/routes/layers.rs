//! Layers: list, publish, get, delete (alibaba.md section 1.1).

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::Response;
use axum::routing::{delete, get, post};

use crate::app::App;
use crate::catalog::{DeleteRule, VersionRange};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::alibaba::wire::layers::{self, NewLayer};
use crate::dialects::alibaba::wire::{Generation, PREFIXES, Renderer};
use crate::dialects::alibaba::{OBJECT_MAX, ZIP_MAX, paging};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::json_writer::JsonObject;
use crate::dialects::links::Links;
use crate::dialects::params::Params;
use crate::dialects::upload::{self, CodeField};
use crate::dialects::{BodyRule, Caller, Operation, answer};
use crate::domain::{CatalogError, LayerName, LayerVersion, Order, VersionNumber};
use crate::ingest::Leniency;

/// Where the code is; clients write both `code` and `Code`.
const CODE: CodeField = CodeField {
    paths: &[&["code", "zipFile"]],
    fold_keys: true,
    leniency: Leniency::Strict,
    vendor_limit: ZIP_MAX,
};

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/layers/{layer}/versions";
    let version = "/layers/{layer}/versions/{version}";
    let operations = [
        Operation::new("ListLayers", "/layers", get(list)).cacheable(&[]),
        Operation::new("CreateLayerVersion", versions, post(create)).body(BodyRule::Upload),
        Operation::new("GetLayerVersion", version, get(get_version)),
        Operation::new("GetLayerVersionByArn", "/layerarn/{arn}", get(get_by_arn)),
        Operation::new("ListLayerVersions", versions, get(list_versions)).cacheable(&[]),
        Operation::new("DeleteLayerVersion", version, delete(delete_version)),
    ];
    operations.into_iter().map(|operation| operation.under(&PREFIXES)).collect()
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    generation: Generation,
    params: Params,
) -> Result<Response, ApiError> {
    let (filter, limit) = (paging::filter(&params)?, paging::limit(&params)?);
    let from = paging::first_name(&params);
    let renderer = Renderer::new(&app, &caller, &links, generation);
    let mut text = layers::room_for(limit);
    let mut list = JsonObject::begin(&mut text);
    let mut items = list.array("layers");
    let next = match paging::switch(&params, "official")? {
        // This server has no layers of the vendor's own.
        true => None,
        false => app.read(|catalog| {
            catalog.visit_layers(caller.tenant(), &filter, from, limit, |row| {
                layers::write_item(items.object(), &renderer, row);
            })
        })?,
    };
    items.end();
    if let Some(next) = next {
        list.text("nextToken", next.as_str());
    }
    list.end();
    Ok(answer::written(StatusCode::OK, text))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    generation: Generation,
    Segments([name]): Segments<1>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let name = new_name(name)?;
    let (layer, source) = NewLayer::parse(upload::read_json(&app, body, CODE).await?)?;
    let code = source.take(&app, &caller, OBJECT_MAX).await;
    let code = code.map_err(|refusal| layers::refused("ossObjectName", refusal))?;
    let by = caller.clone();
    let publish = app.blocking(move |catalog| {
        let (new, staged) = layer.finish(code)?;
        catalog.publish_layer_version(&by, &name, new, staged)
    });
    let version = publish.await?;
    Ok(single(&Renderer::new(&app, &caller, &links, generation), &version))
}

async fn get_version(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    generation: Generation,
    Segments([name, version]): Segments<2>,
) -> Result<Response, ApiError> {
    let (name, number) = (layer_name(name)?, version_number(&version)?);
    let version = app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number))?;
    Ok(single(&Renderer::new(&app, &caller, &links, generation), &version))
}

async fn get_by_arn(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    generation: Generation,
    Segments([arn]): Segments<1>,
) -> Result<Response, ApiError> {
    let renderer = Renderer::new(&app, &caller, &links, generation);
    let (name, number) = renderer.parse_arn(&arn)?;
    let version = app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number))?;
    Ok(single(&renderer, &version))
}

async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    generation: Generation,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, ApiError> {
    let name = layer_name(name)?;
    let (from, limit) = (paging::first_version(&params)?, paging::limit(&params)?);
    let range = VersionRange { order: Order::Ascending, from, limit };
    let page = app.read(|catalog| catalog.list_layer_versions(caller.tenant(), &name, range))?;
    let renderer = Renderer::new(&app, &caller, &links, generation);
    let mut text = layers::room_for(limit);
    let mut list = JsonObject::begin(&mut text);
    let mut items = list.array("layers");
    for version in &page.items {
        layers::write_version(items.object(), &renderer, version, false);
    }
    items.end();
    if let Some(next) = page.next {
        list.number("nextVersion", next.number.get());
    }
    list.end();
    Ok(answer::written(StatusCode::OK, text))
}

async fn delete_version(
    State(app): State<App>,
    caller: Caller,
    Segments([name, version]): Segments<2>,
) -> Result<Response, ApiError> {
    let (name, number) = (layer_name(name)?, version_number(&version)?);
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// One version by itself, with its stamp.
fn single(renderer: &Renderer<'_>, version: &LayerVersion) -> Response {
    let mut text = layers::room_for(1);
    layers::write_version(JsonObject::begin(&mut text), renderer, version, true);
    let mut response = answer::written(StatusCode::OK, text);
    answer::insert_id(&mut response, ETAG, &version.uid.replace('-', ""));
    response
}

/// Any name that the catalog may have, from whichever cloud.
fn layer_name(text: String) -> Result<LayerName, ApiError> {
    LayerName::parse(text).map_err(|refusal| match refusal {
        CatalogError::InvalidValue { reason, .. } => {
            ApiError::invalid(format!("layerName {reason}"))
        }
        other => other.into(),
    })
}

/// A letter or `_`, then letters, digits, `-` and `_`, 128 at most (alibaba.md section 7).
fn new_name(text: String) -> Result<LayerName, ApiError> {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let first = bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    if first && bytes.len() <= 128 && bytes.iter().all(inner) {
        return layer_name(text);
    }
    Err(ApiError::invalid(format!(
        "layerName must be 1 to 128 letters, digits, '_' and '-', and start with a letter or '_', \
         not '{text}'"
    )))
}

fn version_number(text: &str) -> Result<VersionNumber, ApiError> {
    VersionNumber::parse(text).ok_or_else(|| {
        ApiError::invalid(format!("version must be an integer from 1 on, not '{text}'"))
    })
}

//! The layer operations.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::errors::ApiError;
use super::paging;
use super::wire::{self, LayerVersion, Place};
use super::{OBJECT_MAX, ZIP_MAX};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule};
use crate::dialects::extract::{Body, Segments};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::dialects::stream;
use crate::dialects::upload::{self, CodeField};
use crate::domain::{Caller, CatalogError, CodeSource, Noun, RequestError, Stamp};
use crate::ingest::Leniency;

/// Where a request carries code, if it names no object (ctyun.md section 3).
const CODE: CodeField = CodeField {
    paths: &[&["code", "zipFile"]],
    fold_keys: false,
    leniency: Leniency::Strict,
    vendor_limit: ZIP_MAX,
    unpacked_max: u64::MAX,
};

/// Returns the operations, in the order of the vendor's index.
pub(super) fn operations() -> Vec<Operation> {
    let versions = "/openapi/v1/layers/{layerName}/versions";
    let version = "/openapi/v1/layers/{layerName}/versions/{version}";
    let noun = Noun::LayerVersion;
    vec![
        Operation::read("ListLayerVersions", noun, Route::get(versions), list_layer_versions)
            .cached(&["regionid"]),
        Operation::write("CreateLayerVersion", noun, Route::post(versions), create_layer_version)
            .body(BodyRule::Upload),
        Operation::write("DeleteLayerVersion", noun, Route::delete(version), delete_layer_version),
        Operation::read("GetLayerVersion", noun, Route::get(version), get_layer_version)
            .cached(&["regionid"]),
    ]
}

async fn list_layer_versions(
    State(app): State<App>,
    stamp: Stamp,
    caller: Caller,
    headers: HeaderMap,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, Refused> {
    let place = Place::of(&app, &stamp, &caller, &headers)?;
    let (name, acl) = (wire::read_name(&name)?, paging::acl(&params)?);
    let mut versions = paging::versions(caller.tenant().clone(), name, acl);
    let fetch = move |catalog: &Catalog, limit| {
        let page = versions(catalog, limit)?;
        Ok(page.map(|version| LayerVersion::new(version, &place)))
    };
    Ok(stream::list(&app, fetch, |_| wire::success_list()).await?)
}

async fn create_layer_version(
    State(app): State<App>,
    stamp: Stamp,
    caller: Caller,
    headers: HeaderMap,
    Segments([name]): Segments<1>,
    Body(body): Body,
) -> Result<Response, Refused> {
    let place = Place::of(&app, &stamp, &caller, &headers)?;
    let name = wire::read_new_name(&name)?;
    let upload = upload::read_json(&app, body, CODE).await.map_err(ApiError::from)?;
    let (new, source) = wire::read_version(upload)?;
    let object = if let CodeSource::Object(object) = &source { Some(object.clone()) } else { None };
    let publish = async {
        let code = app.stage(&caller, source, app.upload_limits(OBJECT_MAX)).await?;
        app.blocking(move |catalog| {
            Ok(catalog.publish_layer_version(&caller, &name, new, code.finish()?)?)
        })
        .await
    };
    let version = publish.await.map_err(|error| match error {
        RequestError::Catalog(CatalogError::BadArchive(problem)) if object.is_some() => {
            ApiError::invalid("code.ossObjectName", problem)
        }
        error => error.into(),
    })?;
    let record = LayerVersion::new(version, &place).copied_from(object);
    Ok(wire::success(Some(&record)))
}

async fn delete_layer_version(
    State(app): State<App>,
    stamp: Stamp,
    caller: Caller,
    headers: HeaderMap,
    Segments([name, version]): Segments<2>,
) -> Result<Response, Refused> {
    Place::of(&app, &stamp, &caller, &headers)?;
    let (name, number) = (wire::read_name(&name)?, wire::read_number(&version)?);
    // A function that uses the version keeps its code (ctyun.md section 8).
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule)).await?;
    Ok(wire::success(None))
}

async fn get_layer_version(
    State(app): State<App>,
    stamp: Stamp,
    caller: Caller,
    headers: HeaderMap,
    Segments([name, version]): Segments<2>,
) -> Result<Response, Refused> {
    let place = Place::of(&app, &stamp, &caller, &headers)?;
    let (name, number) = (wire::read_name(&name)?, wire::read_number(&version)?);
    let version =
        app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number)).await?;
    Ok(wire::success(Some(&LayerVersion::new(version, &place))))
}

//! The layer operations.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};

use super::errors::ApiError;
use super::paging;
use super::wire::{self, CreateLayerVersion, Envelope, LayerVersion, Place};
use super::{OBJECT_MAX, ZIP_MAX};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::params::Params;
use crate::dialects::stream::{self, Rows};
use crate::dialects::upload::{self, CodeField, Source};
use crate::dialects::{BodyRule, Caller, Operation, answer};
use crate::domain::CatalogError;
use crate::ingest::Leniency;
use crate::ingest::json::JsonError;

/// Where the code is, beside a reference to an object (ctyun.md section 3).
const CODE: CodeField = CodeField {
    paths: &[&["code", "zipFile"]],
    fold_keys: false,
    leniency: Leniency::Strict,
    vendor_limit: ZIP_MAX,
};

/// The one header, beside those of the signature, that answers depend on.
const REGION: &[&str] = &["regionid"];

/// Operations of this dialect, in the order of the vendor's index.
pub(super) fn operations() -> Vec<Operation> {
    let versions = "/openapi/v1/layers/{layerName}/versions";
    let version = "/openapi/v1/layers/{layerName}/versions/{version}";
    vec![
        Operation::new("ListLayerVersions", versions, get(list_layer_versions)).cacheable(REGION),
        Operation::new("CreateLayerVersion", versions, post(create_layer_version))
            .body(BodyRule::Upload),
        Operation::new("DeleteLayerVersion", version, delete(delete_layer_version)),
        Operation::new("GetLayerVersion", version, get(get_layer_version)).cacheable(REGION),
    ]
}

async fn list_layer_versions(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, ApiError> {
    let place = Place::of(&app, &caller, &headers)?;
    let (name, acl) = (wire::read_name(&name)?, paging::acl(&params)?);
    let mut versions = paging::versions(caller.tenant().clone(), name, acl);
    let fetch = move |catalog: &Catalog, limit| {
        let page = versions(catalog, limit)?;
        Ok(page.map(|version| LayerVersion::new(version, &place)))
    };
    Ok(stream::list(&app, fetch, |_| Envelope::with(Rows)).await?)
}

async fn create_layer_version(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments([name]): Segments<1>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let place = Place::of(&app, &caller, &headers)?;
    let name = wire::read_new_name(&name)?;
    let upload = upload::read_json(&app, body, CODE).await.map_err(|error| match error {
        JsonError::Malformed(reason) => ApiError::invalid("body", format!("not JSON: {reason}")),
        JsonError::Catalog(refusal) => refusal.into(),
    })?;
    let CreateLayerVersion { new, source } = CreateLayerVersion::parse(upload)?;
    let object = match &source {
        Source::Inline(_) => None,
        Source::Object(object) => Some(object.clone()),
    };
    let code = source.take(&app, &caller, OBJECT_MAX).await?;
    let published = app.blocking(move |catalog| {
        catalog.publish_layer_version(&caller, &name, new, code.finish()?)
    });
    let version = published.await.map_err(|refusal| match refusal {
        CatalogError::BadArchive(problem) if object.is_some() => {
            ApiError::invalid("code.ossObjectName", problem)
        }
        other => other.into(),
    })?;
    let record = LayerVersion::new(version, &place).copied_from(object);
    Ok(answer::json(StatusCode::OK, &Envelope::with(record)))
}

async fn delete_layer_version(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments([name, version]): Segments<2>,
) -> Result<Response, ApiError> {
    Place::of(&app, &caller, &headers)?;
    let (name, number) = (wire::read_name(&name)?, wire::read_number(&version)?);
    // A function that uses the version keeps its code (ctyun.md section 8).
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule)).await?;
    Ok(answer::json(StatusCode::OK, &Envelope::empty()))
}

async fn get_layer_version(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments([name, version]): Segments<2>,
) -> Result<Response, ApiError> {
    let place = Place::of(&app, &caller, &headers)?;
    let (name, number) = (wire::read_name(&name)?, wire::read_number(&version)?);
    let version = app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number))?;
    Ok(answer::json(StatusCode::OK, &Envelope::with(LayerVersion::new(version, &place))))
}

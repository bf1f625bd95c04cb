//! Layers: create, list, get, delete.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{REPOSITORY, TENANT_HEADERS};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule, VersionRange};
use crate::dialects::extract::{Body, Segments};
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::paging::{self, Sieve, layer_window};
use crate::dialects::openyuanrong::wire::input::too_long;
use crate::dialects::openyuanrong::wire::layer::{LayerBody, Layers};
use crate::dialects::openyuanrong::wire::names::parse_layer;
use crate::dialects::openyuanrong::wire::outcome;
use crate::dialects::openyuanrong::wire::upload::{UploadHead, new_layer_version};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{
    CatalogError, LayerFilter, LayerName, LayerVersion, Noun, Order, Page, TenantId, VersionNumber,
    Window,
};

/// Rows read at a time.
const BATCH: u64 = 500;

const NUMBER_MAX: u64 = 1_000_000;

pub(super) fn operations() -> Vec<Operation> {
    let (one, whole) = (Noun::LayerVersion, Noun::Layer);
    let at = |method: fn(&str) -> Route, path: &str| method(path).under(REPOSITORY);
    let versions = |method| at(method, "/layers/{layer}/versions");
    let version = |method| at(method, "/layers/{layer}/versions/{number}");
    let (layers, layer) = (at(Route::get, "/layers"), at(Route::delete, "/layers/{layer}"));
    vec![
        Operation::write("CreateLayerVersion", one, versions(Route::post), create)
            .body(BodyRule::Upload),
        Operation::read("ListLayerVersions", one, versions(Route::get), list_versions)
            .cached(TENANT_HEADERS),
        Operation::read("GetLayerVersion", one, version(Route::get), get_version)
            .cached(TENANT_HEADERS),
        Operation::read("ListLayers", whole, layers, list).cached(TENANT_HEADERS),
        Operation::write("DeleteLayerVersion", one, version(Route::delete), delete_version),
        Operation::write("DeleteLayer", whole, layer, delete_layer),
    ]
}

async fn create(
    State(app): State<App>,
    account: Account,
    Segments([layer]): Segments<1>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refused> {
    let name = parse_layer(&account, &layer)?;
    let upload = UploadHead::parse(&app, &headers)?;
    let new = new_layer_version(&headers)?;
    let code = upload.read(&app, body).await?;
    let Account { owner, caller, .. } = account;
    let version =
        app.blocking(move |catalog| catalog.publish_layer_version(&caller, &name, new, code));
    Ok(outcome(LayerBody::new(&owner, version.await?)))
}

async fn list_versions(
    State(app): State<App>,
    account: Account,
    Segments([layer]): Segments<1>,
    params: Params,
) -> Result<Response, Refused> {
    let name = parse_layer(&account, &layer)?;
    let window = layer_window(&params, u64::MAX, 1000)?;
    let runtime = limited(&params, "compatibleRuntime", 64)?;
    let owner = account.owner.clone();
    let page = app.blocking(move |catalog| {
        select_versions(catalog, &owner, &name, runtime.as_deref(), window)
    });
    Ok(render(&account, page.await?, "this layer version does not exist")?)
}

async fn get_version(
    State(app): State<App>,
    account: Account,
    Segments([layer, number]): Segments<2>,
) -> Result<Response, Refused> {
    let name = parse_layer(&account, &layer)?;
    let (owner, number) = (&account.owner, parse_number(&number)?);
    let found = app
        .read(|catalog| match number {
            Some(number) => catalog.get_layer_version(owner, &name, number),
            None => catalog.get_newest_layer_version(owner, &name),
        })
        .await;
    let missing = match number {
        Some(number) => ApiError::no_layer_version(&name, number),
        None => ApiError::new(4113, "can not find this layer"),
    };
    Ok(outcome(LayerBody::new(owner, found.map_err(ApiError::unless_missing(missing))?)))
}

async fn list(
    State(app): State<App>,
    account: Account,
    params: Params,
) -> Result<Response, Refused> {
    let flag = params.raw("ownerFlag").map(paging::integer).unwrap_or_default();
    if flag != 1 {
        return Err(ApiError::new(0, format!("ownerflag {flag} is not implemented")).into());
    }
    let window = layer_window(&params, 1000, 100)?;
    let number = params.get("layerVersion").map(parse_existing).transpose()?;
    let contains = limited(&params, "layerName", 32)?;
    let runtime = limited(&params, "compatibleRuntime", 64)?;
    let filter = LayerFilter { contains, runtime, ..LayerFilter::default() };
    let owner = account.owner.clone();
    let page = app.blocking(move |catalog| match number {
        None => catalog.list_layers_by_age(&owner, &filter, window),
        Some(number) => select_numbered(catalog, &owner, filter, number, window),
    });
    Ok(render(&account, page.await?, "the layer does not exist")?)
}

async fn delete_version(
    State(app): State<App>,
    account: Account,
    Segments([layer, number]): Segments<2>,
) -> Result<Response, Refused> {
    let name = parse_layer(&account, &layer)?;
    let number = parse_existing(&number)?;
    let missing = ApiError::no_layer_version(&name, number);
    let deleted = app.blocking(move |catalog| {
        catalog.delete_layer_version(&account.caller, &name, number, DeleteRule::OnlyIfUnused)
    });
    deleted.await.map_err(ApiError::unless_missing(missing))?;
    Ok(outcome(()))
}

async fn delete_layer(
    State(app): State<App>,
    account: Account,
    Segments([layer]): Segments<1>,
) -> Result<Response, Refused> {
    let name = parse_layer(&account, &layer)?;
    let message = format!("layer [{name}] not found. check input parameters");
    let deleted = app.blocking(move |catalog| {
        catalog.delete_layer(&account.caller, &name, DeleteRule::OnlyIfUnused)
    });
    deleted.await.map_err(ApiError::unless_missing(ApiError::new(4119, message)))?;
    Ok(outcome(()))
}

/// Renders a list. A list without any match is an error; a page past the end of a list is not.
fn render(
    account: &Account,
    page: Page<LayerVersion>,
    nothing: &str,
) -> Result<Response, ApiError> {
    if page.total == 0 {
        return Err(ApiError::new(4113, nothing));
    }
    let items = page.items.into_iter();
    let layer_versions = items.map(|version| LayerBody::new(&account.owner, version)).collect();
    Ok(outcome(Layers { total: page.total, layer_versions }))
}

fn select_versions(
    catalog: &Catalog,
    owner: &TenantId,
    name: &LayerName,
    runtime: Option<&str>,
    window: Window,
) -> Result<Page<LayerVersion>, CatalogError> {
    let mut sieve = Sieve::new(window);
    let mut from = None;
    loop {
        let range = VersionRange { order: Order::Descending, from, limit: BATCH };
        let batch = match catalog.list_layer_versions(owner, name, range) {
            Err(CatalogError::NotFound { .. }) => return Ok(sieve.page),
            batch => batch?,
        };
        from = batch.items.last().map(|last| last.number.get() - 1);
        let fits = |version: &LayerVersion| names_runtime(version, runtime);
        batch.items.into_iter().filter(fits).for_each(|version| sieve.take(version));
        let is_full = sieve.page.total >= window.offset.saturating_add(window.limit);
        if runtime.is_none() && is_full {
            // The catalog has counted them all.
            return Ok(Page { total: batch.total, ..sieve.page });
        }
        if !batch.more {
            return Ok(sieve.page);
        }
    }
}

/// Lists the layers that have a version of this number, each by that version.
fn select_numbered(
    catalog: &Catalog,
    owner: &TenantId,
    filter: LayerFilter,
    number: VersionNumber,
    window: Window,
) -> Result<Page<LayerVersion>, CatalogError> {
    // The catalog compares the runtime with that of the newest version.
    let by_name = LayerFilter { runtime: None, ..filter };
    let mut sieve = Sieve::new(window);
    let mut batch = Window { offset: 0, limit: BATCH };
    loop {
        let layers = catalog.list_layers_by_age(owner, &by_name, batch)?;
        for newest in layers.items {
            match catalog.get_layer_version(owner, &newest.layer.name, number) {
                Ok(version) if names_runtime(&version, filter.runtime.as_deref()) => {
                    sieve.take(version);
                }
                Ok(_) | Err(CatalogError::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        if !layers.more {
            return Ok(sieve.page);
        }
        batch.offset += BATCH;
    }
}

/// Whether a layer version names the wanted runtime as compatible, if one is wanted.
fn names_runtime(version: &LayerVersion, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| version.runtimes.iter().any(|name| name == wanted))
}

/// Reads the number of a version; `None` for 0, which stands for the newest.
fn parse_number(text: &str) -> Result<Option<VersionNumber>, ApiError> {
    let number = text.parse().ok().filter(|number| *number <= NUMBER_MAX);
    number.map(VersionNumber::new).ok_or_else(invalid_number)
}

fn parse_existing(text: &str) -> Result<VersionNumber, ApiError> {
    parse_number(text)?.ok_or_else(invalid_number)
}

fn invalid_number() -> ApiError {
    ApiError::invalid("invalid versionNumber")
}

fn limited(params: &Params, name: &str, max: usize) -> Result<Option<String>, ApiError> {
    let text = params.get(name);
    let refused = text.and_then(|text| too_long(name, text, max));
    refused.map_or_else(|| Ok(text.map(str::to_owned)), |rule| Err(ApiError::invalid(rule)))
}

//! Layers: create, list, get, delete.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{delete, get, post};

use super::{REPOSITORY, TENANT_HEADERS};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule, VersionRange};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::paging::{self, layer_window};
use crate::dialects::openyuanrong::wire::layer::{LayerBody, Layers};
use crate::dialects::openyuanrong::wire::names::parse_layer;
use crate::dialects::openyuanrong::wire::upload::{UploadHead, new_layer_version};
use crate::dialects::openyuanrong::wire::{Answer, Outcome};
use crate::dialects::params::Params;
use crate::dialects::{BodyRule, Operation};
use crate::domain::{
    CatalogError, LayerFilter, LayerName, LayerVersion, Order, Page, TenantId, VersionNumber,
    Window,
};

/// Versions read at a time.
const STRETCH: u64 = 500;

const NUMBER_MAX: u64 = 1_000_000;
const RUNTIME_MAX: usize = 64;
const NAME_PART_MAX: usize = 32;

pub(super) fn operations() -> Vec<Operation> {
    let (layers, layer) = ("/layers", "/layers/{layer}");
    let (versions, version) = ("/layers/{layer}/versions", "/layers/{layer}/versions/{number}");
    let operations = vec![
        Operation::new("CreateLayerVersion", versions, post(create)).body(BodyRule::Upload),
        Operation::new("ListLayerVersions", versions, get(list_versions)).cacheable(TENANT_HEADERS),
        Operation::new("GetLayerVersion", version, get(get_version)).cacheable(TENANT_HEADERS),
        Operation::new("ListLayers", layers, get(list)).cacheable(TENANT_HEADERS),
        Operation::new("DeleteLayerVersion", version, delete(delete_version)),
        Operation::new("DeleteLayer", layer, delete(delete_layer)),
    ];
    operations.into_iter().map(|operation| operation.under(REPOSITORY)).collect()
}

async fn create(
    State(app): State<App>,
    account: Account,
    Segments([layer]): Segments<1>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Answer<Outcome<LayerBody>>, ApiError> {
    let name = parse_layer(&account, &layer)?;
    let upload = UploadHead::parse(&app, &headers)?;
    let new = new_layer_version(&headers)?;
    let code = upload.read(&app, body).await?;
    let by = account.caller.clone();
    let version =
        app.blocking(move |catalog| catalog.publish_layer_version(&by, &name, new, code)).await?;
    Ok(Answer(Outcome::new(LayerBody::new(&account.owner, version))))
}

async fn list_versions(
    State(app): State<App>,
    account: Account,
    Segments([layer]): Segments<1>,
    params: Params,
) -> Result<Answer<Outcome<Layers>>, ApiError> {
    let name = parse_layer(&account, &layer)?;
    let window = layer_window(&params, u64::MAX, 1000)?;
    let runtime = runtime(&params)?;
    let owner = account.owner.clone();
    let page = app
        .blocking(move |catalog| {
            select_versions(catalog, &owner, &name, runtime.as_deref(), window)
        })
        .await?;
    render(&account, page, "this layer version does not exist")
}

async fn get_version(
    State(app): State<App>,
    account: Account,
    Segments([layer, number]): Segments<2>,
) -> Result<Answer<Outcome<LayerBody>>, ApiError> {
    let name = parse_layer(&account, &layer)?;
    let (owner, number) = (&account.owner, parse_number(&number, 0)?);
    let found = match VersionNumber::new(number) {
        Some(number) => app.read(|catalog| catalog.get_layer_version(owner, &name, number)),
        None => app.read(|catalog| catalog.get_newest_layer_version(owner, &name)),
    };
    let missing = match number {
        0 => ApiError::new(4113, "can not find this layer"),
        number => ApiError::no_layer_version(name.as_str(), number),
    };
    let version = found.map_err(ApiError::unless_missing(missing))?;
    Ok(Answer(Outcome::new(LayerBody::new(owner, version))))
}

async fn list(
    State(app): State<App>,
    account: Account,
    params: Params,
) -> Result<Answer<Outcome<Layers>>, ApiError> {
    let flag = params.raw("ownerFlag").map(paging::integer).unwrap_or_default();
    if flag != 1 {
        return Err(ApiError::new(0, format!("ownerflag {flag} is not implemented")));
    }
    let window = layer_window(&params, 1000, 100)?;
    let number = params.get("layerVersion").map(|text| parse_number(text, 1)).transpose()?;
    let number = number.and_then(VersionNumber::new);
    let filter = LayerFilter {
        contains: limited(&params, "layerName", NAME_PART_MAX)?,
        runtime: runtime(&params)?,
        ..LayerFilter::default()
    };
    let owner = account.owner.clone();
    let page = app
        .blocking(move |catalog| match number {
            None => catalog.list_layers_by_age(&owner, &filter, window),
            Some(number) => select_numbered(catalog, &owner, filter, number, window),
        })
        .await?;
    render(&account, page, "the layer does not exist")
}

async fn delete_version(
    State(app): State<App>,
    account: Account,
    Segments([layer, number]): Segments<2>,
) -> Result<Answer<Outcome<()>>, ApiError> {
    let name = parse_layer(&account, &layer)?;
    let number = parse_number(&number, 1)?;
    let missing = ApiError::no_layer_version(name.as_str(), number);
    let number = VersionNumber::new(number).ok_or_else(invalid_number)?;
    let rule = DeleteRule::OnlyIfUnused;
    app.blocking(move |catalog| catalog.delete_layer_version(&account.caller, &name, number, rule))
        .await
        .map_err(ApiError::unless_missing(missing))?;
    Ok(Answer(Outcome::new(())))
}

async fn delete_layer(
    State(app): State<App>,
    account: Account,
    Segments([layer]): Segments<1>,
) -> Result<Answer<Outcome<()>>, ApiError> {
    let name = parse_layer(&account, &layer)?;
    let message = format!("layer [{name}] not found. check input parameters");
    let rule = DeleteRule::OnlyIfUnused;
    app.blocking(move |catalog| catalog.delete_layer(&account.caller, &name, rule))
        .await
        .map_err(ApiError::unless_missing(ApiError::new(4119, message)))?;
    Ok(Answer(Outcome::new(())))
}

/// A list without any match is an error; a page behind the end is not.
fn render(
    account: &Account,
    page: Page<LayerVersion>,
    nothing: &str,
) -> Result<Answer<Outcome<Layers>>, ApiError> {
    if page.total == 0 {
        return Err(ApiError::new(4113, nothing));
    }
    let items = page.items.into_iter();
    let layer_versions = items.map(|version| LayerBody::new(&account.owner, version)).collect();
    Ok(Answer(Outcome::new(Layers { total: page.total, layer_versions })))
}

/// Takes the matches of a window out of all that come, and counts the rest.
struct Sieve {
    window: Window,
    page: Page<LayerVersion>,
}

impl Sieve {
    fn new(window: Window) -> Self {
        Self { window, page: Page::empty() }
    }

    fn take(&mut self, version: LayerVersion) {
        let Window { offset, limit } = self.window;
        if (offset..offset.saturating_add(limit)).contains(&self.page.total) {
            self.page.items.push(version);
        }
        self.page.total += 1;
    }
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
        let range = VersionRange { order: Order::Descending, from, limit: STRETCH };
        let stretch = match catalog.list_layer_versions(owner, name, range) {
            Err(CatalogError::NotFound { .. }) => return Ok(sieve.page),
            stretch => stretch?,
        };
        from = stretch.items.last().map(|last| last.number.get() - 1);
        let fits = |version: &LayerVersion| {
            runtime.is_none_or(|wanted| version.runtimes.iter().any(|name| name == wanted))
        };
        stretch.items.into_iter().filter(fits).for_each(|version| sieve.take(version));
        let is_full = sieve.page.total >= window.offset.saturating_add(window.limit);
        if runtime.is_none() && is_full {
            // Nothing is to be counted that the catalog does not count.
            return Ok(Page { total: stretch.total, ..sieve.page });
        }
        if !stretch.more {
            return Ok(sieve.page);
        }
    }
}

/// Lists the layers that have a version of this number, each by that one.
fn select_numbered(
    catalog: &Catalog,
    owner: &TenantId,
    filter: LayerFilter,
    number: VersionNumber,
    window: Window,
) -> Result<Page<LayerVersion>, CatalogError> {
    // The filter's runtime is that of the newest version.
    let by_name = LayerFilter { runtime: None, ..filter };
    let mut sieve = Sieve::new(window);
    let mut stretch = Window { offset: 0, limit: STRETCH };
    loop {
        let layers = catalog.list_layers_by_age(owner, &by_name, stretch)?;
        for newest in layers.items {
            match catalog.get_layer_version(owner, &newest.layer.name, number) {
                Ok(version) => {
                    let mut names = version.runtimes.iter();
                    if filter.runtime.as_ref().is_none_or(|wanted| names.any(|name| name == wanted))
                    {
                        sieve.take(version);
                    }
                }
                Err(CatalogError::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        if !layers.more {
            return Ok(sieve.page);
        }
        stretch.offset += STRETCH;
    }
}

/// Reads a version's number, 0 only where `min` lets it.
fn parse_number(text: &str, min: u64) -> Result<u64, ApiError> {
    let number = text.parse().ok().filter(|number| (min..=NUMBER_MAX).contains(number));
    number.ok_or_else(invalid_number)
}

fn invalid_number() -> ApiError {
    ApiError::invalid("invalid versionNumber")
}

fn runtime(params: &Params) -> Result<Option<String>, ApiError> {
    limited(params, "compatibleRuntime", RUNTIME_MAX)
}

/// Reads a text that may not be longer than this.
fn limited(params: &Params, name: &str, max: usize) -> Result<Option<String>, ApiError> {
    match params.get(name) {
        Some(text) if text.chars().count() > max => {
            let rule = format!("does not validate as maxstringlength({max})");
            Err(ApiError::invalid(format!("{name}: {text} {rule}")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

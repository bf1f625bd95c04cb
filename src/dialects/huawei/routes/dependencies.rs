//! Dependencies, this cloud's layers: publish, list, get, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};

use super::code::{self, DEPENDENCY_CODE, NewCode, Place};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule, VersionRange};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::huawei::errors::{ApiError, quote};
use crate::dialects::huawei::paging;
use crate::dialects::huawei::wire::dependencies::{Dependencies, Dependency};
use crate::dialects::huawei::wire::input::Input;
use crate::dialects::huawei::wire::is_name;
use crate::dialects::huawei::wire::settings::{read_description, read_runtime};
use crate::dialects::huawei::wire::urn::Project;
use crate::dialects::links::Links;
use crate::dialects::params::Params;
use crate::dialects::{BodyRule, Caller, Operation};
use crate::domain::{
    Acl, ArchiveProblem, CatalogError, LayerFilter, LayerName, LayerVersion, NewLayerVersion,
    Order, Page, TenantId, VersionNumber, Window,
};
use crate::ingest::Staging;

/// Versions passed over at a time on the way to an offset.
const STRETCH: u64 = 500;

pub(super) fn operations() -> Vec<Operation> {
    let new = "/v2/{project_id}/fgs/dependencies/version";
    let all = "/v2/{project_id}/fgs/dependencies";
    let versions = "/v2/{project_id}/fgs/dependencies/{depend_id}/version";
    let version = "/v2/{project_id}/fgs/dependencies/{depend_id}/version/{version}";
    vec![
        Operation::new("CreateDependencyVersion", new, post(publish)).body(BodyRule::Upload),
        Operation::new("ListDependencies", all, get(list)).cacheable(&[]),
        Operation::new("ListDependencyVersion", versions, get(list_versions)).cacheable(&[]),
        Operation::new("DeleteDependencyVersion", version, delete(delete_version)),
        Operation::new("ShowDependencyVersion", version, get(show_version)).cacheable(&[]),
    ]
}

async fn publish(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project]): Segments<1>,
    Body(body): Body,
) -> Result<Json<Dependency>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let (input, staging) = code::read(&app, body, DEPENDENCY_CODE).await?;
    let name = read_name(&input)?;
    let new = NewLayerVersion {
        description: read_description(&input)?,
        runtimes: vec![read_runtime(&input)?],
        ..NewLayerVersion::default()
    };
    let code = read_code(&input, staging)?.here(&app, &caller, |_| Ok(())).await?;
    let published = app.blocking(move |catalog| {
        let code = code.finish()?.ok_or(ArchiveProblem::Missing)?;
        catalog.publish_layer_version(&caller, &name, new, code)
    });
    let version = published.await.map_err(|refusal| ApiError::of_code("depend_file", refusal))?;
    Ok(Json(Dependency::version(version, &project, &links)))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project]): Segments<1>,
    params: Params,
) -> Result<Json<Dependencies>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let window = paging::dependencies(&params, &["maxitems", "limit"])?;
    let filter = read_filter(&params)?;
    let tenant = project.tenant.clone();
    let page =
        app.blocking(move |catalog| catalog.list_layers_by_age(&tenant, &filter, window)).await?;
    let row = |version| Dependency::newest(version, &project, &links);
    Ok(Json(render(page, window, row)))
}

async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project, id]): Segments<2>,
    params: Params,
) -> Result<Json<Dependencies>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let window = paging::dependencies(&params, &["maxitems"])?;
    let tenant = project.tenant.clone();
    let page = app
        .blocking(move |catalog| {
            let name = catalog.get_layer_name(&tenant, &id)?;
            newest_first(catalog, &tenant, &name, window)
        })
        .await?;
    let row = |version| Dependency::row(version, &project, &links);
    Ok(Json(render(page, window, row)))
}

async fn delete_version(
    State(app): State<App>,
    caller: Caller,
    Segments([project, id, number]): Segments<3>,
) -> Result<StatusCode, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let number = read_number(&number)?;
    let (tenant, rule) = (project.tenant, DeleteRule::OnlyIfUnused);
    app.blocking(move |catalog| {
        let name = catalog.get_layer_name(&tenant, &id)?;
        catalog.delete_layer_version(&caller, &name, number, rule)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show_version(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project, id, number]): Segments<3>,
) -> Result<Json<Dependency>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let number = read_number(&number)?;
    let version = app.read(|catalog| {
        let name = catalog.get_layer_name(&project.tenant, &id)?;
        catalog.get_layer_version(&project.tenant, &name, number)
    })?;
    Ok(Json(Dependency::detail(version, &project, &links)))
}

fn render(
    page: Page<LayerVersion>,
    window: Window,
    row: impl Fn(LayerVersion) -> Dependency,
) -> Dependencies {
    let count = page.total;
    let dependencies = page.items.into_iter().map(row).collect();
    Dependencies { dependencies, next_marker: paging::next_marker(window, count), count }
}

/// Reads a page by its offset out of a list that is kept by number.
///
/// Where no version was deleted the offset is a number; else the rows before it are passed over.
fn newest_first(
    catalog: &Catalog,
    tenant: &TenantId,
    name: &LayerName,
    window: Window,
) -> Result<Page<LayerVersion>, CatalogError> {
    let read = |from, limit| {
        let range = VersionRange { order: Order::Descending, from, limit };
        catalog.list_layer_versions(tenant, name, range)
    };
    let newest = read(None, 1)?;
    let count = newest.total;
    let highest = newest.items.first().map_or(0, |version| version.number.get());
    if window.offset >= count {
        return Ok(Page { total: count, ..Page::empty() });
    }
    if highest == count {
        return read(Some(highest - window.offset), window.limit);
    }
    let (mut from, mut left) = (None, window.offset);
    while left > 0 {
        let passed = read(from, left.min(STRETCH))?;
        let Some(last) = passed.items.last() else { break };
        from = Some(last.number.get() - 1);
        left -= passed.items.len() as u64;
    }
    read(from, window.limit)
}

fn read_filter(params: &Params) -> Result<LayerFilter, ApiError> {
    let acl = match params.get("dependency_type") {
        _ if params.is_true("ispublic") => Some(Acl::Public),
        None | Some("all") => None,
        Some("public") => Some(Acl::Public),
        Some("private") => Some(Acl::Private),
        Some(_) => {
            return Err(ApiError::query("dependency_type", "must be public, private or all"));
        }
    };
    let name = params.get("name").map(LayerName::parse).transpose();
    Ok(LayerFilter {
        name: name.map_err(|_| ApiError::query("name", "is no name that a dependency can have"))?,
        runtime: params.get("runtime").map(str::to_owned),
        acl,
        ..LayerFilter::default()
    })
}

fn read_number(text: &str) -> Result<VersionNumber, ApiError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return VersionNumber::parse(text).ok_or_else(ApiError::no_dependency);
    }
    let rule = format!("{} must be the number of a version", quote(text));
    Err(ApiError::field("dependency version", rule))
}

fn read_name(input: &Input) -> Result<LayerName, ApiError> {
    let text = input.required("name")?;
    let rule = "must be 1 to 96 letters, digits, '_', '.' and '-', with a letter at the start and a \
                letter or digit at the end";
    let refuse = || ApiError::field("name", format!("{} {rule}", quote(text)));
    if !is_name(text, 96, b"_.-", true) {
        return Err(refuse());
    }
    LayerName::parse(text).map_err(|_| refuse())
}

/// Finds the archive where the type says that it is.
fn read_code(input: &Input, staging: Option<Staging>) -> Result<NewCode, ApiError> {
    match input.required("depend_type")? {
        "zip" => match staging {
            Some(staging) => Ok(NewCode::Archive(staging)),
            None if input.text("depend_file")?.is_none() => Err(ApiError::missing("depend_file")),
            None => Err(ApiError::field("depend_file", "holds no bytes")),
        },
        "obs" => Place::read("depend_link", input.required("depend_link")?).map(NewCode::Elsewhere),
        other => {
            Err(ApiError::field("depend_type", format!("{} must be zip or obs", quote(other))))
        }
    }
}

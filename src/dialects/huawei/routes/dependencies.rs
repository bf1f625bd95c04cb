//! Dependencies, this cloud's layers: publish, list, get, delete.

use axum::http::StatusCode;
use axum::response::Response;

use super::Asked;
use super::code::{self, DEPENDENCY_CODE, NewCode};
use crate::catalog::{Catalog, DeleteRule, VersionRange};
use crate::dialects::extract::Body;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::huawei::paging;
use crate::dialects::huawei::wire::dependencies::{Shape, write, write_all};
use crate::dialects::huawei::wire::settings::{read_description, read_runtime};
use crate::dialects::huawei::wire::urn::Project;
use crate::dialects::huawei::wire::{answer, input};
use crate::dialects::json_fields::Fields;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{
    Acl, CatalogError, CodeSource, LayerFilter, LayerName, LayerVersion, NewLayerVersion, Noun,
    Order, Page, Stamp, TenantId, VersionNumber, Window,
};
use crate::ingest::Staging;

/// Versions that are read at a time on the way to an offset.
const BATCH: u64 = 500;

/// The names of dependencies (huawei.md section 7).
const NAME: NameRule =
    NameRule { max: 96, first: Edge::Letter, inner: b"_.-", last: Edge::Alphanumeric };

pub(super) fn operations() -> Vec<Operation> {
    let new = "/v2/{project_id}/fgs/dependencies/version";
    let all = "/v2/{project_id}/fgs/dependencies";
    let versions = "/v2/{project_id}/fgs/dependencies/{depend_id}/version";
    let version = "/v2/{project_id}/fgs/dependencies/{depend_id}/version/{version}";
    let noun = Noun::LayerVersion;
    vec![
        Operation::write("CreateDependencyVersion", noun, Route::post(new), publish)
            .body(BodyRule::Upload),
        Operation::read("ListDependencies", Noun::Layer, Route::get(all), list).cached(&[]),
        Operation::read("ListDependencyVersion", noun, Route::get(versions), list_versions)
            .cached(&[]),
        Operation::write("DeleteDependencyVersion", noun, Route::delete(version), delete_version),
        Operation::read("ShowDependencyVersion", noun, Route::get(version), show_version)
            .cached(&[]),
    ]
}

async fn publish(asked: Asked<1>, stamp: Stamp, Body(body): Body) -> Result<Response, Refused> {
    let Asked { app, caller, project, .. } = asked;
    let (document, staging) = code::read(&app, body, DEPENDENCY_CODE).await?;
    let fields = input::fields(&document)?;
    let name = read_name(&fields)?;
    let new = NewLayerVersion {
        description: read_description(&fields)?,
        runtimes: vec![read_runtime(&fields)?],
        ..NewLayerVersion::default()
    };
    let upload = read_code(&fields, staging)?.stage(&app, &stamp, &caller, |_| Ok(())).await?;
    let publish = move |catalog: &Catalog| {
        let code = upload.finish()?;
        Ok::<_, ApiError>(catalog.publish_layer_version(&caller, &name, new, code)?)
    };
    let version = app.blocking(publish).await?;
    Ok(answer(|record| write(record, &version, &project, Shape::Version)))
}

async fn list(asked: Asked<1>, params: Params) -> Result<Response, Refused> {
    let Asked { app, project, .. } = asked;
    let window = paging::dependencies(&params, &["maxitems", "limit"])?;
    let filter = read_filter(&params)?;
    let tenant = project.tenant.clone();
    let page =
        app.blocking(move |catalog| catalog.list_layers_by_age(&tenant, &filter, window)).await?;
    Ok(answer_page(&page, window, &project, Shape::Newest))
}

async fn list_versions(asked: Asked<2>, params: Params) -> Result<Response, Refused> {
    let Asked { app, project, path: [_, id], .. } = asked;
    let window = paging::dependencies(&params, &["maxitems"])?;
    let tenant = project.tenant.clone();
    let read = move |catalog: &Catalog| {
        let name = catalog.get_layer_name(&tenant, &id)?;
        newest_first(catalog, &tenant, &name, window)
    };
    let page = app.blocking(read).await?;
    Ok(answer_page(&page, window, &project, Shape::Row))
}

async fn delete_version(asked: Asked<3>) -> Result<StatusCode, Refused> {
    let Asked { app, caller, project, path: [_, id, number] } = asked;
    let number = read_number(&number)?;
    let delete = move |catalog: &Catalog| {
        let name = catalog.get_layer_name(&project.tenant, &id)?;
        catalog.delete_layer_version(&caller, &name, number, DeleteRule::OnlyIfUnused)
    };
    app.blocking(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show_version(asked: Asked<3>) -> Result<Response, Refused> {
    let Asked { app, project, path: [_, id, number], .. } = asked;
    let number = read_number(&number)?;
    let version = app
        .read(|catalog| {
            let name = catalog.get_layer_name(&project.tenant, &id)?;
            catalog.get_layer_version(&project.tenant, &name, number)
        })
        .await?;
    Ok(answer(|record| write(record, &version, &project, Shape::Detail)))
}

fn answer_page(
    page: &Page<LayerVersion>,
    window: Window,
    project: &Project,
    shape: Shape,
) -> Response {
    answer(|list| {
        write_all(list, &page.items, project, shape);
        list.number("next_marker", paging::next_marker(window, page.total));
        list.number("count", page.total);
    })
}

/// Reads a page by its offset out of a list that is ordered by number.
///
/// Where no version was deleted the offset gives the number; else the rows before it are read.
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
    let Page { items: newest, total, .. } = read(None, 1)?;
    if window.offset >= total {
        return Ok(Page { total, ..Page::empty() });
    }
    if newest.iter().all(|version| version.number.get() == total) {
        return read(Some(total - window.offset), window.limit);
    }
    let (mut from, mut left) = (None, window.offset);
    while left > 0 {
        let passed = read(from, left.min(BATCH))?;
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
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let rule = "must be the number of a version";
        return Err(ApiError::bad_text("dependency version", text, rule));
    }
    let number = VersionNumber::parse(text);
    number.ok_or_else(|| CatalogError::not_found(Noun::LayerVersion, text).into())
}

fn read_name(fields: &Fields<'_>) -> Result<LayerName, ApiError> {
    let text = input::required(fields, "name")?;
    let rule = "must be 1 to 96 letters, digits, '_', '.' and '-', with a letter at the start and a \
                letter or digit at the end";
    let allowed = Some(text).filter(|text| NAME.allows(text));
    let name = allowed.and_then(|text| LayerName::parse(text).ok());
    name.ok_or_else(|| ApiError::bad_text("name", text, rule))
}

/// Finds the archive where the type states that it is.
fn read_code(fields: &Fields<'_>, staging: Option<Staging>) -> Result<NewCode, ApiError> {
    match input::required(fields, "depend_type")? {
        "zip" => match staging {
            Some(staging) => Ok(NewCode::sent("depend_file", CodeSource::Archive(staging))),
            None if input::text(fields, "depend_file")?.is_none() => {
                Err(ApiError::required("depend_file"))
            }
            None => Err(ApiError::invalid("depend_file", "holds no bytes")),
        },
        "obs" => NewCode::named("depend_link", input::required(fields, "depend_link")?),
        other => Err(ApiError::bad_text("depend_type", other, "must be zip or obs")),
    }
}

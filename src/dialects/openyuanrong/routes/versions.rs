//! Versions of a function: list, publish.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::{SERVERLESS, TENANT_HEADERS};
use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::Operation;
use crate::dialects::gate::{Body, Segments};
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::paging::{FunctionPage, no_size};
use crate::dialects::openyuanrong::wire::encoding::{
    labelled, part as part_of, revision, version_name,
};
use crate::dialects::openyuanrong::wire::extra::{Extra, S3};
use crate::dialects::openyuanrong::wire::function::{
    Form, FunctionBody, PageInfo, VersionItem, Versions, VersionsForAdmin,
};
use crate::dialects::openyuanrong::wire::input::Fields;
use crate::dialects::openyuanrong::wire::names::{FunctionRef, head_name, is_version_number};
use crate::dialects::openyuanrong::wire::settings::PublishBody;
use crate::dialects::openyuanrong::wire::{Answer, Outcome, Success};
use crate::dialects::params::Params;
use crate::dialects::stream::{self, Rows};
use crate::domain::{
    CatalogError, FunctionKey, FunctionOrder, FunctionVersion, Page, Publication, PublicationName,
    Qualifier, VersionName, Window,
};

/// Published versions of one function (openyuanrong.md section 5).
const VERSIONS_MAX: u64 = 8;

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/functions/{name}/versions";
    vec![
        Operation::new("ListFunctionVersions", versions, get(list))
            .under(SERVERLESS)
            .cacheable(TENANT_HEADERS),
        Operation::new("PublishFunctionVersion", versions, post(publish)).under(SERVERLESS),
    ]
}

async fn list(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, ApiError> {
    let named = FunctionRef::parse_path(&account, &name)?;
    let page = FunctionPage::parse(&params);
    if page.is_zero_sized() {
        return Err(no_size());
    }
    let window = page.window()?;
    let is_admin = params.get("isAdmin").is_some();
    let (mut at, end) = (window.offset, window.offset.saturating_add(window.limit));
    // No page is too large for this cloud, so that it is read and sent as a list without pages.
    let fetch = move |catalog: &Catalog, rows: u64| {
        let part = Window { offset: at, limit: rows.min(end - at) };
        let found = select(catalog, &named.key, part)?;
        at += found.items.len() as u64;
        let items = found.items.into_iter().map(|state| match is_admin {
            true => part_of(&FunctionBody::new(catalog, &account, state, Form::Result)?),
            false => part_of(&VersionItem::new(catalog, &account, state)?),
        });
        let items = items.collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, more: found.more && at < end, next: None, total: found.total })
    };
    let response = if is_admin {
        let around = |total| Outcome::new(VersionsForAdmin { versions: Rows, total });
        stream::list(&app, fetch, around).await?
    } else {
        let around = |total| Versions {
            functions: (window.offset < total).then_some(Rows),
            page_info: PageInfo {
                page_index: page.index.to_string(),
                page_size: page.size.to_string(),
                total,
            },
        };
        stream::list(&app, fetch, around).await?
    };
    Ok(labelled(response))
}

/// A function that does not exist has no versions, and that is no error here.
fn select(
    catalog: &Catalog,
    key: &FunctionKey,
    window: Window,
) -> Result<Page<FunctionVersion>, CatalogError> {
    match catalog.list_function_versions(key, FunctionOrder::LastWrittenFirst, window) {
        Err(CatalogError::NotFound { .. }) => Ok(Page::empty()),
        found => found,
    }
}

async fn publish(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let mut body = PublishBody::parse(Fields::read(&body)?)?;
    let named = FunctionRef::parse_path(&account, &name)?;
    if body.version_number.is_empty() {
        body.version_number = version_name(app.clock().now());
    }
    let publication = app.read(|catalog| Ok(check(catalog, &named.key, body)))??;
    let (key, is_admin) = (named.key, params.get("isAdmin").is_some());
    let form = if is_admin { Form::WholeForAdmin } else { Form::Whole };
    let published = app.blocking(move |catalog| {
        let version = catalog.publish_function_version(&account.caller, &key, publication)?;
        FunctionBody::new(catalog, &account, version, form)
    });
    let body = published.await.map_err(refuse)?;
    Ok(match is_admin {
        true => Answer(Outcome::new(body)).into_response(),
        false => Answer(Success::new(body)).into_response(),
    })
}

/// Checks in the order of openyuanrong.md section 1.2; the catalog does it once more, atomically.
fn check(catalog: &Catalog, key: &FunctionKey, body: PublishBody) -> Result<Publication, ApiError> {
    let head = catalog.get_function(key, &Qualifier::Head);
    let head = head.map_err(ApiError::unless_missing(ApiError::no_head()))?;
    if head.function.versions >= VERSIONS_MAX {
        return Err(ApiError::too_many_versions(head.function.versions + 1));
    }
    if head.name.as_str() != head_name(&body.kind) {
        return Err(ApiError::no_head());
    }
    if revision(head.revision) != body.revision_id {
        return Err(stale());
    }
    if !is_version_number(&body.version_number) {
        return Err(ApiError::bad_version_number());
    }
    let name = VersionName::parse(body.version_number)?;
    check_object(catalog, &head, &name)?;
    Ok(Publication {
        name: PublicationName::Given(name),
        description: body.description,
        expected_revision: Some(head.revision),
        versions_max: Some(VERSIONS_MAX),
        ..Publication::default()
    })
}

/// A function in a bucket must name its object; that its version exists already is said first.
fn check_object(
    catalog: &Catalog,
    head: &FunctionVersion,
    name: &VersionName,
) -> Result<(), ApiError> {
    let extra = Extra::of(head);
    let is_nowhere = extra.storage_type == S3
        && extra.bucket_id.is_empty()
        && extra.object_id.is_empty()
        && head.code.is_none();
    if !is_nowhere {
        return Ok(());
    }
    match catalog.get_function(&head.function.key, &Qualifier::Name(name.clone())) {
        Ok(_) => Err(ApiError::duplicate()),
        Err(CatalogError::NotFound { .. }) => {
            Err(ApiError::invalid("empty function version's bucket info"))
        }
        Err(other) => Err(other.into()),
    }
}

/// Words what the catalog finds although [`check`] did not: someone else was faster.
fn refuse(error: CatalogError) -> ApiError {
    match error {
        CatalogError::NotFound { .. } => ApiError::no_head(),
        CatalogError::Stale { .. } => stale(),
        other => other.into(),
    }
}

fn stale() -> ApiError {
    ApiError::new(4134, "revisionId is non latest version")
}

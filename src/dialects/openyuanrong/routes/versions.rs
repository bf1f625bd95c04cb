//! Versions of a function: list, publish.

use axum::extract::State;
use axum::response::Response;

use super::{SERVERLESS, TENANT_HEADERS};
use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::extract::{Body, Segments};
use crate::dialects::json_writer::RowsAt;
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::paging::{FunctionPage, no_size};
use crate::dialects::openyuanrong::wire::encoding::{
    labelled, part as part_of, revision, version_name,
};
use crate::dialects::openyuanrong::wire::extra::{Extra, S3};
use crate::dialects::openyuanrong::wire::function::{Form, FunctionBody, VersionItem};
use crate::dialects::openyuanrong::wire::names::{FunctionRef, head_name, is_version_number};
use crate::dialects::openyuanrong::wire::settings::PublishBody;
use crate::dialects::openyuanrong::wire::{function_answer, input};
use crate::dialects::operation::{Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::dialects::stream::{self, Frame};
use crate::domain::{
    CatalogError, FunctionKey, FunctionOrder, Noun, Page, Publication, PublicationName, Qualifier,
    VersionName, Window,
};

/// Published versions of one function (openyuanrong.md section 5).
const VERSIONS_MAX: u64 = 8;

pub(super) fn operations() -> Vec<Operation> {
    let (path, noun) = ("/functions/{name}/versions", Noun::FunctionVersion);
    let (get, post) = (Route::get(path).under(SERVERLESS), Route::post(path).under(SERVERLESS));
    vec![
        Operation::read("ListFunctionVersions", noun, get, list).cached(TENANT_HEADERS),
        Operation::write("PublishFunctionVersion", noun, post, publish),
    ]
}

async fn list(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, Refused> {
    let named = FunctionRef::parse_path(&account, &name)?;
    if let Some(refusal) = named.foreign_name(&name) {
        let head = app.read(|catalog| catalog.get_function(&named.key, &Qualifier::Head)).await;
        head.map_err(ApiError::unless_missing(refusal))?;
    }
    let page = FunctionPage::parse(&params);
    let window = page.window()?.ok_or_else(no_size)?;
    let is_admin = params.get("isAdmin").is_some();
    let form = if is_admin { Form::Result } else { Form::Listed };
    let (mut at, end) = (window.offset, window.offset.saturating_add(window.limit));
    // A page may have any size here, so that it is read and sent as a list without pages.
    let fetch = move |catalog: &Catalog, rows: u64| {
        let part = Window { offset: at, limit: rows.min(end - at) };
        let found =
            catalog.list_function_versions(&named.key, FunctionOrder::LastWrittenFirst, part);
        let found = match found {
            // A function that does not exist has no versions.
            Err(CatalogError::NotFound { .. }) => Page::empty(),
            found => found?,
        };
        at += found.items.len() as u64;
        let items = found.items.into_iter().map(|state| {
            let extra = Extra::of(&state)?;
            let body = FunctionBody::new(catalog, &account, state, extra, form)?;
            if is_admin { part_of(&body) } else { part_of(&VersionItem::from(body)) }
        });
        let items = items.collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, more: found.more && at < end, next: None, total: found.total })
    };
    let around = |total| {
        if is_admin { admin_frame(total) } else { frame(page, window.offset < total, total) }
    };
    Ok(labelled(stream::list(&app, fetch, around).await?))
}

/// Writes the list of versions around its rows; a page without rows is null.
fn frame(page: FunctionPage, has_rows: bool, total: u64) -> Frame {
    Frame::object(|list| {
        let rows = if has_rows {
            list.rows("functions")
        } else {
            list.json("functions", "null");
            // No row follows, so that any place is right.
            RowsAt(0)
        };
        let mut info = list.object("pageInfo");
        info.text("pageIndex", &page.index.to_string());
        info.text("pageSize", &page.size.to_string());
        info.number("total", total);
        info.end();
        rows
    })
}

/// Writes the list of versions for an administrator around its rows.
fn admin_frame(total: u64) -> Frame {
    Frame::object(|list| {
        list.number("code", 0);
        list.text("message", "");
        let mut result = list.object("result");
        let rows = result.rows("versions");
        result.number("total", total);
        result.end();
        rows
    })
}

async fn publish(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
    Body(body): Body,
) -> Result<Response, Refused> {
    let mut body = input::read(&body, PublishBody::parse)?;
    let named = FunctionRef::parse_path(&account, &name)?;
    if body.version_number.is_empty() {
        body.version_number = version_name(app.clock().now());
    }
    let publication = app.read(|catalog| Ok(check(catalog, &named.key, body))).await??;
    let (key, is_admin) = (named.key, params.get("isAdmin").is_some());
    let form = if is_admin { Form::WholeForAdmin } else { Form::Whole };
    let published = app.blocking(move |catalog| {
        let version = catalog.publish_function_version(&account.caller, &key, publication)?;
        let extra = Extra::of(&version)?;
        FunctionBody::new(catalog, &account, version, extra, form)
    });
    Ok(function_answer(published.await.map_err(refuse)?, is_admin))
}

/// Checks in the order of openyuanrong.md section 1.2; the catalog checks again, atomically.
fn check(catalog: &Catalog, key: &FunctionKey, body: PublishBody) -> Result<Publication, ApiError> {
    let head = catalog.get_function(key, &Qualifier::Head).map_err(refuse)?;
    if head.function.versions >= VERSIONS_MAX {
        return Err(ApiError::too_many_versions(head.function.versions + 1));
    }
    if head.name.as_str() != head_name(&body.kind) {
        return Err(ApiError::no_head());
    }
    if revision(head.revision) != body.revision_id {
        return Err(old_revision());
    }
    if !is_version_number(&body.version_number) {
        return Err(ApiError::invalid(
            "versionNumber can only contain digits, letters, dots(.), hyphens(-), and \
             underscores(_), and must start and end with a digit or letter, with less than 42 \
             characters",
        ));
    }
    let name = VersionName::parse(body.version_number)?;
    let extra = Extra::of(&head)?;
    // A function in a bucket must name its object; a version that exists is refused first.
    if extra.storage_type == S3 && !extra.has_object() && head.code.is_none() {
        let missing = ApiError::invalid("empty function version's bucket info");
        let existing = catalog.get_function(key, &Qualifier::Name(name));
        existing.map_err(ApiError::unless_missing(missing))?;
        return Err(ApiError::duplicate());
    }
    Ok(Publication {
        name: PublicationName::Given(name),
        description: body.description,
        expected_revision: Some(head.revision),
        versions_max: Some(VERSIONS_MAX),
        ..Publication::default()
    })
}

/// Words a refusal that [`check`] did not find because another request came in between.
fn refuse(error: CatalogError) -> ApiError {
    match error {
        CatalogError::NotFound { .. } => ApiError::no_head(),
        CatalogError::Stale { .. } => old_revision(),
        other => other.into(),
    }
}

fn old_revision() -> ApiError {
    ApiError::new(4134, "revisionId is non latest version")
}

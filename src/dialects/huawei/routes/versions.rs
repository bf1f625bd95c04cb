//! Function versions: list, publish.

use axum::response::Response;
use serde_json::{Map, Value};

use super::code::{self, NO_CODE};
use super::{Asked, bound};
use crate::catalog::Catalog;
use crate::dialects::extract::Body;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::huawei::paging;
use crate::dialects::huawei::wire::functions::{row, write_published};
use crate::dialects::huawei::wire::settings::read_description;
use crate::dialects::huawei::wire::urn::Urn;
use crate::dialects::huawei::wire::{answer, input, version_name};
use crate::dialects::json_fields::Fields;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::operation::{Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::dialects::stream::{self, Frame};
use crate::domain::{
    CatalogError, FunctionOrder, Noun, Page, Publication, PublicationName, VersionName, Window,
};

/// Published versions of a function: 20 with `latest` (huawei.md section 5).
const VERSIONS_MAX: u64 = 19;

/// The names of versions (huawei.md section 7).
const NAME: NameRule =
    NameRule { max: 42, first: Edge::Alphanumeric, inner: b"-_.", last: Edge::Alphanumeric };

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/v2/{project_id}/fgs/functions/{function_urn}/versions";
    let noun = Noun::FunctionVersion;
    vec![
        Operation::read("ListFunctionVersions", noun, Route::get(versions), list).cached(&[]),
        Operation::write("CreateFunctionVersion", noun, Route::post(versions), publish),
    ]
}

async fn list(asked: Asked<2>, params: Params) -> Result<Response, Refused> {
    let Asked { app, project, path: [_, urn], .. } = asked;
    let key = Urn::parse(&urn)?.key(&project)?;
    let window = paging::versions(&params)?;
    // Only the marker is an offset; behind the first batch the list continues by number.
    let (mut order, mut offset, mut left) = (FunctionOrder::HeadFirst, window.offset, window.limit);
    let fetch = move |catalog: &Catalog, rows: u64| {
        let part = Window { offset, limit: rows.min(left) };
        let page = catalog.list_function_versions(&key, order, part)?;
        left -= page.items.len() as u64;
        if let Some(last) = page.items.last() {
            (order, offset) = (FunctionOrder::HeadFirstAfter(last.number), 0);
        }
        let rows = page.items.iter().map(|state| row(state, &project));
        let items = rows.collect::<Result<Vec<_>, CatalogError>>()?;
        Ok(Page { items, more: page.more && left > 0, next: None, total: page.total })
    };
    let around = |count| {
        Frame::object(|list| {
            let rows = list.rows("versions");
            list.number("next_marker", paging::next_marker(window, count));
            list.number("count", count);
            rows
        })
    };
    Ok(stream::list(&app, fetch, around).await?)
}

async fn publish(asked: Asked<2>, Body(body): Body) -> Result<Response, Refused> {
    let Asked { app, caller, project, path: [_, urn] } = asked;
    let key = Urn::parse(&urn)?.key(&project)?;
    // One client sends a media type and no body (huawei.md section 1.3).
    let document = if body.is_empty() {
        Value::Object(Map::new())
    } else {
        code::read(&app, body, NO_CODE).await?.0
    };
    let publication = read_publication(&input::fields(&document)?)?;
    let publish = move |catalog: &Catalog| {
        bound(catalog, catalog.publish_function_version(&caller, &key, publication)?)
    };
    let version = app.blocking(publish).await?;
    Ok(answer(|record| write_published(record, &version, &project)))
}

fn read_publication(fields: &Fields<'_>) -> Result<Publication, ApiError> {
    let name = match input::text(fields, "version")? {
        None => PublicationName::FromTime(version_name),
        Some(name) => PublicationName::Given(read_name(name)?),
    };
    Ok(Publication {
        name,
        description: read_description(fields)?,
        expected_checksum: input::owned(fields, "digest")?,
        refuse_unchanged: true,
        versions_max: Some(VERSIONS_MAX),
        ..Publication::default()
    })
}

fn read_name(text: &str) -> Result<VersionName, ApiError> {
    let rule = "must be 1 to 42 letters, digits, '-', '_' and '.', with a letter or digit at both \
                ends, and not 'latest'";
    let allowed = Some(text).filter(|text| *text != "latest" && NAME.allows(text));
    let name = allowed.and_then(|text| VersionName::parse(text).ok());
    name.ok_or_else(|| ApiError::bad_text("version", text, rule))
}
